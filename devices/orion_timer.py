"""The timer block of Marvell's Orion and Kirkwood chips (88F6281 functional specification, "CPU timers", 0x20300).

Two 32-bit down counters. A counter that reaches zero signals an edge to the bridge interrupt controller (input 1 for
timer 0, input 2 for timer 1); with its auto bit set it takes the reload value at the next tick, so the period is
reload + 1 ticks; without it stays at zero until a value is written. The watchdog's registers are stored, and it never
bites.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from devices.device import Ticking, TickState, Wiring
from devices.registers import WORD, Field, Reg, array, stored

_CONTROL = (
    Field("TIMER0_EN", 0),
    Field("TIMER0_AUTO", 1),
    Field("TIMER1_EN", 2),
    Field("TIMER1_AUTO", 3),
    Field("WATCHDOG_EN", 4, note="stored, never bites"),
    Field("WATCHDOG_AUTO", 5, note="stored"),
)


@dataclass
class OrionTimerState(TickState):
    """The whole snapshot: one entry per timer in each list."""

    lines: list[int] = field(default_factory=lambda: [0, 0])
    control: int = 0
    reload: list[int] = field(default_factory=lambda: [0, 0])
    value: list[int] = field(default_factory=lambda: [WORD, WORD])
    watchdog_reload: int = WORD
    watchdog_value: int = WORD


class OrionTimer(Ticking):
    """Two timers with an output line each: `irq` is timer 0's, the first of `more` timer 1's."""

    state: OrionTimerState

    def __init__(self, wiring: Wiring, state: OrionTimerState | None = None, *, frequency: int = 166_666_667) -> None:
        s = state or OrionTimerState()
        super().__init__(wiring, s, frequency)
        self.registers = self._bank(
            Reg("CTRL", 0x00, lambda: s.control, self._set_control, _CONTROL),
            array("RELOAD", 0x10, 2, lambda n: s.reload[n], self._set_reload, step=8),
            array("VALUE", 0x14, 2, lambda n: s.value[n], self._set_value, step=8),
            stored("WDT_RELOAD", 0x20, s, "watchdog_reload"),
            stored("WDT_VALUE", 0x24, s, "watchdog_value"),
        )

    def _enabled(self, n: int) -> bool:
        return bool(self.state.control >> 2 * n & 1)

    def _auto(self, n: int) -> bool:
        return bool(self.state.control >> 2 * n & 2)

    def _steps_to_zero(self, n: int) -> int | None:
        """Ticks until the counter reaches zero the next time; None if it is halted there."""
        s = self.state
        if s.value[n]:
            return s.value[n]
        return s.reload[n] + 1 if self._auto(n) else None

    def _run(self, passed: int) -> None:
        """Let `passed` ticks happen to both timers."""
        s = self.state
        for n in (0, 1):
            ahead = self._steps_to_zero(n) if self._enabled(n) else None
            if ahead is None:
                continue
            if passed < ahead:
                s.value[n] = ahead - passed
                continue
            beyond = passed - ahead
            s.value[n] = -beyond % (s.reload[n] + 1) if self._auto(n) else 0
            self._pulse(n)

    def _ticks_ahead(self) -> int | None:
        """Ticks to the nearest edge of either timer."""
        steps = [self._steps_to_zero(n) for n in (0, 1) if self._enabled(n)]
        return min((ahead for ahead in steps if ahead is not None), default=None)

    def _set_control(self, value: int) -> None:
        self.state.control = value & 0x3F
        self._wiring.kick()

    def _set_reload(self, n: int, value: int) -> None:
        self.state.reload[n] = value
        self._wiring.kick()

    def _set_value(self, n: int, value: int) -> None:
        self.state.value[n] = value
        self._wiring.kick()
