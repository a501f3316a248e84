"""Grants through the raw calls: who may map, copy or be given what, and what shows while it lasts."""

from __future__ import annotations

import pytest

from hypervisor.abi.memory import PAGE, WINDOW_BASE
from hypervisor.abi.xen import (
    COPY,
    DOMID_SELF,
    GET_VERSION,
    QUERY_SIZE,
    SET_VERSION,
    SETUP_TABLE,
    TRANSFER,
    Call,
    CopyFlag,
    Errno,
    GrantOp,
    GrantStatus,
    Gtf,
    MapFlag,
)
from tests.support.invariants import Watch
from tests.support.memory import AccessError
from tests.support.xen import ARGUMENTS, FREE, RawGuest, XenLab

REF = 8
READ_ONLY = MapFlag.HOST_MAP | MapFlag.READONLY
OP = Call.GRANT_TABLE


@pytest.fixture
def lab(watch: Watch) -> XenLab:
    lab = XenLab("a", "b", "c")
    watch(lab.monitor)
    for guest in lab.guests.values():
        guest.set_up_grants()
    return lab


def granted(lab: XenLab, flags: int = Gtf.PERMIT_ACCESS) -> tuple[RawGuest, RawGuest]:
    """`a` grants its page FREE, which says something, to `b`."""
    a, b = lab["a"], lab["b"]
    a.poke(a.page(FREE), b"mine")
    a.grant(REF, flags, b.domid, a.frame(FREE))
    return a, b


def test_a_mapped_page_is_the_same_page(lab):
    a, b = granted(lab)
    status, _, host = b.map(a.domid, REF)
    assert status == GrantStatus.OKAY
    assert b.peek(host, 4) == b"mine"
    b.poke(host, b"ours")
    assert a.peek(a.page(FREE), 4) == b"ours"


def test_a_grant_in_use_shows_in_the_granters_entry_and_no_longer_than_that(lab):
    a, b = granted(lab)
    _, reading, first = b.map(a.domid, REF, flags=READ_ONLY)
    assert a.grant_flags(REF) == Gtf.PERMIT_ACCESS | Gtf.READING
    _, writing, second = b.map(a.domid, REF)
    assert a.grant_flags(REF) == Gtf.PERMIT_ACCESS | Gtf.READING | Gtf.WRITING
    assert b.unmap(writing, second) == 0
    assert a.grant_flags(REF) == Gtf.PERMIT_ACCESS | Gtf.READING
    assert b.unmap(reading, first) == 0
    assert a.grant_flags(REF) == Gtf.PERMIT_ACCESS


def test_a_page_that_was_given_back_is_gone_from_the_window_and_whole_for_its_owner(lab):
    a, b = granted(lab)
    _, handle, host = b.map(a.domid, REF)
    b.poke(host, b"ours")
    b.unmap(handle, host)
    with pytest.raises(AccessError):
        b.peek(host, 1)
    assert a.peek(a.page(FREE), 4) == b"ours"
    assert lab.monitor.memory.segment_at(a.cell, a.page(FREE)) is None


def test_a_page_appears_at_the_place_that_was_asked_for(lab):
    a, b = granted(lab)
    assert b.map(a.domid, REF, host=WINDOW_BASE + 5 * PAGE)[2] == WINDOW_BASE + 5 * PAGE
    assert b.map(a.domid, REF, host=WINDOW_BASE + 5 * PAGE)[0] == GrantStatus.BAD_VIRT_ADDR
    assert b.map(a.domid, REF, host=WINDOW_BASE + 1)[0] == GrantStatus.BAD_VIRT_ADDR
    assert b.map(a.domid, REF, host=b.page(FREE))[0] == GrantStatus.BAD_VIRT_ADDR


def test_a_read_only_mapping_cannot_be_written(lab):
    a, b = granted(lab, Gtf.PERMIT_ACCESS | Gtf.READONLY)
    _, _, host = b.map(a.domid, REF, flags=READ_ONLY)
    with pytest.raises(AccessError):
        b.poke(host, b"x")


