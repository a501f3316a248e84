"""A kernel without privileges under the microvisor, and no CPU: its exceptions as exits, straight into the door.

lab = DoorLab()
kernel = lab.kernel.boot()
kernel.map(ROOT, 0x8000, PAGE_OF_ITS_OWN, RW)            # plain stores into the guest's memory
kernel.run(ROOT)                                         # svc #RUN; lab.state is the process's
kernel.touch(0x8000)                                     # "mended", or what the kernel is told
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any, NamedTuple

from hypervisor.abi.memory import PAGE
from hypervisor.abi.okl4_door import BLOCK, Access, DoorCall, Why
from hypervisor.abi.pv import CORE, DOMAIN_KERNEL, DOMAIN_USER, STATE, TRAP, Pte, TableFormat, Trap
from hypervisor.abi.records import EventKind, Exit, ExitKind
from hypervisor.abi.time import NEVER
from hypervisor.core import events as on
from hypervisor.core.cell import CellParams
from hypervisor.core.costs import Costs
from hypervisor.core.effects import TraceRecord
from hypervisor.core.exits import EXITS
from hypervisor.core.frames import FrameTable
from hypervisor.core.lives import fail
from hypervisor.core.monitor import Monitor
from hypervisor.core.okl4 import Microvisor
from hypervisor.core.policies import make_policy
from hypervisor.core.wiring import ChannelParams, SharedParams, Wiring
from tests.support.memory import BytesMemory
from tests.support.tables import Found, TableMemory

BASE, RAM = 0x4000_0000, 1 << 20
VIRTUAL = 0xC000_0000
ENTRY = VIRTUAL + 0x8000
REGISTERS = VIRTUAL + 0x2000
"""Where the kernel keeps the registers of its process."""
ROOT, TABLE = BASE + 0x1_0000, BASE + 0x2_0000
"""The first root and second-level table of its own; more follow at ROOT_SIZE and L2_SIZE."""
FRAME = BASE + 0x4_0000
"""Pages of processes from here on."""
RW, RO = int(Pte.PRESENT | Pte.WRITE), int(Pte.PRESENT)
MISSING, FORBIDDEN, BAD_ALIGNMENT, SHUT = 0x7, 0xF, 0x1, 0xB
"""Fault statuses: no translation, permission, alignment, domain."""
STORE = 1 << 11


class State(NamedTuple):
    """Where the microvisor lets the CPU go on."""

    base: int
    access: int
    flush: int
    core: tuple[int, ...]

    @property
    def in_kernel(self) -> bool:
        return self.access == 1 << 2 * DOMAIN_KERNEL

    @property
    def in_process(self) -> bool:
        return self.access == 1 << 2 * DOMAIN_USER


class DoorLab:
    """A cell `kernel` without privileges, and one `other` that has some."""

    def __init__(
        self,
        layout: TableFormat = TableFormat.MODERN,
        *,
        vtlb: int = 64,
        fass: int = 0,
        ram: int = RAM,
        on_crash: str = "destroy",
        channels: Iterable[ChannelParams] = (),
        shared: Iterable[SharedParams] = (),
    ) -> None:
        params: dict[str, Any] = {"on_crash": on_crash, "max_restarts": 99}
        wiring = Wiring(
            tuple(channels), tuple(shared), paravirtual={0: layout}, virtual_bases={0: VIRTUAL}, vtlb=vtlb, fass=fass
        )
        self.layout = layout
        self.monitor = Monitor(
            [CellParams("kernel", ram, (0,), **params), CellParams("other", RAM, (0,), **params)],
            make_policy("round_robin", slice_cycles=1000),
            costs=Costs(),
            frames=FrameTable(8 << 20, BASE),
            mechanism=Microvisor,
            wiring=wiring,
        )
        mechanism = self.monitor.mechanism
        assert isinstance(mechanism, Microvisor)
        self.door = mechanism.door
        self.memory = BytesMemory.under(self.monitor)
        self.traced: list[TraceRecord] = []
        self.settle(self.monitor.start())
        self.cell, self.other = self.monitor.cells
        self.ready()
        self.settle(self.monitor.handle(on.CellReady(1), self.monitor.now))
        self.kernel = Kernel(self)

    def ready(self) -> None:
        self.settle(self.monitor.handle(on.CellReady(0), self.monitor.now))

    def restart(self) -> Kernel:
        """It dies, and is up again."""
        fail(self.monitor, self.cell, "killed")
        self.settle()
        self.monitor.check_invariants()
        self.ready()
        self.kernel = Kernel(self)
        return self.kernel

    def settle(self, effects: Iterable[Any] = ()) -> None:
        """Carry out what was ordered."""
        pending = [*effects, *self.monitor._effects]
        self.monitor._effects = []
        found = self.memory.carry_out(pending)
        self.traced += [effect for effect in found if isinstance(effect, TraceRecord)]

    def kinds(self, kind: str) -> list[TraceRecord]:
        """Records of the trace of one kind."""
        self.settle()
        return [record for record in self.traced if record.kind == kind]

    def counted(self, what: str) -> int:
        return self.monitor.ledger.counted("kernel", what)

    @property
    def mmu(self) -> Any:
        return self.door.guests[0].mmu


class Kernel:
    """One CPU: the kernel's, and its processes'. `state`: where it is."""

    def __init__(self, lab: DoorLab) -> None:
        self.lab = lab
        self.state = State(0, 0, 0, (0,) * (CORE - 2) + (ENTRY, 0x10))
        self.tlb: dict[int, Found] = {}
        """What the CPU has seen since the last flush; a change of tables or of domain access is one."""

    # ---- the CPU

    def trap(
        self, trap: int, immediate: int = 0, *registers: int, far: int = 0, fsr: int = 0, deadline: int = NEVER
    ) -> State | None:
        """An exception where it is, with these registers; None if there is no answer (it waits, or has ended)."""
        core = (*registers, *self.state.core[len(registers) :])
        return self.exit(TRAP.pack(trap, immediate, far, fsr, *core), deadline)

    def exit(self, data: bytes, deadline: int = NEVER) -> State | None:
        lab = self.lab
        EXITS[ExitKind.EXCEPTION](lab.monitor, lab.cell, Exit(0, ExitKind.EXCEPTION, 0, 0, deadline, data=data))
        lab.settle()
        events = lab.cell.vcpu.events
        answers = [event for event in events if event.kind == EventKind.ANSWER]
        events[:] = [event for event in events if event.kind != EventKind.ANSWER]
        if not answers:
            return None
        base, access, flush, *core = STATE.unpack(answers[0].payload)
        if flush or (base, access) != (self.state.base, self.state.access):
            self.tlb.clear()
        self.state = State(base, access, flush, tuple(core))
        return self.state

    def boot(self) -> Kernel:
        assert self.trap(Trap.START) is not None
        return self

    def see(self, virtual: int) -> Found | None:
        """What the CPU finds at an address, by its TLB or the real tables, if its domain access lets it in."""
        page = virtual & -PAGE
        if page not in self.tlb:
            tables = TableMemory(BASE, 0)
            tables.bytes = self.lab.memory.own[0]
            walked = tables.walk(self.state.base, page, self.lab.layout)
            if walked is None:
                return None
            self.tlb[page] = walked
        found = self.tlb[page]
        return found._replace(address=found.address | virtual % PAGE) if self._is_client(found.domain) else None

    def _is_client(self, domain: int) -> bool:
        return self.state.access >> 2 * domain & 3 == 1

    # ---- the kernel

    def call(self, number: int, *registers: int) -> int:
        """A hypercall; r0, as a signed number."""
        state = self.trap(Trap.SWI, number, *registers)
        assert state is not None
        r0 = state.core[0]
        return r0 - (1 << 32) if r0 >> 31 else r0

    def run(self, root: int = ROOT, *core: int, at: int = REGISTERS) -> int:
        """Let a process run, with these registers; 0, or the refusal."""
        if core:
            self.poke(at - VIRTUAL + BASE, BLOCK.pack(*core, *(0,) * (CORE - len(core))))
        answer = self.call(DoorCall.RUN, at, root)
        return 0 if self.state.in_process else answer

    def registers(self, at: int = REGISTERS) -> tuple[int, ...]:
        """What it has of its process."""
        return BLOCK.unpack(self.peek(at - VIRTUAL + BASE, BLOCK.size))

    # ---- its process

    def told(self) -> tuple[Why, int, int]:
        """What the RUN has returned."""
        assert self.state.in_kernel
        why, address, access = self.state.core[:3]
        return Why(why), address, access

    def touch(self, virtual: int, *, store: bool = False, fsr: int | None = None) -> str | tuple[Why, int, int]:
        """An access of the process as its CPU would make it: "hit", "miss" (and it goes on), or what the kernel is told."""
        found = self.see(virtual)
        if found and (found.writable or not store):
            return "hit"
        status = (FORBIDDEN if found else MISSING) if fsr is None else fsr
        tells = self.lab.layout is TableFormat.MODERN
        self.trap(Trap.DATA_ABORT, far=virtual, fsr=status | (STORE if store and tells else 0))
        if self.state.in_kernel:
            return self.told()
        return "miss"

    # ---- its memory

    def poke(self, address: int, data: bytes) -> None:
        self.lab.memory.own[0][address - BASE : address - BASE + len(data)] = data

    def peek(self, address: int, length: int) -> bytes:
        return bytes(self.lab.memory.own[0][address - BASE : address - BASE + length])

    def word(self, address: int, value: int) -> None:
        self.poke(address, struct.pack("<I", value))

    def map(self, root: int, virtual: int, page: int, flags: int, table: int = TABLE) -> None:
        """Two plain stores."""
        self.word(root + (virtual >> 20) * 4, table | RO)
        self.word(table + (virtual >> 12 & 255) * 4, page | flags)


FAULT = Why.FAULT
READ, WRITE, EXECUTE, UNKNOWN = Access.READ, Access.WRITE, Access.EXECUTE, Access(0)
