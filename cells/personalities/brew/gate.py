"""The gate: one page of code and vtables that each module's space has, and what stands behind every entry.

    gate = Gate()
    gate.page                       # its content, for `Helpers`
    gate.vtables[Display]           # the address of a vtable
    gate.behind(pc)                 # the function behind the trap at this address, RETURN, or None

Theory: an entry of a vtable is the address of two instructions, `svc #0; bx lr`: the call traps here, and goes on behind it
as any function does, in ARM or Thumb state. Which method it was follows from where the trap was, so that a module cannot ask
for one that does not exist, and an `svc` of its own means nothing. The first entry is where functions of a module return to.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from cells.personalities.brew.method import Entry, entry, methods_of
from cells.personalities.brew.object import Object

ADDRESS = 0xFFFF_0000
SIZE = 4096
ENTRY = struct.pack("<2I", 0xEF00_0000, 0xE12F_FF1E)
"""svc #0; bx lr."""
RETURN = -1
RETURN_TO = ADDRESS


class Gate:
    """`interfaces` in any order that is always the same."""

    def __init__(self, interfaces: Sequence[type[Object]]) -> None:
        self.vtables: dict[type[Object], int] = {}
        self._entries: list[Entry | None] = [None]
        self.names = ["return"]
        rows = [(interface, methods_of(interface)) for interface in interfaces]
        at = ADDRESS + len(ENTRY) * (1 + sum(len(methods) for _, methods in rows))
        code, tables = bytearray(ENTRY), bytearray()
        for interface, methods in rows:
            self.vtables[interface] = at + len(tables)
            for row in methods:
                tables += struct.pack("<I", ADDRESS + len(code))
                code += ENTRY
                self._entries.append(entry(interface, row))
                self.names.append(f"{interface.NAME}_{row.name}")
        self._behind = {ADDRESS + len(ENTRY) * at + 4: (at, found) for at, found in enumerate(self._entries)}
        self.page = bytes(code + tables)
        assert len(self.page) <= SIZE - 8, "more methods than the page has room for"

    def behind(self, pc: int) -> tuple[int, Entry | None] | None:
        """The number of the entry whose trap left the program counter here and what it does; None if there is none."""
        return self._behind.get(pc)
