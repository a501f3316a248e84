"""`cellvisor bench headlines`, `goals`, `--list`, and `--explain` of what is no row: over made-up counts."""

from __future__ import annotations

import csv
import io
import json
import random
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.operations import operations
from benchmarks.tables import causes, explained, goals, headlines, points, report
from benchmarks.tables.bench import Bench, Table
from benchmarks.tables.cases import Case, Measured
from benchmarks.tables.command import BenchOptions, bench, list_all
from benchmarks.tables.figures import TITLES, Row, figure
from benchmarks.tables.judged import shape
from benchmarks.tables.model import Answer, answer
from benchmarks.tables.protocol import protocol, terms
from benchmarks.tables.runs import Stored, store
from benchmarks.tables.scores import score
from benchmarks.tables.summary import rows_of, summary

COUNTERS = sorted({name for term in terms().values() for name in term.counters})


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Counts of every operation of every kernel, at random."""
    draw = random.Random(7)
    one: Measured = {name: {counter: count(counter, draw) for counter in COUNTERS} for name in operations()}
    path = tmp_path_factory.mktemp("views") / "counts.json"
    store(path, {fit.kernel: one for fit in protocol().fits.values()}, {})
    return path


def count(counter: str, draw: random.Random) -> float:
    """No miss is left without flushes."""
    return 0.0 if counter.endswith("_kept") else draw.uniform(1, 1000)


@pytest.fixture(scope="module")
def one(stored: Path) -> Bench:
    """All that views need, fitted once."""
    return Bench(Stored(stored), dict.fromkeys([*headlines.needed(), *goals.needed(), "fig13", "fig18"]))


# ---- causes


def told(native: float, given: float, **parts: float) -> Answer:
    return Answer(Case(Row("fig21", "any", "us", native, 1.0), {}), given, parts)


def test_a_flush_that_is_spared_is_the_cause_where_it_is_more_than_any_event_adds() -> None:
    assert causes.main(told(100.0, 40.0, entry=20.0)) == ("spared", 0.75)
    assert causes.main(told(100.0, 95.0, entry=15.0, switch=5.0)) == ("entry", 0.6)
    assert causes.main(told(100.0, 100.0, entry=0.0)) == ("", 0.0)


def test_an_explanation_takes_off_what_is_spared_and_still_adds_up() -> None:
    assert dict(explained.start(told(100.0, 40.0, entry=20.0), told=True)) == {
        "native, as the survey has it": 100.0,
        "flushes spared at switches": -60.0,
    }


def test_a_native_column_spares_nothing() -> None:
    assert causes.spared(told(100.0, 0.0, entry=99.0)) == 0.0


# ---- headlines


def test_every_headline_is_of_a_row_or_a_point_that_there_is_and_can_fail() -> None:
    for entry in headlines.entries():
        assert entry.row in explained.keys(entry.table), entry.row
        assert not entry.holds(100.0, 1.0, 0.25)
        assert entry.holds(1.0 if entry.within else entry.most or 0.0, 1.0, 0.25)


def test_no_headline_of_a_row_holds_with_nothing_added(one: Bench) -> None:
    for each in headlines.headlines(one, tables(one)):
        assert not each.entry.holds(1.0, each.survey, 0.25), each.entry.row
        assert each.survey is None or each.entry.holds(each.survey, each.survey, 0.25), each.entry.row


@pytest.mark.parametrize(("here", "holds"), [(1.5, False), (2.24, False), (2.26, True), (3.74, True), (3.76, False)])
def test_a_headline_within_the_band_is_as_near_as_that(here: float, holds: bool) -> None:
    assert headlines.Entry("", "", "fig12.2p_0k", within=True).holds(here, 3.0, 0.25) is holds


@pytest.mark.parametrize(("here", "holds"), [(1.0, False), (1.022, False), (1.023, True), (1.04, True), (1.041, False)])
def test_what_nothing_added_would_pass_needs_three_quarters_of_the_surveys_change(here: float, holds: bool) -> None:
    assert headlines.Entry("", "", "fig16.lame", most=1.04).holds(here, 1.03, 0.25) is holds


def test_the_effects_that_the_survey_is_known_for_are_among_them() -> None:
    rows = {entry.row for entry in headlines.entries()}
    assert {"fig11.null_syscall", "fig17.fork_exit", "fig21.pipe", "fig8.2p_0k", "fig16.lame"} <= rows


def test_a_headline_is_by_prices_that_have_not_seen_its_row(one: Bench) -> None:
    found = {each.entry.row: each for each in headlines.headlines(one, tables(one))}
    line = next(line for line in one.table("fig17").lines if line.row.name == "fork_exit")
    assert line.left_out and line.answer
    assert found["fig17.fork_exit"].here == line.left_out.total / line.row.native_us
    assert found["fig17.fork_exit"].here != line.answer.total / line.row.native_us
    assert found["fig8.2p_0k"].survey is None


def tables(one: Bench) -> dict[str, Table]:
    return {name: one.table(name) for name in (*headlines.needed(), *goals.needed()) if figure(name)}


# ---- goals


def test_every_goal_has_a_limit_and_names_tables_with_values() -> None:
    for goal in goals.goals():
        assert (goal.most is None) != (goal.least is None), goal
        assert set(goal.tables) <= {name for name in TITLES if figure(name)}
        assert bool(goal.command) == (goal.figure == "host")


def test_a_goal_of_fitted_tables_is_by_answers_of_prices_that_have_not_seen_the_row(one: Bench) -> None:
    found = goals.reached(tables(one), headlines.headlines(one, tables(one)), 0.25)
    for each in found:
        if each.goal.column == "left_out":
            lines = [line for name in each.goal.tables for line in one.table(name).lines]
            right = score([line.left_out for line in lines if line.left_out], True, 0.25)
            seen = score([line.answer for line in lines if line.answer], True, 0.25)
            assert each.value == getattr(right, each.goal.figure), each.goal.says
            assert getattr(right, each.goal.figure) != getattr(seen, each.goal.figure) or each.goal.figure == "within"
    line = next(line for line in one.table("fig19").lines if line.row.name == "pipe")
    assert line.left_out and line.answer and line.left_out != line.answer
    assert goals._answer(line, "left_out") is goals._answer(line, "unseen") is line.left_out
    assert goals._answer(line, "native") is line.native


def test_a_native_column_is_by_prices_of_all_other_rows(one: Bench) -> None:
    for name in ("fig11", "fig17", "fig19"):
        table = one.table(name)
        solved = table.fits["native"]
        for line in table.lines:
            if line.native:
                case = next(case for case in solved.problem.cases if case.row.key == line.row.key)
                assert line.native.parts == answer(case, 0.0, solved.problem.without(case)).parts


def test_a_goal_that_is_missed_names_the_rows_that_miss_it(one: Bench) -> None:
    found = goals.reached(tables(one), headlines.headlines(one, tables(one)), 0.25)
    assert {each.verdict for each in found} == {"met", "missed", "not measured here"}
    within = next(each for each in found if each.goal.says == "applications, none in a fit: rows within 25 %")
    assert within.verdict == "missed" and all(row.startswith("fig16.") for row in within.beyond)
    assert sum(each.goal.figure == "rank" for each in found) == 9


@pytest.mark.parametrize(("value", "verdict"), [(0.10, "met"), (0.11, "missed"), (None, "not measured here")])
def test_a_goal_is_met_at_its_limit(value: float | None, verdict: str) -> None:
    assert goals.Reached(goals.goals()[0], "", value).verdict == verdict


def test_a_share_that_is_to_be_large_is_met_from_above() -> None:
    goal = replace(goals.goals()[0], most=None, least=0.9)
    assert goal.met(0.95) and not goal.met(0.85) and goal.wanted == ">= 90.0%"


# ---- the command


def test_views_are_printed_and_written_without_the_tables_that_they_are_read_from(
    stored: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench(BenchOptions(("headlines", "goals"), counts=stored, out=tmp_path)) == 0
    out = capsys.readouterr().out
    assert "fig11.null_syscall" in out and "native ARM1176" in out
    assert "fig17: LMbench" not in out
    files = {f"{name}.{kind}" for name in ("headlines", "goals") for kind in ("csv", "json")}
    assert {path.name for path in tmp_path.iterdir()} == files | {"counts.json"}
    with (tmp_path / "goals.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["verdict"] for row in rows} <= {"met", "missed", "not measured here"}
    assert rows[0]["wanted"] == "<= 10.0%" and float(rows[0]["reached"]) > 0


NUMBERS = 7
"""Of a row."""


@pytest.mark.parametrize("name", ["fig11", "fig16", "fig17", "fig20", "fig21"])
def test_in_a_terminal_of_eighty_columns_no_number_of_a_table_is_cut(name: str, one: Bench) -> None:
    table = one.table(name)
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(report.shown(table, summary([table], 0.25)))
    text = console.export_text()
    assert "\u2026" not in text
    rows = [words for each in text.splitlines() if len(words := each.split()) > NUMBERS]
    for line in table.lines:
        told = next(words for words in rows if words[0].rstrip("*") == line.row.name)
        assert told[1] == report.plain_number(line.row.native)


def test_headlines_and_goals_are_lines_where_there_is_no_room(one: Bench) -> None:
    effects = headlines.headlines(one, tables(one))
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(headlines.shown(effects), goals.shown(goals.reached(tables(one), effects, 0.25)))
    text = console.export_text()
    assert "fig11.null_syscall: survey 31.3x, here " in text
    assert "(<= 20.0%): native ARMv7: median error (fig19: 16 rows)" not in text
    assert "(<= 15.0%): native ARMv7: median error (fig19: 16 rows)" in text
    assert "\u2502" not in text


def test_the_list_has_every_figure_group_and_view(capsys: pytest.CaptureFixture[str]) -> None:
    assert list_all() == 0
    names = {line.split()[0] for line in capsys.readouterr().out.splitlines()}
    assert {*TITLES, "fig14", "fig15", "lmbench", "mibench", "headlines", "goals", "all"} <= names
    assert list_all(as_json=True) == 0
    data = json.loads(capsys.readouterr().out)
    assert {*data["tables"], *data["groups"]} == names
    assert data["tables"]["fig8"] == TITLES["fig8"] and set(data["groups"]["all"]) == data["tables"].keys() - {
        "latency"
    }


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("fig8.2p_0k", "native, as above"),
        ("fig13.lat_32", "fig13.lat_32, native (the survey prints no value)"),
        ("fig18.2p_8k", "counted on debian:marvell"),
        ("fig10.memory", "a virtual MMU"),
        ("fig17.bw_pipe", "us of 1 MB"),
        ("fig11.signal_handler", "of signal_catch - kill0, counted on debian:rpi"),
        ("fig21.pipe", "native, as the survey has it"),
    ],
)
def test_any_row_or_point_can_be_explained(key: str, said: str, one: Bench) -> None:
    console = Console(width=170, record=True, file=io.StringIO())
    console.print(explained.explained(one, key))
    assert said in " ".join(console.export_text().split())


def test_every_key_that_is_offered_has_an_explanation_that_adds_up(one: Bench) -> None:
    for key in (*explained.keys("fig17"), *explained.keys("fig8")):
        column = explained.record(one, key)["virtualized"]
        assert isinstance(column, dict)
        assert column["us"] == pytest.approx(column["given"] + sum(part["us"] for part in column["parts"].values()))


def test_an_explanation_is_data_too(stored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bench(BenchOptions(("fig17",), explain="pipe", counts=stored, as_json=True))
    data = json.loads(capsys.readouterr().out)
    assert data["row"] == "fig17.pipe" and data["virtualized"]["parts"]["switch"]["amount"] > 0


def test_a_row_that_no_native_fit_sees_has_a_native_time_that_is_not_scored(one: Bench) -> None:
    table = one.table("fig17")
    shown = {record["row"] for record in rows_of(table) if record["native_model"] is not None}
    scored = {line.row.name for line in table.lines if line.native}
    assert {"bw_pipe", "pipe"} <= shown and "bw_pipe" not in scored
    assert summary([table], 0.25).native.rows == len(scored)


def test_an_application_has_none_for_its_counts_are_scaled_to_the_surveys(one: Bench) -> None:
    assert {record["native_model"] for record in rows_of(one.table("fig16"))} == {None}


def test_bandwidths_of_figure_13_stand_beside_its_latencies(one: Bench) -> None:
    curves = shape("fig13", one).more["MB/s"]
    assert set(curves) == {f"{word}, {kind}" for word in ("reading", "writing") for kind in ("native", "L4Linux")}
    assert [kib for kib, _ in curves["reading, native"]] == list(points.TRANSFER_KIB)
