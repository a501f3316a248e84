"""Crimes against the hypervisor's interface, in its raw structures: each is refused by name, and hurts nobody else.

The culprit is domain `thief`; the others go on with what they had, and the hypervisor's accounts hold.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hypervisor.abi.memory import PAGE, WINDOW_BASE, WINDOW_SIZE
from hypervisor.abi.xen import (
    ADD_TO_PHYSMAP,
    ALLOC_UNBOUND,
    BIND_INTERDOMAIN,
    COPY,
    DOMID_SELF,
    HVM_PARAM,
    MAP_GRANT,
    POLL,
    PORT,
    PORTS,
    REGISTER_VCPU_INFO,
    REQ_CONS,
    REQ_PROD,
    RING_ERROR,
    RING_ERROR_INDEX,
    RING_ERROR_PROTOCOL,
    RSP_CONS,
    STORE_MESSAGE,
    STORE_RING,
    Call,
    ConsoleOp,
    Errno,
    EvtchnOp,
    GrantOp,
    GrantStatus,
    Gtf,
    HvmOp,
    MapFlag,
    MapSpace,
    MemoryOp,
    Param,
    SchedOp,
    StoreOp,
    VcpuOp,
)
from hypervisor.core.xen.store_ring import EVENTS_LIMIT
from tests.support.memory import AccessError
from tests.support.xen import ARGUMENTS, BASE, FREE, GRANT_FRAME, PAGES, SHARED_INFO, STORE_PAGE, RawGuest, XenLab

REF = 8
BEYOND = BASE + PAGES * PAGE
NOWHERE = [
    pytest.param(0, id="null"),
    pytest.param(BASE - 8, id="across-the-beginning"),
    pytest.param(BEYOND - 2, id="across-the-end"),
    pytest.param(BEYOND, id="behind-the-end"),
    pytest.param(WINDOW_BASE, id="window-with-nothing-in-it"),
    pytest.param((1 << 64) - 4, id="round-the-end-of-numbers"),
    pytest.param(1 << 63, id="huge"),
]


@pytest.fixture
def lab() -> Iterator[XenLab]:
    """A thief, a domain that has granted a page to a friend, and an event channel between these two, before and after."""
    lab = XenLab("dom0", "thief", "owner", "friend")
    for guest in lab.guests.values():
        guest.set_up_events()
        guest.set_up_grants()
        guest.set_up_store()
    owner, friend = lab["owner"], lab["friend"]
    owner.poke(owner.page(FREE), b"treasure")
    owner.grant(REF, Gtf.PERMIT_ACCESS, friend.domid, owner.frame(FREE))
    _, handle, host = friend.map(owner.domid, REF)
    port = owner.call(Call.EVENT_CHANNEL, EvtchnOp.ALLOC_UNBOUND, ALLOC_UNBOUND, DOMID_SELF, friend.domid, 0)[2]
    friend.call(Call.EVENT_CHANNEL, EvtchnOp.BIND_INTERDOMAIN, BIND_INTERDOMAIN, owner.domid, port, 0)
    yield lab
    lab.monitor.check_invariants()
    assert friend.peek(host, 8) == owner.peek(owner.page(FREE), 8) == b"treasure"
    assert owner.send(port) == 0
    assert friend.unmap(handle, host) == 0
    assert friend.ask(StoreOp.READ, b"name\0") == (StoreOp.READ, b"friend")
    lab.monitor.check_invariants()


@pytest.fixture
def thief(lab: XenLab) -> RawGuest:
    return lab["thief"]


def refusals(lab: XenLab) -> list[str]:
    return [str(record.fields["why"]) for record in lab.kinds("refused")]


# Event channels


@pytest.mark.parametrize("port", [0, 1000, PORTS, 1 << 20, (1 << 32) - 1])
@pytest.mark.parametrize("operation", [EvtchnOp.SEND, EvtchnOp.CLOSE, EvtchnOp.UNMASK])
def test_a_forged_port_is_refused(lab, thief, operation, port):
    assert thief.attempt(Call.EVENT_CHANNEL, operation, PORT, port) == -Errno.EINVAL
    assert refusals(lab)


def test_somebody_elses_port_cannot_be_bound(lab, thief):
    for domain in ("owner", "friend"):
        for port in range(1, 6):
            remote = lab[domain].domid
            answer = thief.attempt(Call.EVENT_CHANNEL, EvtchnOp.BIND_INTERDOMAIN, BIND_INTERDOMAIN, remote, port, 0)
            assert answer == -Errno.EINVAL


@pytest.mark.parametrize("domid", [9, 0x7FF1, 0xFFFF])
def test_a_domain_that_does_not_exist_cannot_be_met(thief, domid):
    event = Call.EVENT_CHANNEL
    assert thief.attempt(event, EvtchnOp.ALLOC_UNBOUND, ALLOC_UNBOUND, DOMID_SELF, domid, 0) == -Errno.ESRCH
    assert thief.attempt(event, EvtchnOp.BIND_INTERDOMAIN, BIND_INTERDOMAIN, domid, 1, 0) == -Errno.ESRCH
    assert thief.map(domid, REF)[0] == GrantStatus.BAD_DOMAIN


def test_a_storm_of_sends_is_one_event(lab, thief):
    owner = lab["owner"]
    port = owner.call(Call.EVENT_CHANNEL, EvtchnOp.ALLOC_UNBOUND, ALLOC_UNBOUND, DOMID_SELF, thief.domid, 0)[2]
    mine = thief.call(Call.EVENT_CHANNEL, EvtchnOp.BIND_INTERDOMAIN, BIND_INTERDOMAIN, owner.domid, port, 0)[2]
    owner.notices()
    for _ in range(500):
        thief.send(mine)
    assert owner.notices() == [port]


# Grants


@pytest.mark.parametrize("reference", [0, REF, REF + 1, 511, 512, (1 << 32) - 1])
def test_a_grant_for_somebody_else_or_for_nobody_is_not_mapped(lab, thief, reference):
    status, _, _ = thief.map(lab["owner"].domid, reference)
    assert status in (GrantStatus.GENERAL_ERROR, GrantStatus.BAD_GNTREF)
    assert lab["owner"].grant_flags(REF) & Gtf.WRITING


def test_a_foreign_grant_is_not_copied_from(lab, thief):
    thief.poke(thief.page(ARGUMENTS), COPY.pack(REF, lab["owner"].domid, 0, thief.frame(FREE), DOMID_SELF, 0, 8, 1, 0))
    thief.status(Call.GRANT_TABLE, GrantOp.COPY, thief.page(ARGUMENTS), 1)
    assert COPY.unpack(thief.peek(thief.page(ARGUMENTS), COPY.size))[-1] == GrantStatus.GENERAL_ERROR
    assert thief.peek(thief.page(FREE), 8) == bytes(8)


def test_a_frame_of_another_domain_is_not_copied_from_without_a_grant(lab, thief):
    owner = lab["owner"]
    fields = (owner.frame(FREE), owner.domid, 0, thief.frame(FREE), DOMID_SELF, 0, 8, 0, 0)
    thief.poke(thief.page(ARGUMENTS), COPY.pack(*fields))
    thief.status(Call.GRANT_TABLE, GrantOp.COPY, thief.page(ARGUMENTS), 1)
    assert COPY.unpack(thief.peek(thief.page(ARGUMENTS), COPY.size))[-1] == GrantStatus.PERMISSION_DENIED


def test_a_read_only_grant_is_not_mapped_writable_nor_upgraded(lab, thief):
    owner = lab["owner"]
    owner.poke(owner.page(FREE + 1), b"look, do not touch")
    owner.grant(REF + 1, Gtf.PERMIT_ACCESS | Gtf.READONLY, thief.domid, owner.frame(FREE + 1))
    assert thief.map(owner.domid, REF + 1)[0] == GrantStatus.GENERAL_ERROR
    status, _, host = thief.map(owner.domid, REF + 1, flags=MapFlag.HOST_MAP | MapFlag.READONLY)
    assert status == GrantStatus.OKAY
    assert thief.map(owner.domid, REF + 1)[0] == GrantStatus.GENERAL_ERROR
    with pytest.raises(AccessError):
        thief.poke(host, b"x")


def test_a_frame_that_is_mapped_from_elsewhere_cannot_be_granted_on(lab, thief):
    owner, friend = lab["owner"], lab["friend"]
    owner.grant(REF + 1, Gtf.PERMIT_ACCESS, thief.domid, owner.frame(FREE + 1))
    _, _, host = thief.map(owner.domid, REF + 1)
    thief.grant(REF, Gtf.PERMIT_ACCESS, friend.domid, host // PAGE)
    assert friend.map(thief.domid, REF)[0] == GrantStatus.BAD_PAGE


@pytest.mark.parametrize("frame", [0, BASE // PAGE - 1, BASE // PAGE + PAGES, 0xFFFF_FFFF])
def test_a_frame_that_the_granter_has_not_cannot_be_granted(lab, thief, frame):
    thief.grant(REF, Gtf.PERMIT_ACCESS, lab["friend"].domid, frame)
    assert lab["friend"].map(thief.domid, REF)[0] == GrantStatus.BAD_PAGE


@pytest.mark.parametrize("page", [SHARED_INFO, GRANT_FRAME])
def test_a_page_that_the_hypervisor_writes_cannot_be_granted(lab, thief, page):
    thief.grant(REF, Gtf.PERMIT_ACCESS, lab["friend"].domid, thief.frame(page))
    assert lab["friend"].map(thief.domid, REF)[0] == GrantStatus.BAD_PAGE


@pytest.mark.parametrize("host", [1, BASE, WINDOW_BASE + WINDOW_SIZE, WINDOW_BASE + 8, (1 << 64) - PAGE])
def test_a_page_cannot_be_mapped_where_no_page_has_its_place(lab, thief, host):
    owner = lab["owner"]
    owner.grant(REF + 1, Gtf.PERMIT_ACCESS, thief.domid, owner.frame(FREE + 1))
    assert thief.map(owner.domid, REF + 1, host=host)[0] == GrantStatus.BAD_VIRT_ADDR
    assert owner.grant_flags(REF + 1) == Gtf.PERMIT_ACCESS


def test_a_stale_handle_and_somebody_elses_handle_give_nothing_back(lab, thief):
    for handle in (0, 1, 2, 77, (1 << 32) - 1):
        assert thief.unmap(handle, WINDOW_BASE) == GrantStatus.BAD_HANDLE


def test_an_entry_that_is_rewritten_after_it_was_mapped_changes_nothing_for_who_has_it(lab, thief):
    owner = lab["owner"]
    thief.poke(thief.page(FREE), b"as agreed")
    thief.grant(REF, Gtf.PERMIT_ACCESS, owner.domid, thief.frame(FREE))
    status, handle, host = owner.map(thief.domid, REF)
    thief.grant(REF, Gtf.INVALID, 0, 0)
    assert status == 0
    assert owner.peek(host, 9) == b"as agreed"
    assert owner.unmap(handle, host) == 0


def test_a_huge_array_of_operations_is_refused_before_anything_is_done(lab, thief):
    for count in (513, 1 << 20, (1 << 32) - 1):
        assert thief.status(Call.GRANT_TABLE, GrantOp.MAP, thief.page(ARGUMENTS), count) == -Errno.E2BIG
    assert lab.xen.domains.of(thief.cell).handles == {}


def test_unknown_flags_map_nothing(lab, thief):
    for flags in (0, MapFlag.READONLY, MapFlag.HOST_MAP | MapFlag.CONTAINS_PTE, 0xFFFF_FFFF):
        assert thief.map(lab["owner"].domid, REF, flags=flags)[0] < 0


# The store


def send_raw(thief: RawGuest, data: bytes) -> None:
    thief.put(data)
    thief.kick()


@pytest.mark.parametrize("ahead", [STORE_RING + 1, 1 << 20, (1 << 32) - 1])
def test_a_ring_that_claims_more_requests_than_it_holds_is_given_up(lab, thief, ahead):
    thief.set_index(REQ_PROD, ahead)
    thief.kick()
    assert thief.index(RING_ERROR) == RING_ERROR_INDEX
    thief.set_index(REQ_PROD, thief.index(REQ_CONS))
    thief.kick()
    assert any("bytes of requests" in why for why in refusals(lab))


def test_a_ring_that_claims_to_have_read_more_than_there_was_is_given_up(lab, thief):
    thief.set_index(RSP_CONS, 5)
    send_raw(thief, STORE_MESSAGE.pack(StoreOp.READ, 0, 0, 5) + b"name\0")
    assert thief.index(RING_ERROR) == RING_ERROR_INDEX


def test_a_message_that_announces_more_than_a_message_carries_is_the_end_of_the_ring(thief):
    send_raw(thief, STORE_MESSAGE.pack(StoreOp.WRITE, 0, 0, 4097))
    assert thief.index(RING_ERROR) == RING_ERROR_PROTOCOL


def test_a_message_that_is_announced_and_not_sent_holds_up_nobody_else(lab, thief):
    send_raw(thief, STORE_MESSAGE.pack(StoreOp.WRITE, 0, 0, 4096) + b"data/x\0")
    assert lab["friend"].ask(StoreOp.READ, b"name\0")[0] == StoreOp.READ


def test_the_store_keeps_its_own_indices_whatever_is_written_over_them(thief):
    thief.ask(StoreOp.WRITE, b"data/x\x001")
    consumed = thief.index(REQ_CONS)
    thief.set_index(REQ_CONS, 12345)
    produced = thief.index(REQ_PROD)
    body = STORE_MESSAGE.pack(StoreOp.READ, 0, 0, 7) + b"data/x\0"
    for at, byte in enumerate(body):
        thief.poke(thief.page(STORE_PAGE) + (produced + at) % STORE_RING, bytes([byte]))
    thief.set_index(REQ_PROD, produced + len(body))
    thief.kick()
    assert thief.index(REQ_CONS) == consumed + len(body)
    assert [body for _, _, body in thief.messages()] == [b"1"]


def test_a_request_that_is_rewritten_after_it_was_sent_is_served_as_it_was_read(thief):
    body = STORE_MESSAGE.pack(StoreOp.WRITE, 0, 0, 8) + b"data/x\x001"
    send_raw(thief, body[:20])
    thief.poke(thief.page(STORE_PAGE), bytes(20))  # too late
    thief.put(body[20:])
    thief.kick()
    assert [body for _, _, body in thief.messages()] == [b"OK\0"]
    assert thief.ask(StoreOp.READ, b"data/x\0")[1] == b"1"


@pytest.mark.parametrize(
    "path",
    [
        b"../2/data",
        b"data/../../2",
        b"/local/domain/1/../2/data",
        b"data//x",
        b"/",
        b".",
        b"data/x y",
        b"\xff",
        b"data/",
    ],
)
def test_no_path_leads_out_of_where_a_domain_may_write(lab, thief, path):
    kind, answer = thief.ask(StoreOp.WRITE, path + b"\0stolen")
    assert kind == StoreOp.ERROR
    assert answer in (b"EINVAL\0", b"EACCES\0")
    assert thief.ask(StoreOp.WRITE, f"/local/domain/{lab['owner'].domid}/data/x\0stolen".encode())[1] == b"EACCES\0"


def test_a_domain_that_fills_the_store_meets_its_quota_and_the_others_do_not(lab, thief):
    answers = [thief.ask(StoreOp.WRITE, f"data/n{n}\0".encode())[1] for n in range(1001)]
    assert answers[-1] == b"ENOSPC\0"
    assert answers[0] == b"OK\0"
    assert thief.ask(StoreOp.WRITE, b"data/n0\0" + bytes(2048))[1] == b"ENOSPC\0"
    assert lab["friend"].ask(StoreOp.WRITE, b"data/x\x001")[1] == b"OK\0"


def test_a_domain_that_watches_everything_meets_its_quota(thief):
    answers = [thief.ask(StoreOp.WATCH, f"data\0t{n}\0".encode())[1] for n in range(129)]
    assert answers[-2:] == [b"OK\0", b"E2BIG\0"]


def test_a_storm_of_changes_costs_who_watches_no_more_memory_than_the_store_allows(lab, thief):
    watching = lab["owner"]
    home = f"/local/domain/{thief.domid}"
    thief.ask(StoreOp.SET_PERMS, f"data\0r{thief.domid}\0".encode())
    watching.ask(StoreOp.WATCH, f"{home}/data\0w\0".encode())
    for n in range(EVENTS_LIMIT + 300):
        thief.ask(StoreOp.WRITE, f"data/n{n % 700}\0".encode())
    ring = lab.xen.daemon._rings[watching.domid]
    assert len(ring._events) <= EVENTS_LIMIT + 1
    told = [body for kind, _, body in watching.messages() if kind == StoreOp.WATCH_EVENT]
    assert f"{home}/data\0w\0".encode() in told


@pytest.mark.parametrize("kind", [StoreOp.CONTROL, StoreOp.INTRODUCE, StoreOp.SET_TARGET, 18, 9, 20, 99, 0xFFFF_FFFF])
def test_what_belongs_to_the_toolstack_is_not_for_domains(thief, kind):
    assert thief.ask(kind, b"1\x002\x003\0") == (StoreOp.ERROR, b"ENOSYS\0")


@pytest.mark.parametrize("body", [b"", b"name", b"\0\0\0", b"name\0more\0", bytes(4096)])
def test_requests_of_the_wrong_shape_are_refused(thief, body):
    for kind in (
        StoreOp.READ,
        StoreOp.DIRECTORY,
        StoreOp.RM,
        StoreOp.GET_PERMS,
        StoreOp.TRANSACTION_END,
        StoreOp.UNWATCH,
    ):
        assert thief.ask(kind, body)[0] == StoreOp.ERROR


def test_a_ring_in_a_page_that_is_taken_away_is_given_up(lab, thief):
    thief.grant(REF, Gtf.PERMIT_ACCESS, lab["friend"].domid, thief.frame(STORE_PAGE))
    status, handle, host = lab["friend"].map(thief.domid, REF)
    assert status == 0  # its own page, and its own folly
    lab["friend"].poke(host + REQ_PROD, b"\xff\xff\xff\xff")
    thief.kick()
    assert thief.index(RING_ERROR) == RING_ERROR_INDEX
    assert lab["friend"].unmap(handle, host) == 0


# Pointers


@pytest.mark.parametrize("address", NOWHERE)
def test_a_structure_where_there_is_nothing_is_refused(lab, thief, address):
    calls: list[tuple[int, int, int, int]] = [
        (Call.EVENT_CHANNEL, EvtchnOp.ALLOC_UNBOUND, address, 0),
        (Call.EVENT_CHANNEL, EvtchnOp.SEND, address, 0),
        (Call.GRANT_TABLE, GrantOp.MAP, address, 1),
        (Call.GRANT_TABLE, GrantOp.COPY, address, 1),
        (Call.MEMORY, MemoryOp.ADD_TO_PHYSMAP, address, 0),
        (Call.HVM, HvmOp.GET_PARAM, address, 0),
        (Call.SCHED, SchedOp.POLL, address, 0),
        (Call.VERSION, 6, address, 0),
        (Call.VCPU, VcpuOp.REGISTER_RUNSTATE, 0, address),
        (Call.CONSOLE_IO, ConsoleOp.WRITE, 64, address),
    ]
    ports = dict(lab.xen.domains.of(thief.cell).ports)
    for call in calls:
        assert thief.status(*call) == -Errno.EFAULT, call
    assert lab.xen.domains.of(thief.cell).ports == ports


def test_the_answer_to_a_structure_in_a_read_only_page_is_refused_before_anything_happens(lab, thief):
    owner = lab["owner"]
    owner.poke(owner.page(FREE + 1), ALLOC_UNBOUND.pack(DOMID_SELF, owner.domid, 0))
    owner.grant(REF + 1, Gtf.PERMIT_ACCESS | Gtf.READONLY, thief.domid, owner.frame(FREE + 1))
    _, _, host = thief.map(owner.domid, REF + 1, flags=MapFlag.HOST_MAP | MapFlag.READONLY)
    ports = dict(lab.xen.domains.of(thief.cell).ports)
    assert thief.status(Call.EVENT_CHANNEL, EvtchnOp.ALLOC_UNBOUND, host) == -Errno.EFAULT
    assert lab.xen.domains.of(thief.cell).ports == ports


@pytest.mark.parametrize("frame", [0, 1 << 40, WINDOW_BASE // PAGE, (1 << 64) - 1])
def test_the_hypervisor_writes_no_page_that_is_not_the_domains_own(thief, frame):
    for space in (MapSpace.SHARED_INFO, MapSpace.GRANT_TABLE):
        answer = thief.attempt(Call.MEMORY, MemoryOp.ADD_TO_PHYSMAP, ADD_TO_PHYSMAP, DOMID_SELF, 0, space, 0, frame)
        assert answer in (-Errno.EFAULT, -Errno.EINVAL)
    thief.poke(thief.page(ARGUMENTS), REGISTER_VCPU_INFO.pack(frame, 0))
    assert thief.status(Call.VCPU, VcpuOp.REGISTER_VCPU_INFO, 0, thief.page(ARGUMENTS)) < 0


def test_vcpu_info_does_not_hang_over_the_end_of_its_page(thief):
    for offset in (PAGE - 40, PAGE, 4, (1 << 32) - 8):
        thief.poke(thief.page(ARGUMENTS), REGISTER_VCPU_INFO.pack(thief.frame(FREE), offset))
        assert thief.status(Call.VCPU, VcpuOp.REGISTER_VCPU_INFO, 0, thief.page(ARGUMENTS)) == -Errno.EINVAL


def test_the_pages_and_parameters_of_others_are_not_the_thiefs_to_set(lab, thief):
    other = lab["owner"].domid
    place = (other, 0, MapSpace.SHARED_INFO, 0, thief.frame(FREE))
    assert thief.attempt(Call.MEMORY, MemoryOp.ADD_TO_PHYSMAP, ADD_TO_PHYSMAP, *place) == -Errno.EPERM
    for operation in (HvmOp.SET_PARAM, HvmOp.GET_PARAM):
        assert thief.attempt(Call.HVM, operation, HVM_PARAM, other, Param.STORE_PFN, 0) == -Errno.EPERM


def test_a_poll_for_a_mountain_of_ports_or_for_ports_of_others_is_refused(thief):
    assert thief.attempt(Call.SCHED, SchedOp.POLL, POLL, thief.page(FREE), 1 << 31, 0) == -Errno.EINVAL
    thief.poke(thief.page(FREE), PORT.pack(999))
    assert thief.attempt(Call.SCHED, SchedOp.POLL, POLL, thief.page(FREE), 1, 0) == -Errno.EINVAL


def test_operations_that_there_are_not_are_refused(thief):
    for call in Call:
        for operation in (12, 99, (1 << 64) - 1):
            if (call, operation) != (Call.VERSION, 12):
                assert thief.status(call, operation, thief.page(ARGUMENTS)) in (-Errno.ENOSYS, -Errno.ENOENT)


def test_a_structure_that_comes_with_the_call_cannot_be_shorter_than_it_is(thief):
    for length in (1, 4, 7):
        answer = thief.status(Call.EVENT_CHANNEL, EvtchnOp.ALLOC_UNBOUND, 0, data=bytes(length))
        assert answer == -Errno.EFAULT
    assert thief.status(Call.GRANT_TABLE, GrantOp.MAP, 0, 2, data=bytes(MAP_GRANT.size)) == -Errno.EFAULT
    assert thief.status(Call.GRANT_TABLE, GrantOp.COPY, 0, 26, data=bytes(1024)) == -Errno.EFAULT
