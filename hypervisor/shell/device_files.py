"""What the board's devices leave behind in a run directory: captures of network frames, pictures of displays.

files = DeviceFiles(monitor, run_directory, hz, output=show)
attach_devices(monitor, topology, files.outside)
...
files.finish()      # the last pictures; cells still have their memory
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from hypervisor.core.cell import Cell
from hypervisor.core.monitor import Monitor
from hypervisor.shell.board_devices import Outside
from hypervisor.shell.pcap import Capture
from hypervisor.shell.pictures import Pictures
from hypervisor.shell.rundir import RunDirectory

NOTICES = 64
"""Times that a display goes on or off and is pictured: its owner may do so for ever, and each picture takes room and time."""


class DeviceFiles:
    """The files of one run; none without a `directory`. `output(cell, bytes)` takes what physical UARTs send."""

    def __init__(
        self, monitor: Monitor, directory: RunDirectory | None, hz: int, output: Callable[[Cell, bytes], None]
    ) -> None:
        self.pictures = Pictures(monitor, directory)
        self._directory, self._hz, self._output = directory, hz, output
        self._captures: dict[str, Capture] = {}
        self._noticed: Counter[str] = Counter()
        self.outside = Outside(self._uart, self._frame, self._notice)

    def finish(self) -> None:
        """The run is at its end: what displays show last. Requires: cells still have their memory."""
        if self._directory is not None:
            self.pictures.take_all()

    def close(self) -> None:
        """Let go of the files. May be called twice."""
        for capture in self._captures.values():
            capture.close()

    def _uart(self, _device: str, owner: Cell, data: bytes) -> None:
        self._output(owner, data)

    def _frame(self, device: str, cycle: int, frame: bytes) -> None:
        if self._directory is None:
            return
        if device not in self._captures:
            self._captures[device] = Capture(self._directory.capture_path(device), self._hz)
        self._captures[device].frame(cycle, frame)

    def _notice(self, device: str, _what: str) -> None:
        """A display goes on or off: what it shows first, or last."""
        if self._directory is not None and self._noticed[device] < NOTICES:
            self._noticed[device] += 1
            self.pictures.take(device)
