"""What all our policies share: a rank for each vCPU, and turns of one slice among those of equal rank.

A policy is then three answers. `rank`: how urgent is this vCPU now (lower is more urgent; None: it may not run now).
`release`: when may one that may not run now run again. `limit`: until when does the answer `rank` hold for one that
runs.

Among equals order is by serial: each wake-up, spent slice and yield puts a vCPU at the tail with a new serial and a
full slice; one that was preempted keeps its place and the rest of its slice. So `pick` and `preempts` agree by
construction, and while a vCPU waits each of its equals gets at most one turn. The choice is one loop over all vCPUs: a
board has a dozen, not thousands.

A turn can be donated: the taker wakes with the giver's place and the rest of its slice, and where `donates_rank` also with
the giver's rank while that rest lasts, if it is the more urgent one. (Budgets and windows are promises to others: there a
donation moves the place alone.)
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from hypervisor.abi.time import NEVER
from hypervisor.core.errors import InvariantBroken, require_none
from hypervisor.core.policies.policy import Idle, Run, VcpuParams


@dataclass(slots=True)
class Turn:
    """A runnable vCPU's place among its equals (lower serial first) and what is left of its slice. `donor`: whose it was."""

    serial: int
    left: int
    donor: int | None = None


class RankedPolicy(ABC):
    """A policy by rank, with round robin among equals. See `policy.Policy` for the calls.

    `grain`: what is left of a slice when a vCPU stops counts as spent up to so many cycles.

    Raises:
        ValueError: a slice that is not positive.
    """

    grain = 0
    cores = 1
    """How many the board has."""
    donates_rank = False

    def __init__(self, slice_cycles: int) -> None:
        if slice_cycles <= 0:
            raise ValueError(f"a slice must be positive, not {slice_cycles} cycles")
        self._slice = slice_cycles
        asked = (RankedPolicy.release, RankedPolicy.improves, RankedPolicy.limit)
        self._changes = asked != (type(self).release, type(self).improves, type(self).limit)
        """Whether ranks change by the passing of time; of many policies they do not."""
        self._vcpus: dict[int, VcpuParams] = {}
        self._turns: dict[int, Turn] = {}
        self._given: dict[int, Turn] = {}
        self._serial = 0

    # ---- what a policy answers

    @abstractmethod
    def rank(self, params: VcpuParams, now: int) -> int | None:
        """How urgent it is at `now` if it is (or becomes) runnable: lower is more urgent; None if it may not run."""

    def release(self, params: VcpuParams, now: int) -> int:
        """For one that has no rank: when it may run next (later than `now`); NEVER if not by the passing of time."""
        return NEVER

    def improves(self, params: VcpuParams, now: int) -> int:
        """For one that has a rank and waits: when it becomes more urgent by the passing of time (later than `now`)."""
        return NEVER

    def limit(self, params: VcpuParams, now: int) -> int:
        """For one that has a rank: when the policy must look again, besides the end of the slice."""
        return NEVER

    # ---- vCPUs come, go and run

    def add(self, vcpu: VcpuParams) -> None:
        """Learn of a vCPU. It is blocked at first."""
        if vcpu.vcpu in self._vcpus:
            raise InvariantBroken(f"policy: vCPU {vcpu.vcpu} was added twice")
        self._vcpus[vcpu.vcpu] = vcpu

    def remove(self, vcpu: int) -> None:
        """Forget it."""
        self._known(vcpu)
        self._turns.pop(vcpu, None)
        self._given.pop(vcpu, None)
        del self._vcpus[vcpu]

    def wake(self, vcpu: int, now: int) -> None:
        """It became runnable: to the tail of its equals, or where it was given a turn."""
        self._known(vcpu)
        given = self._given.pop(vcpu, None)
        if vcpu in self._turns:
            return
        if given is not None and given.serial not in {turn.serial for turn in self._turns.values()}:
            self._turns[vcpu] = given
        else:
            self._to_tail(vcpu)

    def block(self, vcpu: int, now: int) -> None:
        """It is no longer runnable: its turn is over."""
        self._known(vcpu)
        self._turns.pop(vcpu, None)
        self._given.pop(vcpu, None)

    def donate(self, giver: int, taker: int) -> None:
        """Remember the giver's turn for the taker's wake-up. A turn that was donated goes on to the next, or back."""
        self._known(taker)
        turn = self._turns.get(giver)
        if turn is not None and taker not in self._turns:
            donor = giver if turn.donor is None else turn.donor
            self._given[taker] = Turn(turn.serial, turn.left, None if donor == taker else donor)

    def charge(self, vcpu: int, core: int, start: int, end: int) -> None:
        """Take what it ran from its slice; who has none left goes to the tail."""
        turn = self._turns.get(vcpu)
        if turn is None:
            self._known(vcpu)
        if end < start:
            raise InvariantBroken(f"policy: vCPU {vcpu} ran backwards on core {core}, from {start} to {end}")
        if turn is not None:
            turn.left -= end - start
            if turn.left <= self.grain:
                self._to_tail(vcpu)

    def yield_(self, vcpu: int, now: int) -> None:
        """To the tail of its equals."""
        self._known(vcpu)
        if vcpu in self._turns:
            self._to_tail(vcpu)

    # ---- decisions

    def pick(self, core: int, now: int, busy: frozenset[int]) -> Run | Idle:
        """The most urgent one that may use the core, the first in line among equals."""
        best: tuple[int, int, VcpuParams, Turn] | None = None
        again = NEVER
        for vcpu, turn in self._turns.items():
            params = self._vcpus[vcpu]
            if vcpu in busy or not params.may_use(core):
                continue
            rank = self._rank(params, now)
            # Who is released meanwhile, or rises, may be more urgent, so that is a time to look again too.
            if self._changes:
                again = min(again, (self.release if rank is None else self.improves)(params, now))
            if rank is not None and (best is None or (rank, turn.serial) < best[:2]):
                best = rank, turn.serial, params, turn
        if best is None:
            return Idle(again)
        _, _, chosen, turn = best
        end = now + turn.left
        return Run(chosen.vcpu, min(end, self.limit(chosen, now), again) if self._changes else end)

    def preempts(self, waker: int, running: int, core: int, now: int) -> bool:
        """A more urgent one preempts; an equal one waits for its turn."""
        params, rival = self._known(waker), self._known(running)
        if waker == running or not params.may_use(core):
            return False
        if self._beats(params, rival, now):
            return True
        # It may not run yet, or not before the other. If that changes while the other would still run, the core has to be looked
        # at now: the other's time was set when this one was no candidate, and would carry it past that.
        later = (self.release if self._rank(params, now) is None else self.improves)(params, now)
        return later < self.limit(rival, now) and self._beats(params, rival, later)

    def check_invariants(self) -> None:
        """Only known vCPUs have turns; places are distinct; each has a part of its slice left.

        Raises:
            InvariantBroken: it is not so.
        """
        problems = [f"policy: unknown vCPU {vcpu} has a turn" for vcpu in self._turns.keys() - self._vcpus.keys()]
        serials = [turn.serial for turn in self._turns.values()]
        if len(set(serials)) != len(serials) or any(serial >= self._serial for serial in serials):
            problems.append(f"policy: places are {serials}, the next is {self._serial}")
        problems += [
            f"policy: vCPU {vcpu} has {turn.left} of a slice of {self._slice} left"
            for vcpu, turn in self._turns.items()
            if not 0 < turn.left <= self._slice
        ]
        require_none(problems)

    def _beats(self, params: VcpuParams, rival: VcpuParams, now: int) -> bool:
        """Would it take a core from the other at `now`?"""
        mine, theirs = self._rank(params, now), self._rank(rival, now)
        return mine is not None and (theirs is None or mine < theirs)

    def _rank(self, params: VcpuParams, now: int) -> int | None:
        """The rank, or that of the donor of the turn that it has or will wake with."""
        own = self.rank(params, now)
        if own is None or not self.donates_rank:
            return own
        turn = self._turns.get(params.vcpu) or self._given.get(params.vcpu)
        if turn is None or turn.donor is None:
            return own
        given = self.rank(self._known(turn.donor), now)
        return own if given is None else min(own, given)

    def _known(self, vcpu: int) -> VcpuParams:
        params = self._vcpus.get(vcpu)
        if params is None:
            raise InvariantBroken(f"policy: vCPU {vcpu} is not known")
        return params

    def _to_tail(self, vcpu: int) -> None:
        self._turns[vcpu] = Turn(self._serial, self._slice)
        self._serial += 1
