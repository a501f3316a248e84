"""The board's clock register: virtual time itself, as a 64-bit count of CPU cycles. A part of our own.

Reading LOW latches the upper half, so that LOW and then HIGH give one consistent number however much time passes in
between.
"""

from __future__ import annotations

from dataclasses import dataclass

from devices.device import Model, State, Wiring
from devices.registers import WORD, Reg, constant


@dataclass
class SysClockState(State):
    """The whole snapshot: the upper half, as of the last read of LOW."""

    high: int = 0


class SysClock(Model):
    """LOW at 0x0, HIGH at 0x4, and the cycles per second at 0x8 and 0xC. Nothing can be written, nothing interrupts."""

    state: SysClockState

    def __init__(self, wiring: Wiring, state: SysClockState | None = None) -> None:
        s = state or SysClockState()
        super().__init__(wiring, s)
        self.registers = self._bank(
            Reg("LOW", 0x0, self._low),
            Reg("HIGH", 0x4, lambda: s.high),
            constant("HZ_LOW", 0x8, wiring.hz & WORD),
            constant("HZ_HIGH", 0xC, wiring.hz >> 32),
        )

    def _low(self) -> int:
        now = self._wiring.clock()
        self.state.high = now >> 32 & WORD
        return now & WORD
