"""Capabilities: tables, derivation, revocation, and the hypercalls on them."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from hypervisor.abi.hypercalls import Hypercall
from hypervisor.abi.records import Exit
from hypervisor.abi.status import Status, from_word
from hypervisor.abi.time import NEVER
from hypervisor.core.calls.capabilities import calls
from hypervisor.core.capabilities import Authority, Kind, Right
from hypervisor.core.costs import Costs
from hypervisor.core.errors import InvariantBroken, Refused
from tests.support.invariants import Watch
from tests.support.scripted import Bench, ScriptedVcpu

ALL = Right.SEND | Right.RECEIVE | Right.GRANT


@pytest.fixture
def authority(watch: Watch) -> Authority:
    return watch(Authority(static=False))


def refused(status: Status, why: str = ""):
    return pytest.raises(Refused, match=rf"^{status.name}: .*{why}")


def test_slots_are_given_in_order_from_one(authority):
    assert [authority.give(0, Kind.CHANNEL, name, ALL) for name in "abc"] == [1, 2, 3]
    assert authority.give(1, Kind.CHANNEL, "a", ALL) == 1


def test_a_freed_slot_is_the_next_that_is_given(authority):
    for name in "abc":
        authority.give(0, Kind.CHANNEL, name, ALL)
    authority.delete(0, 2)
    assert authority.give(0, Kind.CHANNEL, "d", ALL) == 2
    assert list(authority.listing(0)) == [1, 2, 3]


def test_a_slot_is_looked_up_by_kind_and_rights(authority):
    authority.give(0, Kind.CHANNEL, "pipe", Right.SEND, badge=7)
    found = authority.look(0, 1, Kind.CHANNEL, Right.SEND)
    assert (found.target, found.badge) == ("pipe", 7)
    with refused(Status.NO_SUCH_SLOT, "slot 2 is empty"):
        authority.look(0, 2, Kind.CHANNEL, Right.SEND)
    with refused(Status.NO_SUCH_SLOT):
        authority.look(1, 1, Kind.CHANNEL, Right.SEND)
    with refused(Status.BAD_ARGUMENT, "slot 1 is a CHANNEL, not a MEMORY"):
        authority.look(0, 1, Kind.MEMORY, Right.SEND)
    with refused(Status.RIGHTS, r"slot 1 gives send, not receive"):
        authority.look(0, 1, Kind.CHANNEL, Right.RECEIVE)


def test_minting_takes_rights_away_and_never_adds_one(authority):
    slot = authority.give(0, Kind.CHANNEL, "pipe", ALL)
    less = authority.mint(0, slot, Right.SEND)
    assert authority.identify(0, less).rights == Right.SEND
    with refused(Status.RIGHTS, "receive cannot come of it"):
        authority.mint(0, less, Right.SEND | Right.RECEIVE)
    for nothing in (0, 1 << 20):
        with refused(Status.BAD_ARGUMENT):
            authority.mint(0, slot, nothing)
    assert list(authority.listing(0)) == [slot, less]


def test_only_who_may_grant_gives_to_others(authority):
    slot = authority.give(0, Kind.MEMORY, 5, Right.READ | Right.WRITE | Right.GRANT)
    lent = authority.grant(0, slot, 1, Right.READ)
    assert authority.identify(1, lent).rights == Right.READ
    with refused(Status.RIGHTS, "may not be granted"):
        authority.grant(1, lent, 2, Right.READ)
    assert authority.listing(2) == {}


def test_revocation_reaches_every_table_and_leaves_the_origin(authority):
    slot = authority.give(0, Kind.CHANNEL, "pipe", ALL)
    lent = authority.grant(0, slot, 1, ALL)
    authority.grant(1, lent, 2, ALL)
    authority.mint(1, lent, Right.SEND)
    assert authority.revoke(0, slot) == 3
    assert list(authority.listing(0)) == [slot]
    assert authority.listing(1) == authority.listing(2) == {}


def test_deletion_takes_what_was_derived_and_nothing_above(authority):
    slot = authority.give(0, Kind.CHANNEL, "pipe", ALL)
    lent = authority.grant(0, slot, 1, ALL)
    authority.grant(1, lent, 2, Right.SEND)
    assert authority.delete(1, lent) == 1
    assert list(authority.listing(0)) == [slot]
    assert authority.listing(2) == {}


def test_a_moved_capability_is_still_derived_and_still_an_origin(authority):
    slot = authority.give(0, Kind.CHANNEL, "pipe", ALL)
    lent = authority.grant(0, slot, 1, ALL)
    authority.mint(1, lent, Right.SEND)
    authority.move(1, lent, 100)
    assert authority.revoke(1, 100) == 1
    assert authority.revoke(0, slot) == 1
    assert authority.listing(1) == {}


def test_moving_needs_a_free_slot_that_exists(authority):
    authority.give(0, Kind.CHANNEL, "a", ALL)
    authority.give(0, Kind.CHANNEL, "b", ALL)
    for to, status in ((2, Status.WRONG_STATE), (0, Status.BAD_ARGUMENT), (257, Status.BAD_ARGUMENT)):
        with refused(status):
            authority.move(0, 1, to)
    assert [c.target for c in authority.listing(0).values()] == ["a", "b"]


def test_a_table_has_an_end(authority):
    slot = authority.give(0, Kind.CHANNEL, "pipe", ALL)
    for _ in range(255):
        authority.mint(0, slot, Right.SEND)
    with refused(Status.NO_ROOM, "all 256 slots"):
        authority.mint(0, slot, Right.SEND)


def test_a_cell_that_is_gone_takes_along_what_it_gave(authority):
    mine = authority.give(0, Kind.CHANNEL, "mine", ALL)
    other = authority.give(1, Kind.CHANNEL, "other", ALL)
    authority.grant(0, mine, 1, Right.SEND)
    authority.grant(1, other, 0, Right.SEND)
    assert authority.drop_cell(0) == 3
    assert authority.listing(0) == {}
    assert list(authority.listing(1)) == [other]
    assert authority.drop_cell(0) == 0


def test_static_tables_cannot_be_changed_after_the_seal():
    authority = Authority(static=True)
    slot = authority.give(0, Kind.CHANNEL, "pipe", ALL)
    authority.seal()
    for attempt in (
        lambda: authority.give(0, Kind.CHANNEL, "more", ALL),
        lambda: authority.mint(0, slot, Right.SEND),
        lambda: authority.grant(0, slot, 1, Right.SEND),
        lambda: authority.move(0, slot, 9),
        lambda: authority.revoke(0, slot),
        lambda: authority.delete(0, slot),
    ):
        with refused(Status.DENIED, "fixed at boot"):
            attempt()
    assert authority.look(0, slot, Kind.CHANNEL, Right.SEND).target == "pipe"


def test_the_invariants_find_a_right_that_came_from_nowhere(authority):
    slot = authority.give(0, Kind.CHANNEL, "pipe", Right.SEND)
    less = authority.mint(0, slot, Right.SEND)
    node = authority._tables[0][less]
    honest = node.capability
    node.capability = authority.look(0, authority.give(0, Kind.CHANNEL, "pipe", ALL), Kind.CHANNEL, ALL)
    with pytest.raises(InvariantBroken, match="its origin only send"):
        authority.check_invariants()
    node.capability = honest


def run_calls(authority: Authority, *wanted: tuple[int, ...]) -> tuple[list[int], Bench]:
    """A cell that makes these calls, one after the other: the answers."""
    answers: list[int] = []

    def script(vcpu: ScriptedVcpu) -> Generator[Exit, None, None]:
        for number, *arguments in wanted:
            answer = yield from vcpu.call(number, *arguments)
            answers.append(from_word(answer))

    bench = Bench({"a": script}, costs=Costs(operations={"capability": 40}))
    bench.monitor.calls = {**bench.monitor.calls, **calls(authority)}
    bench.until(NEVER)
    return answers, bench


def test_the_hypercalls_answer_as_their_table_says(authority):
    slot = authority.give(0, Kind.CHANNEL, "pipe", ALL)
    answers, _ = run_calls(
        authority,
        (Hypercall.CAP_IDENTIFY, slot),
        (Hypercall.CAP_MINT, slot, Right.SEND),
        (Hypercall.CAP_MOVE, 2, 9),
        (Hypercall.CAP_IDENTIFY, 9),
        (Hypercall.CAP_REVOKE, slot),
        (Hypercall.CAP_DELETE, slot),
        (Hypercall.CAP_IDENTIFY, slot),
    )
    assert answers == [Kind.CHANNEL << 32 | ALL, 2, 0, Kind.CHANNEL << 32 | Right.SEND, 1, 0, Status.NO_SUCH_SLOT]


def test_each_served_call_is_a_step_with_its_price_and_a_refused_one_is_not(authority):
    slot = authority.give(0, Kind.CHANNEL, "pipe", Right.SEND)
    _, bench = run_calls(authority, (Hypercall.CAP_MINT, slot, Right.SEND), (Hypercall.CAP_MINT, slot, Right.RECEIVE))
    ledger: Any = bench.monitor.ledger
    assert ledger.counted("a", "capability") == 1
    assert ledger.cycles("a", "capability") == 40


@pytest.mark.parametrize("number", [Hypercall.CAP_MINT, Hypercall.CAP_MOVE, Hypercall.CAP_REVOKE, Hypercall.CAP_DELETE])
def test_huge_numbers_are_refused_like_any_other(authority, number):
    huge = (1 << 64) - 1
    answers, _ = run_calls(authority, (number, huge, huge))
    assert answers == [Status.NO_SUCH_SLOT]
