"""What a paravirtual domain finds at its first instruction: its memory at a virtual base; and the timer and console that it asks
for, and the way back from a call in which it slept."""

from __future__ import annotations

import pytest

from hypervisor.abi.memory import PAGE
from hypervisor.abi.pv import SECTION, VMM_BASE, PvCall, TableFormat, Trap
from hypervisor.abi.xen import (
    BIND_VIRQ,
    EVTCHN_PENDING,
    SINGLESHOT,
    SINGLESHOT_FUTURE,
    Call,
    ConsoleOp,
    Errno,
    EvtchnOp,
    Param,
    SchedOp,
    VcpuOp,
    Virq,
)
from hypervisor.core import events as on
from hypervisor.core.cell import CellState
from tests.support.pv import PvLab
from tests.support.xen import BASE, FREE, PAGES, SHARED_INFO

KERNEL = 0xC000_0000
SIZE = PAGES * PAGE


@pytest.mark.parametrize("layout", TableFormat)
def test_all_memory_lies_at_the_virtual_base_for_the_kernel_alone(layout: TableFormat) -> None:
    lab = PvLab(layout, virtual_bases={1: KERNEL})
    assert lab.kernel.trap(Trap.START) is not None
    tables = lab.own.tables
    kept = lab.xen.reserved(lab.kernel.cell)
    for page in range(BASE, BASE + SIZE, PAGE):
        found = tables.walk(page - BASE + KERNEL)
        assert found is not None
        assert (found.address, found.writable, found.user) == (page, page < BASE + SIZE - kept, False)
    assert tables.walk(BASE) is None
    assert tables.walk(KERNEL + SIZE) is None
    lab.monitor.check_invariants()


def test_what_is_reserved_is_what_the_builder_fills() -> None:
    for bases in ({}, {1: KERNEL}, {1: KERNEL + 5 * PAGE}):
        lab = PvLab(virtual_bases=bases)
        lab.kernel.trap(Trap.START)
        first = min(lab.own.tables.table_pages())
        assert lab.xen.reserved(lab.kernel.cell) == BASE + SIZE - first
        assert lab.xen.reserved(lab["dom0"].cell) == 0, "a guest with a machine of its own"


def test_a_base_that_crosses_a_mebibyte_needs_a_table_more() -> None:
    lab = PvLab(virtual_bases={1: KERNEL + SECTION - PAGE})
    lab.kernel.trap(Trap.START)
    for page in (0, 1, PAGES - 1):
        found = lab.own.tables.walk(KERNEL + SECTION - PAGE + page * PAGE)
        assert found is not None
        assert found.address == BASE + page * PAGE


def test_a_base_in_the_monitors_part_ends_the_kernel_alone() -> None:
    lab = PvLab(virtual_bases={1: VMM_BASE})
    assert lab.kernel.trap(Trap.START) is None
    assert "is the monitor's" in lab.kernel.cell.why
    assert lab["other"].cell.state is CellState.RUNNING


def test_calls_find_their_structures_by_virtual_address() -> None:
    lab = PvLab(virtual_bases={1: KERNEL})
    kernel = lab.kernel
    kernel.trap(Trap.START)
    kernel.guest.poke(BASE + 9 * PAGE, BIND_VIRQ.pack(Virq.TIMER, 0, 0))
    pointer = KERNEL + 9 * PAGE
    assert kernel.hypercall(PvCall.XEN, EvtchnOp.BIND_VIRQ, pointer, r12=32) == 0
    port = BIND_VIRQ.unpack(kernel.guest.peek(BASE + 9 * PAGE, BIND_VIRQ.size))[2]
    assert port in lab.xen.domains.of(kernel.cell).ports
    assert kernel.hypercall(PvCall.XEN, EvtchnOp.BIND_VIRQ, BASE + 9 * PAGE, r12=32) == -Errno.EFAULT


# ---- the timer


@pytest.fixture
def lab():
    lab = PvLab()
    lab.kernel.guest.set_up_events()
    lab.kernel.boot()
    yield lab
    lab.monitor.check_invariants()


def set_timer(lab: PvLab, time: int, flags: int = 0) -> int:
    guest = lab.kernel.guest
    guest.poke(guest.page(FREE), SINGLESHOT.pack(time, flags))
    return guest.status(Call.VCPU, VcpuOp.SET_SINGLESHOT_TIMER, 0, guest.page(FREE))


