"""How a sweep scales over the CPUs of a host: `python -m benchmarks.sweep_scaling`, points per second with one job and with two.

64 short points (two cells of ours that talk, four prices of a hypercall, sixteen seeds) are run by both in turns, each time in
a new directory. A ratio is taken within a round, and the median of the rounds counts. Starting the warm processes and reading the
topologies is a part of it. Exit status 1: below the goal, 1.9 times as many on two CPUs.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from benchmarks.host.figure import Setting, ratios
from benchmarks.samples import Spread, write
from hypervisor.shell.runs.group import Claim
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


def points_per_second(jobs: int, seeds: int) -> float:
    """One sweep from its file to its last result.

    Raises:
        RuntimeError: a point failed.
    """
    with tempfile.TemporaryDirectory(prefix="cellvisor-scaling-") as place:
        file = Path(place) / "scaling.toml"
        file.write_text(SWEEP.format(seeds=list(range(1, seeds + 1))))
        began = time.perf_counter()
        sweep = load_sweep(str(file))
        with ThreadPoolExecutor(jobs, initializer=Claim(jobs)) as pool:
            found = run_sweep(sweep, Directory(Path(place) / "out", sweep), pool)
        taken = time.perf_counter() - began
    failed = [each for each in found.values() if each.status != DONE]
    if failed:
        raise RuntimeError(f"{len(failed)} points failed, the first: {failed[0].why}")
    return len(found) / taken


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.sweep_scaling", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--rounds", type=int, default=3, help="turns of both (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="one turn of eight points, to see that it works")
    parser.add_argument("--out", type=Path, help="a file for the samples")
    chosen = parser.parse_args(arguments)
    seeds = QUICK_SEEDS if chosen.quick else SEEDS
    with tempfile.TemporaryDirectory(prefix="cellvisor-scaling-") as scratch:
        setting = Setting(
            1 if chosen.quick else chosen.rounds,
            chosen.quick,
            Path(scratch),
            say=lambda text: print(text, file=sys.stderr),
        )
        found = setting.in_turns({f"{jobs} at once": partial(points_per_second, jobs, seeds) for jobs in JOBS})
    one, two = found.values()
    scaling = ratios(two, one)
    samples = [
        setting.sample("sweep_scaling", "points", "1/s", rates, jobs=jobs)
        for jobs, rates in zip(JOBS, (one, two), strict=True)
    ]
    samples.append(setting.sample("sweep_scaling", "scaling", "ratio", scaling, jobs=JOBS[-1]))
    for jobs, rates in zip(JOBS, (one, two), strict=True):
        print(f"{jobs} at once: {Spread.of(rates)} points a second")
    median = Spread.of(scaling).median
    print(f"ratio: {Spread.of(scaling)} (goal: {GOAL}): {'met' if median >= GOAL else 'missed'}")
    if chosen.out:
        write(chosen.out, samples)
    return 0 if median >= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
