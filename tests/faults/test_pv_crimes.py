"""Crimes of a paravirtual kernel: each is refused by name or ends the kernel alone, and no page table changes by it."""

from __future__ import annotations

import pytest

from hypervisor.abi.memory import WINDOW_BASE
from hypervisor.abi.pv import BATCH_LIMIT, KERNEL_MODE, STATE, TRAP, USER_MODE, VMM_BASE, MmuOp, Pte, PvCall, Trap
from hypervisor.abi.xen import ADD_TO_PHYSMAP, DOMID_SELF, Call, Errno, Gtf, MapSpace, MemoryOp
from hypervisor.core.cell import CellState
from tests.support.pv import (
    BATCH,
    E2BIG,
    EBUSY,
    EFAULT,
    EINVAL,
    ENOSYS,
    EPERM,
    L1,
    RO,
    RW,
    STACK,
    USER_CODE,
    PvKernel,
    PvLab,
)
from tests.support.xen import ARGUMENTS, BASE, GRANT_FRAME, PAGES, SHARED_INFO

REF = 8


@pytest.fixture
def lab():
    lab = PvLab()
    yield lab
    lab.monitor.check_invariants()
    assert lab["other"].cell.state is not CellState.FAILED


@pytest.fixture
def kernel(lab: PvLab) -> PvKernel:
    return lab.kernel.boot()


@pytest.mark.parametrize("mode", sorted({*range(0x20)} - {USER_MODE, KERNEL_MODE}))
def test_a_privileged_psr_is_not_to_be_had(kernel: PvKernel, mode: int) -> None:
    assert kernel.go(USER_CODE, mode=mode) == EPERM
    assert kernel.state.psr == USER_MODE


@pytest.mark.parametrize("mode", [USER_MODE, KERNEL_MODE])
def test_the_cpu_stays_in_user_mode_with_interrupts_open_whatever_is_returned_to(kernel: PvKernel, mode: int) -> None:
    assert kernel.go(USER_CODE, mode=mode, psr=0xFFFF_FFFF & ~0x1F) == 0
    assert kernel.state.psr & 0x1F == USER_MODE
    assert not kernel.state.psr & 0x1C0, "A, I, F"
    assert not kernel.state.psr & 0x0100_0000, "J"


def test_a_page_table_is_never_mapped_writable(kernel: PvKernel) -> None:
    for page in (L1, L1 + 0x3000, L1 - 0x1000):
        assert kernel.update((kernel.l2_slot(page), page | RW)) == EBUSY
    assert kernel.update((kernel.l2_slot(BASE), L1 | RW | Pte.USER)) == EBUSY


def test_a_page_that_is_mapped_writable_becomes_no_table(kernel: PvKernel) -> None:
    assert kernel.hypercall(PvCall.MMU, MmuOp.PIN_L2, kernel.guest.page(20)) == EBUSY
    page = kernel.empty(20)
    kernel.guest.poke(page, (BASE | 0x30 | 2).to_bytes(4, "little"))
    assert kernel.hypercall(PvCall.MMU, MmuOp.PIN_L2, page) == EINVAL, "with content of the guest's own"


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(0, id="null"),
        pytest.param(BASE - 0x1000, id="before-its-memory"),
        pytest.param(BASE + PAGES * 0x1000, id="behind-its-memory"),
        pytest.param(WINDOW_BASE, id="window-with-nothing-in-it"),
        pytest.param(0x3F00_0000, id="the-hypercall-page"),
        pytest.param(0xFFFF_F000, id="the-last-page"),
    ],
)
@pytest.mark.parametrize("rights", [RO, RW])
def test_a_foreign_frame_is_not_reached(kernel: PvKernel, frame: int, rights: int) -> None:
    before = kernel.guest.peek(L1 - 0x1000, 0x1000)
    assert kernel.update((kernel.l2_slot(BASE), frame | rights)) == EPERM
    assert kernel.update((L1, frame | Pte.PRESENT)) == EPERM
    assert kernel.guest.peek(L1 - 0x1000, 0x1000) == before


