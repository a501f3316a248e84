"""Four unmodified Linux guests at once, each in its process: what of the host's memory they take, and how fast time goes by.

The guests are Debian's armmp kernels under xen, on one modelled CPU. Memory is the proportional set size (pages that are shared
are divided by their users) of the monitor with all processes below it, when all four are at their shells. Speed is virtual
time over host time: of the boot, and while a shell loop computes in each. With `one` the same is measured of a single guest.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import psutil

from benchmarks.host.boots import LIMIT, MARKER, STEP
from benchmarks.host.figure import Figure, Setting, Unavailable
from benchmarks.samples import Sample
from hypervisor import launch
from hypervisor.api import Run
from hypervisor.shell.topology import Topology, TopologyError, load

GUESTS = {"one": 1, "four": 4}
BUSY, QUICK_BUSY = "2s", "400ms"
"""Virtual time for which all compute."""
LOOP = "while true; do :; done\n"
MIB = 1 << 20


class Seen(NamedTuple):
    """Of one launch: MiB of the monitor, and of all; virtual over host time of the boot, and while all compute."""

    monitor: float
    all: float
    boot: float
    busy: float


def run(setting: Setting) -> Iterator[Sample]:
    """One guest and four, by turns."""
    busy = QUICK_BUSY if setting.quick else BUSY
    variants = {name: partial(_guests, _topology(count), busy) for name, count in GUESTS.items()}
    for name, seen in setting.in_turns(variants).items():
        for part in ("monitor", "all"):
            values = [getattr(one, part) for one in seen]
            yield setting.sample("four_linux", "memory", "MiB", values, guests=GUESTS[name], of=part)
        for stretch in ("boot", "busy"):
            values = [getattr(one, stretch) for one in seen]
            yield setting.sample("four_linux", "speed", "virtual/host", values, guests=GUESTS[name], stretch=stretch)


def _topology(count: int) -> Topology:
    linux = {"kernel": "debian:armmp", "initrd": "debian:busybox", "append": "quiet", "ram": "64MiB", "count": count}
    try:
        return load({"name": "four_linux", "board": "beagle", "cells": {"linux": linux}}, flavour="xen")
    except TopologyError as error:
        raise Unavailable(f"run scripts/fetch_guests first ({error})") from None


def _guests(topology: Topology, busy: str) -> Seen:
    began = time.perf_counter()
    with launch(topology) as run_:
        names = [cell.name for cell in topology.cells]
        end = run_.cycles(LIMIT)
        while not all(MARKER in run_.console(name) for name in names):
            if run_.now >= end:
                raise RuntimeError(f"no four shells after {LIMIT} of virtual time")
            run_.until(run_.now + run_.cycles(STEP))
        boot = run_.now / _hz(run_) / (time.perf_counter() - began)
        monitor, all_ = _memory()
        for name in names:
            run_.type_text(name, LOOP)
        run_.until(run_.now + run_.cycles(STEP))
        began, start = time.perf_counter(), run_.now
        run_.until(run_.now + run_.cycles(busy))
        return Seen(monitor, all_, boot, (run_.now - start) / _hz(run_) / (time.perf_counter() - began))


def _hz(run_: Run) -> int:
    return run_.topology.board.clock_hz


def _memory() -> tuple[float, float]:
    """MiB of this process, and of it with all below it.

    Raises:
        Unavailable: the host does not show that.
    """
    here = psutil.Process()
    try:
        sizes = [process.memory_full_info().pss / MIB for process in (here, *here.children(recursive=True))]
    except psutil.Error as error:
        raise Unavailable(f"the memory of a cell cannot be read: {error}") from None
    return sizes[0], sum(sizes)


FIGURE = Figure("four_linux", "four unmodified Linux guests at once: memory and speed", (), run)
