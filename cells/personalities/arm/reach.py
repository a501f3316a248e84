"""The kernel's way to a program's memory: bytes by address, page by page, and what may be wrong with an address.

    space.write(0x10000, b"hello")
    space.cstring(0x10000) == b"hello"

Theory: the kernel uses no address that the program could not use itself: each page is asked for as the CPU's fault would.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from cells.personalities.arm.errno import EFAULT, ENAMETOOLONG, Errno
from cells.personalities.arm.frames import Frames, OutOfMemory, Tables
from cells.personalities.arm.regions import READ, WRITE
from hypervisor.abi.pv import PAGE, TableFormat


class Fault(Exception):  # noqa: N818  the program's
    """An access that the space does not allow: the signal for it, its code."""

    def __init__(self, signal: int, code: int, address: int) -> None:
        super().__init__(f"signal {signal} at {address:#x}")
        self.signal, self.code, self.address = signal, code, address


SHARING = 16
"""How often each frame of RAM may be shared, on average: assumed; a third of what fits in the room for tables."""


@dataclass
class Memory:
    """What all spaces of a kernel share. `common`: words of the first level that each space has. `stale`: flush the TLB."""

    frames: Frames
    tables: Tables
    layout: TableFormat
    common: dict[int, int] = field(default_factory=dict)
    stale: Callable[[], None] = lambda: None
    made: int = 0
    """Pages made on demand or copied so far, for the charge in virtual time."""
    entries: int = 0
    """Pages of all spaces together: those that many share count for each."""

    def enter(self, count: int) -> None:
        """Spaces have so many pages more.

        Raises:
            OutOfMemory: the CPU's tables for so many would not fit either; what is kept of each takes the host's memory.
        """
        if self.entries + count > SHARING * self.frames.total:
            raise OutOfMemory("too many shared pages")
        self.entries += count


class Reach(ABC):
    """What `Space` is for the kernel. Requires: `memory`, `pages`, and `page` as there."""

    memory: Memory
    pages: dict[int, int]

    @abstractmethod
    def page(self, address: int, access: int) -> int:
        """The physical page of an address, ready for this access; raises `Fault`."""

    def read(self, address: int, size: int) -> bytes:
        """Bytes of the program.

        Raises:
            Errno: EFAULT.
        """
        offset = address % PAGE
        if offset + size <= PAGE and size:
            return bytes(self._reach(address, READ)[offset : offset + size])
        return b"".join(bytes(part) for part in self._parts(address, size, READ))

    def write(self, address: int, data: bytes | bytearray | memoryview) -> None:
        """Change the program's memory. Raises as `read`; what lies before the fault is written."""
        at = 0
        for part in self._parts(address, len(data), WRITE):
            if part.readonly:  # another cell's page that may only be read
                raise Errno(EFAULT)
            part[:] = data[at : at + len(part)]
            self.memory.frames.written(self.pages[address + at >> 12], PAGE)
            at += len(part)

    def read_some(self, address: int, size: int) -> bytes:
        """As `read`, but less if only the beginning can be read."""
        try:
            return self.read(address, size)
        except Errno:
            found = bytearray()
            with suppress(Errno):
                while len(found) < size:
                    found += self.read(address + len(found), PAGE - (address + len(found)) % PAGE)
            if not found:
                raise
            return bytes(found)

    def write_some(self, address: int, data: bytes) -> int:
        """As `write`, but less if only the beginning can be written; how much."""
        try:
            self.write(address, data)
        except Errno:
            done = 0
            with suppress(Errno):
                while done < len(data):
                    step = PAGE - (address + done) % PAGE
                    self.write(address + done, data[done : done + step])
                    done += step
            if not done:
                raise
            return done
        return len(data)

    def cstring(self, address: int, limit: int = 4096) -> bytes:
        """A text that ends with a zero, without it.

        Raises:
            Errno: EFAULT, or ENAMETOOLONG if there is no end within `limit` bytes.
        """
        found = bytearray()
        while len(found) < limit:
            piece = self.read(address, min(PAGE - address % PAGE, limit - len(found)))
            end = piece.find(b"\0")
            if end >= 0:
                return bytes(found + piece[:end])
            found += piece
            address += len(piece)
        raise Errno(ENAMETOOLONG)

    def _parts(self, address: int, size: int, access: int) -> Iterator[memoryview]:
        """Memory of a range, page by page."""
        end = address + size
        while address < end:
            step = min(PAGE - address % PAGE, end - address)
            at = address % PAGE
            yield self._reach(address, access)[at : at + step]
            address += step

    def _reach(self, address: int, access: int) -> memoryview:
        """The page of an address, ready for this access."""
        if not 0 <= address < 1 << 32:
            raise Errno(EFAULT)
        try:
            return self.memory.frames.view(self.page(address, access))
        except (Fault, OutOfMemory) as error:
            raise Errno(EFAULT) from error
