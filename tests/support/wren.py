"""What wren's programs say, under each flavour and on a real Linux. Each run is made once in a session and remembered.

said = transcript("xen", "@/etc/tests")
said.worst, said.sections["/bin/pipes"]
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

from cells.wren import FLAVOURS, IMAGES
from hypervisor import launch
from hypervisor.api import Run
from tests.support import once

TESTS, CRIMES = "@/etc/tests", "@/etc/crimes"
BEGIN, END = "init: begin\n", "init: end, worst "
ARCHIVE = str(IMAGES / "initramfs.cpio")
STEP, LONGEST = 100, 60_000
"""Milliseconds of virtual time: how often the console is read, and when to give up."""

__all__ = ["ARCHIVE", "CRIMES", "FLAVOURS", "TESTS", "Transcript", "linux", "read", "table", "transcript"]


@dataclass(frozen=True)
class Transcript:
    """What stands between `init: begin` and `init: end`."""

    text: str
    worst: int
    state: str

    @property
    def sections(self) -> dict[str, str]:
        """Program and first argument -> what it said; the line of init that ends it says how it ended."""
        found, lines = {}, []
        for line in self.text.splitlines():
            if line.startswith("init: "):
                found[line.removeprefix("init: ").rpartition(": ")[0]] = "\n".join(lines)
                lines = []
            else:
                lines.append(line)
        return found


def table(args: str, board: str = "arm926", **more: Any) -> dict[str, Any]:
    """A topology of wren alone; its first process is `init` with these words."""
    cell = {"image": "wren", "initrd": "wren", "ram": "16MiB", "args": args, **more}
    return {"name": "wren", "board": board, "cells": {"wren": cell}}


def read(console: bytes, state: str = "") -> Transcript:
    """The transcript in what a console showed.

    Raises:
        AssertionError: it is not there, whole.
    """
    text = console.decode("latin-1").replace("\r", "")
    assert BEGIN in text, f"it did not begin: {text[-500:]}"
    text = text[text.index(BEGIN) + len(BEGIN) :]
    assert END in text, f"it did not end: {text[-500:]}"
    text, _, rest = text.partition(END)
    return Transcript(text, int(rest.split()[0]), state)


def finish(run: Run, cell: str) -> bytes:
    """Run until init has ended; the console."""
    for time in range(STEP, LONGEST, STEP):
        run.until(f"{time}ms")
        if END.encode() in run.console(cell) or run.state(cell) in ("failed", "shut down"):
            run.until(f"{time + STEP}ms")
            break
    run.monitor.check_invariants()
    return run.console(cell)


@functools.cache
def transcript(flavour: str, args: str, board: str = "arm926") -> Transcript:
    """wren alone on a board."""
    return once.share(("wren", flavour, args, board), lambda: _transcript(flavour, args, board))


def _transcript(flavour: str, args: str, board: str) -> Transcript:
    with launch(table(args, board), flavour=flavour) as run:
        console = finish(run, "wren")
        return read(console, str(run.state("wren")))


@functools.cache
def linux(kernel: str, board: str, args: str) -> Transcript:
    """The same archive with an unmodified Debian kernel."""
    return once.share(("linux", kernel, board, args), lambda: _linux(kernel, board, args))


def _linux(kernel: str, board: str, args: str) -> Transcript:
    cell = {"kernel": kernel, "initrd": ARCHIVE, "append": f"quiet -- {args}", "ram": "64MiB"}
    with launch({"name": "linux", "board": board, "cells": {"linux": cell}}, flavour="native") as run:
        return read(finish(run, "linux"))
