"""What counting costs on the host: a loop of integers, and a Debian kernel's boot, counting nothing, events, and caches too.

What is compared is CPU time of the cell's process, taken in turns, so that a busy host disturbs little. Caches are meant for
benchmarks that start from a snapshot: a boot under them is here to know what they cost, not to be waited for.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.host.boots import MARKER, linux
from benchmarks.host.figure import Figure, Setting, Target, ratios
from benchmarks.host.integer_loop import ENDLESS, program
from benchmarks.samples import Sample
from hypervisor import launch
from hypervisor.api import Run
from hypervisor.shell.topology import Topology, load

FLAVOUR = "native"
NOTHING, EVENTS, CACHES = "nothing", "events", "caches"
COUNTING: dict[str, dict[str, Any] | None] = {NOTHING: None, EVENTS: {}, CACHES: {"caches": True}}
STEP = "100ms"
LONG, SHORT = 600_000_000, 60_000_000
"""Instructions of a measurement of the loop."""
UNPACKED = 980_000_000
"""Instructions after which the kernel has unpacked itself: a boot is what comes behind."""


def run(setting: Setting) -> Iterator[Sample]:
    """The loop, then boots; in a quick run the first part of a boot stands for it."""
    image = setting.scratch / "loop.bin"
    image.write_bytes(program(ENDLESS))
    length = SHORT if setting.quick else LONG
    loops = {name: partial(_loop, image, counting, length) for name, counting in COUNTING.items()}
    boots = {name: partial(_boot, counting, length if setting.quick else 0) for name, counting in COUNTING.items()}
    for work, variants in (("loop", loops), ("boot", boots)):
        mips = setting.in_turns(variants)
        for name, values in mips.items():
            yield setting.sample("counting", "mips", "MIPS", values, work=work, counted=name)
        for name in (EVENTS, CACHES):
            relation = ratios(mips[name], mips[NOTHING])
            yield setting.sample("counting", "to_nothing", "ratio", relation, work=work, counted=name)


def _loop(image: Path, counting: dict[str, Any] | None, length: int) -> float:
    cell: dict[str, Any] = {"image": str(image), "ram": "1MiB"}
    return _measured(_topology(cell, counting), length)


def _boot(counting: dict[str, Any] | None, length: int) -> float:
    """Up to the shell, or so many instructions."""
    linux()  # says what to fetch
    cell = {"kernel": "debian:marvell", "initrd": "debian:busybox", "ram": "64MiB"}
    return _measured(_topology(cell, counting), length)


def _topology(cell: dict[str, Any], counting: dict[str, Any] | None) -> Topology:
    counted = {} if counting is None else {"counting": counting}
    return load({"name": "counting", "board": "arm926", "cells": {"c": {**cell, **counted}}}, flavour=FLAVOUR)


def _measured(topology: Topology, length: int) -> float:
    """Instructions per microsecond of the cell's CPU time, up to `length` of them or to the shell's marker."""
    with launch(topology) as run_:
        account, step, until = run_.cell("c").account, run_.cycles(STEP), 0
        before = _cpu_seconds(run_)
        while not (account.insns >= length if length else MARKER in run_.console("c")):
            until += step
            run_.until(until)
        return account.insns / (_cpu_seconds(run_) - before) / 1e6


def _cpu_seconds(run_: Run) -> float:
    """What the cell's process has used (/proc/PID/schedstat: nanoseconds on a CPU)."""
    process = run_.hosts[0].process
    assert process is not None
    return int(Path(f"/proc/{process.pid}/schedstat").read_text().split()[0]) / 1e9


FIGURE = Figure(
    "counting",
    "what counting events, and caches, costs a loop and a boot",
    tuple(
        Target(
            "to_nothing",
            ">=",
            0.95,
            f"MIPS of a {work} with events counted / without",
            {"work": work, "counted": EVENTS},
        )
        for work in ("loop", "boot")
    ),
    run,
)
