"""PL190: the ARM PrimeCell vectored interrupt controller (ARM DDI 0181E), as on the Versatile boards.

32 inputs, each routed to IRQ or FIQ. Sixteen of them can be given a vector slot: slot 0 has the highest priority,
inputs without a slot the lowest. Reading VECTADDR answers with the address for the most urgent input and raises the
priority level, which holds back everything that is not more urgent until VECTADDR is written. Software that never
reads VECTADDR uses the part as a plain controller through IRQSTATUS.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

from devices.device import FIQ, IRQ, Line, Model, State, Wiring
from devices.registers import Field, Reg, array, prime_cell, stored

SLOTS = 16
PLAIN, IDLE = SLOTS, SLOTS + 1
"""Priority levels below the sixteen slots: an input without a slot, and nothing in service."""
SLOT_ENABLE = 1 << 5


@dataclass
class Pl190State(State):
    """The whole snapshot of a PL190."""

    lines: list[int] = field(default_factory=lambda: [0, 0])
    inputs: int = 0
    software: int = 0
    enabled: int = 0
    to_fiq: int = 0
    protection: int = 0
    default_address: int = 0
    addresses: list[int] = field(default_factory=lambda: [0] * SLOTS)
    controls: list[int] = field(default_factory=lambda: [0] * SLOTS)
    service: list[int] = field(default_factory=list)
    """Priority levels in service, the innermost last."""


class Pl190(Model):
    """32 inputs, sixteen vector slots, one IRQ and one FIQ output."""

    state: Pl190State

    def __init__(self, wiring: Wiring, state: Pl190State | None = None) -> None:
        s = state or Pl190State()
        super().__init__(wiring, s)
        self.registers = self._bank(
            Reg("IRQSTATUS", 0x000, self._irq_status),
            Reg("FIQSTATUS", 0x004, self._fiq_status),
            Reg("RAWINTR", 0x008, self._raw),
            Reg("INTSELECT", 0x00C, lambda: s.to_fiq, partial(self._set, "to_fiq")),
            Reg("INTENABLE", 0x010, lambda: s.enabled, lambda value: self._set("enabled", s.enabled | value)),
            Reg("INTENCLEAR", 0x014, None, lambda value: self._set("enabled", s.enabled & ~value)),
            Reg("SOFTINT", 0x018, lambda: s.software, lambda value: self._set("software", s.software | value)),
            Reg("SOFTINTCLEAR", 0x01C, None, lambda value: self._set("software", s.software & ~value)),
            stored("PROTECTION", 0x020, s, "protection", mask=1, fields=(Field("PROTECT", 0, note="no effect"),)),
            Reg("VECTADDR", 0x030, self._enter, self._leave),
            stored("DEFVECTADDR", 0x034, s, "default_address"),
            array("VECTADDR_", 0x100, SLOTS, s.addresses.__getitem__, s.addresses.__setitem__),
            array(
                "VECTCNTL_",
                0x200,
                SLOTS,
                s.controls.__getitem__,
                self._set_slot,
                fields=(Field("SOURCE", 0, 5), Field("ENABLE", 5)),
            ),
            prime_cell(part=0x190, revision=0),
        )

    def line(self, number: int) -> Line:
        """Input 0..31."""
        if not 0 <= number < 32:
            raise ValueError(f"the PL190 has inputs 0 to 31, not {number}")
        return partial(self._input, 1 << number)

    def _input(self, bit: int, level: bool) -> None:
        s = self.state
        self._set("inputs", s.inputs | bit if level else s.inputs & ~bit)

    def _set(self, attribute: str, value: int) -> None:
        setattr(self.state, attribute, value)
        self._update_lines()

    def _set_slot(self, slot: int, value: int) -> None:
        self.state.controls[slot] = value & 0x3F
        self._update_lines()

    def _raw(self) -> int:
        return self.state.inputs | self.state.software

    def _irq_status(self) -> int:
        return self._raw() & self.state.enabled & ~self.state.to_fiq

    def _fiq_status(self) -> int:
        return self._raw() & self.state.enabled & self.state.to_fiq

    def _level_in_service(self) -> int:
        return self.state.service[-1] if self.state.service else IDLE

    def _most_urgent(self) -> int:
        """The priority level of the most urgent pending input; IDLE if nothing is pending."""
        pending = self._irq_status()
        if not pending:
            return IDLE
        for slot, control in enumerate(self.state.controls):
            if control & SLOT_ENABLE and pending >> (control & 31) & 1:
                return slot
        return PLAIN

    def _enter(self) -> int:
        """VECTADDR is read: the most urgent input goes into service, if it is more urgent than what is."""
        s = self.state
        level = self._most_urgent()
        if level >= self._level_in_service():
            return s.default_address
        s.service.append(level)
        self._update_lines()
        return s.addresses[level] if level < SLOTS else s.default_address

    def _leave(self, _value: int) -> None:
        """VECTADDR is written: the innermost service is over."""
        if self.state.service:
            self.state.service.pop()
        self._update_lines()

    def _update_lines(self) -> None:
        self._drive(self._most_urgent() < self._level_in_service(), IRQ)
        self._drive(bool(self._fiq_status()), FIQ)
