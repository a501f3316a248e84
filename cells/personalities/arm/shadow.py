"""What the CPU is told of a space: its page tables, which may forget any page at any time.

    shadow = Shadow(tables, layout, common, stale)
    shadow.show(0x10, frame, writable=True, executable=False)      # the CPU may do that from now on
    shadow.hide(0x10000, 0x11000)                                  # it has to ask again

Theory: the table holds no more than what the CPU may do at once; what it does not hold comes as an abort, and the space decides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cells.personalities.arm.frames import Tables
from hypervisor.abi.descriptors import page_descriptor, table_descriptor
from hypervisor.abi.pv import PAGE, SECTION, TableFormat

PER_TABLE = SECTION // PAGE


class Shadow:
    """The tables of one space. `common`: words of the first level that each space has. `stale`: flush the TLB.

    Raises:
        OutOfMemory: no room for its first-level table.
    """

    def __init__(
        self, tables: Tables, layout: TableFormat, common: Mapping[int, int], stale: Callable[[], object]
    ) -> None:
        self._tables, self._layout, self._stale = tables, layout, stale
        self.base = tables.first_level()
        """Physical address of the first-level table."""
        for slot, word in common.items():
            tables.words[tables.index(self.base) + slot] = word
        self._seconds: dict[int, int] = {}

    def show(self, number: int, frame: int, *, writable: bool, executable: bool) -> None:
        """Let the CPU reach a page. Raises as `Tables.second_level`."""
        slot, index = divmod(number, PER_TABLE)
        table = self._seconds.get(slot) or self._second(slot)
        word = page_descriptor(self._layout, frame, writable, executable=executable)
        self._tables.words[self._tables.index(table) + index] = word

    def _second(self, slot: int) -> int:
        tables = self._tables
        table = self._seconds[slot] = tables.second_level()
        tables.words[tables.index(self.base) + slot] = table_descriptor(self._layout, table, user=True)
        return table

    def hide(self, start: int, end: int) -> None:
        """The CPU has to ask again for these pages."""
        tables, words = self._tables, self._tables.words
        for slot in [slot for slot in self._seconds if start < (slot + 1) * SECTION and slot * SECTION < end]:
            first = max(start - slot * SECTION, 0) // PAGE
            last = min(end - slot * SECTION, SECTION) // PAGE
            at = tables.index(self._seconds[slot])
            for index in range(at + first, at + last):
                words[index] = 0
        self._stale()

    def destroy(self) -> None:
        """Give the tables back. Requires: the CPU uses another."""
        for table in self._seconds.values():
            self._tables.release(table)
        self._seconds.clear()
        self._tables.release(self.base)
