"""Ticks and cycles: the arithmetic that every timer stands on."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices import Sp804
from devices.bench import Bench
from devices.device import NEVER, cycle_of_tick, ticks

HZ = st.integers(1, 2_000_000_000)
FREQUENCY = st.integers(1, 2_000_000_000)


@settings(derandomize=True, database=None, deadline=None)
@given(tick=st.integers(0, 1 << 40), hz=HZ, frequency=FREQUENCY)
def test_a_tick_is_seen_at_its_cycle_and_not_before(tick: int, hz: int, frequency: int) -> None:
    cycle = cycle_of_tick(tick, hz, frequency)
    assert ticks(cycle, hz, frequency) >= tick
    assert cycle == 0 or ticks(cycle - 1, hz, frequency) < tick


def test_never_is_later_than_any_run() -> None:
    assert NEVER > 10**9 * 2 * 10**9  # thirty years at two gigahertz


def test_a_new_timer_begins_now_however_late_that_is() -> None:
    bench = Bench(hz=1000)
    bench.now = 123_456
    timer = Sp804(bench.wiring(), frequency=10)
    assert timer.state.tick == 1234


def test_a_clock_that_does_not_tick_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^a clock of 0 Hz does not tick$"):
        Sp804(Bench().wiring(), frequency=0)
