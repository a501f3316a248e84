"""Figures of a run by dotted paths, and formulas over them."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from hypervisor.abi.hypercalls import Hypercall
from hypervisor.shell.summary import CellSummary, CoreSummary, HostSummary, Metric, Summary
from hypervisor.shell.sweeps.formula import Formula
from hypervisor.shell.sweeps.metrics import Reports, flatten, resolve, spread_of


def account() -> dict[str, float]:
    cell = CellSummary("blocked", ran=10, switches=3, interrupts=5, exits={"wait": 2}, cycles={"guest": 30, "ipc": 10})
    other = CellSummary("blocked", switches=1, cycles={"guest": 60}, metrics={"round_trip": Metric(7, 5, 7, 2)})
    summary = Summary(
        "t", "l4", "beagle", 1, 100, 200, "finished", "", {"a": cell, "b": other}, (CoreSummary(150, 50),), HostSummary("shm", 1)
    )  # fmt: skip
    return flatten(summary, {"a": {4: 1}, "b": {9: 3}}, {"b": {"round_trip": Counter({5: 1, 7: 1})}})


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("time", 200), ("seconds", 2.0), ("switches", 4), ("idle", 0.25), ("share.ipc", 0.1), ("cycles.guest", 90),
        ("exits.wait", 2), ("wake_latency.max", 9), ("a.wake_latency.p99", 4), ("cells.a.share.ipc", 0.25),
        ("a.switches", 3), ("a.interrupt_latency.p50", 0), ("a.interrupt_latency.count", 5), ("a.interrupt_latency.p99", 4),
        ("b.round_trip.p50", 5), ("b.round_trip", 7), ("ipc.round_trip.p50", 5), ("round_trip.max", 7),
        ("reported.round_trip.count", 2), ("cells.b.round_trip.p999", 7), ("cells.b.reported.round_trip", 7),
    ],
)  # fmt: skip
def test_a_figure_has_a_path_and_short_forms(path: str, value: float) -> None:
    flat = account()
    name = resolve(path, flat)
    assert name is not None
    assert flat[name] == value


def test_what_is_no_figure_has_none() -> None:
    assert resolve("ipc.round_tripp.p50", account()) is None
    assert resolve("", account()) is None


def test_percentiles_are_values_that_occurred() -> None:
    counts = Counter(range(1, 2001))
    found = spread_of(counts)
    assert (found["p50"], found["p99"], found["p999"], found["max"]) == (1000, 1980, 1998, 2000)
    assert spread_of({}) == {"count": 0}


def test_reports_are_taken_from_the_trace_and_what_the_account_does_not_know_is_left_out() -> None:
    def line(cell: str, args: list[int], data: str) -> str:
        record = {"t": 1, "k": "exit", "cell": cell, "call": int(Hypercall.REPORT), "args": args, "data": data}
        return json.dumps(record, separators=(",", ":")) + "\n"

    other = f'{{"t":1,"k":"xen","cell":"a","call":{int(Hypercall.REPORT)},"n":1}}\n'
    reports = Reports()
    reports.take((line("a", [0, 5, 0], "depth") + line("a", [0, 2**64 - 1, 0], "depth")).encode())
    reports.take((line("a", [0, 5, 0], "refused") + line("a", [1, 8, 0], "") + other).encode())
    reports.take((line("b", [0, 5, 0], "depth") + '{"t":1,"k":"start","cell":"a"}\n').encode())
    for number in range(1000):
        reports.take(line("c", [0, 5, 0], f"invented {number}").encode())
    known = {"a": ["depth", "latency"], "d": ["x"]}
    assert reports.of(known) == {"a": {"depth": {5: 1, -1: 1}, "latency": {8: 1}}, "d": {"x": {}}}
    assert len(reports._found["c"]) == 256


@pytest.mark.parametrize(
    ("text", "value"),
    [("a / b - 1", 0.5), ("-(a - 2 * b)", 1.0), ("a / (b - 2)", None), ("2.5", 2.5), ("1e999 - 1e999", None)],
)
def test_a_formula_is_computed_and_a_division_by_nothing_is_no_figure(text: str, value: float | None) -> None:
    formula = Formula(text, {"a": ("x", {}), "b": ("y", {})})
    assert formula.fault() == ""
    assert formula.value({"a": 3.0, "b": 2.0}) == value


def test_a_formula_of_whole_numbers_that_no_float_can_hold_is_no_figure() -> None:
    formula = Formula(" * ".join(["a"] * 45), {"a": ("time", {})})
    assert formula.fault() == ""
    assert formula.value({"a": 600_000_000}) is None


@pytest.mark.parametrize(
    "text", ["a**9", "a.b", "[a]", "a if a else a", "True", "'x'", "a and a", "", "(" * 300, "lambda: 1"]
)
def test_a_formula_is_nothing_else(text: str) -> None:
    assert "is no sum" in Formula(text, {"a": ("x", {})}).fault()
