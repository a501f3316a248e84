"""Refusals as a sum: kinds, not numbers, and bounded."""

from __future__ import annotations

from collections import Counter

import pytest

from hypervisor.core.refusals import KINDS, MORE, ORDINARY, Refusals, count


def counted(*asked: tuple[str, str]) -> Refusals:
    refusals: Refusals = Counter()
    for what, why in asked:
        count(refusals, what, why)
    return refusals


def test_refusals_that_differ_in_their_numbers_are_one_kind() -> None:
    asked = [("hypercall 32", f"NO_SUCH_SLOT: slot {slot} is empty") for slot in range(5)]
    assert counted(*asked) == {("channel_send", "NO_SUCH_SLOT: slot N is empty"): 5}


@pytest.mark.parametrize("status", sorted(ORDINARY))
def test_what_honest_cells_meet_is_not_counted(status: str) -> None:
    assert counted(("hypercall 32", f"{status}: some other time")) == {}


def test_calls_that_there_are_not_have_a_name_too() -> None:
    asked = [(what, "DENIED: x") for what in ("hypercall 12345", "hypercall 288", "device at 0x10120000")]
    assert [what for what, _ in counted(*asked)] == ["an unknown call", "a call of xen", "device at N"]


def test_a_name_keeps_its_digits_and_an_address_does_not() -> None:
    [(_, why)] = counted(("device at 0x10", "NOT_YOURS: lcd0 belongs to cell 3"))
    assert why == "NOT_YOURS: lcd0 belongs to cell N"


def test_a_cell_that_asks_for_ever_stranger_things_fills_a_table_and_no_more() -> None:
    letters = [f"{chr(97 + i // 26)}{chr(97 + i % 26)}" for i in range(KINDS + 50)]
    refusals = counted(*((f"thing {letter}", "DENIED: no") for letter in letters))
    assert len(refusals) == KINDS + 1
    assert refusals[MORE] == 50
