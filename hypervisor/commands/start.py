"""Commands that start something: a topology, a kernel, a program, a remote cell."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hypervisor.commands.ending import guarded
from hypervisor.commands.options import (
    START,
    Debug,
    Duration,
    Flavour,
    Json,
    Link,
    LinkOption,
    NoSandbox,
    Out,
    Pace,
    Port,
    Seed,
    Set,
    Topology,
    examples,
)

app = typer.Typer()
"""Collects the commands for cli.py."""


@app.command(
    rich_help_panel=START,
    epilog=examples(
        "run hello",
        "run ticker --for 5s --out runs/1",
        "run rtos_and_linux --set board.cores=2 --for 10s",
        "run ping --flavour l4",
        "run ping --compare native,l4,xen,okl4",
        "run display --screen",
        "run display --web --port 8080",
        "run mine.toml --snapshot ready.snap --at-mark 0xb007",
        "run mine.toml --resume ready.snap --for 10s",
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
    snapshot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write what its one cell is when a program in it marks --at-mark; native only."
        ),
    ] = None,
    at_mark: Annotated[
        str | None,
        typer.Option(metavar="ID", help="The mark of --snapshot: svc with r7 = 0xfeed, r0 = ID. [default: 0xb007]"),
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Go on from such a file of this topology instead of beginning.")
    ] = None,
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
            snapshot, commands.mark_of(at_mark, snapshot), resume,
        )  # fmt: skip
        if compare is not None:
            options.refuse_views("--compare")
            from hypervisor.shell.compare import compare as run_each

            return run_each(options, compare)
        return commands.run(options)

    guarded(start, debug)


@app.command(
    rich_help_panel=START,
    epilog=examples("boot debian:marvell", "boot zImage --board beagle --initrd root.cpio --append quiet"),
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
        from hypervisor.shell.boot import BootOptions, boot
        from hypervisor.shell.commands import RunOptions

        options = BootOptions(kernel, board, initrd, append, ram)
        shared = RunOptions("boot", None, (), for_, seed, out, link.value, pace, not no_sandbox, as_json)
        return boot(options, shared)

    guarded(start, debug)


@app.command(
    name="exec",
    rich_help_panel=START,
    context_settings={"allow_interspersed_args": False, "ignore_unknown_options": False},
    epilog=examples(
        "exec -- sh",
        "exec -- ./program one two",
        "exec --flavour l4 -- busybox sh",
        "exec --file data.txt -- cat data.txt",
        "exec --file src=/mnt -- ls -l /mnt",
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
        typer.Option(
            "--file",
            metavar="HOST[=CELL]",
            help="Copy this file into the root, too, or show the cell this directory, which it cannot change; repeatable.",
        ),
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

    guarded(start, debug)


@app.command(rich_help_panel=START, epilog=examples("cell --connect tcp://192.0.2.7:5555 --ticket ui.ticket"))
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

    guarded(start, debug)
