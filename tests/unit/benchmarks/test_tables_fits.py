"""Fits of the survey's tables: prices are found again, do not depend on one odd row, and are never below zero."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.tables import causes
from benchmarks.tables.applications import grown, scaled
from benchmarks.tables.cases import Case
from benchmarks.tables.figures import Row
from benchmarks.tables.model import Answer, Problem, answer, solve, unflushed
from benchmarks.tables.protocol import Fit, Protocol, terms
from benchmarks.tables.scores import score
from benchmarks.tables.solve import huber, nonnegative

TERMS = ("entry", "switch", "page_table")
PRICES = {"entry": 1.5, "switch": 40.0, "page_table": 50.0}
RULES = Protocol(0.15, 0.05, 0.25, 6, {}, {})
FIT = Fit("made", "virtualized", "none", ("fig17",), TERMS)


def made(number: int, entries: float, switches: float, updates: float, native: float = 100.0) -> Case:
    """A row of which the virtualized value is what the prices say."""
    counts = {"svc": entries, "irq": 0, "undefined": 0, "prefetch_abort_user": 0, "data_abort_user": 0}
    counts |= {"switches": switches, "f_set_pte": updates}
    case = Case(Row("fig17", f"row_{number}", "us", native, 1.0), counts)
    return Case(Row("fig17", f"row_{number}", "us", native, answer(case, native, PRICES).total), counts)


CASES = [made(place, 1 + place % 4, place % 3, 7 * (place % 5), 50.0 * (1 + place)) for place in range(12)]


def problem(cases: list[Case]) -> Problem:
    return Problem(FIT, RULES, cases, {case.row.key: case.row.native_us for case in cases})


def test_prices_that_made_the_rows_are_found_again() -> None:
    assert solve(problem(CASES)).prices == pytest.approx(PRICES)


def test_a_row_that_is_left_out_is_predicted_from_the_others() -> None:
    left_out = solve(problem(CASES)).left_out.values()
    assert [one.total for one in left_out] == pytest.approx([case.row.virtualized_us for case in CASES])


def test_a_row_that_is_left_out_has_no_part_in_its_prices_however_odd_it_is() -> None:
    right = CASES[7]
    odd = replace(right, row=replace(right.row, virtualized=right.row.virtualized * 30))
    cases = [*CASES[:7], odd, *CASES[8:]]
    found = solve(problem(cases))
    assert problem(cases).without(odd) == pytest.approx(PRICES)
    assert found.left_out[odd.row.key].total == pytest.approx(right.row.virtualized_us)
    assert found.answers[odd.row.key].total != pytest.approx(right.row.virtualized_us, rel=1e-4)
    assert found.prices != pytest.approx(PRICES)


def test_a_residual_is_relative_to_the_value_and_of_a_virtualized_row_to_the_added_time_as_well() -> None:
    row = Row("fig17", "any", "us", 100.0, 400.0)
    virtualized, native = FIT, replace(FIT, column="native")
    for fit, given_, told, weight in (
        (virtualized, 100.0, 400.0, (400 * 300) ** -0.5),
        (virtualized, 100.0, 101.0, (101 * 0.05 * 101) ** -0.5),  # `least_added`
        (virtualized, 500.0, 400.0, (400 * 100) ** -0.5),
        (native, 0.0, 400.0, 1 / 100),
    ):
        case = Case(replace(row, virtualized=told), {})
        assert Problem(fit, RULES, [case], {row.key: given_}).weight(case) == pytest.approx(weight)


def test_one_odd_row_moves_prices_less_than_it_would_plain_least_squares() -> None:
    odd = CASES[7].row
    cases = [
        *CASES[:7],
        Case(Row("fig17", odd.name, "us", odd.native, odd.virtualized * 30), CASES[7].counts),
        *CASES[8:],
    ]
    amounts = [[case.amount(term) for term in TERMS] for case in cases]
    added = [case.row.virtualized_us - case.row.native_us for case in cases]
    weights = [1.0 / case.row.native_us for case in cases]
    robust, plain = (np.array(huber(amounts, added, weights, knee)) for knee in (0.15, 1e9))
    wanted = np.array(list(PRICES.values()))
    assert abs(robust / wanted - 1).max() < abs(plain / wanted - 1).max() / 3


def test_amounts_that_explain_nothing_cost_nothing() -> None:
    assert huber([[1.0, 3.0], [2.0, 1.0], [3.0, 2.0]], [1.0, 2.0, 3.0], [1.0] * 3, 0.15) == pytest.approx([1.0, 0.0])
    assert huber([[1.0, 0.0], [2.0, 0.0]], [1.0, 2.0], [1.0, 1.0], 0.15) == [1.0, 0.0]
    assert huber([[1.0], [2.0]], [-1.0, -2.0], [1.0, 1.0], 0.15) == [0.0]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(-5, 9), min_size=4, max_size=4), min_size=4, max_size=8))
def test_no_other_prices_above_zero_fit_better(rows: list[list[int]]) -> None:
    matrix, wanted = np.array(rows, dtype=float)[:, :3], np.array(rows, dtype=float)[:, 3]
    found = nonnegative(matrix, wanted)
    assert (found >= 0).all()
    best = float(np.sum((matrix @ found - wanted) ** 2))
    for size in (0, 1, 2, 3):
        for kept in combinations(range(3), size):
            other = np.zeros(3)
            other[list(kept)] = np.linalg.lstsq(matrix[:, kept], wanted, rcond=None)[0] if kept else []
            if (other >= 0).all():
                assert best <= float(np.sum((matrix @ other - wanted) ** 2)) + 1e-6


def test_every_microsecond_is_an_amount_times_a_price() -> None:
    one = solve(problem(CASES)).answers[CASES[5].row.key]
    assert one.total == one.given + sum(one.parts.values())
    assert one.parts["entry"] == pytest.approx(CASES[5].amount("entry") * PRICES["entry"])
    assert causes.main(one)[0] == max(one.parts, key=lambda term: one.parts[term])


def test_a_cause_is_named_only_if_something_costs() -> None:
    assert causes.main(answer(made(0, 0, 0, 0), 100.0, PRICES)) == ("", 0.0)


def test_what_a_flavour_does_not_flush_is_taken_off_in_proportion() -> None:
    counts = {"instructions": 1000.0, "flush_instructions": 0.0, "l1d_write_miss": 0.0, "l1d_write_miss_kept": 0.0}
    counts |= {"l1i_miss": 100.0, "l1d_read_miss": 0.0, "l1i_miss_kept": 10.0, "l1d_read_miss_kept": 0.0}
    case = Case(Row("fig21", "any", "us", 500.0, 1.0), counts)
    assert unflushed(case, {"instruction": 0.01, "miss": 0.1}) == pytest.approx(500 * (1 - 9.0 / 20.0))
    kept_all = Case(case.row, {**counts, "l1i_miss_kept": 100.0})
    assert unflushed(kept_all, {"instruction": 0.01, "miss": 0.1}) == 500.0


# ---- applications


PER = {"instruction": 0.01, "miss": 0.1, "entry": 1.0}


def run(instructions: float, calls: float) -> dict[str, float]:
    zero = dict.fromkeys(("irq", "undefined", "prefetch_abort_user", "data_abort_user", "flush_instructions"), 0.0)
    misses = {"l1i_miss": 0.0, "l1d_read_miss": 0.0, "l1d_write_miss": 0.0}
    return {**zero, **misses, "instructions": instructions, "svc": calls}


def test_an_application_is_scaled_until_its_native_time_is_the_surveys() -> None:
    row = Row("fig16", "any", "s", 1.0, 2.0)
    counts = grown(row, run(10_000_000, 100), run(20_000_000, 150), PER)
    assert answer(Case(row, counts), 0.0, PER).total == pytest.approx(row.native_us)
    calls_of_the_process_alone = counts["svc"] - 50 * (counts["instructions"] - 10_000_000) / 10_000_000
    assert calls_of_the_process_alone == pytest.approx(100)


def test_its_virtualized_time_says_nothing_about_its_counts() -> None:
    short, long = run(10_000_000, 100), run(20_000_000, 150)
    one, other = (grown(Row("fig16", "any", "s", 1.0, told), short, long, PER) for told in (1.1, 5.0))
    assert one == other


def test_without_a_short_input_or_below_it_counts_are_scaled_as_a_whole() -> None:
    row = Row("fig16", "any", "s", 0.05, 2.0)
    only_long = grown(row, None, run(20_000_000, 150), PER)
    below = grown(row, run(10_000_000, 100), run(20_000_000, 150), PER)
    assert only_long["svc"] / only_long["instructions"] == pytest.approx(150 / 20_000_000)
    assert below["svc"] / below["instructions"] == pytest.approx(100 / 10_000_000)


def test_what_the_survey_says_of_an_input_is_not_scaled() -> None:
    row = Row("fig22", "image_saving", "s", 50.0, 51.0)
    runs = {"image_saving": run(20_000_000, 150)}
    native = solve(problem(CASES))
    stated = scaled(row, runs, native, stated=True)
    assert isinstance(stated, Case) and stated.counts == runs["image_saving"]


def test_a_line_of_data_that_native_misses_too_is_not_added() -> None:
    counts = {"cold_i": 40.0, "cold_d": 30.0, "l1d_read_miss": 25.0, "l1d_read_miss_user": 15.0}
    assert terms()["cold_line"].amount(counts) == 40 + 30 - (25 - 15)


# ---- scores


def test_a_score_knows_directions_and_added_time() -> None:
    answers = list(solve(problem(CASES)).answers.values())
    right = score(answers, True, 0.25)
    assert (right.median, right.within, right.direction) == pytest.approx((0.0, 1.0, 1.0))
    nothing = score([answer(case, case.row.native_us, {}) for case in CASES[1:]], True, 0.25)
    assert (nothing.added_median, nothing.direction) == (1.0, 0.0)


def answers_of(*pairs: tuple[float, float], table: str = "fig17") -> list[Answer]:
    """Rows of 100 us natively: what the survey has, what the model says."""
    rows = [Row(table, f"row_{place}", "us", 100.0, told) for place, (told, _) in enumerate(pairs)]
    return [Answer(Case(row, {}), said, {}) for row, (_, said) in zip(rows, pairs, strict=True)]


def test_errors_to_both_sides_count_and_no_row_is_dropped() -> None:
    found = score(answers_of((200, 100), (200, 190), (200, 300), (200, 204), (200, 240)), True, 0.25)
    assert (found.rows, found.median, found.within) == (5, pytest.approx(0.2), pytest.approx(0.6))
    assert found.worst == "row_0 -50%"
    assert found.added_median == pytest.approx(0.4) and found.added_within == pytest.approx(0.4)


def test_beside_a_model_stands_what_adding_nothing_is_worth() -> None:
    found = score(answers_of((110, 111), (130, 130), (400, 390)), True, 0.25)
    assert found.nothing_median == pytest.approx(1 - 100 / 130)
    assert found.nothing_within == pytest.approx(2 / 3)
    assert score(answers_of((110, 111)), False, 0.25).nothing_median is None


def test_ranks_are_those_of_the_column_and_of_the_factor() -> None:
    rows = (("a", 10.0, 1000.0, 250.0), ("b", 200.0, 300.0, 330.0), ("c", 1.0, 90.0, 500.0))
    found = score(
        [Answer(Case(Row("fig17", name, "us", was, told), {}), said, {}) for name, was, told, said in rows], True, 0.25
    )
    assert (found.rank, found.factor_rank) == (-1.0, 0.5)


def test_an_effect_of_layout_has_no_say_in_who_is_faster() -> None:
    effect, plain = "signal_handler", "pipe"
    made_ = {name: Row("fig19", name, "us", 100.0, told) for name, told in ((effect, 90.0), (plain, 120.0))}
    found = score([Answer(Case(row, {}), 110.0, {}) for row in made_.values()], True, 0.25)
    assert (found.direction, found.layout, found.rows) == (1.0, 1, 2)


def test_a_slower_native_is_the_other_direction() -> None:
    faster = made(0, 1, 0, 0)
    case = Case(Row("fig17", "fast", "us", 1000.0, 100.0), faster.counts)
    assert score([answer(case, 200.0, PRICES)], True, 0.25).direction == 1.0
    assert score([answer(case, 1000.0, PRICES)], True, 0.25).direction == 0.0
