"""The table of counted events: what a trace has between two marks, and no more; and what it tells of the four architectures."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.events import Broken, found_in, main, measure


def report(time: int, name: str, value: int, *, door: bool = False) -> dict[str, Any]:
    told = {"value": value} if door else {"args": [0, value, 0]}
    return {"t": time, "k": "call" if door else "exit", "data": name, **told}


def story(door: bool = False) -> list[dict[str, Any]]:
    return [
        {"t": 1, "k": "ipc", "cycles": 73},
        report(5, "counts.system_calls", 7, door=door),
        report(10, "null.begin", 2, door=door),
        {"t": 20, "k": "ipc", "cycles": 73, "words": 21},
        {"t": 25, "k": "ipc_word", "cycles": 14, "words": 2},
        {"t": 30, "k": "page_table", "cycles": 900, "updates": 2},
        report(110, "null.end", 2, door=door),
        {"t": 111, "k": "ipc", "cycles": 73},
        report(115, "counts.system_calls", 9, door=door),
    ]


@pytest.mark.parametrize("door", [False, True])
def test_only_what_lies_between_the_marks_counts(door: bool) -> None:
    found = found_in(story(door), "null", 2)
    assert found.cycles == 100
    assert found.steps == {"ipc": 1, "ipc_word": 2, "page_table": 2}
    assert found.spent == {"ipc": 73, "ipc_word": 14, "page_table": 900}
    assert found.own == {"system_calls": 2}


def test_another_number_of_times_is_said_and_not_divided() -> None:
    with pytest.raises(Broken, match="3 asked for, 2 done"):
        found_in(story(), "null", 3)


def test_an_operation_that_is_not_known_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["nul"])
    assert "no operation 'nul'; there are null, read" in capsys.readouterr().err


FLAVOURS = ("native", "l4", "xen", "okl4")
SAME = {
    "l4": {"table_updates": "map"},
    "xen": {"runs": "t02"},
    "okl4": {"runs": "exception", "switches": "space_switch"},
}
"""What kernel and monitor both count: the kernel's name for it, and the trace's."""


def test_the_same_call_has_four_prices_and_the_kernel_counts_as_the_monitor_does() -> None:
    found = {flavour: measure("null", flavour, times=20) for flavour in FLAVOURS}
    assert len({one.cycles for one in found.values()}) == 4
    assert {one.own["system_calls"] for one in found.values()} == {21}, "and the mark behind them"
    assert not found["native"].spent
    for flavour, one in found.items():
        for ours, theirs in SAME.get(flavour, {}).items():
            assert one.own[ours] == one.steps[theirs], (flavour, ours)


def test_a_fork_is_counted_alike_by_kernel_and_monitor() -> None:
    for flavour, names in SAME.items():
        one = measure("fork_exit", flavour, times=5)
        for ours, theirs in names.items():
            assert one.own[ours] == one.steps[theirs], (flavour, ours)
        assert one.own["faults"] > 0
