"""The Python interface: launch a topology, drive it through virtual time, look at it, end it.

```python
from hypervisor import launch

def pinger(port):
    port.print("hello at", port.now)

with launch({"name": "mine", "board": "arm926", "cells": {"a": {"guest": "python"}}}, guests={"a": pinger}) as run:
    run.until("1s")
    run.kill("a")
    print(run.console("a").decode(), run.trace_hash)
```

The monitor lives in the calling process; virtual time stands still between calls. `close()` (or the end of `with`) ends every
process and gives everything back.
"""

from __future__ import annotations

import time as host_time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from hypervisor.abi.time import NEVER, parse_time
from hypervisor.core.cell import Cell, CellState
from hypervisor.core.effects import Rest
from hypervisor.core.monitor import Monitor
from hypervisor.shell.board_devices import attach_devices
from hypervisor.shell.cellhost import CellHost, CellPlan
from hypervisor.shell.inputs import Input, InputKind, InputLog, ReplayInputs
from hypervisor.shell.links.zmq import ZmqHub
from hypervisor.shell.loop import Loop
from hypervisor.shell.pinning import pin_to_one_cpu, unpin
from hypervisor.shell.plans import build_monitor, plan_cells
from hypervisor.shell.processes import Zygote, ZygoteError
from hypervisor.shell.provenance import Binary
from hypervisor.shell.remotehost import RemoteHost
from hypervisor.shell.report import describe_binaries, summarise
from hypervisor.shell.rundir import RunDirectory
from hypervisor.shell.summary import Summary
from hypervisor.shell.topology import Topology, load
from hypervisor.shell.trace import Trace

BACKLOG = 1 << 20
"""Console bytes per cell that a run keeps for those who look later; a run directory keeps all."""
POLL_S = 0.002
"""How often the world outside is listened to while a run is busy, in host seconds."""

PACE_STEP_S = 0.02
"""Virtual seconds between two looks at the wall clock when a run is paced."""


class Source(Protocol):
    """Where inputs come from: an operator's sockets, a terminal. All sources are waited for at once."""

    @property
    def handles(self) -> Sequence[Any]:
        """What becomes readable when there is something: descriptors and ZeroMQ sockets."""
        ...

    def poll(self) -> list[Input]:
        """What has come; does not wait."""
        ...



def launch(
    topology: str | Path | Mapping[str, Any] | Topology,
    *,
    guests: Mapping[str, Callable[..., Any]] | None = None,
    flavour: str | None = None,
    seed: int | None = None,
    duration: str | None = None,
    overrides: Sequence[str] = (),
    out: Path | str | None = None,
    link: str = "shm",
    sandbox: bool = True,
    replay: Path | None = None,
    measure: bool = False,
    remote: Sequence[str] = (),
    listen: str = "tcp://127.0.0.1:*",
    ticket: Path | None = None,
) -> Run:
    """Start every cell of a topology; nothing has run yet when this returns.

    `guests`: Python functions for cells by name, closures included. `out`: a run directory to write. `link`: "shm" or "zmq".
    `sandbox=False` runs cells without walls. `replay`: an inputs.jsonl to feed instead of the world outside. `measure`: let
    each cell measure its memory before its sandbox closes. `remote`: cells that join from elsewhere, at `listen`, each with a
    ticket that is written to `ticket` (by default CELL.ticket); `launch` then waits for them.

    Raises:
        TopologyError: the topology has problems, all of them listed.
        RunDirError: `out` cannot be used.
    """
    zygote = Zygote.start()  # first of all: it must inherit nothing, and gets warm while the topology is read
    try:
        if not isinstance(topology, Topology):
            topology = load(
                topology, overrides=overrides, flavour=flavour, seed=seed, duration=duration, guests=guests or {}
            )
        options = Options(out, link, sandbox, replay, measure, tuple(remote), listen, ticket)
        return Run(topology, zygote, options)
    except BaseException:
        zygote.stop()
        raise


@dataclass(frozen=True)
class Options:
    """What `launch` was told beside the topology."""

    out: Path | str | None
    link: str
    sandbox: bool
    replay: Path | None
    measure: bool
    remote: tuple[str, ...]
    listen: str
    ticket: Path | None


