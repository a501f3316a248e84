"""From the launch to the first program of our own kernel (wren), under each flavour: host time, and virtual time.

Measured from before the cell's process is started until what the first program prints is on the console.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

from benchmarks.host.figure import Figure, Setting, Target
from benchmarks.samples import Sample
from hypervisor import launch
from hypervisor.flavours import FLAVOURS

CELL, FIRST = "wren", b"init: begin"
STEP = "100us"


class Booted(NamedTuple):
    """Host seconds, and virtual ones, to the first line of the first program."""

    host: float
    virtual: float


def run(setting: Setting) -> Iterator[Sample]:
    """All flavours by turns."""
    for flavour, found in setting.in_turns({name: partial(_boot, name) for name in FLAVOURS}).items():
        yield setting.sample("wren_boot", "first_program", "s", [one.host for one in found], flavour=flavour)
        where = {"kind": "modelled", "flavour": flavour}
        yield Sample("wren_boot", "first_program_virtual", "ms", where, (found[0].virtual * 1e3,))


def _boot(flavour: str) -> Booted:
    began = time.perf_counter()
    with launch(CELL, flavour=flavour, overrides=['cells.wren.args="/bin/true"']) as run_:
        step, second = run_.cycles(STEP), run_.cycles("1s")
        while FIRST not in run_.console(CELL):
            if run_.until(run_.now + step).why == "finished":
                raise RuntimeError(f"wren {run_.state(CELL)} under {flavour}: {run_.cell(CELL).why}")
        return Booted(time.perf_counter() - began, run_.now / second)


FIGURE = Figure(
    "wren_boot",
    "our own kernel from the launch to its first program",
    tuple(Target("first_program", "<=", 1.0, f"s of host time, {name}", {"flavour": name}) for name in FLAVOURS),
    run,
)
