"""GICv2: the ARM generic interrupt controller (ARM IHI 0048B), distributor and CPU interface, for one CPU.

An interrupt ID has a line or a software trigger, a priority (lower is more urgent) and four states: inactive,
pending, active, active and pending. The distributor picks the most urgent enabled pending one; the CPU interface
signals it if it is more urgent than the priority mask and than what is running. Reading IAR acknowledges (pending ->
active, its priority is now running); writing EOIR drops the running priority and, unless EOImode splits that off to
DIR, deactivates.

    IDs 0-15   SGIs, software triggered, always enabled, edge
    IDs 16-31  PPIs, private inputs of the CPU
    IDs 32-63  SPIs, inputs of the board (`line(32 + n)` is "SPI n" of a device tree)

One CPU and no Security Extensions: ITARGETSR says CPU 0 and ignores writes, IGROUPR reads as zero, and there is no FIQ.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

from devices.device import Line, Model, State, Wiring
from devices.registers import WORD, Field, Reg, array, constant, ignore, zero

IDS = 64
"""Interrupt IDs of this distributor (TYPER.ITLinesNumber = 1)."""
SPURIOUS = 1023
PRIORITY_BITS = 0xF8
"""Five priority bits are implemented, as in the Cortex-A9 MPCore (ARM DDI 0407, chapter 3)."""
IDLE_PRIORITY = 0xFF
EOI_MODE = 1 << 9
"""GICC_CTLR: EOIR only drops the priority, DIR deactivates."""
_SGIS = 0xFFFF


@dataclass
class GicState(State):
    """The whole snapshot; the sets of IDs are bit masks of 64 bits."""

    inputs: int = 0
    latched: int = 0
    """Pending by an edge or by software: held until acknowledged or cleared."""
    enabled: int = _SGIS
    active: int = 0
    edge: int = _SGIS
    priorities: list[int] = field(default_factory=lambda: [0] * IDS)
    distributor: int = 0
    interface: int = 0
    priority_mask: int = 0
    binary_point: int = 2
    running: list[int] = field(default_factory=list)
    """IDs in service, the innermost last, each as `priority << 10 | id`."""


class Gic(Model):
    """Distributor at offset 0, CPU interface at `cpu_interface`."""

    state: GicState

    def __init__(self, wiring: Wiring, state: GicState | None = None, *, cpu_interface: int = 0x1_0000) -> None:
        s = state or GicState()
        super().__init__(wiring, s)
        self.registers = self._bank(self._distributor(s), self._bit_arrays(s), self._interface(s, cpu_interface))

    def _distributor(self, s: GicState) -> Iterator[Reg]:
        yield Reg(
            "GICD_CTLR", 0x000, lambda: s.distributor, partial(self._set, "distributor", 1), (Field("ENABLE", 0),)
        )
        yield constant("GICD_TYPER", 0x004, IDS // 32 - 1)
        yield constant("GICD_IIDR", 0x008, 0x0200_143B)  # GIC-400, ARM DDI 0471B table 3-2
        yield from array("GICD_IGROUPR", 0x080, IDS // 32, lambda _word: 0, lambda _word, _value: None)
        yield from array("GICD_IPRIORITYR", 0x400, IDS // 4, self._read_priorities, self._write_priorities, lanes=True)
        yield from array(
            "GICD_ITARGETSR", 0x800, IDS // 4, lambda _word: 0x0101_0101, lambda _word, _value: None, lanes=True
        )
        yield from array("GICD_ICFGR", 0xC00, IDS // 16, self._read_configuration, self._write_configuration)
        yield Reg(
            "GICD_SGIR", 0xF00, None, self._trigger, (Field("ID", 0, 4), Field("LIST", 16, 8), Field("FILTER", 24, 2))
        )
        yield from array("GICD_CPENDSGIR", 0xF10, 4, self._read_sgis, partial(self._write_sgis, False), lanes=True)
        yield from array("GICD_SPENDSGIR", 0xF20, 4, self._read_sgis, partial(self._write_sgis, True), lanes=True)
        yield constant("GICD_ICPIDR2", 0xFE8, 0x2B)  # architecture version 2

    def _bit_arrays(self, s: GicState) -> Iterator[Reg]:
        """The registers with one bit per ID: one address sets bits, another clears them."""
        for name, offset, bits, change in (
            ("GICD_ISENABLER", 0x100, lambda: s.enabled, lambda bits: self._change("enabled", bits, 0)),
            ("GICD_ICENABLER", 0x180, lambda: s.enabled, lambda bits: self._change("enabled", 0, bits & ~_SGIS)),
            ("GICD_ISPENDR", 0x200, self._pending, lambda bits: self._change("latched", bits & ~_SGIS, 0)),
            ("GICD_ICPENDR", 0x280, self._pending, lambda bits: self._change("latched", 0, bits & ~_SGIS)),
            ("GICD_ISACTIVER", 0x300, lambda: s.active, lambda bits: self._change("active", bits, 0)),
            ("GICD_ICACTIVER", 0x380, lambda: s.active, lambda bits: self._change("active", 0, bits)),
        ):
            yield from array(
                name,
                offset,
                IDS // 32,
                lambda word, bits=bits: bits() >> 32 * word & WORD,  # type: ignore[misc]  # bound early on purpose
                lambda word, value, change=change: change(value << 32 * word),  # type: ignore[misc]
            )

    def _interface(self, s: GicState, base: int) -> Iterator[Reg]:
        yield Reg("GICC_CTLR", base + 0x00, lambda: s.interface, partial(self._set, "interface", 1 | EOI_MODE))
        yield Reg("GICC_PMR", base + 0x04, lambda: s.priority_mask, partial(self._set, "priority_mask", PRIORITY_BITS))
        yield Reg("GICC_BPR", base + 0x08, lambda: s.binary_point, partial(self._set, "binary_point", 7))
        yield Reg("GICC_IAR", base + 0x0C, self._acknowledge, None, (Field("ID", 0, 10), Field("CPU", 10, 3)))
        yield Reg("GICC_EOIR", base + 0x10, None, self._end)
        yield Reg("GICC_RPR", base + 0x14, self._running_priority)
        yield Reg("GICC_HPPIR", base + 0x18, self._highest_pending)
        yield Reg("GICC_ABPR", base + 0x1C, zero, ignore)
        yield from array("GICC_APR", base + 0xD0, 4, self._read_active_priorities, self._write_active_priorities)
        yield constant("GICC_IIDR", base + 0xFC, 0x0202_143B)  # GIC-400, ARM DDI 0471B table 3-6
        yield Reg("GICC_DIR", base + 0x1000, None, lambda value: self._deactivate(value & 0x3FF))

    def line(self, number: int) -> Line:
        """The input of interrupt ID 16..63 (a PPI or an SPI)."""
        if not 16 <= number < IDS:
            raise ValueError(f"the GIC has inputs 16 to {IDS - 1}, not {number}")
        return partial(self._input, 1 << number)

    # What the lines and the distributor say

    def _input(self, bit: int, level: bool) -> None:
        s = self.state
        if level and not s.inputs & bit:
            s.latched |= bit & s.edge
        s.inputs = s.inputs | bit if level else s.inputs & ~bit
        self._update_line()

    def _pending(self) -> int:
        s = self.state
        return s.latched | s.inputs & ~s.edge

    def _best(self) -> int:
        """The most urgent pending ID that may be signalled, -1 for none. Ties go to the lowest ID (IHI 0048B 3.3)."""
        s = self.state
        if not s.distributor & s.interface & 1:
            return -1
        waiting = self._pending() & s.enabled & ~s.active
        best, best_priority = -1, s.priority_mask
        while waiting:
            bit = waiting & -waiting
            waiting ^= bit
            number = bit.bit_length() - 1
            if s.priorities[number] < best_priority:
                best, best_priority = number, s.priorities[number]
        return best

    def _preempts(self, number: int) -> bool:
        """Whether the group priority of an ID is above that of what is running (IHI 0048B 3.3.3)."""
        group = -2 << self.state.binary_point
        return (self.state.priorities[number] & group) < (self._running_priority() & group) or not self.state.running

    def _update_line(self) -> None:
        best = self._best()
        self._drive(best >= 0 and self._preempts(best))

    def _set(self, attribute: str, mask: int, value: int) -> None:
        setattr(self.state, attribute, value & mask)
        self._update_line()

    def _change(self, attribute: str, set_bits: int, clear_bits: int) -> None:
        setattr(self.state, attribute, getattr(self.state, attribute) & ~clear_bits | set_bits)
        self._update_line()

    # Distributor registers

    def _read_priorities(self, word: int) -> int:
        return int.from_bytes(self.state.priorities[4 * word : 4 * word + 4], "little")

    def _write_priorities(self, word: int, value: int) -> None:
        self.state.priorities[4 * word : 4 * word + 4] = [byte & PRIORITY_BITS for byte in value.to_bytes(4, "little")]
        self._update_line()

    def _read_configuration(self, word: int) -> int:
        """Two bits per ID; the upper one says edge-triggered."""
        edge = self.state.edge >> 16 * word
        return sum(2 << 2 * n for n in range(16) if edge >> n & 1)

    def _write_configuration(self, word: int, value: int) -> None:
        if word == 0:  # SGIs are what they are
            return
        edge = sum(1 << n for n in range(16) if value >> 2 * n & 2)
        self._change("edge", edge << 16 * word, 0xFFFF << 16 * word & ~(edge << 16 * word))

    def _trigger(self, value: int) -> None:
        """SGIR: a software interrupt; only those to CPU 0, this one, have a target (IHI 0048B 4.3.15)."""
        to_list, listed, to_self = value >> 24 & 3 == 0, value >> 16 & 1, value >> 24 & 3 == 2
        if to_self or (to_list and listed):
            self._change("latched", 1 << (value & 0xF), 0)

    def _read_sgis(self, word: int) -> int:
        """One byte per SGI, one bit per source CPU in it."""
        return sum(1 << 8 * n for n in range(4) if self.state.latched >> 4 * word + n & 1)

    def _write_sgis(self, pend: bool, word: int, value: int) -> None:
        bits = sum(1 << 4 * word + n for n in range(4) if value >> 8 * n & 1)
        self._change("latched", bits if pend else 0, 0 if pend else bits)

    # CPU interface registers

    def _running_priority(self) -> int:
        running = self.state.running
        return min(running) >> 10 if running else IDLE_PRIORITY

    def _highest_pending(self) -> int:
        best = self._best()
        return best if best >= 0 else SPURIOUS

    def _acknowledge(self) -> int:
        """IAR is read: the most urgent pending interrupt becomes active."""
        s = self.state
        best = self._best()
        if best < 0 or not self._preempts(best):
            return SPURIOUS
        s.latched &= ~(1 << best)
        s.active |= 1 << best
        s.running.append(s.priorities[best] << 10 | best)
        self._update_line()
        return best

    def _end(self, value: int) -> None:
        """EOIR is written: the interrupt's priority is no longer running."""
        s, number = self.state, value & 0x3FF
        for place in range(len(s.running) - 1, -1, -1):
            if s.running[place] & 0x3FF == number:
                del s.running[place]
                break
        if s.interface & EOI_MODE:
            self._update_line()
        else:
            self._deactivate(number)

    def _deactivate(self, number: int) -> None:
        if number < IDS:
            self._change("active", 0, 1 << number)

    def _read_active_priorities(self, word: int) -> int:
        """One bit per implemented priority that is running; five bits of priority fill the first word."""
        return 0 if word else sum(1 << level for level in {entry >> 13 for entry in self.state.running})

    def _write_active_priorities(self, word: int, value: int) -> None:
        """Kernels write 0 here to start from a known state; nothing else is of use."""
        if word == 0 and value == 0:
            self.state.running.clear()
            self._update_line()
