"""The CPU of the personality: it calls functions of modules and serves the traps that these make until they return.

    processor = Processor(spec, ram, interfaces, port)
    result = processor.call(module, function, 1, 2)         # raises Crime if the module does wrong

Theory: an applet's function runs to completion, so that calls nest as functions do: a method that calls a module back does it
here, from inside the trap. The caller's registers are kept meanwhile. What a call may take of the CPU's time is bounded; a
call from one module into another gets half of what the first one has left, so that it is who does not return that is closed.
Where that is next to nothing, or calls are nested deep, there is no such call: nobody pays for what his caller has used up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from cells.fault import GuestFault
from cells.personalities.arm.cpu import EXCEPTION, Cpu, Helpers
from cells.personalities.arm.frames import OutOfMemory
from cells.personalities.arm.reach import Fault, Memory
from cells.personalities.arm.regions import EXECUTE, READ, WRITE
from cells.personalities.brew import gate
from cells.personalities.brew.crime import Crime
from cells.personalities.brew.spec import BrewSpec
from hypervisor.abi.pv import Trap
from hypervisor.abi.redirection import Event

if TYPE_CHECKING:
    from cells.personalities.brew.arm_module import ArmModule
    from cells.personalities.brew.module import Module
    from cells.personalities.linux.redirection import Account
    from cells.personalities.port import PersonalityPort

CALL_CYCLES, ENTER_CYCLES, PAGE_CYCLES = 120, 300, 900
"""Cycles for a call of an interface, a call of a module's function, a page made: assumed, of the order of the instructions."""
WATCHDOG_MS = 500
"""Virtual time for one event: assumed. A handset's own watchdog waits for a minute; a user's patience does not."""
DEPTH = 8
"""Calls of modules inside of each other."""
FAIR = 8
"""A call into another module gets this part of `WATCHDOG_MS` at least: many times what an honest handler takes (assumed)."""
SP, LR, PC, PSR = 13, 14, 15, 16
THUMB = 0x20
STATUS_WRITE, STATUS_KIND, STATUS_PERMISSION = 0x800, 0xF, 0b1111
"""Fault status (DDI 0406C, B3.13)."""
ABSENT = frozenset({0b0101, 0b0111, 0b1101, 0b1111})
"""Kinds of faults that a page can answer: translation and permission."""
_NAMES = {int(Trap.UNDEFINED): "an instruction that there is not", int(Trap.SWI): "a call of its own"}


class Call:
    """A call of a module that is under way."""

    __slots__ = ("core", "deadline", "module")

    def __init__(self, module: Module, deadline: int) -> None:
        self.module, self.deadline = module, deadline
        self.core: list[int] = []
        """Its registers while another runs."""