def bound(lab: PvLab) -> int:
    return lab.kernel.guest.call(Call.EVENT_CHANNEL, EvtchnOp.BIND_VIRQ, BIND_VIRQ, Virq.TIMER, 0, 0)[2]


def fire(lab: PvLab, time: int) -> None:
    for alarm in lab.monitor.alarms.pop_due(time):
        alarm.what()


def pending(lab: PvLab, port: int) -> bool:
    return bool(lab.kernel.guest.word(EVTCHN_PENDING) >> port & 1)


def test_the_timer_is_an_event_at_its_time_and_once(lab: PvLab) -> None:
    port = bound(lab)
    assert set_timer(lab, 5000) == 0
    assert lab.monitor.alarms.next_time() == 5000
    fire(lab, 4999)
    assert not pending(lab, port)
    fire(lab, 5000)
    assert pending(lab, port)
    assert len(lab.monitor.alarms) == 0


def test_a_later_timer_takes_the_place_of_an_earlier_one_and_can_be_stopped(lab: PvLab) -> None:
    port = bound(lab)
    for time in (5000, 9000, 7000):
        assert set_timer(lab, time) == 0
    assert [due.time for due in lab.monitor.alarms.pending()] == [7000]
    assert lab.kernel.guest.status(Call.VCPU, VcpuOp.STOP_SINGLESHOT_TIMER) == 0
    fire(lab, 1 << 60)
    assert not pending(lab, port)


def test_a_timer_of_the_end_of_time_is_none_and_a_past_one_is_refused_if_that_is_wanted(lab: PvLab) -> None:
    assert set_timer(lab, (1 << 64) - 1) == 0
    assert len(lab.monitor.alarms) == 0
    lab.monitor.handle(on.StopSet(1 << 40), 1000)
    assert set_timer(lab, 10, SINGLESHOT_FUTURE) == -Errno.ETIME
    assert set_timer(lab, 10) == 0
    assert lab.monitor.alarms.next_time() == 10, "due at once"


def test_a_timer_dies_with_its_domain(lab: PvLab) -> None:
    bound(lab)
    set_timer(lab, 5000)
    lab.die("kernel")
    assert len(lab.monitor.alarms) == 0


def test_a_timer_that_nobody_has_bound_is_lost(lab: PvLab) -> None:
    set_timer(lab, 5000)
    before = lab.kernel.guest.word(EVTCHN_PENDING)
    fire(lab, 5000)
    assert lab.kernel.guest.word(EVTCHN_PENDING) == before


# ---- the console, and sleep


def test_what_is_typed_is_an_event_of_the_consoles_port_and_is_read_in_pieces(lab: PvLab) -> None:
    guest = lab.kernel.guest
    lab.settle(lab.monitor.handle(on.Typed(guest.cell.index, b"hello\n"), 10))
    assert pending(lab, lab.xen.domains.of(guest.cell).params[Param.CONSOLE_EVTCHN])
    taken = []
    while (count := guest.status(Call.CONSOLE_IO, ConsoleOp.READ, 4, guest.page(FREE))) > 0:
        taken.append(guest.peek(guest.page(FREE), count))
    assert taken == [b"hell", b"o\n"]


def test_who_slept_in_a_call_is_back_at_its_next_exception(lab: PvLab) -> None:
    kernel, count = lab.kernel, lab.monitor.ledger.counted
    guest = kernel.guest
    guest.poke(guest.page(SHARED_INFO), b"\0")
    before = {name: count("kernel", name) for name in ("t10", "t01")}
    assert kernel.trap(Trap.SWI, PvCall.XEN, SchedOp.BLOCK, r12=29) is None, "it sleeps"
    assert count("kernel", "t10") - before["t10"] == count("kernel", "t01") - before["t01"] + 1
    bound(lab)
    lab.xen.channels.raise_virq(lab.xen.domains.of(guest.cell), Virq.TIMER)
    assert guest.cell.vcpu.pending is None, "the event ends the call"
    kernel.hypercall(PvCall.MASK, 1)
    assert count("kernel", "t10") - before["t10"] == count("kernel", "t01") - before["t01"]
