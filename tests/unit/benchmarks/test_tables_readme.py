"""The figures that the READMEs print are those that counts of this version give, cell by cell."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import pytest

from benchmarks import tables as package
from benchmarks.tables import goals, headlines
from benchmarks.tables.bench import Bench, Line, Table
from benchmarks.tables.cases import Case, Measured
from benchmarks.tables.command import GOALS
from benchmarks.tables.figures import Row, figure
from benchmarks.tables.headlines import Headline
from benchmarks.tables.model import Answer
from benchmarks.tables.runs import Stored
from benchmarks.tables.scores import Score
from benchmarks.tables.summary import Summary, end_to_end, summary

HERE, ROOT = Path(__file__).parent, Path(__file__).parents[3]
STREAMS: Mapping[str, Mapping[str, float]] = json.loads((HERE / "streams.json").read_text())
README = (Path(package.__file__).parent / "README.md").read_text()
TOP = (ROOT / "README.md").read_text()
WITHIN = 0.25
TOGETHER = "together"
SEVERAL = {"11, 12, 17, 19 together": TOGETHER, "together; direction": TOGETHER}


def source(kernel: str, operations: Sequence[str], *, caches: bool) -> Measured:
    kept = Stored(HERE / "counts.json")(kernel, operations, caches=caches)
    return {**kept, **{name: STREAMS[name] for name in operations if name in STREAMS}}


@cache
def bench() -> Bench:
    return Bench(source, dict.fromkeys([*headlines.needed(), *goals.needed()]))


@cache
def tables() -> Mapping[str, Table]:
    return {name: bench().table(name) for name in (*headlines.needed(), *goals.needed()) if figure(name)}


@cache
def effects() -> list[Headline]:
    return headlines.headlines(bench(), tables())


@cache
def total(name: str) -> Summary:
    return summary([tables()[each] for each in (GOALS if name == TOGETHER else (name,))], WITHIN)


def rows(text: str, first: str) -> dict[str, list[str]]:
    """Of the table of a README whose head begins so: figure -> its cells."""
    lines = text.partition(f"| {first}")[2].partition("\n\n")[0].splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("| ").split("|")] for line in lines]
    return {_name(head): more for head, *more in cells}


def _name(head: str) -> str:
    found = re.match(r"(?:Fig\. )?(\d+)", head)
    return SEVERAL.get(head) or f"fig{found[1] if found else head}"


def share(value: float | None) -> str:
    """As the READMEs write it: two digits."""
    if value is None:
        return "-"
    return f"{100 * value:.1f} %" if 0 < value < 0.0995 else f"{100 * value:,.0f} %"


def near(median: float | None, within: float | None) -> str:
    return "-" if median is None else f"{share(median)}, {share(within)}"


def scored(one: Summary) -> Score:
    """Of prices that have not seen the row: of a table that is in no fit, those of others."""
    return one.left_out if one.left_out.rows else one.predicted


SCORES = rows(README, "figure, flavour, board")


@pytest.mark.parametrize("name", SCORES)
def test_the_table_of_scores_has_what_counts_give(name: str) -> None:
    one = total(name)
    virtual = scored(one)
    assert SCORES[name] == [
        near(virtual.median, virtual.within),
        near(virtual.nothing_median, virtual.nothing_within),
        share(virtual.added_median),
        f"{virtual.rank:.2f}, {virtual.factor_rank:.2f}",
        near(one.native.median, one.native.within),
        share(one.factor),
    ]


def test_it_has_every_figure_with_values() -> None:
    assert SCORES.keys() == {*tables(), TOGETHER}


def test_the_first_readme_has_the_same() -> None:
    shown = rows(TOP, "each row left out of its fit")
    assert shown.keys() >= {*GOALS, TOGETHER, "fig16"}
    for name, cells in shown.items():
        one = scored(total(name))
        assert cells[0].startswith(near(one.median, one.within)), name
        assert cells[1] == share(one.added_median), name
        if native := total(name).native.median:
            assert cells[2] == share(native), name


def test_rows_that_no_price_comes_from_are_scored_by_themselves_too() -> None:
    one = total(TOGETHER)
    found = re.search(r"calibration rows alone, (\d+) other rows of these four: (\S+ %), all within", README)
    assert found and found.groups() == (str(one.predicted_rows), share(one.predicted.median))
    assert (one.predicted.within, one.calibrated_rows, one.predicted_rows) == (1.0, 12, 49)
    assert one.predicted.rows == one.predicted_rows


def test_who_is_faster_is_said_of_rows_that_no_source_calls_an_effect_of_layout() -> None:
    one = total(TOGETHER)
    assert (one.left_out.direction, one.left_out.layout) == (1.0, 3)
    assert "100 % (3 layout effects apart)" in TOP
    assert total("fig19").left_out.direction == 1.0  # with them: 13 of 16


def test_a_factor_end_to_end_has_no_time_of_the_surveys_in_it() -> None:
    row = Row("fig21", "any", "us", 100.0, 50.0)
    left_out = Answer(Case(row, {}), 40.0, {"entry": 10.0})  # 0.4 of native is left without flushes
    native = Answer(Case(row, {}), 0.0, {"miss": 200.0})
    wrong = Answer(Case(row, {}), 40.0, {"entry": 99.0})
    assert end_to_end([Line(row, wrong, left_out, native)]) == pytest.approx(1 - (0.4 + 10 / 200) / 0.5)
    assert total("fig21").factor == pytest.approx(0.219, abs=0.001)
    assert total("fig17").factor == pytest.approx(0.0245, abs=0.0001)


def test_the_headlines_that_hold_and_those_that_do_not_are_named() -> None:
    gone = {one.entry.row for one in effects() if not one.holds}
    kept = len(effects()) - len(gone)
    assert f"{kept} of {len(effects())} headlines hold" in README and f"{kept} of {len(effects())} headlines" in TOP
    assert gone == {"fig16.mad_larger", "fig16.mplayer", "fig16.rsynth", "fig22.encoding", "fig21.fork_exit"}
