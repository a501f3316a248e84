"""An unmodified kernel as a Xen guest: a machine whose HVC is a call of the hypervisor, and whose upcall is an interrupt.

Theory: the process decides nothing. What an HVC says is what the CPU's registers say; pointers are left to the monitor, who walks
the tables itself. The upcall's line is one byte in the guest's own memory, `evtchn_upcall_pending`: the monitor sets it while
this vCPU stands still, the kernel clears it. So the line is looked at again whenever the kernel may see it: at each access to a
device of its own, after each call, and when an event has come.
"""

from __future__ import annotations

from typing import Any

from cells.engines.arm import Stop
from cells.machine.machine import Machine, MachineSpec
from cells.memory import CellMemory
from hypervisor.abi.records import EventKind, ExitKind
from hypervisor.abi.xen_arm import CALL, HVC_TAG, PPI_INPUT, TRAP_HVC, UPCALL

TRANSLATION = ((1, 0, 0, 0), (2, 0, 0, 2), (2, 0, 0, 0), (2, 0, 0, 1), (3, 0, 0, 0))
"""SCTLR, TTBCR, TTBR0, TTBR1, DACR as (CRn, opc1, CRm, opc2)."""
SMCCC, SMCCC_UNKNOWN = 0, 0xFFFF_FFFF
"""The immediate of firmware calls, and what one that is not there returns (ARM DEN 0028, 2.1 and 5.2)."""
R12, LR, PC, PSR = 12, 14, 15, 16
THUMB, UNDEFINED_MODE, MODE_BITS, IRQ_OFF = 0x20, 0x1B, 0x1F, 0x80
IT_J_E_T = 0x0700_FE20
"""Bits of the status that an exception clears: IT, J, E and T."""
SCTLR_V, SCTLR_TE, VECTOR = 1 << 13, 1 << 30, 4


class XenMachine(Machine):
    """One vCPU of a domain. `spec.door`: "kernel" if it finds the hypervisor by its device tree, "image" if by the hypercall
    page as well, which then has to hear of events.
    """

    def __init__(self, spec: MachineSpec, ram: Any, shared: CellMemory | None = None) -> None:
        self._level = False
        self._upcall: int | None = None
        self._ram, self._base, self._size = ram, spec.ram_base, spec.ram_size
        self._hears = spec.door == "image"
        super().__init__(spec, ram, shared)
        self._line = self._controller.line(PPI_INPUT)
        if shared is not None:
            shared.on_own_change = self.engine.dma_written

    def _map_private(self, base: int, size: int) -> None:
        read, write = self.bus.read, self.bus.write

        def look(offset: int, length: int) -> int:
            self._look()
            return read(base + offset, length)

        def store(offset: int, length: int, value: int) -> None:
            self._look()
            write(base + offset, length, value)

        self.engine.map_device(base, size, look, store)

    def _look(self) -> None:
        """The upcall's line as the byte says."""
        at = self._upcall
        level = at is not None and self._ram[at] != 0
        if level != self._level:
            self._level = level
            self._line(level)

    def _take(self, kind: int, payload: bytes) -> None:
        if kind == EventKind.NOTIFY:
            self._look()
            if not self._hears:
                return
        super()._take(kind, payload)

    def _stopped(self, stop: Stop) -> None:
        if stop is Stop.HVC:
            self._serve(self._vcpu.hvc)
        else:
            super()._stopped(stop)

    # ---- HVC

    def _serve(self, immediate: int) -> None:
        """The CPU stands behind the instruction."""
        if immediate == HVC_TAG:
            self._call()
        elif immediate == SMCCC:
            self.engine.write_register("R0", SMCCC_UNKNOWN)
        else:
            self._undefined()

    def _call(self) -> None:
        """Ask the hypervisor, and go on with its answer."""
        world, engine = self._world, self.engine
        assert world is not None
        core = engine.read_core()
        data = CALL.pack(*core[:5], core[R12], *((engine.read_cp15(*place) or 0) for place in TRANSLATION))
        deadline = min(world.next_event(), self.bus.deadline())
        value = self._exit(ExitKind.EXCEPTION, (TRAP_HVC, core[PC], core[R12], core[0]), deadline, data)
        if world.answer:
            self._found(world.answer)
        engine.write_register("R0", value & 0xFFFF_FFFF)
        self._look()

    def _found(self, answer: bytes) -> None:
        """The byte of the upcall has moved."""
        at = UPCALL.unpack(answer)[0] - self._base
        self._upcall = at if 0 <= at < self._size else None

    def _undefined(self) -> None:
        """An HVC that is none: the exception that the hypervisor would inject (DDI 0406C, B1.9.2)."""
        engine = self.engine
        core = engine.read_core()
        psr, behind = core[PSR], core[PC]
        control = engine.read_cp15(1, 0, 0, 0) or 0
        base = 0xFFFF_0000 if control & SCTLR_V else engine.read_cp15(12, 0, 0, 0) or 0
        thumb = THUMB if control & SCTLR_TE else 0
        engine.write_register("CPSR", psr & ~(MODE_BITS | IT_J_E_T) | UNDEFINED_MODE | IRQ_OFF | thumb)
        engine.write_register("SPSR", psr)
        engine.write_register("LR", behind - (2 if psr & THUMB else 0))
        engine.write_register("PC", base + VECTOR | bool(thumb))
