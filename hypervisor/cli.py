"""The `cellvisor` command. Thin: it reads options, calls the Python interface, and prints."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from hypervisor.shell import commands
from hypervisor.shell.problems import UserError

app = typer.Typer(
    name="cellvisor",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="An embedded device split into isolated cells, in deterministic virtual time.\n\n"
    "Try: cellvisor run hello | cellvisor run ticker --for 3s | cellvisor boot debian:marvell",
)


class Link(StrEnum):
    """Transports of the world switch."""

    shm = "shm"
    zmq = "zmq"


Topology = Annotated[str, typer.Argument(help="A built-in topology's name or a TOML file.")]
CellName = Annotated[str, typer.Argument(metavar="CELL", help="The cell's name.")]
RunName = Annotated[
    str | None, typer.Option("--run", "-r", help="Which run, by name or process number, if several are running.")
]
Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the topology; may be repeated.")
]
Duration = Annotated[
    str | None, typer.Option("--for", metavar="TIME", help='How long to run, in virtual time: "2s", "500ms".')
]
Seed = Annotated[int | None, typer.Option(help="Seed of everything random.")]
Out = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Write a run directory: summary, trace, consoles, timeline.")
]
LinkOption = Annotated[Link, typer.Option(help="Transport of the world switch; the trace does not depend on it.")]
Pace = Annotated[
    float | None, typer.Option(help="Virtual seconds per second of the wall clock; 1.0 on a terminal with a console.")
]
NoSandbox = Annotated[
    bool, typer.Option("--no-sandbox", help="Run cells without walls around them. For debugging only.")
]
Json = Annotated[
    bool, typer.Option("--json", help="Print machine-readable JSON on standard output, and nothing else there.")
]
Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks.")]


@app.command()
def run(
    topology: Topology,
    flavour: Annotated[str | None, typer.Option(help="native or okl4.")] = None,
    set_: Set = None,
    for_: Duration = None,
    seed: Seed = None,
    out: Out = None,
    link: LinkOption = Link.shm,
    pace: Pace = None,
    no_sandbox: NoSandbox = False,
    remote: Annotated[
        list[str] | None,
        typer.Option(metavar="CELL", help="This cell joins from elsewhere, by `cellvisor cell`; may be repeated."),
    ] = None,
    listen: Annotated[str, typer.Option(help="Where remote cells connect.")] = "tcp://127.0.0.1:*",
    ticket: Annotated[Path | None, typer.Option(help="Where to write what a remote cell needs to join.")] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Run a topology and print its account.

    Examples: cellvisor run hello | cellvisor run ticker --for 5s --out runs/1 | cellvisor run rtos_and_linux --set board.cores=2
    """
    options = commands.RunOptions(
        topology, flavour, tuple(set_ or ()), for_, seed, out, link.value, pace, not no_sandbox, as_json,
        tuple(remote or ()), listen, ticket,
    )  # fmt: skip
    _guarded(lambda: commands.run(options), debug)


