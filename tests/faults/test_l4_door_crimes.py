"""Crimes at the microkernel's door, of a kernel that is a task and of its processes: each is refused, or ends the cell alone."""

from __future__ import annotations

import pytest

from hypervisor.abi.l4 import ANY, NIL, Item, ItemKind, Label
from hypervisor.abi.l4_door import (
    FIRST_CALL,
    ITEM,
    ITEMS_LIMIT,
    LAST_CALL,
    MAP_LIMIT,
    ROOT,
    SIGNAL_PAGE,
    TASKS_LIMIT,
    UNMAP_LIMIT,
    Call,
    Exchange,
    Index,
    pack_item,
    thread_of,
)
from hypervisor.abi.memory import KERNEL_HYPERCALLS, KERNEL_WINDOW, PAGE, READ, WINDOW_BASE, WRITE
from hypervisor.abi.pv import STATE, TRAP, USER_ACCESS, USER_MODE, VMM_BASE, Trap
from hypervisor.abi.status import Status
from hypervisor.core.cell import CellState
from hypervisor.core.errors import Refused
from hypervisor.core.l4.pages import Region
from hypervisor.core.l4.tasks import Phase
from tests.support.l4_door import BASE, CODE, RAM, UTCB, VIRTUAL, L4Lab, ServerCpu, pages_in
from tests.support.l4_door import ENTRY as CODE_OF_SERVER

SVC, IRQ = Trap.SWI, Trap.IRQ
FORGED = [0, 1, 0x0F, 0x11, 0x12, 0x1F, 0x2F, 0x30, 0x800, 0xFFFE, 0xFFFF, 0x1_0020, 0xFFFF_FFFF]
"""No threads of a process, while there is task 2 alone."""
CALLS_OF_ROOT = sorted({*Call} - {Call.IPC, Call.EXCHANGE})


@pytest.fixture
def lab():
    lab = L4Lab()
    yield lab
    lab.monitor.check_invariants()
    assert lab.monitor.cells[1].state is not CellState.FAILED


@pytest.fixture
def server(lab: L4Lab) -> ServerCpu:
    return lab.server.boot()


@pytest.fixture
def task(server: ServerCpu) -> int:
    return server.new_task(signal=True)


@pytest.fixture
def process(server: ServerCpu, task: int) -> ServerCpu:
    """The main thread of the task runs."""
    server.run(task)
    assert server.signal_waits().pc == CODE
    return server


# ---- forged numbers


@pytest.mark.parametrize("number", sorted({*FORGED} - {NIL}))
def test_a_forged_thread_gets_no_message(server: ServerCpu, task: int, number: int) -> None:
    server.put(Label.EXCEPTION, server.registers())
    assert server.ipc(number, ANY).r0 == Status.NO_SUCH_SLOT
    assert server.world.root.phase is Phase.READY


@pytest.mark.parametrize("number", sorted({*FORGED} - {NIL, ANY}))
def test_nobody_waits_for_a_forged_thread(server: ServerCpu, task: int, number: int) -> None:
    assert server.ipc(NIL, number).r0 == Status.NO_SUCH_SLOT


@pytest.mark.parametrize("number", [0, 1, 3, 128, 0xFFFF_FFFF])
@pytest.mark.parametrize("call", [Call.TASK_DELETE, Call.MAP, Call.UNMAP])
def test_a_forged_task_is_nobodys(server: ServerCpu, task: int, call: int, number: int) -> None:
    server.put(Label.USER, items=[pack_item(CODE, VIRTUAL, READ)])
    assert server.call(call, number, CODE, 1, READ) == Status.NO_SUCH_SLOT


@pytest.mark.parametrize("number", [0, ROOT, 0x22, 0xFFFF])
def test_a_forged_thread_is_not_started(server: ServerCpu, task: int, number: int) -> None:
    assert server.call(Call.EXCHANGE, number, CODE, 0, Exchange.START) == Status.NO_SUCH_SLOT


def test_a_task_that_ended_is_named_no_more(server: ServerCpu, task: int) -> None:
    assert server.call(Call.TASK_DELETE, task) == 0
    for call in (Call.TASK_DELETE, Call.UNMAP):
        assert server.call(call, task, CODE, 1, READ) == Status.NO_SUCH_SLOT
    server.put(Label.EXCEPTION, server.registers())
    assert server.ipc(thread_of(task, Index.MAIN), ANY).r0 == Status.NO_SUCH_SLOT


@pytest.mark.parametrize("call", [n for n in range(FIRST_CALL, LAST_CALL + 1, 7) if n not in set(Call)] + [LAST_CALL])
def test_an_unknown_call_is_refused(server: ServerCpu, call: int) -> None:
    assert server.call(call) == Status.UNKNOWN_CALL


