"""The table of interrupt latencies: what is run, what was under way at the worst tick, and how it is told."""

from __future__ import annotations

import csv
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks import latency, latency_report
from benchmarks.latency import Shown, completed, explained, keys, runs, samples
from benchmarks.latency_native import masked
from benchmarks.latency_point import Step, Watch, beside, steps
from benchmarks.latency_report import Late, row
from hypervisor.shell.topology import load

SWITCH = 1000
US = 600
"""Cycles."""


def exit_(cell: str, start: int, end: int, why: str = "budget", **more: Any) -> dict[str, Any]:
    return {"t": end, "k": "exit", "cell": cell, "start": start, "why": why, **more}


def test_what_the_core_did_from_due_to_there_is_told_without_a_gap() -> None:
    records = [
        exit_("other", 100, 200),
        {"t": 1500, "k": "switch", "cell": "disk"},  # under way at 900, when the tick is due
        exit_("disk", 1500, 1600, "hypercall", call=34),
        {"t": 1600, "k": "store", "cell": "disk", "cycles": 300, "request": "write"},
    ]
    found = list(steps(records, 900, 2900, SWITCH))
    assert found == [
        Step("switch", "to disk", 600),
        Step("run", "disk runs to the next place to stop it", 100),
        Step("monitor", "store write of disk", 300),
        Step("switch", "to rt", SWITCH),
    ]
    assert sum(step.cycles for step in found) == 2900 - 900


def test_what_was_asked_before_is_still_worked_at_when_the_tick_is_due() -> None:
    records = [exit_("wren", 100, 200, "exception", trap=2), {"t": 200, "k": "t10", "cell": "wren", "cycles": 0}]
    found = list(steps(records, 300, 1700, SWITCH))
    assert found == [Step("monitor", "exception (swi) of wren", 400), Step("switch", "to rt", SWITCH)]


def test_the_latest_tick_of_a_trace_that_comes_in_chunks_is_found() -> None:
    def line(**fields: Any) -> bytes:
        return json.dumps(fields, separators=(",", ":")).encode() + b"\n"

    def tick(due: int, late: int) -> tuple[bytes, bytes]:
        asleep = line(t=due - 5000, k="exit", cell="rt", core=0, start=due - 5100, why="wait", deadline=due)
        return asleep, line(t=due + late, k="switch", cell="rt", core=0, **{"from": "hog", "cause": "budget"})

    watch = Watch(SWITCH)
    for due, late in ((10_000, 1001), (20_000, 1200), (30_000, 1100)):
        asleep, woken = tick(due, late)
        watch.take(asleep)
        watch.take(line(t=due + late - SWITCH, k="exit", cell="hog", core=0, start=due - 100, why="budget") + woken)
    assert (watch.late, watch.due) == (1200, 20_000)
    assert [step.cycles for step in watch.steps] == [200, SWITCH]


def test_every_load_is_run_under_each_flavour_that_carries_it_for_ten_thousand_ticks() -> None:
    found = runs()
    assert len({run.key for run in found}) == len(found) == 1 + 1 + 4 * 3
    assert [(run.load, run.flavour) for run in found[:5]] == [
        *(("idle", flavour) for flavour in ("native", "l4", "xen", "okl4")),
        ("system calls", "native"),
    ]
    assert all(run.task.duration == "1020ms" for run in found if run.sampled is None)  # each 101 us
    assert [run.sampled for run in found if run.sampled] == [(101 * US, 10_000, 20_000 * US)]


def late(load_: str, flavour: str, **more: Any) -> Late:
    return Late(load_, flavour, 10_000, 2.0, 2.5, 3.25, 3.0, (("monitor", "x", 1.0), ("switch", "to rt", 2.25)), **more)


TABLE = completed([late("idle", "native"), late("disk", "l4"), replace(late("disk", "xen"), why="hang: too long")])


def test_a_cell_that_there_cannot_be_says_why_and_one_that_failed_too() -> None:
    whys = [(one.load, one.flavour, one.why) for one in TABLE]
    assert whys == [
        ("idle", "native", ""),
        ("disk", "native", latency.WITHOUT["disk"]),
        ("disk", "l4", ""),
        ("disk", "xen", "hang: too long"),
    ]
    assert [row(one)["worst_us"] for one in TABLE] == [3.25, None, 3.25, None]


def test_the_cause_is_what_took_longest_beside_the_switch_that_every_tick_has() -> None:
    assert late("disk", "l4").cause == "monitor: x: 1"
    assert replace(late("disk", "l4"), steps=(("switch", "to rt", 3.25),)).cause == "world switch to rt: 3.25"
    assert Late("idle", "l4", 10_000).cause.startswith("nothing: it slept")


def test_the_picture_is_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    latency_report.draw(TABLE, tmp_path)
    assert (tmp_path / "latency.png").stat().st_size > 5_000


def test_files_samples_and_stories_have_the_same_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latency_report, "draw", lambda *_: None)
    shown = Shown(TABLE)
    shown.write(tmp_path)
    with (tmp_path / "latency.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [one["worst_us"] for one in rows] == ["3.25", "", "3.25", ""]
    assert json.loads((tmp_path / "latency.json").read_text())["cells"][2]["steps"][1] == ["switch", "to rt", 2.25]
    found = list(samples(TABLE))
    assert [(one.metric, one.values[0]) for one in found[:4]] == [
        ("p50", 2.0),
        ("p999", 2.5),
        ("worst", 3.25),
        ("seen", 3.0),
    ]
    assert len(found) == 8
    assert not any(one.measured for one in found)
    assert "latency.disk" in keys()
    assert "latency.xen" in keys()
    _, record = explained(shown, "latency.disk")
    assert [one["flavour"] for one in record["cells"]] == ["native", "l4", "xen"]  # type: ignore[index, union-attr]


def test_what_is_known_is_not_run_again_and_what_failed_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELLVISOR_GUESTS", str(tmp_path))
    figures = {"count": 10, "p50": 600, "p999": 1200, "max": 1800, "hz": 600_000_000}
    asked: list[str] = []

    def carry(order: latency.Order) -> dict[str, Any]:
        asked.append(str(order.order["topology"]))
        good = "idle" in asked[-1] or "sampled" in order.order
        return (
            {"status": "done", "why": "", "figures": figures, "steps": []} if good else {"status": "hang", "why": "?"}
        )

    monkeypatch.setattr(latency, "_carry", carry)
    first = latency.measure(1, quiet=True)
    assert (len(asked), len(first)) == (14, 14)
    assert [one.worst for one in first[:5]] == [3.0] * 5
    again = latency.measure(1, quiet=True)
    assert (len(asked), again) == (14 + 9, first)


def test_a_kernel_that_is_not_interrupted_keeps_one_waiting_for_as_long_as_a_call_takes() -> None:
    path = next(Path(run.task.topology) for run in runs() if run.sampled)
    found = masked(load(str(path)), period=7_919, count=200, begin=3_000 * US)
    assert found.late.total() == 200
    assert 0 < found.late.get(0, 0) < 100  # in the process, between two calls
    assert max(found.late) == found.latest[0] < 5 * US


def test_the_worst_tick_of_a_run_is_told_to_the_cycle() -> None:
    run = next(run for run in runs() if (run.load, run.flavour) == ("disk", "okl4"))
    found = beside(replace(run.task, duration="5ms"))
    assert found["status"] == "done", found["why"]
    assert sum(step["cycles"] for step in found["steps"]) == found["figures"]["max"] > 0
    assert found["steps"][-1]["what"] == "to rt"
    assert asdict(Step(**found["steps"][0])) == found["steps"][0]
