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

import secrets
import shutil
import time as host_time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import zmq

from hypervisor.abi.time import NEVER, parse_time
from hypervisor.core.cell import Cell, CellState
from hypervisor.core.effects import Rest
from hypervisor.core.monitor import Monitor
from hypervisor.shell.beside import JoinedBoards, Settings
from hypervisor.shell.board_devices import attach_devices
from hypervisor.shell.cellhost import PATIENCE, CellHost, CellPlan, Patience
from hypervisor.shell.device_files import DeviceFiles
from hypervisor.shell.inputs import TOUCH_RANGE, Input, InputKind, InputLog, ReplayError, ReplayInputs
from hypervisor.shell.links.zmq import ZmqHub
from hypervisor.shell.loop import Loop
from hypervisor.shell.memory import SharedMemory
from hypervisor.shell.pictures import Picture
from hypervisor.shell.pinning import pin_to_one_cpu, unpin
from hypervisor.shell.plans import build_monitor, plan_cells, shares_memory
from hypervisor.shell.processes import Zygote, ZygoteError
from hypervisor.shell.provenance import Binary
from hypervisor.shell.remotehost import RemoteHost
from hypervisor.shell.report import describe_binaries, summarise
from hypervisor.shell.rundir import RunDirectory, RunDirError
from hypervisor.shell.summary import Summary
from hypervisor.shell.topology import Problem, Topology, TopologyError, load
from hypervisor.shell.topology.problems import nearest
from hypervisor.shell.trace import Trace

BACKLOG = 1 << 20
"""Console bytes per cell that a run keeps for those who look later; a run directory keeps all."""
POLL_S = 0.002
"""How often the world outside is listened to while a run is busy, in host seconds."""

HELD_S = 0.1
"""How long one wait lasts while every cell is paused."""

