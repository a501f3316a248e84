"""Cores and who runs on them.

Theory: a *round* is a stretch of virtual time up to `round_end`. Within a round each core goes its own way: it picks a vCPU,
lets it run to a time that the policy, the round and the next wake-up of a more urgent vCPU bound, charges it, and picks
again. Cores touch each other only between rounds. A board with one core has one endless round, cut by timers and stops; on
several cores a round is the board's quantum, which is no longer than the latency with which one core can reach another, so
nothing that happens inside a round could have been seen by another core anyway.

What the monitor does for a vCPU takes its core as well, and is not interrupted; but between the pieces of a long step (pages,
requests to a store) it looks whether a more urgent vCPU is due, or a timer that may wake one, as real hypervisors do, and lets
that go first. What is left is *owed*: the vCPU that called pays it when it is next given a core, before its guest goes on.
What the call did to others stands at its beginning, as ever. A stop of the run is no reason to look, or it would be seen in it.

A policy (policies/) says who is next; this file knows time, blocking, affinity and latency, and no policy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from hypervisor.abi.time import NEVER
from hypervisor.core.cell import ABSENT, BLOCKED, RUNNABLE, RUNNING, Cell, Vcpu
from hypervisor.core.errors import InvariantBroken
from hypervisor.core.policies import Policy, Run

_NOBODY: frozenset[int] = frozenset()


class Dispatch(NamedTuple):
    """A decision: `cell` gets `core` from `start` until `until`.

    `before`: the index of the core's last cell, None at first; `left`: why that left it. With `until == start` it only paid
    what it owed, all or some of it, in cycles by cause: its guest does not run, and the core is free again.
    """

    cell: Cell
    core: int
    start: int
    until: int
    horizon: int
    before: int | None
    left: str
    paid: Sequence[tuple[str, int]] = ()


@dataclass(slots=True)
class Core:
    """A modelled core. Times in cycles; `last` and `running` are cell indices."""

    index: int
    time: int = 0
    running: int | None = None
    last: int | None = None
    busy: int = 0
    idle: int = 0
    switches: int = 0
    switch_cycles: int = 0
    left: str = "boot"
    """Why its last vCPU left it."""


class Scheduler:
    """Places vCPUs on cores. The monitor is its only caller."""

    def __init__(self, cells: Sequence[Cell], cores: int, policy: Policy, switch_cost: int) -> None:
        self.cores = [Core(index) for index in range(cores)]
        self.round_end = 0
        self._cells = cells
        self._policy = policy
        self._switch_cost = switch_cost
        self._alone = cores == 1

    @property
    def running(self) -> bool:
        """True while any core runs a vCPU."""
        for core in self.cores:  # noqa: SIM110  this is asked at every exit, of one core mostly
            if core.running is not None:
                return True
        return False

    def time(self) -> int:
        """The time that every core has reached."""
        return self.cores[0].time if self._alone else min([core.time for core in self.cores])

    # ---- what happens to a vCPU

    def wake(self, vcpu: Vcpu, now: int) -> None:
        """A blocked or absent vCPU wants a core."""
        vcpu.state, vcpu.wake = RUNNABLE, NEVER
        self._policy.wake(vcpu.index, now)

    def block(self, vcpu: Vcpu, wake: int, now: int) -> None:
        """The vCPU waits until `wake`."""
        vcpu.state, vcpu.wake = BLOCKED, wake
        self._policy.block(vcpu.index, now)

    def withdraw(self, vcpu: Vcpu, now: int) -> None:
        """The vCPU is gone: its cell died or ended. A core that it had is free from `now`."""
        if vcpu.state is RUNNING:
            core = self.cores[vcpu.core]
            core.running, core.time = None, max(core.time, now)
        for core in self.cores:
            if core.last == vcpu.index:
                core.left = "dead"
        vcpu.state, vcpu.wake, vcpu.due, vcpu.inflight = ABSENT, NEVER, None, None
        vcpu.debts.clear()
        self._policy.block(vcpu.index, now)

    def stopped(self, vcpu: Vcpu, start: int, now: int, why: str) -> None:
        """The vCPU stopped at `now` for `why`, having had its core since `start`."""
        core = self.cores[vcpu.core]
        core.left = why
        core.running, core.time = None, now
        vcpu.time = now if now > start else start + 1  # no two runs of it begin at one time: a time names a run
        core.busy += now - start
        vcpu.state, vcpu.inflight = RUNNABLE, None
        self._policy.charge(vcpu.index, core.index, start, now)

    def slept(self, vcpu: Vcpu, cycles: int) -> None:
        """The vCPU skipped so much of the time that it had just had: its core was idle then."""
        core = self.cores[vcpu.core]
        core.busy -= cycles
        core.idle += cycles

    def delay(self, vcpu: Vcpu, cause: str, cycles: int, piece: int = 0, look: int = NEVER) -> int:
        """What was done for the vCPU takes its core so long, and counts as its own time; returns how much has passed now.

        `piece`: after each so many cycles a more urgent vCPU that is due goes first, and whatever is due at `look`; the rest
        is owed. 0: nobody does. While it owes, or its core is with another, all of it is.
        """
        core = self.cores[vcpu.core]
        done = cycles
        if vcpu.debts or core.running is not None:
            done = 0
        elif 0 < piece < cycles:
            end = min(core.time + cycles, look)
            until = self._preempted_by(core, self._cells[vcpu.index], end, self._sleepers(core))
            done = min(_whole(until - core.time, piece), cycles)
        if done < cycles:
            debt = cause, piece or cycles
            vcpu.debts[debt] = vcpu.debts.get(debt, 0) + cycles - done
        self._spend(core, vcpu, done)
        return done

    def _spend(self, core: Core, vcpu: Vcpu, cycles: int) -> None:
        if not cycles:
            return
        end = core.time + cycles
        self._policy.charge(vcpu.index, core.index, core.time, end)
        core.time = vcpu.time = end
        core.busy += cycles

    def give_way(self, vcpu: Vcpu, now: int) -> None:
        """The vCPU gives up the rest of its slice."""
        self._policy.yield_(vcpu.index, now)

    def donate(self, giver: Vcpu, taker: Vcpu) -> None:
        """The giver is about to wait for the taker, which waits too: the taker runs next, on what is left of the giver's slice.

        Nothing happens if the taker may not use the giver's core.
        """
        if giver.core in taker.cores:
            self._policy.donate(giver.index, taker.index)

    # ---- rounds

    def next_wake(self) -> int:
        """When the next blocked vCPU wakes by itself; the present if one is runnable."""
        times = [
            self.time() if cell.vcpu.state is RUNNABLE and not cell.paused else cell.vcpu.wake for cell in self._cells
        ]
        return min(times, default=NEVER)

    def open_round(self, start: int, end: int) -> None:
        """All cores go on from `start` to `end`; what a core slept through counts as idle."""
        for core in self.cores:
            if core.time < start:
                core.idle += start - core.time
                core.time = start
        self.round_end = end

    def fill(self) -> list[Dispatch]:
        """A vCPU for every core that is free and still inside the round."""
        given: list[Dispatch] = []
        for core in self.cores:
            if core.running is None:
                self._fill_core(core, given)
        return given

    def _fill_core(self, core: Core, given: list[Dispatch]) -> None:
        while core.time < self.round_end:
            self._wake_due(core)
            choice = self._policy.pick(core.index, core.time, self._busy(core))
            if isinstance(choice, Run):
                dispatch = self._dispatch(core, self._cells[choice.vcpu], choice.until)
                if dispatch is not None:
                    given.append(dispatch)
                    if core.running is not None:
                        return
                continue
            until = min(choice.until, self._next_wake_on(core), self.round_end)
            if until >= NEVER:
                return
            core.idle += until - core.time
            core.time = until

    def _busy(self, core: Core) -> frozenset[int]:
        """Those that a core cannot have now: they run elsewhere, or come from a core that is ahead."""
        if self._alone:
            return _NOBODY
        running = {other.running for other in self.cores if other.running is not None}
        return frozenset(running.union(cell.index for cell in self._ahead(core)))

    def _ahead(self, core: Core) -> list[Cell]:
        if self._alone:
            return []
        return [
            cell
            for cell in self._cells
            if cell.vcpu.time > core.time
            and cell.vcpu.state is RUNNABLE
            and not cell.paused
            and core.index in cell.vcpu.cores
        ]

    def _wake_due(self, core: Core) -> None:
        for cell in self._cells:
            vcpu = cell.vcpu
            if vcpu.wake <= core.time and vcpu.state is BLOCKED and not cell.paused and core.index in vcpu.cores:
                vcpu.due = vcpu.wake
                vcpu.time = max(vcpu.wake, vcpu.time)  # nor before that on a core that is not there yet
                self.wake(vcpu, vcpu.time)

    def _next_wake_on(self, core: Core) -> int:
        times = [cell.vcpu.wake for cell in self._sleepers(core)] + [cell.vcpu.time for cell in self._ahead(core)]
        return min(times, default=NEVER)

    def _sleepers(self, core: Core) -> list[Cell]:
        return [
            cell
            for cell in self._cells
            if cell.vcpu.wake < NEVER
            and cell.vcpu.state is BLOCKED
            and not cell.paused
            and core.index in cell.vcpu.cores
        ]

    def _dispatch(self, core: Core, cell: Cell, until: int) -> Dispatch | None:
        """Give the core to the cell; None if too little time is left for that."""
        vcpu, before, left = cell.vcpu, core.last, core.left
        ready = max(core.time, vcpu.time)  # it may come from a core that is ahead
        cost = self._switch_cost if before != cell.index else 0
        if ready >= self.round_end or ready + cost >= until:
            end = min(self.round_end, until)
            if end == until:  # a rest of a slice that is shorter than the switch is spent, or it would never end
                self._policy.charge(cell.index, core.index, core.time, end)
            core.idle += end - core.time
            core.time = end
            return None
        core.idle += ready - core.time
        start = ready + cost
        if cost:
            self._policy.charge(cell.index, core.index, ready, start)
            core.switch_cycles += cost
        core.switches += before != cell.index
        sleepers = self._sleepers(core)
        until = self._preempted_by(core, cell, min(until, self.round_end), sleepers)
        core.last, core.time, vcpu.core = cell.index, start, core.index
        if vcpu.debts:
            paid = self._pay(core, vcpu, until)
            return Dispatch(cell, core.index, start, start, start, before, left, paid)
        vcpu.state, core.running = RUNNING, cell.index
        until = max(until, start + 1)  # at least one block, so that every dispatch makes progress
        horizon = self._horizon(core, start, until, sleepers)
        return tuple.__new__(Dispatch, (cell, core.index, start, until, horizon, before, left, ()))  # as in monitor.py

    def _pay(self, core: Core, vcpu: Vcpu, until: int) -> list[tuple[str, int]]:
        """Of what the vCPU owes so many pieces as begin before `until`: cycles by cause."""
        paid = []
        while vcpu.debts and core.time < until:
            cause, piece = debt = next(iter(vcpu.debts))
            owed = vcpu.debts.pop(debt)
            done = min(_whole(until - core.time, piece), owed)
            if done < owed:
                vcpu.debts = {debt: owed - done, **vcpu.debts}  # it stays the first
            self._spend(core, vcpu, done)
            paid.append((cause, done))
        core.left = "owes"
        return paid

    def _preempted_by(self, core: Core, running: Cell, until: int, sleepers: list[Cell]) -> int:
        """The first time before `until` at which a more urgent vCPU wakes on this core."""
        wakes = [(cell, max(cell.vcpu.wake, core.time)) for cell in sleepers]
        if not self._alone:
            wakes += [(cell, cell.vcpu.time) for cell in self._ahead(core)]
        for cell, wake in wakes:
            if wake < until and self._policy.preempts(cell.index, running.index, core.index, wake):
                until = wake
        return until

    def _horizon(self, core: Core, start: int, until: int, sleepers: list[Cell]) -> int:
        """How far the running vCPU may skip its own idle time: until anybody else could want the core."""
        for cell in self._cells:
            if cell.vcpu.state is RUNNABLE and not cell.paused and core.index in cell.vcpu.cores:
                return start
        wakes = [until, *(cell.vcpu.wake for cell in sleepers)] if sleepers else [until]
        if not self._alone:
            wakes += [cell.vcpu.time for cell in self._ahead(core)]
        return max(start, min(wakes))

    def check_invariants(self) -> None:
        """Raises:
        InvariantBroken: a core and a vCPU disagree on who runs where.
        """
        for core in self.cores:
            if core.running is not None:
                vcpu = self._cells[core.running].vcpu
                if vcpu.state is not RUNNING or vcpu.core != core.index or core.index not in vcpu.cores:
                    raise InvariantBroken(
                        f"core {core.index} runs cell {core.running}, which is {vcpu.state} on core {vcpu.core}"
                    )
        running = [core.running for core in self.cores if core.running is not None]
        claimed = [cell.index for cell in self._cells if cell.vcpu.state is RUNNING]
        if sorted(running) != claimed:
            raise InvariantBroken(f"cores run {running}, but cells {claimed} believe to run")


def _whole(cycles: int, piece: int) -> int:
    """The time of the pieces that begin within so many cycles."""
    return -(-cycles // piece) * piece if cycles > 0 else 0
