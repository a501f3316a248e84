"""Words of real page tables, as the CPU reads them, in both formats (DDI 0100I, B4.7; DDI 0406C, B3.5).

A first-level word stands for a mebibyte: a second-level table of 256 pages, or a section; it carries a domain. A second-level
word is a small page of 4 KiB.

>>> hex(page_descriptor(TableFormat.MODERN, 0x8000_1000, writable=True))
'0x8000103e'
"""

from __future__ import annotations

from hypervisor.abi.pv import DOMAIN_KERNEL, DOMAIN_USER, TableFormat

CACHED = 0xC
"""C and B: normal memory."""
SMALL_PAGE, TABLE, SECTION_ENTRY, BIT_4 = 0b10, 0b01, 0b10, 0x10
"""Kinds of descriptors; bit 4 is 1 in first-level words up to ARMv5."""
NEVER_EXECUTE = 0b1
"""Of a small page in the modern format; the other has no such bit (DDI 0100I, B4.7.2)."""
PAGE_RIGHTS = {
    (TableFormat.LEGACY, True): 0xFF0,
    (TableFormat.LEGACY, False): 0xAA0,
    (TableFormat.MODERN, True): 0x030,
    (TableFormat.MODERN, False): 0x020,
}
"""AP bits of a small page that user mode may read, and write if so (LEGACY: four subpages alike)."""
SECTION_RIGHTS = {True: 0xC00, False: 0x800}
"""AP bits of a section, in both formats."""


def page_descriptor(layout: TableFormat, physical: int, writable: bool, *, executable: bool = True) -> int:
    """A second-level word: a small page for user mode."""
    never = 0 if executable or layout is TableFormat.LEGACY else NEVER_EXECUTE
    return physical | PAGE_RIGHTS[layout, writable] | CACHED | SMALL_PAGE | never


def table_descriptor(layout: TableFormat, table: int, user: bool) -> int:
    """A first-level word: a second-level table."""
    return table | _domain(layout, user) | TABLE


def section_descriptor(layout: TableFormat, physical: int, writable: bool, *, user: bool) -> int:
    """A first-level word: a mebibyte. Bit 4 forbids execution in the modern format, and must be 1 in the other."""
    return physical | SECTION_RIGHTS[writable] | _domain(layout, user) | CACHED | SECTION_ENTRY


def _domain(layout: TableFormat, user: bool) -> int:
    return (DOMAIN_USER if user else DOMAIN_KERNEL) << 5 | (BIT_4 if layout is TableFormat.LEGACY else 0)