def test_a_page_granted_read_only_is_not_mapped_writable(lab: PvLab, kernel: PvKernel) -> None:
    other = lab["other"]
    other.set_up_grants()
    other.grant(REF, Gtf.PERMIT_ACCESS | Gtf.READONLY, kernel.guest.domid, other.frame(9))
    status, handle, address = kernel.guest.map(other.domid, REF, flags=2 | 4)
    assert (status, address & 0xFFF) == (0, 0)
    assert kernel.update((kernel.l2_slot(BASE), address | RW)) == EPERM
    assert kernel.update((kernel.l2_slot(BASE), address | RO)) == 1
    assert kernel.hypercall(PvCall.MMU, MmuOp.PIN_L2, address) == EPERM
    assert handle


@pytest.mark.parametrize("slot", [VMM_BASE >> 20, 4095])
def test_the_monitors_part_of_the_address_space_takes_no_entry(kernel: PvKernel, slot: int) -> None:
    assert kernel.update((L1 + 4 * slot, (L1 - 0x1000) | Pte.PRESENT | Pte.USER)) == EPERM


def test_an_unaligned_batch_is_refused(kernel: PvKernel) -> None:
    for offset in (1, 2, 3):
        assert kernel.update((kernel.l2_slot(BASE), 0), at=BATCH + offset) == EINVAL


def test_an_unaligned_entry_is_refused(kernel: PvKernel) -> None:
    for offset in (1, 2, 3):
        assert kernel.update((kernel.l2_slot(BASE) + offset, 0)) == ENOSYS


@pytest.mark.parametrize("count", [BATCH_LIMIT + 1, 1 << 16, 0xFFFF_FFFF])
def test_a_huge_batch_is_refused_before_anything_is_read(kernel: PvKernel, count: int) -> None:
    assert kernel.hypercall(PvCall.MMU_UPDATE, BATCH, count) == E2BIG


@pytest.mark.parametrize("address", [0, BASE + PAGES * 0x1000, VMM_BASE, 0xFFFF_FFFC, BASE + PAGES * 0x1000 - 4])
def test_a_batch_that_is_not_there_is_refused(kernel: PvKernel, address: int) -> None:
    assert kernel.hypercall(PvCall.MMU_UPDATE, address, 1) == EFAULT


def test_a_bad_update_ends_its_batch_and_what_was_done_before_stays(kernel: PvKernel) -> None:
    page = kernel.guest.page(30)
    assert kernel.update((kernel.l2_slot(page), 0), (kernel.l2_slot(BASE), L1 | RW), (kernel.l2_slot(BASE), 0)) == EBUSY
    assert kernel.state.r1 == 1
    assert kernel.lab.own.tables.walk(page) is None
    assert kernel.lab.own.tables.walk(BASE) is not None


def test_updates_go_to_page_tables_only(kernel: PvKernel) -> None:
    for at in (BASE, BATCH, 0, WINDOW_BASE, 0xFFFF_FFFC):
        assert kernel.update((at, 0)) == EINVAL


