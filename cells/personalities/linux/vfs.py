"""The tree of names, and its changes.

    found = vfs.walk(process.directory, b"../etc/passwd", follow=True)      # way.py

Who may change it is asked before (rights.py). A process may have a root of its own, below which all its paths are.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from cells.personalities.arm.errno import (
    EBUSY,
    EEXIST,
    EINVAL,
    EISDIR,
    ENAMETOOLONG,
    ENOENT,
    ENOTDIR,
    ENOTEMPTY,
    EPERM,
    Errno,
)
from cells.personalities.linux.directory import Directory
from cells.personalities.linux.held import BYTES, OPEN_FILES, TRAVELLING, WATCHES, Held
from cells.personalities.linux.inode import Inode, Link, Pages, Regular, Volume
from cells.personalities.linux.notify import (
    ATTRIBUTES,
    CREATE,
    DELETE,
    MOVE_SELF,
    MOVED_FROM,
    MOVED_TO,
    gone,
    tell,
    tell_name,
)
from cells.personalities.linux.way import LINK_LIMIT, PATH_LIMIT, Found, Way

SPARE = 8
"""Files leave one part in this many of RAM to programs (assumed), so that who fills a disk reads ENOSPC and nobody is killed
for want of memory. Linux gives a tmpfs half of RAM."""


class Vfs:
    """The tree. `frames`: the pages of its files; `now`: virtual nanoseconds."""

    def __init__(self, frames: Pages, now: Callable[[], int]) -> None:
        self.frames, self.now = frames, now
        self._last_number = self.named = self._moves = 0
        self.held, self.open_files, self.travelling = Held(BYTES), Held(OPEN_FILES), Held(TRAVELLING)
        self.watches = Held(WATCHES)
        """Limits of what programs leave with the kernel (held.py)."""
        self._cached: dict[int, weakref.ref[Regular]] = {}
        self.root = Directory(self, 0o755)
        self.root.links = 2
        self.volumes: list[Volume] = []
        """File systems that were put into this one."""
        self.abstract: Any = None
        """The names of sockets that are no paths (`socket.Names`)."""

    def number(self) -> int:
        """A new inode's number."""
        self._last_number += 1
        return self._last_number

    def cached(self, inode: Regular) -> None:
        """This file has pages now, some of which it could do without."""
        self._cached[inode.inode_number] = weakref.ref(inode)

    def reclaim(self) -> bool:
        """Give back pages of files; whether there were any (`Frames.reclaim`)."""
        files = [file for reference in self._cached.values() if (file := reference())]
        self._cached = {file.inode_number: weakref.ref(file) for file in files}
        return sum(file.trim() for file in files) > 0

    def room(self) -> int:
        """Pages that files may still take by being written; what programs map of them is not asked."""
        spare = self.frames.total // SPARE
        if self.frames.free <= spare:
            self.reclaim()
        return max(self.frames.free - spare, 0)

    # ---- the way

    def walk(self, start: Directory, path: bytes, follow: bool = True, process: Any = None) -> Found:
        """Go a path. `follow`: through a link at its end, too.

        Raises:
            Errno: ENOENT, ENOTDIR, ELOOP, ENAMETOOLONG.
        """
        if not path:
            raise Errno(ENOENT)
        if len(path) >= PATH_LIMIT:
            raise Errno(ENAMETOOLONG)
        root = self.root if process is None else process.root
        return Way(root, start, path, follow, process).go()

    def find(self, path: bytes, directory: Directory | None = None, follow: bool = True, process: Any = None) -> Inode:
        """The inode that has this name.

        Raises:
            Errno: as `walk`; ENOENT.
        """
        return self.walk(directory or self.root, path, follow, process).existing()

    def lookup(self, process: Any, path: bytes) -> Inode:
        """What a process means by a path.

        Raises:
            Errno: as `walk`; ENOENT.
        """
        return self.find(path, process.directory, process=process)

    def real_path(self, process: Any, path: bytes) -> bytes:
        """The same file's path without links; links of /proc to open files say what they know. The path itself if it has none."""
        try:
            return self._real_path(process, path)
        except Errno:
            return path

    def _real_path(self, process: Any, path: bytes) -> bytes:
        found = self.walk(self.root if process is None else process.directory, path, False, process)
        for _ in range(LINK_LIMIT):
            if not isinstance(found.inode, Link):
                break
            target = found.inode.target(process)
            if getattr(found.inode, "inode", None) is not None:
                return target
            found = self.walk(found.directory, target, False, process)
        found.existing()
        return self.path_of(found.directory).rstrip(b"/") + b"/" + found.name

    def path_of(self, directory: Directory, top: Directory | None = None) -> bytes:
        """The name of a directory from the root, or from the one that a process has instead.

        Raises:
            Errno: ENOENT, it was removed.
        """
        names: list[bytes] = []
        while directory is not self.root and directory is not top:
            above = directory.parent
            names.append(above.name_of(directory))
            if not names[-1] or above is directory:
                raise Errno(ENOENT)
            directory = above
        return b"/" + b"/".join(reversed(names))

    # ---- changes

    def create(self, found: Found, inode: Inode) -> Inode:
        """Give a new inode the name that a walk did not find.

        Raises:
            Errno: EEXIST, ENOENT.
        """
        if found.inode is not None:
            raise Errno(EEXIST)
        if found.slash and not isinstance(inode, Directory):
            raise Errno(ENOENT)
        found.directory.add(found.name, inode)
        tell_name(found.directory, CREATE, found.name, inode)
        return inode

    def link(self, inode: Inode, found: Found) -> None:
        """One more name.

        Raises:
            Errno: EPERM, EEXIST, ENOENT.
        """
        if isinstance(inode, Directory):
            raise Errno(EPERM)
        tell(inode, ATTRIBUTES)
        self.create(found, inode)

    def unlink(self, found: Found) -> None:
        """Take away a name that is no directory's.

        Raises:
            Errno: ENOENT, EISDIR, ENOTDIR.
        """
        if isinstance(found.existing(), Directory):
            raise Errno(EISDIR)
        if found.slash:
            raise Errno(ENOTDIR)
        self._take_away(found)

    def remove_directory(self, found: Found) -> None:
        """Take away an empty directory.

        Raises:
            Errno: ENOENT, ENOTDIR, EBUSY, EINVAL, ENOTEMPTY.
        """
        inode = found.existing()
        if not isinstance(inode, Directory):
            raise Errno(ENOTDIR)
        if inode is self.root or not found.name or inode.volume is not found.directory.volume:
            raise Errno(EBUSY)
        if found.name == b".":
            raise Errno(EINVAL)
        if found.name == b".." or inode.names():
            raise Errno(ENOTEMPTY)
        self._take_away(found)
        inode.links = 0

    def _take_away(self, found: Found) -> None:
        """Requires: the name is there; names of /proc and the like are nobody's to take."""
        if found.name not in found.directory.entries:
            raise Errno(EPERM)
        inode = found.existing()
        found.directory.remove(found.name)
        tell_name(found.directory, DELETE, found.name, inode)
        gone(inode)

    def rename(self, old: Found, new: Found) -> None:
        """Give an inode another name in place of its own, and of what had that name.

        Raises:
            Errno: ENOENT, EBUSY, EINVAL, ENOTDIR, EISDIR, ENOTEMPTY.
        """
        inode = old.existing()
        self._check_rename(old, new, inode)
        if new.inode is inode:
            return
        if new.inode is not None:
            new.directory.remove(new.name)
            if isinstance(new.inode, Directory):
                new.inode.links = 0
        old.directory.remove(old.name)
        new.directory.add(new.name, inode)
        self._moves += 1
        tell_name(old.directory, MOVED_FROM, old.name, inode, self._moves)
        tell_name(new.directory, MOVED_TO, new.name, inode, self._moves)
        if new.inode is not None:
            gone(new.inode)
        tell(inode, MOVE_SELF)

    def _check_rename(self, old: Found, new: Found, inode: Inode) -> None:
        is_directory = isinstance(inode, Directory)
        if not (old.own_name() and new.own_name()) or _is_place(old) or _is_place(new):
            raise Errno(EBUSY)
        if new.directory.gone:
            raise Errno(ENOENT)
        if old.name not in old.directory.entries or (new.inode and new.name not in new.directory.entries):
            raise Errno(EPERM)
        if is_directory and self._below(new.directory, inode):
            raise Errno(EINVAL)
        if new.slash and not is_directory:
            raise Errno(ENOTDIR)
        if new.inode is not None and is_directory != isinstance(new.inode, Directory):
            raise Errno(ENOTDIR if is_directory else EISDIR)
        if isinstance(new.inode, Directory) and new.inode.names():
            raise Errno(ENOTEMPTY)

    def _below(self, directory: Directory, top: Inode) -> bool:
        while directory is not top and directory is not self.root:
            directory = directory.parent
        return directory is top


def _is_place(found: Found) -> bool:
    """Another file system was put there."""
    return found.inode is not None and found.inode.volume is not found.directory.volume
