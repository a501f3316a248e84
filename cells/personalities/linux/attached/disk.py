"""/dev/blk0: a disk behind a block link, byte by byte.

Theory: a disk moves whole sectors and answers late. A call of a process becomes a job: the reads or writes of which it consists,
sent at once; the call sleeps until all are answered, and the same call finds its job again (by the process and what it wants).
A write that ends inside a sector reads that sector first; so that two such never undo each other, one job writes at a time.
What is written is on the device when the call returns. Nothing is cached.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from cells.personalities.arm.errno import EIO, ENOSPC, EROFS, Errno
from cells.personalities.linux.attached.device import (
    Device,
    device_number,
    whole,
)
from cells.personalities.linux.attached.disk_file import DiskFile, Unknown
from cells.personalities.linux.file import ACCESS, NONBLOCK, File, WouldBlock
from cells.personalities.linux.inode import BLOCK, Inode
from cells.split.asking import Asking
from cells.split.block.protocol import BUFFER, EXTENT, FLAG_READ_ONLY, IDENTITY, LAYOUT, Operation
from cells.split.ends import Outcome
from cells.split.ring import Response

MAJOR = 254
"""The last of the numbers for local use of block devices (devices.txt)."""
PIECE = 1 << 16
"""Bytes of one job at most: a longer call is several."""
MOST_ASKED = 1024
"""Requests that are not answered: from then on calls wait. Those of a process that was killed meanwhile are among them."""
FAILED = {Outcome.OUT_OF_RANGE: ENOSPC, Outcome.READ_ONLY: EROFS}


@dataclass(eq=False)
class Job:
    """What a process waits for: `offset` and `data` (None: it reads `size` bytes)."""

    offset: int
    size: int
    data: bytes | None
    waits: int = 0
    failed: int = 0
    found: dict[int, bytes] = field(default_factory=dict)
    """Sectors that were read, each buffer by its first sector."""
    written: bool = False

    def wants(self, offset: int, size: int, data: bytes | None) -> bool:
        """It is of this call."""
        return (self.offset, self.size, self.data) == (offset, size, data)


class Disk(Device):
    """One disk."""

    kind = BLOCK

    def __init__(self, kernel: Any, name: str, minor: int) -> None:
        super().__init__(kernel, b"blk%d" % minor, device_number(MAJOR, minor))
        self._name = name
        self._asking: Asking | None = None
        self._jobs: dict[int, Job] = {}
        """By the process's number: it waits for one at a time."""
        self._asked_in: int | None = None
        """The life of the link in which the disk was asked how large it is: once, whatever it answers."""
        self._refused = False
        self.sector = self.size = 0
        """Bytes of a sector, of all of them; 0: not known yet."""
        self.read_only = False

    # ---- for files

    def open(self, process: Any, inode: Inode, flags: int) -> File:
        """See `Device`. Waits until the disk has said how large it is."""
        if self._asking is None:
            self._asking = self.asking(self._name, LAYOUT)
        self.progress()
        whole(self._asking)
        if self.size and self.read_only and flags & ACCESS:
            raise Errno(EROFS)
        file = DiskFile(self, inode, flags & ~NONBLOCK)  # disks wait, as Linux's do
        if not self.size:
            raise Unknown(file)
        return file

    @property
    def dead(self) -> bool:
        """Nothing will come of it: the other end lies, or calls itself what no disk is."""
        return self._refused or (self._asking is not None and self._asking.broken)

    def read(self, process: Any, offset: int, size: int) -> bytes:
        """Up to `size` bytes.

        Raises:
            WouldBlock: they are on their way. Errno: EIO.
        """
        size = min(size, PIECE, self.size - offset)
        if size <= 0:
            return b""
        job = self._job(process, offset, size, None)
        data = b"".join(job.found[first] for first in sorted(job.found))
        start = offset % self.sector
        return data[start : start + size]

    def write(self, process: Any, offset: int, data: bytes) -> int:
        """How many bytes went. Raises as `read`; ENOSPC at the end."""
        if offset >= self.size:
            raise Errno(ENOSPC)
        data = data[: min(PIECE, self.size - offset)]
        self._job(process, offset, len(data), data)
        return len(data)

    def progress(self) -> None:
        """See `Device`."""
        asking = self._asking
        if asking is None:
            return
        asking.progress()
        if not self.size and asking.link.connected and self._asked_in != asking.link.generation:
            self._asked_in, self._refused = asking.link.generation, False
            asking.ask(Operation.IDENTIFY, b"", b"", self._identified)

    # ---- jobs

    def _job(self, process: Any, offset: int, size: int, data: bytes | None) -> Job:
        """The job of this call, when it is done.

        Raises:
            WouldBlock: it is not. Errno: it failed.
        """
        job = self._jobs.get(process.pid)
        if job is not None and not job.waits and process.sleeping is None:
            job = None  # of an earlier call, which a signal has ended: what it read may be old
        if job is not None and job.waits:
            raise WouldBlock(self.queue)
        if job is None or not job.wants(offset, size, data):
            self._begin(process, Job(offset, size, data))
            raise WouldBlock(self.queue)
        del self._jobs[process.pid]
        if job.failed:
            raise Errno(job.failed)
        return job

    def _begin(self, process: Any, job: Job) -> None:
        assert self._asking is not None
        if self.dead:
            raise Errno(EIO)
        if job.data is not None and any(other.data is not None and other.waits for other in self._jobs.values()):
            raise WouldBlock(self.queue)
        if self._asking.outstanding >= MOST_ASKED:
            raise WouldBlock(self.queue)
        self._forget()
        self._jobs[process.pid] = job
        first, behind = job.offset // self.sector, -(-(job.offset + job.size) // self.sector)
        if job.data is None:
            self._read(job, first, behind)
        else:
            partial = {first} if job.offset % self.sector else set()
            partial |= {behind - 1} if (job.offset + job.size) % self.sector else set()
            for sector in sorted(partial):
                self._read(job, sector, sector + 1)
            if not job.waits:
                self._write(job)

    def _forget(self) -> None:
        """Jobs of processes that are no more."""
        living = self.kernel.processes
        self._jobs = {pid: job for pid, job in self._jobs.items() if job.waits or living.get(pid) is not None}

    def _read(self, job: Job, first: int, behind: int) -> None:
        for start, count in self._parts(first, behind):
            self._ask(job, Operation.READ, start, count, b"")

    def _write(self, job: Job) -> None:
        """All sectors that were to be read are here."""
        assert job.data is not None
        job.written = True
        first, end = job.offset // self.sector, job.offset + job.size
        behind = -(-end // self.sector)
        head = job.found.get(first, b"")[: job.offset % self.sector]
        tail = job.found.get(behind - 1, b"")[end % self.sector :] if end % self.sector else b""
        data = head + job.data + tail
        for start, count in self._parts(first, behind):
            at = (start - first) * self.sector
            self._ask(job, Operation.WRITE, start, count, data[at : at + count * self.sector])

    def _parts(self, first: int, behind: int) -> Iterator[tuple[int, int]]:
        """Sectors, by the buffer (first, count)."""
        step = BUFFER // self.sector
        return ((start, min(step, behind - start)) for start in range(first, behind, step))

    def _ask(self, job: Job, operation: Operation, start: int, count: int, data: bytes) -> None:
        assert self._asking is not None
        job.waits += 1
        body = EXTENT.pack(start, count, 0)
        self._asking.ask(operation, body, data, lambda response: self._heard(job, start, count, response))

    def _heard(self, job: Job, start: int, count: int, response: Response | None) -> None:
        job.waits -= 1
        if response is None or response.status != Outcome.OK:
            job.failed = (
                EIO if response is None else FAILED.get(Outcome(response.status), EIO) if _known(response) else EIO
            )
        elif response.request.operation == Operation.READ:
            if len(response.data) == count * self.sector:
                job.found[start] = response.data
            else:
                job.failed = EIO
        if not job.waits and job.data is not None and not job.written and not job.failed:
            self._write(job)
        if not job.waits:
            self.changed()

    def _identified(self, response: Response | None) -> None:
        """What the disk says of itself, if that can be."""
        sectors = sector = flags = 0
        if response is not None and response.status == Outcome.OK:
            sectors, sector, flags = IDENTITY.unpack_from(response.body)
        if sector in SECTORS and 0 < sectors < 1 << 40:
            self.sector, self.size, self.read_only = sector, sectors * sector, bool(flags & FLAG_READ_ONLY)
        self._refused = not self.size
        self.changed()


SECTORS = frozenset(512 << power for power in range(4))
"""Bytes that a sector can have: up to one buffer of the ring."""


def _known(response: Response) -> bool:
    return response.status in set(Outcome)
