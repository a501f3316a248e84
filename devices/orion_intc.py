"""The two interrupt controllers of Marvell's Orion and Kirkwood chips, and the bridge's other registers.

The *bridge* controller latches edges (the timers' among them) in its cause register; software clears a bit by writing
0 to it. Its output is one input of the *main* controller, which latches nothing: a cause bit follows its input line.
The main controller has a low and a high bank of 32 inputs; bit 0 of the low cause register sums up the high bank.

    timer 0 --> bridge 1 --+
    timer 1 --> bridge 2 --+--> main 1 --> IRQ      uart0 --> main 33 --> IRQ

Source: 88F6180/88F6190/88F6192/88F6281 functional specification, "Mbus-L to Mbus bridge registers" (0x20100) and
"interrupt controller" (0x20200).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

from devices.device import FIQ, IRQ, Line, Model, State, Wiring
from devices.registers import Reg, array, stored


@dataclass
class OrionIntcState(State):
    """The whole snapshot: one entry per bank in each list."""

    lines: list[int] = field(default_factory=lambda: [0, 0])
    inputs: list[int] = field(default_factory=lambda: [0, 0])
    irq_mask: list[int] = field(default_factory=lambda: [0, 0])
    fiq_mask: list[int] = field(default_factory=lambda: [0, 0])
    endpoint_mask: list[int] = field(default_factory=lambda: [0, 0])


class OrionIntc(Model):
    """The main controller: two banks, each with a cause register and three masks, 16 bytes apart."""

    state: OrionIntcState

    def __init__(self, wiring: Wiring, state: OrionIntcState | None = None) -> None:
        s = state or OrionIntcState()
        super().__init__(wiring, s)
        self.registers = self._bank(
            array("CAUSE", 0x00, 2, self._cause, step=0x10),
            array("IRQ_MASK", 0x04, 2, lambda n: s.irq_mask[n], partial(self._set_mask, s.irq_mask), step=0x10),
            array("FIQ_MASK", 0x08, 2, lambda n: s.fiq_mask[n], partial(self._set_mask, s.fiq_mask), step=0x10),
            array("ENDPOINT_MASK", 0x0C, 2, lambda n: s.endpoint_mask[n], self._set_endpoint_mask, step=0x10),
        )

    def line(self, number: int) -> Line:
        """Input 0..63; 0 is the sum of the high bank and not for others."""
        if not 1 <= number < 64:
            raise ValueError(f"the main controller has inputs 1 to 63, not {number}")
        return partial(self._input, number >> 5, 1 << (number & 31))

    def _input(self, bank: int, bit: int, level: bool) -> None:
        inputs = self.state.inputs
        inputs[bank] = inputs[bank] | bit if level else inputs[bank] & ~bit
        self._update_lines()

    def _cause(self, bank: int) -> int:
        inputs = self.state.inputs
        return inputs[1] if bank else inputs[0] | (1 if inputs[1] else 0)

    def _set_mask(self, masks: list[int], bank: int, value: int) -> None:
        masks[bank] = value
        self._update_lines()

    def _set_endpoint_mask(self, bank: int, value: int) -> None:
        self.state.endpoint_mask[bank] = value

    def _update_lines(self) -> None:
        s = self.state
        low, high = self._cause(0), s.inputs[1]
        self._drive(bool(low & s.irq_mask[0] or high & s.irq_mask[1]), IRQ)
        self._drive(bool(low & s.fiq_mask[0] or high & s.fiq_mask[1]), FIQ)


@dataclass
class OrionBridgeState(State):
    """The whole snapshot of the bridge registers."""

    inputs: int = 0
    cause: int = 0
    mask: int = 0
    configuration: int = 0
    status: int = 0
    reset_mask: int = 0
    soft_reset: int = 0
    memory_power: int = 0
    clock_gate: int = 0
    l2_configuration: int = 0


class OrionBridge(Model):
    """The bridge block at 0x20100: an edge-latching controller with six inputs among registers that are only stored."""

    state: OrionBridgeState

    def __init__(self, wiring: Wiring, state: OrionBridgeState | None = None) -> None:
        s = state or OrionBridgeState()
        super().__init__(wiring, s)
        self.registers = self._bank(
            stored("CPU_CONFIG", 0x00, s, "configuration"),
            stored("CPU_CTRL_STAT", 0x04, s, "status"),
            stored("RSTOUT_MASK", 0x08, s, "reset_mask"),
            stored("SOFT_RESET", 0x0C, s, "soft_reset"),
            Reg("CAUSE", 0x10, lambda: s.cause, self._acknowledge),
            Reg("MASK", 0x14, lambda: s.mask, self._set_mask),
            stored("MEM_PM_CTRL", 0x18, s, "memory_power"),
            stored("CLOCK_GATING", 0x1C, s, "clock_gate"),
            stored("L2_CONFIG", 0x28, s, "l2_configuration"),
        )

    def line(self, number: int) -> Line:
        """Input 0..5: 1 and 2 are the timers, 3 the watchdog."""
        if not 0 <= number < 6:
            raise ValueError(f"the bridge has inputs 0 to 5, not {number}")
        return partial(self._input, 1 << number)

    def _input(self, bit: int, level: bool) -> None:
        s = self.state
        if level and not s.inputs & bit:
            s.cause |= bit
        s.inputs = s.inputs | bit if level else s.inputs & ~bit
        self._update_line()

    def _acknowledge(self, value: int) -> None:
        """CAUSE: a bit written as 0 is cleared, a bit written as 1 stays."""
        self.state.cause &= value
        self._update_line()

    def _set_mask(self, value: int) -> None:
        self.state.mask = value & 0x3F
        self._update_line()

    def _update_line(self) -> None:
        self._drive(bool(self.state.cause & self.state.mask))
