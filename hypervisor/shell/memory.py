"""Shared pages as facts of the host's kernel: a memory file for each backing, handed over by descriptor, emptied when it is
over.

Theory: whoever has mapped a file keeps that until he lets go of it, and nobody can make him. So a hold is never taken back:
the content moves to a file that only those get who may have it, and the old file's pages are taken out of it (a hole is
punched). Who still looks at it sees zeros, and what he writes there reaches nobody's memory. A page that may only be read is
handed over as a descriptor that is open for reading: the kernel refuses to map it writable. A cell cannot open it anew
through /proc (it has another user or, in any case, no `open`), nor resize it, nor add seals: the file is sealed against all
that. Each cell gets it opened anew: a flag such as O_APPEND belongs to an opening, and would bind what the monitor writes too.
The monitor maps none of these files: it reads and writes them by call, so that no trick with them can hurt it.

    memory = SharedMemory(hosts, ram_base)         # the `memory` of a Loop
    memory.close()
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import resource
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from hypervisor.abi.memory import HANDOVER, PAGE, READ, WRITE
from hypervisor.core import effects as do
from hypervisor.core.handover import MemoryOrder
from hypervisor.core.segments import OWN
from hypervisor.shell.loop_ports import HostTrouble

_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
_PUNCH = 1 | 2
"""FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE of <linux/falloc.h>."""
_CHUNK = 1 << 20
SPARE = 512
"""Descriptors that the monitor may have open beside those of pages."""

_libc = ctypes.CDLL(None, use_errno=True)
_libc.fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_long, ctypes.c_long)


class PageTaker(Protocol):
    """What is needed of a cell's host side."""

    @property
    def ram(self) -> int:
        """The descriptor of its own memory, -1 if it has none."""
        ...

    def hand_over(self, message: bytes, descriptor: int) -> None:
        """Let the cell have a descriptor."""
        ...


def _never(_cell: int) -> bool:
    """There are enough."""
    return False


class SharedMemory:
    """The memory files of one run. `hosts`: the cells' host sides, by index; `ram_base`: where each cell's own memory begins."""

    def __init__(self, hosts: Sequence[PageTaker], ram_base: int) -> None:
        self.trouble: dict[int, str] = {}
        self.starved: Callable[[int], bool] = _never
        """Whether there are no descriptors for what a cell is to get, by an injected fault."""
        self._hosts, self._base = hosts, ram_base
        self._files: dict[int, int] = {}
        self._perform: dict[type, Callable[[Any], None]] = {
            do.MakeSegment: self._make,
            do.MapMemory: self._map,
            do.UnmapMemory: self._unmap,
            do.DropSegment: self._drop,
        }

    def perform(self, order: MemoryOrder) -> None:
        """Carry out an order. If the host cannot, whoever needs the memory gets into `trouble`, and fails when it is to run."""
        try:
            self._perform[type(order)](order)
        except OSError as error:
            self._fail(order, f"no shared memory on this host: {(error.strerror or str(error)).lower()}")
        except HostTrouble as trouble:
            self._fail(order, str(trouble))

    def _fail(self, order: MemoryOrder, why: str) -> None:
        if order.cell is not None:
            self.trouble.setdefault(order.cell, why)

    def forget(self, cell: int, *, keep: bool) -> None:
        """The cell's process is gone."""
        self.trouble.pop(cell, None)

    def close(self) -> None:
        """Let go of every file. May be called twice."""
        while self._files:
            os.close(self._files.popitem()[1])

    # ---- bytes

    def read(self, cell: int, backing: int, offset: int, length: int) -> bytes:
        """Bytes of a backing; zeros if the host had no memory for it, in which case its users fail."""
        try:
            found = os.pread(self._file(cell, backing), length, offset)
        except OSError:
            found = b""
        return found.ljust(length, b"\0")

    def write(self, cell: int, backing: int, offset: int, data: bytes) -> None:
        """Change bytes of a backing."""
        try:
            _write(self._file(cell, backing), data, offset)
        except OSError as error:
            self.trouble.setdefault(cell, f"no memory on this host: {(error.strerror or str(error)).lower()}")

    def _file(self, cell: int, backing: int) -> int:
        found = self._hosts[cell].ram if backing == OWN else self._files.get(backing, -1)
        if found < 0:
            raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))
        return found

    # ---- orders

    def _make(self, order: do.MakeSegment) -> None:
        _have_descriptors(len(self._files) + SPARE)
        file = os.memfd_create("cellvisor-pages", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        self._files[order.segment] = file
        size = order.pages * PAGE
        os.fchmod(file, 0o600)
        os.ftruncate(file, size)
        fcntl.fcntl(file, fcntl.F_ADD_SEALS, _SEALS)
        if order.source is not None:
            _copy(self._file(0, order.source), order.offset * PAGE, file, 0, size)
        elif order.cell is not None:
            at, own = order.address - self._base, self._file(order.cell, OWN)
            _copy(own, at, file, 0, size)
            _punch(own, at, size)

    def _map(self, order: do.MapMemory) -> None:
        if self.starved(order.cell):
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        rights = READ | (WRITE if order.writable else 0)
        message = HANDOVER.pack(order.address, order.pages, rights, order.offset)
        file = self._file(order.cell, order.segment)
        mode = os.O_RDWR if order.writable else os.O_RDONLY
        theirs = os.open(f"/proc/self/fd/{file}", mode | os.O_CLOEXEC)
        try:
            self._hosts[order.cell].hand_over(message, theirs)
        finally:
            os.close(theirs)

    def _unmap(self, order: do.UnmapMemory) -> None:
        """The cell is told by its vCPU's event. What happens if it does not listen is the business of `_drop`."""

    def _drop(self, order: do.DropSegment) -> None:
        file = self._files.pop(order.segment, -1)
        if file < 0:
            return
        size = os.fstat(file).st_size
        try:
            if order.cell is not None:
                _copy(file, 0, self._file(order.cell, OWN), order.address - self._base, size)
        finally:
            _empty(file, size)


def _have_descriptors(count: int) -> None:
    """Let this process have more descriptors open, as far as the host lets it: 1024 is usual, and two disks' pages are more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and count > soft:
        wanted = 2 * count if hard == resource.RLIM_INFINITY else min(2 * count, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(wanted, soft), hard))


def _empty(file: int, size: int) -> None:
    """Take all pages out of a file and let go of it."""
    try:
        _punch(file, 0, size)
    finally:
        os.close(file)


def _copy(source: int, source_at: int, target: int, target_at: int, size: int) -> None:
    """By call and at explicit places: a cell that has one of the files could move a common position."""
    for start in range(0, size, _CHUNK):
        part = os.pread(source, min(_CHUNK, size - start), source_at + start)
        _write(target, part, target_at + start)


def _write(file: int, data: bytes, at: int) -> None:
    if os.pwrite(file, data, at) != len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _punch(file: int, at: int, size: int) -> None:
    """Take the pages out of a file, from under everybody who has it mapped."""
    if _libc.fallocate(file, _PUNCH, at, size):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
