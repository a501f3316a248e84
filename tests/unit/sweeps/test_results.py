"""A sweep without processes: what is run, what is kept, and the tables and pictures of it."""

from __future__ import annotations

import csv
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import pytest

from hypervisor.shell.files import RunDirError
from hypervisor.shell.problems import InputError
from hypervisor.shell.sweeps import command, plots
from hypervisor.shell.sweeps.point import CRASH, DONE, FAILED, HANG, Found, Task
from hypervisor.shell.sweeps.runner import Directory, Results, run_sweep
from hypervisor.shell.sweeps.sweep import Sweep, load_sweep
from hypervisor.shell.sweeps.tables import check_metrics, rows_of, write_tables

TEXT = """
description = "for tests"
topology = "ping"
seeds = [1, 2]
for = "1ms"
metrics = ["time"]
[derived.factor]
is = "this / l4"
this = "time"
l4 = { metric = "time", flavour = "l4" }
[grid]
flavour = ["l4", "okl4"]
"scheduler.slice" = ["1ms", "2ms"]
"""
TIMES = {"l4": 100, "okl4": 150}


class Canned(Executor):
    """Does what it is told to in an instant. `fates`: what becomes of the first tasks, then all is well."""

    def __init__(self, *fates: Found | Exception) -> None:
        self.fates, self.tasks = list(fates), list[Task]()

    def submit(self, _fn: Any, /, *args: Any, **_kwargs: Any) -> Future[Any]:
        (task,) = args
        self.tasks.append(task)
        future = Future[Any]()
        fate = self.fates.pop(0) if self.fates else Found(DONE, figures={"time": TIMES[task.flavour] + task.seed})
        if isinstance(fate, Exception):
            future.set_exception(fate)
        else:
            future.set_result(fate)
        return future


def load(tmp_path: Path, text: str = TEXT) -> Sweep:
    (tmp_path / "mine.toml").write_text(text)
    return load_sweep(str(tmp_path / "mine.toml"))


def run(tmp_path: Path, executor: Canned, text: str = TEXT) -> tuple[Sweep, Results]:
    sweep = load(tmp_path, text)
    return sweep, run_sweep(sweep, Directory(tmp_path / "out", sweep), executor)


