"""`cellvisor bench`: tables from counts of our own runs, which are kept in a file; and, long, from a fresh cache."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from statistics import median

import pytest

from benchmarks.tables import causes
from benchmarks.tables.bench import Bench, Table
from benchmarks.tables.command import GOALS
from benchmarks.tables.model import Problem, Solved
from benchmarks.tables.protocol import NATIVE, VIRTUALIZED, protocol
from benchmarks.tables.runs import Stored
from hypervisor.shell.guests.cache import default_root

COUNTS = Path(__file__).parents[1] / "unit" / "benchmarks" / "counts.json"
"""Counts of `cellvisor bench lmbench --out`, cut to the counters that terms are made of; its "provenance" says of what."""


@cache
def tables() -> Mapping[str, Table]:
    bench = Bench(Stored(COUNTS), GOALS)
    return {name: bench.table(name) for name in GOALS}


def solved(table: str, column: str) -> Solved:
    return tables()[table].fits[column]


def cellvisor(*words: str, root: Path | None = None, seconds: int = 60) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "hypervisor.cli", *words]
    environment = {**os.environ} | ({"CELLVISOR_GUESTS": str(root)} if root else {})
    return subprocess.run(line, capture_output=True, text=True, timeout=seconds, check=False, env=environment)


def test_the_command_prints_a_table_from_counts_that_are_kept() -> None:
    done = cellvisor("bench", "fig17", "--counts", str(COUNTS), "--json")
    assert done.returncode == 0, done.stderr
    rows = {row["row"]: row for row in json.loads(done.stdout)["fig17"]["rows"]}
    assert rows["fork_exit"]["cause"] == "page_table"
    assert rows["pipe"]["cause"] == "switch"
    assert all(row["virtualized_model"] for row in rows.values() if row["unit"] == "us")


def test_a_name_that_is_none_is_one_line_and_status_2() -> None:
    done = cellvisor("bench", "fig9", "--counts", str(COUNTS))
    assert (done.returncode, done.stdout) == (2, "")
    assert (
        done.stderr.startswith("cellvisor: bench: there is no table 'fig9': take fig8") and done.stderr.count("\n") == 1
    )


# ---- what the prices say, from our counts


def test_a_shuffled_native_column_destroys_the_score() -> None:
    for table, column in (("fig11", VIRTUALIZED), ("fig17", VIRTUALIZED), ("fig11", NATIVE), ("fig19", NATIVE)):
        problem = solved(table, column).problem
        right, wrong = error(problem), median(error(shuffled(problem, seed)) for seed in range(3))
        assert wrong > max(2 * right, 0.4), (table, column, right, wrong)


def error(problem: Problem) -> float:
    """Median of the errors of rows that are left out."""
    prices = {case.row.key: problem.without(case) for case in problem.cases}
    told = ((problem.target(case), case, prices[case.row.key]) for case in problem.cases)
    return median(
        abs((problem.given[case.row.key] + sum(case.amount(term) * price for term, price in each.items())) / target - 1)
        for target, case, each in told
    )


def shuffled(problem: Problem, seed: int) -> Problem:
    """The same with natives that belong to other rows."""
    natives = [case.row.native for case in problem.cases]
    random.Random(seed).shuffle(natives)
    cases = [
        replace(case, row=replace(case.row, native=native)) for case, native in zip(problem.cases, natives, strict=True)
    ]
    given = {case.row.key: case.row.native_us if problem.fit.virtualized else 0.0 for case in cases}
    return replace(problem, cases=cases, given=given)


def test_the_headlines_of_the_survey_come_out_of_counts() -> None:
    factors = {
        key: one.total / one.case.row.native_us
        for name in GOALS
        for key, one in solved(name, VIRTUALIZED).left_out.items()
    }
    assert 20 < factors["fig11.null_syscall"] < 45  # "about 30 times"
    assert 2.5 < factors["fig17.fork_exit"] < 4.5  # 3.465
    assert 1.0 < factors["fig19.fork_exit"] < 1.3  # 1.08


def test_on_armv5_okl4_switches_faster_than_native_because_it_spares_flushes() -> None:
    answers = Bench(Stored(COUNTS), ["fig21"]).table("fig21").fits[VIRTUALIZED].left_out
    for row, told in (("pipe", 0.112), ("sysv_semaphore", 0.081), ("unix_stream", 0.089)):
        one = answers[f"fig21.{row}"]
        assert 0.5 * told < one.total / one.case.row.native_us < 2 * told, row
        cause, share = causes.main(one)
        assert (cause, share > 0.9) == (causes.SPARED, True)


@pytest.mark.parametrize(
    "fit", [fit for fit in protocol().fits.values() if fit.virtualized and set(fit.tables) & set(GOALS)]
)
def test_a_price_is_worth_more_than_none(fit: object) -> None:
    one = solved(fit.tables[0], VIRTUALIZED)  # type: ignore[attr-defined]
    nothing = median(abs(answer.given / answer.case.row.virtualized_us - 1) for answer in one.left_out.values())
    assert error(one.problem) < nothing


# ---- from nothing


@pytest.mark.long
@pytest.mark.guests
def test_from_a_fresh_cache_a_table_is_measured_and_then_kept(tmp_path: Path) -> None:
    for kept in default_root().iterdir():
        if kept.name != "machine_runs":
            (tmp_path / kept.name).symlink_to(kept)
    first = cellvisor("bench", "fig19", "--json", root=tmp_path, seconds=1200)
    assert first.returncode == 0, first.stderr
    rows = json.loads(first.stdout)["fig19"]["rows"]
    assert [row["row"] for row in rows if row["virtualized_model"] is None] == []
    again = cellvisor("bench", "fig19", "--json", root=tmp_path)
    assert (again.stdout, again.stderr) == (first.stdout, "")
