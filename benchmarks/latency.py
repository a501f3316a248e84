"""How late interrupts come: `cellvisor bench latency`, median, 99.9 % and worst of 10,000 ticks of a real-time program.

The image `ticker` has the highest priority and its own timer, each 101 us; beside it nothing, a kernel whose process makes
system calls, a disk that is read, or a flood of malformed messages on seven interfaces. From the cycle at which its timer is due
to the one at which its cell is on the core, in virtual time, the same on every host. What comes after, the entry of its own
handler, is the guest's and not in it; as the guest's timer sees it at worst, to a microsecond, stands in a column of its own.

Native runs one cell. Idle, that is the ticker. Under system calls it is the kernel that makes them, and what is sampled is how
long it would have kept a tick waiting (latency_native.py). Our kernel drives no flash chip, and nobody is there to flood it.

Runs are kept by content, below the cache of guests: of the same topology, software and binaries none is done twice.

    python -m benchmarks.latency [--jobs 1] [--samples latency.jsonl]      # the same table
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks import command_line, latency_native, latency_point, latency_report, machine_store
from benchmarks.guest_session import Trouble
from benchmarks.latency_report import Late
from benchmarks.samples import Sample, Scalar, write
from hypervisor.shell.files import replacing
from hypervisor.shell.problems import InputError
from hypervisor.shell.runs.group import carry, workers
from hypervisor.shell.runs.spread import spread
from hypervisor.shell.runs.telling import Telling
from hypervisor.shell.sweeps.point import CRASH, DONE, HANG, Task
from hypervisor.shell.sweeps.sweep import Sweep, identity, load_sweep
from hypervisor.shell.topology import load

NAME = "latency"
TITLE = "interrupt latency of a real-time program, idle and under three loads: median, 99.9 %, worst"
JOB = "benchmarks.latency_point"
KEPT = "latency"
LIMIT_S = 3600.0
"""Host seconds after which a run is ended: the longest takes a minute or two, and more on a busy host."""
NATIVE, CALLS = "native", "system calls"
KERNEL = "latency/kernel.toml"
"""What native runs under that load; beside the sweep's file."""
PERIOD_US, TICKS, BOOTED_MS = 101, 10_000, 20
"""Samples of a native kernel: as often and as many as the ticker's; begun when it has booted (it takes 2 ms)."""
WITHOUT = {"disk": "our kernel has no driver of the flash chip", "flood": "nobody is there who could"}
"""Why native has nothing under a load."""
BEGINS = (
    "latency: {} of {} runs of a virtual second are to be made (two idle CPUs take some minutes); what is known is kept"
)
HEAVY = (CALLS, "flood", "disk", "idle")
"""Longest first, so that the last one is not waited for by itself."""


@dataclass(frozen=True)
class Run:
    """One cell of the table. `key`: a hash of all that its result depends on; `sampled`: period, count, begin in cycles."""

    load: str
    flavour: str
    key: str
    task: Task
    sampled: tuple[int, int, int] | None = None


@dataclass(frozen=True)
class Order:
    """What an executor is given."""

    order: Mapping[str, Any]
    directory: str


# ---- what there is to run


def runs() -> list[Run]:
    """All of them, in the order of the table."""
    sweep = load_sweep(NAME)
    found = [
        Run(str(point.labels["load"]), point.flavour, _key(point.id), sweep.task(point, Path(point.id)))
        for point in sweep.points
    ]
    found.append(_alone(sweep))
    loads = list(dict.fromkeys(run.load for run in found))
    flavours = list(dict.fromkeys(str(name) for name in sweep.axes["flavour"]))
    return sorted(found, key=lambda run: (loads.index(run.load), flavours.index(run.flavour)))


def _alone(sweep: Sweep) -> Run:
    """The kernel that owns its CPU."""
    path = (
        next(Path(point.topology).parent for point in sweep.points if point.topology.endswith(".toml")) / "kernel.toml"
    )
    topology = load(str(path), seed=0)
    per_us = topology.board.clock_hz // 1_000_000
    sampled = (PERIOD_US * per_us, TICKS, BOOTED_MS * 1000 * per_us)
    task = Task(str(path), NATIVE, 0, "", (), "", LIMIT_S, keep=False)
    return Run(CALLS, NATIVE, _key(identity(topology.digest)), task, sampled)


def _key(point: str) -> str:
    """Of a result: of the run, and of those who read it."""
    hashed = hashlib.sha256(point.encode())
    for module in (latency_point, latency_native):
        hashed.update(Path(str(module.__file__)).read_bytes())
    return hashed.hexdigest()


# ---- running


def measure(jobs: int | None = None, *, quiet: bool = False) -> list[Late]:
    """The whole table; what is known is not run. `jobs`: runs at once, None for one per CPU of the host."""
    wanted = runs()
    found = {run.key: kept for run in wanted if (kept := machine_store.read(_place(run)))}
    jobs = jobs or len(os.sched_getaffinity(0))
    missing = [run for run in reversed(wanted) if run.key not in found]
    missing.sort(key=lambda run: HEAVY.index(run.load))
    if missing:
        with Telling(NAME, "runs", quiet=quiet) as telling, workers(jobs) as pool:
            if not quiet:
                print(BEGINS.format(len(missing), len(wanted)), file=sys.stderr)
            telling(len(found), len(wanted), before=True)
            for key, answer in _answers(missing, pool):
                found[key] = answer
                telling(len(found), len(wanted))
    return [_late(run, found[run.key]) for run in wanted]


