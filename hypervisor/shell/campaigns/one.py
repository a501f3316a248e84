"""One run of a campaign, in a process group of its own.

`carry_out` starts it and waits; it is what an executor is given, here or on another host with the same files. The run itself
goes by `hypervisor.launch` with a run directory, its faults are inputs like an operator's, and so `cellvisor replay` repeats it.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading
import time as host_time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from hypervisor.faults.actions import EFFECTS, Order
from hypervisor.faults.plan import Step
from hypervisor.faults.seen import CellSeen, Seen
from hypervisor.shell.campaigns.starter import Starter

if TYPE_CHECKING:
    from hypervisor.api import Run
    from hypervisor.shell.summary import CellSummary

MISSES = frozenset({"lost", "missed", "misses", "late", "overruns"})
"""Words in the names of figures that count what went wrong with time."""
HELD = ("/memfd:", "socket:", "anon_inode:[pidfd]", "anon_inode:[eventfd]", "anon_inode:[eventpoll]")
"""Descriptors that a run opens: counted before and after."""
SETTLE_S = 2.0
"""How long what a run leaves behind may take to go."""


@dataclass(frozen=True)
class Task:
    """What is to be run. `directory`: the run directory; `limit`: host seconds; no steps: the run without a fault."""

    topology: str
    flavour: str
    seed: int
    duration: str
    overrides: tuple[str, ...]
    directory: str
    limit: float
    cell: str = ""
    steps: tuple[Step, ...] = ()


def carry_out(task: Task) -> Seen:
    """Run it in a process group of its own, and say what was seen, whatever happens to the run.

    Raises:
        RuntimeError: this host starts no runs any more.
    """
    directory = Path(task.directory)
    directory.parent.mkdir(parents=True, exist_ok=True)
    order, answer = directory.with_suffix(".order.json"), directory.with_suffix(".seen.json")
    answer.unlink(missing_ok=True)
    order.write_text(json.dumps(asdict(task)))
    began = host_time.monotonic()
    try:
        status, said = _starter().run(order, answer, task.limit)
    except subprocess.TimeoutExpired:
        return Seen({}, overdue=True, host_seconds=host_time.monotonic() - began)
    try:
        seen = Seen.from_dict(json.loads(answer.read_text()))
    except (OSError, ValueError):
        last = said.strip().splitlines()[-1:] or ["without a word"]
        seen = Seen({}, trouble=f"the monitor ended with status {status}: {last[0]}")
    return replace(seen, host_seconds=host_time.monotonic() - began)


_mine = threading.local()


def _starter() -> Starter:
    """This thread's own; it goes with the thread."""
    found: Starter | None = getattr(_mine, "starter", None)
    if found is None:
        found = _mine.starter = Starter()
    return found


# ---- in the process of the run


def perform(task: Task) -> Seen:
    """The run itself, from launch to the account of what it left behind."""
    from hypervisor.api import launch

    before = _held()
    broken: list[str] = []
    with launch(
        task.topology,
        flavour=task.flavour,
        seed=task.seed,
        duration=task.duration,
        overrides=task.overrides,
        out=task.directory,
    ) as run:
        digest = run.topology.digest
        _drive(run, task)
        broken += _invariants(run)
        broken += _frames_left(run)
        summary = run.summary()
        consoles = {name: _said(run, name) for name in summary.cells}
    broken += _left_behind(before)
    struck, noticed, recovered, deaths = _story(Path(task.directory) / "trace.jsonl", task.cell, task.steps)
    cells = {
        name: _cell_seen(cell, consoles[name], tuple(deaths.get(name, ()))) for name, cell in summary.cells.items()
    }
    return Seen(cells, digest, summary.time, "", tuple(broken), False, struck, noticed, recovered)


def _drive(run: Run, task: Task) -> None:
    """To the end, with a stop at each step that comes before it."""
    end = run.cycles(task.duration)
    for step in task.steps:
        if step.at >= end or run.until(step.at).why == "finished":
            break
        _order(run, task.cell, step)
    run.until(end)


def _cell_seen(cell: CellSummary, said: str, deaths: tuple[tuple[int, str], ...]) -> CellSeen:
    misses = {key: metric.max for key, metric in cell.metrics.items() if MISSES & set(re.split("[ _]", key))}
    figures = {key: metric.last for key, metric in cell.metrics.items()}
    return CellSeen(cell.state, cell.why, cell.restarts, said, deaths, misses, figures)


def _invariants(run: Run) -> Iterator[str]:
    """What must always hold of the monitor, and does not."""
    try:
        run.monitor.check_invariants()
    except Exception as error:
        yield f"invariant: {str(error).splitlines()[0] if str(error) else type(error).__name__}"


