"""Capabilities against a reference that keeps a plain list of who derived what from what.

The reference is append-only and looks everything up by walking its list, so that it shares no cleverness with the tables.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from hypervisor.abi.status import Status
from hypervisor.core.capabilities import Authority, Capability, Kind, Right
from hypervisor.core.errors import Refused

CELLS, LIMIT = 3, 5
CELL = st.integers(0, CELLS - 1)
SLOT = st.integers(0, LIMIT + 1)
RIGHTS = st.integers(0, 63)
OBJECT = st.sampled_from(["pipe", "page", "bell"])


@dataclass
class Held:
    """A capability that somebody held at some time."""

    cell: int
    slot: int
    target: str
    rights: int
    origin: Held | None
    alive: bool = True

    def lives_on(self) -> bool:
        return self.alive and (self.origin is None or self.origin.lives_on())


class AuthorityMachine(RuleBasedStateMachine):
    """Three cells that mint, move, grant, revoke and delete whatever they can name."""

    def __init__(self) -> None:
        super().__init__()
        self.authority = Authority(static=False, slots=LIMIT)
        self.ever: list[Held] = []
        self.given: dict[int, set[str]] = {cell: set() for cell in range(CELLS)}

    def living(self, cell: int) -> dict[int, Held]:
        return {held.slot: held for held in self.ever if held.cell == cell and held.lives_on()}

    def free(self, cell: int) -> int | None:
        return min(set(range(1, LIMIT + 1)) - self.living(cell).keys(), default=None)

    def add(self, cell: int, target: str, rights: int, origin: Held | None) -> int:
        slot = self.free(cell)
        assert slot is not None
        self.ever.append(Held(cell, slot, target, rights, origin))
        self.given[cell].add(target)
        return slot

    def derivation_fault(self, held: Held | None, rights: int, cell: int, granting: bool) -> Status | None:
        if held is None:
            return Status.NO_SUCH_SLOT
        if granting and not held.rights & Right.GRANT:
            return Status.RIGHTS
        if not rights:
            return Status.BAD_ARGUMENT
        if rights & ~held.rights:
            return Status.RIGHTS
        return Status.NO_ROOM if self.free(cell) is None else None

    @rule(cell=CELL, name=OBJECT, rights=st.integers(1, 63))
    def give(self, cell: int, name: str, rights: int) -> None:
        if self.free(cell) is None:
            self.expect(Status.NO_ROOM, self.authority.give, cell, Kind.CHANNEL, name, Right(rights))
            return
        slot = self.authority.give(cell, Kind.CHANNEL, name, Right(rights))
        assert slot == self.add(cell, name, rights, None)

    @rule(cell=CELL, slot=SLOT, rights=RIGHTS)
    def mint(self, cell: int, slot: int, rights: int) -> None:
        held = self.living(cell).get(slot)
        fault = self.derivation_fault(held, rights, cell, granting=False)
        if fault is not None:
            self.expect(fault, self.authority.mint, cell, slot, rights)
            return
        assert held is not None
        assert self.authority.mint(cell, slot, rights) == self.add(cell, held.target, rights, held)

    @rule(cell=CELL, slot=SLOT, to_cell=CELL, rights=RIGHTS)
    def grant(self, cell: int, slot: int, to_cell: int, rights: int) -> None:
        held = self.living(cell).get(slot)
        fault = self.derivation_fault(held, rights, to_cell, granting=True)
        if fault is not None:
            self.expect(fault, self.authority.grant, cell, slot, to_cell, rights)
            return
        assert held is not None
        assert self.authority.grant(cell, slot, to_cell, rights) == self.add(to_cell, held.target, rights, held)

    @rule(cell=CELL, slot=SLOT, to=SLOT)
    def move(self, cell: int, slot: int, to: int) -> None:
        held = self.living(cell).get(slot)
        if held is None:
            self.expect(Status.NO_SUCH_SLOT, self.authority.move, cell, slot, to)
        elif not 1 <= to <= LIMIT:
            self.expect(Status.BAD_ARGUMENT, self.authority.move, cell, slot, to)
        elif to in self.living(cell):
            self.expect(Status.WRONG_STATE, self.authority.move, cell, slot, to)
        else:
            self.authority.move(cell, slot, to)
            held.slot = to

    @rule(cell=CELL, slot=SLOT, itself=st.booleans())
    def take_back(self, cell: int, slot: int, itself: bool) -> None:
        act = self.authority.delete if itself else self.authority.revoke
        held = self.living(cell).get(slot)
        if held is None:
            self.expect(Status.NO_SUCH_SLOT, act, cell, slot)
            return
        before = self.alive()
        if itself:
            held.alive = False
        for other in self.ever:
            if other.origin is held:
                other.alive = False
        assert act(cell, slot) == before - self.alive() - itself

    @rule(cell=CELL)
    def drop(self, cell: int) -> None:
        before = self.alive()
        for held in self.living(cell).values():
            held.alive = False
        assert self.authority.drop_cell(cell) == before - self.alive()

    def alive(self) -> int:
        return sum(held.lives_on() for held in self.ever)

    @staticmethod
    def expect(status: Status, act, *arguments) -> None:
        with pytest.raises(Refused) as refusal:
            act(*arguments)
        assert refusal.value.status is status

    @invariant()
    def the_tables_hold_exactly_what_lives(self) -> None:
        for cell in range(CELLS):
            assert self.authority.listing(cell) == {
                slot: Capability(Kind.CHANNEL, held.target, Right(held.rights))
                for slot, held in sorted(self.living(cell).items())
            }

    @invariant()
    def rights_never_grow_and_nothing_is_reachable_that_was_not_given(self) -> None:
        for held in self.ever:
            assert held.origin is None or not held.rights & ~held.origin.rights
        for cell in range(CELLS):
            assert {c.target for c in self.authority.listing(cell).values()} <= self.given[cell]

    @invariant()
    def the_forest_is_sound(self) -> None:
        self.authority.check_invariants()


def test_capabilities_agree_with_a_list_of_who_derived_what():
    run_state_machine_as_test(
        AuthorityMachine, settings=settings(max_examples=150, stateful_step_count=30, deadline=None)
    )
