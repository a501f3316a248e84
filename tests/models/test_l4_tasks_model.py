"""Tasks of a kernel under any sequence of calls, exceptions and interrupts: who runs, with whose tables, and what they reach.

The model knows what each task was given, and no more. It reads the tables that a CPU would walk, from the memory that was
written, with the base and the domains that the monitor lets the CPU go on with.
"""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from hypervisor.abi.l4 import ANY, NIL, Label
from hypervisor.abi.l4_door import ROOT, SIGNAL_PAGE, Call, Exchange, Index, pack_item, thread_of
from hypervisor.abi.memory import PAGE, READ, WRITE
from hypervisor.abi.pv import DOMAIN_KERNEL, DOMAIN_USER, KERNEL_ACCESS, USER_ACCESS, TableFormat, Trap
from hypervisor.core.l4.tasks import Phase
from tests.support.l4_door import BASE, RAM, VIRTUAL, L4Lab
from tests.support.tables import TableMemory

TASKS = st.integers(0, 9)
"""The n-th of the tasks that are there; from 8 on, one that is not."""
PLACES = st.sampled_from([0x8000, 0x9000, 0x10_0000, 0xBFFF_F000, 0xC000_0000, 0xE200_0000, SIGNAL_PAGE, 0xFC00_0000])
SOURCES = st.one_of(
    st.integers(0, 40).map(lambda n: VIRTUAL + n * PAGE),
    st.sampled_from([0, VIRTUAL + RAM - PAGE, 0xE000_0000, 0xFFFF_F000]),
)
RIGHTS = st.sampled_from([READ, READ | WRITE])
WALKED = (0x8000, 0x9000, 0x10_0000, 0xBFFF_F000, 0xC000_0000, 0xC000_8000, 0xE000_0000, 0xE200_0000, SIGNAL_PAGE)


