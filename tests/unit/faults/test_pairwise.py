"""Few tests that cover every pair: none is missed, few are chosen, and the same ones each time."""

from __future__ import annotations

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from hypervisor.faults import Device
from hypervisor.faults.pairwise import all_pairs, cover
from hypervisor.faults.places import HOST, TIME, combinations

tests = st.lists(st.tuples(*[st.sampled_from("abcd")] * 4), max_size=60)


@given(tests)
def test_every_pair_that_some_test_has_is_covered_by_those_that_are_chosen(every: list[tuple[str, ...]]) -> None:
    chosen = cover(every)
    assert all_pairs(every[number] for number in chosen) == all_pairs(every)
    assert len(set(chosen)) == len(chosen)
    assert chosen == cover(every)


def test_three_factors_of_ten_values_need_little_more_than_a_hundred_of_a_thousand_tests() -> None:
    values = [str(number) for number in range(10)]
    assert 100 <= len(cover(list(product(values, values, values)))) <= 150


def test_a_cell_without_what_a_place_needs_does_not_come_there() -> None:
    traits = (frozenset({"message"}), frozenset({"device"}))
    device = Device("one", 1, "digest", ("talks", "drives"), 1, 1, ("python", "machine"), traits)
    found = set(combinations(device))
    assert ("drop_message", "message", "talks") in found
    assert ("drop_message", "message", "drives") not in found
    assert ("lose_interrupt", "core.line", "drives") in found
    assert ("wild_jump", TIME, "talks") not in found, "a Python program has no program counter"
    assert ("wild_jump", TIME, "drives") in found
    assert ("full_disk", TIME, HOST) in found
