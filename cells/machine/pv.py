"""A paravirtual guest: kernel and processes run in ARM user mode; what a CPU does in its other modes the monitor does.

Theory: the engine has no exception vectors, no private devices and no page tables but those that the monitor has made in the
guest's memory. Each exception ends the run and becomes an exit; the answer says where to go on, with which tables and domain
access. This side decides nothing: what it says is what the CPU's registers say (hypervisor/abi/pv.py), and what others hear of it
concerns itself alone.
"""

from __future__ import annotations

from typing import Any

from cells.engines.arm import Stop
from cells.engines.arm import Trap as CpuTrap
from cells.fault import GuestFault
from cells.lockstep import Lockstep
from cells.machine.machine import Machine, MachineSpec
from cells.memory import CellMemory
from hypervisor.abi.memory import WINDOW_BASE
from hypervisor.abi.pv import CORE, PSR_THUMB, STATE, TRAP, Trap
from hypervisor.abi.records import EventKind, ExitKind

PC, PSR = CORE - 2, CORE - 1
"""Their places among the registers."""
SVC_IMMEDIATE = {False: 0x00FF_FFFF, True: 0xFF}
"""Bits of an svc that are its number: in ARM state, in Thumb state."""


class PvMachine(Machine):
    """One vCPU without privileges. `spec` has no private devices."""

    def __init__(self, spec: MachineSpec, ram: Any, shared: CellMemory | None = None) -> None:
        super().__init__(spec, ram, shared)
        self._ram, self._ram_base, self._shared = ram, spec.ram_base, shared
        self._started = False
        self._rung = False
        self.engine.deprivilege()

    def _execute(self, until: int) -> None:
        if not self._started:
            self._started = True
            self._leave(CpuTrap(Trap.START, 0, 0))
        elif self._rung:
            self._rung = False
            self._leave(CpuTrap(Trap.IRQ, 0, 0))
        else:
            self._run_until(until)

    def _run_until(self, until: int) -> None:
        vcpu = self._vcpu
        vcpu.limit = max(until - vcpu.offset, vcpu.cycles + 1)
        stop = self.engine.run()
        if stop is Stop.EXCEPTION:
            self._leave(self.engine.trap())
        elif stop is Stop.WFI:
            self._waiting = True
        elif stop is Stop.MARK:
            self._mark()
        elif stop is not Stop.LIMIT:
            code, pc, address, text = self.engine.fault()
            raise GuestFault(code, pc, address, text)

    def _wait(self, world: Lockstep, now: int, deadline: int) -> bool:
        if self._rung:
            self._waiting = False
        return not self._waiting or super()._wait(world, now, deadline)

    def _take(self, kind: int, payload: bytes) -> None:
        """The kernel has no interrupt controller: whatever rings is told to the monitor, which knows whether it may interrupt."""
        if kind == EventKind.NOTIFY:
            self._rung = True
        else:
            super()._take(kind, payload)

    # ---- out of user mode, and back

    def _leave(self, trap: CpuTrap) -> None:
        """Tell the monitor, and go on as it says. It may have to wake us when something happens that only we still know of."""
        assert self._world is not None
        core = self.engine.read_core()
        number = self._svc_number(core[PC], core[PSR]) if trap.kind == Trap.SWI else 0
        data = TRAP.pack(trap.kind, number, trap.address, trap.status, *core)
        lines = self._vcpu.memory_cycles if self._tells else 0
        value = self._exit(ExitKind.EXCEPTION, (trap.kind, core[PC], lines, 0), self._world.next_event(), data)
        if self._world.answer:
            self._enter(*STATE.unpack(self._world.answer))
        else:  # a call in which it has waited
            self.engine.write_register("R0", value & 0xFFFF_FFFF)

    def _enter(self, base: int, access: int, flush: int, *core: int) -> None:
        self.engine.write_core(core)
        self.engine.enter_space(base, access)
        if flush:
            self.engine.flush_tlb()

    def _svc_number(self, behind: int, psr: int) -> int:
        """The number in the svc that was executed."""
        thumb = bool(psr & PSR_THUMB)
        size = 2 if thumb else 4
        at = self.engine.translate(behind - size)
        if at is None:  # its page is not readable any more
            return SVC_IMMEDIATE[thumb]
        memory, offset = self._ram, at - self._ram_base
        if at >= WINDOW_BASE and self._shared is not None:
            memory, offset = self._shared.window, at - WINDOW_BASE
        return int.from_bytes(memory[offset : offset + size], "little") & SVC_IMMEDIATE[thumb]
