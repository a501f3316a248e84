"""How a sweep scales over the CPUs of a host: `python -m benchmarks.sweep_scaling`, points per second with one job and with two.

64 short points (two cells of ours that talk, four prices of a hypercall, sixteen seeds) are run by both in turns, each time in
a new directory. A ratio is taken within a round, and the median of the rounds counts. Starting the warm processes and reading the
topologies is a part of it. Three figures say what the ratio is worth:

- the host's own: how much faster two pure loops are side by side than one after another, in the same round (two CPUs may be two
  threads of one core, or not idle), and what the sweep reaches of that;
- CPU seconds of all processes for a point, with one job and with two: what others on the host do moves it little.

Exit status 1: below the goal, 1.9 times as many on two CPUs.
"""

from __future__ import annotations

import argparse
import gc
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from benchmarks import command_line
from benchmarks.host.figure import Setting, ratios
from benchmarks.samples import Sample, Spread, write
from hypervisor.shell.runs.group import Claim, workers
from hypervisor.shell.sweeps.point import DONE
from hypervisor.shell.sweeps.runner import Directory, run_sweep
from hypervisor.shell.sweeps.sweep import load_sweep

GOAL = 1.9
JOBS = (1, 2)
SWEEP = """
topology = "ping"
for = "1s"
seeds = {seeds}
set = ["cells.ping.args=['pong', 200, 32]"]
metrics = ["ipc.round_trip.p50"]
[grid]
"costs.hypercall" = [100, 200, 300, 400]
"""
SEEDS, QUICK_SEEDS = 16, 2
LOOP = "import os, sys; os.sched_setaffinity(0, {int(sys.argv[1])}); sum(i * i & 7 for i in range(int(sys.argv[2])))"
TURNS, QUICK_TURNS = 20_000_000, 2_000_000
"""Of the pure loop: two seconds."""


class Rate(NamedTuple):
    """`each`: points, or loops, a second; `cpu`: CPU seconds of all processes for one."""

    each: float
    cpu: float


def _cpu_seconds() -> float:
    """Of this process, and of all its descendants that have ended."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


def _rate(work: Callable[[], int]) -> Rate:
    """Of what does so many things."""
    cpu, began = _cpu_seconds(), time.perf_counter()
    done = work()
    taken = time.perf_counter() - began
    gc.collect()  # what served the threads of the pool ends here
    return Rate(done / taken, (_cpu_seconds() - cpu) / done)


def points(jobs: int, seeds: int) -> int:
    """One sweep from its file to its last result.

    Raises:
        RuntimeError: a point failed.
    """
    with tempfile.TemporaryDirectory(prefix="cellvisor-scaling-") as place:
        file = Path(place) / "scaling.toml"
        file.write_text(SWEEP.format(seeds=list(range(1, seeds + 1))))
        sweep = load_sweep(str(file))
        with workers(jobs) as pool:
            found = run_sweep(sweep, Directory(Path(place) / "out", sweep), pool)
    failed = [each for each in found.values() if each.status != DONE]
    if failed:
        raise RuntimeError(f"{len(failed)} points failed, the first: {failed[0].why}")
    return len(found)


def loops(jobs: int, turns: int) -> int:
    """Pure loops in processes of their own, side by side, each on a CPU."""
    order = [sys.executable, "-S", "-c", LOOP]
    children = [subprocess.Popen([*order, str(cpu), str(turns)]) for cpu in Claim.cpus_of(jobs)]
    ended = [child.wait() for child in children]
    if any(ended):
        raise RuntimeError("a loop failed")
    return jobs


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.sweep_scaling", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument(
        "--rounds", type=command_line.rounds, metavar="N", default=3, help="turns of both (%(default)s)"
    )
    parser.add_argument("--quick", action="store_true", help="one turn of eight points, to see that it works")
    parser.add_argument("--out", type=Path, help="a file for the samples")
    chosen = parser.parse_args(arguments)
    return command_line.guarded("sweep_scaling", lambda: _run(chosen))


def _run(chosen: argparse.Namespace) -> int:
    command_line.openable(chosen.out)
    found, setting = _measured(chosen.rounds, quick=chosen.quick)
    samples = [
        setting.sample("sweep_scaling", name, unit, values, **more) for name, unit, values, more in _figures(found)
    ]
    for sample in samples:
        print(_line(sample))
    scaling = Spread.of(next(sample.values for sample in samples if sample.metric == "scaling")).median
    print(f"goal: {GOAL} times as many points on two CPUs: {'met' if scaling >= GOAL else 'missed'}")
    if chosen.out:
        write(chosen.out, samples)
    return 0 if scaling >= GOAL else 1


Found = Mapping[tuple[str, int], Sequence[Rate]]
"""By what was done, and how many at once."""


def _measured(rounds: int, *, quick: bool) -> tuple[Found, Setting]:
    """Both in turns."""
    seeds, turns = (QUICK_SEEDS, QUICK_TURNS) if quick else (SEEDS, TURNS)
    with tempfile.TemporaryDirectory(prefix="cellvisor-scaling-") as scratch:
        say = partial(print, file=sys.stderr)
        setting = Setting(1 if quick else rounds, quick, Path(scratch), say=say)
        names = {f"{what}, {jobs} at once": (what, jobs) for what in ("loops", "points") for jobs in JOBS}
        works = {"loops": partial(loops, turns=turns), "points": partial(points, seeds=seeds)}
        taken = setting.in_turns(
            {name: partial(_rate, partial(works[what], jobs)) for name, (what, jobs) in names.items()}
        )
    return {names[name]: rates for name, rates in taken.items()}, setting


def _figures(found: Found) -> list[tuple[str, str, Sequence[float], dict[str, int]]]:
    """Metric, unit, values, dimensions."""
    one, two = JOBS
    each = {key: [rate.each for rate in rates] for key, rates in found.items()}
    host, sweep = (ratios(each[what, two], each[what, one]) for what in ("loops", "points"))
    cpu = {jobs: [rate.cpu for rate in found["points", jobs]] for jobs in JOBS}
    return [
        *(("points", "1/s", each["points", jobs], {"jobs": jobs}) for jobs in JOBS),
        *(("cpu", "s", cpu[jobs], {"jobs": jobs}) for jobs in JOBS),
        ("cpu_more", "ratio", ratios(cpu[two], cpu[one]), {"jobs": two}),
        ("host", "ratio", host, {"jobs": two}),
        ("scaling", "ratio", sweep, {"jobs": two}),
        ("of_host", "ratio", ratios(sweep, host), {"jobs": two}),
    ]


WORDS = {
    "points": "points a second",
    "cpu": "CPU seconds of all processes for a point",
    "cpu_more": "CPU seconds for a point, two jobs / one",
    "host": "pure loops a second, two at once / one",
    "scaling": "points a second, two jobs / one",
    "of_host": "of what the host has",
}


def _line(sample: Sample) -> str:
    return f"{sample.dimensions['jobs']} at once: {WORDS[sample.metric]}: {Spread.of(sample.values)}"


if __name__ == "__main__":
    sys.exit(main())
