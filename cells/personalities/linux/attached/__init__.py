"""Devices of a process that stand for what the cell is connected to (README.md): screen, touch screen, disk, other cells.

kernel.attached = Attached(kernel)     # when the tree is made; nothing is connected yet
kernel.attached.progress()             # between two turns: answers are heard, sleepers woken
file = kernel.attached.open(process, inode, flags)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cells.flavours.names import by_peer
from cells.personalities.linux.attached.channel import Channel
from cells.personalities.linux.attached.device import Device
from cells.personalities.linux.attached.disk import Disk
from cells.personalities.linux.attached.frame import FRAMEBUFFER, FrameBuffer
from cells.personalities.linux.attached.outside import AccountDevice, PictureDevice
from cells.personalities.linux.attached.touch import TouchScreen
from cells.personalities.linux.file import File
from cells.personalities.linux.inode import Inode


class Attached:
    """All of a kernel's. What there is follows from what the cell was told at its start."""

    def __init__(self, kernel: Any) -> None:
        self.devices: dict[tuple[int, int], Device] = {}
        for device in _found(kernel, kernel.spec.boot):
            self.devices[device.kind, device.number] = device

    def open(self, process: Any, inode: Inode, flags: int) -> File | None:
        """An open file of a device; None if it is none of these. Raises what the device says."""
        device = self.devices.get((inode.kind, inode.device))
        return None if device is None else device.open(process, inode, flags)

    def progress(self) -> None:
        """Let each device hear what its other end says."""
        for device in self.devices.values():
            device.progress()


def _found(kernel: Any, boot: Mapping[str, Any]) -> Iterator[Device]:
    """The devices of a cell that was told this."""
    for minor, name in enumerate(by_peer(boot.get("channels", ()))):
        yield Channel(kernel, name, minor)
    links = by_peer(boot.get("links", ()))
    fronts = {
        kind: [n for n, told in links.items() if (told["kind"], told["role"]) == (kind, "front")] for kind in KINDS
    }
    frame = next((told for told in boot.get("shared", ()) if told["name"] == FRAMEBUFFER), None)
    if fronts["display"] or frame is not None:
        yield FrameBuffer(kernel, next(iter(fronts["display"]), None), frame)
    for minor, name in enumerate(fronts["input"]):
        yield TouchScreen(kernel, name, minor)
    for minor, name in enumerate(fronts["block"]):
        yield Disk(kernel, name, minor)
    yield PictureDevice(kernel)
    yield AccountDevice(kernel)


KINDS = ("display", "input", "block")
"""Classes of links that have a device. A network needs a stack, which this personality has not."""
