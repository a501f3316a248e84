"""`cellvisor exec`: one ARM Linux program in a cell with a Linux-like personality. What it prints is what we print, and its exit
status is ours (128 and the signal's number if one ended it).

A file of this host is copied to the same path below the cell's root, so that the program finds itself by the name it was called
with; a name without a slash is a program of the root, or a fetched one: `busybox`, `bash`, or any of debian:armel (`python3`).
On a terminal the program has that terminal, at the wall clock's pace. Else its streams are pipes: what comes on standard input is
handed over when a program waits for it, while virtual time stands still, so that the same input gives the same run, and
each byte arrives as it is. Standard output and errors come out together, on standard output.
"""

from __future__ import annotations

import dataclasses
import os
import posixpath
import re
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from cells.personalities.linux.spec import STREAMS
from hypervisor.abi.time import NEVER
from hypervisor.api import Run
from hypervisor.shell import topology
from hypervisor.shell.account import show_account
from hypervisor.shell.commands import RunOptions, start
from hypervisor.shell.guests import available
from hypervisor.shell.inputs import Input, InputKind
from hypervisor.shell.operator import Operator
from hypervisor.shell.problems import InputError
from hypervisor.shell.signals import Signals
from hypervisor.shell.terminal import Terminal, size
from hypervisor.shell.topology import TopologyError, roots, sources

CELL = "linux"
BOARD = "arm1176"
BUSYBOX, DEBIAN = "debian:busybox", "debian:armel"
PROGRAMS = (BUSYBOX, "debian:bash")
"""Fetched guests that are programs."""
WITH_APPLETS = ["/bin/busybox", "sh", "-c", 'busybox --install -s && exec "$0" "$@"']
"""How a program starts that wants to find the others of the fetched root: a link for each of them is made first."""
FOLDERS = ("bin", "sbin", "usr/bin", "usr/sbin")
ENVIRONMENT = ("PATH=/bin:/sbin:/usr/bin:/usr/sbin", "HOME=/", "USER=root")
LEAST_RAM = 32 << 20
PIECE = 1 << 14
"""Bytes of standard input that are handed over at once."""
NOTHING_LEFT = 1
_STATUS = re.compile(r"status (\d+)")


@dataclass(frozen=True)
class ExecOptions:
    """What `exec` is told. `files`: "HOST" or "HOST=CELL", copied too."""

    words: tuple[str, ...]
    board: str | None = None
    root: str | None = None
    files: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    ram: str | None = None
    account: bool = False


@dataclass
class Plan:
    """Where the program is, and what goes into the root for it."""

    root: str
    run: list[str]
    files: dict[str, str] = field(default_factory=dict)


def execute(options: ExecOptions, shared: RunOptions) -> int:
    """Run the program; its exit status."""
    plan = _plan(options)
    board = options.board or BOARD
    rows, columns = _window()
    cell: dict[str, Any] = {
        "personality": "linux",
        "root": plan.root,
        "run": plan.run,
        "files": plan.files,
        "env": [*ENVIRONMENT, f"TERM={os.environ.get('TERM', 'dumb')}", *options.env],
        "ram": options.ram or _ram(plan),
        "terminal": [rows, columns],
        "pipes": _pipes(),
    }
    description = {"name": "exec", "board": board, "console": CELL, "cells": {CELL: cell}}
    try:
        with Signals() as signals, start(shared, description) as it:
            with ExitStack() as stack:
                operator = Operator(it)
                stack.callback(operator.close)
                _drive(it, signals, shared)
            status = _status(it)
            if options.account:
                sys.stdout.flush()
                show_account(it.summary(), Console(highlight=False, stderr=True))
    except TopologyError as error:
        raise TopologyError(map(_as_option, error.problems)) from None
    return signals.status or status


# ---- what to run


def _plan(options: ExecOptions) -> Plan:
    word, *arguments = options.words
    root, program, files = _program(word, options.root)
    for text in options.files:
        host, _, inside = text.partition("=")
        files[_inside(inside or host)] = str(Path(host).absolute())
    before = WITH_APPLETS if root == BUSYBOX and program not in ("/bin/busybox", "/bin/sh") else []
    return Plan(root, [*before, program, *arguments], files)


def _program(word: str, root: str | None) -> tuple[str, str, dict[str, str]]:
    """The root, the program's name in it, and what must be added to the root.

    Raises:
        InputError: there is no such program.
    """
    inside = _names(root or sources.KERNEL)
    if "/" not in word:
        return _named(word, root, inside)
    if word.startswith("/") and word.lstrip("/") in inside:
        return root or sources.KERNEL, word, {}
    path = Path(word)
    if not path.is_file():
        raise InputError(f"{word}: there is no such file, here or in the cell's root")
    return root or sources.KERNEL, word, {_inside(word): str(path.absolute())}


