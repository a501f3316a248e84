"""The store over its ring: the wire protocol as a kernel speaks it."""

from __future__ import annotations

import pytest

from hypervisor.abi.xen import DOMID_SELF, HVM_PARAM, RSP_PROD, STORE_MESSAGE, Call, Errno, HvmOp, Param, StoreOp
from tests.support.invariants import Watch
from tests.support.xen import XenLab

OK = b"OK\0"


@pytest.fixture
def lab(watch: Watch) -> XenLab:
    lab = XenLab("a", "b", "c")
    watch(lab.monitor)
    for guest in lab.guests.values():
        guest.set_up_events()
        guest.set_up_store()
    return lab


def test_relative_paths_begin_at_the_domains_home(lab):
    b = lab["b"]
    assert b.ask(StoreOp.WRITE, b"data/x\0value") == (StoreOp.WRITE, OK)
    assert b.ask(StoreOp.READ, f"/local/domain/{b.domid}/data/x\0".encode()) == (StoreOp.READ, b"value")
    assert b.ask(StoreOp.DIRECTORY, b"data\0") == (StoreOp.DIRECTORY, b"x\0")
    assert b.ask(StoreOp.RM, b"data/x\0") == (StoreOp.RM, OK)
    assert b.ask(StoreOp.READ, b"data/x\0") == (StoreOp.ERROR, b"ENOENT\0")


def test_the_toolstack_has_written_who_a_domain_is(lab):
    b = lab["b"]
    assert b.ask(StoreOp.READ, b"name\0") == (StoreOp.READ, b"b")
    assert b.ask(StoreOp.READ, b"domid\0")[1] == str(b.domid).encode()
    assert b.ask(StoreOp.WRITE, b"name\0other") == (StoreOp.ERROR, b"EACCES\0")


def test_the_answer_to_a_watch_comes_before_its_first_event(lab):
    b = lab["b"]
    body = b"data\0token\0"
    b.put(STORE_MESSAGE.pack(StoreOp.WATCH, 1, 0, len(body)) + body)
    b.kick()
    assert [(kind, body) for kind, _, body in b.messages()] == [
        (StoreOp.WATCH, OK),
        (StoreOp.WATCH_EVENT, b"data\0token\0"),
    ]


def test_a_relative_watch_tells_relative_paths(lab):
    b = lab["b"]
    b.ask(StoreOp.WATCH, b"data\0rel\0")
    b.ask(StoreOp.WATCH, f"/local/domain/{b.domid}/data\0abs\0".encode())
    b.ask(StoreOp.WRITE, b"data/x\x001")
    assert sorted(b.events) == [f"/local/domain/{b.domid}/data/x\0abs\0".encode(), b"data/x\0rel\0"]
    assert b.ask(StoreOp.UNWATCH, b"data\0rel\0") == (StoreOp.UNWATCH, OK)
    b.ask(StoreOp.WRITE, b"data/x\x002")
    assert len(b.events) == 1


def test_an_event_that_another_domain_causes_rings_the_one_that_watches(lab):
    a, b = lab["a"], lab["b"]
    b.ask(StoreOp.WATCH, b"data\0t\0")
    b.messages()
    port = lab.xen.domains.of(b.cell).params[Param.STORE_EVTCHN]
    b.set_word(48, 0)
    b.set_word(8, 0)
    b.poke(b.page(1), b"\0")
    b.notices()
    a.ask(StoreOp.WRITE, f"/local/domain/{b.domid}/data/gift\0from dom0".encode())
    assert b.notices() == [port]
    assert [body for _, _, body in b.messages()] == [b"data/gift\0t\0"]


def test_a_message_longer_than_the_ring_passes_in_pieces_both_ways(lab):
    b = lab["b"]
    value = bytes(range(256)) * 7
    assert b.ask(StoreOp.WRITE, b"data/long\0" + value) == (StoreOp.WRITE, OK)
    assert b.ask(StoreOp.READ, b"data/long\0") == (StoreOp.READ, value)


def test_requests_wait_until_answers_are_read(lab):
    b = lab["b"]
    b.ask(StoreOp.WRITE, b"data/v\0" + bytes(900))
    request = STORE_MESSAGE.pack(StoreOp.READ, 1, 0, 7) + b"data/v\0"
    b.put(request * 3)
    b.kick()
    assert b.index(RSP_PROD) - b.index(RSP_PROD + -4) == 1024
    assert [len(body) for kind, _, body in b.messages()] == [900] * 3


