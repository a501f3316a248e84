"""`bench`: the survey's tables beside ours."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hypervisor.commands.ending import guarded
from hypervisor.commands.options import AGAIN, Debug, Json, examples

app = typer.Typer()
"""Collects the commands for cli.py."""


@app.command(
    rich_help_panel=AGAIN,
    epilog=examples(
        "bench --list",
        "bench fig17",
        "bench fig17 --explain fork_exit",
        "bench headlines goals",
        "bench latency --explain flood",
        "bench all --out tables",
        "bench lmbench --json",
    ),
)
def bench(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME...", help="fig8, fig10 to fig23, lmbench, mibench, headlines, goals, latency, or all."
        ),
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="Show what there is.")] = False,
    explain: Annotated[
        str | None, typer.Option(metavar="ROW", help="Account for every microsecond of a row, or of FIGURE.ROW.")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Write CSV, JSON and pictures there.")] = None,
    counts: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Take the counts of counts.json of an earlier --out; nothing runs."),
    ] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Print tables of the survey beside what events counted on unmodified kernels cost here, with an error beside every number.

    The first time kernels are fetched and booted, and their operations run, which takes minutes; counts are kept.
    """

    def start() -> int:
        from benchmarks.tables.command import BenchOptions, list_all
        from benchmarks.tables.command import bench as run

        return list_all(as_json) if list_ else run(BenchOptions(tuple(names or ()), explain, out, as_json, counts))

    guarded(start, debug)
