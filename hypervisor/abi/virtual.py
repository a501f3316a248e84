"""Virtual devices of machine cells: the page of each, as the monitor sees it.

A guest's access to a register of such a device is an exit READ or WRITE at its address, below `RAISE`; the device itself works in
the cell. A WRITE at `RAISE` says that the device raises its virtual interrupt.
"""

from __future__ import annotations

WINDOW = 0x1000
"""Bytes of each device."""
RAISE = 0xF00
"""Offset; the guest has no register from here on."""
