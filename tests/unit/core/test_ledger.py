"""The ledger: every cycle has a cause, and the sums agree."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hypervisor.core.errors import InvariantBroken
from hypervisor.core.ledger import BOARD, CAUSES, Ledger
from tests.support.invariants import Watch


def test_the_time_of_a_cell_is_the_sum_over_its_causes(watch: Watch) -> None:
    ledger = watch(Ledger())
    ledger.charge("ui", "guest", 900)
    ledger.charge("ui", "world_switch", 60)
    ledger.charge("ui", "guest", 40)
    assert ledger.cycles("ui", "guest") == 940
    assert ledger.time("ui") == 1_000
    assert ledger.cycles("ui", "idle") == 0


def test_totals_go_over_all_cells_and_the_board(watch: Watch) -> None:
    ledger = watch(Ledger())
    ledger.charge("ui", "idle", 1)
    ledger.charge("rt", "idle", 2)
    ledger.charge(BOARD, "idle", 4)
    assert ledger.total("idle") == 7


def test_what_turns_out_to_have_another_cause_changes_no_sum(watch: Watch) -> None:
    ledger = watch(Ledger())
    ledger.charge("ui", "guest", 900)
    ledger.reassign("ui", "guest", "vtlb", 300)
    assert (ledger.cycles("ui", "guest"), ledger.cycles("ui", "vtlb"), ledger.time("ui")) == (600, 300, 900)
    ledger.reassign("ui", "guest", "vtlb", 1_000)
    assert (ledger.cycles("ui", "guest"), ledger.cycles("ui", "vtlb"), ledger.time("ui")) == (0, 900, 900)
    with pytest.raises(ValueError, match="negative"):
        ledger.reassign("ui", "guest", "vtlb", -1)


def test_counts_are_kept_apart_from_cycles(watch: Watch) -> None:
    ledger = watch(Ledger())
    ledger.count("rt", "switches")
    ledger.count("rt", "switches", 2)
    assert ledger.counted("rt", "switches") == 3
    assert ledger.counted("rt", "exits") == ledger.time("rt") == 0


def test_the_summary_is_plain_data_in_a_fixed_order(watch: Watch) -> None:
    ledger = watch(Ledger())
    ledger.charge("b", "idle", 3)
    ledger.charge("b", "guest", 4)
    ledger.count("a", "zebras")
    ledger.count("a", "exits", 5)
    assert list(ledger.to_dict().items()) == [
        ("a", {"cycles": {}, "counts": {"exits": 5, "zebras": 1}, "time": 0}),
        ("b", {"cycles": {"guest": 4, "idle": 3}, "counts": {}, "time": 7}),
    ]
    assert list(ledger.to_dict()["b"]["cycles"]) == ["guest", "idle"]


def test_a_cause_outside_of_the_table_is_an_error_and_changes_nothing(watch: Watch) -> None:
    ledger = watch(Ledger())
    with pytest.raises(ValueError, match=r'^no cause is called "gest"; there are: guest, '):
        ledger.charge("ui", "gest", 1)
    assert ledger.to_dict() == {}


def test_a_flavour_brings_causes_of_its_own(watch: Watch) -> None:
    ledger = watch(Ledger(CAUSES | {"page_table": "validated updates"}))
    ledger.charge("ui", "page_table", 450)
    assert ledger.to_dict()["ui"]["cycles"] == {"page_table": 450}


def test_nothing_is_ever_given_back(watch: Watch) -> None:
    ledger = watch(Ledger())
    with pytest.raises(ValueError, match=r'^a negative charge: -1 cycles of guest to "ui"$'):
        ledger.charge("ui", "guest", -1)
    with pytest.raises(ValueError, match=r'^a negative count: -1 exits of "ui"$'):
        ledger.count("ui", "exits", -1)


def test_every_cause_says_what_it_means() -> None:
    assert all(CAUSES.values())
    assert {"guest", "world_switch", "idle"} <= CAUSES.keys()


def test_a_ledger_that_does_not_add_up_says_so() -> None:
    ledger = Ledger()
    ledger.charge("ui", "guest", 10)
    ledger._time["ui"] += 1
    with pytest.raises(InvariantBroken, match=r'^ledger: "ui" has used 11 cycles, its causes sum to 10$'):
        ledger.check_invariants()


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(list(CAUSES)), st.integers(0, 10**12)), max_size=20))
def test_all_sums_agree_with_the_list_of_charges(charges: list[tuple[str, str, int]]) -> None:
    ledger = Ledger()
    for cell, cause, cycles in charges:
        ledger.charge(cell, cause, cycles)
    ledger.check_invariants()
    assert sum(ledger.time(cell) for cell in ledger.cells()) == sum(cycles for _, _, cycles in charges)
    for cause in CAUSES:
        assert ledger.total(cause) == sum(cycles for _, other, cycles in charges if other == cause)
