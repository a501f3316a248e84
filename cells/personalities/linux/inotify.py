"""inotify: a file from which a program reads what happened to files.

    file = InotifyFile(inode, flags)
    number = file.watch(found, MODIFY | CLOSE_WRITE)

Theory (inotify(7)): events wait in order, the last one is not repeated if it happens again; too many are one event that says so.
"""

from __future__ import annotations

import struct
from collections import deque
from typing import Any

from cells.personalities.arm.errno import EEXIST, EINVAL, ENOSPC, ENOTTY, Errno
from cells.personalities.arm.wait import Queue
from cells.personalities.linux.file import READ_ONLY, READABLE, File, WouldBlock
from cells.personalities.linux.inode import Inode
from cells.personalities.linux.notify import IGNORED, OVERFLOW

EVENTS = 0xFFF
"""Bits of a mask that can be asked for."""
ALWAYS = IGNORED | OVERFLOW
MASK_CREATE, MASK_ADD, ONE_SHOT = 0x1000_0000, 0x2000_0000, 0x8000_0000
QUEUED = 1024
"""Events that wait (Linux: 16384). Assumed, since they take the host's memory."""
HEAD = struct.Struct("<iIII")
FIONREAD = 0x541B


class Watch:
    """One watch, in the tuple of its inode."""

    def __init__(self, file: InotifyFile, number: int, inode: Inode, mask: int) -> None:
        self.file, self.number, self.inode, self.mask = file, number, inode, mask

    def happened(self, mask: int, cookie: int, name: bytes) -> None:
        """One of the events."""
        if not mask & self.mask & EVENTS:
            return
        self.file.put(self.number, mask, cookie, name)
        if self.mask & ONE_SHOT:
            self.end()

    def end(self) -> None:
        """It is no more, and the program is told."""
        self.leave()
        self.file.put(self.number, IGNORED, 0, b"")

    def leave(self) -> None:
        """It is no more."""
        if self.file.watches.pop(self.number, None) is not None:
            self.inode.watches = tuple(watch for watch in self.inode.watches if watch is not self)
            self.inode.tree.watches.give(1)


class InotifyFile(File):
    """An instance."""

    def __init__(self, inode: Inode, flags: int) -> None:
        super().__init__(inode, READ_ONLY | flags)
        self.name = b"anon_inode:inotify"
        self.watches: dict[int, Watch] = {}
        self._last = 0
        self._events: deque[bytes] = deque()
        self.queue = Queue()

    def watch(self, inode: Inode, mask: int) -> int:
        """A watch on a file, or another mask for the one that there is; its number.

        Raises:
            Errno: EINVAL, EEXIST, ENOSPC.
        """
        if not mask & EVENTS or (mask & MASK_ADD and mask & MASK_CREATE):
            raise Errno(EINVAL)
        for watch in inode.watches:
            if watch.file is self:
                if mask & MASK_CREATE:
                    raise Errno(EEXIST)
                watch.mask = watch.mask | mask if mask & MASK_ADD else mask
                return int(watch.number)
        inode.tree.watches.take(1, ENOSPC)
        self._last += 1
        self.watches[self._last] = made = Watch(self, self._last, inode, mask)
        inode.watches = (*inode.watches, made)
        return self._last

    def forget(self, number: int) -> None:
        """Raises: Errno: EINVAL, there is no such watch."""
        if number not in self.watches:
            raise Errno(EINVAL)
        self.watches[number].end()

    def put(self, number: int, mask: int, cookie: int, name: bytes) -> None:
        """One event more."""
        padded = name + bytes(16 - len(name) % 16) if name else b""
        event = HEAD.pack(number, mask, cookie, len(padded)) + padded
        if len(self._events) >= QUEUED:
            event = HEAD.pack(-1, OVERFLOW, 0, 0)
        if self._events and self._events[-1] == event:
            return
        self._events.append(event)
        self.activity += 1
        self.queue.wake()

    def read(self, process: Any, size: int) -> bytes:
        """As many whole events as fit."""
        if not self._events:
            raise WouldBlock(self.queue)
        if len(self._events[0]) > size:
            raise Errno(EINVAL)
        taken = bytearray()
        while self._events and len(taken) + len(self._events[0]) <= size:
            taken += self._events.popleft()
        return bytes(taken)

    def ioctl(self, process: Any, request: int, argument: int) -> int:
        """How many bytes wait."""
        if request != FIONREAD:
            raise Errno(ENOTTY)
        process.space.write(argument, struct.pack("<I", sum(map(len, self._events))))
        return 0

    def poll(self) -> int:
        """What it is ready for."""
        return READABLE if self._events else 0

    def queues(self) -> tuple[Queue, ...]:
        """Which are woken when that changes."""
        return (self.queue,)

    def close(self) -> None:
        """The last user has gone."""
        for watch in list(self.watches.values()):
            watch.leave()
