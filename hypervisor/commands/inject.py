"""The command that breaks a device on purpose."""

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
        "inject --list", "inject storage_kills --out kills", "inject phone_kills --seeds 50 --jobs 8 --out more"
    ),
)
def inject(
    campaign: Annotated[
        str | None, typer.Argument(metavar="CAMPAIGN", help="A built-in campaign's name or a TOML file.")
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="Show the actions and the built-in campaigns.")] = False,
    seeds: Annotated[
        int | None, typer.Option(min=1, max=10_000, metavar="N", help="Seeds 1 to N; the file's are the default.")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, max=1024, metavar="N", help="Runs at once; one per CPU is the default.")
    ] = None,
    sample: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Only N of the injections, spread evenly over all.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Keep every run, the results and a report; started again, it goes on there."),
    ] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Run a campaign of faults, and say of each, and of each cell, what came of it.

    Exit status: 0 nothing escaped, 1 something did or a monitor failed, 2 bad input.
    """

    def start() -> int:
        from hypervisor.shell.campaigns import command

        if list_:
            return command.list_all(as_json)
        return command.inject(command.InjectOptions(command.required(campaign), seeds, jobs, out, as_json, sample))

    guarded(start, debug)
