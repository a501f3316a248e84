"""The guests that exist: `boards/guests/packages.toml`, read.

    catalog().find("debian:busybox", "armhf").package      # "busybox-static"

A name with one architecture needs no architecture (`debian:armmp`); `debian:busybox` exists for two, and there the
caller says which: the architecture of the board that will run it.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from .errors import UsageError

DATA = files("boards.guests")


@dataclass(frozen=True)
class Guest:
    """One guest: the package that it is made of, and what is kept of it (see the head of packages.toml)."""

    name: str
    title: str
    architecture: str
    package: str
    files: Mapping[str, str]
    serves: str
    metapackage: str | None = None

    @property
    def key(self) -> tuple[str, str]:
        """What the lock file files it under."""
        return self.name, self.architecture


@dataclass(frozen=True)
class Catalog:
    """The guests, and the Debian suite they are all from."""

    suite: str
    component: str
    guests: tuple[Guest, ...]

    def named(self, name: str) -> list[Guest]:
        """Every guest of that name. Raises UsageError, with the nearest name, when there is none."""
        found = [guest for guest in self.guests if guest.name == name]
        if not found:
            names = sorted({guest.name for guest in self.guests})
            near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
            hint = f'did you mean "{near[0]}"?' if near else f"there are {', '.join(names)}"
            raise UsageError(f'no guest is called "{name}": {hint}')
        return found

    def find(self, name: str, architecture: str | None = None) -> Guest:
        """The one guest of that name for that architecture. Raises UsageError."""
        found = self.named(name)
        fitting = [guest for guest in found if architecture in (None, guest.architecture)]
        if len(fitting) == 1:
            return fitting[0]
        choice = " or ".join(guest.architecture for guest in found)
        raise UsageError(f'"{name}" exists for {choice}' + (f", not {architecture}" if architecture else ": say which"))


@cache
def catalog() -> Catalog:
    """The catalog that the package carries."""
    raw = tomllib.loads((DATA / "packages.toml").read_text(encoding="utf-8"))
    return Catalog(raw["suite"], raw["component"], tuple(Guest(**guest) for guest in raw["guest"]))
