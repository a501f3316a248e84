"""Pipes and FIFOs: a ring of bytes with readers and writers.

    reader, writer = make_pipe()

Reading from a pipe that nobody can write to any more gives its end; writing to one that nobody can read from gives SIGPIPE
and EPIPE. A write of up to ATOMIC bytes goes whole or not at all (POSIX, PIPE_BUF).
"""

from __future__ import annotations

import struct
from typing import Any

from cells.personalities.arm.errno import EINVAL, ENOMEM, ENOTTY, EPIPE, Errno
from cells.personalities.arm.wait import Queue
from cells.personalities.linux.file import (
    POLL_ERROR,
    POLL_HANGUP,
    READ_ONLY,
    READABLE,
    WRITABLE,
    WRITE_ONLY,
    File,
    WouldBlock,
)
from cells.personalities.linux.held import Held
from cells.personalities.linux.inode import Inode

RING, ATOMIC = 1 << 16, 4096
FIONREAD = 0x541B
SIGPIPE = 13


class Ring:
    """Bytes on their way, and who waits for them or for room."""

    def __init__(self, held: Held, limit: int = RING) -> None:
        self.data, self._held = bytearray(), held
        self.limit = limit
        self.queue = Queue()
        self.readers = self.writers = 0
        self.activity = 0
        self.nameless = False
        """It is a pipe: who opens it again, by /proc, waits for no other end."""
        self.opened = 0
        """How often a FIFO was opened: an opener waits for another one, who may have gone again by then."""

    def changed(self) -> None:
        """Something can be read, or there is room, or an end has gone."""
        self.activity += 1
        self.queue.wake()

    @property
    def room(self) -> int:
        """How many bytes more it takes."""
        return self.limit - len(self.data)

    def take(self, size: int) -> bytes:
        """Up to `size` bytes, none when all writers have gone.

        Raises:
            WouldBlock: there are none yet.
        """
        if not self.data and self.writers and size:
            raise WouldBlock(self.queue)
        taken = bytes(self.data[:size])
        if taken:
            del self.data[:size]
            self._held.give(len(taken))
            self.changed()
        return taken

    def put_back(self, data: bytes) -> None:
        """It was taken and could not be given."""
        self._held.give(-len(data))
        self.data[:0] = data
        self.changed()

    def empty(self) -> None:
        """Nobody will read what is there."""
        self._held.give(len(self.data))
        self.data.clear()

    def put(self, process: Any, data: bytes) -> int:
        """How many bytes had room.

        Raises:
            WouldBlock: none has; or not all, and they belong together.
            Errno: EPIPE; ENOMEM, all pipes together hold too much.
        """
        if not self.readers:
            process.signals.send(process, SIGPIPE)
            raise Errno(EPIPE)
        part = data[: self.room]
        if data and (not part or (len(data) <= ATOMIC and len(part) < len(data))):
            raise WouldBlock(self.queue)
        if part:
            self._held.take(len(part), ENOMEM)
            self.data += part
            self.changed()
        return len(part)


class PipeFile(File):
    """One end of a pipe, or of a FIFO, which may be both."""

    def __init__(self, ring: Ring, inode: Inode, flags: int) -> None:
        super().__init__(inode, flags)
        self.ring = ring
        ring.readers += self.readable
        ring.writers += self.writable
        ring.opened += 1
        ring.changed()

    def read(self, process: Any, size: int) -> bytes:
        """What there is, up to that size."""
        return self.ring.take(size)

    def put_back(self, data: bytes) -> None:
        """It was read and could not be given."""
        self.ring.put_back(data)

    def write(self, process: Any, data: bytes) -> int:
        """How many bytes went."""
        return self.ring.put(process, data)

    def ioctl(self, process: Any, request: int, argument: int) -> int:
        """What only this kind can do."""
        if request != FIONREAD:
            raise Errno(ENOTTY)
        process.space.write(argument, struct.pack("<I", len(self.ring.data)))
        return 0

    def resize(self, size: int) -> int:
        """F_SETPIPE_SZ: a power of two of at least a page; not more than a megabyte, as for users of Linux."""
        if not 0 < size <= 1 << 20 or size < len(self.ring.data):
            raise Errno(EINVAL)
        self.ring.limit = max(ATOMIC, 1 << (size - 1).bit_length())
        return self.ring.limit

    def poll(self) -> int:
        """What it is ready for."""
        ring, state = self.ring, 0
        if self.readable:
            state |= (READABLE if ring.data else 0) | (0 if ring.writers or not ring.opened else POLL_HANGUP)
        if self.writable:
            state |= (WRITABLE if ring.room >= ATOMIC else 0) | (0 if ring.readers else POLL_ERROR)
        self.activity = ring.activity
        return state

    def queues(self) -> tuple[Queue, ...]:
        """Which are woken when that changes."""
        return (self.ring.queue,)

    def close(self) -> None:
        """The last user has gone."""
        self.ring.readers -= self.readable
        self.ring.writers -= self.writable
        if not self.ring.readers and not self.ring.writers:
            self.ring.empty()
        self.ring.changed()


def make_pipe(inode: Inode, flags: int = 0) -> tuple[PipeFile, PipeFile]:
    """Its reading and its writing end. `inode`: what fstat tells of both."""
    ring = inode.data = Ring(inode.tree.held)
    ring.nameless = True
    ends = PipeFile(ring, inode, READ_ONLY | flags), PipeFile(ring, inode, WRITE_ONLY | flags)
    for end in ends:
        end.name = b"pipe:[%d]" % inode.inode_number
    return ends


def fifo_ring(inode: Inode) -> Ring:
    """The ring behind a FIFO's name: one for all that open it."""
    if inode.data is None:
        inode.data = Ring(inode.tree.held)
    ring: Ring = inode.data
    return ring
