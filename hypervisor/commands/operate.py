"""Commands that act on a running topology."""

from __future__ import annotations

from enum import StrEnum
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


@app.command(rich_help_panel=OPERATE)
def shutdown(cell: CellName, run: RunName = None, debug: Debug = False) -> None:
    """Ask a cell's kernel to power off by itself: its file systems are clean afterwards."""
    _order("shutdown", cell, run, debug)


@app.command(rich_help_panel=OPERATE)
def reboot(cell: CellName, run: RunName = None, debug: Debug = False) -> None:
    """Ask a cell's kernel to begin anew by itself."""
    _order("reboot", cell, run, debug)


class StoreVerb(StrEnum):
    """What can be done to the store."""

    ls = "ls"
    read = "read"
    write = "write"
    watch = "watch"


@app.command(
    rich_help_panel=OPERATE,
    epilog=examples("xenstore ls", "xenstore read /local/domain/1/name", "xenstore write /local/domain/1/data hello"),
)
def xenstore(
    verb: Annotated[StoreVerb, typer.Argument(help="ls shows a node and all below it; watch prints changes there.")],
    path: Annotated[str, typer.Argument(metavar="[PATH]", help="A node; the root is the default.")] = "/",
    value: Annotated[str | None, typer.Argument(metavar="[VALUE]", help="What to write.")] = None,
    run: RunName = None,
    debug: Debug = False,
) -> None:
    """Look into the store of a running topology under Xen, or write into it as its first domain may (Ctrl-C ends a watch)."""

    def start() -> int:
        from hypervisor.shell import operating
        from hypervisor.shell.problems import InputError

        if (value is not None) != (verb is StoreVerb.write):
            raise InputError("xenstore: write takes a path and a value, the others a path alone")
        if verb is StoreVerb.write:
            return operating.store_write(path, str(value), run)
        look = {StoreVerb.ls: operating.store_ls, StoreVerb.read: operating.store_read}
        return look.get(verb, operating.store_watch)(path, run)

    guarded(start, debug, interrupted=0)


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
