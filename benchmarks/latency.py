"""How late interrupts come: `python -m benchmarks.latency`, worst and 99.9 % of 2,178 ticks of a real-time program.

The image `ticker` has the highest priority and its own timer; beside it nothing, a kernel whose process makes system calls, a
disk's traffic, or a flood of malformed messages on seven interfaces. The runs are those of the sweep `latency`: from the
cycle at which its timer is due to the one at which its cell is on the core, in virtual time, the same on every host. What comes
after, the entry of its own handler, is the guest's and not in it; as the guest's timer sees it, to a microsecond, it is the last
column. Known results are taken from the directory.

    python -m benchmarks.latency                                  # two runs at once, in bench-latency
    python -m benchmarks.latency --jobs 1 --out DIR --samples latency.jsonl
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.samples import Sample, write
from hypervisor.flavours import FLAVOURS
from hypervisor.shell.runs.group import Claim
from hypervisor.shell.runs.telling import Telling
from hypervisor.shell.sweeps.point import DONE
from hypervisor.shell.sweeps.runner import Directory, run_sweep
from hypervisor.shell.sweeps.sweep import load_sweep
from hypervisor.shell.sweeps.tables import Row, rows_of

SWEEP = "latency"
WIDTH = 130
"""Columns where there is no terminal."""
FIGURES = {"p999": "p999_us", "worst": "worst_us", "seen": "seen_us"}
"""What a sample is called -> the column of the sweep."""


def measure(out: Path, jobs: int) -> list[Row]:
    """The rows of the sweep; what is not known in `out` is run.

    Raises:
        RunDirError: `out` cannot be used.
    """
    sweep = load_sweep(SWEEP)
    directory = Directory(out.absolute(), sweep)
    with Telling(SWEEP, "runs") as telling, ThreadPoolExecutor(jobs, initializer=Claim(jobs)) as pool:
        found = run_sweep(sweep, directory, pool, lambda one, done, of: telling(done, of, before=one is None))
    return rows_of(sweep, found)


def table(rows: Sequence[Row]) -> Table:
    """A line for each load, 99.9 % and the worst under each flavour, and what the guest itself saw at worst."""
    made = Table(title="interrupt latency of a real-time program, us of virtual time", title_justify="left")
    flavours = [name for name in FLAVOURS if any(row["flavour"] == name for row in rows)]
    made.add_column("beside it")
    for name in flavours:
        made.add_column(f"{name}: 99.9 %, worst", justify="right")
    made.add_column("as the guest saw it", justify="right")
    by = {(row["load"], row["flavour"]): row for row in rows if row["status"] == DONE}
    for load in dict.fromkeys(row["load"] for row in rows):
        mine = [by.get((load, name)) for name in flavours]
        told = ("-" if row is None else f"{row['p999_us']:.2f}, {row['worst_us']:.2f}" for row in mine)
        seen = ", ".join("-" if row is None else f"{row['seen_us']:.0f}" for row in mine)
        made.add_row(load, *told, seen)
    return made


def samples(rows: Sequence[Row]) -> Iterator[Sample]:
    """The same as files have it."""
    for row in rows:
        if row["status"] == DONE:
            where = {"kind": "modelled", "flavour": row["flavour"], "load": row["load"], "board": row["from.board"]}
            yield from (Sample("latency", name, "us", where, (row[column],)) for name, column in FIGURES.items())


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Exit status 1: a run failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.latency", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--jobs", type=int, default=2, help="runs at once (%(default)s)")
    parser.add_argument("--out", type=Path, default=Path("bench-latency"), help="where the runs go (%(default)s)")
    parser.add_argument("--samples", type=Path, help="a file for the samples")
    chosen = parser.parse_args(arguments)
    rows = measure(chosen.out, chosen.jobs)
    console = Console()
    console.width = console.width if console.is_terminal else WIDTH
    console.print(table(rows))
    if chosen.samples:
        write(chosen.samples, samples(rows))
    failed = [row for row in rows if row["status"] != DONE]
    for row in failed:
        print(f"{row['load']}, {row['flavour']}: {row['status']}: {row['why']}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
