"""Starting, running and reaping cells, sandboxed: one from the command line, 64 and 256 at once, and what each takes of memory.

Memory is the proportional set size (shared pages are divided by their users), as each cell measures its own just before its
sandbox closes: engine made and warm, guest memory mapped but not yet used.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from statistics import median
from typing import Any, NamedTuple

from benchmarks.host.figure import Figure, Setting, Target, on_cpus, two_cpus
from benchmarks.samples import Sample
from hypervisor import launch

MANY = (64, 256)
ROUNDS = 20
"""Rounds of each cell's checksum: about 200,000 instructions, so that each has run."""
MIB = 1 << 20


class Many(NamedTuple):
    """Host seconds from nothing to nothing, until all had started, and MiB of a cell (the median one)."""

    seconds: float
    started: float
    memory: float
    lacking: str


def run(setting: Setting) -> Iterator[Sample]:
    """From the smallest to the most."""
    counts = MANY[:1] if setting.quick else MANY
    variants: dict[str, Callable[[], Many]] = {"hello": _hello}
    variants |= {f"{count} cells": partial(_many, count) for count in counts}
    with on_cpus(*two_cpus()):
        found = setting.in_turns(variants)
    hello = found.pop("hello")
    yield setting.sample("start_up", "seconds", "s", [one.seconds for one in hello], cells="hello")
    for count, results in zip(counts, found.values(), strict=True):
        lacking = results[0].lacking
        yield setting.sample(
            "start_up", "seconds", "s", [one.seconds for one in results], cells=count, sandbox_lacks=lacking
        )
        yield setting.sample("start_up", "started", "s", [one.started for one in results], cells=count)
        yield setting.sample("start_up", "memory", "MiB", [one.memory for one in results], cells=count)


def _hello() -> Many:
    command = [sys.executable, "-m", "hypervisor.cli", "run", "hello"]
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return Many(time.perf_counter() - began, 0.0, 0.0, "")


def _many(count: int) -> Many:
    cell = {"image": "hog", "count": count, "args": f"rounds={ROUNDS}", "ram": "1MiB"}
    topology: dict[str, Any] = {"name": "many", "board": "arm926", "cells": {"hog": cell}}
    began = time.perf_counter()
    with launch(topology, measure=True) as run_:
        started = time.perf_counter()
        rest = run_.until("10s")
        figures = [host.figures for host in run_.hosts]
        states = {str(run_.state(one.name)) for one in run_.topology.cells}
    seconds = time.perf_counter() - began
    if rest.why != "finished" or states != {"shut down"}:
        raise RuntimeError(f"the cells did not end by themselves: {rest.why}, {states}")
    lacking = sorted({layer for figure in figures for layer in figure.lacking})
    return Many(
        seconds,
        started - began,
        median(figure.memory_at_start for figure in figures) / MIB,
        ", ".join(lacking) or "nothing",
    )


FIGURE = Figure(
    "start_up",
    "cells launched, run and reaped in their sandboxes",
    (
        Target("seconds", "<=", 1.5, "s from `cellvisor run hello` to its exit", {"cells": "hello"}),
        Target("seconds", "<=", 5.0, "s for 64 cells, launched, run and reaped on 2 host CPUs", {"cells": 64}),
        Target("seconds", "<=", 20.0, "s for 256 cells", {"cells": 256}),
        Target("memory", "<=", 12.0, "MiB (PSS) of an ARM cell among 64", {"cells": 64}),
    ),
    run,
)
