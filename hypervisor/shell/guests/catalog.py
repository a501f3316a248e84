"""The guests that exist: `boards/guests/packages.toml`, read.

    catalog().find("debian:busybox", "armhf").package      # "busybox-static"

A name with one architecture needs no architecture (`debian:armmp`); `debian:busybox` exists for two, and there the
caller says which: the architecture of the board that will run it.

A root (`debian:armel`) is made of many packages. Each is a guest of its own, `debian:armel/dash`, which is fetched, pinned and
checked as the others are, and which no topology names.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from .errors import UsageError

DATA = files("boards.guests")
TREE, ROOT = "tree", "root"
"""What a package of a root serves: all its files as an archive; and what the root serves: one archive of them all."""


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
    leave: tuple[str, ...] = ()
    """Of a package of a root: patterns of paths that are left out."""
    modules: tuple[str, ...] = ()
    """Of a kernel's package of a root: the modules that are kept of it, and nothing else."""
    members: tuple[Guest, ...] = ()
    """Of a root: its packages."""
    links: Mapping[str, str] = field(default_factory=dict)
    own: Mapping[str, str] = field(default_factory=dict)
    """Of a root: path in it = file beside the catalog."""
    disk: str = ""
    """Of a root that is served as a disk: its size."""

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

    @property
    def pieces(self) -> tuple[Guest, ...]:
        """What is fetched one by one: the guests, a root's packages in its place."""
        return tuple(one for guest in self.guests for one in (guest.members or (guest,)))

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
    guests = [Guest(**guest) for guest in raw["guest"]] + [root(**row) for row in raw["root"]]
    return Catalog(raw["suite"], raw["component"], tuple(guests))


def root(
    name: str,
    architecture: str,
    packages: list[str],
    leave: list[str],
    kernel: Mapping[str, Any] | None = None,
    **more: Any,
) -> Guest:
    """A root out of its row. `kernel`: the package of whose modules some belong to it (metapackage, package, modules)."""
    tree: dict[str, Any] = {"architecture": architecture, "files": {TREE: "*"}, "serves": TREE, "title": ""}
    members = tuple(Guest(f"{name}/{package}", package=package, leave=tuple(leave), **tree) for package in packages)
    if kernel is not None:
        members += (Guest(f"{name}/modules", **tree, **{**kernel, "modules": tuple(kernel["modules"])}),)
    package = f"{len(members)} packages"
    return Guest(name=name, architecture=architecture, package=package, files={}, serves=ROOT, members=members, **more)
