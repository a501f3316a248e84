"""The command `sweep`, without its options."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from hypervisor.shell.human import printable
from hypervisor.shell.problems import InputError
from hypervisor.shell.runs.group import Claim, end_all
from hypervisor.shell.runs.telling import Telling
from hypervisor.shell.sweeps import plots, schema
from hypervisor.shell.sweeps.cluster import cluster_executor
from hypervisor.shell.sweeps.point import DONE
from hypervisor.shell.sweeps.runner import Directory, Results, run_sweep
from hypervisor.shell.sweeps.sweep import SEED, Sweep, load_sweep
from hypervisor.shell.sweeps.tables import (
    EXTRA,
    Row,
    check_metrics,
    groups,
    has_parquet,
    rows_of,
    shown_axes,
    write_tables,
)

MOST_SHOWN = 60
"""Rows in a terminal; all are in the files."""
FAILURES_SHOWN = 10
WIDTH = 160
"""Columns where there is no terminal."""


@dataclass(frozen=True)
class SweepOptions:
    """What `sweep` is told. `jobs`: runs at once, None for one per CPU of the host; `out`: None for one named after the sweep."""

    sweep: str
    jobs: int | None = None
    out: Path | None = None
    cluster: str | None = None
    as_json: bool = False


def sweep(options: SweepOptions) -> int:
    """Run what is missing of a sweep; 1 if a point failed."""
    chosen = load_sweep(options.sweep)
    out = (options.out or Path(f"sweep-{chosen.name}")).absolute()
    results = _run(chosen, out, options)
    check_metrics(options.sweep, chosen, results)
    rows = rows_of(chosen, results)
    source = schema.read(options.sweep)[1].read_text(encoding="utf-8")
    written = write_tables(rows, chosen, source, out)
    if plots.can_draw():
        written += plots.draw_all(chosen, rows, out / "plots")
    if options.as_json:
        json.dump({"sweep": chosen.name, "axes": chosen.axes, "rows": rows}, sys.stdout, indent=2)
        print()
    else:
        _show(chosen, rows, written, out)
    return 1 if any(row["status"] != DONE for row in rows) else 0


def _run(chosen: Sweep, out: Path, options: SweepOptions) -> Results:
    jobs = options.jobs or len(os.sched_getaffinity(0))
    with ExitStack() as stack:
        executor: Executor
        if options.cluster:
            executor = stack.enter_context(cluster_executor(options.cluster))
        else:
            executor = stack.enter_context(ThreadPoolExecutor(jobs, initializer=Claim(jobs)))
        directory = Directory(out, chosen)  # not before it is known that there is somebody to run it
        telling = stack.enter_context(Telling(chosen.name, "points", quiet=options.as_json))
        try:
            return run_sweep(
                chosen, directory, executor, lambda found, done, of: telling(done, of, before=found is None)
            )
        except BaseException as why:
            end_all()
            executor.shutdown(wait=not options.cluster, cancel_futures=True)
            if isinstance(why, KeyboardInterrupt):
                say = f"{chosen.name}: interrupted; what was run is kept in {directory.path.name}, the same command goes on"
                print(say, file=sys.stderr, flush=True)
            raise


# ---- for a terminal


def _show(chosen: Sweep, rows: Sequence[Row], written: Sequence[Path], out: Path) -> None:
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = WIDTH
    axes = [axis for axis in shown_axes(chosen) if axis != SEED]
    folded = {axis for formula in chosen.file.derived.values() for axis in formula.folded}
    for names, over in (
        (chosen.file.metrics, axes),
        (tuple(chosen.file.derived), [axis for axis in axes if axis not in folded]),
    ):
        if names:
            console.print(_table(chosen, rows, over, names), "")
    for line in _failures(rows, (*axes, SEED)):
        console.print(line, markup=False, soft_wrap=True)
    for path in written:
        console.print(str(path.relative_to(out.parent)), markup=False, soft_wrap=True)
    missing = [name for name, there in (("Parquet", has_parquet()), ("plots", plots.can_draw())) if not there]
    if missing:
        console.print(f"without {' and '.join(missing)}: {EXTRA}", markup=False)


def _failures(rows: Sequence[Row], axes: Sequence[str]) -> Iterator[str]:
    """A line for each reason, with the first point that had it."""
    failed = [row for row in rows if row["status"] != DONE]
    kinds: dict[tuple[str, str], list[Row]] = {}
    for row in failed:
        kinds.setdefault((row["status"], row["why"]), []).append(row)
    for (status, why), same in list(kinds.items())[:FAILURES_SHOWN]:
        where = ", ".join(f"{axis} {same[0][axis]}" for axis in axes)
        more = f" (and {len(same) - 1} more)" if len(same) > 1 else ""
        yield f"{status}: {where}{more}: {printable(why)}"
    if failed:
        yield f"{len(failed)} of {len(rows)} points failed; each with its reason in results.csv"


def _table(chosen: Sweep, rows: Sequence[Row], axes: Sequence[str], metrics: Sequence[str]) -> Table:
    """Medians over the seeds."""
    several = len(chosen.axes[SEED]) > 1
    title = f"{chosen.name}: medians of {len(chosen.axes[SEED])} seeds" if several else chosen.name
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for name in (*axes, *metrics):
        table.add_column(name, justify="left" if name in axes else "right", overflow="fold")
    found = {metric: dict(groups(rows, axes, metric)) for metric in metrics}
    places = list(dict.fromkeys(tuple(row[axis] for axis in axes) for row in rows))
    for place in places[:MOST_SHOWN]:
        figures = [found[metric].get(place) for metric in metrics]
        table.add_row(*map(str, place), *("-" if figure is None else _number(figure[1]) for figure in figures))
    if len(places) > MOST_SHOWN:
        table.caption = f"{len(places) - MOST_SHOWN} more in results.csv"
    return table


def _number(value: float) -> str:
    """Five significant digits."""
    if value == int(value) and abs(value) < 1e7:
        return str(int(value))
    return f"{value:.5g}"


def list_all(as_json: bool) -> int:
    """The built-in sweeps."""
    known = {name: schema.read(name)[2].description for name in schema.built_in()}
    if as_json:
        json.dump(known, sys.stdout, indent=2)
        print()
        return 0
    table = Table(box=None, pad_edge=False, show_header=False)
    for name, description in known.items():
        table.add_row(name, description)
    Console(highlight=False).print(table)
    return 0


def required(name: str | None) -> str:
    """The sweep that was named.

    Raises:
        InputError: none was.
    """
    if name is None:
        raise InputError("sweep: say which sweep, or --list to see what there is")
    return name


__all__ = ["SweepOptions", "list_all", "required", "sweep"]