def test_neighbours_that_one_call_maps_go_over_in_one_piece(lab):
    a, b = lab["a"], lab["b"]
    for n in range(6):
        a.grant(REF + n, Gtf.PERMIT_ACCESS, b.domid, a.frame(FREE + n))
        a.poke(a.page(FREE + n), bytes([n]))
    wishes = [(WINDOW_BASE + n * PAGE, MapFlag.HOST_MAP, REF + n, a.domid) for n in range(6)]
    answers = b.map_all(wishes)
    assert [status for status, _, _ in answers] == [0] * 6
    assert [b.peek(host, 1)[0] for _, _, host in answers] == list(range(6))
    assert len(lab.monitor.memory.mappings(1)) == 1
    record = lab.kinds("map")[-1]
    assert record.fields["pages"] == 6


def test_pages_are_given_back_one_by_one_though_they_came_together(lab):
    a, b = lab["a"], lab["b"]
    for n in range(3):
        a.grant(REF + n, Gtf.PERMIT_ACCESS, b.domid, a.frame(FREE + n))
    answers = b.map_all([(0, MapFlag.HOST_MAP, REF + n, a.domid) for n in range(3)])
    assert b.unmap(*answers[1][1:]) == 0
    assert [a.grant_flags(REF + n) & Gtf.READING for n in range(3)] == [8, 0, 8]
    b.poke(answers[2][2], b"third")
    assert a.peek(a.page(FREE + 2), 5) == b"third"
    lab.monitor.check_invariants()


def test_one_bad_reference_in_an_array_spoils_only_itself(lab):
    a, b = lab["a"], lab["b"]
    for n in (0, 2):
        a.grant(REF + n, Gtf.PERMIT_ACCESS, b.domid, a.frame(FREE + n))
    answers = b.map_all([(0, MapFlag.HOST_MAP, REF + n, a.domid) for n in range(3)])
    assert [status for status, _, _ in answers] == [0, GrantStatus.GENERAL_ERROR, 0]


def test_pages_out_of_order_are_mapped_all_the_same(lab):
    a, b = lab["a"], lab["b"]
    for n in range(4):
        a.grant(REF + n, Gtf.PERMIT_ACCESS, b.domid, a.frame(FREE + 3 - n))
        a.poke(a.page(FREE + 3 - n), bytes([n]))
    answers = b.map_all([(WINDOW_BASE + n * PAGE, MapFlag.HOST_MAP, REF + n, a.domid) for n in range(4)])
    assert [b.peek(host, 1)[0] for _, _, host in answers] == [0, 1, 2, 3]


def test_an_active_grant_keeps_its_frame_whatever_the_entry_says_by_then(lab):
    a, b = granted(lab)
    b.map(a.domid, REF)
    a.grant(REF, Gtf.PERMIT_ACCESS, b.domid, a.frame(FREE + 1))
    _, _, host = b.map(a.domid, REF)
    assert b.peek(host, 4) == b"mine"


def test_what_a_dead_domain_had_mapped_is_given_back(lab):
    a, b = granted(lab)
    b.map(a.domid, REF)
    lab.die("b")
    assert a.grant_flags(REF) == Gtf.PERMIT_ACCESS
    assert lab.monitor.memory.segment_at(a.cell, a.page(FREE)) is None


def test_what_a_dead_domain_had_granted_is_gone_and_its_handles_can_still_be_given_back(lab):
    a, b = granted(lab)
    _, handle, host = b.map(a.domid, REF)
    lab.restart("a")
    with pytest.raises(AccessError):
        b.peek(host, 1)
    assert b.unmap(handle, host) == 0
    assert b.unmap(handle, host) == GrantStatus.BAD_HANDLE


def test_the_dead_cannot_be_asked_for_pages(lab):
    a, b = granted(lab)
    lab.die("a")
    assert b.map(a.domid, REF)[0] == GrantStatus.BAD_DOMAIN


def test_bytes_are_copied_between_a_grant_and_a_page_of_ones_own(lab):
    a, b = granted(lab)
    b.poke(b.page(FREE), b"theirs")
    fields = (REF, a.domid, 0, b.frame(FREE), DOMID_SELF, 100, 4, CopyFlag.SOURCE_REF, 0)
    assert copied(b, *fields) == 0
    assert b.peek(b.page(FREE) + 100, 4) == b"mine"
    back = (b.frame(FREE), DOMID_SELF, 0, REF, a.domid, 10, 6, CopyFlag.DEST_REF, 0)
    assert copied(b, *back) == 0
    assert a.peek(a.page(FREE) + 10, 6) == b"theirs"
    assert a.grant_flags(REF) == Gtf.PERMIT_ACCESS
    assert [record.fields["bytes"] for record in lab.kinds("copy")] == [4, 6]