class Run:
    """A topology that runs. Made by `launch`."""

    def __init__(self, topology: Topology, zygote: Zygote, options: Options) -> None:
        self.topology = topology
        self.link = options.link
        self.zygote = zygote
        self.on_output: list[Callable[[str, bytes], None]] = []
        self.sources: list[Source] = []
        self.ticks: list[Callable[[], None]] = []
        self.interrupted = False
        self.host_seconds = 0.0
        self._options = options
        self._hub: ZmqHub | None = None
        self._closed = False
        self._consoles = {cell.name: bytearray() for cell in topology.cells}
        self._polled = 0.0
        recorded = (
            ReplayInputs(options.replay) if options.replay else None
        )  # before a directory of that name is cleared
        self.directory = RunDirectory.create(Path(options.out), topology) if options.out is not None else None
        self.monitor: Monitor = build_monitor(topology)
        attach_devices(self.monitor, topology, lambda _device, owner, data: self._show(owner, data))
        self.hosts = self._make_hosts()
        self.trace = Trace(self.directory.trace if self.directory else None)
        self.inputs = InputLog(self.directory.inputs if self.directory else None)
        self.loop = Loop(
            self.monitor, self.hosts, self.trace, self.inputs, show=self._show, poll=self._poll, replay=recorded
        )
        self._affinity = pin_to_one_cpu(zygote.pid) if topology.board.cores == 1 else None
        self.loop.boot()

    def _make_hosts(self) -> list[CellHost | RemoteHost]:
        options = self._options
        plans = plan_cells(self.topology, link=options.link, sandbox=options.sandbox, measure=options.measure)
        for name in options.remote:
            self.topology.cell(name)
        endpoint = self._make_hub().listen(options.listen) if options.remote else ""
        return [
            self._make_remote(plan, endpoint)
            if plan.name in options.remote
            else CellHost(plan, self.zygote, self._make_hub)
            for plan in plans
        ]

    def _make_remote(self, plan: CellPlan, endpoint: str) -> RemoteHost:
        several = len(self._options.remote) > 1
        ticket = self._options.ticket or Path(f"{plan.name}.ticket")
        return RemoteHost(
            plan, self._make_hub(), endpoint, ticket.with_stem(f"{ticket.stem}-{plan.name}") if several else ticket
        )

    # ---- driving

    @property
    def now(self) -> int:
        """Virtual time in cycles."""
        return self.monitor.now

    def cycles(self, time: str | int) -> int:
        """A time in cycles of this board."""
        return time if isinstance(time, int) else parse_time(time, self.topology.board.clock_hz)

    def until(self, time: str | int) -> Rest:
        """Run to a virtual time ("1s" or cycles since the start), or until nothing runs any more."""
        return self._timed(lambda: self.loop.run_until(self.cycles(time)))

    def run(self) -> Rest:
        """Run to the topology's own end, or until nothing runs any more."""
        duration = self.topology.duration
        return self.until(duration if duration is not None else NEVER)

    def until_paced(self, time: str | int, pace: float = 1.0) -> Rest:
        """As `until`, but no faster than `pace` virtual seconds per second of the wall clock: for people who watch.

        Idle time is then waited for, with an open ear for inputs. Each `PACE_STEP_S` is a stop of its own, and is recorded.
        """
        end, hz = self.cycles(time), self.topology.board.clock_hz
        began, base = host_time.monotonic(), self.monitor.scheduler.time()
        while True:
            now = self.monitor.scheduler.time()
            rest = self.until(min(end, now + int(PACE_STEP_S * hz)))
            reached = self.monitor.scheduler.time()
            if rest.why == "finished" or reached >= end:
                return rest
            ahead = (reached - base) / hz / pace - (host_time.monotonic() - began)
            if ahead < -1.0:  # the host cannot keep up: do not race to catch up afterwards
                began, base = host_time.monotonic(), reached
            for taken in self.listen(max(ahead, 0.0)):
                self.loop.take(taken._replace(step=self.loop.step, time=self.monitor.now))

    def _timed(self, drive: Callable[[], Rest]) -> Rest:
        began = host_time.monotonic()
        try:
            return drive()
        finally:
            self.host_seconds += host_time.monotonic() - began

    # ---- the operator

    def kill(self, cell: str) -> None:
        """Kill a cell now; its policy decides what follows."""
        self._order(InputKind.KILL, cell)

    def pause(self, cell: str) -> None:
        """Hold a cell."""
        self._order(InputKind.PAUSE, cell)

    def unpause(self, cell: str) -> None:
        """Let a held cell run again."""
        self._order(InputKind.UNPAUSE, cell)

    def restart(self, cell: str) -> None:
        """Start a cell anew."""
        self._order(InputKind.RESTART, cell)

    def type_text(self, cell: str, text: str | bytes) -> None:
        """Type at a cell's console."""
        self._order(InputKind.CONSOLE, cell, text.encode() if isinstance(text, str) else text)

    def plan_kill(self, cell: str, time: str | int) -> None:
        """Have a cell die when it reaches a virtual time."""
        self._order(InputKind.KILL_AT, cell, str(self.cycles(time)).encode())

    def _order(self, kind: InputKind, cell: str, data: bytes = b"") -> None:
        self.cell(cell)
        self.loop.take(Input(self.loop.step, self.monitor.now, kind, cell, data))

    # ---- looking

    def cell(self, name: str) -> Cell:
        """What the monitor knows of a cell.

        Raises:
            KeyError: there is none of this name.
        """
        for cell in self.monitor.cells:
            if cell.name == name:
                return cell
        raise KeyError(f'no cell "{name}"; there are {", ".join(self._consoles)}')

    def state(self, name: str) -> CellState:
        """A cell's state."""
        return self.cell(name).shown_state()

    def console(self, cell: str) -> bytes:
        """What a cell wrote, the last `BACKLOG` bytes of it."""
        return bytes(self._consoles[cell])

    def memory(self, cell: str) -> Any:
        """A machine cell's RAM as an mmap, None if it has none any more."""
        return self.hosts[self.cell(cell).index].memory()

    @property
    def trace_hash(self) -> str:
        """SHA-256 of the trace so far."""
        return self.trace.digest()

    def binaries(self) -> tuple[Binary, ...]:
        """What ran, by key of the topology."""
        return tuple(describe_binaries(self.topology))

    def summary(self) -> Summary:
        """The account so far."""
        return summarise(self)

    # ---- the end

    def close(self) -> None:
        """End every process, write the run directory, give everything back. May be called twice."""
        if self._closed:
            return
        self._closed = True
        try:
            self._finish()
        finally:
            self.zygote.stop()
            if self._hub is not None:
                self._hub.close()
            unpin(self._affinity)

    def _finish(self) -> None:
        summary = self.summary() if self.directory else None
        for host in self.hosts:
            host.end(keep=False)
        self.trace.close()
        self.inputs.close()
        if self.directory is not None and summary is not None:
            self.directory.finish(summary)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # ---- what the loop needs

    def _make_hub(self) -> ZmqHub:
        if self._hub is None:
            self._hub = ZmqHub("ipc://*")
        return self._hub

    def _show(self, cell: Cell, data: bytes) -> None:
        backlog = self._consoles[cell.name]
        backlog += data
        if len(backlog) > BACKLOG:
            del backlog[: len(backlog) - BACKLOG]
        if self.directory is not None:
            self.directory.console(cell.name, data)
        for listener in self.on_output:
            listener(cell.name, data)

    def _poll(self) -> list[Input]:
        """What came from outside since the last time: deaths first, then what people did."""
        now = host_time.monotonic()
        if now - self._polled < POLL_S:
            return []
        self._polled = now
        for tick in self.ticks:
            tick()
        return self.listen(0.0)

    def listen(self, seconds: float) -> list[Input]:
        """Wait up to so many host seconds for the world outside."""
        taken = self._deaths()
        for poll in self.polls:
            taken += poll(0.0 if taken else seconds)
        return taken

    def _deaths(self) -> list[Input]:
        try:
            ended = self.zygote.collect()
        except ZygoteError:
            ended = []
        if not ended and not self._options.remote:
            return []
        deaths = []
        for cell, host in zip(self.monitor.cells, self.hosts, strict=True):
            gone = host.process in ended if isinstance(host, CellHost) else host.ended()
            if gone and not cell.ended and cell.vcpu.inflight is None:  # else its exit tells
                deaths.append(Input(0, 0, InputKind.DIED, cell.name, host.how_it_ended().encode()))
        return deaths
