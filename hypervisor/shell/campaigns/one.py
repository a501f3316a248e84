"""One run of a campaign, in a process group of its own.

`carry_out` starts it and waits; it is what an executor is given, here or on another host with the same files. The run itself
goes by `hypervisor.launch` with a run directory, its faults are inputs like an operator's, and so `cellvisor replay` repeats it.
"""

from __future__ import annotations

import json
import re
import signal
import tempfile
import time as host_time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from hypervisor.abi.faults import Armed
from hypervisor.faults.actions import EFFECTS, Order
from hypervisor.faults.plan import Step
from hypervisor.faults.seen import CellSeen, Seen
from hypervisor.shell.runs.group import carry
from hypervisor.shell.runs.task import Task as RunTask
from hypervisor.shell.runs.task import answered

if TYPE_CHECKING:
    from hypervisor.api import Run
    from hypervisor.core.monitor import Monitor
    from hypervisor.shell.summary import CellSummary

JOB = "hypervisor.shell.campaigns.one"
MISSES = frozenset({"lost", "missed", "misses", "late", "overruns"})
"""Words in the names of figures that count what went wrong with time."""
SETTLE_S = 2.0
"""How long a process may take to come to the state into which a signal puts it."""
GONE = "gone"


class NotDoneError(Exception):
    """The host did not do what it was told to; the text says what."""


@dataclass(frozen=True)
class Task(RunTask):
    """What is to be run. `patience`: host seconds for a turn of a cell; no steps: the run without a fault."""

    patience: float
    cell: str = ""
    steps: tuple[Step, ...] = ()


def carry_out(task: Task) -> Seen:
    """Run it in a process group of its own, and say what was seen, whatever happens to the run.

    Raises:
        RuntimeError: this host starts no runs any more.
    """
    done = carry(JOB, asdict(task), Path(task.directory), task.limit)
    if done.answer is None:
        return Seen({}, overdue=done.overdue, trouble=done.why, host_seconds=done.host_seconds)
    return replace(Seen.from_dict(done.answer), host_seconds=done.host_seconds)


# ---- in the process of the run


def perform(task: Task) -> Seen:
    """The run itself, from launch to the account of what it left behind."""
    from hypervisor.shell.campaigns.leaks import Held, books
    from hypervisor.shell.files import RunDirError

    with _private_places(Path(task.directory)) as places:
        held = Held(places)
        try:
            seen, monitor = _watch(task)
        except RunDirError as error:  # the host has no room for it: no fault of a cell may lead there
            return Seen({}, refused=str(error), held=tuple(held.left()))
        return replace(seen, held=(*held.left(), *books(monitor)))


def _watch(task: Task) -> tuple[Seen, Monitor]:
    """The run, and what was seen of it up to its end."""
    undone = ""
    with _launched(task) as run:
        try:
            _drive(run, task)
        except NotDoneError as error:
            undone = str(error)
        broken = tuple(_invariants(run))
        summary = run.summary()
        consoles = {name: _said(run, name) for name in summary.cells}
        owned = {cell.name: run.monitor.frames.account(cell.name).now for cell in run.monitor.cells}
    story = _story(Path(task.directory) / "trace.jsonl", task.cell, task.steps)
    cells = {
        name: _cell_seen(cell, consoles[name], tuple(story.deaths.get(name, ())), owned[name])
        for name, cell in summary.cells.items()
    }
    seen = Seen(cells, run.topology.digest, summary.time, broken=broken, undone=undone)
    return replace(seen, struck=story.struck, noticed=story.noticed, recovered=story.recovered), run.monitor


def _launched(task: Task) -> Run:
    from hypervisor.shell.cellhost import Patience

    return task.launch(out=task.directory, patience=Patience(backstop=task.patience))


@contextmanager
def _private_places(run: Path) -> Iterator[tuple[Path, ...]]:
    """A directory of this run's own in the place of the temporary one: what lies there afterwards was left by this run."""
    before = tempfile.tempdir
    with tempfile.TemporaryDirectory(prefix="cellvisor-run-") as place:
        tempfile.tempdir = place
        try:
            yield (Path(place),)
        finally:
            tempfile.tempdir = before


def _drive(run: Run, task: Task) -> None:
    """To the end, with a stop at each step that comes before it.

    Raises:
        NotDoneError: an order was not carried out by the host.
    """
    end = run.cycles(task.duration)
    for step in task.steps:
        if step.at >= end or (step.at > run.now and run.until(step.at).why == "finished"):
            break
        _order(run, task.cell, step)
    run.until(end)


