"""What `cellvisor graph` does, without its options."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hypervisor.shell.graph.dot import as_dot
from hypervisor.shell.graph.gather import Picture, gather
from hypervisor.shell.graph.svg import as_svg
from hypervisor.shell.graph.text import as_text
from hypervisor.shell.problems import InputError

FORMATS: dict[str, Callable[[Picture], str]] = {"text": as_text, "dot": as_dot, "svg": as_svg}


@dataclass(frozen=True)
class GraphOptions:
    """What `graph` is told."""

    topology: str
    flavour: str | None = None
    overrides: tuple[str, ...] = ()
    form: str = "text"
    out: Path | None = None


def graph(options: GraphOptions) -> int:
    """Print the graph, or write it into a file."""
    drawn = FORMATS[options.form](gather(options.topology, flavour=options.flavour, overrides=options.overrides))
    if options.out is None:
        print(drawn, end="")
        return 0
    try:
        options.out.write_text(drawn, encoding="utf-8")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError(f"--out {options.out}: {reason} (say where it can be written)") from None
    return 0
