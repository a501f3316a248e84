"""Energy: exact, rounded down once."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hypervisor.core.energy import Power

CYCLES = st.integers(0, 10**15)


def test_one_second_at_300_milliwatts_is_300_millijoules() -> None:
    assert Power(300, 20, hz=400_000_000).microjoules(400_000_000) == 300_000


def test_active_and_idle_time_add_up() -> None:
    assert Power(300, 20, hz=1_000).microjoules(active=250, idle=750) == 75_000 + 15_000


def test_fractions_of_a_milliwatt_count_and_the_result_is_rounded_down() -> None:
    assert Power(0.5, 0, hz=1_000).microjoules(1_000) == 500
    assert Power(1, 0, hz=3_000).microjoules(2) == 0
    assert Power(1, 0, hz=3_000).microjoules(3) == 1


def test_a_long_run_is_exact_beyond_what_a_float_holds() -> None:
    assert Power(1_000, 0, hz=1_000_000).microjoules((1 << 61) + 1) == (1 << 61) + 1


def test_a_power_or_clock_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^power must not be negative: active -1 mW, idle 0 mW$"):
        Power(-1, 0, hz=1)
    with pytest.raises(ValueError, match=r"^the clock must be positive: 0 Hz$"):
        Power(1, 0, hz=0)
    with pytest.raises(ValueError, match=r"^cycles must not be negative: active -1, idle 0$"):
        Power(1, 0, hz=1).microjoules(-1)


@given(st.lists(CYCLES, max_size=6), CYCLES, st.integers(1, 2_000), st.integers(0, 500), st.integers(1, 10**9))
def test_cells_and_idle_time_sum_to_the_board_but_for_rounding(
    cells: list[int], idle: int, active_mw: int, idle_mw: int, hz: int
) -> None:
    power = Power(active_mw, idle_mw, hz)
    parts = [power.microjoules(cycles) for cycles in cells] + [power.microjoules(0, idle)]
    board = power.microjoules(sum(cells), idle)
    assert board - len(parts) < sum(parts) <= board


@given(CYCLES, CYCLES, st.integers(0, 2_000), st.integers(1, 10**9))
def test_the_result_is_the_floor_of_the_exact_value(active: int, idle: int, mw: int, hz: int) -> None:
    exact = Fraction(active * mw * 1_000 + idle * 7 * 1_000, hz)
    assert 0 <= exact - Power(mw, 7, hz).microjoules(active, idle) < 1
