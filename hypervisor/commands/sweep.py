"""The command that runs one device over a grid of designs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hypervisor.commands.ending import guarded
from hypervisor.commands.options import START, Debug, Json, examples

app = typer.Typer()
"""Collects the commands for cli.py."""


@app.command(
    rich_help_panel=START,
    epilog=examples(
        "sweep --list", "sweep quantum --jobs 2", "sweep mine.toml --cluster tcp://10.0.0.1:8786 --out results"
    ),
)
def sweep(
    name: Annotated[str | None, typer.Argument(metavar="SWEEP", help="A built-in sweep's name or a TOML file.")] = None,
    list_: Annotated[bool, typer.Option("--list", help="Show the built-in sweeps.")] = False,
    jobs: Annotated[
        int | None, typer.Option(min=1, max=1024, metavar="N", help="Runs at once; one per CPU is the default.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Where runs, tables and plots go (sweep-NAME); started again, it goes on there."
        ),
    ] = None,
    cluster: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="A Dask scheduler whose workers do it: tcp://HOST:8786.")
    ] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Run a device over a grid of flavours, boards, keys and costs; tables and plots of what was found.

    Exit status: 0 all points were run, 1 some failed, 2 bad input.
    """

    def start() -> int:
        from hypervisor.shell.sweeps import command

        if list_:
            return command.list_all(as_json)
        return command.sweep(command.SweepOptions(command.required(name), jobs, out, cluster, as_json))

    guarded(start, debug)
