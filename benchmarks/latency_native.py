"""How long a kernel that owns its CPU keeps an interrupt waiting, sampled: no `ticker` can stand beside it, native runs one cell.

At each sample (as often as the ticker's interrupts come) the CPU's mask is looked at, between two blocks: open, or the CPU waits
in WFI: taken at once; masked: the machine runs on block by block until it is not. That is the time from an interrupt's being due
to the entry of its handler, as for a ticker from its timer to its being on the core. Nothing is put into the machine, so the run
is the one that it is without us: slices leave no trace (cells/engines/README.md).

The machine runs in the process that calls, without a monitor: what it says to one gets the plainest answer.

    found = masked(topology, period=60_600, count=10_000, begin=12_000_000)     # cycles
    found.late, found.latest            # cycles -> how often; the worst
"""

from __future__ import annotations

import mmap
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from cells.lockstep import Lockstep
from cells.machine.machine import Machine
from cells.order import CellOrder
from cells.runtime import build_guest, take_memory
from hypervisor.abi.hypercalls import Hypercall
from hypervisor.abi.records import ExitKind, Resume
from hypervisor.abi.time import NEVER
from hypervisor.shell.plans import build_monitor, plan_cells
from hypervisor.shell.topology import Topology

MASKED = 0x80
"""CPSR.I (DDI 0406C, B1.3.3)."""
MODE, USER = 0x1F, 0x10
QUICK = 1 << 40
"""Cycles to go on for where nothing is to be looked at."""


class DoneError(Exception):
    """All samples are taken, or the guest runs no more."""


@dataclass
class Masked:
    """`late`: cycles that an interrupt would have waited -> how often; `latest`: the worst, and the PC where it was due."""

    late: Counter[int] = field(default_factory=Counter)
    latest: tuple[int, int] = (-1, 0)

    def add(self, late: int, pc: int) -> None:
        """One sample."""
        self.late[late] += 1
        if late > self.latest[0]:
            self.latest = (late, pc)


class Sampler:
    """In the place of a link to the monitor: it answers each exit, and looks at the CPU where a sample is due."""

    def __init__(self, machine: Machine, period: int, count: int, begin: int) -> None:
        self.machine, self.found = machine, Masked()
        self._period, self._count, self._due, self._pc = period, count, begin, -1

    def exchange(self, record: tuple[int | bytes, ...]) -> Resume:
        """See `Link`."""
        sequence, kind, time, _, deadline, call = record[:6]
        assert isinstance(sequence, int) and isinstance(time, int) and isinstance(deadline, int)
        if kind == ExitKind.SHUTDOWN or (kind == ExitKind.HYPERCALL and call == Hypercall.SHUTDOWN):
            raise DoneError
        if kind == ExitKind.WAIT:
            time = self._sleep(time, deadline)
        elif time >= self._due:
            self._look(time)
        following = time + 1 if self._pc >= 0 else self._due
        return Resume(sequence + 1, time, max(following, time + 1), time, 0, ())

    def _look(self, time: int) -> None:
        """A sample is due, or was and is still waited for."""
        engine = self.machine.engine
        if self._pc < 0:
            self._pc = engine.pc
        if not engine.cpsr & MASKED:
            self._take(time - self._due)

    def _sleep(self, time: int, until: int) -> int:
        """The guest waits for an interrupt until then: one that is due meanwhile ends that at once."""
        if self._pc >= 0:  # it was due in the block before
            self._take(time - self._due)
        if until >= NEVER:
            raise DoneError
        while self._due <= until:
            self._take(0)
        return until

    def _take(self, late: int) -> None:
        self.found.add(late, max(self._pc, 0))
        self._pc = -1
        self._due += self._period
        self._count -= 1
        if not self._count:
            raise DoneError


def masked(topology: Topology, period: int, count: int, begin: int) -> Masked:
    """Samples of the one cell of a native topology: `count` of them, each `period` cycles from `begin` on.

    Raises:
        GuestFault: the guest cannot go on.
    """
    monitor = build_monitor(topology)
    (plan,) = plan_cells(topology, monitor, link="shm", sandbox=False, measure=False)
    settings: dict[str, Any] = {**plan.settings, "memory": {"base": topology.board.ram_base, "size": plan.ram_size}}
    order = CellOrder(plan.name, plan.index, settings, plan.guest, plan.sandbox)
    memory = take_memory(settings, {})
    assert memory is not None
    load(memory.own, plan.segments)
    machine = build_guest(order, memory)
    assert isinstance(machine, Machine)
    sampler = Sampler(machine, period, count, begin)
    world = Lockstep(sampler)
    world.end = world.horizon = begin
    with suppress(DoneError):
        machine.run(world)
    return sampler.found


def load(ram: mmap.mmap, segments: Any) -> None:
    """A guest's image into its memory: offset, content."""
    for offset, content in segments:
        ram[offset : offset + len(content)] = content