def _place(run: Run) -> Path:
    try:
        return machine_store.place(KEPT, run.key)
    except Trouble as trouble:
        raise InputError(f"bench: {trouble}") from None


def _answers(wanted: Sequence[Run], executor: Executor) -> Iterator[tuple[str, dict[str, Any]]]:
    """Of each run what came of it; what would come out again is kept."""
    places = {run.key: _place(run) for run in wanted}
    with tempfile.TemporaryDirectory(prefix="cellvisor-latency-") as scratch:
        orders = {run.key: Order(_order(run), str(Path(scratch) / run.key)) for run in wanted}
        for key, answer in spread(executor, _carry, orders):
            if answer["status"] == DONE:
                with replacing(places[key]) as file:
                    file.write(json.dumps(answer).encode())
            yield key, answer


def _order(run: Run) -> dict[str, Any]:
    return {**asdict(run.task), **({"sampled": run.sampled} if run.sampled else {})}


def _carry(order: Order) -> dict[str, Any]:
    outcome = carry(JOB, order.order, Path(order.directory), LIMIT_S)
    if outcome.overdue:
        return {"status": HANG, "why": f"it did not end within {LIMIT_S:g} s of the host, and was ended"}
    answer: dict[str, Any] | None = outcome.answer
    return answer or {"status": CRASH, "why": outcome.why}


def _late(run: Run, answer: Mapping[str, Any]) -> Late:
    if answer["status"] != DONE:
        return Late(run.load, run.flavour, why=f"{answer['status']}: {answer['why']}")
    figures = answer["figures"]
    per_us = figures["hz"] / 1e6
    told = {name: figures[key] / per_us for name, key in (("p50", "p50"), ("p999", "p999"), ("worst", "max"))}
    seen = figures["seen"] / per_us if "seen" in figures else None
    steps = [(step["kind"], step["what"], step["cycles"] / per_us) for step in answer["steps"]]
    return Late(run.load, run.flavour, int(figures["count"]), **told, seen=seen, steps=steps)


def completed(found: Sequence[Late]) -> list[Late]:
    """With the cells that there cannot be, each with its reason."""
    known = {(one.load, one.flavour) for one in found}
    loads = dict.fromkeys(one.load for one in found)
    rows = list(found)
    for load_, why in WITHOUT.items():
        if load_ in loads and (load_, NATIVE) not in known:
            at = next(at for at, one in enumerate(rows) if one.load == load_)
            rows.insert(at, Late(load_, NATIVE, why=why))
    return rows


# ---- for `cellvisor bench`


@dataclass(frozen=True)
class Shown:
    """The table in all its forms, as others of `bench`."""

    late: Sequence[Late]
    name: str = NAME
    data: dict[str, object] = field(init=False)

    def __post_init__(self) -> None:
        rows = [{**row, "steps": one.steps} for row, one in zip(self.rows, self.late, strict=True)]
        object.__setattr__(self, "data", {"figure": NAME, "note": TITLE, "cells": rows})

    @property
    def rows(self) -> list[dict[str, object]]:
        """For CSV."""
        return [latency_report.row(one) for one in self.late]

    @property
    def text(self) -> Any:
        """For a terminal."""
        return latency_report.shown(self.late)

    def write(self, out: Path) -> None:
        """Its files."""
        from benchmarks.tables import files

        out.mkdir(parents=True, exist_ok=True)
        files.write(out, NAME, self.data, self.rows)
        latency_report.draw(self.late, out)


def shown() -> Shown:
    """Measured, or known."""
    return Shown(completed(measure()))


def keys() -> list[str]:
    """What of it can be explained: latency.LOAD, latency.FLAVOUR."""
    sweep = load_sweep(NAME)
    return [f"{NAME}.{str(word).replace(' ', '_')}" for axis in ("load", "flavour") for word in sweep.axes[axis]]


def explained(found: Shown, key: str) -> tuple[Any, dict[str, object]]:
    """What was under way at the worst tick: of a load under each flavour, or of a flavour under each load."""
    word = key.partition(".")[2].replace("_", " ")
    chosen = [one for one in found.late if word in (one.load, one.flavour)]
    records = [{**latency_report.row(one), "steps": one.steps} for one in chosen]
    return latency_report.explained(chosen), {"row": key, "cells": records}


# ---- by itself


def samples(found: Sequence[Late]) -> Iterator[Sample]:
    """The same as files have it."""
    for one in found:
        if not one.why:
            where: dict[str, Scalar] = {
                "kind": "modelled",
                "flavour": one.flavour,
                "load": one.load,
                "ticks": one.ticks,
            }
            for name, value in (("p50", one.p50), ("p999", one.p999), ("worst", one.worst), ("seen", one.seen)):
                if value is not None:
                    yield Sample(NAME, name, "us", where, (value,))


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Exit status 1: a run failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.latency", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--jobs", type=command_line.jobs, metavar="N", help="runs at once (one per CPU of the host)")
    parser.add_argument("--samples", type=Path, help="a file for the samples")
    chosen = parser.parse_args(arguments)
    return command_line.guarded(NAME, lambda: _run(chosen))


def _run(chosen: argparse.Namespace) -> int:
    command_line.openable(chosen.samples)
    found = measure(chosen.jobs)
    console = Console()
    console.width = console.width if console.is_terminal else latency_report.WIDTH
    console.print(latency_report.shown(completed(found)))
    if chosen.samples:
        write(chosen.samples, samples(found))
    return 1 if any(one.why for one in found) else 0


if __name__ == "__main__":
    sys.exit(main())
