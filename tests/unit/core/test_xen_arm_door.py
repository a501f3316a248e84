"""The front door `arm`: virtual pointers are walked, every call answers as the real interface does, and the builder's part."""

from __future__ import annotations

import pytest

from hypervisor.abi.memory import PAGE
from hypervisor.abi.records import EventKind, Exit, ExitKind
from hypervisor.abi.status import Status
from hypervisor.abi.xen import (
    ADD_TO_PHYSMAP,
    ADD_TO_PHYSMAP_BATCH,
    ALLOC_UNBOUND,
    BIND_VIRQ,
    CONSOLE_IN,
    CONSOLE_IN_CONS,
    CONSOLE_IN_PROD,
    CONSOLE_OUT,
    CONSOLE_OUT_AT,
    CONSOLE_OUT_CONS,
    CONSOLE_OUT_PROD,
    DOMID_SELF,
    HVM_PARAM,
    PFN,
    POINTER,
    POLL,
    PORT,
    REGISTER_VCPU_INFO,
    REMOVE_FROM_PHYSMAP,
    RESERVATION,
    RUNSTATE,
    SET_VERSION,
    SETUP_TABLE,
    STATUS,
    Call,
    Errno,
    EvtchnOp,
    GrantOp,
    HvmOp,
    MapSpace,
    MemoryOp,
    Param,
    SchedOp,
    VcpuOp,
    VersionOp,
)
from hypervisor.abi.xen_arm import RESERVED, TRAP_HVC, UPCALL, layout
from hypervisor.core.effects import ShowOutput
from hypervisor.core.errors import Refused
from hypervisor.core.lives import ORDERS
from hypervisor.core.xen.store import Permission
from tests.support.arm_guest import (
    DATA,
    EVENTS,
    GRANTS,
    HVM,
    KERNEL_VA,
    LARGE_VA,
    LAST,
    MEMORY,
    MISSING,
    NO_ACCESS,
    READ_ONLY,
    SCHED,
    VCPU,
    VERSION,
    WRITABLE,
    ArmGuest,
    arm_lab,
)
from tests.support.xen import BASE, FREE, PAGES, XenLab


@pytest.fixture
def linux() -> ArmGuest:
    return arm_lab()[1]


# Pointers


@pytest.mark.parametrize("address", [WRITABLE, KERNEL_VA + DATA * PAGE])
def test_a_pointer_is_walked_by_section_and_by_small_page(linux, address):
    linux.put(ALLOC_UNBOUND.pack(DOMID_SELF, 0, 0))
    assert linux.hvc(EVENTS, EvtchnOp.ALLOC_UNBOUND, address) == 0
    assert linux.got(ALLOC_UNBOUND)[2] == 3


def test_a_pointer_is_walked_by_a_large_page(linux):
    linux.raw.poke(BASE + 0x8123, ALLOC_UNBOUND.pack(DOMID_SELF, 0, 0))
    assert linux.hvc(EVENTS, EvtchnOp.ALLOC_UNBOUND, LARGE_VA + 0x8123) == 0


def test_a_pointer_is_physical_while_the_mmu_is_off(linux):
    linux.sctlr = 0
    linux.put(ALLOC_UNBOUND.pack(DOMID_SELF, 0, 0))
    assert linux.hvc(EVENTS, EvtchnOp.ALLOC_UNBOUND, linux.raw.page(DATA)) == 0


def test_a_structure_may_lie_across_two_pages(linux):
    linux.put(ALLOC_UNBOUND.pack(DOMID_SELF, 0, 0)[:4], PAGE - 4)
    linux.put(bytes(4))
    assert linux.hvc(EVENTS, EvtchnOp.ALLOC_UNBOUND, WRITABLE + PAGE - 4) == -Errno.EFAULT, "the second is read-only"
    assert linux.hvc(EVENTS, EvtchnOp.SEND, WRITABLE + PAGE - 2) == -Errno.EINVAL, "it was read: there is no such port"


