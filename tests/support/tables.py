"""The CPU's table walk, as the manuals tell it and without the code under test (DDI 0100I, B4.7; DDI 0406C, B3.5)."""

from __future__ import annotations

import struct
from typing import NamedTuple

from hypervisor.abi.pv import TableFormat


class Found(NamedTuple):
    """What the CPU makes of an address. `domain`: to be entered by the domain access register."""

    address: int
    writable: bool
    domain: int


class TableMemory:
    """Sparse physical memory of words, which remembers who wrote outside its bounds."""

    def __init__(self, base: int, size: int) -> None:
        self.base, self.size = base, size
        self.bytes = bytearray(size)

    def write(self, address: int, data: bytes) -> None:
        at = address - self.base
        assert 0 <= at <= self.size - len(data), f"a write at {address:#x}"
        self.bytes[at : at + len(data)] = data

    def word(self, address: int) -> int:
        return int(struct.unpack_from("<I", self.bytes, address - self.base)[0])

    def walk(self, base: int, virtual: int, layout: TableFormat) -> Found | None:
        """What a CPU with this base finds; None: a translation fault."""
        upper = self.word(base + (virtual >> 20) * 4)
        domain = upper >> 5 & 15
        if upper & 3 == 0:
            return None
        if upper & 3 == 2:
            assert upper >> 4 & 1 == (layout is TableFormat.LEGACY)
            return Found(upper & 0xFFF0_0000 | virtual & 0xF_FFFF, upper >> 10 & 3 == 3, domain)
        assert upper & 3 == 1
        lower = self.word((upper & 0xFFFF_FC00) + (virtual >> 12 & 255) * 4)
        if lower & 3 == 0:
            return None
        assert lower & 3 == 2, "a small page that may be executed"
        rights = {lower >> at & 3 for at in ((4, 6, 8, 10) if layout is TableFormat.LEGACY else (4,))}
        assert len(rights) == 1 and rights <= {2, 3}, "user mode may at least read"
        return Found(lower & 0xFFFF_F000 | virtual & 0xFFF, rights == {3}, domain)