def test_the_hypervisor_is_no_tool_to_write_a_page_table(lab: PvLab, kernel: PvKernel) -> None:
    table = L1 - 0x1000
    before = kernel.guest.peek(table, 0x1000)
    place = (DOMID_SELF, 0, MapSpace.SHARED_INFO, 0, table // 0x1000)
    assert kernel.guest.attempt(Call.MEMORY, MemoryOp.ADD_TO_PHYSMAP, ADD_TO_PHYSMAP, *place) == -Errno.EFAULT
    assert kernel.guest.status(Call.VCPU, 4, 0, table) == -Errno.EFAULT, "get_runstate_info"
    assert kernel.guest.status(Call.VCPU, 4, 0, table - 8) == -Errno.EFAULT, "across its beginning"
    assert kernel.guest.peek(table, 0x1000) == before


def test_a_page_table_is_granted_to_nobody(lab: PvLab, kernel: PvKernel) -> None:
    kernel.guest.set_up_grants()
    kernel.guest.grant(REF, Gtf.PERMIT_ACCESS, lab["other"].domid, (L1 - 0x1000) // 0x1000)
    assert lab["other"].map(kernel.guest.domid, REF)[0] < 0
    assert (ARGUMENTS, GRANT_FRAME, SHARED_INFO) == (0, 2, 1)


def test_a_page_that_others_have_mapped_becomes_no_table(lab: PvLab, kernel: PvKernel) -> None:
    page = kernel.empty(20)
    kernel.guest.set_up_grants()
    kernel.guest.grant(REF, Gtf.PERMIT_ACCESS, lab["other"].domid, kernel.guest.frame(20))
    assert lab["other"].map(kernel.guest.domid, REF)[0] == 0
    assert kernel.hypercall(PvCall.MMU, MmuOp.PIN_L2, page) == EBUSY


@pytest.mark.parametrize("address", [L1, BASE + 1, 0, WINDOW_BASE])
def test_only_a_first_level_table_is_a_base(kernel: PvKernel, address: int) -> None:
    assert kernel.hypercall(PvCall.MMU, MmuOp.NEW_BASE, address) == (0 if address == L1 else EINVAL)


def test_unknown_calls_and_operations_are_refused(kernel: PvKernel) -> None:
    assert kernel.hypercall(99) < 0
    assert kernel.hypercall(PvCall.MMU, 99) == ENOSYS
    assert kernel.hypercall(PvCall.FAULT, 9) == EINVAL
    assert kernel.hypercall(PvCall.XEN, r12=99) == ENOSYS
    assert kernel.hypercall(PvCall.BASIC, r12=16) == ENOSYS
    assert kernel.hypercall(PvCall.TRAP_TABLE, 3) == EINVAL
    assert kernel.hypercall(PvCall.TRAP_TABLE, 0xFFFF_FFFC) == EINVAL, "the monitor's part"


@pytest.mark.parametrize("stack", [0, STACK + 2, L1 + 0x100, 0xFFFF_FFF0])
def test_a_kernel_without_a_stack_ends_at_its_next_exception_alone(lab: PvLab, kernel: PvKernel, stack: int) -> None:
    before = kernel.guest.peek(L1, 0x1000)
    kernel.state = kernel.state._replace(sp=stack)
    assert kernel.trap(Trap.UNDEFINED) is None
    assert kernel.cell.why.startswith("guest fault: UNDEFINED")
    assert kernel.guest.peek(L1, 0x1000) in (before, bytes(0x1000))


def test_an_exception_before_there_are_vectors_ends_the_kernel(lab: PvLab) -> None:
    lab.kernel.trap(Trap.START)
    assert lab.kernel.trap(Trap.DATA_ABORT) is None
    assert "before the kernel has registered its vectors" in lab.kernel.cell.why


@pytest.mark.parametrize("data", [b"", b"x", bytes(TRAP.size + 1), TRAP.pack(99, *[0] * 20), bytes(STATE.size)])
def test_a_cpu_that_talks_nonsense_is_ended(lab: PvLab, kernel: PvKernel, data: bytes) -> None:
    assert kernel.exit(data) is None
    assert kernel.cell.why.startswith("protocol: ")


def test_a_cpu_is_started_once(lab: PvLab, kernel: PvKernel) -> None:
    assert kernel.trap(Trap.START) is None
    assert "started twice" in kernel.cell.why


def test_a_cell_that_is_not_paravirtual_has_no_such_door(lab: PvLab) -> None:
    ordinary = PvKernel(lab, lab["dom0"])
    assert ordinary.trap(Trap.START) is None
    assert "not paravirtual" in ordinary.cell.why
