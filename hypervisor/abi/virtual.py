"""Virtual devices of machine cells: the page of each, as the monitor sees it.

A guest's access to a register of such a device is an exit READ or WRITE at its address, below `RAISE`; the device itself works in
the cell. A WRITE at `RAISE` says that the device raises its virtual interrupt.
"""

from __future__ import annotations

WINDOW = 0x1000
"""Bytes of each device."""
RAISE = 0xF00
"""Offset; the guest has no register from here on."""
STATUS, DRIVER_OK = 0x70, 4
"""The register Status, and its bit by which a driver says that it is ready (virtio 1.2, 2.1 and 4.2.2)."""
POWER_KEY = 0xFFFF_FFFF
"""Who rings when the operator presses the power key: a slot of nobody's."""
PRESSED: dict[str, int] = {"shutdown": 1, "reboot": 2}
"""What the operator asks for -> the bit with which the key rings."""
