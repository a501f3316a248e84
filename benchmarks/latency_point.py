"""A run of the interrupt latencies, in a process group of its own: the figures, and what was under way at the worst tick.

From the trace, as it is written: the ticker's `wait` names the time at which it is due, the switch to it the time at which it has
its core. What lies between is told step by step for the latest tick of all; the rest of the trace is not kept.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.latency_native import masked
from hypervisor.abi.hypercalls import Hypercall
from hypervisor.abi.pv import Trap
from hypervisor.abi.xen import Call
from hypervisor.api import Run
from hypervisor.shell.runs.task import answered
from hypervisor.shell.sweeps.metrics import spread_of
from hypervisor.shell.sweeps.point import DONE, Task, perform
from hypervisor.shell.topology import load

TICKER = "rt"
LOOK_BACK = 400
"""Lines of the trace that are looked at for a tick: one that is late by a hundred steps is told from its middle on."""
_OURS = re.compile(rb'^\{"t":(\d+),"k":"(exit|switch)","cell":"%s",[^\n]*' % TICKER.encode(), re.MULTILINE)
_PLAIN = frozenset(("exit", "switch"))


@dataclass(frozen=True)
class Step:
    """A part of the time between a tick's being due and its task's being on the core. `kind`: run, monitor, switch."""

    kind: str
    what: str
    cycles: int


@dataclass
class Watch:
    """Reads the trace. `world_switch`: cycles of a switch under this flavour."""

    world_switch: int
    late: int = -1
    due: int = 0
    steps: list[Step] = field(default_factory=list)
    _waits: int | None = None
    _before: bytes = b""

    def take(self, chunk: bytes) -> None:
        """Some whole lines."""
        for found in _OURS.finditer(chunk):
            if found[2] == b"exit":
                line = json.loads(found[0])
                self._waits = line.get("deadline") if line["why"] == "wait" else None
            elif self._waits is not None:
                self._woke(int(found[1]), self._waits, chunk[: found.start()])
                self._waits = None
        self._before = chunk

    def _woke(self, time: int, due: int, text: bytes) -> None:
        if time - due <= self.late:
            return
        self.late, self.due = time - due, due
        lines = (self._before + text).splitlines()[-LOOK_BACK:]
        self.steps = list(steps([json.loads(line) for line in lines], due, time, self.world_switch))


def steps(records: Iterable[Mapping[str, Any]], due: int, end: int, world_switch: int) -> Iterator[Step]:
    """What the core did from `due` to `end`, when the ticker was on it: records of that time, those before are left out."""
    at, work = due, Work()
    for record in records:
        time, kind = record["t"], record["k"]
        if time > due and kind in _PLAIN:
            begins = _begin(record, world_switch)
            if begins > at:
                yield Step("monitor", work.what, begins - at)
            words = (
                f"to {record['cell']}" if kind == "switch" else f"{record['cell']} runs to the next place to stop it"
            )
            yield Step("switch" if kind == "switch" else "run", words, time - max(at, begins))
            at = time
        work.heed(record)
    if end - world_switch > at:
        yield Step("monitor", work.what, end - world_switch - at)
    yield Step("switch", f"to {TICKER}", end - max(at, end - world_switch))


def _begin(record: Mapping[str, Any], world_switch: int) -> int:
    """When what a record tells began."""
    if record["k"] == "exit":
        return int(record["start"])
    return int(record["t"]) - (world_switch if record["k"] == "switch" else 0)


class Work:
    """What the monitor has to do: for an exit, and of what it says of that the part that takes longest."""

    def __init__(self) -> None:
        self.what, self._most = "what it did before", 0

    def heed(self, record: Mapping[str, Any]) -> None:
        """One more record."""
        if record["k"] == "exit":
            self.what, self._most = f"{_asked(record)} of {record['cell']}", 0
        elif record["k"] not in ("switch", *self.what.split()[:1]) and record.get("cycles", 0) > self._most:
            words = f"{record['k']} {record.get('request', '')}".rstrip()
            self.what, self._most = f"{words} of {record['cell']}", record["cycles"]


def _asked(record: Mapping[str, Any]) -> str:
    """What an exit asks for."""
    call = record.get("call")
    if record["why"] == "hypercall":
        return next((calls(call).name.lower() for calls in (Hypercall, Call) if call in list(calls)), f"call {call}")
    if record["why"] == "exception" and record.get("trap") in list(Trap):
        return f"exception ({Trap(record['trap']).name.lower()})"
    return str(record["why"])


# ---- the job


def beside(task: Task) -> dict[str, Any]:
    """A run of the ticker beside a load."""
    watches: list[Watch] = []

    def watch(run: Run) -> None:
        watches.append(Watch(run.topology.architecture.costs.world_switch))
        run.trace.on_chunk.append(watches[0].take)

    found = perform(task, watch)
    told = {"status": found.status, "why": found.why, "figures": {}, "steps": []}
    if found.status != DONE:
        return told
    flat, (watched,) = found.figures, watches
    figures = {key: flat[f"cells.{TICKER}.interrupt_latency.{key}"] for key in ("count", "p50", "p999", "max")}
    story = watched.steps if watched.late == figures["max"] else []
    figures |= {"hz": flat["hz"], "seen": flat[f"cells.{TICKER}.reported.latency.max"]}
    return {**told, "figures": figures, "steps": [asdict(step) for step in story]}


def alone(task: Task, period: int, count: int, begin: int) -> dict[str, Any]:
    """Samples of a kernel that owns its CPU. Arguments as of `masked`, in cycles."""
    topology = load(task.topology, flavour=task.flavour, overrides=task.overrides)
    found = masked(topology, period, count, begin)
    spread = spread_of(found.late)
    figures = {**{key: spread[key] for key in ("count", "p50", "p999", "max")}, "hz": topology.board.clock_hz}
    late, pc = found.latest
    step = Step("run", f"the kernel has interrupts masked (at {pc:#x})", late)
    return {"status": DONE, "why": "", "figures": figures, "steps": [asdict(step)] if late else []}


def main(order: str, answer: str) -> None:
    """Read the order, run, write what was found."""

    def perform(told: dict[str, Any]) -> dict[str, Any]:
        sampled = told.pop("sampled", None)
        task = Task(**told)
        return beside(task) if sampled is None else alone(task, *sampled)

    answered(order, answer, perform)
