"""What a scheduling policy is asked, and what it answers.

A policy orders vCPUs; it knows no time but what it is told, starts nothing and stops nothing. The scheduler calls
`charge` when a vCPU stops, `wake` and `block` when it becomes runnable or ceases to be, and `pick` for a core that is
free. Several cores may be at slightly different times: a policy must not assume that `now` never goes back between
cores.

    policy.add(VcpuParams(vcpu=0, cell="rt", priority=7, cores=(0,)))
    policy.wake(0, now=0)
    policy.pick(core=0, now=0, busy=frozenset())      # Run(vcpu=0, until=10_000)
    policy.charge(0, core=0, start=0, end=10_003)     # a stop may be a block late

Calls that no correct scheduler makes (an unknown vCPU, an end before its start) raise InvariantBroken.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol


@dataclass(frozen=True, slots=True)
class VcpuParams:
    """What a policy knows of a vCPU. `budget` cycles in each `period` (0, 0: none reserved); no `cores`: any core.

    `weight`: its share beside that of others; `cap`: percent of a core that it gets at most, 0 for no limit.

    Raises:
        ValueError: a budget without period, or one that does not fit into it; a weight or cap that makes no sense.
    """

    vcpu: int
    cell: str
    priority: int = 0
    budget: int = 0
    period: int = 0
    cores: tuple[int, ...] = ()
    weight: int = 256
    cap: int = 0

    def __post_init__(self) -> None:
        if (self.budget > 0) != (self.period > 0) or not 0 <= self.budget <= self.period:
            raise ValueError(
                f'vCPU {self.vcpu} of "{self.cell}": a budget of {self.budget} in a period of {self.period} cycles;'
                " give both or neither, the budget no longer than the period"
            )
        if self.weight < 1 or not 0 <= self.cap <= 100:
            raise ValueError(
                f'vCPU {self.vcpu} of "{self.cell}": a weight of {self.weight} and a cap of {self.cap} percent;'
                " the weight must be 1 or more, the cap 0 (none) to 100"
            )

    def may_use(self, core: int) -> bool:
        """Does its affinity allow this core?"""
        return not self.cores or core in self.cores


class Run(NamedTuple):
    """`vcpu` gets the core; the policy wants to decide again at `until` (always later than now)."""

    vcpu: int
    until: int


class Idle(NamedTuple):
    """Nobody may run before `until` (always later than now) for the policy's own reasons; NEVER: until a wake-up."""

    until: int


class Policy(Protocol):
    """A scheduling policy."""

    def add(self, vcpu: VcpuParams) -> None:
        """Learn of a vCPU. It is blocked at first."""
        ...

    def remove(self, vcpu: int) -> None:
        """Forget it. It must not be running."""
        ...

    def wake(self, vcpu: int, now: int) -> None:
        """It became runnable. Nothing happens if it was."""
        ...

    def block(self, vcpu: int, now: int) -> None:
        """It is no longer runnable. Nothing happens if it was not."""
        ...

    def charge(self, vcpu: int, core: int, start: int, end: int) -> None:
        """It has run on `core` from `start` to `end`."""
        ...

    def yield_(self, vcpu: int, now: int) -> None:
        """It gives up the rest of its turn."""
        ...

    def donate(self, giver: int, taker: int) -> None:
        """The giver, which is about to block, leaves its turn to the taker, which is about to wake. A hint."""
        ...

    def pick(self, core: int, now: int, busy: frozenset[int]) -> Run | Idle:
        """Who gets `core` now? Changes nothing. `busy`: vCPUs that run on other cores at the moment.

        An `Idle` knows nothing of the busy ones: ask again for idle cores whenever somebody has stopped.
        """
        ...

    def preempts(self, waker: int, running: int, core: int, now: int) -> bool:
        """Must `core` be picked for again at `now`, because `waker` becomes runnable then? Changes nothing.

        Yes, if it would take the core from `running`; also if it would do so a little later, when it is released from
        a spent budget. `pick` then may name `running` again, with an earlier end.
        """
        ...

    def check_invariants(self) -> None:
        """Is the policy's own state consistent?

        Raises:
            InvariantBroken: it is not.
        """
        ...
