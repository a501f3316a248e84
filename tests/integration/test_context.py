"""The survey's Fig. 18 from counted events: what native counts is what its kernel did, and the curves lie as they must."""

from __future__ import annotations

import functools
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks import context_tables
from benchmarks.chart import Chart
from benchmarks.context import BOARD, CURVES, Account, Point, account, main, of_rounds
from benchmarks.context import measure as measure_anew
from hypervisor import launch
from tests.support import wren

NATIVE, LOCKED, SHARED, SEPARATE = CURVES
HZ = 266_000_000
ROUNDS = 4
COUNTED = {"flushes": "counted"}


@functools.cache
def alone(name: str, size: int) -> Account:
    return of_rounds(next(curve for curve in CURVES if curve.name == name), size, 1, BOARD, ROUNDS)


@functools.cache
def measure(name: str, size: int) -> Point:
    curve = next(curve for curve in CURVES if curve.name == name)
    return measure_anew(curve, size, 2, BOARD, ROUNDS, alone(name, size))


@pytest.mark.parametrize(("board", "flushed"), [("arm926", True), ("pxa255", True), ("beagle", False)])
def test_the_engine_counts_the_switches_that_the_kernel_counts(board: str, flushed: bool) -> None:
    table = wren.table("/bin/bench,ctx,8,4,3", board, **COUNTED)
    with launch(table, flavour="native") as run:
        wren.finish(run, "wren")
        _, before, after, times = run.cell("wren").account.metrics["counts.switches"]
    assert times == 2
    _, _, counts = of_rounds(NATIVE, 4, 3, board, 8)
    assert counts["space_switch"] == after - before == 8 * 3, "a switch for each process of the ring"
    assert counts["cache_flush"] == (8 * 3 if flushed else 0)
    assert counts["tlb_flush"] == 8 * 3


def test_a_native_run_is_what_it_was_unless_it_is_asked_for() -> None:
    times, causes, counts = account(NATIVE, 4, 2, 2, BOARD)
    with launch(wren.table("/bin/bench,ctx,2,4,2", BOARD), flavour="native") as run:
        wren.finish(run, "wren")
        plain = run.monitor.ledger.to_dict()["wren"]
    assert "cache_flush" not in plain["counts"]
    assert causes["guest"] == pytest.approx(plain["cycles"]["guest"], rel=0.01)
    assert causes["cache_flush"] == counts["cache_flush"] * 512 * 36
    assert causes["tlb_refill"] == counts["tlb_refill"] * 24
    assert times == sum(causes.values())


def test_each_of_two_processes_costs_a_switch_a_flush_and_what_it_uses() -> None:
    small, large = measure("native", 0), measure("native", 16)
    for point in (small, large):
        assert point.counts["space_switch"] == point.counts["cache_flush"] == point.counts["tlb_flush"] == 1
        assert point.causes["cache_flush"] == 512 * 36
    assert large.counts["tlb_refill"] >= small.counts["tlb_refill"] + 3, "an array of four pages"
    assert "t10" not in small.counts


def test_xen_does_the_same_and_its_own_besides() -> None:
    native, shared = measure("native", 16), measure("shared", 16)
    for name in ("space_switch", "cache_flush", "tlb_flush"):
        assert shared.counts[name] == native.counts[name]
    assert shared.causes["cache_flush"] == native.causes["cache_flush"]
    assert shared.cycles > native.cycles


def test_the_curves_lie_one_above_the_other() -> None:
    native, locked, shared, separate = (measure(curve.name, 16) for curve in CURVES)
    assert native.cycles < locked.cycles < shared.cycles
    assert shared.turn < separate.turn


def test_the_surveys_sentences_are_held_against_the_figures() -> None:
    found = {(curve.name, size, 2): measure(curve.name, size) for curve in CURVES for size in (0, 16)}
    holds = {claim.says: claim.holds for claim in context_tables.claims(found, 2, HZ)}
    assert list(holds.values()) == [False, True, True, False], "README.md of the benchmarks says why"
    for table in context_tables.tables(found, CURVES, 2, HZ):
        assert table.row_count
    assert context_tables.draw(found, CURVES, 2, HZ).count("<polyline") == len(CURVES)


def test_the_command_prints_draws_and_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "fig18.svg"
    with pytest.raises(SystemExit):
        main(["--sizes", "65"])
    assert main(["--sizes", "4", "--svg", str(picture), "--out", str(tmp_path)]) == 0
    assert "a switch among 2 processes" in capsys.readouterr().out
    assert ElementTree.parse(picture).getroot().tag.endswith("svg")
    assert (tmp_path / "context.jsonl").read_text().count('"metric": "switch"') == len(CURVES)


def test_a_curve_is_as_long_as_its_points_and_inside_of_the_picture() -> None:
    text = Chart("a < b", "x", "y", {"one": [(0, 0), (4, 7), (8, 3)]}).svg()
    lines = [element for element in ElementTree.fromstring(text).iter() if element.tag.endswith("polyline")]
    places = [tuple(map(float, pair.split(","))) for pair in lines[0].attrib["points"].split()]
    assert [x for x, _ in places] == sorted(x for x, _ in places)
    assert places[1][1] < places[2][1] < places[0][1], "upwards is up"
    assert all(0 < x < 640 and 0 < y < 400 for x, y in places)
