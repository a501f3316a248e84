"""Commands that look once more at what ran: a recorded run, or a mechanism step by step."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hypervisor.commands.ending import guarded
from hypervisor.commands.options import (
    AGAIN,
    Debug,
    Json,
    Link,
    LinkOption,
    examples,
)

app = typer.Typer()
"""Collects the commands for cli.py."""


@app.command(rich_help_panel=AGAIN, epilog=examples("run ticker --out runs/1", "replay runs/1"))
def replay(
    directory: Annotated[Path, typer.Argument(metavar="RUNDIR", help="A run directory.")],
    until: Annotated[
        str | None, typer.Option(metavar="TIME", help="Only as far as this virtual time; all of it is the default.")
    ] = None,
    files: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where the topology's relative paths begin; here is the default."),
    ] = None,
    link: LinkOption = Link.shm,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Do a recorded run again, with its inputs; exit status 0 if the trace is the same, else 1 and the first difference."""

    def start() -> int:
        from hypervisor.shell import commands

        return commands.replay(commands.ReplayOptions(directory, until, files, link.value, as_json))

    guarded(start, debug)


@app.command(
    rich_help_panel=AGAIN, epilog=examples("explain ipc --flavour l4", "explain interrupt --svg interrupt.svg")
)
def explain(
    subject: Annotated[
        str, typer.Argument(metavar="SUBJECT", help="ipc, hypercall, interrupt, pagefault (l4, xen) or syscall (xen).")
    ],
    flavour: Annotated[str | None, typer.Option(metavar="NAME", help="l4, xen or okl4 (the default).")] = None,
    times: Annotated[int, typer.Option(metavar="N", min=0, max=100, help="How often the guest does it.")] = 1,
    svg: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw it into this file, too.")] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Run a small guest and show what happened, step by step, with the cycles of each step and its record in the trace."""

    def start() -> int:
        from hypervisor.shell.explain import command

        return command.explain(command.ExplainOptions(subject, flavour, times, svg, as_json))

    guarded(start, debug)