@pytest.mark.parametrize(
    "address",
    [READ_ONLY, NO_ACCESS, MISSING, LAST + PAGE - 4, KERNEL_VA + (1 << 20), 0, 0xFFFF_FFFC, KERNEL_VA + 0x8_0000],
)
def test_what_a_store_would_not_reach_is_refused_and_nothing_is_allocated(linux, address):
    linux.put(ALLOC_UNBOUND.pack(DOMID_SELF, 0, 0))
    before = dict(linux.raw.lab.xen.domains.of(linux.raw.cell).ports)
    assert linux.hvc(EVENTS, EvtchnOp.ALLOC_UNBOUND, address) == -Errno.EFAULT
    assert linux.raw.lab.xen.domains.of(linux.raw.cell).ports == before


def test_registers_that_make_no_sense_are_the_guests_own_trouble(linux):
    linux.put(ALLOC_UNBOUND.pack(DOMID_SELF, 0, 0))
    for change in ({"ttbr0": 0xFFFF_FFFF}, {"ttbcr": 1 << 31}, {"ttbcr": 1 << 4}, {"dacr": 0}, {"ttbr0": BASE - PAGE}):
        kept = dict(vars(linux))
        vars(linux).update(change)
        assert linux.hvc(EVENTS, EvtchnOp.ALLOC_UNBOUND, WRITABLE) == -Errno.EFAULT, change
        vars(linux).update(kept)
    linux.ttbcr, linux.ttbr0 = 2, 0
    assert linux.hvc(EVENTS, EvtchnOp.ALLOC_UNBOUND, WRITABLE) == 0, "the upper part is walked from TTBR1"


# Calls


@pytest.mark.parametrize("number", [0, 7, 13, 33, 35, 63, 0xFFFF_FFFF])
def test_a_hypercall_that_is_not_served_is_enosys(linux, number):
    assert linux.hvc(number, 0, WRITABLE) == -Errno.ENOSYS


@pytest.mark.parametrize(
    ("number", "operation"), [(EVENTS, 11), (EVENTS, 99), (MEMORY, 9), (GRANTS, 12), (VCPU, 0), (SCHED, 4)]
)
def test_an_operation_that_is_not_served_is_enosys(linux, number, operation):
    assert linux.hvc(number, operation, 0, WRITABLE) == -Errno.ENOSYS


def test_a_domain_without_the_door_and_a_cpu_that_says_nothing_are_broken_cells():
    lab, linux = arm_lab()
    record = Exit(0, ExitKind.EXCEPTION, 0, 0, 0, TRAP_HVC, data=bytes(44))
    for cell, text in ((lab["back"].cell, "without the door"), (linux.raw.cell, "not the registers")):
        with pytest.raises(Refused, match=text) as refused:
            lab.xen.exception(cell, record._replace(data=b"x" if cell is linux.raw.cell else record.data))
        assert refused.value.status in (Status.WRONG_STATE, Status.BAD_ARGUMENT)


def test_the_kernel_is_no_dom0_though_it_is_first():
    lab, linux = arm_lab()
    assert {name: guest.domid for name, guest in lab.guests.items()} == {"back": 0, "linux": 1, "witness": 2}
    assert linux.hvc(VERSION, VersionOp.VERSION) == 4 << 16 | 17
    assert linux.hvc(VERSION, VersionOp.GUEST_HANDLE, WRITABLE) == 0
    assert linux.raw.peek(linux.raw.page(DATA), 16) == bytes(15) + b"\1"
    alone = XenLab("linux", wiring={"hvc_kernels": {0: True}})
    assert alone["linux"].domid == 1
    assert alone.xen.domains.dom0 is None
    alone.die("linux")


