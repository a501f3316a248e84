"""The microvisor's door with a scripted CPU: one hypercall per system call, misses that nobody hears of, interrupts that wait."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hypervisor.abi.memory import KERNEL_HYPERCALLS, KERNEL_WINDOW, PAGE, WINDOW_BASE
from hypervisor.abi.okl4_door import NO_ALARM, DoorCall, Why
from hypervisor.abi.pv import TableFormat, Trap
from hypervisor.abi.records import EventKind
from hypervisor.abi.status import Status
from hypervisor.core.okl4.door import RESERVED
from hypervisor.core.okl4.vmmu import SPACES
from hypervisor.core.wiring import SharedParams
from tests.support.okl4_door import (
    BAD_ALIGNMENT,
    BASE,
    ENTRY,
    FAULT,
    FORBIDDEN,
    FRAME,
    RAM,
    READ,
    REGISTERS,
    RO,
    ROOT,
    RW,
    SHUT,
    TABLE,
    UNKNOWN,
    VIRTUAL,
    WRITE,
    DoorLab,
    Kernel,
)

EXECUTE = 4
CORE = tuple(range(100, 117))
SECOND = ROOT + 0x4000
CODE = 0x8000


@pytest.fixture
def lab() -> Iterator[DoorLab]:
    lab = DoorLab()
    yield lab
    lab.monitor.check_invariants()


@pytest.fixture
def kernel(lab: DoorLab) -> Kernel:
    return lab.kernel.boot()


# ---- the kernel's half


@pytest.mark.parametrize("layout", TableFormat)
def test_the_kernel_begins_where_it_was_loaded_with_its_half_and_nothing_else(layout: TableFormat) -> None:
    kernel = DoorLab(layout).kernel.boot()
    assert kernel.state.in_kernel and kernel.state.core[15] == ENTRY
    for virtual, physical in (
        (VIRTUAL, BASE),
        (VIRTUAL + RAM - RESERVED - 4, BASE + RAM - RESERVED - 4),
        (KERNEL_WINDOW, WINDOW_BASE),
        (KERNEL_HYPERCALLS, 0x3F00_0000),
    ):
        found = kernel.see(virtual)
        assert found is not None and found.address == physical and found.writable
    for virtual in (0, CODE, VIRTUAL + RAM - RESERVED, VIRTUAL + RAM, KERNEL_HYPERCALLS + PAGE, BASE):
        assert kernel.see(virtual) is None


def test_what_is_reserved_is_what_the_cell_is_told(lab: DoorLab) -> None:
    assert lab.monitor.mechanism.reserved(lab.cell) == RESERVED
    assert lab.monitor.mechanism.reserved(lab.other) == 0


def test_a_process_does_not_reach_the_kernels_half_though_it_is_in_its_tables(kernel: Kernel) -> None:
    assert kernel.run() == 0
    assert kernel.see(VIRTUAL) is None and kernel.see(KERNEL_HYPERCALLS) is None
    assert kernel.touch(VIRTUAL, fsr=SHUT) == (FAULT, VIRTUAL, READ)
    assert kernel.see(VIRTUAL) is not None


def test_the_kernel_does_not_reach_its_process_by_its_addresses(kernel: Kernel) -> None:
    kernel.map(ROOT, CODE, FRAME, RW)
    kernel.run()
    assert kernel.touch(CODE) == "miss"
    assert kernel.see(CODE) is not None
    kernel.trap(Trap.SWI)
    assert kernel.see(CODE) is None


# ---- RUN, and back


def test_a_process_gets_its_registers_and_the_kernel_its_own_behind_the_call(kernel: Kernel) -> None:
    kernel.state = kernel.state._replace(core=(*range(15), ENTRY + 64, 0x10))
    assert kernel.run(ROOT, *CORE) == 0
    assert kernel.state.core[:16] == CORE[:16] and kernel.state.core[16] & 0x1F == 0x10
    kernel.trap(Trap.SWI, 0, 7, 8, 9)
    assert kernel.state.core[:3] == (Why.SYSTEM_CALL, 0, 0)
    assert kernel.state.core[3:] == (*range(3, 15), ENTRY + 64, 0x10)
    assert kernel.registers()[:4] == (7, 8, 9, 103)


def test_a_system_call_is_one_hypercall_and_one_exception(lab: DoorLab, kernel: Kernel) -> None:
    kernel.run()
    kernel.trap(Trap.SWI, 0)
    before = {name: lab.counted(name) for name in ("hypercall", "exception", "space_switch")}
    kernel.run()
    kernel.trap(Trap.SWI, 0)
    assert {name: lab.counted(name) - before[name] for name in before} == {
        "hypercall": 1,
        "exception": 1,
        "space_switch": 0,
    }


@pytest.mark.parametrize("immediate", [0, *DoorCall, 0x900000])
def test_whatever_a_process_calls_is_a_call_of_its_kernel(kernel: Kernel, immediate: int) -> None:
    kernel.run()
    kernel.trap(Trap.SWI, immediate, REGISTERS, ROOT)
    assert kernel.told() == (Why.SYSTEM_CALL, 0, 0)


@pytest.mark.parametrize(
    ("trap", "fsr", "told"),
    [
        (Trap.UNDEFINED, 0, (Why.UNDEFINED, 0, 0)),
        (Trap.IRQ, 0, (Why.INTERRUPT, 0, 0)),
        (Trap.PREFETCH_ABORT, 0x7, (FAULT, 0x5000, EXECUTE)),
        (Trap.PREFETCH_ABORT, 0x2, (Why.UNDEFINED, 0, 0)),
        (Trap.DATA_ABORT, 0x7, (FAULT, 0x5000, READ)),
        (Trap.DATA_ABORT, 0x807, (FAULT, 0x5000, WRITE)),
        (Trap.DATA_ABORT, 0x1, (Why.ALIGNMENT, 0x5000, READ)),
    ],
)
def test_the_kernel_is_told_what_it_was(kernel: Kernel, trap: Trap, fsr: int, told: tuple[int, int, int]) -> None:
    kernel.run()
    kernel.trap(trap, far=0x5000, fsr=fsr)
    assert kernel.told() == told


@pytest.mark.parametrize(("fsr", "access"), [(0x7, UNKNOWN), (0xF, WRITE), (0x807, WRITE)])
def test_an_older_cpu_does_not_tell_loads_from_stores_but_what_was_not_permitted_was_one(fsr: int, access: int) -> None:
    kernel = DoorLab(TableFormat.LEGACY).kernel.boot()
    kernel.run()
    kernel.trap(Trap.DATA_ABORT, far=0x5000, fsr=fsr)
    assert kernel.told() == (FAULT, 0x5000, access)


# ---- the virtual MMU


def test_a_page_in_the_guests_own_table_is_found_without_the_kernel(lab: DoorLab, kernel: Kernel) -> None:
    kernel.map(ROOT, CODE, FRAME, RW)
    kernel.run(ROOT, *CORE)
    assert kernel.touch(CODE + 0x123) == "miss"
    assert kernel.state.core[:16] == CORE[:16]
    assert kernel.touch(CODE + 0x456, store=True) == "hit"
    (miss,) = lab.kinds("vtlb")
    assert miss.fields["address"] == CODE


def test_a_page_that_may_not_be_written_goes_to_the_kernel(kernel: Kernel) -> None:
    kernel.map(ROOT, CODE, FRAME, RO)
    kernel.run()
    assert kernel.touch(CODE) == "miss"
    assert kernel.touch(CODE, store=True) == (FAULT, CODE, WRITE)


def test_more_rights_are_found_without_a_flush(lab: DoorLab, kernel: Kernel) -> None:
    kernel.map(ROOT, CODE, FRAME, RO)
    kernel.run()
    kernel.touch(CODE, store=True)
    kernel.map(ROOT, CODE, FRAME + PAGE, RW)  # copied on write
    kernel.run()
    assert kernel.touch(CODE, store=True) == "miss"
    assert kernel.state.flush == 1, "the real TLB knows the old page"
    found = kernel.see(CODE)
    assert found is not None and (found.address, found.writable) == (FRAME + PAGE, True)


def test_what_is_taken_away_stays_in_the_vtlb_until_the_flush(kernel: Kernel) -> None:
    kernel.map(ROOT, CODE, FRAME, RW)
    kernel.run()
    kernel.touch(CODE)
    kernel.trap(Trap.SWI)
    kernel.map(ROOT, CODE, FRAME, 0)
    kernel.run()
    assert kernel.touch(CODE) == "hit"
    kernel.trap(Trap.SWI)
    assert kernel.call(DoorCall.FLUSH_PAGE, ROOT, CODE + 8) == 0
    assert kernel.state.flush == 1
    kernel.run()
    assert kernel.touch(CODE) == (FAULT, CODE, READ)


def test_a_space_is_flushed_as_a_whole(lab: DoorLab, kernel: Kernel) -> None:
    for n in range(3):
        kernel.map(ROOT, CODE + n * PAGE, FRAME + n * PAGE, RW)
    kernel.run()
    for n in range(3):
        kernel.touch(CODE + n * PAGE)
    kernel.trap(Trap.SWI)
    assert kernel.call(DoorCall.FLUSH_SPACE, ROOT) == 0
    assert len(lab.mmu) == 0 and kernel.state.flush == 1
    assert kernel.call(DoorCall.FLUSH_SPACE, ROOT) == 0, "of nothing"
    kernel.run()
    assert kernel.touch(CODE) == "miss"


def test_a_fault_that_no_mapping_would_help_is_the_kernels(kernel: Kernel) -> None:
    kernel.map(ROOT, CODE, FRAME, RW)
    kernel.run()
    assert kernel.touch(CODE) == "miss"
    kernel.trap(Trap.DATA_ABORT, far=CODE, fsr=FORBIDDEN)
    assert kernel.told()[0] is FAULT
    kernel.run()
    kernel.trap(Trap.DATA_ABORT, far=CODE + 1, fsr=BAD_ALIGNMENT)
    assert kernel.told() == (Why.ALIGNMENT, CODE + 1, READ)


def test_two_spaces_have_their_own_pages_at_one_address(lab: DoorLab, kernel: Kernel) -> None:
    for n, root in enumerate((ROOT, SECOND)):
        kernel.map(root, CODE, FRAME + n * PAGE, RW, TABLE + n * 0x400)
    seen = []
    for root in (ROOT, SECOND, ROOT, SECOND):
        kernel.run(root)
        seen.append((kernel.touch(CODE), kernel.see(CODE).address))  # type: ignore[union-attr]
        kernel.trap(Trap.SWI)
    assert seen == [("miss", FRAME), ("miss", FRAME + PAGE), ("hit", FRAME), ("hit", FRAME + PAGE)]
    assert lab.counted("space_switch") == 4


def test_the_oldest_entry_makes_room_and_is_found_again() -> None:
    lab = DoorLab(vtlb=4)
    kernel = lab.kernel.boot()
    for n in range(5):
        kernel.map(ROOT, CODE + n * PAGE, FRAME + n * PAGE, RW)
    kernel.run()
    assert [kernel.touch(CODE + n * PAGE) for n in range(5)] == ["miss"] * 5
    assert kernel.state.flush == 1
    assert kernel.touch(CODE + PAGE) == "hit" and kernel.touch(CODE) == "miss"
    assert [record.fields["address"] for record in lab.kinds("unmap")] == [CODE, CODE + PAGE]
    lab.monitor.check_invariants()


def test_a_virtual_tlb_holds_at_least_what_one_instruction_needs() -> None:
    kernel = DoorLab(vtlb=1).kernel.boot()
    for n in range(4):
        kernel.map(ROOT, CODE + n * PAGE, FRAME + n * PAGE, RW)
    kernel.run()
    assert [kernel.touch(CODE + n * PAGE) for n in range(4)] == ["miss"] * 4
    assert [kernel.touch(CODE + n * PAGE) for n in range(4)] == ["hit"] * 4


def test_when_its_tables_are_used_up_entries_make_room_too() -> None:
    lab = DoorLab(vtlb=0, ram=2 << 20)
    kernel = lab.kernel.boot()
    for n in range(1024):
        kernel.map(ROOT, n << 20, FRAME, RW)
    kernel.run()
    for n in range(1024):
        assert kernel.touch(n << 20) == "miss"
    assert lab.kinds("unmap")
    lab.monitor.check_invariants()


def test_more_spaces_than_are_kept_recycle_the_one_that_ran_longest_ago(lab: DoorLab, kernel: Kernel) -> None:
    roots = [BASE + 0x1_0000 + n * 0x3000 for n in range(SPACES + 1)]
    for n, root in enumerate(roots):
        kernel.map(root, CODE, FRAME + n * PAGE, RW, BASE + 0x5_0000 + n * 0x400)

    def turn(root: int) -> str:
        kernel.run(root)
        found = kernel.touch(CODE)
        kernel.trap(Trap.SWI)
        assert isinstance(found, str)
        return found

    assert {turn(root) for root in roots[:-1]} == {"miss"}
    assert turn(roots[0]) == "hit"
    assert turn(roots[-1]) == "miss"
    assert turn(roots[0]) == "hit"
    assert turn(roots[1]) == "miss"
    lab.monitor.check_invariants()


def test_a_cpu_with_virtual_caches_flushes_them_when_a_tag_is_given_to_another() -> None:
    lab = DoorLab(TableFormat.LEGACY, fass=15)
    kernel = lab.kernel.boot()
    for n in range(16):
        kernel.run(BASE + 0x1_0000 + n * 0x3000)
        kernel.trap(Trap.SWI)
        assert lab.counted("cache_flush") == (n == 15)
    assert lab.counted("space_switch") == 16


def test_pages_of_the_window_can_be_mapped_as_far_as_they_are_there() -> None:
    lab = DoorLab(shared=[SharedParams("common", 2 * PAGE, {0: False, 1: True})])
    kernel = lab.kernel.boot()
    kernel.map(ROOT, CODE, WINDOW_BASE, RO)
    kernel.map(ROOT, CODE + PAGE, WINDOW_BASE + PAGE, RW)
    kernel.map(ROOT, CODE + 2 * PAGE, WINDOW_BASE + 2 * PAGE, RO)
    kernel.run()
    assert kernel.touch(CODE) == "miss"
    assert kernel.touch(CODE + PAGE) == (FAULT, CODE + PAGE, READ)
    kernel.run()
    assert kernel.touch(CODE + 2 * PAGE) == (FAULT, CODE + 2 * PAGE, READ)
    assert len(lab.kinds("refused")) == 2


# ---- interrupts and the alarm


def test_an_interrupt_ends_a_processs_turn(lab: DoorLab, kernel: Kernel) -> None:
    kernel.run(ROOT, *CORE)
    kernel.trap(Trap.IRQ)
    assert kernel.told()[0] is Why.INTERRUPT
    assert kernel.registers()[:16] == CORE[:16]
    assert lab.counted("virq") == 1 and lab.counted("exception") == 0


def test_an_interrupt_of_the_kernel_waits_for_its_next_run(kernel: Kernel) -> None:
    before = kernel.state.core
    kernel.trap(Trap.IRQ)
    assert kernel.state.in_kernel and kernel.state.core == before
    kernel.run(ROOT, *CORE)
    assert kernel.told()[0] is Why.INTERRUPT
    assert kernel.registers()[:16] == CORE[:16]
    assert kernel.run() == 0, "once"


def test_a_wait_ends_by_an_interrupt_which_is_told_once(lab: DoorLab, kernel: Kernel) -> None:
    assert kernel.trap(Trap.SWI, DoorCall.WAIT) is None
    assert lab.cell.vcpu.pending is not None
    lab.monitor.ring(lab.cell, 0, 1)
    assert lab.cell.vcpu.pending is None and lab.cell.vcpu.value == Status.OK
    kernel.trap(Trap.IRQ)  # the vCPU was rung, and says so where it goes on
    assert kernel.run() == 0
    assert lab.counted("virq") == 1


def test_a_wait_does_not_sleep_over_what_has_come_already(lab: DoorLab, kernel: Kernel) -> None:
    kernel.trap(Trap.IRQ)
    assert kernel.call(DoorCall.WAIT) == 0
    lab.monitor.ring(lab.cell, 0, 1)
    assert kernel.call(DoorCall.WAIT) == 0
    assert kernel.trap(Trap.IRQ) is not None and kernel.run() == 0


def test_a_wait_ends_when_the_vcpu_knows_that_something_comes(lab: DoorLab, kernel: Kernel) -> None:
    assert kernel.trap(Trap.SWI, DoorCall.WAIT, deadline=12_345) is None
    assert lab.cell.vcpu.wake == 12_345


def test_the_alarm_rings_at_its_time_and_the_last_one_counts(lab: DoorLab, kernel: Kernel) -> None:
    for time in (5_000, 7_000):
        assert kernel.call(DoorCall.ALARM, time, 0) == 0
    assert lab.monitor.alarms.next_time() == 7_000 and len(lab.monitor.alarms) == 1
    for due in lab.monitor.alarms.pop_due(7_000):
        due.what()
    assert [event.kind for event in lab.cell.vcpu.events] == [EventKind.NOTIFY]
    assert kernel.call(DoorCall.ALARM, 0, 1) == 0
    assert lab.monitor.alarms.next_time() == 1 << 32
    assert kernel.call(DoorCall.ALARM, NO_ALARM & 0xFFFF_FFFF, NO_ALARM >> 32) == 0
    assert len(lab.monitor.alarms) == 0


# ---- lives


def test_a_new_life_begins_with_an_empty_cpu_and_empty_tables() -> None:
    lab = DoorLab(on_crash="restart")
    kernel = lab.kernel.boot()
    kernel.map(ROOT, CODE, FRAME, RW)
    kernel.call(DoorCall.ALARM, 5_000, 0)
    kernel.run()
    kernel.touch(CODE)
    kernel = lab.restart()
    assert len(lab.monitor.alarms) == 0 and not lab.door.guests[0].started
    kernel.boot()
    assert kernel.state.in_kernel and len(lab.mmu) == 0
    kernel.run()
    assert kernel.touch(CODE) == (FAULT, CODE, READ)
    lab.monitor.check_invariants()


def test_a_cell_that_has_ended_holds_nothing(lab: DoorLab, kernel: Kernel) -> None:
    kernel.run()
    kernel.trap(Trap.SWI)
    kernel.trap(Trap.UNDEFINED)
    assert lab.cell.ended and not lab.door.guests
    assert "the kernel came to undefined" in lab.cell.why
