"""A kernel on raw Unicorn, in this process alone: no monitor, no cell, no sandbox, no cost table.

Only what a boot cannot do without is added to `raw.py`: exceptions are entered in Python (a boot has some 1,400), the
board's own devices answer, and the hook that counts also stops for the timer. An instruction takes a cycle. Written for the
ARMv5 kernel of the board arm926; it is the yardstick of the kernel's figures, not another emulator.

    board = RawBoard(topology)
    seconds = board.boot(b"shell ready")
"""

from __future__ import annotations

import ctypes
import mmap
import time
from typing import Any

import unicorn
import unicorn.arm_const as arm

from benchmarks.host.raw import RawCpu
from devices.bus import assemble
from hypervisor.abi.time import NEVER
from hypervisor.shell.plans import place
from hypervisor.shell.topology import Topology

STRETCH = 2_000_000
"""Instructions between two looks at the console."""
# Unicorn's exception numbers -> mode, offset of the vector, return address less PC (DDI 0100I A2.6).
EXCEPTIONS = {2: (0x13, 0x08, 0), 3: (0x17, 0x0C, 4), 4: (0x17, 0x10, 8)}
IRQ = (0x12, 0x18, 4)
UNDEFINED = (0x1B, 0x04, 4)
CPSR_I, CPSR_T, SCTLR_V = 0x80, 0x20, 1 << 13
ESR_MARK = 0xA5B6C7D8


class RawBoard:
    """The first cell of a topology, which boots a kernel on a board whose RAM begins at 0."""

    def __init__(self, topology: Topology) -> None:
        board, cell = topology.board, topology.cells[0]
        placement = place(topology, cell)
        self._ram = mmap.mmap(-1, cell.ram)
        for address, content in placement.segments:
            self._ram[address : address + len(content)] = content
        self._entry, self._registers = placement.entry, placement.registers
        self._cpu = RawCpu(board.cpu.unicorn_model, self._ram, "count_or_stop")
        self._uc, self._counter = self._cpu.uc, self._cpu.counter
        self._skipped = 0
        self.console = bytearray()
        self._bus = assemble(
            board.private,
            clock=self.now,
            hz=board.clock_hz,
            irq=self._set_irq,
            kick=self._look_again,
            transmit=lambda _uart, data: self.console.extend(data),
        )
        for region in board.regions_not_modelled:
            self._bus.name_region(region.name, region.base, region.size)
        for base, size in self._bus.windows():
            self._map_device(base, size)
        self._faults = self._find_fault_registers()
        self._uc.hook_add(unicorn.UC_HOOK_INTR, self._on_exception)
        self._uc.hook_add(unicorn.UC_HOOK_INSN_INVALID, self._on_undefined)

    @property
    def instructions(self) -> int:
        """Begun so far."""
        return self._cpu.count

    def now(self) -> int:
        """Virtual time: an instruction is a cycle, and idle time is skipped."""
        return self._cpu.count + self._skipped

    def boot(self, marker: bytes) -> float:
        """Run from the kernel's entry until its console shows the marker; the host seconds that it took."""
        uc = self._uc
        self._cpu.start_like_a_boot_loader(self._registers)
        uc.reg_write(arm.UC_ARM_REG_PC, self._entry)
        uc.ctl_exits_enabled(True)
        began = time.perf_counter()
        while marker not in self.console[-4096:]:
            self._stretch()
        return time.perf_counter() - began

    # ---- the loop

    def _stretch(self) -> None:
        uc, counter = self._uc, self._counter
        if self.now() >= self._bus.deadline():
            self._bus.advance()
        cpsr = uc.reg_read(arm.UC_ARM_REG_CPSR)
        if counter.irq and not cpsr & CPSR_I:
            self._enter(*IRQ)
            cpsr = uc.reg_read(arm.UC_ARM_REG_CPSR)
        counter.limit = min(counter.count + STRETCH, max(self._bus.deadline() - self._skipped, counter.count + 1))
        counter.stopped = 0
        uc.emu_start(uc.reg_read(arm.UC_ARM_REG_PC) | (1 if cpsr & CPSR_T else 0), 0)
        if not counter.stopped and not counter.irq:
            self._wait()

    def _wait(self) -> None:
        """It waits for an interrupt: skip to the next thing that happens."""
        deadline = self._bus.deadline()
        if deadline >= NEVER:
            raise RuntimeError("the kernel waits for nothing")
        self._skipped += max(deadline - self.now(), 0)

    def _set_irq(self, level: bool) -> None:
        self._counter.irq = int(level)

    def _look_again(self) -> None:
        self._counter.limit = 0

    # ---- exceptions

    def _find_fault_registers(self) -> tuple[Any, int]:
        """A saved context, and where in it status and address of a fault stand: behind the syndrome, which can be marked."""
        context = self._uc.context_save()
        self._uc.reg_write(arm.UC_ARM_REG_ESR, ESR_MARK)
        self._uc.context_update(context)
        self._uc.reg_write(arm.UC_ARM_REG_ESR, 0)
        content = ctypes.string_at(context.context, context.size)
        return context, content.index(ESR_MARK.to_bytes(4, "little"))

    def _fault(self) -> tuple[int, int]:
        context, place = self._faults
        self._uc.context_update(context)
        content = ctypes.string_at(context.context, context.size)[place : place + 16]
        return int.from_bytes(content[4:8], "little"), int.from_bytes(content[8:12], "little")

    def _on_exception(self, _uc: Any, number: int, _data: Any) -> None:
        if number in (3, 4):
            status, address = self._fault()
            instruction = number == 3
            self._write_cp15(5, 1 if instruction else 0, status)
            if not instruction:
                self._write_cp15(6, 0, address)
        self._enter(*EXCEPTIONS[number])

    def _on_undefined(self, _uc: Any, _data: Any) -> bool:
        self._uc.reg_write(arm.UC_ARM_REG_ESR, 0)
        self._enter(*UNDEFINED)
        return True

    def _enter(self, mode: int, vector: int, link: int) -> None:
        """CPSR first: it changes the bank that SPSR and LR go to."""
        uc = self._uc
        pc, old = uc.reg_read(arm.UC_ARM_REG_PC), uc.reg_read(arm.UC_ARM_REG_CPSR)
        control = uc.reg_read(arm.UC_ARM_REG_CP_REG, (15, 0, 0, 1, 0, 0, 0))
        uc.reg_write(arm.UC_ARM_REG_CPSR, old & 0xF80F00C0 | mode | CPSR_I)
        uc.reg_write(arm.UC_ARM_REG_SPSR, old)
        uc.reg_write(arm.UC_ARM_REG_LR, (pc + link) & 0xFFFFFFFF)
        uc.reg_write(arm.UC_ARM_REG_PC, (0xFFFF0000 if control & SCTLR_V else 0) + vector)

    def _write_cp15(self, crn: int, opc2: int, value: int) -> None:
        self._uc.reg_write(arm.UC_ARM_REG_CP_REG, (15, 0, 0, crn, 0, 0, opc2, value))

    # ---- devices

    def _map_device(self, base: int, size: int) -> None:
        bus = self._bus

        def read(_uc: Any, offset: int, length: int, _data: Any) -> int:
            return bus.read(base + offset, length)

        def write(_uc: Any, offset: int, length: int, value: int, _data: Any) -> None:
            bus.write(base + offset, length, value)

        self._uc.mmio_map(base, size, read, None, write, None)
