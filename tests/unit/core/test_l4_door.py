"""A kernel that is a task: exceptions of its processes as messages, replies with registers and pages, signals, time."""

from __future__ import annotations

import pytest

from hypervisor.abi.hypercalls import HYPERCALL_BASE, Hypercall
from hypervisor.abi.l4 import ANY, NIL, NOTIFICATION, Label
from hypervisor.abi.l4_door import ROOT, SIGNAL_PAGE, Call, Exchange, Index, pack_item, thread_of
from hypervisor.abi.memory import KERNEL_HYPERCALLS, KERNEL_WINDOW, PAGE, READ, WINDOW_BASE, WRITE
from hypervisor.abi.pv import DOMAIN_KERNEL, DOMAIN_USER, KERNEL_ACCESS, USER_ACCESS, USER_MODE, TableFormat, Trap
from hypervisor.abi.records import Exit, ExitKind
from hypervisor.abi.status import Status
from hypervisor.core.cell import CellState, VcpuState
from hypervisor.core.errors import Refused
from tests.support.l4_door import BASE, CODE, ENTRY, STACK, VIRTUAL, L4Lab, ServerCpu, pages_in
from tests.support.tables import TableMemory

LAYOUTS = list(TableFormat)
SVC, IRQ = Trap.SWI, Trap.IRQ
PAGE_OF_SERVER = VIRTUAL + 0x1_2000


@pytest.fixture(params=LAYOUTS, ids=lambda layout: layout.name.lower())
def lab(request: pytest.FixtureRequest):
    lab = L4Lab(request.param)
    yield lab
    lab.monitor.check_invariants()


@pytest.fixture
def server(lab: L4Lab) -> ServerCpu:
    return lab.server.boot()


def walk(lab: L4Lab, base: int, virtual: int):  # type: ignore[no-untyped-def]
    memory = TableMemory(BASE, len(lab.memory.own[0]))
    memory.bytes[:] = lab.memory.own[0]
    return memory.walk(base, virtual, TableFormat(lab.kernel.door._wiring.paravirtual[0]))


# ---- address spaces, as the CPU walks them


def test_the_server_finds_ram_window_and_hypercalls_where_a_kernel_expects_them(lab: L4Lab) -> None:
    state = lab.server.trap(Trap.START)
    assert (state.pc, state.access) == (ENTRY, KERNEL_ACCESS)
    places = {VIRTUAL: BASE, VIRTUAL + 0x5678: BASE + 0x5678, KERNEL_WINDOW + PAGE: WINDOW_BASE + PAGE}
    for virtual, physical in (places | {KERNEL_HYPERCALLS: HYPERCALL_BASE}).items():
        found = walk(lab, state.base, virtual)
        assert (found.address, found.writable, found.domain) == (physical, True, DOMAIN_KERNEL)


def test_the_server_cannot_reach_the_tables(lab: L4Lab) -> None:
    state = lab.server.trap(Trap.START)
    reserved = lab.kernel.reserved(lab.server.cell)
    assert reserved >= 8 * 0x4000
    assert state.base >= BASE + (1 << 20) - reserved
    for at in range((1 << 20) - reserved, 1 << 20, PAGE):
        assert walk(lab, state.base, VIRTUAL + at) is None


def test_a_task_has_nothing_of_the_kernel(lab: L4Lab, server: ServerCpu) -> None:
    task = server.new_task()
    state = server.run(task, items=[pack_item(CODE, PAGE_OF_SERVER, READ)])
    assert (state.pc, state.access) == (CODE, USER_ACCESS)
    for virtual in (VIRTUAL, ENTRY, KERNEL_WINDOW, KERNEL_HYPERCALLS, 0xFC00_0000, 0):
        assert walk(lab, state.base, virtual) is None
    found = walk(lab, state.base, CODE)
    assert (found.address, found.writable, found.domain) == (BASE + 0x1_2000, False, DOMAIN_USER)


# ---- system calls and faults


def test_a_system_call_is_a_message_with_all_registers_and_so_is_its_reply(lab: L4Lab, server: ServerCpu) -> None:
    task = server.new_task()
    server.run(task)
    lab.steps()
    registers = (1, 2, 3, 4, 5, 6, 7, 20, 9, 10, 11, 12, 13, STACK, 15, CODE + 4, USER_MODE | 0x6000_0000)
    state = server.trap(SVC, 0, *registers)
    assert state.r0 == thread_of(task, Index.MAIN)
    assert state.access == KERNEL_ACCESS
    assert server.message() == (Label.EXCEPTION, (SVC, 0, 0, 0, *registers))
    assert lab.steps() == ["exception", "ipc", "ipc_word", "space_switch"]
    server.put(Label.EXCEPTION, (42, *registers[1:]))
    state = server.ipc(thread_of(task, Index.MAIN), ANY)
    assert state.registers == (42, *registers[1:])
    assert lab.steps() == ["hypercall", "exception", "ipc", "ipc_word", "space_switch"]


