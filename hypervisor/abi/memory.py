"""Where foreign pages appear in a cell: the window, guest physical addresses that no board uses for anything else.

A cell's own memory lies at the board's `ram_base`; what others give it is mapped into the window, page by page.
"""

from __future__ import annotations

import struct

PAGE = 4096
WINDOW_BASE = 0xC000_0000
WINDOW_SIZE = 16 << 20

READ, WRITE = 1, 2
"""Bits of a page's rights; a writable page is readable too."""

HANDOVER = struct.Struct("<QIBI")
"""What comes with a file's descriptor at a cell's socket: address, pages, rights, and the first page in the file."""