class Tasks(RuleBasedStateMachine):
    """One cell. `given`: task -> page -> (physical, writable)."""

    def __init__(self) -> None:
        super().__init__()
        self.given: dict[int, dict[int, tuple[int, bool]]] = {}

    @initialize(layout=st.sampled_from(list(TableFormat)), fass=st.sampled_from([0, 2]))
    def begin(self, layout: TableFormat, fass: int) -> None:
        self.layout = layout
        self.lab = L4Lab(layout, fass=fass)
        self.cpu = self.lab.server.boot()
        self.reserved = RAM - self.lab.kernel.reserved(self.cpu.cell)
        for signal in (False, True):
            self.new_task(signal)
            self.map(len(self.given) - 1, 0x8000, VIRTUAL + 0x5000, READ | WRITE)

    def named(self, pick: int) -> int:
        """A task's number."""
        there = sorted(self.given)
        return there[pick % len(there)] if there and pick < 8 else (1, 77)[pick % 2]

    # ---- what the server does, if it runs

    @property
    def runs(self) -> int:
        current = self.cpu.world.current
        return current.number if current is not None else 0

    def server_runs(self) -> bool:
        return self.runs == ROOT

    def somebody_runs(self) -> bool:
        return self.runs not in (0, ROOT)

    @precondition(server_runs)
    @rule(signal=st.booleans())
    def new_task(self, signal: bool) -> None:
        if len(self.given) == 5:
            return
        task = self.cpu.call(Call.TASK_NEW)
        self.given[task] = {}
        if signal:
            self.cpu.call(Call.EXCHANGE, thread_of(task, Index.SIGNAL), SIGNAL_PAGE, 0, Exchange.START)

    @precondition(server_runs)
    @rule(pick=st.integers(6, 9))
    def delete_task(self, pick: int) -> None:
        task = self.named(pick)
        assert (self.cpu.call(Call.TASK_DELETE, task) == 0) == (task in self.given)
        self.given.pop(task, None)

    def may(self, place: int, source: int) -> bool:
        return place < 0xFC00_0000 and VIRTUAL <= source <= VIRTUAL + self.reserved - PAGE

    @precondition(server_runs)
    @rule(pick=TASKS, place=PLACES, source=SOURCES, rights=RIGHTS)
    def map(self, pick: int, place: int, source: int, rights: int) -> None:
        task = self.named(pick)
        done = self.cpu.map(task, (place, source, rights)) == 1
        assert done == (task in self.given and self.may(place, source))
        if done:
            self.given[task][place] = (source - VIRTUAL + BASE, bool(rights & WRITE))

    @precondition(server_runs)
    @rule(pick=TASKS, place=PLACES, pages=st.integers(1, 3), rights=st.sampled_from([READ, WRITE, READ | WRITE]))
    def unmap(self, pick: int, place: int, pages: int, rights: int) -> None:
        task = self.named(pick)
        if self.cpu.call(Call.UNMAP, task, place, pages, rights) < 0:
            return
        for at in range(place, place + pages * PAGE, PAGE):
            if rights & READ:
                self.given[task].pop(at, None)
            elif at in self.given[task]:
                self.given[task][at] = (self.given[task][at][0], False)

    @precondition(server_runs)
    @rule(pick=TASKS, source=st.sampled_from([NIL, ANY, ANY, ANY]), place=PLACES, page=SOURCES, late=st.integers(0, 5))
    def reply(self, pick: int, source: int, place: int, page: int, late: int) -> None:
        task = self.named(pick)
        place, page = (place, page) if late % 2 else (0x9000, VIRTUAL + 0x6000)
        thread = self.cpu.world.tasks[task].threads[Index.MAIN] if task in self.given else None
        takes = thread is not None and thread.phase is Phase.RECEIVE and self.may(place, page)
        self.cpu.put(Label.EXCEPTION, self.cpu.registers(), [pack_item(place, page, READ)])
        self.cpu.ipc(thread_of(task, Index.MAIN), source, (1 << 64) - 1 if late else 0)
        if takes:
            self.given[task][place] = (page - VIRTUAL + BASE, False)

    @precondition(server_runs)
    @rule(pick=TASKS)
    def signal(self, pick: int) -> None:
        task = self.named(pick)
        thread = thread_of(task, Index.SIGNAL)
        self.cpu.put(Label.USER)
        self.cpu.ipc(thread, NIL)

    @precondition(server_runs)
    @rule(pick=TASKS, anybody=st.booleans())
    def wait(self, pick: int, anybody: bool) -> None:
        if anybody:
            self.cpu.ipc(NIL, ANY)
        else:
            self.cpu.ipc(NIL, thread_of(self.named(pick), Index.MAIN), 0)

    # ---- what others do

    @precondition(somebody_runs)
    @rule(
        trap=st.sampled_from([Trap.SWI, Trap.UNDEFINED, Trap.DATA_ABORT]), number=st.sampled_from([0, 0x9000, 0xFFFF])
    )
    def exception(self, trap: Trap, number: int) -> None:
        self.cpu.trap(trap, number)

    @precondition(somebody_runs)
    @rule(
        call=st.sampled_from(list(Call)),
        first=st.integers(0, 0x60),
        second=st.sampled_from([0, ROOT, ANY]),
        how=st.integers(0, 3),
    )
    def call_of_a_process(self, call: int, first: int, second: int, how: int) -> None:
        tasks = set(self.cpu.world.tasks)
        self.cpu.trap(Trap.SWI, call, first, second, 0, how)
        assert set(self.cpu.world.tasks) == tasks

    @precondition(lambda self: not self.server_runs())
    @rule()
    def interrupt(self) -> None:
        if self.cpu.cell.vcpu.pending is not None:
            self.cpu.cell.vcpu.pending = None
        self.cpu.trap(Trap.IRQ)

    # ---- what always holds

    def reachable(self, base: int, access: int) -> dict[int, tuple[int, bool]]:
        memory = TableMemory(BASE, RAM)
        memory.bytes[:] = self.lab.memory.own[0]
        found = {at: memory.walk(base, at, self.layout) for at in WALKED}
        open_to = {domain for domain in (DOMAIN_KERNEL, DOMAIN_USER) if access >> 2 * domain & 3}
        return {at: (page.address, page.writable) for at, page in found.items() if page and page.domain in open_to}

    @invariant()
    def who_runs_has_its_own_tables(self) -> None:
        if not hasattr(self, "lab") or not self.runs:
            return
        thread, state = self.cpu.world.current, self.cpu.state
        assert state.base == thread.task.space.base
        assert (state.access == KERNEL_ACCESS) == (thread.number == ROOT or thread.is_signal)

    @invariant()
    def a_task_reaches_what_it_was_given(self) -> None:
        if not hasattr(self, "lab"):
            return
        for number, given in self.given.items():
            base = self.cpu.world.tasks[number].space.base
            seen = {at: page for at, page in given.items() if at in WALKED}
            assert self.reachable(base, KERNEL_ACCESS) == seen
            seen.pop(SIGNAL_PAGE, None)
            assert self.reachable(base, USER_ACCESS) == seen

    @invariant()
    def every_page_is_the_cells_own_and_every_table_somebodys(self) -> None:
        if hasattr(self, "lab"):
            self.lab.monitor.check_invariants()
            assert set(self.cpu.world.tasks) == {1, *self.given}

    def teardown(self) -> None:
        if hasattr(self, "lab"):
            pool = self.cpu.world._pool
            for number in list(self.given):
                self.cpu.world.delete_task(self.cpu.world.task(number))
            assert len(pool.taken() - self.cpu.world._kernel.tables()) == 1, "the root's own"


Tasks.TestCase.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
TestTasks = Tasks.TestCase
