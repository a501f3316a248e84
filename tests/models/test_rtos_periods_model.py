"""Periodic tasks on the real-time kernel against a reference that goes from one moment to the next: when each job ends, to
the cycle.

The kernel's own costs are zero here, so that nothing but the order of the tasks is compared. The reference knows nothing
of alarms, turns or waits: at each moment it looks which of the released jobs is the most urgent, and gives it the time
until the next release.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cells.personalities.rtos import kernel as costs
from cells.personalities.rtos.kernel import Kernel
from cells.personalities.rtos.task import Work
from tests.support.rtos import RtosBench, Steps

END = 2_000
TASK = st.tuples(st.integers(1, 60), st.integers(40, 300), st.integers(0, 3))
"""Cycles of a job, period, priority."""


@pytest.fixture(scope="module", autouse=True)
def nothing_costs() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("CALL_CYCLES", "SWITCH_CYCLES", "ALARM_CYCLES", "INTERRUPT_CYCLES"):
            patch.setattr(costs, name, 0)
        yield


def periodic(kernel: Kernel, cycles: int, ends: list[int]) -> Steps:
    while True:
        yield Work(cycles - 1)  # the kernel counts one for the call itself
        ends.append(kernel.now())
        yield kernel.next_period()


def reference(tasks: list[tuple[int, int, int]]) -> list[list[int]]:
    """When each job of each task ends. Among equals the one that was ready first goes first, and keeps the CPU."""
    left = [cycles for cycles, _, _ in tasks]
    release = [0] * len(tasks)
    since = [(0, number) for number in range(len(tasks))]
    ends: list[list[int]] = [[] for _ in tasks]
    now = 0
    while now < END:
        ready = [number for number in range(len(tasks)) if release[number] <= now]
        coming = min([at for at in release if at > now], default=END)
        if not ready:
            now = coming
            continue
        runs = min(ready, key=lambda number: (-tasks[number][2], since[number]))
        step = min(left[runs], coming - now)
        now += step
        left[runs] -= step
        if not left[runs]:
            ends[runs].append(now)
            left[runs] = tasks[runs][0]
            release[runs] += tasks[runs][1]
            if release[runs] > now:
                since[runs] = (release[runs], runs)
    return ends


@settings(max_examples=150, deadline=None)
@given(st.lists(TASK, min_size=1, max_size=5, unique_by=(lambda task: task[2], lambda task: task[1])))
def test_each_job_ends_when_the_reference_says(tasks: list[tuple[int, int, int]]) -> None:
    bench = RtosBench()
    found: list[list[int]] = [[] for _ in tasks]
    made = [
        bench.kernel.task(f"t{i}", periodic(bench.kernel, cycles, found[i]), priority=priority, period=period)
        for i, (cycles, period, priority) in enumerate(tasks)
    ]
    bench.run(END)
    expected = reference(tasks)
    for number, (_, period, _) in enumerate(tasks):
        ends = [at for at in expected[number] if at < END]
        assert [at for at in found[number] if at < END] == ends
        responses = [at - job * period for job, at in enumerate(ends)]
        timing = made[number].timing
        if timing.jobs == len(ends):
            assert timing.worst == max(responses, default=0)
            running = len(ends) * period + period <= END  # its deadline has passed as well
            late = sum(response > period for response in responses)
            assert late <= timing.misses <= late + running
