"""A workbench: one device on the table, a clock turned by hand, and lamps on its lines. For tests and for trying
things out.

>>> from devices import Sp804
>>> bench = Bench(hz=1_000_000)
>>> timer = Sp804(bench.wiring())
>>> timer.registers.write(0x00, 4, 5)         # LOAD
>>> timer.registers.write(0x08, 4, 0xA3)      # 32 bits, one shot, interrupt, go
>>> bench.now = 4; timer.advance(); bench.level()
False
>>> bench.now = 5; timer.advance(); bench.level()
True
"""

from __future__ import annotations

from functools import partial

from devices.device import Wiring


class Bench:
    """Records everything that a device does: levels of its lines, bytes sent, kicks, misuse."""

    def __init__(self, hz: int = 1_000_000) -> None:
        self.hz = hz
        self.now = 0
        self.levels: dict[int, bool] = {}
        self.changes: list[tuple[int, int, bool]] = []
        """(time, output, level) of each change of a line."""
        self.sent = bytearray()
        self.misuses: list[str] = []
        self.kicks = 0

    def wiring(self, outputs: int = 1) -> Wiring:
        """Wires for a device with so many output lines."""
        lines = [partial(self.set_line, output) for output in range(outputs)]
        return Wiring(
            clock=lambda: self.now,
            hz=self.hz,
            irq=lines[0],
            more=tuple(lines[1:]),
            kick=self._kick,
            transmit=self.sent.extend,
            misuse=self.misuses.append,
        )

    def level(self, output: int = 0) -> bool:
        """Whether the lamp on an output line is lit."""
        return self.levels.get(output, False)

    def set_line(self, output: int, level: bool) -> None:
        """What a device's line drives."""
        self.levels[output] = level
        self.changes.append((self.now, output, level))

    def _kick(self) -> None:
        self.kicks += 1
