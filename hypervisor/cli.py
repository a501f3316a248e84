"""The `cellvisor` command. Thin: it reads options, calls the Python interface, and prints.

What a command needs is imported when it runs: `cellvisor kill` is done before `cellvisor run` has loaded its engine.
"""

from __future__ import annotations

import gc
import os
import sys
import traceback
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(
    name="cellvisor",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="An embedded device split into isolated cells, in deterministic virtual time.",
    epilog="Try: [bold]cellvisor run hello[/], [bold]cellvisor run ticker --for 3s[/], "
    "[bold]cellvisor boot debian:marvell[/]",
)


class GraphFormat(StrEnum):
    """How a graph is shown."""

    text = "text"
    dot = "dot"
    svg = "svg"


class Link(StrEnum):
    """Transports of the world switch."""

    shm = "shm"
    zmq = "zmq"


class ScreenProtocol(StrEnum):
    """How a terminal is made to show a picture."""

    auto = "auto"
    blocks = "blocks"
    sixel = "sixel"
    kitty = "kitty"


START, OPERATE, AGAIN = "Start", "Act on a running topology", "Look again"
"""Panels of the help."""

Topology = Annotated[str, typer.Argument(metavar="TOPOLOGY", help="A built-in topology's name or a TOML file.")]
CellName = Annotated[str, typer.Argument(metavar="CELL", help="The cell's name.")]
RunName = Annotated[
    str | None,
    typer.Option("--run", "-r", metavar="RUN", help="Which run, by name or process number, if several are running."),
]
Flavour = Annotated[str | None, typer.Option(metavar="NAME", help="native, l4, xen or okl4; wins over the topology's.")]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Change a key of the topology, or board.KEY of its board; repeatable."
    ),
]
Duration = Annotated[
    str | None, typer.Option("--for", metavar="TIME", help='How long to run, in virtual time: "2s", "500ms".')
]
Seed = Annotated[int | None, typer.Option(metavar="N", help="Seed of everything random.")]
Out = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Write a run directory: summary, trace, consoles, timeline.")
]
LinkOption = Annotated[Link, typer.Option(help="Transport of the world switch; the trace does not depend on it.")]
Pace = Annotated[
    float | None,
    typer.Option(metavar="X", help="Virtual seconds per second of the wall clock; 1.0 on a terminal with a console."),
]
Port = Annotated[
    int,
    typer.Option("--port", min=0, max=65535, metavar="N", help="TCP port of the page; any free one is the default."),
]
NoSandbox = Annotated[
    bool, typer.Option("--no-sandbox", help="Run cells without walls around them. For debugging only.")
]
Json = Annotated[
    bool, typer.Option("--json", help="Print machine-readable JSON on standard output, and nothing else there.")
]
Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks.")]


def _examples(*lines: str) -> str:
    """The end of a help text."""
    return "Examples:\n\n" + "\n\n".join(f"  [bold]cellvisor {line}[/]" for line in lines)