@pytest.mark.parametrize("trap", [Trap.UNDEFINED, Trap.PREFETCH_ABORT, Trap.DATA_ABORT])
def test_a_fault_says_where_and_why(server: ServerCpu, trap: int) -> None:
    task = server.new_task()
    server.run(task)
    server.trap(trap, far=0x1234, fsr=7)
    label, words = server.message()
    assert (label, words[:4], words[4 + 15]) == (Label.EXCEPTION, (trap, 0, 0x1234, 7), CODE)


def test_what_is_the_signal_threads_a_main_thread_cannot_reach(lab: L4Lab, server: ServerCpu) -> None:
    task = server.new_task(signal=True)
    assert server.map(task, (SIGNAL_PAGE, PAGE_OF_SERVER, READ)) == 1
    signal = server.run(task)
    found = walk(lab, signal.base, SIGNAL_PAGE)
    assert (found.domain, found.writable) == (DOMAIN_KERNEL, False)
    assert signal.access == KERNEL_ACCESS
    assert server.signal_waits().access == USER_ACCESS, "the main thread has the same tables, and not the domain"


def test_the_reply_to_a_fault_brings_the_page(lab: L4Lab, server: ServerCpu) -> None:
    task = server.new_task()
    server.run(task)
    server.trap(Trap.PREFETCH_ABORT, far=CODE)
    lab.steps()
    state = server.run(task, items=[pack_item(CODE, PAGE_OF_SERVER, READ), pack_item(STACK, VIRTUAL, READ | WRITE)])
    assert walk(lab, state.base, STACK).writable
    assert "map" in lab.steps()
    assert pages_in(server, task) == {CODE: (BASE + 0x1_2000, False), STACK: (BASE, True)}


def test_a_process_runs_on_after_an_interrupt_that_is_none_of_its_servers(server: ServerCpu) -> None:
    task = server.new_task()
    server.run(task)
    before = server.state
    assert server.ipc is not None
    server.own._rung = False
    state = server.trap(IRQ)
    assert state.r0 == NIL, "the server's open wait ends: something happened"
    assert state.access == KERNEL_ACCESS
    assert server.world.tasks[task].threads[Index.MAIN].registers == before.registers


# ---- pages


def test_pages_come_and_go(lab: L4Lab, server: ServerCpu) -> None:
    task = server.new_task()
    pages = [(CODE + n * PAGE, VIRTUAL + n * PAGE, READ | WRITE) for n in range(3)]
    assert server.map(task, *pages) == 3
    assert server.call(Call.UNMAP, task, CODE, 1, READ | WRITE) == 1
    assert server.call(Call.UNMAP, task, CODE, 3, WRITE) == 2
    assert pages_in(server, task) == {CODE + PAGE: (BASE + PAGE, False), CODE + 2 * PAGE: (BASE + 2 * PAGE, False)}
    assert server.call(Call.UNMAP, task, 0, 1024, READ) == 2
    assert pages_in(server, task) == {}


def test_what_was_taken_away_is_flushed(server: ServerCpu) -> None:
    task = server.new_task()
    server.map(task, (CODE, VIRTUAL, READ | WRITE))
    assert not server.state.flush
    server.map(task, (CODE, VIRTUAL, READ))
    assert server.state.flush


def test_a_task_that_ends_gives_its_tables_back(server: ServerCpu) -> None:
    free = server.world._pool.free
    tasks = [server.new_task() for _ in range(3)]
    for task in tasks:
        server.map(task, (CODE, VIRTUAL, READ))
    assert [server.call(Call.TASK_DELETE, task) for task in tasks] == [0, 0, 0]
    assert server.world._pool.free == free


# ---- signals and time


def test_the_server_forces_a_running_process_in_through_its_signal_thread(lab: L4Lab, server: ServerCpu) -> None:
    task = server.new_task(signal=True)
    main, signal = thread_of(task, Index.MAIN), thread_of(task, Index.SIGNAL)
    assert server.run(task).pc == SIGNAL_PAGE, "it runs before the main thread, until it waits"
    assert server.signal_waits().pc == CODE
    assert server.trap(IRQ, 0, 99).r0 == NIL
    server.put(Label.USER)
    lab.steps()
    state = server.ipc(signal, signal)
    assert state.registers[:2] == (ROOT, Label.USER)
    assert state.base == server.world.tasks[task].space.base
    assert server.call(Call.EXCHANGE, main, 0, 0, Exchange.FORCE) == 0
    state = server.trap(SVC, Call.IPC, ROOT, ROOT)
    assert state.r0 == signal
    state = server.ipc(NIL, main)
    assert state.r0 == main
    assert server.message()[1][:5] == (IRQ, 0, 0, 0, 99)
    assert lab.steps() == [
        *("hypercall", "ipc", "space_switch"),
        *("hypercall", "exchange", "exception"),
        *("hypercall", "ipc", "space_switch"),
        *("hypercall", "ipc", "ipc_word"),
    ]


