"""The door of paravirtual kernels: logical modes, what is banked, upcalls, returns, virtual interrupts."""

from __future__ import annotations

import pytest

from hypervisor.abi.hypercalls import Hypercall
from hypervisor.abi.pv import (
    FRAME,
    KERNEL_ACCESS,
    KERNEL_MODE,
    PSR_THUMB,
    USER_ACCESS,
    USER_MODE,
    FaultRegister,
    MmuOp,
    Pte,
    PvCall,
    TableFormat,
    Trap,
)
from hypervisor.abi.xen import ALLOC_UNBOUND, DOMID_SELF, PORT, UPCALL_PENDING, Call, EvtchnOp, SchedOp
from tests.support.pv import (
    BATCH,
    ENTRY,
    KERNEL_PSR,
    L1,
    RO,
    RW,
    STACK,
    USER_CODE,
    VECTORS,
    PvKernel,
    PvLab,
)
from tests.support.xen import BASE, PAGES, SHARED_INFO

TRANSITIONS = ("t10", "t20", "t01", "t02", "upcall")


@pytest.fixture
def lab():
    lab = PvLab()
    yield lab
    lab.monitor.check_invariants()


@pytest.fixture
def kernel(lab: PvLab) -> PvKernel:
    return lab.kernel.boot()


def transitions(lab: PvLab) -> list[str]:
    lab.settle()
    names = [record.kind for record in lab.traced if record.kind in TRANSITIONS]
    lab.traced.clear()
    return names


def test_a_kernel_starts_in_its_own_address_space_and_knows_its_table(lab: PvLab) -> None:
    state = lab.kernel.trap(Trap.START)
    assert state is not None
    assert (state.pc, state.psr, state.r0, state.base, state.access) == (ENTRY, USER_MODE, L1, L1, KERNEL_ACCESS)
    for page in range(PAGES):
        found = lab.own.tables.walk(BASE + page * 4096)
        assert found == (BASE + page * 4096, page < PAGES - 5, False)