def _order(run: Run, cell: str, step: Step) -> None:
    """Do to the cell what the step says; a cell that has ended is left in peace."""
    if run.cell(cell).ended:
        return
    ways: dict[Order, Callable[[str], None]] = {
        Order.KILL: run.kill,
        Order.KILL_AT: lambda name: run.plan_kill(name, step.at),
        Order.RESTART: run.restart,
        Order.PAUSE: run.pause,
        Order.UNPAUSE: run.unpause,
        Order.SIGKILL: lambda name: _signal(run, name, signal.SIGKILL, psutil.STATUS_ZOMBIE),
        Order.SIGSTOP: lambda name: _signal(run, name, signal.SIGSTOP, psutil.STATUS_STOPPED),
        Order.TYPE: lambda name: run.type_text(name, bytes.fromhex(step.data)),
    }
    ways[Order(step.order)](cell)


def _signal(run: Run, cell: str, number: int, state: str) -> None:
    """A signal to a cell's process; back when it has come to the state in which that puts it, so that runs are the same."""
    process = run.hosts[run.cell(cell).index].process
    if process is None:
        return
    process.kill(number)  # by its descriptor: the number may be another's by now
    end = host_time.monotonic() + SETTLE_S
    with suppress(psutil.NoSuchProcess):  # it is gone altogether
        while psutil.Process(process.pid).status() != state and host_time.monotonic() < end:
            host_time.sleep(0.001)  # of the host: virtual time stands still


def _said(run: Run, cell: str) -> str:
    """All of its console, from the run directory; a byte a character."""
    assert run.directory is not None
    path = run.directory.console_path(cell)
    return path.read_bytes().decode("latin-1") if path.exists() else ""


def _frames_left(run: Run) -> Iterator[str]:
    """Memory of the board that cells which have ended still own; one that is preserved may."""
    for cell in run.monitor.cells:
        left = run.monitor.frames.account(cell.name).now
        if cell.ended and left and cell.params.on_crash != "preserve":
            yield f"leak: {cell.name} has ended and owns {left} bytes"


def _held() -> dict[str, int]:
    """Descriptors of this process that a run could have opened, and its children."""
    found = dict.fromkeys(HELD, 0)
    for entry in os.listdir("/proc/self/fd"):  # noqa: PTH208 (a Path would open one more)
        with suppress(OSError):
            target = os.readlink(f"/proc/self/fd/{entry}")  # noqa: PTH115
            for kind in HELD:
                found[kind] += target.startswith(kind)
    found["processes"] = len(_children())
    return found


def _children() -> list[int]:
    return [child.pid for child in psutil.Process().children(recursive=True)]


def _left_behind(before: dict[str, int]) -> list[str]:
    """What the run has left in this process and below it, once it has had its time to go."""
    end = host_time.monotonic() + SETTLE_S
    while True:
        after = _held()
        left = [f"leak: {after[kind] - count} x {kind}" for kind, count in before.items() if after[kind] > count]
        if not left or host_time.monotonic() > end:
            return left
        host_time.sleep(0.01)  # of the host: the run is over


Deaths = dict[str, list[tuple[int, str]]]


def _story(trace: Path, cell: str, steps: tuple[Step, ...]) -> tuple[int | None, int | None, int | None, Deaths]:
    """When the fault reached its cell, when that was noticed, when the cell ran again; and all deaths."""
    wanted = EFFECTS.get(Order(steps[0].order)) if steps else None
    struck = noticed = recovered = None
    started = False
    deaths: Deaths = {}
    for record in _records(trace):
        time, kind, who = record["t"], record["k"], record.get("cell", "")
        if kind == "dead":
            deaths.setdefault(who, []).append((time, record["why"]))
        if who != cell or not steps or time < steps[0].at:
            continue
        if struck is None and kind == wanted:
            struck = steps[0].at
        if struck is not None:
            noticed = time if noticed is None and kind in ("dead", "restart") else noticed
            started = started or (noticed is not None and kind == "start")
            recovered = time if recovered is None and started and kind == "switch" else recovered
    return struck, noticed, recovered, deaths


_LINES = tuple(f'"k":"{kind}"'.encode() for kind in ("dead", "restart", "pause", "input", "start", "switch"))


def _records(trace: Path) -> Iterator[dict[str, Any]]:
    """The records that matter here; the others are not even decoded."""
    with trace.open("rb") as lines:
        for line in lines:
            if any(mark in line for mark in _LINES):
                record = json.loads(line)
                if f'"k":"{record["k"]}"'.encode() in _LINES:
                    yield record


def visit_time(trace: Path, cell: str, kind: str, visit: int) -> int | None:
    """The cycle of a cell's `visit`-th record of a kind, from 1; None if there are not so many."""
    mark, name = f'"k":"{kind}"'.encode(), f'"cell":"{cell}"'.encode()
    with trace.open("rb") as lines:
        for line in lines:
            if mark in line and name in line:
                record = json.loads(line)
                visit -= (record["k"], record.get("cell")) == (kind, cell)
                if visit == 0:
                    return int(record["t"])
    return None


def main(order: str, answer: str) -> None:
    """Read the order, run, write what was seen; it appears whole or not at all."""
    from hypervisor.shell.files import replacing

    data = json.loads(Path(order).read_text())
    data |= {"overrides": tuple(data["overrides"]), "steps": tuple(Step(*step) for step in data["steps"])}
    seen = perform(Task(**data))
    with replacing(Path(answer)) as file:
        file.write(json.dumps(seen.to_dict()).encode())
