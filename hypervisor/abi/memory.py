"""Where foreign pages appear in a cell: the window, guest physical addresses that no board uses for anything else.

A cell's own memory lies at the board's `ram_base`; what others give it is mapped into the window, page by page.
"""

from __future__ import annotations

import struct

PAGE = 4096
WINDOW_BASE = 0xC000_0000
WINDOW_SIZE = 16 << 20

KERNEL_LOWEST = 0x8000_0000
"""The lowest virtual address at which a paravirtual kernel may ask for its RAM (ours: 0xc0000000); processes have the rest."""
KERNEL_WINDOW = 0xE000_0000
"""Where such a kernel finds the window, in every address space; RAM has to end below."""
KERNEL_HYPERCALLS = 0xE200_0000
"""Where it finds the hypercall page, if its flavour has one for it."""

READ, WRITE = 1, 2
"""Bits of a page's rights; a writable page is readable too."""

READABLE = 1 << 32
"""In the answer to a load from a device, or a store to it, above the value: its content can be read as memory until the next."""


def device_descriptor(base: int) -> str:
    """The name under which a cell's process is given the content of its device at `base`."""
    return f"device.{base:#x}"


DISK = "disk"
"""The model of a device that is a file of the host: it has no registers, its owner has the content mapped."""


def disk_descriptor(name: str) -> str:
    """The name under which a cell's process is given the file of its disk."""
    return f"disk.{name}"


HANDOVER = struct.Struct("<QIBI")
"""What comes with a file's descriptor at a cell's socket: address, pages, rights, and the first page in the file."""