def test_a_copy_into_a_read_only_grant_is_refused(lab):
    a, b = granted(lab, Gtf.PERMIT_ACCESS | Gtf.READONLY)
    fields = (b.frame(FREE), DOMID_SELF, 0, REF, a.domid, 0, 4, CopyFlag.DEST_REF, 0)
    assert copied(b, *fields) == GrantStatus.GENERAL_ERROR
    assert a.peek(a.page(FREE), 4) == b"mine"


def test_a_copy_that_crosses_the_end_of_a_page_is_refused(lab):
    a, b = granted(lab)
    fields = (REF, a.domid, PAGE - 2, b.frame(FREE), DOMID_SELF, 0, 4, CopyFlag.SOURCE_REF, 0)
    assert copied(b, *fields) == GrantStatus.BAD_COPY_ARG


def test_a_transferred_page_is_the_receivers_and_the_giver_has_nothing_left_of_it(lab):
    a, b = lab["a"], lab["b"]
    b.grant(REF, Gtf.ACCEPT_TRANSFER, a.domid, b.frame(FREE))
    a.poke(a.page(FREE), b"gift")
    assert transferred(a, a.frame(FREE), b.domid, REF) == 0
    assert b.peek(b.page(FREE), 4) == b"gift"
    assert a.peek(a.page(FREE), 4) == bytes(4)
    assert b.grant_flags(REF) == Gtf.ACCEPT_TRANSFER | Gtf.TRANSFER_COMMITTED | Gtf.TRANSFER_COMPLETED
    assert transferred(a, a.frame(FREE), b.domid, REF) == GrantStatus.BAD_GNTREF


def test_a_page_that_is_mapped_by_somebody_is_not_transferred(lab):
    a, b = granted(lab)
    b.map(a.domid, REF)
    b.grant(REF, Gtf.ACCEPT_TRANSFER, a.domid, b.frame(FREE))
    assert transferred(a, a.frame(FREE), b.domid, REF) == GrantStatus.BAD_PAGE


def test_the_table_says_where_it_is_and_how_large_it_may_grow(lab):
    a = lab["a"]
    assert a.call(OP, GrantOp.QUERY_SIZE, QUERY_SIZE, DOMID_SELF, 0, 0, 0)[1:] == (1, 16, 0)
    a.poke(a.page(ARGUMENTS), SETUP_TABLE.pack(DOMID_SELF, 2, 0, a.page(FREE)))
    assert a.status(OP, GrantOp.SETUP_TABLE, a.page(ARGUMENTS), 1) == 0
    frames = a.peek(a.page(FREE), 16)
    assert int.from_bytes(frames[:8], "little") == a.frame(2)
    assert frames[8:] == b"\xff" * 8


def test_version_1_is_what_there_is(lab):
    a = lab["a"]
    assert a.attempt(OP, GrantOp.SET_VERSION, SET_VERSION, 1) == 0
    assert a.attempt(OP, GrantOp.SET_VERSION, SET_VERSION, 2) == -Errno.ENOSYS
    assert a.call(OP, GrantOp.GET_VERSION, GET_VERSION, DOMID_SELF, 0)[1] == 1


def test_a_domain_without_a_table_grants_nothing():
    lab = XenLab("a", "b")
    lab["b"].set_up_grants()
    assert lab["b"].map(lab["a"].domid, REF)[0] == GrantStatus.BAD_GNTREF


def copied(guest: RawGuest, *fields: int) -> int:
    """The status of one copy."""
    at = guest.page(ARGUMENTS)
    guest.poke(at, COPY.pack(*fields))
    assert guest.status(OP, GrantOp.COPY, at, 1) == 0
    status: int = COPY.unpack(guest.peek(at, COPY.size))[-1]
    return status


def transferred(guest: RawGuest, *fields: int) -> int:
    """The status of one transfer."""
    at = guest.page(ARGUMENTS)
    guest.poke(at, TRANSFER.pack(*fields, 0))
    assert guest.status(OP, GrantOp.TRANSFER, at, 1) == 0
    status: int = TRANSFER.unpack(guest.peek(at, TRANSFER.size))[-1]
    return status
