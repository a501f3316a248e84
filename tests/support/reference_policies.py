"""What the policies should do, written as plainly as possible, for model tests to compare with.

A queue is a list in order of arrival; a budget is worked out anew from the log of what happened in the period; a window
is found by walking along the table. Nothing here is quick, and nothing is shared with `hypervisor.core.policies` but
`VcpuParams`. Time must not go backwards.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from hypervisor.core.policies import VcpuParams

Table = list[tuple[str, int]]


class Entry(NamedTuple):
    """One line of a vCPU's log. For "ran" from `start` to `end`; the others happen at `start`."""

    what: Literal["ran", "wake", "yield"]
    start: int
    end: int


class Reference:
    """Round robin by list; `rank` of the subclasses makes the rest."""

    def __init__(self, slice_cycles: int) -> None:
        self.slice = slice_cycles
        self.known: dict[int, VcpuParams] = {}
        self.line: list[int] = []
        self.left: dict[int, int] = {}
        self.log: dict[int, list[Entry]] = {}

    def add(self, params: VcpuParams) -> None:
        self.known[params.vcpu] = params
        self.log[params.vcpu] = []

    def remove(self, vcpu: int) -> None:
        self.block(vcpu)
        del self.known[vcpu], self.log[vcpu]

    def wake(self, vcpu: int, now: int) -> None:
        if vcpu not in self.line:
            self.log[vcpu].append(Entry("wake", now, now))
            self._to_tail(vcpu)

    def block(self, vcpu: int) -> None:
        if vcpu in self.line:
            self.line.remove(vcpu)

    def yield_(self, vcpu: int, now: int) -> None:
        self.log[vcpu].append(Entry("yield", now, now))
        if vcpu in self.line:
            self._to_tail(vcpu)

    def charge(self, vcpu: int, start: int, end: int) -> None:
        self.log[vcpu].append(Entry("ran", start, end))
        if vcpu in self.line:
            self.left[vcpu] -= end - start
            if self.left[vcpu] <= 0:
                self._to_tail(vcpu)

    def _to_tail(self, vcpu: int) -> None:
        self.block(vcpu)
        self.line.append(vcpu)
        self.left[vcpu] = self.slice

    # ---- the two questions

    def rank(self, params: VcpuParams, now: int) -> int | None:
        """Lower is better; None: may not run."""
        return 0

    def next_change(self, params: VcpuParams, now: int) -> int | None:
        """When `rank` may become another for one that does not run, or stops to hold for one that does."""
        return None

    def candidates(self, core: int, busy: frozenset[int]) -> list[VcpuParams]:
        waiting = [self.known[vcpu] for vcpu in self.line if vcpu not in busy]
        return [params for params in waiting if params.cores == () or core in params.cores]

    def choice(self, core: int, now: int, busy: frozenset[int]) -> int | None:
        """The first in line of those with the best rank."""
        ranked = [(self.rank(p, now), p.vcpu) for p in self.candidates(core, busy)]
        allowed = [rank for rank, _ in ranked if rank is not None]
        return next((vcpu for rank, vcpu in ranked if rank == min(allowed)), None) if allowed else None

    def until(self, core: int, now: int, busy: frozenset[int]) -> int | None:
        """When the policy must look again; None if time changes nothing."""
        chosen = self.choice(core, now, busy)
        barred = [p for p in self.candidates(core, busy) if self.rank(p, now) is None]
        times = [self.next_change(p, now) for p in barred]
        if chosen is not None:
            times += [now + self.left[chosen], self.next_change(self.known[chosen], now)]
        return min((time for time in times if time is not None), default=None)

    def preempts(self, waker: int, running: int, core: int, now: int) -> bool:
        """Is there a cycle, before the other must be looked at anyway, from which on the waker would be preferred?"""
        params, rival = self.known[waker], self.known[running]
        if waker == running or not (params.cores == () or core in params.cores):
            return False
        overdue = self.rank(rival, now) is None
        end = now if overdue else self.next_change(rival, now)
        while (mine := self.rank(params, now)) is None:
            now += 1
            if end is not None and now >= end:
                return False
        theirs = self.rank(rival, now)
        return theirs is None or mine < theirs


class FixedPriorityReference(Reference):
    def rank(self, params: VcpuParams, now: int) -> int | None:
        return 100 - params.priority


class ReservationReference(Reference):
    BACKGROUND = 1 << 80

    def budget(self, params: VcpuParams, now: int) -> int:
        """From the log: full at the start of the period, then what happened in it."""
        begin = now - now % params.period
        deadline, left = begin + params.period, params.budget
        for what, start, end in self.log[params.vcpu]:
            if what == "ran":
                left -= max(0, end - max(start, begin))
            elif what == "wake" and start >= begin:
                left = min(left, (deadline - start) * params.budget // params.period)
            elif what == "yield" and start >= begin:
                left = min(left, 0)
        if params.vcpu not in self.line:
            left = min(left, (deadline - now) * params.budget // params.period)
        return left

    def rank(self, params: VcpuParams, now: int) -> int | None:
        if params.budget == 0:
            return self.BACKGROUND
        return now - now % params.period + params.period if self.budget(params, now) > 0 else None

    def next_change(self, params: VcpuParams, now: int) -> int | None:
        if params.budget == 0:
            return None
        deadline = now - now % params.period + params.period
        left = self.budget(params, now)
        return min(deadline, now + left) if left > 0 else deadline


class PartitionReference(Reference):
    def __init__(self, slice_cycles: int, table: Table) -> None:
        super().__init__(slice_cycles)
        self.table = table

    def owner(self, now: int) -> str:
        """Whose cycle it is: walk along the table cycle by cycle."""
        cycles = [cell for cell, length in self.table for _ in range(length)]
        return cycles[now % len(cycles)]

    def starts(self, now: int) -> list[tuple[int, str]]:
        """The starts of windows in the two frames from that of `now` on."""
        frame = sum(length for _, length in self.table)
        begin, found = now - now % frame, []
        for cell, length in self.table * 2:
            found.append((begin, cell))
            begin += length
        return found

    def rank(self, params: VcpuParams, now: int) -> int | None:
        return 0 if self.owner(now) == params.cell else None

    def next_change(self, params: VcpuParams, now: int) -> int | None:
        later = [(start, cell) for start, cell in self.starts(now) if start > now]
        if self.owner(now) == params.cell:
            return later[0][0]
        return next(start for start, cell in later if cell == params.cell)

    def outside(self, vcpu: int) -> tuple[int, int]:
        """How often and for how many cycles it ran in windows of others."""
        cell = self.known[vcpu].cell
        late = [
            sum(self.owner(t) != cell for t in range(start, end))
            for what, start, end in self.log[vcpu]
            if what == "ran"
        ]
        return sum(cycles > 0 for cycles in late), sum(late)
