"""When a cell's process counts as hung."""

from __future__ import annotations

import pytest

from hypervisor.shell.backstop import Backstop

LIMIT = 10.0
STEP = 0.02


def looks(watch: Backstop, state: str, count: int, *, spends: float = 0.0, since: float = 1000.0) -> str:
    """Look `count` times; the first complaint."""
    watch.begin()
    answers = (watch.look(state, 5.0 + spends * number, since + STEP * number) for number in range(count))
    return next(filter(None, answers), "")


@pytest.mark.parametrize(
    ("state", "spends", "why"),
    [
        ("running", STEP, "backstop: spins without end"),
        ("disk-sleep", STEP, "backstop: spins without end"),
        ("sleeping", 0.0, "backstop: sleeps without end"),
        ("tracing-stop", 0.0, "backstop: sleeps without end"),
        ("disk-sleep", 0.0, ""),
        ("running", 0.0, ""),
        ("zombie", 0.0, ""),
    ],
)
def test_what_a_process_does_all_the_time_ends_it_after_the_limit_or_never(state: str, spends: float, why: str) -> None:
    assert looks(Backstop(LIMIT), state, int(LIMIT / STEP), spends=spends) == ""
    assert looks(Backstop(LIMIT), state, int(LIMIT / STEP) + 3, spends=spends) == why


def test_a_stopped_process_is_found_at_once() -> None:
    assert looks(Backstop(LIMIT), "stopped", 1) == "backstop: stopped on the host"


def test_a_host_that_was_stopped_for_an_hour_is_not_the_cells_doing() -> None:
    watch = Backstop(LIMIT)
    watch.begin()
    assert [watch.look("sleeping", 0.0, hour * 3600.0) for hour in range(10)] == [""] * 10


def test_naps_of_one_turn_add_up_and_those_of_two_do_not() -> None:
    watch = Backstop(LIMIT)
    half = int(LIMIT / STEP / 2) + 2
    assert looks(watch, "sleeping", half) == looks(watch, "sleeping", half) == ""
    watch.begin()
    states = ["sleeping", "sleeping", "running"] * half
    answers = (watch.look(state, 0.0, number * STEP) for number, state in enumerate(states))
    assert next(filter(None, answers)) == ("backstop: sleeps without end")


def test_cpu_time_of_an_earlier_turn_does_not_count() -> None:
    watch = Backstop(LIMIT)
    assert looks(watch, "running", 400, spends=STEP) == looks(watch, "running", 400, spends=STEP, since=2000.0) == ""