# ---- foreign pages


@pytest.mark.parametrize(
    "source",
    [
        pytest.param(0, id="null"),
        pytest.param(CODE, id="a-process"),
        pytest.param(BASE, id="physical"),
        pytest.param(VIRTUAL - PAGE, id="before-its-memory"),
        pytest.param(VIRTUAL + RAM, id="behind-its-memory"),
        pytest.param(VIRTUAL + RAM - PAGE, id="tables"),
        pytest.param(VIRTUAL + RAM - 8 * 0x4000, id="the-first-table"),
        pytest.param(KERNEL_WINDOW, id="window"),
        pytest.param(KERNEL_HYPERCALLS, id="hypercall-page"),
        pytest.param(VMM_BASE, id="the-monitors"),
        pytest.param(0xFFFF_F000, id="the-last-page"),
    ],
)
def test_a_foreign_page_is_mapped_nowhere(server: ServerCpu, task: int, source: int) -> None:
    assert server.map(task, (CODE, source, READ | WRITE)) == Status.BAD_ARGUMENT
    server.put(Label.EXCEPTION, server.registers(), [pack_item(CODE, source, READ)])
    assert server.ipc(thread_of(task, Index.MAIN), ANY).r0 == Status.BAD_ARGUMENT
    assert pages_in(server, task) == {}


@pytest.mark.parametrize("destination", [VMM_BASE, 0xFFFF_F000])
def test_the_monitors_addresses_are_not_mapped(server: ServerCpu, task: int, destination: int) -> None:
    assert server.map(task, (destination, VIRTUAL, READ)) == Status.BAD_ARGUMENT
    assert server.call(Call.UNMAP, task, destination, 1, READ) == Status.BAD_ARGUMENT


@pytest.mark.parametrize(
    "pair", [(CODE, VIRTUAL | READ), (CODE | 9, VIRTUAL | READ), (CODE | 8, VIRTUAL), (CODE | 8, VIRTUAL | 4)]
)
def test_what_is_no_item_is_refused(server: ServerCpu, task: int, pair: tuple[int, int]) -> None:
    server.put(Label.USER, items=[pack_item(CODE, VIRTUAL, READ), ITEM.pack(*pair)])
    assert server.call(Call.MAP, task) == Status.BAD_ARGUMENT
    assert pages_in(server, task) == {}


def test_more_items_than_registers_are_no_message(server: ServerCpu, task: int) -> None:
    for words, typed in ((2, 2 * MAP_LIMIT), (17, 2 * ITEMS_LIMIT + 2), (63, 2), (0, 1), (0, 3)):
        server.poke(UTCB, (words | typed << 6 | Label.USER << 16).to_bytes(4, "little"))
        assert server.call(Call.MAP, task) == Status.BAD_ARGUMENT


@pytest.mark.parametrize("pages", [0, UNMAP_LIMIT + 1, 0xFFFF_FFFF])
def test_a_huge_unmap_is_refused(server: ServerCpu, task: int, pages: int) -> None:
    assert server.call(Call.UNMAP, task, CODE, pages, READ) == Status.BAD_ARGUMENT


def test_the_servers_tables_go_to_no_other_cell(lab: L4Lab, server: ServerCpu) -> None:
    cells, mapping = lab.monitor.cells, lab.kernel.mapping
    where = Region(WINDOW_BASE, 4)
    table = Item(ItemKind.MAP, server.state.base, 1, READ | WRITE)
    with pytest.raises(Refused, match="has no page"):
        mapping.check(table, cells[0], cells[1], where)
    mapping.check(Item(ItemKind.MAP, BASE + 0x4000, 1, READ | WRITE), cells[0], cells[1], where)


# ---- processes that call the microkernel


@pytest.mark.parametrize("call", sorted(Call))
def test_a_main_thread_may_call_nothing(process: ServerCpu, task: int, call: int) -> None:
    before = set(process.world.tasks)
    arguments = {Call.EXCHANGE: (thread_of(task, Index.SIGNAL), CODE, 0, Exchange.START)}.get(
        call, (task, ANY, 1, READ)
    )
    assert process.call(call, *arguments) == Status.RIGHTS
    assert (process.state.pc, process.state.access) == (CODE, USER_ACCESS), "it goes on, and nobody was told"
    assert set(process.world.tasks) == before


@pytest.mark.parametrize("how", [Exchange.START, Exchange.FORCE])
def test_a_main_thread_controls_no_thread(process: ServerCpu, task: int, how: int) -> None:
    for thread in (ROOT, thread_of(task, Index.MAIN), thread_of(task, Index.SIGNAL)):
        assert process.call(Call.EXCHANGE, thread, 0, 0, how) == Status.RIGHTS


