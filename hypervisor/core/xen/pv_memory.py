"""A paravirtual domain's memory, seen twice: its frames, as paging has to know them, and its kernel's virtual addresses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hypervisor.abi.pv import PAGE
from hypervisor.abi.xen import Errno
from hypervisor.core.cell import Cell
from hypervisor.core.errors import Refused
from hypervisor.core.xen.domains import Domain
from hypervisor.core.xen.errors import XenError
from hypervisor.core.xen.paging import PageTables

if TYPE_CHECKING:
    from hypervisor.core.monitor import Monitor


class DomainFrames:
    """`paging.Frames` of a domain: its own RAM, and the window in which granted pages appear."""

    def __init__(self, monitor: Monitor, domain: Domain) -> None:
        self._monitor, self._domain = monitor, domain
        self._held: dict[int, bytearray] | None = None

    def is_own(self, address: int) -> bool:
        """Whether it lies in the RAM of the cell."""
        return 0 <= address - self._monitor.frames.base <= self._domain.cell.params.ram - PAGE

    def is_shared(self, address: int) -> bool:
        """Whether it is granted and mapped by others, or a page that the hypervisor writes."""
        return self._segment(address) is not None or address in self._domain.hypervisor_pages()

    def was_granted(self, address: int, *, writable: bool) -> bool:
        """Whether somebody's page is mapped there."""
        found = self._segment(address)
        if found is None:
            return False
        mappings = self._monitor.memory.mappings(found[0])
        here = [
            m
            for m in mappings
            if m.cell == self._domain.cell.index and m.address <= address < m.address + m.pages * PAGE
        ]
        return any(m.writable or not writable for m in here)

    def is_empty(self, address: int) -> bool:
        """Whether there are zeros only."""
        return not any(self._monitor.memory.read(self._domain.cell, address, PAGE))

    def store(self, address: int, word: int) -> None:
        """One word of a table."""
        if self._held is not None:
            page, at = self._held.setdefault(address & -PAGE, bytearray(PAGE)), address % PAGE
            page[at : at + 4] = word.to_bytes(4, "little")
            return
        self._monitor.memory.write(self._domain.cell, address, word.to_bytes(4, "little"))

    def clear(self, address: int) -> None:
        """A table is one no more."""
        self._monitor.memory.write(self._domain.cell, address, bytes(PAGE))

    @contextmanager
    def whole_pages(self) -> Iterator[None]:
        """Tables that begin empty are filled here, and written a page at a time at the end."""
        self._held = {}
        try:
            yield
        finally:
            pages, self._held = self._held, None
        for page, content in pages.items():
            self._monitor.memory.write(self._domain.cell, page, bytes(content))

    def _segment(self, address: int) -> tuple[int, int] | None:
        try:
            return self._monitor.memory.segment_at(self._domain.cell, address)
        except Refused:
            return None


class VirtualMemory:
    """What a kernel's pointers lead to, by the tables in use."""

    def __init__(self, monitor: Monitor, cell: Cell, tables: PageTables) -> None:
        self._monitor, self._cell, self._tables = monitor, cell, tables

    def load(self, address: int, length: int) -> bytes:
        """Bytes at a virtual address.

        Raises:
            XenError: EFAULT.
        """
        try:
            places = list(self._places(address, length, write=False))
            return b"".join(bytes(self._monitor.memory.read(self._cell, at, size)) for at, size in places)
        except Refused as refusal:
            raise XenError(Errno.EFAULT, refusal.why) from None

    def push(self, address: int, data: bytes) -> None:
        """Store bytes at a virtual address that is mapped writable; all or nothing.

        Raises:
            XenError: EFAULT.
        """
        if address % 4:
            raise XenError(Errno.EFAULT, f"{address:#x} is not aligned")
        done = 0
        try:
            for at, size in list(self._places(address, len(data), write=True)):
                self._monitor.memory.write(self._cell, at, data[done : done + size])
                done += size
        except Refused as refusal:
            raise XenError(Errno.EFAULT, refusal.why) from None

    def physical(self, address: int) -> int:
        """Where a structure lies that a call points to; nothing says where its next page is.

        Raises:
            XenError: EFAULT.
        """
        return next(self._places(address, 1, write=False))[0]

    def _places(self, address: int, length: int, *, write: bool) -> Iterator[tuple[int, int]]:
        """Physical pieces of a virtual range."""
        end = address + length
        while address < end:
            size = min(end, (address // PAGE + 1) * PAGE) - address
            found = self._tables.walk(address)
            if found is None or (write and not found.writable):
                raise XenError(Errno.EFAULT, f"{address:#x} is not mapped{' writable' if write else ''}")
            yield found.address, size
            address += size
