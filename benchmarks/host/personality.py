"""The Linux-like personality's speed: system calls, fork, exec and computing, beside Qiling, qemu-arm and raw Unicorn.

One static program (`programs/work.c`) does the same in all of them. Each is run with no work and with much; the difference is the
work, so that the start of an emulator does not count. In a cell the monitor, the sandbox and the world switches do.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.host.figure import Figure, Setting, Target, ratios
from benchmarks.host.programs import HERE, image
from benchmarks.host.qemu import qemu_arm
from benchmarks.host.raw_program import RawProgram
from benchmarks.samples import Sample
from hypervisor import launch

QILING = "CELLVISOR_QILING"
"""The environment's name for a Python that has Qiling, if this one has not."""
CELL, COUNTING, BARE, EMULATOR, QEMU = "cell", "raw with a counting hook", "raw without a hook", "qiling", "qemu-arm"
BOARD, NAME = "arm926", "work"
COMPUTING = ("loop", "crc", "sort", "sha256", "dct", "search")

Run = Callable[[str, int], float]
"""Host seconds of a kind of work, so many times."""


class Work(NamedTuple):
    """How often, so that it takes half a second or more on a host of today; and who can do it."""

    times: int
    by: tuple[str, ...]


ALL = (CELL, COUNTING, BARE, EMULATOR, QEMU)
WORKS: Mapping[str, Work] = {
    "getppid": Work(100_000, (CELL, EMULATOR, QEMU, BARE)),
    "fork": Work(1000, (CELL, EMULATOR, QEMU)),
    "exec": Work(500, (CELL,)),  # Qiling and qemu-arm hand the file to the host, which cannot execute it
    "loop": Work(100_000_000, ALL),
    "crc": Work(150, ALL),
    "sort": Work(60, ALL),
    "sha256": Work(25, ALL),
    "dct": Work(100, ALL),
    "search": Work(6000, ALL),
}


def run(setting: Setting) -> Iterator[Sample]:
    """All works; of the others who is there."""
    there = _runs(setting)
    for work, (times, by) in WORKS.items():
        count = max(times // 10, 1) if setting.quick else times
        variants = {name: partial(_seconds, there[name], work, count) for name in by if name in there}
        found = setting.in_turns(variants)
        for name, seconds in found.items():
            yield setting.sample(
                "personality", "per_second", "1/s", [count / one for one in seconds], work=work, variant=name
            )
        for name in [name for name in found if name != CELL]:
            # how many times faster the cell is
            yield setting.sample(
                "personality", "to", "ratio", ratios(found[name], found[CELL]), work=work, variant=name
            )


def _seconds(run_: Run, work: str, times: int) -> float:
    return run_(work, times) - run_(work, 0)


def _runs(setting: Setting) -> dict[str, Run]:
    """Who can run the program here."""
    program = setting.scratch / NAME
    program.write_bytes(image())
    program.chmod(0o755)
    found: dict[str, Run] = {
        CELL: _cell,
        COUNTING: lambda work, times: _raw(work, times, "count_block"),
        BARE: lambda work, times: _raw(work, times, ""),
    }
    python = _python_with_qiling()
    if python is None:
        setting.say(f"no Qiling here (pip install cellvisor[compare], or {QILING}=PYTHON-THAT-HAS-IT): left out")
    else:
        found[EMULATOR] = partial(_qiling, python, setting.scratch, program)
    qemu = qemu_arm(setting.say)
    if qemu is not None:
        found[QEMU] = partial(_qemu, qemu, program)
    return found


def _cell(work: str, times: int) -> float:
    """In a cell under the monitor, from its first world switch to its end."""
    cell: dict[str, Any] = {
        "personality": "linux",
        "root": "wren",
        "run": [f"/bin/{NAME}", work, str(times)],
        "ram": "8MiB",
    }
    cell["files"] = {f"/bin/{NAME}": str(HERE / "work.elf")}
    with launch({"name": NAME, "board": BOARD, "cells": {NAME: cell}}) as run_:
        began, step = time.perf_counter(), run_.cycles("100s")
        while run_.until(run_.now + step).why != "finished":
            pass
        return time.perf_counter() - began


def _raw(work: str, times: int, hook: str) -> float:
    return RawProgram(image(), [NAME, work, str(times)], hook).run()


def _python_with_qiling() -> str | None:
    for python in (os.environ.get(QILING), sys.executable):
        if python and not subprocess.run([python, "-c", "import qiling"], capture_output=True, check=False).returncode:
            return python
    return None


def _qiling(python: str, scratch: Path, program: Path, work: str, times: int) -> float:
    root = scratch / "root"
    root.mkdir(exist_ok=True)
    command = [python, str(HERE / "in_qiling.py"), str(root), str(program), work, str(times)]
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    return float(done.stdout.split()[-1])


def _qemu(qemu: str, program: Path, work: str, times: int) -> float:
    began = time.perf_counter()
    subprocess.run([qemu, str(program), work, str(times)], check=True, capture_output=True)
    return time.perf_counter() - began


FIGURE = Figure(
    "personality",
    "the Linux-like personality beside Qiling, qemu-arm and raw Unicorn",
    (
        Target(
            "to",
            ">=",
            10.0,
            "getppid: calls per second in a cell / in Qiling",
            {"work": "getppid", "variant": EMULATOR},
        ),
        *(
            Target(
                "to",
                ">=",
                0.85,
                f"{work}: speed in a cell / raw Unicorn, counting",
                {"work": work, "variant": COUNTING},
            )
            for work in COMPUTING
        ),
    ),
    run,
)
