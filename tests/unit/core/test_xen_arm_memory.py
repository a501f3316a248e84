"""Memory of an unmodified Xen guest: pages given up, granted, copied into, and foreign ones where its own have been."""

from __future__ import annotations

import pytest

from hypervisor.abi.memory import PAGE
from hypervisor.abi.records import Event, EventKind
from hypervisor.abi.time import NEVER
from hypervisor.abi.xen import (
    ADD_TO_PHYSMAP,
    ALLOC_UNBOUND,
    COPY,
    DOMID_SELF,
    EVTCHN_PENDING,
    GRANT_ENTRY,
    PFN,
    REMOVE_FROM_PHYSMAP,
    RESERVATION,
    STATUS,
    Call,
    CopyFlag,
    Errno,
    EvtchnOp,
    GrantOp,
    GrantStatus,
    Gtf,
    MapSpace,
    MemoryOp,
    Param,
    PortState,
)
from hypervisor.abi.xen_arm import layout
from hypervisor.core.wiring import ChannelParams
from tests.support.arm_guest import (
    EVENTS,
    MEMORY,
    WRITABLE,
    ArmGuest,
    arm_lab,
)
from tests.support.xen import BASE, FREE, PAGES, XenLab


@pytest.fixture
def linux() -> ArmGuest:
    return arm_lab()[1]


# Memory that is given up


def test_pages_that_are_given_up_are_empty_can_be_granted_to_nobody_and_come_back(linux):
    raw, frame = linux.raw, linux.raw.frame(FREE)
    raw.poke(raw.page(FREE), b"secret")
    linux.put(PFN.pack(frame) + PFN.pack(frame + 1) + PFN.pack(frame), 512)
    wish = RESERVATION.pack(WRITABLE + 512, 3, 0, 0, DOMID_SELF)
    assert linux.hvc(MEMORY, MemoryOp.DECREASE_RESERVATION, linux.put(wish)) == 2, "the third is the first one again"
    assert raw.peek(raw.page(FREE), 6) == bytes(6)
    assert linux.hvc(MEMORY, MemoryOp.CURRENT_RESERVATION, 0) == PAGES - 2
    assert linux.hvc(MEMORY, MemoryOp.POPULATE_PHYSMAP | 1 << 6, linux.put(wish)) == 3, "it went on at the second"
    assert linux.hvc(MEMORY, MemoryOp.CURRENT_RESERVATION, 0) == PAGES
    assert linux.hvc(MEMORY, MemoryOp.POPULATE_PHYSMAP, linux.put(wish)) == 0, "there is nothing to be taken back"
    assert (
        linux.hvc(MEMORY, MemoryOp.REMOVE_FROM_PHYSMAP, linux.put(REMOVE_FROM_PHYSMAP.pack(DOMID_SELF, frame + 3))) == 0
    )
    assert linux.hvc(MEMORY, MemoryOp.INCREASE_RESERVATION, linux.put(wish)) == 0
    assert linux.hvc(MEMORY, MemoryOp.MAXIMUM_RESERVATION, 0) == PAGES


def test_an_extent_of_several_pages_goes_as_a_whole_count(linux):
    linux.put(PFN.pack(linux.raw.frame(FREE)), 512)
    assert linux.hvc(MEMORY, 1, linux.put(RESERVATION.pack(WRITABLE + 512, 1, 2, 0, DOMID_SELF))) == 1
    assert linux.hvc(MEMORY, MemoryOp.CURRENT_RESERVATION, 0) == PAGES - 4


# Together with others


