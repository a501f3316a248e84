"""A kernel's boot to its shell, in a cell and on raw Unicorn: instructions per second, and time to the prompt.

Three comparisons. *Boot*: the whole way of an unmodified Debian kernel, in a sandboxed cell under the monitor against
`raw_board.py`, which counts with a minimal C hook. *Unpacking*: the first part of the same boot (and nine tenths of its
instructions), in which the kernel unpacks itself; it needs no interrupt, so Unicorn without any hook runs it too. *Prompt*:
host time from nothing to the prompt, processes and all, against the baseline's (the probe's if its folder is given, else that
of `raw_board.py`).
"""

from __future__ import annotations

import mmap
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from benchmarks.host.boots import MARKER, boot_in_cells, boot_probe, linux
from benchmarks.host.figure import Figure, Setting, Target, ratios
from benchmarks.host.raw import RawCpu
from benchmarks.host.raw_board import RawBoard
from benchmarks.samples import Sample
from hypervisor import launch
from hypervisor.shell.plans import place
from hypervisor.shell.topology import Topology

UNPACKED = 0x8000
"""Where the unpacked kernel begins (Linux, arch/arm/Makefile: textofs): the end of the first part."""
UNPACKING = 950_000_000
"""Instructions of the first part, a little less than all."""


class Speed(NamedTuple):
    """Host seconds in all and while it ran, and instructions."""

    total: float
    seconds: float
    instructions: int

    @property
    def mips(self) -> float:
        """Instructions per host microsecond."""
        return self.instructions / self.seconds / 1e6


def run(setting: Setting) -> Iterator[Sample]:
    """Whole boots, then the unpacking."""
    topology = linux()
    yield from _boots(setting, topology)
    yield from _unpacking(setting, topology)


def _boots(setting: Setting, topology: Topology) -> Iterator[Sample]:
    variants: dict[str, Callable[[], Speed]] = {
        "boot, cell": lambda: _cell(topology),
        "boot, raw with a counting hook": lambda: _raw_board(topology),
    }
    baseline = "boot, raw with a counting hook"
    probe = setting.probe
    if probe is not None:
        baseline = "boot, probe"
        variants[baseline] = lambda: Speed(boot_probe(probe, topology), 1.0, 0)
    found = setting.in_turns(variants)
    for name, speeds in found.items():
        yield setting.sample("kernel_boot", "prompt", "s", [speed.total for speed in speeds], variant=name)
        if name != "boot, probe":
            yield setting.sample("kernel_boot", "mips", "MIPS", [speed.mips for speed in speeds], variant=name)
    cells = found["boot, cell"]
    raw = [speed.mips for speed in found["boot, raw with a counting hook"]]
    times = ratios([speed.total for speed in cells], [speed.total for speed in found[baseline]])
    yield setting.sample("kernel_boot", "mips_to_counting", "ratio", ratios([speed.mips for speed in cells], raw))
    yield setting.sample("kernel_boot", "prompt_to_baseline", "ratio", times, baseline=baseline)


def _unpacking(setting: Setting, topology: Topology) -> Iterator[Sample]:
    cell, counting, bare = "unpacking, cell", "unpacking, raw with a counting hook", "unpacking, raw without a hook"
    found = setting.in_turns(
        {
            cell: lambda: _cell_unpacks(topology),
            counting: lambda: _raw_unpacks(topology, "count_block"),
            bare: lambda: _raw_unpacks(topology, ""),
        }
    )
    mips = {name: [speed.mips for speed in speeds] for name, speeds in found.items()}
    # Without a hook nobody counts, but it is the same code: as many instructions as with one.
    mips[bare] = [
        one.instructions / other.seconds / 1e6 for one, other in zip(found[counting], found[bare], strict=True)
    ]
    for name, values in mips.items():
        yield setting.sample("kernel_boot", "mips", "MIPS", values, variant=name)
    yield setting.sample("kernel_boot", "unpacking_to_counting", "ratio", ratios(mips[cell], mips[counting]))
    yield setting.sample("kernel_boot", "unpacking_to_bare", "ratio", ratios(mips[cell], mips[bare]))


def _cell(topology: Topology) -> Speed:
    boot = boot_in_cells(topology)
    return Speed(boot.start_seconds + boot.seconds, boot.seconds, boot.instructions)


def _raw_board(topology: Topology) -> Speed:
    began = time.perf_counter()
    board = RawBoard(topology)
    seconds = board.boot(MARKER)
    return Speed(time.perf_counter() - began, seconds, board.instructions)


def _cell_unpacks(topology: Topology) -> Speed:
    with launch(topology) as run_:
        account, step = run_.monitor.cells[0].account, run_.cycles("100ms")
        began, until = time.perf_counter(), 0
        while account.insns < UNPACKING:
            until += step
            run_.until(until)
        seconds = time.perf_counter() - began
        return Speed(seconds, seconds, account.insns)


def _raw_unpacks(topology: Topology, hook: str) -> Speed:
    placement = place(topology, topology.cells[0])
    ram = mmap.mmap(-1, topology.cells[0].ram)
    for address, content in placement.segments:
        ram[address : address + len(content)] = content
    cpu = RawCpu(topology.board.cpu.unicorn_model, ram, hook)
    cpu.start_like_a_boot_loader(placement.registers)
    seconds = cpu.run(placement.entry, until=UNPACKED)
    return Speed(seconds, seconds, cpu.count if hook else 0)


FIGURE = Figure(
    "kernel_boot",
    "a Debian kernel's boot against raw Unicorn",
    (
        Target("mips_to_counting", ">=", 0.85, "MIPS of a boot in a cell / raw Unicorn with a minimal C counting hook"),
        Target("prompt_to_baseline", "<=", 1.3, "host time to the prompt, start of the cell included / baseline"),
    ),
    run,
)
