"""Files of sweeps and campaigns: by a built-in name or by a path, and in one clear line what is wrong with one.

CAMPAIGNS = Shelf("campaign", "campaigns")       # boards/campaigns
name, path, content = CAMPAIGNS.read("kills", parse)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

from boards import toml
from hypervisor.shell.topology.problems import Problem, Report, TopologyError, nearest

Content = TypeVar("Content")


@dataclass(frozen=True)
class Shelf:
    """Where the built-in ones of a kind lie. `kind`: what people call one; `folder`: below `boards`."""

    kind: str
    folder: str

    @property
    def place(self) -> Path:
        """Their directory."""
        return Path(str(files("boards"))) / self.folder

    def names(self) -> list[str]:
        """The built-in ones."""
        return sorted(path.stem for path in self.place.glob("*.toml"))

    def read(self, name: str, parse: Callable[[dict[str, Any], Report], Content | None]) -> tuple[str, Path, Content]:
        """One by built-in name or path: the name that it goes by, its file, its content. `parse` reports what is wrong.

        Raises:
            TopologyError: with everything that is wrong.
        """
        data, path, label = self.load(name)
        report = Report(label)
        content = parse(data, report)
        if content is None or report.problems:
            raise TopologyError(report.problems)
        return path.stem, path, content

    def load(self, name: str) -> tuple[dict[str, Any], Path, str]:
        """What a file says, the file, and what messages call it.

        Raises:
            TopologyError: there is none, or it cannot be read, or it is no TOML.
        """
        built_in = name in self.names()
        path, label = (self.place / f"{name}.toml", name) if built_in else (Path(name), name)
        try:
            return toml.loads(path.read_text(encoding="utf-8")), path, label
        except FileNotFoundError:
            why = f"no such {self.kind}, and no such file ({nearest(path.stem, self.names())})"
        except OSError as error:
            why = f"cannot be read: {(error.strerror or str(error)).lower()} (give a TOML file)"
        except (UnicodeDecodeError, toml.TomlError) as error:
            why = f"is not TOML: {error}"
        raise TopologyError([Problem(label, "", why)])