def test_the_tables_are_what_the_cpu_reads(lab: PvLab) -> None:
    kernel = lab.kernel.boot()
    slot, entry = (int.from_bytes(kernel.guest.peek(at, 4), "little") for at in (L1 + BASE // 2**20 * 4, L1 - 4096))
    assert (slot, entry) == ((L1 - 4096) | 1 << 5 | 1, BASE | 0x30 | 0xC | 2)
    table = int.from_bytes(kernel.guest.peek(kernel.l2_slot(L1), 4), "little")
    assert table == L1 | 0x20 | 0xC | 2


def test_older_cpus_have_their_own_descriptors() -> None:
    kernel = PvLab(TableFormat.LEGACY).kernel.boot()
    slot, entry = (int.from_bytes(kernel.guest.peek(at, 4), "little") for at in (L1 + BASE // 2**20 * 4, L1 - 4096))
    assert (slot, entry) == ((L1 - 4096) | 1 << 5 | 0x11, BASE | 0xFF0 | 0xC | 2)


def test_a_hypercall_is_t10_and_t01(lab: PvLab, kernel: PvKernel) -> None:
    transitions(lab)
    assert kernel.hypercall(PvCall.MASK, 1) == 1
    assert transitions(lab) == ["t10", "t01"]


def test_a_system_call_goes_to_the_kernel_and_back_in_four_transitions(lab: PvLab, kernel: PvKernel) -> None:
    assert kernel.go(USER_CODE, sp=0x2000, psr=0x6000_0000) == 0
    assert (kernel.state.psr, kernel.state.access, kernel.state.sp) == (0x6000_0010, USER_ACCESS, 0x2000)
    transitions(lab)
    state = kernel.trap(Trap.SWI, 77)
    assert state is not None
    assert (state.pc, state.psr, state.sp, state.access) == (VECTORS + 8, USER_MODE, STACK - FRAME.size, KERNEL_ACCESS)
    assert kernel.frame() == (0x6000_0000 | USER_MODE, USER_CODE, 0x2000, 0)
    assert (lab.own.cpu.vspsr, lab.own.cpu.vsp) == (0x6000_0010, 0x2000)
    back = kernel.trap(Trap.SWI, PvCall.RETURN)
    assert back is not None
    assert (back.pc, back.psr, back.sp, back.access) == (USER_CODE, 0x6000_0010, 0x2000, USER_ACCESS)
    assert transitions(lab) == ["t20", "upcall", "t01", "t10", "t02"]


def test_thumb_state_survives_the_way_through_the_kernel(kernel: PvKernel) -> None:
    kernel.go(USER_CODE, psr=PSR_THUMB)
    assert kernel.state.psr == USER_MODE | PSR_THUMB
    kernel.trap(Trap.SWI, 0)
    assert kernel.state.psr == USER_MODE
    assert kernel.frame()[0] == USER_MODE | PSR_THUMB


def test_an_abort_fills_the_virtual_fault_registers(kernel: PvKernel) -> None:
    kernel.go(USER_CODE)
    kernel.trap(Trap.DATA_ABORT, far=0x1234_5678, fsr=0x807)
    assert kernel.state.pc == VECTORS + 4 * Trap.DATA_ABORT
    assert kernel.hypercall(PvCall.FAULT, FaultRegister.VFAR) == 0x1234_5678
    assert kernel.hypercall(PvCall.FAULT, FaultRegister.VFSR) == 0x807


def test_an_exception_inside_the_kernel_uses_its_own_stack(kernel: PvKernel) -> None:
    kernel.state = kernel.state._replace(sp=STACK - 64)
    kernel.trap(Trap.UNDEFINED)
    assert (kernel.state.pc, kernel.state.sp) == (VECTORS + 4, STACK - 64 - FRAME.size)
    assert kernel.frame()[0] == KERNEL_PSR
    kernel.trap(Trap.SWI, PvCall.RETURN)
    assert kernel.state.sp == STACK - 64
    assert kernel.state.access == KERNEL_ACCESS


def test_a_user_process_never_reaches_a_hypercall(kernel: PvKernel) -> None:
    kernel.go(USER_CODE)
    for number in PvCall:
        kernel.trap(Trap.SWI, number)
        assert kernel.state.pc == VECTORS + 8
        kernel.trap(Trap.SWI, PvCall.RETURN)


def test_basic_calls_are_served_with_their_data(lab: PvLab, kernel: PvKernel) -> None:
    kernel.guest.poke(BATCH, b"depth")
    assert kernel.trap(Trap.SWI, PvCall.BASIC, 0, 9, 0, BATCH, 5, r12=Hypercall.REPORT) is not None
    assert lab.guests["kernel"].cell.account.metrics["depth"][0] == 9


def test_real_hypercalls_take_virtual_pointers(lab: PvLab, kernel: PvKernel) -> None:
    l2 = kernel.empty(20)
    assert kernel.hypercall(PvCall.MMU, MmuOp.PIN_L2, l2) == 0
    assert kernel.update((l2, BATCH | RW), (L1 + 4 * 0x500, l2 | Pte.PRESENT)) == 2
    kernel.guest.poke(BATCH, ALLOC_UNBOUND.pack(DOMID_SELF, 0, 0))
    assert kernel.hypercall(PvCall.XEN, EvtchnOp.ALLOC_UNBOUND, 0x5000_0000, r12=Call.EVENT_CHANNEL - 0x100) == 0
    assert ALLOC_UNBOUND.unpack(kernel.guest.peek(BATCH, ALLOC_UNBOUND.size))[2] > 0


def ring_ipi(kernel: PvKernel) -> None:
    """An event, through a port of the domain to itself."""
    kernel.guest.poke(BATCH, (0).to_bytes(4, "little") + bytes(4))
    assert kernel.hypercall(PvCall.XEN, EvtchnOp.BIND_IPI, BATCH, r12=32) == 0
    port = int.from_bytes(kernel.guest.peek(BATCH + 4, 4), "little")
    kernel.guest.poke(BATCH, PORT.pack(port))
    assert kernel.trap(Trap.SWI, PvCall.XEN, EvtchnOp.SEND, BATCH, r12=32) is not None


def test_a_virtual_interrupt_waits_until_it_is_let_in(lab: PvLab, kernel: PvKernel) -> None:
    kernel.guest.set_up_events()
    pc = kernel.state.pc
    ring_ipi(kernel)
    assert kernel.state.pc == pc, "interrupts are masked since the start"
    transitions(lab)
    kernel.trap(Trap.SWI, PvCall.MASK, 0)
    assert kernel.state.pc == VECTORS + 4 * Trap.IRQ
    assert kernel.frame()[:2] == (KERNEL_MODE, pc)
    assert transitions(lab) == ["t10", "upcall", "t01"]
    kernel.guest.poke(kernel.guest.page(SHARED_INFO) + UPCALL_PENDING, b"\0")
    kernel.trap(Trap.SWI, PvCall.RETURN)
    assert kernel.state.pc == pc


def test_an_interrupt_of_a_user_process_is_an_upcall_too(lab: PvLab, kernel: PvKernel) -> None:
    kernel.guest.set_up_events()
    kernel.go(USER_CODE)
    lab.xen.channels.serve(lab.xen.domains.of(kernel.cell), lambda: None)
    port = max(lab.xen.domains.of(kernel.cell).ports)
    lab.xen.channels.pend(lab.xen.domains.of(kernel.cell), port)
    transitions(lab)
    kernel.trap(Trap.IRQ)
    assert kernel.state.pc == VECTORS + 4 * Trap.IRQ
    assert transitions(lab) == ["t20", "upcall", "t01"]


def test_an_interrupt_that_is_gone_again_changes_nothing(kernel: PvKernel) -> None:
    kernel.go(USER_CODE)
    before = kernel.state
    kernel.trap(Trap.IRQ)
    assert kernel.state[:4] == before[:4]


def test_a_kernel_that_waits_gets_no_state_and_wakes_with_its_value(kernel: PvKernel) -> None:
    assert kernel.trap(Trap.SWI, PvCall.XEN, SchedOp.BLOCK, r12=29) is None
    assert kernel.cell.vcpu.pending is not None


def test_a_kernel_has_as_many_address_spaces_as_it_likes(lab: PvLab, kernel: PvKernel) -> None:
    pages = [kernel.guest.page(24 + n) for n in range(4)]
    for page in pages:
        assert kernel.update((kernel.l2_slot(page), 0)) == 1
    assert pages[0] % 0x4000 == 0
    assert kernel.hypercall(PvCall.MMU, MmuOp.PIN_L1, pages[0]) == 0
    assert kernel.update((pages[0] + BASE // 2**20 * 4, (L1 - 4096) | Pte.PRESENT)) == 1
    assert kernel.hypercall(PvCall.MMU, MmuOp.NEW_BASE, pages[0]) == 0
    assert (kernel.state.base, kernel.state.flush) == (pages[0], 1)
    assert kernel.hypercall(PvCall.MMU, MmuOp.NEW_BASE, L1) == 0
    assert kernel.hypercall(PvCall.MMU, MmuOp.UNPIN, pages[0]) == 0
    assert not lab.own.tables.is_table(pages[0])
    assert not any(kernel.guest.peek(pages[0], 4096))
    assert kernel.update((kernel.l2_slot(pages[0]), pages[0] | RW)) == 1


def test_what_was_taken_away_is_flushed_and_what_is_new_is_not(kernel: PvKernel) -> None:
    page = kernel.guest.page(30)
    assert kernel.update((kernel.l2_slot(page), 0)) == 1
    assert kernel.state.flush == 1
    assert kernel.update((kernel.l2_slot(page), page | RO)) == 1
    assert kernel.state.flush == 0
    assert kernel.hypercall(PvCall.MMU, MmuOp.FLUSH_TLB) == 0
    assert kernel.state.flush == 1


def test_a_domain_that_is_started_again_begins_with_nothing() -> None:
    lab = PvLab(on_crash="restart")
    lab.kernel.boot()
    lab.restart("kernel")
    assert lab.own.tables.frames == {}
    assert lab.own.cpu.vectors is None
    lab.kernel.boot()
