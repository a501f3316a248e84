"""Where Debian's packages come from: nobody's host is written here, the user or the machine names one.

In this order: `--mirror`, the variable CELLVISOR_DEBIAN_MIRROR, the machine's own apt configuration (sources.list,
*.list and *.sources). Apt's entries for other archives (a vendor's repository, another distribution) are told apart by
their suite and component: only Debian's own release names with `main` count. One that has the wanted suite comes before
the others, which serve too: a Debian mirror has every suite.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from debian.deb822 import Deb822

from .errors import UsageError

VARIABLE = "CELLVISOR_DEBIAN_MIRROR"
APT = Path("/etc/apt")
# Release names and their aliases, from the releases page of the Debian wiki.
DEBIAN_SUITES = frozenset(
    ("buster", "bullseye", "bookworm", "trixie", "forky", "duke", "sid", "unstable", "testing", "stable", "oldstable")
)
SCHEMES = ("http://", "https://", "file:/")
NO_MIRROR = (
    "no Debian mirror is known: pass --mirror URL (the folder that holds dists/ and pool/) or set "
    f"{VARIABLE}; this machine's apt configuration names none"
)


@dataclass(frozen=True)
class Source:
    """One entry of apt's configuration."""

    uri: str
    suite: str
    components: tuple[str, ...]

    @property
    def is_debian(self) -> bool:
        """Whether it looks like Debian's own archive (the security archive has its own mirrors, and no armel)."""
        name, _, kind = self.suite.partition("-")
        return name in DEBIAN_SUITES and kind != "security" and "main" in self.components


def mirrors(named: str | None, suite: str, *, apt: Path = APT) -> list[str]:
    """The mirrors to try, best first. Raises UsageError when there is none, or when the one named is no address."""
    chosen = named or os.environ.get(VARIABLE)
    if chosen:
        return [_address(chosen)]
    entries = [source for source in apt_sources(apt) if source.is_debian]
    ranked = sorted(entries, key=lambda source: (source.suite != suite, "-" in source.suite))
    found = list(dict.fromkeys(uri for source in ranked for uri in _locations(source.uri)))
    if not found:
        raise UsageError(NO_MIRROR)
    return found


def apt_sources(apt: Path = APT) -> Iterator[Source]:
    """Every enabled `deb` entry of apt's configuration in that folder; unreadable files are passed over."""
    parts = apt / "sources.list.d"
    for path in [apt / "sources.list", *sorted(parts.glob("*.list")), *sorted(parts.glob("*.sources"))]:
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        yield from _deb822(text) if path.suffix == ".sources" else _one_line(text.splitlines())


def _one_line(lines: Iterable[str]) -> Iterator[Source]:
    for line in lines:
        words = line.partition("#")[0].split()
        if not words or words.pop(0) != "deb":
            continue
        if words and words[0].startswith("["):  # options: [ arch=amd64 signed-by=... ]
            closing = next((at for at, word in enumerate(words) if word.endswith("]")), len(words))
            words = words[closing + 1 :]
        if len(words) >= 3:
            yield Source(words[0], words[1], tuple(words[2:]))


def _deb822(text: str) -> Iterator[Source]:
    for entry in Deb822.iter_paragraphs(text.splitlines(), use_apt_pkg=False):
        if "deb" not in entry.get("Types", "").split() or entry.get("Enabled", "yes").lower() in ("no", "false", "0"):
            continue
        components = tuple(entry.get("Components", "").split())
        for uri in entry.get("URIs", "").split():
            for suite in entry.get("Suites", "").split():
                yield Source(uri, suite, components)


def _locations(uri: str) -> list[str]:
    """The addresses behind one URI: itself, or the lines of apt's `mirror+file:` list, as cloud images have it."""
    if uri.startswith("mirror+file:"):
        path = Path("/" + uri.removeprefix("mirror+file:").lstrip("/"))
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        return [words[0].rstrip("/") for words in map(str.split, lines) if words and words[0].startswith(SCHEMES)]
    return [uri.rstrip("/")] if uri.startswith(SCHEMES) else []


def _address(named: str) -> str:
    if named.startswith("/"):
        return Path(named).as_uri().rstrip("/")
    if not named.startswith(SCHEMES):
        raise UsageError(f'"{named}" is no mirror: it must begin with http://, https:// or file:/, or be a folder')
    return named.rstrip("/")