def test_to_force_one_that_has_come_to_an_exception_by_itself_changes_nothing(server: ServerCpu) -> None:
    task = server.new_task(signal=True)
    main, signal = thread_of(task, Index.MAIN), thread_of(task, Index.SIGNAL)
    server.run(task)
    server.signal_waits()
    server.trap(IRQ)
    server.put(Label.USER)
    server.ipc(signal, signal)
    server.world.enter_phase(server.world.tasks[task].threads[Index.MAIN], "send")
    server.world.tasks[task].threads[Index.MAIN].message = bytes(84)
    assert server.call(Call.EXCHANGE, main, 0, 0, Exchange.FORCE) == 0
    assert server.world.tasks[task].threads[Index.MAIN].message == bytes(84)


def test_a_process_runs_until_the_server_wants_the_cpu_back(lab: L4Lab, server: ServerCpu) -> None:
    task = server.new_task()
    assert server.run(task, until=5000).pc == CODE
    assert lab.monitor.alarms.next_time() == 5000
    lab.monitor.rounds._fire_timers(5000)
    server.hear()
    assert server.state.r0 == Status.EMPTY
    assert not lab.monitor.alarms


def test_an_exception_in_time_takes_the_alarm_away(lab: L4Lab, server: ServerCpu) -> None:
    server.run(server.new_task(), until=5000)
    server.trap(SVC, 0)
    assert not lab.monitor.alarms


def test_a_time_that_is_past_ends_the_wait_at_once(lab: L4Lab, server: ServerCpu) -> None:
    task = server.new_task()
    lab.monitor.now = 9000
    assert server.run(task, until=8000).r0 == Status.EMPTY
    assert server.world.tasks[task].threads[Index.MAIN].phase == "ready"


def test_nobody_runs_and_the_vcpu_sleeps_until_its_time(lab: L4Lab, server: ServerCpu) -> None:
    assert server.ipc(NIL, ANY, 7000) is None
    assert (server.cell.vcpu.state, server.cell.vcpu.wake) == (VcpuState.BLOCKED, 7000)
    lab.monitor.now = server.cell.vcpu.time = 7000
    assert server.cell.vcpu.pending.expire() == 0
    server.hear()
    assert server.state.r0 == Status.EMPTY


def test_a_notification_ends_the_sleep_as_a_message(lab: L4Lab, server: ServerCpu) -> None:
    assert server.ipc(NIL, ANY) is None
    other = lab.monitor.cells[1]
    lab.monitor.calls[Hypercall.NOTIFY](lab.monitor, other, Exit(0, ExitKind.HYPERCALL, 0, 0, 0, 34, 2, 4))
    lab.settle()
    assert server.cell.vcpu.pending is None
    server.hear()
    assert server.state.r0 == NOTIFICATION
    assert server.message() == (Label.NOTIFICATION, (2, 4, 0)), "slot and bits"


def test_what_happened_while_the_server_ran_ends_its_next_wait(server: ServerCpu) -> None:
    task = server.new_task()
    before = server.state
    assert server.trap(IRQ).registers == before.registers, "the server is never interrupted"
    assert server.run(task).r0 == NIL
    assert server.ipc(NIL, ANY).pc == CODE, "and one wait only"


def test_characters_typed_at_it_ring_the_server(lab: L4Lab, server: ServerCpu) -> None:
    server.cell.typed += b"ab"
    lab.monitor.ring(server.cell, 0, 1)
    server.hear()
    record = Exit(0, ExitKind.HYPERCALL, 0, 0, 0, Hypercall.CONSOLE_READ, 1)
    assert lab.monitor.calls[Hypercall.CONSOLE_READ](lab.monitor, server.cell, record) == 1
    assert bytes(server.cell.typed) == b"b"


# ---- fast switching


def test_sixteen_tasks_on_a_cpu_with_fifteen_domains_flush_the_cache() -> None:
    lab = L4Lab(TableFormat.LEGACY, fass=15, ram=8 << 20)
    server = lab.server.boot()
    tasks = [server.new_task() for _ in range(15)]
    for task in tasks[:14]:
        server.run(task)
        server.trap(SVC)
    assert lab.steps().count("cache_flush") == 0
    server.run(tasks[14])
    assert {"cache_flush", "tlb_flush"} <= set(lab.steps())
    lab.monitor.check_invariants()


# ---- lives


def test_a_server_that_crashes_ends_alone(lab: L4Lab, server: ServerCpu) -> None:
    assert server.trap(Trap.DATA_ABORT, far=4) is None
    assert "the server: data_abort" in server.cell.why
    assert lab.monitor.cells[1].state is not CellState.FAILED


def test_a_server_that_is_started_again_begins_with_nothing() -> None:
    lab = L4Lab(on_crash="restart")
    server = lab.server.boot()
    server.run(server.new_task(), until=9000)
    lab.restart()
    assert server.own.world is None
    assert not lab.monitor.alarms
    server.boot()
    assert set(server.world.tasks) == {1}
    lab.monitor.check_invariants()


def test_a_cell_without_such_a_kernel_has_no_door(lab: L4Lab) -> None:
    with pytest.raises(Refused):
        lab.kernel.exception(lab.monitor.cells[1], Exit(0, ExitKind.EXCEPTION, 0, 0, 0))
