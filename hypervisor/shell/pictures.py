"""Pictures of displays: what a frame buffer shows, as a PNG in the run directory.

A picture is taken when a display goes on, when it goes off (the last of what was shown: also when its owner ends), at the
end of the run, and whenever somebody asks. `frames/lcd0-000000123456.png` shows lcd0 at cycle 123456.

    pictures = Pictures(monitor, run_directory)
    pictures.take("lcd0")
"""

from __future__ import annotations

from collections.abc import Iterator

from devices import DmaError, Framebuffer
from hypervisor.core.bus import PhysicalDevice
from hypervisor.core.errors import Refused
from hypervisor.core.monitor import Monitor
from hypervisor.shell.picture import Picture, Scan
from hypervisor.shell.rundir import RunDirectory

__all__ = ["Picture", "Pictures"]


class Pictures:
    """Looks at the frame buffers of a board. `directory`: None for a run that leaves nothing behind."""

    def __init__(self, monitor: Monitor, directory: RunDirectory | None) -> None:
        self._monitor, self._directory = monitor, directory

    def take(self, name: str) -> Picture:
        """What a display shows now, also written into the run directory. Black where its owner has no memory, or is gone.

        Raises:
            KeyError: no display has this name.
        """
        entry, device = self._find(name)
        return self._take(entry, device)

    def take_all(self) -> None:
        """One of each display that is on."""
        for entry, device in self.displays():
            if device.on:
                self._take(entry, device)

    def scan(self, name: str) -> Scan:
        """What a display scans out now; nothing is written.

        Raises:
            KeyError: no display has this name.
        """
        return self._scan(*self._find(name))

    def displays(self) -> Iterator[tuple[PhysicalDevice, Framebuffer]]:
        """Every display of the board, in its order."""
        for entry in self._monitor.bus.devices:
            if isinstance(entry.device, Framebuffer):
                yield entry, entry.device

    def _find(self, name: str) -> tuple[PhysicalDevice, Framebuffer]:
        for entry, device in self.displays():
            if entry.name == name:
                return entry, device
        raise KeyError(f'no display is called "{name}"')

    def _scan(self, entry: PhysicalDevice, device: Framebuffer) -> Scan:
        return Scan.of(device.state, lambda address, length: self._read(entry, address, length))

    def _take(self, entry: PhysicalDevice, device: Framebuffer) -> Picture:
        picture = self._scan(entry, device).picture()
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
