"""Waiting for several files at once: what select, poll and epoll share, and epoll and event files themselves.

    states = look(files)                    # nothing ready? wait on all their queues, look again
    epoll = Epoll(kernel); epoll.add(5, file, EPOLLIN, data)

Theory: each file names the queues that are woken when it becomes ready (`File.queues`). A waiter sleeps on all of them and
looks again. Edge-triggered interest is told once for each change, which a file counts (`File.activity`).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

from cells.personalities.linux.errno import EEXIST, EINVAL, ELOOP, ENOENT, EPERM, Errno
from cells.personalities.linux.file import (
    POLL_ERROR,
    POLL_HANGUP,
    READ_WRITE,
    READABLE,
    WRITABLE,
    DirectoryFile,
    File,
    RegularFile,
    WouldBlock,
)
from cells.personalities.linux.inode import Inode
from cells.personalities.linux.wait import Queue

ALWAYS = POLL_ERROR | POLL_HANGUP
"""Told whether they are asked for or not."""
EPOLL_ONCE, EPOLL_EDGE = 1 << 30, 1 << 31
EVENT = struct.Struct("<IIQ")
"""struct epoll_event of ARM: the data begins at a multiple of eight."""
DEPTH = 5
"""So many epolls may watch each other in a row (Linux's limit)."""


@dataclass
class Interest:
    """One file that an epoll watches. `seen`: its activity when it was told last."""

    descriptor: int
    file: File
    events: int
    data: int
    seen: int = -1
    told: int = 0


class Epoll(File):
    """An epoll instance."""

    def __init__(self, inode: Inode) -> None:
        super().__init__(inode, READ_WRITE)
        self.name = b"anon_inode:[eventpoll]"
        self.watched: dict[tuple[int, int], Interest] = {}
        """By descriptor and the file's identity: a descriptor may be closed and used again."""
        self.changed = Queue()

    def _interest(self, descriptor: int, file: File) -> Interest | None:
        return self.watched.get((descriptor, id(file)))

    def depth(self) -> int:
        """How many epolls are in a row from here."""
        inner = [entry.file.depth() for entry in self.watched.values() if isinstance(entry.file, Epoll)]
        return 1 + max(inner, default=0)

    def reaches(self, other: File) -> bool:
        """Whether it watches another, perhaps by a third."""
        return other is self or any(e.file.reaches(other) for e in self.watched.values() if isinstance(e.file, Epoll))

    def add(self, descriptor: int, file: File, events: int, data: int) -> None:
        """Watch a file.

        Raises:
            Errno: EEXIST, EPERM, ELOOP, EINVAL.
        """
        if isinstance(file, RegularFile | DirectoryFile):
            raise Errno(EPERM)
        if isinstance(file, Epoll) and (file.reaches(self) or file.depth() >= DEPTH):
            raise Errno(EINVAL if file is self else ELOOP)
        if self._interest(descriptor, file):
            raise Errno(EEXIST)
        self.watched[descriptor, id(file)] = Interest(descriptor, file, events | ALWAYS, data)
        self.changed.wake()

    def modify(self, descriptor: int, file: File, events: int, data: int) -> None:
        """Watch it for something else.

        Raises:
            Errno: ENOENT.
        """
        interest = self._interest(descriptor, file)
        if interest is None:
            raise Errno(ENOENT)
        self.watched[descriptor, id(file)] = Interest(descriptor, file, events | ALWAYS, data)
        self.changed.wake()

    def remove(self, descriptor: int, file: File, *_: int) -> None:
        """Watch it no longer.

        Raises:
            Errno: ENOENT.
        """
        if self.watched.pop((descriptor, id(file)), None) is None:
            raise Errno(ENOENT)

    def take(self, most: int) -> list[tuple[int, int]]:
        """What is ready now: (events, data). Those told last come last the next time, so that none starves."""
        self._forget_closed()
        found: list[tuple[int, int]] = []
        for key, interest in list(self.watched.items()):
            events = self._news(interest)
            if not events or len(found) >= most:
                continue
            found.append((events, interest.data))
            interest.seen, interest.told = interest.file.activity, events
            if interest.events & EPOLL_ONCE:
                interest.events &= EPOLL_ONCE | EPOLL_EDGE
            self.watched[key] = self.watched.pop(key)
        return found

    def _news(self, interest: Interest) -> int:
        events = interest.file.poll() & interest.events
        if interest.events & EPOLL_EDGE and interest.file.activity == interest.seen and not events & ~interest.told:
            interest.told = events
            return 0
        return events

    def _forget_closed(self) -> None:
        for key in [key for key, interest in self.watched.items() if not interest.file.users]:
            del self.watched[key]

    def poll(self) -> int:
        """What it is ready for."""
        self._forget_closed()
        return READABLE if any(self._news(interest) for interest in self.watched.values()) else 0

    def queues(self) -> tuple[Queue, ...]:
        """Which are woken when that changes."""
        inner = [queue for interest in self.watched.values() for queue in interest.file.queues()]
        return (self.changed, *inner)

    def close(self) -> None:
        """The last user has gone."""
        self.watched.clear()


EVENT_MOST = (1 << 64) - 1
SEMAPHORE = 1


class EventFile(File):
    """eventfd: a counter that is read and added to."""

    def __init__(self, inode: Inode, flags: int, count: int, semaphore: bool) -> None:
        super().__init__(inode, READ_WRITE | flags)
        self.name = b"anon_inode:[eventfd]"
        self.count, self.semaphore = count, semaphore
        self.queue = Queue()

    def read(self, process: Any, size: int) -> bytes:
        """What there is, up to that size."""
        if size < 8:
            raise Errno(EINVAL)
        if not self.count:
            raise WouldBlock(self.queue)
        taken = 1 if self.semaphore else self.count
        self._change(-taken)
        return struct.pack("<Q", taken)

    def write(self, process: Any, data: bytes) -> int:
        """How many bytes went."""
        if len(data) < 8 or (added := int.from_bytes(data[:8], "little")) == EVENT_MOST:
            raise Errno(EINVAL)
        if self.count + added >= EVENT_MOST:
            raise WouldBlock(self.queue)
        self._change(added)
        return 8

    def _change(self, by: int) -> None:
        self.count += by
        self.activity += 1
        self.queue.wake()

    def poll(self) -> int:
        """What it is ready for."""
        return (READABLE if self.count else 0) | (WRITABLE if self.count < EVENT_MOST - 1 else 0)

    def queues(self) -> tuple[Queue, ...]:
        """Which are woken when that changes."""
        return (self.queue,)