def _cell_seen(cell: CellSummary, said: str, deaths: tuple[tuple[int, str], ...], owned: int) -> CellSeen:
    misses = {key: metric.max for key, metric in cell.metrics.items() if MISSES & set(re.split("[ _]", key))}
    worst = {key: metric.max for key, metric in cell.metrics.items()}
    figures = {key: metric.last for key, metric in cell.metrics.items()}
    return CellSeen(cell.state, cell.why, cell.restarts, said, deaths, misses, figures, owned, worst)


def _invariants(run: Run) -> Iterator[str]:
    """What must always hold of the monitor, and does not."""
    try:
        run.monitor.check_invariants()
    except Exception as error:
        yield f"invariant: {str(error).splitlines()[0] if str(error) else type(error).__name__}"


def _order(run: Run, cell: str, step: Step) -> None:
    """Do to the cell what the step says; a cell that has ended is left in peace."""
    if cell and run.cell(cell).ended:
        return
    ways: dict[Order, Callable[[str], None]] = {
        Order.KILL: run.kill,
        Order.KILL_AT: lambda name: run.plan_kill(name, step.at),
        Order.RESTART: run.restart,
        Order.PAUSE: run.pause,
        Order.UNPAUSE: run.unpause,
        Order.SIGKILL: lambda name: _signal(run, name, signal.SIGKILL, psutil.STATUS_ZOMBIE),
        Order.SIGSTOP: lambda name: _signal(run, name, signal.SIGSTOP, psutil.STATUS_STOPPED),
        Order.INJECT: lambda name: run.inject(name, Armed.from_text(step.data.encode())),
        Order.TYPE: lambda name: run.type_text(name, bytes.fromhex(step.data)),
    }
    ways[Order(step.order)](cell)


def _signal(run: Run, cell: str, number: int, state: str) -> None:
    """A signal to a cell's process; back when it has come to the state in which that puts it, so that runs are the same.

    Raises:
        NotDoneError: it has none, or the host does not bring it there in time. Nothing is known of such a run.
    """
    process = run.hosts[run.cell(cell).index].process
    if process is None:
        raise NotDoneError(f"{cell} has no process now that could get signal {number}")
    process.kill(number)  # by its descriptor: the number may be another's by now
    end = host_time.monotonic() + SETTLE_S
    while (now := _host_state(process.pid)) != state:
        if now == GONE and state == psutil.STATUS_ZOMBIE:  # and nobody remembers it
            return
        if now == GONE or host_time.monotonic() > end:
            raise NotDoneError(
                f"the process of {cell} is {now}, not {state}, at most {SETTLE_S:g} s after signal {number}"
            )
        host_time.sleep(0.001)  # of the host: virtual time stands still


def _host_state(pid: int) -> str:
    """What the host says that a process is doing, or GONE."""
    try:
        return str(psutil.Process(pid).status())
    except psutil.NoSuchProcess:
        return GONE


def _said(run: Run, cell: str) -> str:
    """All of its console, from the run directory; a byte a character."""
    assert run.directory is not None
    path = run.directory.console_path(cell)
    return path.read_bytes().decode("latin-1") if path.exists() else ""


@dataclass
class Story:
    """When the fault reached its cell, when that was noticed, when the cell ran again; and all deaths of all cells."""

    struck: int | None = None
    noticed: int | None = None
    recovered: int | None = None
    deaths: dict[str, list[tuple[int, str]]] = field(default_factory=dict)


def _story(trace: Path, cell: str, steps: tuple[Step, ...]) -> Story:
    """What the trace says of a fault and its victim."""
    wanted = EFFECTS.get(Order(steps[0].order)) if steps else None
    story, started = Story(), False
    for record in _records(trace):
        time, kind, who = record["t"], record["k"], record.get("cell", "")
        if kind == "dead":
            story.deaths.setdefault(who, []).append((time, record["why"]))
        if who != cell or not steps or time < steps[0].at:
            continue
        if story.struck is None and kind == wanted:
            story.struck = time if wanted == EFFECTS[Order.INJECT] else steps[0].at
        if story.struck is not None:
            story.noticed = time if story.noticed is None and kind in ("dead", "restart") else story.noticed
            started = started or (story.noticed is not None and kind == "start")
            story.recovered = time if story.recovered is None and started and kind == "switch" else story.recovered
    return story


_LINES = tuple(f'"k":"{kind}"'.encode() for kind in ("dead", "restart", "pause", "input", "start", "switch", "fault"))


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
    """Read the order, run, write what was seen."""
    answered(order, answer, lambda told: perform(Task(**_with_steps(told))).to_dict())


def _with_steps(told: dict[str, Any]) -> dict[str, Any]:
    return told | {"steps": tuple(Step(*step) for step in told["steps"])}
