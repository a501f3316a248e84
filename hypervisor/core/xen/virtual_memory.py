"""What virtual addresses of an ARMv7 kernel lead to: its own page tables, walked in its own memory.

```python
found = Tables(registers, load).find(0xC140_1F20, write=True)      # guest physical, or XenError(EFAULT)
```

Theory: the short-descriptor format (DDI 0406C, B3.5). A walk is two loads; what they bring is checked as the CPU would check it
for a privileged access. Everything a guest says here, its registers and tables, is an allegation that can hurt itself alone: a
walk reaches its own memory and nothing else. The long format (LPAE) is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from hypervisor.abi.memory import PAGE
from hypervisor.abi.xen import Errno
from hypervisor.core.cell import Cell
from hypervisor.core.xen.errors import XenError
from hypervisor.core.xen.guest_memory import Arguments, GuestMemory

SCTLR_M, SCTLR_AFE = 1, 1 << 29
TTBCR_N, TTBCR_PD0, TTBCR_PD1, TTBCR_EAE = 7, 1 << 4, 1 << 5, 1 << 31
L1_TABLE, L1_SECTION = 0b01, 0b10
SUPERSECTION = 1 << 18
SMALL_PAGE, LARGE_PAGE = 0b10, 0b01
ADDRESS_SPACE = 1 << 32
_MANAGER, _CLIENT = 0b11, 0b01
PRIVILEGED_READS = frozenset({0b001, 0b010, 0b011, 0b101, 0b110, 0b111})
PRIVILEGED_WRITES = frozenset({0b001, 0b010, 0b011})
"""AP[2:0] that let a privileged access pass (DDI 0406C, table B3-8)."""
AP_READ_ONLY = 0b100
"""With the access flag on (SCTLR.AFE) AP[2] alone says whether a privileged access may write (table B3-9)."""


class Registers(NamedTuple):
    """What a walk depends on."""

    sctlr: int
    ttbcr: int
    ttbr0: int
    ttbr1: int
    dacr: int


class Tables:
    """The translation that these registers stand for. `load(address)`: a word of the guest's memory, or XenError."""

    def __init__(self, registers: Registers, load: Callable[[int], int]) -> None:
        self._at, self._load = registers, load
        self._known: dict[int, tuple[int, bool]] = {}

    def find(self, address: int, *, write: bool) -> int:
        """The guest physical address.

        Raises:
            XenError: EFAULT, a privileged access of this kind would abort.
        """
        page = address & -PAGE
        if page not in self._known:
            self._known[page] = self._walk(page)
        physical, writable = self._known[page]
        if write and not writable:
            raise XenError(Errno.EFAULT, f"{address:#x} is mapped read-only")
        return physical + address % PAGE

    def _walk(self, page: int) -> tuple[int, bool]:
        """Of one page: where it is, and whether it may be written."""
        if not self._at.sctlr & SCTLR_M:
            return page, True
        word = self._load(self._first_level(page) + (page >> 20) * 4)
        kind = word & 0b11
        if kind == L1_TABLE:
            domain = word >> 5 & 0xF
            return self._second_level(page, word & ~0x3FF, domain)
        if kind != L1_SECTION:
            raise XenError(Errno.EFAULT, f"{page:#x} is not mapped")
        domain, base, rest = word >> 5 & 0xF, word & 0xFFF0_0000, page & 0x000F_FFFF
        if word & SUPERSECTION:
            domain, base, rest = 0, word & 0xFF00_0000, page & 0x00FF_FFFF
        return base + rest, self._may_write(page, word >> 10 & 3 | word >> 13 & 4, domain)

    def _first_level(self, page: int) -> int:
        """The base of the first-level table, such that the whole index can be added to it."""
        if self._at.ttbcr & TTBCR_EAE:
            raise XenError(Errno.EFAULT, "tables of the long format")
        narrow = self._at.ttbcr & TTBCR_N
        upper = bool(narrow) and bool(page >> 32 - narrow)
        if self._at.ttbcr & (TTBCR_PD1 if upper else TTBCR_PD0):
            raise XenError(Errno.EFAULT, f"no walks for {page:#x}")
        return self._at.ttbr1 & ~0x3FFF if upper else self._at.ttbr0 & -(1 << 14 - narrow) & 0xFFFF_FFFF

    def _second_level(self, page: int, table: int, domain: int) -> tuple[int, bool]:
        word = self._load(table + (page >> 12 & 0xFF) * 4)
        access = word >> 4 & 3 | word >> 7 & 4
        if word & SMALL_PAGE:
            return word & 0xFFFF_F000, self._may_write(page, access, domain)
        if word & LARGE_PAGE:
            return word & 0xFFFF_0000 | page & 0xF000, self._may_write(page, access, domain)
        raise XenError(Errno.EFAULT, f"{page:#x} is not mapped")

    def _may_write(self, page: int, access: int, domain: int) -> bool:
        """Whether a page that may be read may be written as well."""
        rights = self._at.dacr >> 2 * domain & 3
        if rights == _MANAGER:
            return True
        if rights != _CLIENT:
            raise XenError(Errno.EFAULT, f"{page:#x} is in a domain without access")
        if self._at.sctlr & SCTLR_AFE:
            if not access & 1:
                raise XenError(Errno.EFAULT, f"{page:#x} was never accessed")
            return not access & AP_READ_ONLY
        if access not in PRIVILEGED_READS:
            raise XenError(Errno.EFAULT, f"{page:#x} may not be accessed")
        return access in PRIVILEGED_WRITES


class VirtualArguments(Arguments):
    """The structure that a call names by a virtual address; a pointer in it is one as well."""

    def __init__(self, memory: GuestMemory, cell: Cell, address: int, tables: Tables) -> None:
        super().__init__(memory, cell, address)
        self._tables = tables

    def at(self, pointer: int) -> VirtualArguments:
        """What a pointer in the structure leads to."""
        return VirtualArguments(self._memory, self._cell, pointer, self._tables)

    def read_bytes(self, offset: int, length: int) -> bytes:
        """Plain bytes."""
        pieces = self._pieces(self._address + offset, length, write=False)
        return b"".join(self._memory.read(self._cell, address, size) for address, size in pieces)

    def write_bytes(self, offset: int, data: bytes) -> None:
        """Store plain bytes: all, or none if not all of it can be written."""
        done = 0
        for address, size in self.writable(offset, len(data)):
            self._memory.write(self._cell, address, data[done : done + size])
            done += size

    def writable(self, offset: int, length: int) -> list[tuple[int, int]]:
        """The pieces; of several, all of them are there."""
        pieces = list(self._pieces(self._address + offset, length, write=True))
        for address, size in pieces if len(pieces) > 1 else ():
            self._memory.read(self._cell, address, size)
        return pieces

    def _pieces(self, address: int, length: int, *, write: bool) -> Iterator[tuple[int, int]]:
        if address < 0 or address + length > ADDRESS_SPACE:
            raise XenError(Errno.EFAULT, f"no address {address:#x}")
        while length:
            size = min(length, PAGE - address % PAGE)
            yield self._tables.find(address, write=write), size
            address, length = address + size, length - size
