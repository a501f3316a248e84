"""Partitions in time, after ARINC 653: a table of windows that repeats for ever, and each window belongs to one cell.

The table (the major frame) starts at time 0 and at every multiple of its length, exact to the cycle, whatever
happens. In a window only vCPUs of its cell run, on all cores; several of them take turns of one slice. Time that the
cell does not use stays idle: so no cell can feel what another does. A stop that comes a block late into the next
window moves nothing; the time is on the account of the cell that was late (`overruns`), and the window that it came
into is that much shorter.

    Partition(slice_cycles=10_000, windows=[("rt", 2_000), ("linux", 8_000)])

A name in the table that is no cell's makes a spare window.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from hypervisor.core.errors import require_none
from hypervisor.core.policies.policy import VcpuParams
from hypervisor.core.policies.ranked import RankedPolicy


@dataclass(slots=True)
class Overrun:
    """How often a cell was late out of its window, by how many cycles in all, and by how many at worst."""

    count: int = 0
    cycles: int = 0
    worst: int = 0

    def add(self, cycles: int) -> None:
        """Once more."""
        self.count += 1
        self.cycles += cycles
        self.worst = max(self.worst, cycles)


class Partition(RankedPolicy):
    """Strict windows. `overruns`: cell -> how it was late.

    Raises:
        ValueError: no windows, or one without length.
    """

    def __init__(self, slice_cycles: int, windows: Sequence[tuple[str, int]]) -> None:
        super().__init__(slice_cycles)
        if not windows or any(length <= 0 for _, length in windows):
            raise ValueError(f"a partition table needs windows of positive length, not {list(windows)}")
        self._cells = [cell for cell, _ in windows]
        self._ends = list(accumulate(length for _, length in windows))
        self._frame = self._ends[-1]
        self._starts: dict[str, list[int]] = {cell: [] for cell in self._cells}
        for (cell, length), end in zip(windows, self._ends, strict=True):
            self._starts[cell].append(end - length)
        self._window = 0, 0, ""  # start, end and cell of the one that was looked up last
        self.overruns: dict[str, Overrun] = {}

    def add(self, vcpu: VcpuParams) -> None:
        """Learn of a vCPU.

        Raises:
            ValueError: its cell has no window and could never run.
        """
        if vcpu.cell not in self._cells:
            raise ValueError(f'cell "{vcpu.cell}" has no window; there are windows for: {", ".join(self._cells)}')
        super().add(vcpu)
        self.overruns.setdefault(vcpu.cell, Overrun())

    def charge(self, vcpu: int, core: int, start: int, end: int) -> None:
        """Count what it ran outside of its cell's windows."""
        super().charge(vcpu, core, start, end)
        cell = self._known(vcpu).cell
        outside = self._outside(cell, start, end)
        if outside:
            self.overruns[cell].add(outside)

    def rank(self, params: VcpuParams, now: int) -> int | None:
        """All vCPUs of the window's cell are equal, others may not run."""
        return 0 if self.window(now)[0] == params.cell else None

    def release(self, params: VcpuParams, now: int) -> int:
        """The start of its cell's next window."""
        into, starts = now % self._frame, self._starts[params.cell]
        index = bisect_right(starts, into)
        return now - into + (starts[index] if index < len(starts) else self._frame + starts[0])

    def limit(self, params: VcpuParams, now: int) -> int:
        """The end of the window."""
        return self.window(now)[1]

    def window(self, now: int) -> tuple[str, int]:
        """Whose window it is at `now`, and when it ends."""
        start, end, cell = self._window
        if not start <= now < end:
            into = now % self._frame
            index = bisect_right(self._ends, into)
            cell, end = self._cells[index], now - into + self._ends[index]
            self._window = now, end, cell
        return cell, end

    def check_invariants(self) -> None:
        """Everybody known has a window, and the accounts of lateness make sense.

        Raises:
            InvariantBroken: it is not so.
        """
        super().check_invariants()
        homeless = [params.vcpu for params in self._vcpus.values() if params.cell not in self._cells]
        problems = [f"partition: vCPU {vcpu} has no window" for vcpu in homeless]
        problems += [
            f'partition: "{cell}" was late {late.count} times, {late.cycles} cycles, at worst {late.worst}'
            for cell, late in self.overruns.items()
            if not late.count <= late.cycles <= late.count * late.worst
        ]
        require_none(problems)

    def _outside(self, cell: str, start: int, end: int) -> int:
        outside = 0
        while start < end:
            owner, window_end = self.window(start)
            stop = min(end, window_end)
            outside += stop - start if owner != cell else 0
            start = stop
        return outside
