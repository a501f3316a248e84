"""Commands that act on a running topology."""

from __future__ import annotations

from typing import Annotated

import typer

from hypervisor.commands.ending import guarded
from hypervisor.commands.options import (
    OPERATE,
    CellName,
    Debug,
    Json,
    Port,
    RunName,
    ScreenProtocol,
    examples,
)

app = typer.Typer()
"""Collects the commands for cli.py."""


@app.command(name="list", rich_help_panel=OPERATE)
def list_(as_json: Json = False, debug: Debug = False) -> None:
    """The topologies that are running, with their cells."""

    def start() -> int:
        from hypervisor.shell import operating

        return operating.list_runs(as_json)

    guarded(start, debug)


@app.command(rich_help_panel=OPERATE)
def top(
    run: RunName = None,
    once: Annotated[bool, typer.Option("--once", help="Print once and leave.")] = False,
    debug: Debug = False,
) -> None:
    """Watch a running topology: shares in virtual time, and what its processes cost the host (Ctrl-C leaves)."""

    def start() -> int:
        from hypervisor.shell import operating

        return operating.top(run, once)

    guarded(start, debug, interrupted=0)


@app.command(rich_help_panel=OPERATE, epilog=examples("console linux"))
def console(cell: CellName, run: RunName = None, debug: Debug = False) -> None:
    """Be a cell's console (Ctrl-] leaves; the cell goes on)."""

    def start() -> int:
        from hypervisor.shell import operating

        return operating.console(cell, run)

    guarded(start, debug)


@app.command(
    rich_help_panel=OPERATE,
    epilog=examples("screen", "screen lcd0 --run display", "screen --protocol blocks", "screen --web --port 8080"),
)
def screen(
    display: Annotated[
        str | None, typer.Argument(metavar="DISPLAY", help="Its name; the first that is on is the default.")
    ] = None,
    run: RunName = None,
    protocol: Annotated[
        ScreenProtocol, typer.Option(help="How to draw: what the terminal does best, or one of these.")
    ] = ScreenProtocol.auto,
    web: Annotated[bool, typer.Option("--web", help="Serve a page for a browser of this host instead.")] = False,
    port: Port = 0,
    debug: Debug = False,
) -> None:
    """Show a display of a running topology in this terminal, with the mouse as the pen (q or Ctrl-] leaves; the run goes on).

    By half blocks, sixels or kitty's graphics, as the terminal can. With --web: on a page of 127.0.0.1, with consoles and states
    beside it; Ctrl-C ends the page.
    """

    def start() -> int:
        if web:
            from hypervisor.shell.web.command import serve

            return serve(run, port)
        from hypervisor.shell.screen import command

        return command.screen(display, run, protocol.value)

    guarded(start, debug, interrupted=0)


@app.command(
    rich_help_panel=OPERATE, epilog=examples("screenshot now.png", "screenshot lcd0 now.png", "screenshot - | display")
)
def screenshot(
    words: Annotated[list[str], typer.Argument(metavar="[DISPLAY] FILE", help='A PNG; "-" is standard output.')],
    run: RunName = None,
    debug: Debug = False,
) -> None:
    """Save what a display of a running topology shows."""

    def start() -> int:
        from hypervisor.shell.screen import command

        return command.screenshot(words, run)

    guarded(start, debug)


@app.command(rich_help_panel=OPERATE)
def pause(cell: CellName, run: RunName = None, debug: Debug = False) -> None:
    """Hold a cell; the others go on. Virtual time stands still while all are held."""
    _order("pause", cell, run, debug)


@app.command(rich_help_panel=OPERATE)
def unpause(cell: CellName, run: RunName = None, debug: Debug = False) -> None:
    """Let a held cell run again."""
    _order("unpause", cell, run, debug)


@app.command(rich_help_panel=OPERATE)
def kill(cell: CellName, run: RunName = None, debug: Debug = False) -> None:
    """Kill a cell; its `on_crash` policy decides what follows."""
    _order("kill", cell, run, debug)


@app.command(rich_help_panel=OPERATE)
def restart(cell: CellName, run: RunName = None, debug: Debug = False) -> None:
    """Start a cell anew, from its image."""
    _order("restart", cell, run, debug)


@app.command(rich_help_panel=OPERATE, epilog=examples("trace | grep switch"))
def trace(run: RunName = None, debug: Debug = False) -> None:
    """Follow the trace of a running topology, a JSON line per record (Ctrl-C leaves)."""

    def start() -> int:
        from hypervisor.shell import operating

        return operating.follow_trace(run)

    guarded(start, debug, interrupted=0)


def _order(verb: str, cell: str, run: str | None, debug: bool) -> None:
    def start() -> int:
        from hypervisor.shell import operating

        return operating.order(verb, cell, run)

    guarded(start, debug)
