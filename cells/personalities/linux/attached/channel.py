"""/dev/channel/PEER: messages to and from another cell.

Each write is one message, each read takes one (what does not fit into the reader's memory is lost, as of a datagram). A partner
that is gone is ENODEV for who reads, when nothing is left, and EPIPE for who writes; when it is back, both go on.
"""

from __future__ import annotations

from typing import Any

from cells.personalities.arm.errno import EACCES, EINVAL, EMSGSIZE, ENODEV, EPIPE, Errno
from cells.personalities.linux.attached.device import Device, DeviceFile, device_number
from cells.personalities.linux.file import POLL_HANGUP, READABLE, WRITABLE, File, WouldBlock
from cells.personalities.linux.inode import Inode
from cells.personalities.mail import Box
from cells.port import RefusedError
from hypervisor.abi.status import Status

MAJOR = 240
"""The first of the numbers for local use (devices.txt)."""
_COMMON = {Status.TOO_LONG: EMSGSIZE, Status.RIGHTS: EACCES}
READING, WRITING = {**_COMMON, Status.PEER_GONE: ENODEV}, {**_COMMON, Status.PEER_GONE: EPIPE}


class Channel(Device):
    """One channel. All who have it open read from the same box."""

    def __init__(self, kernel: Any, name: str, minor: int) -> None:
        super().__init__(kernel, b"channel/" + name.encode(), device_number(MAJOR, minor))
        self._name = name

    @property
    def box(self) -> Box:
        """Its messages."""
        box: Box = self.kernel.port.mail[self._name]
        return box

    def open(self, process: Any, inode: Inode, flags: int) -> File:
        """See `Device`."""
        self.box.on_change = self.changed
        return ChannelFile(self, inode, flags)


class ChannelFile(DeviceFile):
    """An open channel."""

    device: Channel

    def read(self, process: Any, size: int) -> bytes:
        """The next message."""
        try:
            data = self.device.box.receive()
        except RefusedError as refusal:
            raise Errno(READING.get(Status(refusal.status), EINVAL)) from refusal
        if data is None:
            raise WouldBlock(self.device.queue)
        return data[:size]

    def write(self, process: Any, data: bytes) -> int:
        """One message."""
        try:
            sent = self.device.box.send(data)
        except RefusedError as refusal:
            raise Errno(WRITING.get(Status(refusal.status), EINVAL)) from refusal
        if not sent:
            raise WouldBlock(self.device.queue)
        return len(data)

    def poll(self) -> int:
        """What it is ready for."""
        box = self.device.box
        ready = READABLE if box.can_receive else 0
        return ready | (POLL_HANGUP if box.gone else WRITABLE if box.can_send else 0)
