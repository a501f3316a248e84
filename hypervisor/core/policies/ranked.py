"""What all our policies share: a rank for each vCPU, and turns of one slice among those of equal rank.

A policy is then three answers. `rank`: how urgent is this vCPU now (lower is more urgent; None: it may not run now).
`release`: when may one that may not run now run again. `limit`: until when does the answer `rank` hold for one that
runs.

Among equals order is by serial: each wake-up, spent slice and yield puts a vCPU at the tail with a new serial and a
full slice; one that was preempted keeps its place and the rest of its slice. So `pick` and `preempts` agree by
construction, and while a vCPU waits each of its equals gets at most one turn. The choice is one loop over all vCPUs: a
board has a dozen, not thousands.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from hypervisor.abi.time import NEVER
from hypervisor.core.errors import InvariantBroken, require_none
from hypervisor.core.policies.policy import Idle, Run, VcpuParams


@dataclass(slots=True)
class Turn:
    """A runnable vCPU's place among its equals (lower serial first) and what is left of its slice."""

    serial: int
    left: int


class RankedPolicy(ABC):
    """A policy by rank, with round robin among equals. See `policy.Policy` for the calls.

    `grain`: what is left of a slice when a vCPU stops counts as spent up to so many cycles.

    Raises:
        ValueError: a slice that is not positive.
    """

    grain = 0

    def __init__(self, slice_cycles: int) -> None:
        if slice_cycles <= 0:
            raise ValueError(f"a slice must be positive, not {slice_cycles} cycles")
        self._slice = slice_cycles
        self._vcpus: dict[int, VcpuParams] = {}
        self._turns: dict[int, Turn] = {}
        self._serial = 0

    # ---- what a policy answers

    @abstractmethod
    def rank(self, params: VcpuParams, now: int) -> int | None:
        """How urgent it is at `now` if it is (or becomes) runnable: lower is more urgent; None if it may not run."""

    def release(self, params: VcpuParams, now: int) -> int:
        """For one that has no rank: when it may run next (later than `now`); NEVER if not by the passing of time."""
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
        del self._vcpus[vcpu]

    def wake(self, vcpu: int, now: int) -> None:
        """It became runnable: to the tail of its equals."""
        self._known(vcpu)
        if vcpu not in self._turns:
            self._to_tail(vcpu)

    def block(self, vcpu: int, now: int) -> None:
        """It is no longer runnable: its turn is over."""
        self._known(vcpu)
        self._turns.pop(vcpu, None)

    def charge(self, vcpu: int, core: int, start: int, end: int) -> None:
        """Take what it ran from its slice; who has none left goes to the tail."""
        self._known(vcpu)
        if end < start:
            raise InvariantBroken(f"policy: vCPU {vcpu} ran backwards on core {core}, from {start} to {end}")
        turn = self._turns.get(vcpu)
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
        best: tuple[int, int, int] | None = None
        released = NEVER
        for vcpu, turn in self._turns.items():
            params = self._vcpus[vcpu]
            if vcpu in busy or not params.may_use(core):
                continue
            rank = self.rank(params, now)
            if rank is None:
                released = min(released, self.release(params, now))
            elif best is None or (rank, turn.serial) < best[:2]:
                best = rank, turn.serial, vcpu
        if best is None:
            return Idle(released)
        chosen = best[2]
        # Who is released meanwhile may be more urgent, so that is a time to look again too.
        return Run(chosen, min(now + self._turns[chosen].left, self.limit(self._vcpus[chosen], now), released))

    def preempts(self, waker: int, running: int, core: int, now: int) -> bool:
        """A more urgent one preempts; an equal one waits for its turn."""
        params, rival = self._known(waker), self._known(running)
        if waker == running or not params.may_use(core):
            return False
        mine = self.rank(params, now)
        if mine is None:
            # It may not run yet. If it is released while the other would still run, the core has to be looked at now:
            # the other's time was set when this one was no candidate, and would carry it past the release.
            limit, now = self.limit(rival, now), self.release(params, now)
            mine = self.rank(params, now) if now < limit else None
        theirs = self.rank(rival, now)
        return mine is not None and (theirs is None or mine < theirs)

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

    def _known(self, vcpu: int) -> VcpuParams:
        params = self._vcpus.get(vcpu)
        if params is None:
            raise InvariantBroken(f"policy: vCPU {vcpu} is not known")
        return params

    def _to_tail(self, vcpu: int) -> None:
        self._turns[vcpu] = Turn(self._serial, self._slice)
        self._serial += 1
