"""A directory of the host, read for somebody who must not leave it.

    tree = HostTree(Path("src"))
    tree.listing(b"a")[b"b.txt"]        # Seen: kind, size, stamp
    tree.read(b"a/b.txt", 0, 100, stamp)

Theory: a path is walked name by name from the open directory on, each name opened relative to the last one and never through a
link, so that no name, and nobody who changes the tree meanwhile, leads out of it. Nothing but directories, regular files and
links exists here. A stamp (identity, size, times of change) tells whether a file is still what it was.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from hypervisor.abi.served import ENTRY, Entry

NAMES_LIMIT = 1 << 16
"""Names in one directory."""
Stamp = tuple[int, ...]


class Trouble(Exception):  # noqa: N818  of the host's files, for the user to know
    """What is asked for cannot be served; the text says why."""


class Seen(NamedTuple):
    """One name of a directory: what it stands for and its size."""

    kind: Entry
    size: int


class Listing:
    """A directory's names, sorted, and what each stands for. `packed`: as a cell gets them."""

    def __init__(self, seen: dict[bytes, Seen], stamp: Stamp) -> None:
        self.names = sorted(seen)
        self.seen, self.stamp = seen, stamp
        self.packed = [ENTRY.pack(*self._head(name)) + name for name in self.names]

    def _head(self, name: bytes) -> tuple[int, int, int]:
        kind, size = self.seen[name]
        return kind, len(name), size

    @property
    def sha256(self) -> str:
        """Over all of it."""
        return hashlib.sha256(b"".join(self.packed)).hexdigest()


class HostTree:
    """One directory.

    Raises:
        OSError: it cannot be opened.
    """

    def __init__(self, top: Path) -> None:
        self.path = top
        self._top = os.open(top, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def close(self) -> None:
        """Let go of it. May be called twice."""
        if self._top >= 0:
            os.close(self._top)
            self._top = -1

    def listing(self, path: bytes) -> Listing | None:
        """What is in a directory; None if the path is no directory's.

        Raises:
            Trouble: it cannot be read, or has too many names.
        """
        try:
            with self._opened(path, os.O_DIRECTORY) as directory:
                before = _stamp(os.fstat(directory))
                return Listing(_entries(directory), before)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise Trouble(error.strerror or "cannot be read") from error

    def stamp(self, path: bytes) -> Stamp:
        """Of a regular file.

        Raises:
            Trouble: it is none any more, or cannot be opened.
        """
        try:
            with self._regular(path) as file:
                return _stamp(os.fstat(file))
        except OSError as error:
            raise Trouble(error.strerror or "cannot be read") from error

    def read(self, path: bytes, offset: int, size: int, stamp: Stamp) -> bytes:
        """Bytes of a regular file that is still what its stamp says.

        Raises:
            Trouble: it is not, or cannot be read.
        """
        try:
            with self._regular(path) as file:
                data = os.pread(file, size, offset)
                if _stamp(os.fstat(file)) != stamp:
                    raise Trouble("has changed during the run")
                return data
        except OSError as error:
            raise Trouble(error.strerror or "cannot be read") from error

    def target(self, path: bytes) -> bytes:
        """The text of a link.

        Raises:
            Trouble: it is none any more.
        """
        above, _, name = path.rpartition(b"/")
        try:
            with self._opened(above, os.O_DIRECTORY) as directory:
                return os.readlink(name, dir_fd=directory)
        except OSError as error:
            raise Trouble(error.strerror or "cannot be read") from error

    @contextmanager
    def _regular(self, path: bytes) -> Iterator[int]:
        """A descriptor of a regular file. What else may have come to its place is not even opened: that alone does things."""
        with self._opened(path, os.O_PATH) as place:
            if not stat.S_ISREG(os.fstat(place).st_mode):
                raise Trouble("is no regular file any more")
            file = os.open(f"/proc/self/fd/{place}", os.O_RDONLY | os.O_CLOEXEC)
            try:
                yield file
            finally:
                os.close(file)

    @contextmanager
    def _opened(self, path: bytes, flags: int) -> Iterator[int]:
        """A descriptor of what a path of plain names leads to, without going through a link."""
        here, *names = [b".", *path.split(b"/")] if path else [b"."]
        common = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(here, common | os.O_DIRECTORY, dir_fd=self._top)
        try:
            for place, name in enumerate(names, 1):
                last = place == len(names)
                found = os.open(name, common | (flags if last else os.O_DIRECTORY), dir_fd=descriptor)
                os.close(descriptor)
                descriptor = found
            yield descriptor
        finally:
            os.close(descriptor)


def leads_out(path: bytes, target: bytes) -> bool:
    """Whether a link at a path, by its text, leads out of the directory, or is absolute.

    >>> [leads_out(b"a/l", text) for text in (b"b", b"../b", b"../../b", b"/b", b"../x/../..")]
    [False, False, True, True, True]
    """
    depth = path.count(b"/")
    for name in target.split(b"/"):
        depth += name not in (b"", b".", b"..")
        depth -= name == b".."
        if depth < 0:
            return True
    return target[:1] == b"/"


def _entries(directory: int) -> dict[bytes, Seen]:
    seen: dict[bytes, Seen] = {}
    with os.scandir(directory) as entries:
        for entry in entries:
            if len(seen) >= NAMES_LIMIT:
                raise Trouble(f"has more than {NAMES_LIMIT} names")
            found = entry.stat(follow_symlinks=False)
            kind = _kind(found.st_mode)
            if kind is not None:
                size = 0 if kind is Entry.DIRECTORY else found.st_size
                seen[os.fsencode(entry.name)] = Seen(kind, size)
    return seen


def _kind(mode: int) -> Entry | None:
    if stat.S_ISREG(mode):
        return Entry.PROGRAM if mode & 0o111 else Entry.FILE
    return Entry.DIRECTORY if stat.S_ISDIR(mode) else Entry.LINK if stat.S_ISLNK(mode) else None


def _stamp(found: os.stat_result) -> Stamp:
    return (found.st_dev, found.st_ino, found.st_mode, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
