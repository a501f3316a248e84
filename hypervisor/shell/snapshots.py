"""Taking a snapshot of a run at a mark, and starting a run from one.

    launch("mine.toml", snapshot=Path("ready.snap"), at_mark=0xB007)     # written when the mark comes; the run goes on
    launch("mine.toml", resume=Path("ready.snap"))                       # its first instruction is the one behind the mark

Theory: at a mark the cell leaves its state in memory of both before the exit that tells of it (cells/machine/state.py); the
monitor, which stands still then, adds its own part and the RAM. A run that goes on from there has the trace of the unbroken one
from the mark on. That holds for one machine on a board of its own and nothing else: `refusals` says what is more. What is counted
(`cells.X.counting`) and how long a run is may differ; all else must be the same.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from cells.machine.state import KEPT_SIZE, LENGTH
from hypervisor.abi.messages import BadMessage, unpack
from hypervisor.abi.records import Exit
from hypervisor.core import snapshot as core
from hypervisor.core.events import Restored
from hypervisor.core.monitor import Monitor
from hypervisor.flavours import FLAVOURS
from hypervisor.shell import provenance, snapshot_file
from hypervisor.shell.cellhost import CellPlan
from hypervisor.shell.human import human_time
from hypervisor.shell.problems import InputError
from hypervisor.shell.topology import Problem, Topology, TopologyError

RESUMED = "resumed.snapshot"
"""Under `files/` of a run directory: what the run began with."""
MODELS = ("sp804", "pl011", "sysclock", "touch")
"""Physical devices whose state is a few numbers. Flash and network devices hold contents and cables, displays have onlookers."""


def refusals(topology: Topology) -> Iterator[tuple[str, str]]:
    """What a topology has that a snapshot cannot hold: (key, why)."""
    if len(topology.cells) != 1:
        yield "cells", f"a snapshot holds one cell, not {len(topology.cells)}"
        return
    cell = topology.cells[0]
    key = f"cells.{cell.group}"
    if not FLAVOURS[topology.flavour].owns_cpu:
        owning = next(name for name, flavour in FLAVOURS.items() if flavour.owns_cpu)
        yield "flavour", f"a snapshot holds a cell that owns its CPU ({owning}), not one under {topology.flavour}"
    if cell.kind not in ("kernel", "image"):
        yield key, f'a snapshot holds a machine ("kernel" or "image"), not a {cell.kind}'
    if topology.board.cores > 1:
        yield "board.cores", "a snapshot holds a board with one core"
    if topology.policy not in ("fixed_priority", "round_robin"):
        yield "scheduler.policy", f"a snapshot holds fixed_priority and round_robin, not {topology.policy}"
    if topology.cables:
        yield "cables", "a snapshot holds no cables"
    if cell.heartbeat:
        yield f"{key}.heartbeat", "a snapshot holds no timers of the monitor"
    if cell.on_crash == "restart":
        yield f"{key}.on_crash", "a snapshot is one life of a cell, which cannot be restarted from there"
    disks = [disk.name for disk in topology.disks_of(cell)]
    for name in cell.devices:
        model = "disk" if name in disks else topology.board.device(name).model
        if model not in MODELS:
            yield f"{key}.devices", f'a snapshot holds no {model} ("{name}"); it holds {", ".join(MODELS)}'


def identity(topology: Topology) -> str:
    """What must be the same where a snapshot is taken and where it goes on: all but the end of the run and what is counted."""
    cells = tuple(replace(cell, counting=None) for cell in topology.cells)
    return replace(topology, cells=cells, duration=None, until="").digest


def versions() -> dict[str, str]:
    """The software that must be the same, too."""
    found = provenance.versions()
    return {name: found[name] for name in ("cellvisor", "unicorn")}


class Snapshots:
    """A run's part in snapshots: what it takes, what it starts from. `path`, `mark`: where and when one is taken (None: never);
    `resume`: the one that it starts from.

    Raises:
        TopologyError: the topology has more than a snapshot holds.
        InputError: the snapshot is none, or of something else.
    """

    def __init__(self, topology: Topology, path: Path | None, mark: int, resume: Path | None) -> None:
        self.size = 0
        """Bytes that were written, 0 before."""
        self.why = "no program has marked that"
        """Why it is not written."""
        self._done = False
        self.path = path
        self._topology, self._mark, self._descriptor = topology, mark, -1
        self._memory: mmap.mmap | None = None
        if path is not None or resume is not None:
            self._check("--snapshot" if path is not None else "--resume", taking=path is not None)
        self._resume = resume
        self.loaded = self._read(resume) if resume is not None else None

    def _check(self, option: str, *, taking: bool) -> None:
        problems = [Problem(self._topology.name, key, f"{why} ({option})") for key, why in refusals(self._topology)]
        if taking and not problems and self._topology.cells[0].counting is None:
            key = f"cells.{self._topology.cells[0].group}.counting"
            why = f"missing: no mark is seen (write counting = {{}} there, or --set '{key}={{}}')"
            problems.append(Problem(self._topology.name, key, why))
        if problems:
            raise TopologyError(problems)

    def _read(self, path: Path) -> snapshot_file.Loaded:
        loaded = snapshot_file.read(path)
        head, ours = loaded.head, versions()
        if head.identity != identity(self._topology):
            was = f'of "{head.topology}"' if head.topology != self._topology.name else "of this topology as it was"
            raise InputError(f"{path}: is {was}, with other programs, another board or other keys: take it again")
        if head.versions != ours:
            other = next(name for name in ours if head.versions.get(name) != ours[name])
            raise InputError(
                f"{path}: was taken with {other} {head.versions.get(other)}, this is {ours[other]}: take it again"
            )
        if self._topology.duration is not None and self._topology.duration <= head.time:
            raise InputError(
                f"{path}: was taken after {human_time(head.time, self._topology.board.clock_hz)}, and the run is to end"
                f" after {self._topology.until}: let it be longer (--for counts from the boot on)"
            )
        return loaded

    @property
    def time(self) -> int:
        """When the run begins, in cycles."""
        return self.loaded.head.time if self.loaded is not None else 0

    # ---- the cell's side

    def equip(self, plan: CellPlan) -> CellPlan:
        """A plan with what the cell needs to leave its state somewhere, and to begin with one in its first life."""
        if self.path is not None:
            self._make_memory()
            settings = {**plan.settings, "keep": {"mark": self._mark}}
            plan = replace(plan, settings=settings, fds={**plan.fds, "kept": self._descriptor})
        if self.loaded is None:
            return plan
        settings = {**plan.settings, "resume": self.loaded.head.cell}
        return replace(plan, settings=settings, segments=self.loaded.blocks, later=plan)

    def _make_memory(self) -> None:
        self._descriptor = os.memfd_create("cellvisor-kept", os.MFD_CLOEXEC)
        os.ftruncate(self._descriptor, KEPT_SIZE)
        self._memory = mmap.mmap(self._descriptor, KEPT_SIZE)

    # ---- the monitor's

    def begin(self, restore: Callable[[Restored], None]) -> None:
        """The cell is ready: tell the monitor where it stands, unless it is at its beginning.

        Raises:
            InputError: the monitor has no such place.
        """
        if self.loaded is None:
            return
        try:
            restore(Restored(self.loaded.head.monitor, self.loaded.sha256))
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{self._resume}: cannot be used: {error} (take it again)") from None

    def marked(self, monitor: Monitor, record: Exit, memory: Callable[[], mmap.mmap | None]) -> None:
        """The cell has stopped at a mark, and the monitor has dealt with it: take the snapshot if this is the first of these.
        `memory`: a mapping of the cell's RAM. One that cannot be taken leaves the reason in `why`: a guest does not end a run.

        Raises:
            RunDirError: it cannot be written.
        """
        if self.path is None or self._done or record.a0 != self._mark:
            return
        self._done, state, ram = True, self._state(), memory()
        self.why = core.refusal(monitor) or ("" if state and ram is not None else "the cell left no state")
        if self.why or ram is None:
            return
        head = snapshot_file.Head(
            topology=self._topology.name,
            identity=identity(self._topology),
            versions=versions(),
            mark=self._mark,
            time=record.time,
            ram=len(ram),
            cell=state,
            monitor=core.take(monitor),
        )
        with ram:
            self.size = snapshot_file.write(self.path, head, ram)

    def _state(self) -> bytes:
        """What the cell left, if it is a message: it is hostile, and goes back to nobody but a cell."""
        if self._memory is None:
            return b""
        length = int.from_bytes(self._memory[:LENGTH], "little")
        packed = bytes(self._memory[LENGTH : LENGTH + min(length, KEPT_SIZE - LENGTH)])
        try:
            return packed if isinstance(unpack(packed), dict) else b""
        except BadMessage:
            return b""

    def close(self) -> None:
        """Let go of the memory. May be called twice."""
        if self._memory is not None:
            self._memory.close()
            os.close(self._descriptor)
            self._memory = None