@pytest.mark.parametrize("call", CALLS_OF_ROOT)
def test_a_signal_thread_has_no_calls_of_the_root(server: ServerCpu, task: int, call: int) -> None:
    server.run(task)
    assert server.call(call, task, CODE, 1, READ) == Status.RIGHTS


def test_a_signal_thread_talks_to_the_server_only_and_forces_its_own_neighbour_only(
    server: ServerCpu, task: int
) -> None:
    other = server.new_task()
    server.run(task)
    main = thread_of(other, Index.MAIN)
    assert server.ipc(main, ROOT).r0 == Status.RIGHTS
    assert server.ipc(NIL, ANY).r0 == Status.RIGHTS
    assert server.call(Call.EXCHANGE, main, 0, 0, Exchange.FORCE) == Status.RIGHTS
    assert server.call(Call.EXCHANGE, ROOT, 0, 0, Exchange.FORCE) == Status.RIGHTS
    assert server.call(Call.EXCHANGE, thread_of(task, Index.MAIN), 0, 0, Exchange.START) == Status.RIGHTS
    assert server.call(Call.EXCHANGE, thread_of(task, Index.MAIN), 0, 0, 3) == Status.BAD_ARGUMENT


def test_a_signal_nobody_waits_for_is_refused(server: ServerCpu, task: int) -> None:
    assert server.ipc(NIL, thread_of(task, Index.MAIN)).pc == SIGNAL_PAGE
    assert server.ipc(ROOT, ROOT).r0 == Status.TIMEOUT, "the server waits for somebody else"


def test_a_number_beyond_the_microkernels_is_the_kernels_affair(process: ServerCpu) -> None:
    for number in (0, 0xFF, LAST_CALL + 1, 0x90_0004, 0xFF_FFFF):
        state = process.trap(SVC, number)
        assert process.message()[1][:2] == (SVC, number)
        process.put(Label.EXCEPTION, process.registers())
        assert process.ipc(state.r0, ANY).pc == CODE


# ---- registers


@pytest.mark.parametrize("mode", sorted({*range(0x20)} - {0, USER_MODE}))
def test_a_reply_cannot_ask_for_a_privileged_mode(server: ServerCpu, task: int, mode: int) -> None:
    server.put(Label.EXCEPTION, server.registers(psr=mode))
    assert server.ipc(thread_of(task, Index.MAIN), ANY).r0 == Status.RIGHTS


def test_the_cpu_stays_in_user_mode_with_interrupts_open_whatever_is_replied(server: ServerCpu) -> None:
    task = server.new_task()
    server.put(Label.EXCEPTION, server.registers(psr=0xFFFF_FFE0 | USER_MODE))
    psr = server.ipc(thread_of(task, Index.MAIN), ANY).registers[16]
    assert psr & 0x1F == USER_MODE
    assert not psr & 0x1C0, "A, I, F"
    assert not psr & 0x0100_0000, "J"


@pytest.mark.parametrize("words", [0, 1, 16, 18, 63])
def test_a_reply_has_all_registers_and_no_more(server: ServerCpu, task: int, words: int) -> None:
    server.put(Label.EXCEPTION, [0] * words)
    assert server.ipc(thread_of(task, Index.MAIN), ANY).r0 == Status.BAD_ARGUMENT
    server.put(Label.USER, server.registers())
    assert server.ipc(thread_of(task, Index.MAIN), ANY).r0 == Status.BAD_ARGUMENT


def test_a_thread_that_runs_takes_no_reply(process: ServerCpu, task: int) -> None:
    assert process.trap(IRQ).r0 == NIL
    process.put(Label.EXCEPTION, process.registers())
    assert process.ipc(thread_of(task, Index.MAIN), ANY).r0 == Status.TIMEOUT


# ---- message registers


@pytest.mark.parametrize(
    "at",
    [
        *(0, CODE, BASE, VIRTUAL + 4, VIRTUAL + 128, VIRTUAL - 256, VIRTUAL + RAM, VIRTUAL + RAM - 256, 0xFFFF_FF00),
        *(KERNEL_WINDOW, KERNEL_HYPERCALLS, VIRTUAL + RAM - 8 * 0x4000),
    ],
)
def test_message_registers_lie_in_ram_of_the_server(lab: L4Lab, server: ServerCpu, at: int) -> None:
    before = bytes(lab.memory.own[0])
    assert server.call(Call.UTCB, at) == Status.BAD_ARGUMENT
    assert bytes(lab.memory.own[0]) == before
    assert server.world.utcb == UTCB - VIRTUAL + BASE


