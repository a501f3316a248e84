"""What the policies should do, written as plainly as possible, for model tests to compare with.

A queue is a list in order of arrival; a budget is worked out anew from the log of what happened in the period; a window
is found by walking along the table. Nothing here is quick, and nothing is shared with `hypervisor.core.policies` but
`VcpuParams`. Time must not go backwards.
"""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction
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

    def rises(self, params: VcpuParams, now: int) -> int | None:
        """When time alone makes it more urgent, for one that waits with a rank."""
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
        times += [self.rises(p, now) for p in self.candidates(core, busy) if p not in barred]
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


class EarliestDeadlineReference(Reference):
    """Cycle by cycle from the log: each cycle takes one from the budget, a new period begins when the old one is over."""

    LEVEL = 10**6

    def server(self, params: VcpuParams, now: int) -> tuple[int, int, int]:
        """(deadline, what is left, budgets spent) if nothing more happens before `now`."""
        budget, period = params.budget, params.period
        deadline = left = spent = 0
        asleep = Entry("wake", now, now) if params.vcpu not in self.line else Entry("ran", now, now)
        for what, start, end in [*self.log[params.vcpu], asleep]:
            if what == "wake":
                if start >= deadline or (spent == 0 and Fraction(left, deadline - start) > Fraction(budget, period)):
                    deadline, left, spent = start + period, budget, 0
                continue
            for now_ in range(start, max(end, start + 1)):
                while now_ >= deadline:
                    deadline, left, spent = deadline + period, budget, 0
                if what == "yield":
                    left, spent = budget, spent + 1
                elif end > start:
                    left -= 1
                    if left == 0:
                        left, spent = budget, spent + 1
        return deadline, left, spent

    def yield_(self, vcpu: int, now: int) -> None:
        if vcpu in self.line:
            super().yield_(vcpu, now)

    def rank(self, params: VcpuParams, now: int) -> int | None:
        if params.budget == 0:
            return self.LEVEL
        deadline, _, spent = self.server(params, now)
        return 2 * spent * self.LEVEL + deadline

    def next_change(self, params: VcpuParams, now: int) -> int | None:
        if params.budget == 0:
            return None
        deadline, left, _ = self.server(params, now)
        return min(deadline, now + left)

    def rises(self, params: VcpuParams, now: int) -> int | None:
        if params.budget == 0:
            return None
        deadline, _, spent = self.server(params, now)
        return deadline if spent else None

    def preempts(self, waker: int, running: int, core: int, now: int) -> bool:
        if super().preempts(waker, running, core, now):
            return True
        params, rival = self.known[waker], self.known[running]
        if waker == running or not (params.cores == () or core in params.cores):
            return False
        rise, end = self.rises(params, now), self.next_change(rival, now)
        if rise is None or (end is not None and rise >= end):
            return False
        mine, theirs = self.rank(params, rise), self.rank(rival, rise)
        return mine is not None and theirs is not None and mine < theirs


class CreditReference(Reference):
    """Accounts by hand: every cycle that runs takes one credit, and every period each account is gone through."""

    def __init__(self, slice_cycles: int, cores: int) -> None:
        super().__init__(slice_cycles)
        self.period, self.cores = 3 * slice_cycles, cores
        self.number = 0
        self.credit: dict[int, int] = {}
        self.marks: defaultdict[int, set[str]] = defaultdict(set)  # of active, over, parked, boosted

    def add(self, params: VcpuParams) -> None:
        super().add(params)
        self.credit[params.vcpu] = 0

    def remove(self, vcpu: int) -> None:
        super().remove(vcpu)
        del self.credit[vcpu]
        self.marks.pop(vcpu, None)

    def wake(self, vcpu: int, now: int) -> None:
        self.pass_to(now)
        if vcpu not in self.line:
            self.marks[vcpu].discard("boosted")
            if not self.marks[vcpu] & {"over", "parked"}:
                self.marks[vcpu].add("boosted")
        super().wake(vcpu, now)

    def charge(self, vcpu: int, start: int, end: int) -> None:
        super().charge(vcpu, start, end)
        for now in range(start, end):
            self.pass_to(now)
            self.credit[vcpu] -= 1
            self.marks[vcpu].add("active")
            if (now + 1) % self.slice == 0:
                self.marks[vcpu].discard("boosted")

    def pass_to(self, now: int) -> None:
        while self.number < now // self.period:
            self.number += 1
            self.account()

    def most(self, params: VcpuParams) -> int:
        return -(-self.period * params.cap // 100) if params.cap else self.period

    def account(self) -> None:
        earned = self.earned([p for p in self.known.values() if "active" in self.marks[p.vcpu]])
        for vcpu, params in self.known.items():
            marks = self.marks[vcpu]
            marks.discard("boosted")
            if "active" not in marks:
                continue
            self.credit[vcpu] += earned[vcpu]
            if self.credit[vcpu] >= 0:
                marks -= {"over", "parked"}
                if self.credit[vcpu] > self.period:
                    self.credit[vcpu] //= 2
                    marks.discard("active")
                continue
            marks.add("over")
            if params.cap and self.credit[vcpu] < -self.most(params):
                marks.add("parked")
            if not params.cap and self.credit[vcpu] < -self.period:
                self.credit[vcpu] = -self.period

    def earned(self, active: list[VcpuParams]) -> dict[int, int]:
        """Again and again: everybody gets his part of the rest by weight; who has no room for it gets his most and leaves."""
        done: dict[int, int] = {}
        while True:
            waiting = [p for p in active if p.vcpu not in done]
            rest = Fraction(self.period * self.cores - sum(done.values()))
            weights = sum(p.weight for p in waiting)
            full = [p for p in waiting if rest * p.weight / weights >= self.most(p)]
            if not full:
                return done | {p.vcpu: -(-(rest * p.weight) // weights) for p in waiting}
            done |= {p.vcpu: self.most(p) for p in full}

    def at(self, now: int) -> CreditReference:
        """How things are at `now` if nothing happens before."""
        if now // self.period <= self.number:
            return self
        future = CreditReference(self.slice, self.cores)
        future.known, future.number, future.credit = self.known, self.number, dict(self.credit)
        future.marks.update({vcpu: set(marks) for vcpu, marks in self.marks.items()})
        future.pass_to(now)
        return future

    def rank(self, params: VcpuParams, now: int) -> int | None:
        marks = self.at(now).marks[params.vcpu]
        if "parked" in marks:
            return None
        if "over" in marks:
            return 3
        return 1 if "boosted" in marks or params.vcpu not in self.line else 2

    def next_change(self, params: VcpuParams, now: int) -> int | None:
        boosted = "boosted" in self.at(now).marks[params.vcpu]
        grain = self.slice if boosted else self.period
        return now - now % grain + grain
