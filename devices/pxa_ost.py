"""The operating system timer of the PXA255 (Intel PXA255 Processor Developer's Manual, 278693, section 4.4).

One 32-bit counter counts up at 3.6864 MHz and wraps. Four match registers stand beside it: when the counter becomes
equal to one whose interrupt is enabled, its status bit is set, and the status bits are the four interrupt lines
(inputs 26-29 of the controller). Software clears a status bit by writing 1 to it. The watchdog enable is stored, and
it never bites.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from devices.device import Ticking, TickState, Wiring
from devices.registers import WORD, Field, Reg, array

CHANNELS = 4
_BITS = tuple(Field(f"M{n}", n) for n in range(CHANNELS))


@dataclass
class PxaOstState(TickState):
    """The whole snapshot of the timer."""

    lines: list[int] = field(default_factory=lambda: [0] * CHANNELS)
    count: int = 0
    match: list[int] = field(default_factory=lambda: [0] * CHANNELS)
    status: int = 0
    enabled: int = 0
    watchdog: int = 0


class PxaOst(Ticking):
    """A counter with four match registers: `irq` is the line of match 0, `more` those of 1, 2 and 3."""

    state: PxaOstState

    def __init__(self, wiring: Wiring, state: PxaOstState | None = None, *, frequency: int = 3_686_400) -> None:
        s = state or PxaOstState()
        super().__init__(wiring, s, frequency)
        self.registers = self._bank(
            array("OSMR", 0x00, CHANNELS, s.match.__getitem__, self._set_match),
            Reg("OSCR", 0x10, lambda: s.count, self._set_count),
            Reg("OSSR", 0x14, lambda: s.status, self._clear, _BITS),
            Reg("OWER", 0x18, lambda: s.watchdog, self._set_watchdog, (Field("WME", 0, note="stored, never bites"),)),
            Reg("OIER", 0x1C, lambda: s.enabled, self._enable, _BITS),
        )

    def _distance(self, channel: int) -> int:
        """Ticks until the counter becomes equal to a match register: 1 .. 2^32."""
        return (self.state.match[channel] - self.state.count - 1 & WORD) + 1

    def _run(self, passed: int) -> None:
        """Let `passed` ticks happen."""
        s = self.state
        for channel in range(CHANNELS):
            if s.enabled >> channel & 1 and self._distance(channel) <= passed:
                s.status |= 1 << channel
        s.count = s.count + passed & WORD
        self._update_lines()

    def _ticks_ahead(self) -> int | None:
        """Ticks to the nearest match that would raise a line."""
        listening = self.state.enabled & ~self.state.status
        return min((self._distance(n) for n in range(CHANNELS) if listening >> n & 1), default=None)

    def _set_match(self, channel: int, value: int) -> None:
        self.state.match[channel] = value
        self._wiring.kick()

    def _set_count(self, value: int) -> None:
        self.state.count = value
        self._wiring.kick()

    def _clear(self, value: int) -> None:
        """OSSR: a bit written as 1 is cleared."""
        self.state.status &= ~value
        self._update_lines()
        self._wiring.kick()

    def _enable(self, value: int) -> None:
        """OIER; clearing an enable bit leaves the status bit as it is."""
        self.state.enabled = value & 0xF
        self._wiring.kick()

    def _set_watchdog(self, value: int) -> None:
        """OWER: once set it stays set until reset."""
        self.state.watchdog |= value & 1

    def _update_lines(self) -> None:
        for channel in range(CHANNELS):
            self._drive(bool(self.state.status >> channel & 1), channel)
