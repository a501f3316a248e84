"""/dev/picture and /dev/account: what a program wants to be kept with the run.

A picture is written as the bytes of a screen (320 x 240 pixels of 16 bits), from wherever the program has them: usually its own
mapping of /dev/fb0. When the last byte has come, the monitor keeps it. The account takes lines "NAME VALUE", figures of the
run's report.
"""

from __future__ import annotations

from typing import Any

from cells.personalities.arm.errno import EINVAL, ENOSPC, Errno
from cells.personalities.linux.attached.device import Device, DeviceFile, device_number
from cells.personalities.linux.file import READ_ONLY, WRITABLE, File
from cells.personalities.linux.inode import Inode
from cells.port import RefusedError
from cells.split.display.protocol import HEIGHT, STRIDE, WIDTH
from hypervisor.abi.hypercalls import Hypercall
from hypervisor.abi.records import DATA_LIMIT
from hypervisor.abi.status import Status

MAJOR = 241
"""Another of the numbers for local use (devices.txt)."""
SIZE = HEIGHT * STRIDE
LINE_LIMIT = 64
VALUE_LIMIT = 1 << 63


def _call(kernel: Any, number: int, first: int, second: int, data: bytes) -> None:
    try:
        kernel.port.hypercall(number, first, second, data=data)
    except RefusedError as refusal:
        raise Errno(ENOSPC if refusal.status == Status.NO_ROOM else EINVAL) from refusal


class PictureDevice(Device):
    """/dev/picture."""

    def __init__(self, kernel: Any) -> None:
        super().__init__(kernel, b"picture", device_number(MAJOR, 0))

    def open(self, process: Any, inode: Inode, flags: int) -> File:
        """See `Device`."""
        return PictureFile(self, inode, flags)


class OutFile(DeviceFile):
    """Takes, and gives nothing."""

    def read(self, process: Any, size: int) -> bytes:
        """Nothing."""
        return b""

    def poll(self) -> int:
        """What it is ready for."""
        return WRITABLE if self.flags & 3 != READ_ONLY else 0


class PictureFile(OutFile):
    """One picture after another; `offset` is within the one that comes."""

    def write(self, process: Any, data: bytes) -> int:
        """How many bytes went: up to the picture's end."""
        data = data[: SIZE - self.offset]
        for start in range(0, len(data), DATA_LIMIT):
            part = data[start : start + DATA_LIMIT]
            _call(self.device.kernel, Hypercall.PICTURE, WIDTH | HEIGHT << 16, self.offset, part)
            self.offset = (self.offset + len(part)) % SIZE
        return len(data)


class AccountDevice(Device):
    """/dev/account."""

    def __init__(self, kernel: Any) -> None:
        super().__init__(kernel, b"account", device_number(MAJOR, 1))

    def open(self, process: Any, inode: Inode, flags: int) -> File:
        """See `Device`."""
        return AccountFile(self, inode, flags)


class AccountFile(OutFile):
    """Each write is one line."""

    def write(self, process: Any, data: bytes) -> int:
        """A figure. EINVAL: it is none."""
        name, _, value = data[:LINE_LIMIT].rstrip(b"\n").partition(b" ")
        if not name or not value.isdigit() or int(value) >= VALUE_LIMIT or len(data) > LINE_LIMIT:
            raise Errno(EINVAL)
        _call(self.device.kernel, Hypercall.REPORT, 0, int(value), name)
        return len(data)
