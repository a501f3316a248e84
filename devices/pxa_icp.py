"""The interrupt controller of the PXA255 (Intel PXA255 Processor Developer's Manual, 278693, section 4.2).

32 inputs, a mask, and a level register that sends each to IRQ or FIQ. It latches nothing: pending bits follow the
input lines.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

from devices.device import FIQ, IRQ, Line, Model, State, Wiring
from devices.registers import Field, Reg, stored


@dataclass
class PxaIcpState(State):
    """The whole snapshot."""

    lines: list[int] = field(default_factory=lambda: [0, 0])
    inputs: int = 0
    mask: int = 0
    to_fiq: int = 0
    idle_mask: int = 0


class PxaIcp(Model):
    """32 inputs, one IRQ and one FIQ output."""

    state: PxaIcpState

    def __init__(self, wiring: Wiring, state: PxaIcpState | None = None) -> None:
        s = state or PxaIcpState()
        super().__init__(wiring, s)
        self.registers = self._bank(
            Reg("ICIP", 0x00, self._irqs),
            Reg("ICMR", 0x04, lambda: s.mask, partial(self._set, "mask")),
            Reg("ICLR", 0x08, lambda: s.to_fiq, partial(self._set, "to_fiq")),
            Reg("ICFP", 0x0C, self._fiqs),
            Reg("ICPR", 0x10, lambda: s.inputs),
            stored("ICCR", 0x14, s, "idle_mask", mask=1, fields=(Field("DIM", 0, note="no effect"),)),
        )

    def line(self, number: int) -> Line:
        """Input 0..31."""
        if not 0 <= number < 32:
            raise ValueError(f"the PXA255 has interrupts 0 to 31, not {number}")
        return partial(self._input, 1 << number)

    def _input(self, bit: int, level: bool) -> None:
        s = self.state
        self._set("inputs", s.inputs | bit if level else s.inputs & ~bit)

    def _irqs(self) -> int:
        return self.state.inputs & self.state.mask & ~self.state.to_fiq

    def _fiqs(self) -> int:
        return self.state.inputs & self.state.mask & self.state.to_fiq

    def _set(self, attribute: str, value: int) -> None:
        setattr(self.state, attribute, value)
        self._drive(bool(self._irqs()), IRQ)
        self._drive(bool(self._fiqs()), FIQ)
