"""A workbench: one device on the table, a clock turned by hand, and lamps on its lines. For tests and for trying
things out. A bus master finds memory of `MEMORY` bytes at address 0.

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

from devices.device import DmaError, Wiring

MEMORY = 64 << 10


class Bench:
    """Records everything that a device does: levels of its lines, bytes and frames sent, notices, kicks, misuse."""

    def __init__(self, hz: int = 1_000_000) -> None:
        self.hz = hz
        self.now = 0
        self.levels: dict[int, bool] = {}
        self.changes: list[tuple[int, int, bool]] = []
        """(time, output, level) of each change of a line."""
        self.sent = bytearray()
        self.frames: list[tuple[int, bytes]] = []
        """(time, frame) of each that was sent."""
        self.notices: list[str] = []
        self.memory = bytearray(MEMORY)
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
            send=lambda cycle, frame: self.frames.append((cycle, frame)),
            notice=self.notices.append,
            dma_read=self.read_memory,
            dma_write=self.write_memory,
        )

    def level(self, output: int = 0) -> bool:
        """Whether the lamp on an output line is lit."""
        return self.levels.get(output, False)

    def set_line(self, output: int, level: bool) -> None:
        """What a device's line drives."""
        self.levels[output] = level
        self.changes.append((self.now, output, level))

    def read_memory(self, address: int, length: int) -> bytes:
        """A bus master reads."""
        if not 0 <= address <= address + length <= MEMORY:
            raise DmaError(f"no memory at {address:#x}")
        return bytes(self.memory[address : address + length])

    def write_memory(self, address: int, data: bytes) -> None:
        """A bus master writes."""
        self.read_memory(address, len(data))
        self.memory[address : address + len(data)] = data

    def _kick(self) -> None:
        self.kicks += 1