@app.command(
    rich_help_panel=START,
    epilog=_examples(
        "run hello",
        "run ticker --for 5s --out runs/1",
        "run rtos_and_linux --set board.cores=2 --for 10s",
        "run ping --flavour l4",
        "run ping --compare native,l4,xen,okl4",
        "run display --screen",
        "run display --web --port 8080",
        "run mine.toml --set cells.rt.priority=3 --json | jq .cells.rt.wake_latency",
    ),
)
def run(
    topology: Topology,
    flavour: Flavour = None,
    compare: Annotated[
        str | None,
        typer.Option(metavar="NAMES", help="Run it under each of these flavours and print one table: l4,xen,okl4."),
    ] = None,
    set_: Set = None,
    for_: Duration = None,
    seed: Seed = None,
    out: Out = None,
    link: LinkOption = Link.shm,
    pace: Pace = None,
    no_sandbox: NoSandbox = False,
    remote: Annotated[
        list[str] | None,
        typer.Option(metavar="CELL", help="This cell joins from elsewhere, by `cellvisor cell`; repeatable."),
    ] = None,
    listen: Annotated[str, typer.Option(metavar="ENDPOINT", help="Where remote cells connect.")] = "tcp://127.0.0.1:*",
    ticket: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where to write what a remote cell needs to join.")
    ] = None,
    cable: Annotated[
        list[str] | None,
        typer.Option(
            metavar="DEVICE=ENDPOINT[,KEYFILE]",
            help="Where a cable to another board leads: tcp://*:PORT waits there and writes DEVICE.cable, a key; "
            "tcp://HOST:PORT,DEVICE.cable connects with it.",
        ),
    ] = None,
    screen: Annotated[
        bool,
        typer.Option("--screen", help="Show its display in this terminal, with the mouse as the pen; q ends the run."),
    ] = False,
    web: Annotated[
        bool, typer.Option("--web", help="Show its displays and cells on a page for a browser of this host, too.")
    ] = False,
    port: Port = 0,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Run a topology and print its account.

    If the topology names a console and this is a terminal, it is that console, and the
    run keeps the wall clock's pace; Ctrl-] leaves. With --screen or --web a
    person looks at its displays, and it keeps that pace, too.

    Exit status: 0 done, 1 a cell failed, 2 bad input, 130 Ctrl-C.
    """

    def start() -> int:
        from hypervisor.shell import commands

        options = commands.RunOptions(
            topology, flavour, tuple(set_ or ()), for_, seed, out, link.value, pace, not no_sandbox, as_json,
            tuple(remote or ()), listen, ticket, tuple(cable or ()), screen, web, port,
        )  # fmt: skip
        if compare is not None:
            options.refuse_views("--compare")
            from hypervisor.shell.compare import compare as run_each

            return run_each(options, compare)
        return commands.run(options)

    _guarded(start, debug)


@app.command(
    rich_help_panel=START,
    epilog=_examples("boot debian:marvell", "boot zImage --board beagle --initrd root.cpio --append quiet"),
)
def boot(
    kernel: Annotated[
        str, typer.Argument(metavar="KERNEL", help='A zImage, or "debian:marvell", "debian:rpi", "debian:armmp".')
    ],
    board: Annotated[
        str | None, typer.Option(metavar="NAME", help="The board; for a Debian kernel its own is the default.")
    ] = None,
    initrd: Annotated[
        str | None,
        typer.Option(metavar="FILE", help='An initial RAM disk; "debian:busybox" is the default of a Debian kernel.'),
    ] = None,
    append: Annotated[str, typer.Option(metavar="WORDS", help="Words for the kernel's command line.")] = "",
    ram: Annotated[str, typer.Option(metavar="SIZE", help="The cell's memory.")] = "128MiB",
    for_: Duration = None,
    seed: Seed = None,
    out: Out = None,
    link: LinkOption = Link.shm,
    pace: Pace = None,
    no_sandbox: NoSandbox = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Boot an unmodified kernel in a cell, with this terminal as its console (Ctrl-] leaves)."""

    def start() -> int:
        from hypervisor.shell import commands

        options = commands.BootOptions(kernel, board, initrd, append, ram)
        shared = commands.RunOptions("boot", None, (), for_, seed, out, link.value, pace, not no_sandbox, as_json)
        return commands.boot(options, shared)

    _guarded(start, debug)


@app.command(
    name="exec",
    rich_help_panel=START,
    context_settings={"allow_interspersed_args": False, "ignore_unknown_options": False},
    epilog=_examples(
        "exec -- sh",
        "exec -- ./program one two",
        "exec --flavour l4 -- busybox sh",
        "exec --file data.txt -- cat data.txt",
    ),
)
def exec_(
    words: Annotated[list[str], typer.Argument(metavar="PROGRAM [ARGS]...", help="A file, or a name in the root.")],
    flavour: Flavour = None,
    board: Annotated[str | None, typer.Option(metavar="NAME", help="The board; arm1176 is the default.")] = None,
    root: Annotated[
        str | None,
        typer.Option(
            metavar="ROOT",
            help='The cell\'s root: a cpio, a directory, "debian:busybox", "debian:armel", or "wren" (ours).',
        ),
    ] = None,
    file: Annotated[
        list[str] | None,
        typer.Option("--file", metavar="HOST[=CELL]", help="Copy this file into the root, too; repeatable."),
    ] = None,
    env: Annotated[
        list[str] | None, typer.Option("--env", metavar="NAME=VALUE", help="A variable of its environment; repeatable.")
    ] = None,
    ram: Annotated[str | None, typer.Option(metavar="SIZE", help="The cell's memory.")] = None,
    account: Annotated[bool, typer.Option("--account", help="Print the account to standard error in the end.")] = False,
    for_: Duration = None,
    seed: Seed = None,
    out: Out = None,
    link: LinkOption = Link.shm,
    pace: Pace = None,
    no_sandbox: NoSandbox = False,
    debug: Debug = False,
) -> None:
    """Run an ARM Linux program in a Linux-like cell, with this terminal; its exit status is ours (128 + signal if one ended it).

    Files of the program are the cell's own, and end with it.
    """

    def start() -> int:
        from hypervisor.shell import commands
        from hypervisor.shell.exec import ExecOptions, execute

        options = ExecOptions(tuple(words), board, root, tuple(file or ()), tuple(env or ()), ram, account=account)
        shared = commands.RunOptions("exec", flavour, (), for_, seed, out, link.value, pace, not no_sandbox)
        return execute(options, shared)

    _guarded(start, debug)


