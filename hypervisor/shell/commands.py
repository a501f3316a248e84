"""What the commands do, without their options: each function returns the exit status."""

from __future__ import annotations

import dataclasses
import json
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from hypervisor.abi.time import NEVER, format_time
from hypervisor.api import Run, launch
from hypervisor.shell import runtime_dir, topology
from hypervisor.shell.account import show_account, show_json
from hypervisor.shell.operator import Client, Operator
from hypervisor.shell.problems import InputError
from hypervisor.shell.progress import Progress
from hypervisor.shell.summary import Summary
from hypervisor.shell.terminal import Left, RawTerminal, Terminal, attach
from hypervisor.shell.top import watch

KERNEL_BOARDS = {"debian:marvell": "arm926", "debian:rpi": "arm1176", "debian:armmp": "beagle"}
"""The board that each Debian kernel is for."""


@dataclass(frozen=True)
class RunOptions:
    """What `run` and `boot` are told."""

    topology: str
    flavour: str | None = None
    overrides: tuple[str, ...] = ()
    duration: str | None = None
    seed: int | None = None
    out: Path | None = None
    link: str = "shm"
    pace: float | None = None
    sandbox: bool = True
    as_json: bool = False
    remote: tuple[str, ...] = ()
    listen: str = "tcp://127.0.0.1:*"
    ticket: Path | None = None


@dataclass(frozen=True)
class BootOptions:
    """What `boot` is told of the kernel."""

    kernel: str
    board: str | None
    initrd: str | None
    append: str
    ram: str


def run(options: RunOptions, description: Mapping[str, Any] | None = None) -> int:
    """Run a topology to its end, with a terminal as console if there is one; print the account."""
    stdout = Console(highlight=False)
    with _interruptible(), ExitStack() as stack:
        it = stack.enter_context(
            launch(
                description if description is not None else options.topology,
                flavour=options.flavour,
                seed=options.seed,
                overrides=options.overrides,
                duration=options.duration,
                out=options.out,
                link=options.link,
                sandbox=options.sandbox,
                remote=options.remote,
                listen=options.listen,
                ticket=options.ticket,
            )
        )
        operator = Operator(it)
        stack.callback(operator.close)
        _drive(it, options)
        summary = it.summary()
    if options.as_json:
        show_json(summary, sys.stdout)
    else:
        show_account(summary, stdout)
        if options.out:
            stdout.print(f"run directory: {options.out}")
    return status_of(summary)


def status_of(summary: Summary) -> int:
    """1 when a cell failed, else 0."""
    return 1 if any(cell.state == "failed" and cell.why != "killed" for cell in summary.cells.values()) else 0


def _drive(it: Run, options: RunOptions) -> None:
    """Let it run: on a terminal that is a cell's console, at the wall clock's pace and without end unless told."""
    console = it.topology.console
    interactive = console is not None and not options.as_json and sys.stdin.isatty() and sys.stdout.isatty()
    duration = it.topology.duration
    end = NEVER if duration is None or (interactive and options.duration is None) else duration
    pace = options.pace or (1.0 if interactive else None)
    if interactive and console is not None:
        print(f"console of {console}; Ctrl-] leaves and ends the run", file=sys.stderr)
        with Terminal(console) as terminal:
            it.on_output.append(terminal.output)
            it.polls.append(terminal.poll)
            _until(it, end, pace, None)
    else:
        if not options.as_json:
            it.on_output.append(_Prefixed())
        progress = Progress(it.topology.board.clock_hz, end, enabled=not options.as_json)
        with progress:
            _until(it, end, pace, progress)


def _until(it: Run, end: int, pace: float | None, progress: Progress | None) -> None:
    """To the end, or to Ctrl-C or Ctrl-]."""
    if progress is not None:
        it.ticks.append(lambda: _tick(it, progress))
    try:
        if pace is not None:
            it.until_paced(end, pace)
        else:
            it.until(end)
    except (KeyboardInterrupt, Left):
        it.interrupted = True


def _tick(it: Run, progress: Progress) -> None:
    cells = it.monitor.cells
    insns = sum(cell.account.insns for cell in cells)
    progress.tick(it.now, insns, lambda: {cell.name: str(cell.shown_state()) for cell in cells})


class _Prefixed:
    """Prints the consoles of all cells line by line, each with its cell's name."""

    def __init__(self) -> None:
        self._partial: dict[str, bytes] = {}

    def __call__(self, cell: str, data: bytes) -> None:
        *lines, rest = (self._partial.get(cell, b"") + data).split(b"\n")
        self._partial[cell] = rest
        for line in lines:
            text = line.decode("utf-8", "replace").rstrip("\r")
            print(f"{cell}| " + "".join(char if char.isprintable() or char == "\t" else "?" for char in text))


