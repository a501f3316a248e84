"""The door `pv` under any exceptions with any registers: what goes out is user mode in an address space of validated tables.

The guest's process is hostile as well: it may claim any program counter, status and stack. It may be ended for it; the
monitor goes on.
"""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from hypervisor.abi.pv import FRAME, KERNEL_ACCESS, MODE_MASK, UPDATE, USER_ACCESS, USER_MODE, MmuOp, Pte, PvCall, Trap
from hypervisor.core.cell import CellState
from hypervisor.core.xen.paging import FrameType
from tests.support.pv import BATCH, L1, STACK, VECTORS, PvLab
from tests.support.xen import BASE, PAGES

PLACES = st.one_of(
    st.sampled_from([0, BASE, L1, L1 - 0x1000, STACK, VECTORS, BATCH, 0xFFFF_FFFC, BASE + PAGES * 0x1000, 0xC000_0000]),
    st.integers(0, PAGES).map(lambda n: BASE + n * 0x1000),
)
WORDS = st.one_of(PLACES, st.integers(0, 20), st.integers(0, 0xFFFF_FFFF))
TRAPS = st.sampled_from([Trap.UNDEFINED, Trap.SWI, Trap.PREFETCH_ABORT, Trap.DATA_ABORT, Trap.IRQ])


class Door(RuleBasedStateMachine):
    """A guest that says anything."""

    def __init__(self) -> None:
        super().__init__()
        self.lab = PvLab()
        self.kernel = self.lab.kernel.boot()
        self.lab.kernel.guest.set_up_events()
        self.neighbour = bytes(self.lab.memory.own[2])

    @property
    def alive(self) -> bool:
        return self.kernel.cell.state is CellState.RUNNING and self.kernel.cell.vcpu.pending is None

    @precondition(lambda self: self.alive)
    @rule(trap=TRAPS, number=st.integers(0, 9), r=st.lists(WORDS, min_size=5, max_size=5), r12=st.integers(0, 40))
    def exception(self, trap: Trap, number: int, r: list[int], r12: int) -> None:
        self.kernel.trap(trap, number, *r, far=r[0], fsr=r[1], r12=r12)

    @precondition(lambda self: self.alive)
    @rule(pc=WORDS, psr=st.integers(0, 0xFFFF_FFFF), sp=WORDS)
    def lie_about_registers(self, pc: int, psr: int, sp: int) -> None:
        self.kernel.state = self.kernel.state._replace(pc=pc, psr=psr, sp=sp & ~3)

    @precondition(lambda self: self.alive)
    @rule(psr=st.integers(0, 0xFFFF_FFFF), mode=st.sampled_from([0x10, 0x13, 0x1F]), pc=WORDS, sp=WORDS)
    def come_back(self, psr: int, mode: int, pc: int, sp: int) -> None:
        self.kernel.guest.poke(STACK - FRAME.size, FRAME.pack(psr & ~MODE_MASK | mode, pc, sp, 0))
        self.kernel.state = self.kernel.state._replace(sp=STACK - FRAME.size)
        self.kernel.trap(Trap.SWI, PvCall.RETURN)

    @precondition(lambda self: self.alive)
    @rule(slot=st.integers(0, PAGES - 1), page=PLACES, flags=st.sampled_from([0, Pte.PRESENT, Pte.PRESENT | Pte.WRITE]))
    def map_page(self, slot: int, page: int, flags: int) -> None:
        self.kernel.guest.poke(BATCH, UPDATE.pack(L1 - 0x1000 + 4 * slot, page & ~0xFFF | flags))
        self.kernel.trap(Trap.SWI, PvCall.MMU_UPDATE, BATCH, 1)

    @precondition(lambda self: self.alive)
    @rule(operation=st.sampled_from(MmuOp), page=PLACES)
    def whole_tables(self, operation: MmuOp, page: int) -> None:
        self.kernel.trap(Trap.SWI, PvCall.MMU, operation, page)

    @precondition(lambda self: not self.alive)
    @rule()
    def start_again(self) -> None:
        self.lab.restart("kernel")
        self.kernel.boot()

    @invariant()
    def the_cpu_is_in_user_mode_in_an_address_space_of_its_own(self) -> None:
        own = self.lab.xen.pv.domains.get(1)
        if own is None or own.tables.base is None:
            return
        assert own.tables.frames[own.tables.base].type is FrameType.L1
        assert own.cpu.access in (KERNEL_ACCESS, USER_ACCESS)

    @invariant()
    def nobody_else_notices(self) -> None:
        self.lab.monitor.check_invariants()
        assert bytes(self.lab.memory.own[2]) == self.neighbour

    def teardown(self) -> None:
        self.lab.die("kernel")


class Checked(Door):
    """Every answer is looked at."""

    def __init__(self) -> None:
        super().__init__()
        exit_, kernel = self.kernel.exit, self.kernel

        def looked_at(data: bytes):  # type: ignore[no-untyped-def]
            state = exit_(data)
            if state is not None:
                assert state.psr & MODE_MASK == USER_MODE
                assert not state.psr & 0x1C0
                assert state.access in (KERNEL_ACCESS, USER_ACCESS)
            return state

        kernel.exit = looked_at  # type: ignore[method-assign]


Checked.TestCase.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
TestDoor = Checked.TestCase