@app.command(
    rich_help_panel=START,
    epilog=_examples("check mine.toml", "check ticker --set board=beagle", "check wren.native", "check zImage --json"),
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

    _guarded(start, debug)


@app.command(
    rich_help_panel=START,
    epilog=_examples("graph storage", "graph storage --flavour xen --format svg --out storage.svg"),
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

    _guarded(start, debug)


@app.command(rich_help_panel=START, epilog=_examples("cell --connect tcp://192.0.2.7:5555 --ticket ui.ticket"))
def cell(
    connect: Annotated[str, typer.Option(metavar="ENDPOINT", help="Where the monitor listens: tcp://HOST:PORT.")],
    ticket: Annotated[Path, typer.Option(metavar="FILE", help="The ticket that `cellvisor run --remote` wrote.")],
    no_sandbox: NoSandbox = False,
    debug: Debug = False,
) -> None:
    """Be a cell of a topology whose monitor runs elsewhere."""

    def start() -> int:
        from hypervisor.shell import commands

        return commands.join(connect, ticket, sandbox=not no_sandbox)

    _guarded(start, debug)


# ---- on a running topology


@app.command(name="list", rich_help_panel=OPERATE)
def list_(as_json: Json = False, debug: Debug = False) -> None:
    """The topologies that are running, with their cells."""

    def start() -> int:
        from hypervisor.shell import operating

        return operating.list_runs(as_json)

    _guarded(start, debug)


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

    _guarded(start, debug, interrupted=0)


@app.command(rich_help_panel=OPERATE, epilog=_examples("console linux"))
def console(cell: CellName, run: RunName = None, debug: Debug = False) -> None:
    """Be a cell's console (Ctrl-] leaves; the cell goes on)."""

    def start() -> int:
        from hypervisor.shell import operating

        return operating.console(cell, run)

    _guarded(start, debug)


@app.command(
    rich_help_panel=OPERATE,
    epilog=_examples("screen", "screen lcd0 --run display", "screen --protocol blocks", "screen --web --port 8080"),
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

    _guarded(start, debug, interrupted=0)


@app.command(
    rich_help_panel=OPERATE, epilog=_examples("screenshot now.png", "screenshot lcd0 now.png", "screenshot - | display")
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

    _guarded(start, debug)


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


@app.command(rich_help_panel=OPERATE, epilog=_examples("trace | grep switch"))
def trace(run: RunName = None, debug: Debug = False) -> None:
    """Follow the trace of a running topology, a JSON line per record (Ctrl-C leaves)."""

    def start() -> int:
        from hypervisor.shell import operating

        return operating.follow_trace(run)

    _guarded(start, debug, interrupted=0)


# ---- on a recorded run


@app.command(rich_help_panel=AGAIN, epilog=_examples("run ticker --out runs/1", "replay runs/1"))
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

    _guarded(start, debug)


@app.command(
    rich_help_panel=AGAIN, epilog=_examples("explain ipc --flavour l4", "explain interrupt --svg interrupt.svg")
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

    _guarded(start, debug)


# ---- how commands end


def _order(verb: str, cell: str, run: str | None, debug: bool) -> None:
    def start() -> int:
        from hypervisor.shell import operating

        return operating.order(verb, cell, run)

    _guarded(start, debug)


def _guarded(command: Callable[[], int], debug: bool, *, interrupted: int = 130) -> None:
    """Run a command to its exit status. `interrupted`: the one after Ctrl-C."""
    try:
        status = command()
        sys.stdout.flush()
    except KeyboardInterrupt:
        status = interrupted
    except BrokenPipeError:
        # Who read our output has had enough, as `head` has. What is left of it must not be written at the end either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    except Exception as error:
        status = _told(error, debug)
    raise typer.Exit(status)


def _told(error: Exception, debug: bool) -> int:
    """Say what is wrong: a clear line per problem of the user's (2), and something of ours without its details (1)."""
    from hypervisor.shell.problems import lines_of

    lines = lines_of(error)
    if debug:
        traceback.print_exception(error)
    for line in lines or [f"{type(error).__name__}: {error} (this is a mistake of cellvisor's; --debug shows where)"]:
        print(f"cellvisor: {line}", file=sys.stderr)
    return 2 if lines else 1


def main() -> None:
    """The command's entry: `app`, with a wrong use of it told as one line too."""
    gc.set_threshold(20_000)  # what is imported stays: going through it a hundred times takes a tenth of the start
    try:
        status: Any = app(prog_name="cellvisor", standalone_mode=False)
    except Exception as error:
        usage = getattr(error, "format_message", None)
        if usage is None:
            raise
        where = getattr(getattr(error, "ctx", None), "command_path", "cellvisor")
        why = usage().replace("Value error, ", "")
        if why:  # else the help was shown
            print(f"cellvisor: {why} (see {where} --help)", file=sys.stderr)
        status = 2
    sys.exit(status or 0)


if __name__ == "__main__":
    main()