LATE_S = 1.0
"""A host that falls back further than this does not race to catch up afterwards."""

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
    cables: Mapping[str, str] | None = None,
    patience: Patience = PATIENCE,
) -> Run:
    """Start every cell of a topology; nothing has run yet when this returns.

    `guests`: Python functions for cells by name, closures included. `out`: a run directory to write. `link`: "shm" or "zmq".
    `sandbox=False` runs cells without walls. `replay`: an inputs.jsonl to feed instead of the world outside. `measure`: let
    each cell measure its memory before its sandbox closes. `remote`: cells that join from elsewhere, at `listen`, each with a
    ticket that is written to `ticket` (by default CELL.ticket); `launch` then waits for them. `cables`: where cables to other
    boards lead, by device ("tcp://HOST:PORT"; with a * it is waited for there). `patience`: when a cell counts as hung on this
    host.

    Raises:
        TopologyError: the topology has problems, all of them listed.
        RunDirError: `out` cannot be used.
        LinkError: a cable cannot lead where it is told to.
    """
    zygote = Zygote.start()  # first of all: it must inherit nothing, and gets warm while the topology is read
    try:
        if not isinstance(topology, Topology):
            topology = load(
                topology, overrides=overrides, flavour=flavour, seed=seed, duration=duration, guests=guests or {}
            )
        options = Options(out, link, sandbox, replay, measure, tuple(remote), listen, ticket, cables or {}, patience)
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
    cables: Mapping[str, str]
    patience: Patience


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
        with ExitStack() as undo:
            self._bring_up(undo)
            undo.pop_all()

    def _bring_up(self, undo: ExitStack) -> None:
        """Make everything and start every cell; `undo` gets what must be given back should that fail."""
        options, topology = self._options, self.topology
        self._check_remote()
        # The recorded inputs are read before a directory of that name is cleared.
        recorded = ReplayInputs(options.replay) if options.replay else None
        self.directory = self._make_directory(undo)
        self.monitor: Monitor = build_monitor(topology, options.remote)
        self.devices = DeviceFiles(self.monitor, self.directory, topology.board.clock_hz, self._show)
        undo.callback(self.devices.close)
        sockets = attach_devices(self.monitor, topology, self.devices.outside)
        self.joined = JoinedBoards(self.monitor, topology, sockets, self._neighbours())
        undo.callback(self.joined.stop)
        undo.callback(self._close_hub)
        self.hosts = self._make_hosts()
        self.pages = SharedMemory(self.hosts, topology.board.ram_base)
        undo.callback(self._end_hosts)
        self.trace = Trace(self.directory.trace if self.directory else None)
        undo.callback(self.trace.close)
        self.inputs = InputLog(self.directory.inputs if self.directory else None)
        undo.callback(self.inputs.close)
        self.loop = Loop(
            self.monitor,
            self.hosts,
            self.trace,
            self.inputs,
            show=self._show,
            poll=self._poll,
            replay=recorded,
            memory=self.pages,
        )
        self._affinity = pin_to_one_cpu(self.zygote.pid) if topology.board.cores == 1 else None
        undo.callback(unpin, self._affinity)
        self.loop.boot()

    def _neighbours(self) -> Settings:
        options = self._options
        recorded = options.replay.parent / "net" if options.replay else None
        return Settings(
            options.cables, self.directory, options.link, options.sandbox, recorded, lambda: self.interrupted
        )

    def _make_directory(self, undo: ExitStack) -> RunDirectory | None:
        if self._options.out is None:
            return None
        path = Path(self._options.out)
        if not path.exists():
            undo.callback(shutil.rmtree, path, ignore_errors=True)
        directory = RunDirectory.create(path, self.topology)
        undo.callback(directory.close)
        return directory

    def _make_hosts(self) -> list[CellHost | RemoteHost]:
        options = self._options
        plans = plan_cells(
            self.topology, self.monitor, link=options.link, sandbox=options.sandbox, measure=options.measure
        )
        endpoint = self._make_hub().listen(options.listen) if options.remote else ""
        return [
            self._make_remote(plan, endpoint)
            if plan.name in options.remote
            else CellHost(plan, self.zygote, self._make_hub, options.patience)
            for plan in plans
        ]

    def _check_remote(self) -> None:
        names = list(self._consoles)
        problems = [
            Problem("", "remote", f'no cell is called "{name}"; {nearest(name, names)}', "--remote")
            for name in self._options.remote
            if name not in names
        ]
        problems += [
            Problem("", "remote", f'"{name}" shares memory with other cells: it cannot run on another host', "--remote")
            for name in self._options.remote
            if name in names and shares_memory(self.topology.wiring, names.index(name))
        ]
        if problems:
            raise TopologyError(problems)

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
        """Run to a virtual time ("1s" or cycles since the start), or until nothing runs any more.

        In a replay the recorded stops count, and what the operator's methods below order is left out: the same script
        gives the same run.
        """
        return self._timed(lambda: self.loop.run_until(self.cycles(time)))

    def run(self) -> Rest:
        """Run to the topology's own end, or until nothing runs any more."""
        if self._options.replay is not None:
            return self.replay()
        duration = self.topology.duration
        return self.until(duration if duration is not None else NEVER)

    def replay(self) -> Rest:
        """Do a recorded run again, to the end of what was recorded: each of its stops is one more stretch.

        Raises:
            ReplayError: it goes another way than the recorded one.
        """
        while True:
            rest = self._timed(self.loop.run)
            following = self.loop.replay.peek() if self.loop.replay else None
            if following is None or self.interrupted:
                return rest
            if following.step > self.loop.step:
                why = f"nothing more happens after step {self.loop.step}; the recorded run went on to {following.step}"
                raise ReplayError(why)

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
            if rest.why == "finished" or reached >= end or self.interrupted:
                return rest
            due = began + (reached - base) / hz / pace
            if host_time.monotonic() - due > LATE_S:
                began, base = host_time.monotonic(), reached
            self._wait_until(due)

    def _wait_until(self, due: float) -> None:
        """Let the wall clock catch up, or an input come: it is answered at once."""
        while not self.interrupted:
            left = due - host_time.monotonic()
            taken = self.listen(max(left, 0.0))
            self.loop.feed(taken)
            if taken or left <= 0:
                return

    def interrupt(self) -> None:
        """End the drive that is under way at its next turn. The stop is an input: a replay ends there too."""
        self.interrupted = True

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

    def touch(self, device: str, x: int, y: int, *, down: bool = True) -> None:
        """Put the pen on a touch screen at (x, y), move it there, or lift it; 0..4095 each way, what the panel reads.

        Raises:
            KeyError: no cell has a touch screen of this name.
            ValueError: no such place.
        """
        if not (0 <= x < TOUCH_RANGE and 0 <= y < TOUCH_RANGE):
            raise ValueError(f"({x}, {y}) is not on the panel: 0..{TOUCH_RANGE - 1} each way")
        for entry in self.monitor.bus.devices:
            if entry.name == device and entry.receive is not None and entry.owner is not None:
                owner = self.monitor.cells[entry.owner].name
                self._order(InputKind.TOUCH, owner, f"{device} {x} {y} {int(down)}".encode())
                return
        raise KeyError(f'no cell has a touch screen "{device}"')

    def picture(self, device: str) -> Picture:
        """What a display shows now; also written to `frames/` of the run directory.

        Raises:
            KeyError: the board has no such display.
        """
        return self.devices.pictures.take(device)

    def plan_kill(self, cell: str, time: str | int) -> None:
        """Have a cell die when it reaches a virtual time."""
        self._order(InputKind.KILL_AT, cell, str(self.cycles(time)).encode())

    def _order(self, kind: InputKind, cell: str, data: bytes = b"") -> None:
        self.cell(cell)
        if self._options.replay is None:
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
        """A cell's own memory as an mmap, None if it has none any more; pages that it shares are as they were at this call."""
        found = self.cell(cell)
        memory = self.hosts[found.index].memory()
        if memory is not None:
            for offset, content in self.monitor.memory.shared_of(found):
                memory[offset : offset + len(content)] = content  # the cell itself does not look there
        return memory

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
        self._close(account=True)

    def _close(self, *, account: bool) -> None:
        if self._closed:
            return
        self._closed = True
        with ExitStack() as stack:  # each of them, whatever another one raises; the last one first
            stack.callback(unpin, self._affinity)
            stack.callback(self._close_hub)
            stack.callback(self.zygote.stop)
            stack.callback(self.joined.close if account else self.joined.stop)
            self._finish(account=account)

    def _finish(self, *, account: bool) -> None:
        summary = self.summary() if self.directory and account else None
        if account:
            self.devices.finish()
        self.devices.close()
        self._end_hosts()
        self.trace.close()
        self.inputs.close()
        if self.directory is not None:
            self.directory.close()
            if summary is not None:
                self.directory.finish(summary)

    def _end_hosts(self) -> None:
        self.pages.close()
        for host in self.hosts:
            host.end(keep=False)

    def _close_hub(self) -> None:
        if self._hub is not None:
            self._hub.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close; a directory that cannot be written gets no account, and no second error hides the first."""
        try:
            self._close(account=not isinstance(error, RunDirError))
        except Exception as trouble:
            if error is None:
                raise
            error.add_note(str(trouble))

    # ---- what the loop needs

    def _make_hub(self) -> ZmqHub:
        if self._hub is None:
            self._hub = ZmqHub(f"ipc://@cellvisor-{secrets.token_hex(16)}")  # abstract: no file to leave behind
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
        taken = [] if self._options.replay else self.listen(0.0)
        while self._held() and not taken and not self.interrupted:
            taken = self.listen(HELD_S)
        if any(one.kind is InputKind.PAUSE for one in taken):
            self._polled = 0.0  # look again before time goes on: it may have been the last cell
        if self.interrupted:
            taken.append(Input(0, 0, InputKind.UNTIL, "", str(self.monitor.now).encode()))
        return taken

    def _held(self) -> bool:
        """True while every cell that lives is paused and somebody can change that: virtual time then stands still."""
        cells = [cell for cell in self.monitor.cells if not cell.ended]
        return bool(cells and self.sources) and all(cell.paused for cell in cells)

    def listen(self, seconds: float) -> list[Input]:
        """What came from outside: deaths first, then what people did. Waits up to so many host seconds for the first."""
        taken = self._come()
        if not taken and seconds > 0:
            poller = zmq.Poller()
            for handle in (self.zygote.fileno(), *(handle for source in self.sources for handle in source.handles)):
                poller.register(handle, zmq.POLLIN)
            poller.poll(int(seconds * 1000) + 1)
            taken = self._come()
        return taken

    def _come(self) -> list[Input]:
        taken = self._deaths()
        for source in self.sources:
            taken += source.poll()
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
            if gone and not cell.ended:
                deaths.append(Input(0, 0, InputKind.DIED, cell.name, host.how_it_ended().encode()))
        return deaths
