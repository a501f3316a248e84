"""Commands that look at a topology or an image without running it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hypervisor.commands.ending import guarded
from hypervisor.commands.options import (
    START,
    Debug,
    Flavour,
    GraphFormat,
    Json,
    Set,
    Topology,
    examples,
)

app = typer.Typer()
"""Collects the commands for cli.py."""


@app.command(
    rich_help_panel=START,
    epilog=examples("check mine.toml", "check ticker --set board=beagle", "check wren.native", "check zImage --json"),
)
def check(
    topology: Annotated[str, typer.Argument(metavar="TOPOLOGY|IMAGE", help="A built-in name, or a file.")],
    flavour: Flavour = None,
    set_: Set = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Say everything that is wrong with a topology: file, key and reason; exit status 2 if there is anything.

    Of an image (an ELF, a zImage, a flat binary): list the instructions that do not do in user mode what a kernel means by them,
    with address, function, and whether they trap or go wrong silently; exit status 1 if there is any.
    """

    def start() -> int:
        from hypervisor.shell import commands
        from hypervisor.shell.sensitive import command

        image = command.find_image(topology)
        if image is not None:
            return command.check_image(image, topology, as_json)
        return commands.check(topology, flavour, tuple(set_ or ()), as_json)

    guarded(start, debug)


@app.command(
    rich_help_panel=START,
    epilog=examples("graph storage", "graph storage --flavour xen --format svg --out storage.svg"),
)
def graph(
    topology: Topology,
    flavour: Flavour = None,
    format_: Annotated[GraphFormat, typer.Option("--format", help="Text, Graphviz, or a drawing.")] = GraphFormat.text,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write it there.")] = None,
    set_: Set = None,
    debug: Debug = False,
) -> None:
    """Show who reaches whom by which right, whom each cell must trust under each flavour, and how large the trusted core is."""

    def start() -> int:
        from hypervisor.shell.graph import command

        return command.graph(command.GraphOptions(topology, flavour, tuple(set_ or ()), format_.value, out))

    guarded(start, debug)