def test_the_place_of_the_upcall_is_told_each_time_it_moves(linux):
    def told():
        events, linux.raw.cell.vcpu.events[:] = list(linux.raw.cell.vcpu.events), []
        return [UPCALL.unpack(event.payload)[0] for event in events if event.kind == EventKind.ANSWER]

    assert (
        linux.call(Call.MEMORY, 7, ADD_TO_PHYSMAP, DOMID_SELF, 0, MapSpace.SHARED_INFO, 0, linux.raw.frame(FREE)) == 0
    )
    assert told() == [linux.raw.page(FREE)]
    assert linux.hvc(EVENTS, EvtchnOp.UNMASK, linux.put(PORT.pack(1))) == 0
    assert told() == []
    place = linux.put(REGISTER_VCPU_INFO.pack(linux.raw.frame(FREE + 1), 64))
    assert linux.hvc(VCPU, VcpuOp.REGISTER_VCPU_INFO, 0, place) == 0
    assert told() == [linux.raw.page(FREE + 1) + 64]
    assert linux.raw.peek(linux.raw.page(FREE + 1) + 64, 1) == b"\1", "and everything is marked pending"


def test_pointers_inside_of_structures_are_virtual_too(linux):
    linux.put(PORT.pack(77), 512)
    assert linux.hvc(SCHED, SchedOp.POLL, linux.put(POLL.pack(WRITABLE + 512, 1, 0))) == -Errno.EINVAL
    assert linux.hvc(SCHED, SchedOp.POLL, linux.put(POLL.pack(MISSING, 1, 0))) == -Errno.EFAULT
    assert linux.hvc(SCHED, SchedOp.POLL, linux.put(POLL.pack(WRITABLE, 129, 0))) == -Errno.EINVAL
    assert (
        linux.hvc(GRANTS, GrantOp.SETUP_TABLE, linux.put(SETUP_TABLE.pack(DOMID_SELF, 1, 0, MISSING)), 1)
        == -Errno.EFAULT
    )
    assert linux.hvc(GRANTS, GrantOp.SETUP_TABLE, linux.put(SETUP_TABLE.pack(DOMID_SELF, 1, 0, WRITABLE + 512)), 1) == 0
    assert linux.got(POINTER, 512) == ((1 << 64) - 1,), "no frame has been placed"


def test_the_runstate_is_written_where_it_was_registered_and_again_after_a_while(linux):
    lab = linux.raw.lab
    place = PAGE - 16  # across the end of a page: the next one is another view of the same one
    linux.raw.poke(linux.raw.page(20) + 4, (linux.raw.page(DATA) | 0b01 << 4 | 0b10).to_bytes(4, "little"))
    linux.put(POINTER.pack(WRITABLE + place), 512)
    assert linux.hvc(VCPU, VcpuOp.REGISTER_RUNSTATE, 0, WRITABLE + 512) == 0
    lab.monitor.now = linux.raw.cell.vcpu.time = 7_000_000
    linux.raw.cell.account.ran = 5_000_000
    linux.hvc(VERSION, VersionOp.VERSION)
    raw = linux.raw.peek(linux.raw.page(DATA) + place, 16) + linux.raw.peek(linux.raw.page(DATA), RUNSTATE.size - 16)
    assert RUNSTATE.unpack(raw) == (0, 7_000_000, 5_000_000, 0, 2_000_000, 0)
    assert linux.hvc(VCPU, VcpuOp.REGISTER_RUNSTATE, 0, linux.put(POINTER.pack(MISSING), 512)) == -Errno.EFAULT


