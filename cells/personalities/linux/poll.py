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

from cells.personalities.arm.errno import EEXIST, EINVAL, ELOOP, ENOENT, ENOSPC, EPERM, Errno
from cells.personalities.arm.wait import Queue
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

ALWAYS = POLL_ERROR | POLL_HANGUP
"""Told whether they are asked for or not."""
EPOLL_ONCE, EPOLL_EDGE = 1 << 30, 1 << 31
EVENT = struct.Struct("<IIQ")
"""struct epoll_event of ARM: the data begins at a multiple of eight."""
WATCH = 200
"""Bytes of the host for one watch: assumed."""
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
        self._tree = inode.tree
        self.name = b"anon_inode:[eventpoll]"
        self.watched: dict[tuple[int, int], Interest] = {}
        """By descriptor and the file's identity: a descriptor may be closed and used again."""
        self.changed = Queue()
        self.watchers: list[Epoll] = []

    def _interest(self, descriptor: int, file: File) -> Interest | None:
        return self.watched.get((descriptor, id(file)))

    def levels(self, *, up: bool) -> int:
        """How many epolls are in a row from here, those that are watched or (`up`) those that watch."""
        row, found = [self], 0
        while row and found <= DEPTH:
            found += 1
            row = list({id(next_): next_ for one in row for next_ in (one.watchers if up else one.inner())}.values())
        return found

    def inner(self) -> list[Epoll]:
        """Epolls that it watches itself."""
        return [entry.file for entry in self.watched.values() if isinstance(entry.file, Epoll)]

    def everything(self) -> list[Epoll]:
        """It, and all epolls that it watches, perhaps by a third; each once, however many ways there are."""
        found: dict[int, Epoll] = {id(self): self}
        for one in (row := [self]):
            for other in one.inner():
                if id(other) not in found:
                    found[id(other)] = other
                    row.append(other)
        return list(found.values())

    def add(self, descriptor: int, file: File, events: int, data: int) -> None:
        """Watch a file.

        Raises:
            Errno: EEXIST, EPERM, ELOOP, EINVAL; ENOSPC, all together watch too much.
        """
        if isinstance(file, RegularFile | DirectoryFile):
            raise Errno(EPERM)
        if self._interest(descriptor, file):
            raise Errno(EEXIST)
        if isinstance(file, Epoll):
            self._check_nesting(file)
        self._tree.held.take(WATCH, ENOSPC)
        self.watched[descriptor, id(file)] = Interest(descriptor, file, events | ALWAYS, data)
        if isinstance(file, Epoll):
            file.watchers.append(self)
        self.changed.wake()

    def _check_nesting(self, file: Epoll) -> None:
        if file is self:
            raise Errno(EINVAL)
        if self in file.everything() or file.levels(up=False) + self.levels(up=True) > DEPTH:
            raise Errno(ELOOP)

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
        if (descriptor, id(file)) not in self.watched:
            raise Errno(ENOENT)
        self._drop((descriptor, id(file)))

    def _drop(self, key: tuple[int, int]) -> None:
        file = self.watched.pop(key).file
        self._tree.held.give(WATCH)
        if isinstance(file, Epoll):
            file.watchers.remove(self)

    def take(self, most: int) -> list[tuple[int, int]]:
        """What is ready now: (events, data). Those told last come last the next time, so that none starves."""
        self._forget_closed()
        found: list[tuple[int, int]] = []
        known: dict[int, int] = {}
        for key, interest in list(self.watched.items()):
            events = self._news(interest, known)
            if not events or len(found) >= most:
                continue
            found.append((events, interest.data))
            interest.seen, interest.told = interest.file.activity, events
            if interest.events & EPOLL_ONCE:
                interest.events &= EPOLL_ONCE | EPOLL_EDGE
            self.watched[key] = self.watched.pop(key)
        return found

    def _news(self, interest: Interest, known: dict[int, int]) -> int:
        state = (
            interest.file.state({} if known is None else known)
            if isinstance(interest.file, Epoll)
            else interest.file.poll()
        )
        events = state & interest.events
        if interest.events & EPOLL_EDGE and interest.file.activity == interest.seen and not events & ~interest.told:
            interest.told = events
            return 0
        return events

    def _forget_closed(self) -> None:
        for key in [key for key, interest in self.watched.items() if not interest.file.users]:
            self._drop(key)

    def poll(self) -> int:
        """What it is ready for."""
        return self.state({})

    def state(self, known: dict[int, int]) -> int:
        """As `poll`; `known`: of epolls that were looked at before in the same look, by identity."""
        if id(self) not in known:
            self._forget_closed()
            ready = any(self._news(interest, known) for interest in list(self.watched.values()))
            known[id(self)] = READABLE if ready else 0
        return known[id(self)]

    def queues(self) -> tuple[Queue, ...]:
        """Which are woken when that changes."""
        found: list[Queue] = []
        for one in self.everything():
            found.append(one.changed)
            found += [
                q for entry in one.watched.values() if not isinstance(entry.file, Epoll) for q in entry.file.queues()
            ]
        return tuple(found)

    def close(self) -> None:
        """The last user has gone."""
        for key in list(self.watched):
            self._drop(key)


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
