"""The table of interrupt latencies, from rows of its sweep."""

from __future__ import annotations

from typing import Any

from benchmarks.latency import SWEEP, samples, table
from hypervisor.shell.sweeps.sweep import load_sweep


def row(load: str, flavour: str, **more: Any) -> dict[str, Any]:
    known = {"p999_us": 2.5, "worst_us": 3.25, "seen_us": 3.0, "status": "done", "from.board": "beagle"}
    return {"load": load, "flavour": flavour, **known, **more}


def test_a_line_has_each_flavour_and_a_dash_where_there_is_none() -> None:
    made = table([row("idle", "native"), row("idle", "l4"), row("disk", "l4"), row("disk", "native", status="hang")])
    cells = [list(column.cells) for column in made.columns]
    assert cells == [["idle", "disk"], ["2.50, 3.25", "-"], ["2.50, 3.25", "2.50, 3.25"], ["3, 3", "-, 3"]]


def test_samples_are_of_what_was_run_and_say_that_they_are_modelled() -> None:
    found = list(samples([row("idle", "l4"), row("disk", "l4", status="crash", worst_us=None)]))
    assert [(one.metric, one.values) for one in found] == [("p999", (2.5,)), ("worst", (3.25,)), ("seen", (3.0,))]
    assert not any(one.measured for one in found)


def test_the_sweep_has_every_load_under_each_flavour_that_carries_it() -> None:
    points = load_sweep(SWEEP).points
    assert not any(point.bad for point in points)
    assert len(points) == 1 + 4 * 3
