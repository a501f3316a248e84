"""What a switch between processes costs, over the memory that each uses: `python -m benchmarks.context`, the survey's Fig. 18.

LMbench's lat_ctx on our own kernel (cells/wren/user/bench.c, `ctx`): a byte goes round a ring of processes; who gets it sums an
array of its own and hands it on. The same with one process, which switches nothing, is subtracted. Four curves: native, and a
paravirtual kernel under Xen without and with entries of the TLB locked for the hypervisor, and with page tables apart for it.

Everything is modelled and comes from counted events, equal on every host. Native has no monitor: what the kernel does to TLB and
caches by its own instructions is counted in the engine, and what has to be fetched again is charged at the board's prices
(`flushes = "counted"`); under Xen the hypervisor does and counts the same, at the same price. Each point is two runs, of which
one goes round twice as often: their difference is free of beginning and end. What this shows and what not: README.md.

    python -m benchmarks.context                                  # arm926, 2 processes, 0 to 64 KiB
    python -m benchmarks.context --processes 8 --svg fig18.svg --out samples
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks import command_line, context_tables
from benchmarks.samples import Sample, write
from hypervisor import launch

BOARD = "arm926"
ROUNDS = 16
SIZES = (0, 4, 8, 16, 32, 64)
"""KiB that each process sums."""
STEP_MS, LONGEST_MS = 20, 4_000
CELL = "wren"


class Broken(Exception):  # noqa: N818
    """The kernel did not do it. The text is for people."""


@dataclass(frozen=True)
class Curve:
    """One of the four. `choices`: keys of the cell."""

    name: str
    title: str
    flavour: str
    choices: Mapping[str, Any]


CURVES = (
    Curve("native", "native", "native", {"flushes": "counted"}),
    Curve("lockdown", "xen, TLB lockdown", "xen", {"tlb_lockdown": 8}),
    Curve("shared", "xen, no lockdown", "xen", {}),
    Curve("separate", "xen, page tables apart", "xen", {"page_tables": "separate"}),
)


@dataclass(frozen=True)
class Point:
    """Of one switch: cycles of virtual time in all, by cause of the ledger, and how often what has happened. `turn`: cycles of
    all that a process does in its turn: it reads, sums, writes, and the next one runs."""

    cycles: float
    turn: float
    causes: Mapping[str, float]
    counts: Mapping[str, float]


Account = tuple[int, Counter[str], Counter[str]]
"""Time, cycles by cause, counts by name: of a cell."""


def account(curve: Curve, size: int, processes: int, rounds: int, board: str) -> Account:
    """What a run has cost.

    Raises:
        Broken: the program did not end well.
    """
    cell = {"image": "wren", "initrd": "wren", "ram": "16MiB", **curve.choices}
    cell["args"] = f"init=/bin/init /bin/bench,ctx,{rounds},{size},{processes}"
    with launch({"name": "context", "board": board, "cells": {CELL: cell}}, flavour=curve.flavour) as run:
        for time in range(STEP_MS, LONGEST_MS, STEP_MS):
            run.until(f"{time}ms")
            if run.state(CELL) in ("failed", "shut down"):
                break
        if b"init: end, worst 0" not in run.console(CELL):
            raise Broken(f"{curve.title}, {size} KiB: {run.state(CELL)} ({run.cell(CELL).why})")
        found = run.monitor.ledger.to_dict()[CELL]
        return found["time"], Counter(found["cycles"]), Counter(found["counts"])


def of_rounds(curve: Curve, size: int, processes: int, board: str, rounds: int = ROUNDS) -> Account:
    """What so many rounds cost, without what is around them.

    Raises:
        Broken: as `account`.
    """
    once, twice = (account(curve, size, processes, rounds * times, board) for times in (1, 2))
    causes, counts = Counter(twice[1]), Counter(twice[2])
    causes.subtract(once[1])
    counts.subtract(once[2])
    return twice[0] - once[0], causes, counts


def measure(
    curve: Curve, size: int, processes: int, board: str = BOARD, rounds: int = ROUNDS, base: Account | None = None
) -> Point:
    """A switch between `processes` of `size` KiB each. `base`: one process of that size, if it is known.

    Raises:
        Broken: as `account`.
    """
    alone = base or of_rounds(curve, size, 1, board, rounds)
    ring = of_rounds(curve, size, processes, board, rounds)
    switches = rounds * processes

    def each(part: Counter[str], part_alone: Counter[str]) -> dict[str, float]:
        found = {name: (part[name] - processes * part_alone[name]) / switches for name in {*part, *part_alone}}
        return {name: value for name, value in sorted(found.items()) if value}

    cycles = (ring[0] - processes * alone[0]) / switches
    return Point(cycles, ring[0] / switches, each(ring[1], alone[1]), each(ring[2], alone[2]))


Found = dict[tuple[str, int, int], Point]
"""By curve, KiB, processes."""


def measure_all(sizes: Sequence[int], processes: Sequence[int], board: str, rounds: int = ROUNDS) -> Found:
    """Every point.

    Raises:
        Broken: as `account`.
    """
    found: Found = {}
    for curve in CURVES:
        for size in sizes:
            print(f"context: {curve.title}, {size} KiB", file=sys.stderr, flush=True)
            base = of_rounds(curve, size, 1, board, rounds)
            for several in processes:
                found[curve.name, size, several] = measure(curve, size, several, board, rounds, base)
    return found


def samples(found: Found) -> Iterator[Sample]:
    """The same as files have it."""
    for (curve, size, several), point in found.items():
        where: dict[str, str | int | float] = {"kind": "modelled", "curve": curve, "kib": size, "processes": several}
        yield Sample("context", "switch", "cycles", where, (point.cycles,))
        yield Sample("context", "turn", "cycles", where, (point.turn,))
        for name, times in point.counts.items():
            yield Sample("context", "count", "count", {**where, "event": name}, (times,))
        for name, cycles in point.causes.items():
            yield Sample("context", "spent", "cycles", {**where, "cause": name}, (cycles,))


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Exit status 1: the kernel did not do what it was asked to."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.context", description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=list(SIZES), metavar="KIB", help="0 to 64 (%(default)s)"
    )
    parser.add_argument("--processes", type=int, nargs="+", default=[2], metavar="N", help="how many, 2 or more")
    parser.add_argument("--board", default=BOARD, help="%(default)s")
    parser.add_argument("--svg", type=Path, help="a file for the curves (of the first number of processes)")
    parser.add_argument("--out", type=Path, help="a folder for the samples")
    chosen = parser.parse_args(arguments)
    if not all(0 <= size <= SIZES[-1] for size in chosen.sizes) or not all(1 < n <= 32 for n in chosen.processes):
        parser.error("sizes are 0 to 64 KiB, processes 2 to 32")
    return command_line.guarded("context", lambda: _run(chosen))


def _run(chosen: argparse.Namespace) -> int:
    hz = clock(chosen.board)
    command_line.made(chosen.out)
    command_line.openable(chosen.svg)
    try:
        found = measure_all(chosen.sizes, chosen.processes, chosen.board)
    except Broken as broken:
        print(f"context: {broken}", file=sys.stderr)
        return 1
    for several in chosen.processes:
        for table in context_tables.tables(found, CURVES, several, hz):
            Console().print(table)
    if chosen.svg:
        chosen.svg.write_text(context_tables.draw(found, CURVES, chosen.processes[0], hz))
    if chosen.out:
        write(chosen.out / "context.jsonl", samples(found))
    return 0


def clock(board: str) -> int:
    """Its Hz."""
    from hypervisor.shell.topology import load

    return load({"name": "clock", "board": board, "cells": {CELL: {"image": "hello"}}}).board.clock_hz


if __name__ == "__main__":
    sys.exit(main())