class Processor:
    """The engine with its memory, and the calls that are under way."""

    def __init__(self, spec: BrewSpec, ram: Any, door: gate.Gate, account: Account) -> None:
        self.cpu, self.gate, self.account = Cpu(spec, ram), door, account
        frames, tables, common = self.cpu.share(spec, ram, Helpers(gate.ADDRESS, door.page, gate.SIZE - 4))
        self.memory = Memory(frames, tables, self.cpu.layout, common, self.cpu.stale)
        self.patience = spec.hz * WATCHDOG_MS // 1000
        self.port: PersonalityPort
        self._vcpu = self.cpu.vcpu
        self._made = 0
        self._calls: list[Call] = []

    @property
    def depth(self) -> int:
        """How many calls of modules are under way."""
        return len(self._calls)

    def may_enter(self, module: Module) -> bool:
        """Whether a call of this module would have room and time. One that is alone in what is under way has itself to blame."""
        if not self._calls:
            return True
        outer = self._calls[-1]
        if len(self._calls) >= DEPTH:
            return all(call.module is module for call in self._calls)
        return outer.module is module or 2 * self.patience <= FAIR * (outer.deadline - self._vcpu.cycles)

    def begin(self, module: Module) -> Call:
        """A call of a module begins: what it may take, as who has called it.

        Raises:
            Crime: it may not be called, or calls are nested too deep.
        """
        if module.dead:
            raise Crime(module, "is closed")
        if len(self._calls) >= DEPTH:
            raise Crime(module, f"calls nested more than {DEPTH} deep")
        cycles = self._vcpu.cycles
        outer = self._calls[-1] if self._calls else None
        if outer is None:
            deadline = cycles + self.patience
        elif outer.module is module:
            deadline = outer.deadline
        else:
            deadline = cycles + (outer.deadline - cycles) // 2
        call = Call(module, deadline)
        self._calls.append(call)
        self._vcpu.limit = 0
        self.port.work(ENTER_CYCLES + self.account.happened(Event.SIGNAL))
        return call

    def end(self) -> None:
        """The innermost call is over."""
        self._calls.pop()
        self._vcpu.limit = 0

    def charge(self, module: Module, cycles: int = CALL_CYCLES) -> None:
        """A call of an interface by a module.

        Raises:
            Crime: it has taken too long.
        """
        module.calls += 1
        self.port.work(cycles + self.account.happened(Event.SYSCALL))
        self._check(self._calls[-1])

    def call(self, module: ArmModule, function: int, *arguments: int) -> int:
        """r0 of a function of a module. Requires: at most four arguments.

        Raises:
            Crime: the module has to be closed.
        """
        outer = next((call for call in reversed(self._calls) if call.module.has_memory), None)
        if outer is not None:  # its registers are in the CPU: a module in Python has none
            outer.core = self.cpu.read()
        stack = next((call.core[SP] for call in reversed(self._calls) if call.module is module), module.stack_top)
        call = self.begin(module)
        try:
            core = [*arguments, *[0] * (SP - len(arguments)), stack & -8, gate.RETURN_TO, function & ~1]
            self.cpu.enter(module.space.base, [*core, THUMB if function & 1 else 0], 0)
            return self._run(call, module)
        finally:
            self.end()
            if outer is not None:
                self.cpu.enter(cast("ArmModule", outer.module).space.base, outer.core, 0)

    # ---- running

    def _run(self, call: Call, module: ArmModule) -> int:
        vcpu, cpu = self._vcpu, self.cpu
        behind, happened = self.gate.behind, self.account.happened
        while True:
            if vcpu.cycles >= vcpu.limit:
                self._look(call)
            try:
                stop = cpu.run()
            except GuestFault as fault:
                raise Crime(module, str(fault)) from None
            if stop != EXCEPTION:
                continue
            if vcpu.trap != Trap.SWI:
                self._fault(module)
                continue
            registers = cpu.read()
            found = behind(registers[PC])
            if found is None:
                raise Crime(module, f"svc of its own at {registers[PC] - 4:#x}")
            function = found[1]
            if function is None:
                return registers[0]
            vcpu.cycles += CALL_CYCLES + happened(Event.SYSCALL)
            module.calls += 1
            result = function(module, registers)
            if module.dead:
                raise Crime(module, "was closed meanwhile")
            cpu.answer(result)

    def _look(self, call: Call) -> None:
        """The limit is reached: of the slice, of patience, or something has happened."""
        port = self.port
        self._check(call)
        if not port.settle():
            port.take()
        self._vcpu.limit = max(min(port.until() - self._vcpu.offset, call.deadline), 0)

    def _check(self, call: Call) -> None:
        if self._vcpu.cycles >= call.deadline:
            raise Crime(call.module, f"did not return within {WATCHDOG_MS} ms")

    def _fault(self, module: ArmModule) -> None:
        """An exception that is no call: a page that is to be made, or a crime."""
        trap, pc = self.cpu.trap(), self.cpu.read()[PC]
        self.port.work(CALL_CYCLES + self.account.happened(Event.FAULT))
        self._check(self._calls[-1])
        if trap.kind not in (Trap.DATA_ABORT, Trap.PREFETCH_ABORT):
            raise Crime(module, f"{_NAMES.get(trap.kind, 'an exception')} at {pc:#x}")
        kind = trap.status & STATUS_KIND
        if kind not in ABSENT:
            raise Crime(module, f"an access that cannot be at {pc:#x} (status {trap.status:#x})")
        access = self._access(trap.kind, trap.status)
        try:
            module.space.page(trap.address, access)
        except Fault:
            verb = {READ: "reads", WRITE: "writes", EXECUTE: "runs"}[access]
            raise Crime(module, f"{verb} {trap.address:#010x} at {pc:#x}") from None
        except OutOfMemory:
            raise Crime(module, "the cell's memory is used up") from None
        made, self._made = self.memory.made - self._made, self.memory.made
        self.port.work(PAGE_CYCLES * made)

    def _access(self, kind: int, status: int) -> int:
        """What was tried. Before ARMv6 a store into a page that is absent looks like a load, and comes again."""
        if kind == Trap.PREFETCH_ABORT:
            return EXECUTE
        if self.cpu.tells_stores:
            return WRITE if status & STATUS_WRITE else READ
        return WRITE if status & STATUS_KIND == STATUS_PERMISSION else READ