def test_without_message_registers_there_are_no_messages(lab: L4Lab) -> None:
    server = lab.server
    server.trap(Trap.START)
    task = server.call(Call.TASK_NEW)
    for to, source in ((thread_of(task, Index.MAIN), NIL), (NIL, ANY), (thread_of(task, Index.MAIN), ANY)):
        assert server.ipc(to, source).r0 == Status.WRONG_STATE
    assert server.call(Call.MAP, task) == Status.WRONG_STATE


# ---- floods


def test_tasks_end_where_the_pool_does_and_come_back(lab: L4Lab, server: ServerCpu) -> None:
    made = []
    while (task := server.call(Call.TASK_NEW)) > 0:
        made.append(task)
    assert task == Status.NO_ROOM
    assert 0 < len(made) < TASKS_LIMIT
    lab.monitor.check_invariants()
    for task in made:
        assert server.call(Call.TASK_DELETE, task) == 0
    assert server.new_task() == made[0]


def test_there_are_so_many_tasks_and_no_more() -> None:
    lab = L4Lab(ram=24 << 20)
    server = lab.server.boot()
    made = [server.call(Call.TASK_NEW) for _ in range(TASKS_LIMIT)]
    assert made[-1] == Status.NO_ROOM
    lab.monitor.check_invariants()


def test_second_level_tables_are_bounded_too(lab: L4Lab, server: ServerCpu, task: int) -> None:
    """A page in each mebibyte takes a table each; what was mapped before the pool was empty stays, and the cell lives."""
    outcomes = {
        server.map(task, *((n << 20, VIRTUAL, READ) for n in range(at, at + MAP_LIMIT))) for at in range(0, 992, 31)
    }
    assert Status.NO_ROOM in outcomes
    lab.monitor.check_invariants()
    assert server.world._pool.free == 0
    assert server.run(task).pc == SIGNAL_PAGE


def test_a_reply_whose_pages_find_no_room_is_refused_and_the_process_still_waits(server: ServerCpu, task: int) -> None:
    while server.map(task, *(((n + 1) << 20, VIRTUAL, READ) for n in range(31))) > 0:
        task = server.call(Call.TASK_NEW)
        if task < 0:
            break
    waiting = max(server.world.tasks)
    main = thread_of(waiting, Index.MAIN)
    for mebibyte in range(40, 400):
        server.put(Label.EXCEPTION, server.registers(), [pack_item(mebibyte << 20, VIRTUAL, READ)])
        state = server.ipc(main, NIL)
        if state.r0 == Status.NO_ROOM:
            break
        server.world.enter_phase(server.world.tasks[waiting].threads[Index.MAIN], Phase.RECEIVE)
    assert state.r0 == Status.NO_ROOM
    assert server.world.tasks[waiting].threads[Index.MAIN].phase is Phase.RECEIVE


def test_a_cell_too_small_for_its_tables_ends_alone() -> None:
    lab = L4Lab(ram=4 * PAGE)
    assert lab.server.trap(Trap.START) is None
    assert "no room for its page tables" in lab.server.cell.why
    lab.monitor.check_invariants()


# ---- a CPU that lies


@pytest.mark.parametrize("data", [b"", b"x", bytes(TRAP.size + 1), TRAP.pack(99, *[0] * 20), bytes(STATE.size)])
def test_a_cpu_that_talks_nonsense_is_ended(server: ServerCpu, data: bytes) -> None:
    assert server.exit(data) is None
    assert server.cell.why.startswith("protocol: ")


@pytest.mark.parametrize("trap", [Trap.SWI, Trap.UNDEFINED, Trap.IRQ])
def test_an_exception_before_the_start_is_a_lie(lab: L4Lab, trap: int) -> None:
    assert lab.server.trap(trap) is None
    assert lab.server.cell.why.startswith("protocol: ")


def test_an_exception_while_nobody_runs_is_a_lie(server: ServerCpu) -> None:
    assert server.ipc(NIL, ANY) is None
    server.cell.vcpu.pending = None
    assert server.trap(SVC) is None
    assert "nobody runs" in server.cell.why


def test_a_cpu_is_started_once(server: ServerCpu) -> None:
    assert server.trap(Trap.START) is None
    assert "started twice" in server.cell.why


def test_the_server_itself_ends_by_its_fault_and_everything_is_given_back(
    lab: L4Lab, server: ServerCpu, task: int
) -> None:
    server.run(task, until=5000)
    server.signal_waits()
    server.trap(IRQ)
    assert server.state.pc == CODE_OF_SERVER
    assert server.trap(Trap.UNDEFINED) is None
    assert server.cell.state is CellState.FAILED
    assert 0 not in lab.kernel.door.servers
    assert not lab.monitor.alarms
