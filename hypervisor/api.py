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
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from hypervisor.abi.counts import READY
from hypervisor.abi.faults import Armed
from hypervisor.abi.time import NEVER, parse_time
from hypervisor.core.cell import Cell, CellState
from hypervisor.core.effects import Rest
from hypervisor.faults.actions import check_order
from hypervisor.shell.cellhost import PATIENCE, Patience
from hypervisor.shell.inputs import Input, InputKind, ReplayError
from hypervisor.shell.listening import HELD_S, POLL_S, Listening, Source
from hypervisor.shell.machinery import BACKLOG, Options
from hypervisor.shell.pictures import Picture
from hypervisor.shell.processes import Zygote, new_server
from hypervisor.shell.provenance import Binary
from hypervisor.shell.report import describe_binaries, summarise
from hypervisor.shell.rundir import RunDirError
from hypervisor.shell.summary import Summary
from hypervisor.shell.topology import Topology, load
from hypervisor.shell.views import touch_input

__all__ = ["BACKLOG", "HELD_S", "LATE_S", "PACE_STEP_S", "POLL_S", "Options", "Run", "Source", "launch"]

LATE_S = 1.0
"""A host that falls back further than this does not race to catch up afterwards."""

PACE_STEP_S = 0.02
"""Virtual seconds between two looks at the wall clock when a run is paced."""


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
    snapshot: Path | None = None,
    at_mark: int = READY,
    resume: Path | None = None,
    timeline: bool = True,
) -> Run:
    """Start every cell of a topology; nothing has run yet when this returns.

    `guests`: Python functions for cells by name, closures included. `out`: a run directory to write. `link`: "shm" or "zmq".
    `sandbox=False` runs cells without walls. `replay`: an inputs.jsonl to feed instead of the world outside. `measure`: let
    each cell measure its memory before its sandbox closes. `remote`: cells that join from elsewhere, at `listen`, each with a
    ticket that is written to `ticket` (by default CELL.ticket); `launch` then waits for them. `cables`: where cables to other
    boards lead, by device ("tcp://HOST:PORT"; with a * it is waited for there). `patience`: when a cell counts as hung on this
    host. `snapshot`: a file that is written when a program of the one cell marks `at_mark`; `resume`: such a file, from which
    the run goes on instead of beginning (hypervisor/shell/snapshots.py). `timeline=False`: no trace.perfetto.json in `out`.

    Raises:
        TopologyError: the topology has problems, all of them listed.
        InputError: `resume` is no snapshot of this topology.
        RunDirError: `out` cannot be used.
        LinkError: a cable cannot lead where it is told to.
    """
    zygote = new_server()  # first of all: it must inherit nothing, and gets warm while the topology is read
    try:
        if not isinstance(topology, Topology):
            topology = load(
                topology, overrides=overrides, flavour=flavour, seed=seed, duration=duration, guests=guests or {}
            )
        options = Options(
            out,
            link,
            sandbox,
            replay,
            measure,
            tuple(remote),
            listen,
            ticket,
            cables or {},
            patience,
            snapshot,
            at_mark,
            resume,
            timeline,
        )
        return Run(topology, zygote, options)
    except BaseException:
        zygote.stop()
        raise


class Run(Listening):
    """A topology that runs. Made by `launch`."""

    def __init__(self, topology: Topology, zygote: Zygote, options: Options) -> None:
        self.host_seconds = 0.0
        self._script = deque(topology.inputs)
        super().__init__(topology, zygote, options)
        while self._script and self._script[0].at < self.snapshots.time:
            self._script.popleft()

    # ---- driving

    @property
    def now(self) -> int:
        """Virtual time in cycles."""
        return self.monitor.now

    def cycles(self, time: str | int) -> int:
        """A time in cycles of this board."""
        return time if isinstance(time, int) else parse_time(time, self.topology.board.clock_hz)

    def until(self, time: str | int) -> Rest:
        """Run to a virtual time ("1s" or cycles since the start), or until nothing runs any more; what the topology's script
        has for that time comes in on the way.

        In a replay the recorded stops count, and what the operator's methods below order is left out: the same script
        gives the same run.
        """
        end = self.cycles(time)
        while self._script and (following := self._script[0]).at <= end:
            rest = self._timed(lambda: self.loop.run_until(following.at))
            if rest.why == "finished" or self.interrupted:
                return rest
            self._script.popleft()
            self._order(InputKind(following.kind), following.cell, following.data)
        return self._timed(lambda: self.loop.run_until(end))

    def touch_by_hand(self) -> None:
        """A person has the pen: of the topology's script the touches are left out, and all else happens."""
        self._script = deque(each for each in self._script if each.kind != InputKind.TOUCH)

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
        taken = touch_input(self.monitor, device, x, y, down=down)
        self._order(taken.kind, taken.cell, taken.data)

    def picture(self, device: str) -> Picture:
        """What a display shows now; also written to `frames/` of the run directory.

        Raises:
            KeyError: the board has no such display.
        """
        return self.devices.pictures.take(device)

    def plan_kill(self, cell: str, time: str | int) -> None:
        """Have a cell die when it reaches a virtual time."""
        self._order(InputKind.KILL_AT, cell, str(self.cycles(time)).encode())

    def inject(self, cell: str, fault: Armed) -> None:
        """Order a fault for a cell, or ("") for the host; it strikes at its time or point (hypervisor/faults).

        Raises:
            BadFault: there is no such action, or it makes no sense there.
        """
        check_order(fault, cell)
        self._order(InputKind.INJECT, cell, fault.to_text())

    def _order(self, kind: InputKind, cell: str, data: bytes = b"") -> None:
        if cell:
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
