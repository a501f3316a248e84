"""Files, links and directories that functions make: what /proc consists of.

    fixed(vfs, parent, {b"version": Made(vfs, lambda: b"1\n")})

Theory: a directory of this kind looks its names up in the kernel each time; files have their content made at open, so that one
reader sees one moment.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cells.personalities.arm.errno import EIO, EPERM, Errno
from cells.personalities.linux.directory import Directory
from cells.personalities.linux.file import DirectoryFile, File, RegularFile
from cells.personalities.linux.inode import LINK, REGULAR, Inode, Link


class MadeFile(RegularFile):
    """An open one."""

    def write_at(self, process: Any, offset: int, data: bytes) -> int:
        """Nothing can be told to the kernel this way."""
        raise Errno(EIO)


class Made(Inode):
    """A file whose content a function makes."""

    of_proc = True

    def __init__(self, tree: Any, make: Callable[[], bytes], mode: int = 0o444) -> None:
        super().__init__(tree, REGULAR | mode)
        self._make = make
        self.links = 1

    def open(self, process: Any, flags: int) -> File:
        """With its content of now. Whoever may open it for writing (root may) finds that nothing can be written."""
        return MadeFile(self, flags, self._make())


class Pointer(Link):
    """A link whose target a function tells; `inode`: what it leads to, which may have no name."""

    of_proc = True

    def __init__(
        self, tree: Any, where: Callable[[Any], bytes], inode: Callable[[Any], Inode | None] | None = None
    ) -> None:
        super().__init__(tree, b"")
        self.mode = LINK | 0o777
        self.links = 1
        self._where = where
        if inode is not None:
            self.inode = inode

    def target(self, process: Any = None) -> bytes:
        """Where it leads."""
        return self._where(process)


class Listed(Directory):
    """A directory whose names two functions tell. Nobody can give or take any."""

    of_proc = True

    def __init__(
        self,
        tree: Any,
        parent: Directory | None,
        find: Callable[[bytes], Inode | None],
        names: Callable[[], list[bytes]],
    ) -> None:
        super().__init__(tree, 0o555, parent)
        self.links = 2
        self._find, self._names = find, names

    def find(self, name: bytes) -> Inode | None:
        """What a name stands for."""
        return self._find(name)

    def names(self) -> list[tuple[bytes, Inode]]:
        """What is in it now."""
        found = [(name, self._find(name)) for name in self._names()]
        return [(name, inode) for name, inode in found if inode is not None]

    def add(self, name: bytes, inode: Inode) -> None:
        """Nobody gives names here."""
        raise Errno(EPERM)

    def open(self, process: Any, flags: int) -> File:
        """Its names are those of now."""
        return DirectoryFile(self, flags)


def fixed(tree: Any, parent: Directory | None, entries: dict[bytes, Inode]) -> Listed:
    """A directory with these names, always."""
    made = Listed(tree, parent, entries.get, lambda: list(entries))
    for inode in entries.values():
        if isinstance(inode, Directory):
            inode.parent = made
    return made