@contextmanager
def _interruptible() -> Iterator[None]:
    """SIGTERM and SIGHUP end a run as Ctrl-C does: with everything given back."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def boot(options: BootOptions, shared: RunOptions) -> int:
    """Boot one kernel."""
    board = options.board or KERNEL_BOARDS.get(options.kernel)
    if board is None:
        raise InputError(f"{options.kernel}: say with --board which board it is for")
    debian = options.kernel.startswith("debian:")
    initrd = options.initrd or ("debian:busybox" if debian else None)
    cell = {"kernel": options.kernel, "append": options.append, "ram": options.ram}
    if initrd:
        cell["initrd"] = initrd
    description = {"name": "boot", "board": board, "console": "linux", "cells": {"linux": cell}}
    return run(shared, description)


def check(name: str, flavour: str | None, overrides: tuple[str, ...], as_json: bool) -> int:
    """All problems of a topology."""
    problems = topology.check(name, overrides=overrides, flavour=flavour)
    if as_json:
        print(json.dumps([dataclasses.asdict(problem) for problem in problems], indent=2))
    else:
        for problem in problems:
            print(problem)
        if not problems:
            print(f"{name}: no problems")
    return 2 if problems else 0


# ---- on a running topology


@contextmanager
def client_of(which: str | None) -> Iterator[Client]:
    """A client of the run that is meant.

    Raises:
        InputError: none is running, or several are and none is named.
    """
    runs = runtime_dir.running()
    meant = [run for run in runs if which in (None, run.name, str(run.pid))]
    if not runs:
        raise InputError("nothing is running; start something with: cellvisor run TOPOLOGY")
    if len(meant) != 1:
        names = ", ".join(f"{run.name} ({run.pid})" for run in runs)
        raise InputError(f"say with --run which one is meant; running: {names}")
    client = Client(meant[0])
    try:
        yield client
    finally:
        client.close()


def list_runs(as_json: bool) -> int:
    """Every run with its cells."""
    found = []
    for address in runtime_dir.running():
        client = Client(address)
        try:
            found.append({"pid": address.pid, **client.ask("status")})
        finally:
            client.close()
    if as_json:
        print(json.dumps(found, indent=2))
        return 0
    for status in found:
        time = format_time(status["now"], status["hz"])
        print(f"{status['name']}  process {status['pid']}  {status['flavour']} on {status['board']}  at {time}")
        for cell in status["cells"]:
            why = f"  ({cell['why']})" if cell["why"] else ""
            print(f"  {cell['name']:<20} {cell['state']}{why}")
    if not found:
        print("nothing is running")
    return 0


def order(verb: str, cell: str, which: str | None) -> int:
    """Pause, unpause, kill or restart a cell."""
    with client_of(which) as client:
        client.ask(verb, cell=cell)
    return 0


def console(cell: str, which: str | None) -> int:
    """Be a cell's console."""
    with client_of(which) as client, RawTerminal():
        attach(client, cell)
    return 0


def follow_trace(which: str | None) -> int:
    """Print trace records as they come."""
    with client_of(which) as client:
        client.follow("trace")
        while not client.gone():
            chunk = client.next(200)
            if chunk is not None:
                sys.stdout.write(chunk.decode())
                sys.stdout.flush()
    return 0


def top(which: str | None, once: bool) -> int:
    """Watch a run."""
    with client_of(which) as client:
        watch(client, once=once)
    return 0


def replay(directory: Path, link: str, as_json: bool) -> int:
    """A recorded run once more; 1 if it went another way."""
    from hypervisor.shell.rerun import rerun

    recorded, again = rerun(directory, link)
    equal = recorded == again
    if as_json:
        print(json.dumps({"equal": equal, "recorded": recorded, "replayed": again}, indent=2))
    elif equal:
        print(f"the same trace: {again}")
    else:
        print(f"another trace: recorded {recorded}, replayed {again}")
    return 0 if equal else 1


def join(endpoint: str, ticket: Path, *, sandbox: bool) -> int:
    """Be a remote cell."""
    from hypervisor.shell.join import join as be_cell

    status, said = be_cell(endpoint, ticket, sandbox=sandbox)
    if status:
        print(f"cellvisor: {said}", file=sys.stderr)
    return 1 if status else 0