@pytest.mark.parametrize(
    ("number", "words", "structure", "error"),
    [
        (EVENTS, (EvtchnOp.ALLOC_UNBOUND,), ALLOC_UNBOUND.pack(0, 1, 0), Errno.EPERM),
        (EVENTS, (EvtchnOp.ALLOC_UNBOUND,), ALLOC_UNBOUND.pack(DOMID_SELF, 9, 0), Errno.ESRCH),
        (EVENTS, (EvtchnOp.BIND_INTERDOMAIN,), bytes([0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]), Errno.EINVAL),
        (EVENTS, (EvtchnOp.BIND_VIRQ,), BIND_VIRQ.pack(24, 0, 0), Errno.EINVAL),
        (EVENTS, (EvtchnOp.BIND_VIRQ,), BIND_VIRQ.pack(2, 0, 0), Errno.EPERM),
        (EVENTS, (EvtchnOp.BIND_VIRQ,), BIND_VIRQ.pack(0, 1, 0), Errno.ENOENT),
        (EVENTS, (EvtchnOp.CLOSE,), PORT.pack(0), Errno.EINVAL),
        (EVENTS, (EvtchnOp.CLOSE,), PORT.pack(1023), Errno.EINVAL),
        (EVENTS, (EvtchnOp.SEND,), PORT.pack(0xFFFF_FFFF), Errno.EINVAL),
        (EVENTS, (EvtchnOp.UNMASK,), PORT.pack(7), Errno.EINVAL),
        (EVENTS, (EvtchnOp.STATUS,), STATUS.pack(DOMID_SELF, 4096, 0, 0, 0, 0), Errno.EINVAL),
        (EVENTS, (EvtchnOp.STATUS,), STATUS.pack(0, 1, 0, 0, 0, 0), Errno.EPERM),
        (EVENTS, (EvtchnOp.RESET,), b"\0\0", Errno.EPERM),
        (MEMORY, (MemoryOp.ADD_TO_PHYSMAP,), ADD_TO_PHYSMAP.pack(0, 0, 0, 0, BASE // PAGE), Errno.EPERM),
        (MEMORY, (MemoryOp.ADD_TO_PHYSMAP,), ADD_TO_PHYSMAP.pack(DOMID_SELF, 0, 0, 0, 0), Errno.EFAULT),
        (MEMORY, (MemoryOp.ADD_TO_PHYSMAP,), ADD_TO_PHYSMAP.pack(DOMID_SELF, 0, 0, 0, 0xC0000), Errno.EINVAL),
        (MEMORY, (MemoryOp.ADD_TO_PHYSMAP,), ADD_TO_PHYSMAP.pack(DOMID_SELF, 0, 0, 0, 1 << 60), Errno.EINVAL),
        (MEMORY, (MemoryOp.ADD_TO_PHYSMAP,), ADD_TO_PHYSMAP.pack(DOMID_SELF, 0, 1, 16, BASE // PAGE), Errno.EINVAL),
        (MEMORY, (MemoryOp.ADD_TO_PHYSMAP,), ADD_TO_PHYSMAP.pack(DOMID_SELF, 0, 4, 0, BASE // PAGE), Errno.EPERM),
        (MEMORY, (MemoryOp.ADD_TO_PHYSMAP,), ADD_TO_PHYSMAP.pack(DOMID_SELF, 0, 0, 1, BASE // PAGE), Errno.ENOSYS),
        (MEMORY, (MemoryOp.POPULATE_PHYSMAP,), RESERVATION.pack(WRITABLE, 1, 10, 0, DOMID_SELF), Errno.EPERM),
        (MEMORY, (MemoryOp.POPULATE_PHYSMAP,), RESERVATION.pack(WRITABLE, 1, 0, 0, 0), Errno.EPERM),
        (MEMORY, (MemoryOp.DECREASE_RESERVATION,), RESERVATION.pack(WRITABLE, 1 << 40, 0, 0, DOMID_SELF), Errno.EINVAL),
        (MEMORY, (MemoryOp.DECREASE_RESERVATION,), RESERVATION.pack(MISSING, 1, 0, 0, DOMID_SELF), Errno.EFAULT),
        (MEMORY, (MemoryOp.REMOVE_FROM_PHYSMAP,), REMOVE_FROM_PHYSMAP.pack(DOMID_SELF, 0xC0000), Errno.EINVAL),
        (HVM, (HvmOp.GET_PARAM,), HVM_PARAM.pack(0, 1, 0), Errno.EPERM),
        (HVM, (HvmOp.GET_PARAM,), HVM_PARAM.pack(DOMID_SELF, 99, 0), Errno.EINVAL),
        (HVM, (HvmOp.SET_PARAM,), HVM_PARAM.pack(DOMID_SELF, Param.STORE_PFN, BASE // PAGE), Errno.EEXIST),
        (HVM, (HvmOp.SET_PARAM,), HVM_PARAM.pack(DOMID_SELF, Param.STORE_EVTCHN, 9), Errno.EINVAL),
        (VCPU, (VcpuOp.REGISTER_VCPU_INFO, 0), REGISTER_VCPU_INFO.pack(BASE // PAGE, 0), Errno.EINVAL),
        (VCPU, (VcpuOp.IS_UP, 1), b"", Errno.ENOENT),
        (SCHED, (SchedOp.SHUTDOWN,), b"\x09\0\0\0", Errno.EINVAL),
        (SCHED, (SchedOp.SHUTDOWN,), b"\x02\0\0\0", Errno.EINVAL),
        (GRANTS, (GrantOp.SET_VERSION,), SET_VERSION.pack(2), Errno.ENOSYS),
        (GRANTS, (GrantOp.SET_VERSION,), SET_VERSION.pack(3), Errno.EINVAL),
    ],
)
def test_a_wrong_argument_is_an_error_and_changes_nothing(linux, number, words, structure, error):
    lab, domain = linux.raw.lab, linux.raw.lab.xen.domains.of(linux.raw.cell)
    before = (
        dict(domain.ports),
        dict(domain.params),
        dict(domain.grant_frames),
        domain.shared_info,
        set(domain.given_up),
    )
    memory = linux.raw.peek(BASE, FREE * PAGE)
    at = linux.put(structure)
    assert linux.hvc(number, *words, at) == -error
    after = (
        dict(domain.ports),
        dict(domain.params),
        dict(domain.grant_frames),
        domain.shared_info,
        set(domain.given_up),
    )
    assert after == before
    assert linux.raw.peek(BASE, FREE * PAGE) == memory
    lab.monitor.check_invariants()


def test_arrays_of_grants_are_bounded(linux):
    assert linux.hvc(GRANTS, GrantOp.MAP, WRITABLE, 513) == -Errno.E2BIG
    assert linux.hvc(GRANTS, GrantOp.COPY, WRITABLE, 0xFFFF_FFFF) == -Errno.E2BIG


def test_several_pages_appear_at_once_each_with_its_error(linux):
    for number in range(3):
        linux.put(PFN.pack(number if number < 2 else 99), 512 + 8 * number)
        linux.put(PFN.pack(linux.raw.frame(FREE + number)), 1024 + 8 * number)
    batch = (DOMID_SELF, MapSpace.GRANT_TABLE, 3, 0, WRITABLE + 512, WRITABLE + 1024, WRITABLE + 2048)
    assert linux.hvc(MEMORY, MemoryOp.ADD_TO_PHYSMAP_BATCH, linux.put(ADD_TO_PHYSMAP_BATCH.pack(*batch))) == 0
    assert linux.raw.peek(linux.raw.page(DATA) + 2048, 12) == bytes(8) + (-Errno.EINVAL).to_bytes(
        4, "little", signed=True
    )


# The builder's part


def test_the_builder_leaves_the_end_of_memory_to_rings_and_says_so_in_the_parameters():
    lab, linux = arm_lab()
    made = layout(BASE, PAGES * PAGE)
    assert lab.xen.reserved(linux.raw.cell) == RESERVED == BASE + PAGES * PAGE - made.memory_end
    for param, place in ((Param.CONSOLE_PFN, made.console), (Param.STORE_PFN, made.store)):
        assert linux.call(Call.HVM, HvmOp.GET_PARAM, HVM_PARAM, DOMID_SELF, param, 0) == 0
        assert linux.got(HVM_PARAM)[2] == place // PAGE
    assert lab.xen.reserved(lab["back"].cell) == 0


def test_the_toolstack_writes_what_drivers_of_an_unmodified_kernel_look_for():
    lab, _linux = arm_lab()
    read = lab.xen.store.read
    assert read(1, "/local/domain/1/device/vbd/51712/virtual-device") == b"51712"
    assert read(1, "/local/domain/1/device/vbd/51712/backend") == b"/local/domain/0/backend/vbd/1/51712"
    assert read(1, "/local/domain/1/device/vif/0/mac") == b"00:16:3e:00:01:00"
    assert read(1, "/local/domain/0/backend/vbd/1/51712/dev") == b"xvda"
    assert read(1, "/local/domain/1/control/shutdown") == b""
    lab.xen.store.write(1, "/local/domain/1/control/feature-poweroff", b"1")
    assert lab.xen.store.permissions(0, "/local/domain/1/control/feature-poweroff") == (Permission(1, 0),)
    told = {link["device"]: link["node"] for link in lab.xen.boot_info(lab["back"].cell)["links"]}
    assert told == {"vbd": "/local/domain/0/backend/vbd/1/51712", "vif": "/local/domain/0/backend/vif/1/0"}


def console(_linux: ArmGuest) -> int:
    return layout(BASE, PAGES * PAGE).console


def rung(linux: ArmGuest) -> list[bytes]:
    """Ring at the console's port; what was shown."""
    lab = linux.raw.lab
    lab.settle()
    port = lab.xen.domains.of(linux.raw.cell).params[Param.CONSOLE_EVTCHN]
    linux.raw.poke(linux.raw.page(DATA), PORT.pack(port))
    emitted: list[bytes] = []
    emit = lab.monitor.emit
    lab.monitor.emit = lambda effect: emitted.append(effect.data) if isinstance(effect, ShowOutput) else emit(effect)
    try:
        assert linux.hvc(EVENTS, EvtchnOp.SEND, WRITABLE) == 0
    finally:
        del lab.monitor.emit
    return emitted


def test_the_console_is_a_ring_that_wraps_around(linux):
    raw, page = linux.raw, console(linux)
    text = b"0123456789" * 180
    for start in (0, 1800):
        for number, byte in enumerate(text):
            raw.lab.memory.store(raw.cell, page + CONSOLE_OUT_AT + (start + number) % CONSOLE_OUT, bytes([byte]))
        raw.poke(page + CONSOLE_OUT_PROD, (start + 1800).to_bytes(4, "little"))
        assert rung(linux) == [text]
        assert int.from_bytes(raw.peek(page + CONSOLE_OUT_CONS, 4), "little") == start + 1800
    assert rung(linux) == []


@pytest.mark.parametrize("index", [CONSOLE_OUT + 1, 0x8000_0000, 0xFFFF_FFFF])
def test_an_index_that_cannot_be_shows_nothing(linux, index):
    linux.raw.poke(console(linux) + CONSOLE_OUT_PROD, index.to_bytes(4, "little"))
    assert rung(linux) == []


def test_what_was_typed_waits_until_the_ring_has_room(linux):
    raw, page, xen = linux.raw, console(linux), linux.raw.lab.xen
    assert xen.takes_typed(raw.cell)
    raw.cell.typed += bytes(range(256)) * 5
    xen.typed(raw.cell)
    assert int.from_bytes(raw.peek(page + CONSOLE_IN_PROD, 4), "little") == CONSOLE_IN
    assert len(raw.cell.typed) == 256
    raw.poke(page + CONSOLE_IN_CONS, (100).to_bytes(4, "little"))
    rung(linux)
    assert len(raw.cell.typed) == 156
    assert raw.peek(page, 100) == bytes(range(100))
    raw.poke(page + CONSOLE_IN_CONS, (5000).to_bytes(4, "little"))
    rung(linux)
    assert len(raw.cell.typed) == 156, "an index that cannot be takes nothing"


# What the operator asks


def test_a_kernel_is_asked_to_end_by_the_node_that_it_watches_once_it_has_said_that_it_understands():
    lab, linux = arm_lab()
    store = lab.xen.store
    ORDERS["shutdown"](lab.monitor, linux.raw.cell)
    assert store.read(0, "/local/domain/1/control/shutdown") == b""
    assert "has not said" in str(lab.kinds("asked")[-1].fields["cause"])
    for verb, word in (("shutdown", b"poweroff"), ("reboot", b"reboot")):
        store.write(1, f"/local/domain/1/control/feature-{word.decode()}", b"1")
        ORDERS[verb](lab.monitor, linux.raw.cell)
        assert store.read(0, "/local/domain/1/control/shutdown") == word
    ORDERS["reboot"](lab.monitor, lab["witness"].cell)
    assert lab["witness"].cell.state == "running"