def test_an_interrupted_or_extended_sweep_runs_only_what_is_missing(tmp_path: Path) -> None:
    first = Canned()
    run(tmp_path, first)
    assert len(first.tasks) == 8
    lines = (tmp_path / "out" / "results.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "out" / "results.jsonl").write_text("".join(lines[:3]) + lines[3][:40])  # it was killed as it wrote
    again = Canned()
    run(tmp_path, again)
    assert len(again.tasks) == 5
    more = Canned()
    run(tmp_path, more, TEXT.replace('"2ms"]', '"2ms", "5ms"]').replace("[1, 2]", "[1, 2, 3]"))
    assert len(more.tasks) == 3 * 2 * 3 - 8
    back = Canned()
    sweep, results = run(tmp_path, back)
    assert back.tasks == []
    assert len(results) == len(sweep.points)


def test_other_costs_are_other_points(tmp_path: Path) -> None:
    run(tmp_path, Canned())
    priced = Canned()
    run(tmp_path, priced, 'set = ["costs.hypercall=5"]\n' + TEXT)
    assert len(priced.tasks) == 8


def test_points_that_fail_are_kept_and_what_the_host_may_have_done_is_tried_again(tmp_path: Path) -> None:
    crash, hang = Found(CRASH, "ended by signal 9"), Found(HANG, "it did not end within 1 s")
    failed = Found(FAILED, "ping failed (guest)", figures={"time": 7})
    sweep, results = run(tmp_path, Canned(crash, hang, failed, RuntimeError("no more workers")))
    rows = rows_of(sweep, results)
    assert [row["status"] for row in rows[:5]] == ["crash", "hang", "failed", "crash", "done"]
    assert rows[3]["why"] == "its worker is gone: RuntimeError: no more workers"
    assert (rows[0]["time"], rows[0]["factor"], rows[2]["time"]) == (None, None, 7)
    again = Canned()
    run(tmp_path, again)
    assert [(task.flavour, task.seed) for task in again.tasks] == [("l4", 1), ("l4", 2), ("l4", 2)]


def test_points_of_the_same_device_are_run_once(tmp_path: Path) -> None:
    executor = Canned()
    sweep, results = run(tmp_path, executor, TEXT.replace('"1ms", "2ms"', '"1ms", "1000us"'))
    assert len(executor.tasks) == 4
    assert len(rows_of(sweep, results)) == 8


def test_a_directory_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("all of it")
    sweep = load(tmp_path)
    with pytest.raises(RunDirError, match="is not empty and not of this sweep; choose another directory with --out"):
        Directory(tmp_path / "out", sweep)


def test_a_metric_that_no_run_has_is_told_with_the_nearest_and_costs_no_run(tmp_path: Path) -> None:
    sweep, results = run(tmp_path, Canned(), TEXT.replace('["time"]', '["timme"]'))
    with pytest.raises(InputError, match=r'mine: metrics: no run has "timme"; did you mean time\?'):
        check_metrics("mine", sweep, results)
    again = Canned()
    check_metrics("mine", *run(tmp_path, again))
    assert again.tasks == []


def test_a_row_has_its_axes_its_figures_and_where_they_come_from(tmp_path: Path) -> None:
    sweep, results = run(tmp_path, Canned())
    rows = rows_of(sweep, results)
    row = next(row for row in rows if (row["flavour"], row["seed"]) == ("okl4", 2))
    assert (row["time"], row["factor"]) == (152, 152 / 102)
    for column in (
        "topology",
        "board",
        "digest",
        "binaries",
        "costs",
        "seed",
        "for",
        "code",
        "version.cellvisor",
        "id",
    ):
        assert row[f"from.{column}"] not in (None, ""), column
    write_tables(rows, sweep, TEXT, tmp_path)
    with (tmp_path / "results.csv").open() as file:
        written = list(csv.DictReader(file))
    assert len(written) == 8
    assert written[0]["from.digest"] == sweep.points[0].facts["digest"]


def test_parquet_has_the_same_columns_with_their_types(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs the extra sweeps")
    sweep, results = run(tmp_path, Canned(Found(CRASH, "why")))
    rows = rows_of(sweep, results)
    write_tables(rows, sweep, TEXT, tmp_path)
    table = parquet.read_table(tmp_path / "results.parquet")
    assert table.column_names == list(rows[0])
    assert (str(table.schema.field("time").type), str(table.schema.field("factor").type)) == ("int64", "double")
    assert table.to_pylist() == rows
    assert table.schema.metadata[b"cellvisor.file"].decode() == TEXT


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["line", "bar", "map"])
def test_a_picture_is_drawn_of_one_metric_over_two_axes(tmp_path: Path, kind: str) -> None:
    pytest.importorskip("matplotlib", reason="needs the extra sweeps")
    section = f'[[plot]]\nmetric = "time"\nx = "scheduler.slice"\nby = "flavour"\nkind = "{kind}"\n'
    sweep, results = run(tmp_path, Canned(), TEXT + section)
    (path,) = plots.draw_all(sweep, rows_of(sweep, results), tmp_path / "plots")
    assert path.name == "time-over-scheduler.slice-flavour.png"
    assert path.read_bytes().startswith(b"\x89PNG")


def test_without_a_word_each_figure_is_drawn_over_the_first_two_axes(tmp_path: Path) -> None:
    found = plots.chosen(load(tmp_path))
    assert [(each.metric, each.x, each.by) for each in found] == [
        ("time", "flavour", "scheduler.slice"),
        ("factor", "flavour", "scheduler.slice"),
    ]


def test_words_below_an_axis_that_would_stand_in_one_another_are_left_out(tmp_path: Path) -> None:
    figure = pytest.importorskip("matplotlib.figure", reason="needs the extra sweeps").Figure(figsize=plots.SIZE)
    axes = figure.add_subplot()
    axes.set_xlim(0, 2400)
    scale = plots.scale_of([0, 73, 300, 600, 2400])
    assert plots.labels(axes, scale) == ["0", "", "300", "600", "2400"]


@pytest.mark.parametrize(("low", "high", "there"), [(0.7, 26.8, "5"), (1.0, 90_000.0, "10,000")])
def test_a_logarithmic_axis_has_plain_numbers(low: float, high: float, there: str) -> None:
    figure = pytest.importorskip("matplotlib.figure", reason="needs the extra sweeps").Figure()
    axes = figure.add_subplot()
    axes.plot([1, 2], [low, high])
    axes.set_yscale("log")
    plots.plain_numbers(axes)
    found = axes.yaxis.get_major_formatter().format_ticks(axes.yaxis.get_majorticklocs())
    assert there in found and not any("^" in text or "times" in text for text in found)


def test_an_interruption_says_that_the_same_command_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(*_: object) -> Results:
        raise KeyboardInterrupt

    load(tmp_path)
    monkeypatch.setattr(command, "run_sweep", stopped)
    with pytest.raises(KeyboardInterrupt):
        command.sweep(command.SweepOptions(str(tmp_path / "mine.toml"), jobs=1, out=tmp_path / "out"))
    assert "mine: interrupted; what was run is kept in out, the same command goes on\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("values", "places"),
    [
        (["1ms", "20ms", "500us"], [1e6, 2e7, 5e5]),
        (["1KiB", "1MiB"], [1024.0, 1048576.0]),
        ([3, 1.5], [3.0, 1.5]),
        (["l4", "xen"], [0.0, 1.0]),
    ],
)
def test_times_and_sizes_stand_where_they_belong_and_words_in_their_order(
    values: list[Any], places: list[float]
) -> None:
    assert list(plots.scale_of(values).at.values()) == places
