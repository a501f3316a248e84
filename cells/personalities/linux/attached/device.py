"""What all attached devices do alike."""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod
from typing import Any

from cells.personalities.arm.errno import EINVAL, EIO, Errno
from cells.personalities.arm.wait import Queue
from cells.personalities.linux.file import File
from cells.personalities.linux.inode import CHARACTER, PAGE, Inode
from cells.split.asking import Asking
from cells.split.ring import Layout

READ, WRITE = 2, 1
"""Directions in the number of an ioctl (asm-generic/ioctl.h)."""


def request(direction: int, letter: str, number: int, size: int) -> int:
    """The number of an ioctl.

    >>> hex(request(READ, "E", 0x01, 4))
    '0x80044501'
    """
    return direction << 30 | size << 16 | ord(letter) << 8 | number


def device_number(major: int, minor: int) -> int:
    """As stat tells it (makedev)."""
    return (minor & 0xFF) | major << 8 | (minor & ~0xFF) << 12


class Device(ABC):
    """One device: its node in /dev (`path`, relative), and who sleeps for it."""

    kind = CHARACTER

    def __init__(self, kernel: Any, path: bytes, number: int) -> None:
        self.kernel, self.path, self.number = kernel, path, number
        self.queue = Queue()
        self.files: list[File] = []

    @abstractmethod
    def open(self, process: Any, inode: Inode, flags: int) -> File:
        """An open file.

        Raises:
            Errno: what the device says.
        """

    def progress(self) -> None:  # noqa: B027  most are not told anything
        """Hear what the other end says."""

    def changed(self) -> None:
        """It may be ready for something: whoever waits looks again."""
        for file in self.files:
            file.activity += 1
        self.queue.wake()

    def asking(self, name: str, layout: Layout) -> Asking:
        """Requests over the link of that name."""
        port = self.kernel.port
        return Asking(port.connections.links[name], layout, port)


class DeviceFile(File):
    """An open device. `mapping`: what mmap shows of it."""

    def __init__(self, device: Device, inode: Inode, flags: int) -> None:
        super().__init__(inode, flags)
        self.device = device
        device.files.append(self)
        self.name = b"/dev/" + device.path

    def queues(self) -> tuple[Queue, ...]:
        """Which are woken when it becomes ready."""
        return (self.device.queue,)

    def close(self) -> None:
        """The last user has gone."""
        self.device.files.remove(self)


class Pages:
    """Pages at fixed physical addresses that processes can map, as an inode's. `writable`: whether they may write."""

    def __init__(self, kernel: Any, inode: Inode, address: int, size: int, *, writable: bool) -> None:
        self.inode_number, self.size, self.writable = inode.inode_number, size, writable
        self._first = address
        for page in range(address, address + size, PAGE):
            kernel.frames.adopt(page, kernel.port.memory.view(page, PAGE))

    def page(self, index: int, _writable: bool = False) -> int:
        """The physical page. It stays the device's."""
        return self._first + index * PAGE


def seek(file: File, to: int, whence: int, size: int) -> int:
    """lseek in a device of `size` bytes.

    Raises:
        Errno: EINVAL.
    """
    base = {0: 0, 1: file.offset, 2: size}.get(whence)
    if base is None or not 0 <= base + to < 1 << 63:
        raise Errno(EINVAL)
    file.offset = base + to
    return file.offset


def tell(process: Any, address: int, layout: str, *values: Any) -> int:
    """Write a structure of an ioctl; 0."""
    process.space.write(address, struct.pack(layout, *values))
    return 0


def whole(asking: Asking) -> None:
    """The other end has not lied.

    Raises:
        Errno: EIO.
    """
    if asking.broken:
        raise Errno(EIO)
