"""SP804: the ARM dual timer module (ARM DDI 0271D), two 32-bit down counters with one combined interrupt.

A counter steps once per tick of its clock, divided by its prescaler. When it reaches zero it interrupts, and then

- free-running: it wraps to all ones;
- periodic: it starts again from Load, so the period is Load ticks (DDI 0271 2.2: interval = Load x divider /
  frequency);
- one-shot: it stays at zero until Load is written or the one-shot bit is cleared.

All of it is closed-form arithmetic on the number of ticks that have passed, so time can be taken in any portions.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from devices.device import Ticking, TickState, Wiring
from devices.registers import WORD, Field, array, prime_cell

ONE_SHOT, SIZE_32, INT_ENABLE, PERIODIC, ENABLE = 1 << 0, 1 << 1, 1 << 5, 1 << 6, 1 << 7
"""Bits of Control (DDI 0271 table 3-2)."""
PRESCALE = 0b11 << 2
_DIVIDERS = (1, 16, 256, 256)
"""Control[3:2]: the prescaler; 0b11 is undefined and taken as 256."""
_CONTROL = (
    Field("ONE_SHOT", 0),
    Field("SIZE_32", 1),
    Field("PRESCALE", 2, 2),
    Field("INT_ENABLE", 5),
    Field("PERIODIC", 6),
    Field("ENABLE", 7),
)


@dataclass
class Sp804State(TickState):
    """The whole snapshot: one entry per timer in each list."""

    load: list[int] = field(default_factory=lambda: [0, 0])
    value: list[int] = field(default_factory=lambda: [WORD, WORD])
    control: list[int] = field(default_factory=lambda: [INT_ENABLE, INT_ENABLE])
    raw: list[int] = field(default_factory=lambda: [0, 0])
    phase: list[int] = field(default_factory=lambda: [0, 0])
    """Ticks that the prescaler has swallowed since the counter's last step."""


class Sp804(Ticking):
    """Two timers at offsets 0x00 and 0x20."""

    state: Sp804State

    def __init__(self, wiring: Wiring, state: Sp804State | None = None, *, frequency: int = 1_000_000) -> None:
        s = state or Sp804State()
        super().__init__(wiring, s, frequency)
        self.registers = self._bank(
            array("LOAD", 0x00, 2, lambda n: s.load[n], self._set_load, step=0x20),
            array("VALUE", 0x04, 2, lambda n: s.value[n] & self._width(n), lambda _n, _value: None, step=0x20),
            array("CONTROL", 0x08, 2, lambda n: s.control[n], self._set_control, step=0x20, fields=_CONTROL),
            array("INTCLR", 0x0C, 2, None, self._clear, step=0x20),
            array("RIS", 0x10, 2, lambda n: s.raw[n], step=0x20),
            array("MIS", 0x14, 2, lambda n: s.raw[n] & s.control[n] >> 5, step=0x20),
            array("BGLOAD", 0x18, 2, lambda n: s.load[n], self._set_background, step=0x20),
            array("ITC", 0xF00, 2, lambda _index: 0, lambda _index, _value: None),
            prime_cell(part=0x804, revision=1),
        )

    def _width(self, n: int) -> int:
        return WORD if self.state.control[n] & SIZE_32 else 0xFFFF

    def _steps_to_zero(self, n: int) -> int | None:
        """Steps until the counter reaches zero the next time; None if it is halted there."""
        s = self.state
        width, control = self._width(n), s.control[n]
        value = s.value[n] & width
        if value:
            return value
        if control & ONE_SHOT:
            return None
        return max(s.load[n] & width, 1) if control & PERIODIC else width + 1

    def _run(self, passed: int) -> None:
        """Let `passed` ticks happen to both timers."""
        s = self.state
        for n in (0, 1):
            control = s.control[n]
            if control & ENABLE:
                steps, s.phase[n] = divmod(s.phase[n] + passed, _DIVIDERS[control >> 2 & 3])
                self._count(n, steps)
        self._update_line()

    def _count(self, n: int, steps: int) -> None:
        """Let counter `n` make `steps` steps."""
        s = self.state
        ahead = self._steps_to_zero(n)
        if ahead is None or not steps:
            return
        width = self._width(n)
        if steps < ahead:
            s.value[n] = ((s.value[n] & width) or ahead) - steps
            return
        s.raw[n] = 1
        beyond = steps - ahead
        if s.control[n] & ONE_SHOT:
            s.value[n] = 0
        elif s.control[n] & PERIODIC:
            period = s.load[n] & width
            s.value[n] = period - beyond % max(period, 1)
        else:
            s.value[n] = -beyond & width

    def _ticks_ahead(self) -> int | None:
        """Ticks to the nearest interrupt that would raise the line."""
        s = self.state
        nearest: int | None = None
        for n in (0, 1):
            control = s.control[n]
            if control & (ENABLE | INT_ENABLE) != ENABLE | INT_ENABLE or s.raw[n]:
                continue
            steps = self._steps_to_zero(n)
            if steps is not None:
                ahead = steps * _DIVIDERS[control >> 2 & 3] - s.phase[n]
                nearest = ahead if nearest is None else min(nearest, ahead)
        return nearest

    def _set_load(self, n: int, value: int) -> None:
        """Load: the counter starts again from here; 0 interrupts at once (DDI 0271 3.2.1)."""
        s = self.state
        s.load[n] = s.value[n] = value
        s.phase[n] = 0
        if not value & self._width(n) and s.control[n] & ENABLE:
            s.raw[n] = 1
        self._update_line()
        self._wiring.kick()

    def _set_background(self, n: int, value: int) -> None:
        """BGLoad: where the next period starts from."""
        self.state.load[n] = value
        self._wiring.kick()

    def _set_control(self, n: int, value: int) -> None:
        s = self.state
        if value & ~s.control[n] & ENABLE or (value ^ s.control[n]) & PRESCALE:
            s.phase[n] = 0
        s.control[n] = value & 0xEF
        self._update_line()
        self._wiring.kick()

    def _clear(self, n: int, _value: int) -> None:
        """IntClr: any value will do; the next interrupt may now come earlier than was thought."""
        self.state.raw[n] = 0
        self._update_line()
        self._wiring.kick()

    def _update_line(self) -> None:
        s = self.state
        self._drive(any(s.raw[n] and s.control[n] & INT_ENABLE for n in (0, 1)))
