"""What must hold of every policy: sharing is mutual, silence is a denial, and rivals never meet, whatever the order of starts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hypervisor.core.cell import CellParams
from hypervisor.core.costs import Costs
from hypervisor.core.effects import StartCell, TraceRecord
from hypervisor.core.events import CellReady, OperatorAsked, Settled
from hypervisor.core.frames import FrameTable
from hypervisor.core.monitor import Monitor
from hypervisor.core.policies import make_policy
from hypervisor.core.xen.policy import OPERATIONS, Policy
from tests.support.guarded import Guarded

TYPES = ["red", "green", "blue"]
WALLS = ["bank", "shop", "game", "news"]
LABELS = ["a", "b", "c", "d"]

names_of_types = st.lists(st.sampled_from(TYPES), unique=True)
labels = st.fixed_dictionaries({"types": names_of_types, "walls": st.lists(st.sampled_from(WALLS), unique=True)})
policies = st.fixed_dictionaries(
    {
        "labels": st.dictionaries(st.sampled_from(LABELS), labels),
        "conflicts": st.dictionaries(st.sampled_from("xyz"), st.lists(st.sampled_from(WALLS), unique=True)),
        "devices": st.dictionaries(st.sampled_from(["flash0", "uart1"]), names_of_types),
    }
)
walled = st.fixed_dictionaries(
    {
        "labels": st.fixed_dictionaries(
            {
                name: st.builds(lambda wall: {"walls": wall}, st.lists(st.sampled_from(WALLS), max_size=2))
                for name in LABELS
            }
        ),
        "conflicts": st.dictionaries(
            st.sampled_from("xyz"), st.lists(st.sampled_from(WALLS), unique=True, min_size=2), min_size=1
        ),
    }
)
"""Policies under which rivals are likely."""
some_label = st.sampled_from([*LABELS, "stranger", ""])
MODEL = settings(max_examples=200, deadline=None, derandomize=True)
pytestmark = pytest.mark.slow


@MODEL
@given(policies, some_label, some_label, st.sampled_from(sorted(OPERATIONS)))
def test_between_cells_every_decision_is_mutual(table: Any, one: str, other: str, operation: str) -> None:
    policy = Policy.of(table)
    if operation != "device_assignment":
        assert policy.allow(one, other, operation).allowed == policy.allow(other, one, operation).allowed


@MODEL
@given(policies, some_label, some_label)
def test_nothing_is_allowed_but_by_a_type_that_both_have(table: Any, one: str, other: str) -> None:
    policy = Policy.of(table)
    have = [set(table["labels"].get(label, {"types": []})["types"]) for label in (one, other)]
    for operation in ("event_channel", "grant"):
        assert policy.allow(one, other, operation).allowed == bool(have[0] & have[1])
    for device, types in table["devices"].items():
        assert policy.allow(one, device, "device_assignment").allowed == bool(have[0] & set(types))


@MODEL
@given(policies, some_label, some_label, st.sampled_from(sorted(OPERATIONS)))
def test_the_rule_is_always_said(table: Any, one: str, other: str, operation: str) -> None:
    assert Policy.of(table).allow(one, other, operation).rule


def rivals(table: Mapping[str, Any], one: str, other: str) -> bool:
    """The Chinese wall in plain words: two different walls of one set."""
    mine, theirs = (set(table["labels"][label]["walls"]) for label in (one, other))
    return any(a != b for walls in table["conflicts"].values() for a in mine & set(walls) for b in theirs & set(walls))


class Board:
    """A monitor whose cells start and end by order; no vCPU ever runs."""

    def __init__(self, table: Mapping[str, Any], worn: list[str], crash: str) -> None:
        self.table = table
        cells = [
            CellParams(f"cell{number}", 4096, (0,), label=label, on_crash=crash) for number, label in enumerate(worn)
        ]
        self.monitor = Monitor(
            cells,
            make_policy("round_robin", slice_cycles=100),
            costs=Costs(operations={"policy": 7}),
            frames=FrameTable(1 << 20, 0),
            mechanism=Guarded.under(Policy.of(table)),
        )
        self.denied: list[TraceRecord] = []
        self.follow(self.monitor.start())

    def follow(self, effects: list[Any]) -> None:
        """Processes start at once; what the monitor orders in answer too."""
        while effects:
            self.denied += [e for e in effects if isinstance(e, TraceRecord) and e.kind == "denied"]
            starts = [effect.cell for effect in effects if isinstance(effect, StartCell)]
            self.judge()
            effects = [more for cell in starts for more in self.monitor.handle(CellReady(cell), self.monitor.now)]
        self.judge()

    def order(self, verb: str, cell: int) -> None:
        self.follow(self.monitor.handle(OperatorAsked(verb, cell), self.monitor.now))

    def judge(self) -> None:
        there = [cell.params.label for cell in self.monitor.cells if not cell.ended]
        for number, one in enumerate(there):
            assert one in self.table["labels"], "a label that nobody declared runs"
            for other in there[:number]:
                assert not rivals(self.table, one, other), f"{one} and {other} run together"
        self.monitor.check_invariants()


orders = st.lists(st.tuples(st.sampled_from(["kill", "restart"]), st.integers(0, 4)), max_size=20)


@MODEL
@given(
    walled,
    st.lists(some_label, min_size=2, max_size=5),
    st.sampled_from(["destroy", "restart"]),
    orders,
)
def test_rivals_never_run_together_whatever_the_order_of_starts_and_ends(
    table: Any, worn: list[str], crash: str, script: list[tuple[str, int]]
) -> None:
    board = Board(table, worn, crash)
    for verb, cell in script:
        if cell < len(worn):
            board.order(verb, cell)
    board.monitor.handle(Settled(), board.monitor.now)
    for record in board.denied:
        assert {"subject", "object", "operation", "rule"} <= record.fields.keys()


@MODEL
@given(walled, st.lists(some_label, min_size=2, max_size=5))
def test_a_refused_cell_can_be_started_when_its_rivals_have_ended(table: Any, worn: list[str]) -> None:
    board = Board(table, worn, "destroy")
    refused = [cell.index for cell in board.monitor.cells if cell.ended]
    for cell in board.monitor.cells:
        board.order("kill", cell.index)
    for index in refused[:1]:
        board.order("restart", index)
        hopeless = worn[index] not in table["labels"] or rivals(table, worn[index], worn[index])
        assert board.monitor.cells[index].ended == hopeless