def _named(word: str, root: str | None, inside: set[str]) -> tuple[str, str, dict[str, str]]:
    """A program of the root, or a fetched one."""
    if found := _in(word, inside):
        return root or sources.KERNEL, found, {}
    fetched = f"debian:{word}"
    if fetched in PROGRAMS:
        base = root or (BUSYBOX if available(BUSYBOX, roots.PORT) else sources.KERNEL)
        return base, f"/bin/{word}", {} if fetched == BUSYBOX else {f"/bin/{word}": fetched}
    if root is None and available(DEBIAN) and (found := _in(word, _names(DEBIAN))):
        return DEBIAN, found, {}
    if Path(word).is_file():
        raise InputError(f"{word}: no program of the cell's root has this name (write ./{word} for the file)")
    raise InputError(f"{word}: no program of the cell's root, nor a fetched one, has this name")


def _in(word: str, names: set[str]) -> str:
    """Where a root has a program of that name; empty if it has none."""
    return next((f"/{folder}/{word}" for folder in FOLDERS if f"{folder}/{word}" in names), "")


def _names(root: str) -> set[str]:
    """Every name in a root; none if it cannot be read, which the topology's check tells better."""
    try:
        return set(roots.names(roots.find_root(root, None)))
    except (ValueError, OSError):
        return set()


def _inside(path: str) -> str:
    """Where a host's file is found in the cell, from whose root all relative paths begin."""
    return posixpath.normpath("/" + path).replace("//", "/")


def _ram(plan: Plan) -> str:
    """Enough for what is in the root and for the program to run: of the root only what is used becomes pages."""
    try:
        size = roots.size(roots.find_root(plan.root, None))
    except (ValueError, OSError):
        size = 0
    size += sum(Path(text).stat().st_size for text in plan.files.values() if Path(text).is_file())
    need = LEAST_RAM
    while need < 2 * size:
        need *= 2
    return f"{need >> 20}MiB"


def _window() -> tuple[int, int]:
    """The terminal's rows and columns; 0 if there is none."""
    return size() if sys.stdout.isatty() else (0, 0)


def _pipes() -> list[str]:
    """The streams that are pipes. The keyboard is only the program's if the screen is, too; errors go where the output goes."""
    if _is_terminal():
        return []
    return ["stdin"] if sys.stdout.isatty() else list(STREAMS)


def _is_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


_OPTIONS = {
    "board": "--board",
    "flavour": "--flavour",
    f"cells.{CELL}.root": "--root",
    f"cells.{CELL}.files": "--file",
    f"cells.{CELL}.env": "--env",
    f"cells.{CELL}.ram": "--ram",
    "cells": "--ram",
    "for": "--for",
}


def _as_option(problem: topology.Problem) -> topology.Problem:
    """A problem of the topology that `exec` made up, told of the option behind it."""
    key = next((key for key in _OPTIONS if problem.key.startswith(key)), "")
    return dataclasses.replace(problem, option=problem.option or _OPTIONS.get(problem.key, _OPTIONS.get(key, "")))


# ---- running it


def _drive(it: Run, signals: Signals, shared: RunOptions) -> None:
    end = NEVER if it.topology.duration is None else it.topology.duration
    with signals.ending(it.interrupt):
        if _is_terminal():
            with Terminal(CELL, it.interrupt, it.topology.cell(CELL).terminal) as terminal:
                it.on_output.append(terminal.output)
                it.sources.append(terminal)
                it.until_paced(end, shared.pace or 1.0)
        else:
            it.on_output.append(_print)
            it.loop.ask = Source()
            it.until(end)


class Source:
    """Standard input for a cell that waits for it: what there is, and its end once."""

    def __init__(self) -> None:
        self._ended = False

    def __call__(self, cell: str) -> list[Input]:
        """Wait for something."""
        if self._ended or cell != CELL:
            return []
        try:
            data = os.read(0, PIECE)
        except OSError:  # closed
            data = b""
        self._ended = not data
        return [Input(0, 0, InputKind.CONSOLE if data else InputKind.END, cell, data)]


def _print(cell: str, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(1, view) :]


def _status(it: Run) -> int:
    """What the program ended with; what the cell did instead goes to standard error."""
    cell = it.cell(CELL)
    said = _STATUS.fullmatch(cell.why)
    if said and cell.ended:
        return int(said[1]) & 0xFF
    if cell.ended:
        print(f"cellvisor: exec: {cell.why}", file=sys.stderr)
    elif not it.interrupted and it.topology.duration is None:
        print("cellvisor: exec: the program waits for something that cannot come", file=sys.stderr)
    return NOTHING_LEFT
