"""Open files: what a descriptor stands for, and the table of a process's descriptors.

    file = process.files.file(3)
    data = file.read(process, 100)          # may raise WouldBlock(queue): blocking.py waits, or says EAGAIN

Theory: an open file is made by open, pipe, socket or accept; descriptors of one process or of several (dup, fork) share it,
its offset and its flags; the last that is closed ends it. Nothing here sleeps: an operation that cannot be done yet raises
`WouldBlock` with the queues that are woken when it may be, and select, poll and epoll wait on the same queues.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from cells.personalities.arm.errno import EINVAL, EISDIR, ENOMEM, ENOTTY, ENXIO, ESPIPE, Errno
from cells.personalities.arm.wait import Queue
from cells.personalities.linux.directory import Directory
from cells.personalities.linux.held import Held
from cells.personalities.linux.inode import Inode, Regular
from cells.personalities.linux.notify import ACCESS as ACCESS_EVENT
from cells.personalities.linux.notify import MODIFY, tell

READ_ONLY, WRITE_ONLY, READ_WRITE, ACCESS = 0, 1, 2, 3
CREATE, EXCLUSIVE, NO_TERMINAL, TRUNCATE, APPEND, NONBLOCK = 0o100, 0o200, 0o400, 0o1000, 0o2000, 0o4000
MUST_BE_DIRECTORY, NO_FOLLOW, LARGE, CLOSE_ON_EXEC, PATH_ONLY = 0o40000, 0o100000, 0o400000, 0o2000000, 0o10000000
"""Flags of open on ARM, whose directory, nofollow and large-file bits are its own."""
KEPT = ACCESS | APPEND | NONBLOCK | LARGE | MUST_BE_DIRECTORY | NO_FOLLOW | PATH_ONLY
SETTABLE = APPEND | NONBLOCK
POLL_IN, POLL_PRIORITY, POLL_OUT, POLL_ERROR, POLL_HANGUP, POLL_INVALID, POLL_READ_HANGUP = 1, 2, 4, 8, 16, 32, 0x2000
POLL_READ_NORMAL, POLL_WRITE_NORMAL = 0x40, 0x100
READABLE, WRITABLE = POLL_IN | POLL_READ_NORMAL, POLL_OUT | POLL_WRITE_NORMAL
LISTED = 64
"""Bytes of the host for a name that an open directory lists: assumed."""
SMALL = 256
"""Bytes from which on copying is charged, a cycle each: assumed, of the order of lmbench's bw_mem on an ARM926."""
AT_ONCE = 1 << 16
"""Most bytes that one operation carries; longer ones are done in pieces."""


class WouldBlock(Exception):  # noqa: N818  it is no error
    """Not yet: look again when one of the queues is woken, or at `until` (cycles)."""

    def __init__(self, *queues: Queue, until: int | None = None) -> None:
        super().__init__()
        self.queues, self.until = queues, until


class Opening(WouldBlock, ABC):
    """The file is there, and open goes on when it is `ready`."""

    def __init__(self, file: File, *queues: Queue) -> None:
        super().__init__(*queues)
        self.file = file

    @property
    @abstractmethod
    def ready(self) -> bool:
        """The descriptor can be given out.

        Raises:
            Errno: it never can.
        """


class File:
    """An open file. What a kind can do, it overrides; what it cannot fails as here."""

    mapping: Any = None
    """What mmap shows of a device: as an inode, `size` and `page`; and whether it is `writable`."""

    def __init__(self, inode: Inode | None, flags: int) -> None:
        self.inode, self.flags = inode, flags & KEPT
        self.users = 0
        self.counted: Held | None = None
        """Where it is one of the system's open files."""
        self.offset = 0
        self.name = b""
        """What /proc/PID/fd shows."""
        self.activity = 0
        """Grows whenever it becomes ready for something: for edge-triggered epoll."""

    @property
    def readable(self) -> bool:
        """It was opened for reading."""
        return self.flags & (ACCESS | PATH_ONLY) in (READ_ONLY, READ_WRITE)

    @property
    def writable(self) -> bool:
        """It was opened for writing."""
        return self.flags & (ACCESS | PATH_ONLY) in (WRITE_ONLY, READ_WRITE)

    def read(self, process: Any, size: int) -> bytes:
        """Up to `size` bytes, none at the end."""
        raise Errno(EINVAL)

    def read_late(self, process: Any, size: int) -> bytes:
        """The time of a `WouldBlock` has come: what there is."""
        return b""

    def put_back(self, data: bytes) -> None:
        """It was read and could not be given. Kinds that cannot take it back lose it, as Linux does."""

    def write(self, process: Any, data: bytes) -> int:
        """How many bytes went."""
        raise Errno(EINVAL)

    def read_at(self, process: Any, offset: int, size: int) -> bytes:
        """Without the file's offset."""
        raise Errno(ESPIPE)

    def write_at(self, process: Any, offset: int, data: bytes) -> int:
        """Without the file's offset."""
        raise Errno(ESPIPE)

    def seek(self, to: int, whence: int) -> int:
        """The new offset."""
        raise Errno(ESPIPE)

    def ioctl(self, process: Any, request: int, argument: int) -> int:
        """What only this kind can do."""
        raise Errno(ENOTTY)

    def poll(self) -> int:
        """What it is ready for."""
        return READABLE | WRITABLE

    def queues(self) -> tuple[Queue, ...]:
        """Which are woken when it becomes ready."""
        return ()

    def close(self) -> None:
        """The last user has gone."""


