"""The ARM control block's interrupt controller of the BCM2835 ("armctrl-ic"; BCM2835 ARM Peripherals, section 7).

Three banks of inputs: 0 holds the eight of the ARM block itself, 1 and 2 the sixty-four of the GPU side. An input is
named as in the device tree by (bank, bit); here its number is `32 * bank + bit`. Nothing is latched and there are no
priorities.

The basic pending register is a summary that software scans first: bits 0-7 are bank 0; eleven busy GPU inputs have
shortcuts in bits 10-20; bit 8 (bit 9) says that bank 1 (bank 2) has something pending *besides* its shortcuts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

from devices.device import FIQ, IRQ, Line, Model, State, Wiring
from devices.registers import WORD, Field, Reg

SHORTCUTS = {1: (7, 9, 10, 18, 19), 2: (21, 22, 23, 24, 25, 30)}
"""Bits of banks 1 and 2 that also show in bits 10, 11, ... of the basic pending register (section 7.5)."""
_SHORTCUT_MASKS = {bank: sum(1 << bit for bit in bits) for bank, bits in SHORTCUTS.items()}
FIQ_ENABLE = 1 << 7
_EXISTING = (0xFF, WORD, WORD)
"""The inputs that each bank has."""


@dataclass
class Bcm2835IntcState(State):
    """The whole snapshot: one entry per bank in each list."""

    lines: list[int] = field(default_factory=lambda: [0, 0])
    inputs: list[int] = field(default_factory=lambda: [0, 0, 0])
    enabled: list[int] = field(default_factory=lambda: [0, 0, 0])
    fiq_control: int = 0


class Bcm2835Intc(Model):
    """Inputs 0-7 (ARM), 32-63 and 64-95 (GPU); one IRQ and one FIQ output."""

    state: Bcm2835IntcState

    def __init__(self, wiring: Wiring, state: Bcm2835IntcState | None = None) -> None:
        s = state or Bcm2835IntcState()
        super().__init__(wiring, s)
        enabled = tuple(partial(s.enabled.__getitem__, bank) for bank in range(3))
        enable = tuple(partial(self._enable, bank) for bank in range(3))
        disable = tuple(partial(self._disable, bank) for bank in range(3))
        self.registers = self._bank(
            Reg("IRQ_BASIC_PENDING", 0x00, self._basic_pending, None, (Field("ARM", 0, 8), Field("SHORTCUTS", 10, 11))),
            Reg("IRQ_PENDING_1", 0x04, partial(self._pending, 1)),
            Reg("IRQ_PENDING_2", 0x08, partial(self._pending, 2)),
            Reg("FIQ_CONTROL", 0x0C, lambda: s.fiq_control, self._set_fiq, (Field("SOURCE", 0, 7), Field("ENABLE", 7))),
            Reg("ENABLE_IRQS_1", 0x10, enabled[1], enable[1]),
            Reg("ENABLE_IRQS_2", 0x14, enabled[2], enable[2]),
            Reg("ENABLE_BASIC_IRQS", 0x18, enabled[0], enable[0]),
            Reg("DISABLE_IRQS_1", 0x1C, enabled[1], disable[1]),
            Reg("DISABLE_IRQS_2", 0x20, enabled[2], disable[2]),
            Reg("DISABLE_BASIC_IRQS", 0x24, enabled[0], disable[0]),
        )

    def line(self, number: int) -> Line:
        """Input `32 * bank + bit`."""
        bank, bit = divmod(number, 32)
        if not 0 <= bank < 3 or (bank == 0 and bit >= 8):
            raise ValueError(f"armctrl-ic has inputs 0 to 7 and 32 to 95, not {number}")
        return partial(self._input, bank, 1 << bit)

    def _input(self, bank: int, bit: int, level: bool) -> None:
        inputs = self.state.inputs
        inputs[bank] = inputs[bank] | bit if level else inputs[bank] & ~bit
        self._update_lines()

    def _pending(self, bank: int) -> int:
        return self.state.inputs[bank] & self.state.enabled[bank]

    def _basic_pending(self) -> int:
        basic, place = self._pending(0), 10
        for bank, bits in SHORTCUTS.items():
            pending = self._pending(bank)
            if pending & ~_SHORTCUT_MASKS[bank]:
                basic |= 1 << 7 + bank
            for bit in bits:
                basic |= (pending >> bit & 1) << place
                place += 1
        return basic

    def _enable(self, bank: int, value: int) -> None:
        self.state.enabled[bank] |= value & _EXISTING[bank]
        self._update_lines()

    def _disable(self, bank: int, value: int) -> None:
        self.state.enabled[bank] &= ~value
        self._update_lines()

    def _set_fiq(self, value: int) -> None:
        self.state.fiq_control = value & 0xFF
        self._update_lines()

    def _fiq_level(self) -> bool:
        """The one source that FIQ_CONTROL selects: 0-63 GPU, 64-71 ARM."""
        s = self.state
        source = s.fiq_control & 0x7F
        if not s.fiq_control & FIQ_ENABLE or source > 71:
            return False
        bank, bit = (0, source - 64) if source >= 64 else (1 + source // 32, source % 32)
        return bool(s.inputs[bank] >> bit & 1)

    def _update_lines(self) -> None:
        s = self.state
        pending = (level & enabled for level, enabled in zip(s.inputs, s.enabled, strict=True))
        self._drive(any(pending), IRQ)
        self._drive(self._fiq_level(), FIQ)
