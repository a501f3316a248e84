"""Pictures of displays: what a frame buffer shows, as a PNG in the run directory.

A picture is taken when a display goes on, when it goes off (the last of what was shown: also when its owner ends), at the
end of the run, and whenever somebody asks. `frames/lcd0-000000123456.png` shows lcd0 at cycle 123456.

    pictures = Pictures(monitor, run_directory)
    pictures.take("lcd0")

Theory of PNG (W3C PNG, second edition): a signature, then chunks (length, name, content, CRC-32): IHDR with the size, IDAT
with the deflated lines, each behind a byte that names its filter (0: none), IEND.
"""

from __future__ import annotations

import struct
import zlib
from typing import NamedTuple

from devices import DmaError, Framebuffer
from devices.framebuffer import frame
from hypervisor.core.bus import PhysicalDevice
from hypervisor.core.errors import Refused
from hypervisor.core.monitor import Monitor
from hypervisor.shell.rundir import RunDirectory

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_TRUE_COLOUR = 2


class Picture(NamedTuple):
    """What a display shows: three bytes for each pixel, red, green, blue, from the top left."""

    width: int
    height: int
    pixels: bytes

    def pixel(self, x: int, y: int) -> tuple[int, int, int]:
        """Red, green, blue of one pixel."""
        red, green, blue = self.pixels[3 * (y * self.width + x) :][:3]
        return red, green, blue

    def png(self) -> bytes:
        """As a file."""
        stride = 3 * self.width
        lines = b"".join(b"\x00" + self.pixels[at : at + stride] for at in range(0, stride * self.height, stride))
        header = struct.pack(">IIBBBBB", self.width, self.height, 8, _TRUE_COLOUR, 0, 0, 0)
        return b"".join(
            [_SIGNATURE, _chunk(b"IHDR", header), _chunk(b"IDAT", zlib.compress(lines)), _chunk(b"IEND", b"")]
        )


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


class Pictures:
    """Looks at the frame buffers of a board. `directory`: None for a run that leaves nothing behind."""

    def __init__(self, monitor: Monitor, directory: RunDirectory | None) -> None:
        self._monitor, self._directory = monitor, directory

    def take(self, name: str) -> Picture:
        """What a display shows now, also written into the run directory. Black where its owner has no memory, or is gone.

        Raises:
            KeyError: no display has this name.
        """
        for entry in self._monitor.bus.devices:
            if entry.name == name and isinstance(entry.device, Framebuffer):
                return self._take(entry, entry.device)
        raise KeyError(f'no display is called "{name}"')

    def take_all(self) -> None:
        """One of each display that is on."""
        for entry in self._monitor.bus.devices:
            if isinstance(entry.device, Framebuffer) and entry.device.on:
                self._take(entry, entry.device)

    def _take(self, entry: PhysicalDevice, device: Framebuffer) -> Picture:
        picture = Picture(*frame(device.state, lambda address, length: self._read(entry, address, length)))
        if self._directory is not None:
            self._directory.write_frame(f"{entry.name}-{self._monitor.now:012d}.png", picture.png())
        return picture

    def _read(self, entry: PhysicalDevice, address: int, length: int) -> bytes:
        if entry.owner is None:
            return bytes(length)
        try:
            return self._monitor.memory.read(self._monitor.cells[entry.owner], address, length)
        except (Refused, DmaError):
            return bytes(length)