class RegularFile(File):
    """Bytes of an inode. Files that are made when they are opened (/proc) have a `content` instead."""

    inode: Inode

    def __init__(self, inode: Inode, flags: int, content: bytes | None = None) -> None:
        super().__init__(inode, flags)
        inode.tree.held.take(len(content or b""), ENOMEM)
        self.content = content

    @property
    def size(self) -> int:
        """Bytes, as stat tells them."""
        return self.inode.size if self.content is None else len(self.content)

    def read(self, process: Any, size: int) -> bytes:
        """What there is, up to that size."""
        data = self.read_at(process, self.offset, size)
        self.offset += len(data)
        if self.inode.tree.watches.now:
            tell(self.inode, ACCESS_EVENT)
        return data

    def put_back(self, data: bytes) -> None:
        """It was read and could not be given."""
        self.offset -= len(data)

    def read_at(self, process: Any, offset: int, size: int) -> bytes:
        """From a place."""
        if self.content is not None:
            return self.content[offset : offset + size]
        assert isinstance(self.inode, Regular)
        return self.inode.read(offset, size)

    def write(self, process: Any, data: bytes) -> int:
        """How many bytes went."""
        if self.flags & APPEND:
            self.offset = self.size
        done = self.write_at(process, self.offset, data)
        self.offset += done
        return done

    def write_at(self, process: Any, offset: int, data: bytes) -> int:
        """To a place."""
        if not isinstance(self.inode, Regular):
            raise Errno(EINVAL)
        done = self.inode.write(self.size if self.flags & APPEND else offset, data) if data else 0
        if self.inode.tree.watches.now and done:
            tell(self.inode, MODIFY)
        return done

    def seek(self, to: int, whence: int) -> int:
        """The new offset."""
        self.offset = place(to, whence, self.offset, self.size)
        return self.offset

    def close(self) -> None:
        """The last user has gone."""
        self.inode.tree.held.give(len(self.content or b""))
        self.content = None if self.content is None else b""


def place(to: int, whence: int, now: int, size: int) -> int:
    """An offset as lseek means it; holes are not told: all below the end is data.

    Raises:
        Errno: EINVAL; ENXIO behind the end for SEEK_DATA and SEEK_HOLE.
    """
    if whence in (3, 4):
        if not 0 <= to < size:
            raise Errno(ENXIO)
        return to if whence == 3 else size
    if whence not in (0, 1, 2):
        raise Errno(EINVAL)
    result = to + (0, now, size)[whence]
    if not 0 <= result < 1 << 63:
        raise Errno(EINVAL)
    return result


class DirectoryFile(File):
    """An open directory. Its names are those at the time when it is read from the beginning."""

    inode: Directory

    def __init__(self, inode: Directory, flags: int) -> None:
        super().__init__(inode, flags)
        self._names: list[tuple[bytes, Inode]] = []

    def read(self, process: Any, size: int) -> bytes:
        """What there is, up to that size."""
        raise Errno(EISDIR)

    def read_at(self, process: Any, offset: int, size: int) -> bytes:
        """From a place."""
        raise Errno(EISDIR)

    def seek(self, to: int, whence: int) -> int:
        """The new offset."""
        if whence > 1:
            raise Errno(EINVAL)
        self.offset = place(to, whence, self.offset, 0)
        return self.offset

    def names(self) -> list[tuple[bytes, Inode]]:
        """From the offset on, which counts names."""
        if self.offset == 0 or not self._names:
            self._list()
        return self._names[self.offset :]

    def _list(self) -> None:
        self.close()
        names = [(b".", self.inode), (b"..", self.inode.parent), *self.inode.names()]
        self.inode.tree.held.take(LISTED * len(names), ENOMEM)
        self._names = names

    def close(self) -> None:
        """The last user has gone."""
        self.inode.tree.held.give(LISTED * len(self._names))
        self._names = []
