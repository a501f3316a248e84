"""One point of a sweep: a run in a process group of its own, and its figures.

`carry_out` starts it and waits; it is what an executor is given, here or on another host with the same files. Whatever becomes of
the run, there is a `Found`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from hypervisor.shell.runs.group import carry
from hypervisor.shell.runs.task import Task as RunTask
from hypervisor.shell.runs.task import answered
from hypervisor.shell.sweeps.metrics import Reports, flatten

if TYPE_CHECKING:
    from hypervisor.api import Run

JOB = "hypervisor.shell.sweeps.point"
DONE, FAILED, CRASH, HANG, BAD = "done", "failed", "crash", "hang", "bad"
"""What became of a point: it ran; a cell failed, and what was counted is there; the monitor ended without an account; it was
ended after its time; it could not be run at all."""


@dataclass(frozen=True)
class Task(RunTask):
    """What is to be run. `keep`: whether there is to be a run directory."""

    keep: bool = True


@dataclass(frozen=True)
class Found:
    """What came of it. `figures`: by dotted path (metrics.py); `host`: what was measured."""

    status: str
    why: str = ""
    ended: str = ""
    figures: Mapping[str, float] = field(default_factory=dict)
    trace_sha256: str = ""
    host: Mapping[str, float] = field(default_factory=dict)

    @property
    def is_final(self) -> bool:
        """Whether it would be the same again: not so if the host, and not the device, may have been the reason."""
        return self.status in (DONE, FAILED)


def carry_out(task: Task) -> Found:
    """Run it, and say what was found."""
    try:
        outcome = carry(JOB, asdict(task), Path(task.directory), task.limit)
    except (RuntimeError, OSError) as error:
        return Found(CRASH, f"{type(error).__name__}: {error}")
    host = {"seconds": round(outcome.host_seconds, 3)}
    if outcome.overdue:
        return Found(HANG, f"it did not end within {task.limit:g} s of the host, and was ended", host=host)
    if outcome.answer is None:
        return Found(CRASH, outcome.why, host=host)
    found = Found(**outcome.answer)
    return Found(found.status, found.why, found.ended, found.figures, found.trace_sha256, {**found.host, **host})


# ---- in the process of the run


def perform(task: Task, watch: Callable[[Run], None] = lambda run: None) -> Found:
    """The run itself, to its end, and its account. `watch`: is shown the run before it begins."""
    from hypervisor.shell.topology import TopologyError

    try:
        run = task.launch(out=task.directory if task.keep else None, timeline=False)
    except TopologyError as error:  # found only where it is run: a file that is not on that host
        return Found(BAD, "; ".join(str(problem) for problem in error.problems))
    reports = Reports()
    run.trace.on_chunk.append(reports.take)
    watch(run)
    with run:
        run.run()
        return _found(run, reports)


def _found(run: Run, reports: Reports) -> Found:
    run.trace.flush()
    summary = run.summary()
    latencies = {cell.name: dict(cell.account.latencies) for cell in run.monitor.cells}
    known = {name: tuple(cell.metrics) for name, cell in summary.cells.items() if cell.metrics}
    failed = [f"{name} failed ({cell.why})" for name, cell in summary.cells.items() if cell.state == "failed"]
    return Found(
        FAILED if failed else DONE,
        "; ".join(failed),
        summary.ended,
        flatten(summary, latencies, reports.of(known)),
        summary.trace_sha256,
        {"mips": round(summary.host.mips, 1)},
    )


def main(order: str, answer: str) -> None:
    """Read the order, run, write what was found."""
    answered(order, answer, lambda told: asdict(perform(Task(**told))))
