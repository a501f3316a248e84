"""Injected faults as data, their counting at points, and the injector: what strikes when, what is written down, what was not."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cells.engines.faults import DEEDS as ARM_DEEDS
from cells.faults import DEEDS as PYTHON_DEEDS
from hypervisor.abi.faults import ORDER_LIMIT, SURE, Armed, BadFault, Draws, Watched
from hypervisor.abi.time import NEVER
from hypervisor.core import injected
from hypervisor.faults.actions import ACTIONS, ANYTHING, ARM, GuestKind, Order, check_order
from hypervisor.faults.injector import RECORDS_LIMIT, Injector
from hypervisor.faults.points import POINTS

words = st.integers(0, (1 << 64) - 1)
orders = st.builds(
    Armed,
    action=st.sampled_from(sorted(ACTIONS)),
    at=st.integers(0, NEVER - 1),
    point=st.sampled_from(["", *POINTS]),
    visit=st.integers(1, 1 << 20),
    times=st.integers(0, 9),
    share=st.integers(1, SURE),
    hold=st.integers(0, NEVER - 1),
    draw=words,
    values=st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), words | st.just("flash0"), max_size=4),
)


@given(orders, words)
def test_an_order_is_the_same_as_text_and_as_an_event(fault: Armed, number: int) -> None:
    assert Armed.from_text(fault.to_text()) == fault
    assert Armed.from_event(fault.to_event(number)) == (number, fault)


@pytest.mark.parametrize(
    ("order", "why"),
    [
        ("[]", "an order has an action"),
        ('{"at": 3}', "an order has an action"),
        ('{"action": "nothing", "color": 3}', "no keys but action, at"),
        ('{"action": "No Thing"}', '"action" of an order is a short name'),
        ('{"action": "nothing", "at": -1}', '"at" of an order is a number from 0'),
        ('{"action": "nothing", "at": true}', '"at" of an order is a number'),
        ('{"action": "nothing", "visit": 0}', '"visit" of an order is a number from 1'),
        ('{"action": "nothing", "values": [1]}', "the values of an order"),
        ('{"action": "nothing", "values": {"bit": 1.5}}', 'the value "bit" of an order'),
        ('{"action": "nothing", "values": {"b\\u00e4r": 1}}', "a value of an order has a short name"),
        ("{", "an order is a JSON object"),
        ("[" * 500, "an order is a JSON object"),
        (" " * (ORDER_LIMIT + 1), "at most 512 bytes"),
    ],
)
def test_what_is_no_order_is_refused_with_the_reason(order: str, why: str) -> None:
    with pytest.raises(BadFault, match=why):
        Armed.from_text(order.encode())


@given(st.binary(max_size=80))
def test_no_bytes_make_more_than_a_refusal(data: bytes) -> None:
    for read in (Armed.from_text, Armed.from_event):
        with suppress(BadFault):
            read(data)  # type: ignore[operator]


@given(st.integers(1, 20), st.integers(0, 5), st.integers(0, 40))
def test_a_fault_strikes_from_its_visit_on_as_often_as_it_says(visit: int, times: int, visits: int) -> None:
    watched = Watched()
    watched.arm(Armed("drop", point="message", visit=visit, times=times))
    struck = [number for number in range(1, visits + 1) if watched.visit("message")]
    last = visits if not times else min(visits, visit + times - 1)
    assert struck == list(range(visit, last + 1))
    assert all(watched.visit("other") is None for _ in range(3))


def test_of_two_at_one_point_the_first_goes_first_and_both_count() -> None:
    watched, first, second = Watched(), Armed("a", point="p", visit=2), Armed("b", point="p", visit=2)
    watched.arm(first)
    watched.arm(second)
    hits = [watched.visit("p") for _ in range(4)]
    assert [hit and hit.fault.action for hit in hits] == [None, "a", "b", None]
    assert not watched


def test_a_share_is_kept_and_repeats_itself() -> None:
    def struck(draw: int) -> list[int]:
        watched = Watched()
        watched.arm(Armed("drop", point="p", times=0, share=SURE // 4, draw=draw))
        return [number for number in range(4000) if watched.visit("p")]

    assert struck(7) == struck(7) != struck(8)
    assert 850 < len(struck(7)) < 1150


def test_draws_are_streams_of_their_own() -> None:
    assert [Draws(1, "bit").below(32) for _ in range(3)] == [Draws(1, "bit").below(32)] * 3
    assert Draws(1, "bit").word() != Draws(1, "register").word() != Draws(2, "register").word()
    stream = Draws(5)
    assert len({stream.word() for _ in range(1000)}) == 1000
    assert Draws(5).below(0) == 0


def test_the_injector_writes_down_what_strikes_and_knows_what_never_did() -> None:
    said: list[tuple[object, ...]] = []
    injector = Injector(lambda cell, fault, **facts: said.append((cell, fault.action, facts)))
    twice, never, now = Armed("drop", point="message", times=2), Armed("drop", point="message", visit=9), Armed("loop")
    for cell, fault in (("a", twice), ("b", never), ("a", now)):
        injector.expect(cell, fault)
    injector.open("a", twice)
    injector.open("b", never)
    assert [bool(injector.visit("message", cell, bytes=8)) for cell in ("a", "b", "a", "c", "a")] == [1, 0, 1, 0, 0]
    injector.struck("a", now)
    assert said == [
        ("a", "drop", {"point": "message", "visit": 1, "bytes": 8}),
        ("a", "drop", {"point": "message", "visit": 2, "bytes": 8}),
        ("a", "loop", {}),
    ]
    assert [(fate.cell, fate.fault) for fate in injector.waiting()] == [("b", never)]
    assert injector.known("b", 1) is never
    assert injector.known("a", 1) is injector.known("a", 3) is injector.known("a", -1) is None


def test_two_orders_that_say_the_same_are_two() -> None:
    injector = Injector(lambda *_, **__: None)
    for _ in range(2):
        injector.expect("a", Armed("drop", point="message"))
        injector.open("a", injector.fates[-1].fault)
    assert [bool(injector.visit("message", "a")) for _ in range(3)] == [True, True, False]
    assert injector.waiting() == []


def test_a_fault_that_strikes_always_does_not_fill_the_trace() -> None:
    said: list[object] = []
    injector = Injector(lambda *told, **_: said.append(told))
    injector.expect("a", fault := Armed("drop", point="message", times=0))
    injector.open("a", fault)
    for _ in range(1000):
        injector.visit("message", "a")
    assert (len(said), injector.fates[0].fired) == (RECORDS_LIMIT, 1000)


def test_what_is_closed_strikes_no_more() -> None:
    injector = Injector(lambda *_, **__: None)
    injector.expect("a", fault := Armed("drop", point="message", times=0))
    injector.open("a", fault)
    assert injector.visit("message", "a")
    injector.close("a", fault)
    injector.close("a", fault)
    assert injector.visit("message", "a") is None


# ---- the tables


def test_every_action_is_carried_out_somewhere() -> None:
    """At a time by the monitor, at a point, by the cell itself, or by the host."""
    at_points = {name for point in POINTS.values() for name in point.actions}
    for action in ACTIONS.values():
        if Order.INJECT not in action.orders or not action.guests:
            continue
        places = [action.name in injected.STRIKES, action.name in at_points]
        if not any(places):
            assert (action.name in ARM_DEEDS) == bool(action.guests & ARM), action
            assert (action.name in PYTHON_DEEDS) == (GuestKind.PYTHON in action.guests), action


def test_points_and_actions_know_each_other() -> None:
    for point in POINTS.values():
        assert point.layer in ("trace", "core", "shell", "cell")
        assert set(point.actions) <= set(ACTIONS), point
    for action in ACTIONS.values():
        assert not action.point or action.point in action.points, action
        assert len({key.name for key in action.keys}) == len(action.keys)
        assert all(key.least <= key.most for key in action.keys)


@pytest.mark.parametrize(
    ("fault", "cell", "why"),
    [
        (Armed("kill"), "a", 'no injected fault is called "kill"'),
        (Armed("melt"), "a", 'no injected fault is called "melt"'),
        (Armed("loop"), "", "strikes a cell: say which"),
        (Armed("full_disk"), "a", "strikes the host, and no cell"),
        (Armed("loop", point="nowhere"), "a", 'no point "nowhere"'),
        (Armed("loop", point="switch"), "a", 'no point "switch" in the code'),
        (Armed("no_quota"), "a", "no_quota strikes at core.quota"),
        (Armed("loop", point="core.quota"), "a", "loop makes no sense at core.quota"),
    ],
)
def test_an_order_that_makes_no_sense_is_refused(fault: Armed, cell: str, why: str) -> None:
    with pytest.raises(BadFault, match=why):
        check_order(fault, cell)


def test_orders_that_make_sense_are_taken() -> None:
    for action in ACTIONS.values():
        if Order.INJECT in action.orders:
            check_order(Armed(action.name, point=action.point), "a" if action.guests else "")
    check_order(Armed("loop", point="core.exit"), "a")
    assert ACTIONS["nothing"].guests == ANYTHING


def test_an_order_reads_as_json_in_a_run_directory() -> None:
    text = Armed("flip_ram", at=5, values={"offset": 64}).to_text()
    assert json.loads(text) == {"action": "flip_ram", "at": 5, "values": {"offset": 64}}
