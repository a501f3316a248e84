"""Directories: names in the order of their coming.

folder.add(b"a", file := Regular(tree, 0o100644))
"""

from __future__ import annotations

from cells.personalities.arm.errno import EEXIST, ENOENT, ENOSPC, Errno
from cells.personalities.linux.inode import DIRECTORY, Inode, Tree

NAME_COUNT = 1 << 16
"""Names in a tree: what a program can make of them takes the host's memory, not the cell's RAM."""


class Directory(Inode):
    """Names in the order of their coming. `parent`: itself for the root."""

    def __init__(self, tree: Tree, mode: int, parent: Directory | None = None) -> None:
        super().__init__(tree, DIRECTORY | mode & 0o7777)
        self.parent = parent or self
        self.entries: dict[bytes, Inode] = {}
        self.links = 1
        """Its own "."; the name and the children's ".." come with `add`."""

    @property
    def size(self) -> int:
        """Bytes, as stat tells them."""
        return 20 * (2 + len(self.entries))

    @property
    def gone(self) -> bool:
        """It was removed while somebody was in it."""
        return self.links < 2

    def find(self, name: bytes) -> Inode | None:
        """What a name stands for, other than "." and ".."."""
        return self.entries.get(name)

    def names(self) -> list[tuple[bytes, Inode]]:
        """What is in it now."""
        return list(self.entries.items())

    def name_of(self, inode: Inode) -> bytes:
        """The name by which it has a directory; none if it has not."""
        return next((name for name, found in self.names() if found is inode), b"")

    def add(self, name: bytes, inode: Inode) -> None:
        """Give a new name to an inode.

        Raises:
            Errno: EEXIST; ENOENT, this directory was removed; ENOSPC, there are too many names.
        """
        if name in self.entries:
            raise Errno(EEXIST)
        if self.tree.named >= NAME_COUNT:
            raise Errno(ENOSPC)
        if self.gone and self.parent is not self:
            raise Errno(ENOENT)
        self.entries[name] = inode
        inode.place = self, name
        self.tree.named += 1
        inode.links += 1
        if isinstance(inode, Directory):
            inode.parent = self
            self.links += 1
        inode.changed = self.tree.now()
        self.touch()

    def remove(self, name: bytes) -> None:
        """Take a name away. Requires: it is there."""
        inode = self.entries.pop(name)
        if inode.place == (self, name):
            inode.place = None
        self.tree.named -= 1
        inode.links -= 1
        if isinstance(inode, Directory):
            self.links -= 1
        inode.changed = self.tree.now()
        self.touch()