def test_a_transaction_over_the_ring_conflicts_and_is_tried_again(lab):
    a, b = lab["a"], lab["b"]
    home = f"/local/domain/{b.domid}"
    number = int(b.ask(StoreOp.TRANSACTION_START, b"\0")[1][:-1])
    b.ask(StoreOp.READ, b"data\0", number)
    a.ask(StoreOp.WRITE, f"{home}/data\0new".encode())
    assert b.ask(StoreOp.TRANSACTION_END, b"T\0", number) == (StoreOp.ERROR, b"EAGAIN\0")
    number = int(b.ask(StoreOp.TRANSACTION_START, b"\0")[1][:-1])
    b.ask(StoreOp.WRITE, b"data/x\x001", number)
    assert b.ask(StoreOp.READ, b"data/x\0") == (StoreOp.ERROR, b"ENOENT\0")
    assert b.ask(StoreOp.TRANSACTION_END, b"T\0", number) == (StoreOp.TRANSACTION_END, OK)
    assert b.ask(StoreOp.READ, b"data/x\0") == (StoreOp.READ, b"1")


def test_permissions_are_words_on_the_wire(lab):
    b, c = lab["b"], lab["c"]
    path = f"/local/domain/{b.domid}/data/open"
    b.ask(StoreOp.WRITE, b"data/open\0x")
    assert c.ask(StoreOp.READ, f"{path}\0".encode()) == (StoreOp.ERROR, b"EACCES\0")
    assert b.ask(StoreOp.SET_PERMS, f"data/open\0n{b.domid}\0r{c.domid}\0".encode()) == (StoreOp.SET_PERMS, OK)
    assert c.ask(StoreOp.READ, f"{path}\0".encode()) == (StoreOp.READ, b"x")
    assert b.ask(StoreOp.GET_PERMS, b"data/open\0")[1] == f"n{b.domid}\0r{c.domid}\0".encode()


def test_domains_find_each_others_paths(lab):
    b, c = lab["b"], lab["c"]
    assert b.ask(StoreOp.GET_DOMAIN_PATH, f"{c.domid}\0".encode())[1] == f"/local/domain/{c.domid}\0".encode()
    assert b.ask(StoreOp.IS_DOMAIN_INTRODUCED, f"{c.domid}\0".encode())[1] == b"T\0"
    assert b.ask(StoreOp.IS_DOMAIN_INTRODUCED, b"77\0")[1] == b"F\0"


def test_dom0_sees_a_domain_go_and_come(lab):
    a, b = lab["a"], lab["b"]
    a.ask(StoreOp.WATCH, b"@releaseDomain\0gone\0")
    a.ask(StoreOp.WATCH, b"@introduceDomain\0come\0")
    a.messages()
    lab.restart("b")
    told = [body for _, _, body in a.messages()]
    assert told == [b"@releaseDomain\0gone\0", b"@introduceDomain\0come\0"]
    b.set_up_events()
    b.set_up_store()
    assert b.ask(StoreOp.READ, b"name\0") == (StoreOp.READ, b"b")


def test_a_domain_that_starts_again_has_none_of_its_watches(lab):
    b = lab["b"]
    b.ask(StoreOp.WATCH, b"data\0t\0")
    lab.restart("b")
    b.set_up_events()
    b.set_up_store()
    b.ask(StoreOp.WRITE, b"data/x\x001")
    assert b.events == []


def test_the_ring_has_its_page_once(lab):
    b = lab["b"]
    place = (DOMID_SELF, Param.STORE_PFN, b.frame(9))
    assert b.attempt(Call.HVM, HvmOp.SET_PARAM, HVM_PARAM, *place) == -Errno.EEXIST


def test_every_request_is_a_step_of_the_trace(lab):
    b = lab["b"]
    before = len(lab.kinds("store"))
    b.ask(StoreOp.WRITE, b"data/x\x001")
    (record,) = lab.kinds("store")[before:]
    assert (record.cell, record.fields["request"], record.fields["path"]) == ("b", "write", "data/x")