def test_events_between_an_unmodified_kernel_and_a_driver_domain():
    lab, linux = arm_lab()
    back = lab["back"]
    back.set_up_events()
    linux.call(Call.MEMORY, 7, ADD_TO_PHYSMAP, DOMID_SELF, 0, MapSpace.SHARED_INFO, 0, linux.raw.frame(FREE))
    assert linux.call(Call.EVENT_CHANNEL, EvtchnOp.ALLOC_UNBOUND, ALLOC_UNBOUND, DOMID_SELF, 0, 0) == 0
    port = linux.got(ALLOC_UNBOUND)[2]
    assert back.attempt(Call.EVENT_CHANNEL, EvtchnOp.BIND_INTERDOMAIN, STATUS, 1, port, 0, 0, 0, 0) == 0
    assert linux.hvc(EVENTS, EvtchnOp.STATUS, linux.put(STATUS.pack(DOMID_SELF, port, 0, 0, 0, 0))) == 0
    assert linux.got(STATUS)[2] == PortState.INTERDOMAIN
    theirs = linux.got(STATUS)[5]
    assert back.send(theirs) == 0
    assert linux.raw.peek(linux.raw.page(FREE) + EVTCHN_PENDING + port // 8, 1)[0] >> port % 8 & 1
    assert port in linux.raw.notices()


def test_a_copy_into_a_kernels_page_tells_it_that_code_there_is_stale():
    lab, linux = arm_lab()
    back, frame = lab["back"], linux.raw.frame(FREE + 2)
    linux.call(Call.MEMORY, 7, ADD_TO_PHYSMAP, DOMID_SELF, 0, MapSpace.GRANT_TABLE, 0, linux.raw.frame(FREE))
    linux.raw.poke(linux.raw.page(FREE) + 8 * 9, GRANT_ENTRY.pack(Gtf.PERMIT_ACCESS, 0, frame))
    back.poke(back.page(FREE), b"code")
    at = back.page(0)
    ends = (back.frame(FREE), DOMID_SELF, 0, 9, 1, 16, 4, CopyFlag.DEST_REF, 0)
    for _ in range(2):
        back.poke(at, COPY.pack(*ends))
        assert back.status(Call.GRANT_TABLE, GrantOp.COPY, at, 1) == 0
    assert COPY.unpack(back.peek(at, COPY.size))[-1] == GrantStatus.OKAY
    assert linux.raw.peek(linux.raw.page(FREE + 2) + 16, 4) == b"code"
    told = [event.payload for event in linux.raw.cell.vcpu.events if event.kind == EventKind.DMA]
    assert told == [(linux.raw.page(FREE + 2) + 16).to_bytes(8, "little") + (4).to_bytes(8, "little")], "once"


def test_a_page_that_others_have_can_become_none_of_the_hypervisors():
    lab, linux = arm_lab()
    linux.call(Call.MEMORY, 7, ADD_TO_PHYSMAP, DOMID_SELF, 0, MapSpace.GRANT_TABLE, 0, linux.raw.frame(FREE))
    linux.raw.poke(linux.raw.page(FREE) + 8 * 9, GRANT_ENTRY.pack(Gtf.PERMIT_ACCESS, 0, linux.raw.frame(FREE + 2)))
    assert lab["back"].map(1, 9)[0] == GrantStatus.OKAY
    place = (DOMID_SELF, 0, MapSpace.GRANT_TABLE, 1, linux.raw.frame(FREE + 2))
    assert linux.call(Call.MEMORY, 7, ADD_TO_PHYSMAP, *place) == -Errno.EINVAL
    linux.put(PFN.pack(linux.raw.frame(FREE + 2)), 512)
    assert linux.hvc(MEMORY, 1, linux.put(RESERVATION.pack(WRITABLE + 512, 1, 0, 0, DOMID_SELF))) == 0


def test_a_second_life_has_empty_rings_and_no_place_for_its_upcall():
    lab, linux = arm_lab()
    linux.call(Call.MEMORY, 7, ADD_TO_PHYSMAP, DOMID_SELF, 0, MapSpace.SHARED_INFO, 0, linux.raw.frame(FREE))
    lab.restart("linux")
    domain = lab.xen.domains.of(linux.raw.cell)
    assert domain.shared_info is None
    assert domain.params[Param.STORE_PFN] == layout(BASE, PAGES * PAGE).store // PAGE
    lab.monitor.check_invariants()


# A kernel that is a driver domain


def granted_pages(lab: XenLab, pages: int) -> None:
    """The witness grants its free pages to `linux`, references from 8 on."""
    witness = lab["witness"]
    witness.set_up_grants()
    for number in range(pages):
        witness.poke(witness.page(FREE + number), bytes([number + 1]) * 8)
        witness.grant(8 + number, Gtf.PERMIT_ACCESS, lab["linux"].domid, witness.frame(FREE + number))


def give_up(linux: ArmGuest, frame: int, pages: int) -> None:
    linux.put(b"".join(PFN.pack(frame + number) for number in range(pages)), 512)
    wish = RESERVATION.pack(WRITABLE + 512, pages, 0, 0, DOMID_SELF)
    assert linux.hvc(MEMORY, MemoryOp.DECREASE_RESERVATION, linux.put(wish)) == pages


def test_foreign_pages_appear_where_a_kernel_has_given_up_its_own_and_nowhere_else():
    lab, linux = arm_lab()
    raw, place = linux.raw, linux.raw.page(FREE)
    granted_pages(lab, 2)
    assert raw.map(2, 8, host=place)[0] == GrantStatus.BAD_VIRT_ADDR
    give_up(linux, raw.frame(FREE), 2)
    status, handle, host = raw.map(2, 8, host=place)
    assert (status, host) == (GrantStatus.OKAY, place)
    assert raw.peek(place, 2) == b"\1\1"
    raw.poke(place, b"written")
    assert lab["witness"].peek(lab["witness"].page(FREE), 7) == b"written"
    assert raw.map(2, 9, host=place)[0] == GrantStatus.BAD_VIRT_ADDR, "something is there"
    wish = RESERVATION.pack(WRITABLE + 512, 1, 0, 0, DOMID_SELF)
    assert linux.hvc(MEMORY, MemoryOp.POPULATE_PHYSMAP, linux.put(wish)) == 0, "and so its own page cannot come back"
    assert raw.unmap(handle, place) == 0
    lab.monitor.check_invariants()
    assert raw.peek(place, 7) == bytes(7)
    assert linux.hvc(MEMORY, MemoryOp.POPULATE_PHYSMAP, linux.put(wish)) == 1


def test_when_the_granter_dies_the_kernels_own_empty_page_is_there_again_and_the_handle_can_be_given_back():
    lab, linux = arm_lab()
    granted_pages(lab, 1)
    give_up(linux, linux.raw.frame(FREE), 1)
    _, handle, host = linux.raw.map(2, 8, host=linux.raw.page(FREE))
    lab.die("witness")
    assert linux.raw.peek(host, 8) == bytes(8)
    assert linux.raw.unmap(handle, host) == 0
    lab.monitor.check_invariants()


def test_who_has_to_take_note_of_too_much_is_woken_and_the_other_one_may_try_again():
    lab, linux = arm_lab()
    granted_pages(lab, 40)
    give_up(linux, linux.raw.frame(25), 6)
    witness = lab["witness"].cell
    witness.vcpu.events.clear()
    witness.vcpu.events.extend(Event(0, EventKind.MEMORY, bytes(13)) for _ in range(64))
    lab.monitor.scheduler.block(witness.vcpu, NEVER, lab.monitor.now)
    assert linux.raw.map(2, 8, host=linux.raw.page(25))[0] == GrantStatus.EAGAIN
    assert witness.vcpu.wake <= lab.monitor.now
    witness.vcpu.events.clear()
    assert linux.raw.map(2, 8, host=linux.raw.page(25))[0] == GrantStatus.OKAY


def test_a_kernel_that_serves_finds_what_hotplug_scripts_would_have_written():
    channels = (
        ChannelParams("disk", "block", 0, 1),
        ChannelParams("more", "block", 2, 1),
        ChannelParams("net", "net", 0, 1),
    )
    lab = XenLab("linux", "driver", "third", channels=channels, wiring={"hvc_kernels": {0: True, 1: True, 2: True}})
    read = lab.xen.store.read
    front, driver, third = (lab[name].domid for name in ("linux", "driver", "third"))
    assert read(0, f"/local/domain/{driver}/backend/vbd/{front}/51712/physical-device") == b"ca:0"
    assert read(0, f"/local/domain/{driver}/backend/vbd/{third}/51712/physical-device") == b"ca:10"
    assert read(0, f"/local/domain/{driver}/backend/vif/{front}/0/hotplug-status") == b"connected"


def test_a_kernel_on_another_host_has_no_rings_and_hurts_nobody():
    lab = XenLab("linux", "other", wiring={"hvc_kernels": {0: True}}, params={"linux": {"pages": False}})
    assert Param.STORE_PFN not in lab.xen.domains.of(lab["linux"].cell).params
    lab.restart("linux")


def states(lab: XenLab, front: int, back: int) -> tuple[bytes, bytes]:
    read = lab.xen.store.read
    return (
        read(0, f"/local/domain/{front}/device/vbd/51712/state"),
        read(0, f"/local/domain/{back}/backend/vbd/{front}/51712/state"),
    )


def test_a_new_life_waits_until_a_kernel_that_serves_has_let_go_of_the_last_one():
    channels = (ChannelParams("disk", "block", 0, 1),)
    lab = XenLab("linux", "driver", channels=channels, wiring={"hvc_kernels": {0: True, 1: True}})
    front, back = (lab[name].domid for name in ("linux", "driver"))
    assert states(lab, front, back) == (b"1", b"1")
    lab.xen.store.write(back, f"/local/domain/{back}/backend/vbd/{front}/51712/state", b"4")
    lab.die("linux")
    assert states(lab, front, back) == (b"6", b"4"), "the kernel is told that this end is closed"
    lab.ready("linux")
    assert states(lab, front, back) == (b"6", b"4")
    assert lab.xen.store.directory(front, f"/local/domain/{front}/device/vbd") == ("51712",), (
        "it can look for its devices"
    )
    lab.xen.store.write(back, f"/local/domain/{back}/backend/vbd/{front}/51712/state", b"6")
    lab.xen.daemon.catch_up()
    assert states(lab, front, back) == (b"1", b"6")
    lab.die("driver")
    lab.restart("linux")
    assert lab.xen.store.read(0, f"/local/domain/{front}/device/vbd/51712/state") == b"1"
