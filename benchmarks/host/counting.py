"""What counting costs on the host: a loop of integers, and a Debian kernel's boot, counting nothing, events, and caches too.

All variants run side by side, stretch by stretch of the same virtual time, on one CPU of the host, beginning with another one in
each: the same guest code by the same instructions, so what is compared is CPU time of the cells' processes. Others on the host
can only add to that, never take away: of each stretch the least over all rounds counts. `nothing` is there twice; what it seems
to cost the second time is what this figure cannot tell apart.

Caches are meant for benchmarks that start from a snapshot: a boot under them is here to know what they cost.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.host.boots import MARKER, linux
from benchmarks.host.figure import Figure, Setting, Target, on_cpus, two_cpus
from benchmarks.host.integer_loop import ENDLESS, program
from benchmarks.samples import Sample
from hypervisor import launch
from hypervisor.api import Run
from hypervisor.shell.topology import Topology, load

FLAVOUR = "native"
NOTHING, AGAIN, EVENTS, CACHES = "nothing", "nothing again", "events", "caches"
COUNTING: Mapping[str, dict[str, Any] | None] = {NOTHING: None, AGAIN: None, EVENTS: {}, CACHES: {"caches": True}}
STEPS: Mapping[str, str] = {"loop": "50ms", "boot": "200ms"}
"""Virtual time of a stretch: some tens of milliseconds of the host."""
STRETCHES, QUICK = 30, 8
"""Of a loop; of a boot in a quick run."""
LIMIT = 400
"""Stretches after which a boot has failed."""


def run(setting: Setting) -> Iterator[Sample]:
    """The loop, then boots; in a quick run the first part of a boot stands for it."""
    image = setting.scratch / "loop.bin"
    image.write_bytes(program(ENDLESS))
    linux()  # says what to fetch
    cells: Mapping[str, dict[str, Any]] = {
        "loop": {"image": str(image), "ram": "1MiB"},
        "boot": {"kernel": "debian:marvell", "initrd": "debian:busybox", "ram": "64MiB"},
    }
    with on_cpus(two_cpus()[1]):
        for work, cell in cells.items():
            length = QUICK if setting.quick else 0 if work == "boot" else STRETCHES
            yield from _figures(
                setting, work, [_round(setting, work, cell, length, at) for at in range(setting.rounds)]
            )


Stretches = dict[str, list[float]]
"""By variant: CPU seconds of each stretch."""


def _round(setting: Setting, work: str, cell: Mapping[str, Any], length: int, number: int) -> tuple[Stretches, int]:
    """All variants at once, to the shell's marker or so many stretches: their CPU seconds, and the instructions of one."""
    setting.say(f"round {number + 1} of {setting.rounds}: {work}")
    names, taken = list(COUNTING), {name: list[float]() for name in COUNTING}
    with ExitStack() as stack:
        runs = {name: stack.enter_context(launch(_topology(cell, COUNTING[name]))) for name in names}
        step = runs[NOTHING].cycles(STEPS[work])
        for at in range(1, (length or LIMIT) + 1):
            turn = (at + number) % len(names)
            for name in names[turn:] + names[:turn]:
                taken[name].append(_stretch(runs[name], at * step))
            if not length and MARKER in runs[NOTHING].console("c"):
                break
        else:
            if not length:
                raise RuntimeError(f"the kernel did not come to its shell within {LIMIT} x {STEPS[work]}")
        return taken, runs[NOTHING].cell("c").account.insns


def _topology(cell: Mapping[str, Any], counting: dict[str, Any] | None) -> Topology:
    counted = {} if counting is None else {"counting": counting}
    return load({"name": "counting", "board": "arm926", "cells": {"c": {**cell, **counted}}}, flavour=FLAVOUR)


def _stretch(run_: Run, until: int) -> float:
    before = _cpu_seconds(run_)
    run_.until(until)
    return _cpu_seconds(run_) - before


def _cpu_seconds(run_: Run) -> float:
    """What the cell's process has used (/proc/PID/schedstat: nanoseconds on a CPU)."""
    process = run_.hosts[0].process
    assert process is not None
    nanoseconds = int(Path(f"/proc/{process.pid}/schedstat").read_text().split()[0])
    return nanoseconds / 1e9


def _figures(setting: Setting, work: str, rounds: Sequence[tuple[Stretches, int]]) -> Iterator[Sample]:
    least = {name: least_of([taken[name] for taken, _ in rounds]) for name in COUNTING}
    for name in COUNTING:
        values = [insns / sum(taken[name]) / 1e6 for taken, insns in rounds]
        yield setting.sample("counting", "mips", "MIPS", values, work=work, counted=name)
    for name in (AGAIN, EVENTS, CACHES):
        yield setting.sample("counting", "to_nothing", "ratio", [least[NOTHING] / least[name]], work=work, counted=name)
        each = [sum(taken[NOTHING]) / sum(taken[name]) for taken, _ in rounds]
        yield setting.sample("counting", "to_nothing_by_round", "ratio", each, work=work, counted=name)


def least_of(rounds: Sequence[Sequence[float]]) -> float:
    """Of each stretch the least, summed up.

    >>> least_of([[1.0, 9.0], [3.0, 2.0]])
    3.0
    """
    least: list[float] = [min(same) for same in zip(*rounds, strict=True)]
    return sum(least)


FIGURE = Figure(
    "counting",
    "what counting events, and caches, costs a loop and a boot",
    tuple(
        Target(
            "to_nothing",
            ">=",
            0.95,
            f"speed of a {work} with events counted / without",
            {"work": work, "counted": EVENTS},
        )
        for work in ("loop", "boot")
    ),
    run,
)