@app.command()
def boot(
    kernel: Annotated[str, typer.Argument(help='A zImage, or "debian:marvell", "debian:rpi", "debian:armmp".')],
    board: Annotated[str | None, typer.Option(help="The board; for a Debian kernel its own is the default.")] = None,
    initrd: Annotated[
        str | None, typer.Option(help='An initial RAM disk; "debian:busybox" beside a Debian kernel.')
    ] = None,
    append: Annotated[str, typer.Option(help="Words for the kernel's command line.")] = "",
    ram: Annotated[str, typer.Option(help="The cell's memory.")] = "128MiB",
    for_: Duration = None,
    seed: Seed = None,
    out: Out = None,
    link: LinkOption = Link.shm,
    pace: Pace = None,
    no_sandbox: NoSandbox = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Boot an unmodified kernel in a cell, with this terminal as its console (Ctrl-] leaves).

    Examples: cellvisor boot debian:marvell | cellvisor boot zImage --board beagle --initrd root.cpio --append quiet
    """
    options = commands.BootOptions(kernel, board, initrd, append, ram)
    shared = commands.RunOptions("boot", None, (), for_, seed, out, link.value, pace, not no_sandbox, as_json)
    _guarded(lambda: commands.boot(options, shared), debug)


@app.command()
def check(
    topology: Topology, flavour: str | None = None, set_: Set = None, as_json: Json = False, debug: Debug = False
) -> None:
    """Say everything that is wrong with a topology: file, key and reason; exit status 2 if there is anything."""
    _guarded(lambda: commands.check(topology, flavour, tuple(set_ or ()), as_json), debug)


@app.command(name="list")
def list_(as_json: Json = False, debug: Debug = False) -> None:
    """The topologies that are running, with their cells."""
    _guarded(lambda: commands.list_runs(as_json), debug)


@app.command()
def top(
    run: RunName = None, once: Annotated[bool, typer.Option(help="Print once and leave.")] = False, debug: Debug = False
) -> None:
    """Watch a running topology: virtual time, shares, switches, and what its processes cost the host."""
    _guarded(lambda: commands.top(run, once), debug)


@app.command()
def console(cell: CellName, run: RunName = None, debug: Debug = False) -> None:
    """Be a cell's console (Ctrl-] leaves; the cell goes on)."""
    _guarded(lambda: commands.console(cell, run), debug)


@app.command()
def pause(cell: CellName, run: RunName = None, debug: Debug = False) -> None:
    """Hold a cell; the others go on."""
    _guarded(lambda: commands.order("pause", cell, run), debug)


@app.command()
def unpause(cell: CellName, run: RunName = None, debug: Debug = False) -> None:
    """Let a held cell run again."""
    _guarded(lambda: commands.order("unpause", cell, run), debug)


@app.command()
def kill(cell: CellName, run: RunName = None, debug: Debug = False) -> None:
    """Kill a cell; its `on_crash` policy decides what follows."""
    _guarded(lambda: commands.order("kill", cell, run), debug)


@app.command()
def restart(cell: CellName, run: RunName = None, debug: Debug = False) -> None:
    """Start a cell anew, from its image."""
    _guarded(lambda: commands.order("restart", cell, run), debug)


@app.command()
def trace(run: RunName = None, debug: Debug = False) -> None:
    """Follow the trace of a running topology, a JSON line per record."""
    _guarded(lambda: commands.follow_trace(run), debug)


@app.command()
def replay(
    directory: Annotated[Path, typer.Argument(metavar="RUNDIR", help="A run directory.")],
    link: LinkOption = Link.shm,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Do a recorded run again, with its inputs, and compare: exit status 0 if the traces are equal."""
    _guarded(lambda: commands.replay(directory, link.value, as_json), debug)


@app.command()
def cell(
    connect: Annotated[str, typer.Option(help="Where the monitor listens: tcp://HOST:PORT.")],
    ticket: Annotated[Path, typer.Option(help="The ticket that `cellvisor run --remote` wrote.")],
    no_sandbox: NoSandbox = False,
    debug: Debug = False,
) -> None:
    """Be a cell of a topology whose monitor runs elsewhere.

    Example: cellvisor cell --connect tcp://192.0.2.7:5555 --ticket ui.ticket
    """
    _guarded(lambda: commands.join(connect, ticket, sandbox=not no_sandbox), debug)


def _guarded(command: Callable[[], int], debug: bool) -> None:
    """Run a command: bad input is one clear line per problem and exit status 2, Ctrl-C is 130."""
    try:
        status = command()
    except KeyboardInterrupt:
        status = 130
    except UserError.ALL as error:
        if debug:
            raise
        for line in str(error).splitlines():
            print(f"cellvisor: {line}", file=sys.stderr)
        status = 2
    raise typer.Exit(status)


def print_json(value: Any) -> None:
    """JSON on standard output."""
    print(json.dumps(value, indent=2))


def main() -> None:
    """The command's entry."""
    app()


if __name__ == "__main__":
    main()
