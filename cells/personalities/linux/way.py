"""The way through the tree: a path, walked name by name.

    found = Way(root, directory, b"../etc/passwd", True, process).go()    # .directory, .name, .inode (None: it is free)

Theory: a symbolic link on the way puts its target in front of what is left, at most 40 times (Linux's limit). The result names
the directory and the last name too, because most calls want to make, replace or remove it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cells.personalities.arm.errno import ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR, Errno
from cells.personalities.linux.directory import Directory
from cells.personalities.linux.inode import Inode, Link
from cells.personalities.linux.rights import EXECUTE, demand

PATH_LIMIT, NAME_LIMIT, LINK_LIMIT = 4096, 255, 40
"""PATH_MAX, NAME_MAX, and how many links one path may lead through."""


@dataclass
class Found:
    """Where a walk ended. `name`: b"" if the path has none of its own ("/", or a followed link's target is a root)."""

    directory: Directory
    name: bytes
    inode: Inode | None
    slash: bool = False
    """The path ended with one: it means a directory."""

    def existing(self) -> Inode:
        """The inode.

        Raises:
            Errno: ENOENT.
        """
        if self.inode is None:
            raise Errno(ENOENT)
        return self.inode

    def own_name(self) -> bool:
        """It is a name that can be given and taken."""
        return self.name not in (b"", b".", b"..")


class Way:
    """One walk: where it is, and the names that are left."""

    def __init__(self, root: Directory, start: Directory, path: bytes, follow: bool, process: Any) -> None:
        self.root, self.follow, self.process = root, follow, process
        self.here: Inode = root if path[:1] == b"/" else start
        self.slash = path.endswith(b"/")
        self.names = _names(path)
        self.links = 0
        self.checked = process is not None and process.user[1] != 0
        """Whoever is not root needs the right to go through each directory."""

    def go(self) -> Found:
        """To the end.

        Raises:
            Errno: ENOENT, ENOTDIR, ELOOP, ENAMETOOLONG, EACCES.
        """
        found = self._nothing_left()
        while self.names:
            found = self._step(self.names.pop())
        if self.slash and found.inode is not None and not isinstance(found.inode, Directory):
            raise Errno(ENOTDIR)
        found.slash = self.slash
        return found

    def _nothing_left(self) -> Found:
        """What a path without names, or a link to one, means: where it began."""
        directory = self._directory()
        return Found(directory, b"", directory)

    def _directory(self) -> Directory:
        if not isinstance(self.here, Directory):
            raise Errno(ENOTDIR)
        return self.here

    def _step(self, name: bytes) -> Found:
        directory = self._directory()
        if len(name) > NAME_LIMIT:
            raise Errno(ENAMETOOLONG)
        if self.checked:
            demand(self.process, directory, EXECUTE)
        inode = self._look_up(directory, name)
        if isinstance(inode, Link) and (self.names or self.follow or self.slash):
            return self._follow(inode)
        if inode is None and self.names:
            raise Errno(ENOENT)
        if inode is not None:
            self.here = inode
        return Found(directory, name, inode)

    def _follow(self, link: Link) -> Found:
        """What is left of the path goes on behind the link's target."""
        self.links += 1
        if self.links > LINK_LIMIT:
            raise Errno(ELOOP)
        direct = getattr(link, "inode", None)  # a link of /proc to an open file that may have no name
        if direct is not None and (inode := direct(self.process)) is not None:
            self.here = inode
            return Found(self.root, b"", inode)
        target = link.target(self.process)
        if not target:
            raise Errno(ENOENT)
        if target[:1] == b"/":
            self.here = self.root
        self.slash = self.slash or (target.endswith(b"/") and not self.names)
        self.names += _names(target)
        return self._nothing_left()

    def _look_up(self, directory: Directory, name: bytes) -> Inode | None:
        """Nothing is above the root that this process has."""
        if name == b"." or (name == b".." and directory is self.root):
            return directory
        return directory.parent if name == b".." else directory.find(name)


def _names(path: bytes) -> list[bytes]:
    """The last one first."""
    return [name for name in reversed(path.split(b"/")) if name]
