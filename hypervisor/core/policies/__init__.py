"""Scheduling policies: who gets a core. One file each; `POLICIES` is the table of their names in topologies.

>>> policy = make_policy("round_robin", slice_cycles=10_000)
>>> policy.add(VcpuParams(vcpu=0, cell="ui"))
>>> policy.wake(0, now=0)
>>> policy.pick(core=0, now=0, busy=frozenset())
Run(vcpu=0, until=10000)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hypervisor.core.policies.credit import Credit
from hypervisor.core.policies.edf import EarliestDeadline
from hypervisor.core.policies.fixed_priority import FixedPriority
from hypervisor.core.policies.partition import Overrun, Partition
from hypervisor.core.policies.policy import Idle, Policy, Run, VcpuParams
from hypervisor.core.policies.ranked import RankedPolicy
from hypervisor.core.policies.reservation import Reservation
from hypervisor.core.policies.round_robin import RoundRobin

__all__ = [
    "POLICIES",
    "Credit",
    "EarliestDeadline",
    "FixedPriority",
    "Idle",
    "Overrun",
    "Partition",
    "Policy",
    "Reservation",
    "RoundRobin",
    "Run",
    "VcpuParams",
    "make_policy",
]

Windows = Sequence[tuple[str, int]]

POLICIES: dict[str, Callable[[int, Windows], RankedPolicy]] = {
    "fixed_priority": lambda slice_cycles, _: FixedPriority(slice_cycles),
    "round_robin": lambda slice_cycles, _: RoundRobin(slice_cycles),
    "reservation": lambda slice_cycles, _: Reservation(slice_cycles),
    "partition": Partition,
    "credit": lambda slice_cycles, _: Credit(slice_cycles),
    "edf": lambda slice_cycles, _: EarliestDeadline(slice_cycles),
}
"""Name in a topology -> how it is made from the slice and the time table (which only `partition` reads)."""


def make_policy(name: str, *, slice_cycles: int, windows: Windows = (), grain: int = 0, cores: int = 1) -> Policy:
    """The policy that a topology names; `grain` as in `RankedPolicy`, `cores` that the board has.

    Raises:
        ValueError: no such policy, or values that it cannot work with.
    """
    if name not in POLICIES:
        raise ValueError(f'there is no scheduling policy "{name}"; there are: {", ".join(POLICIES)}')
    policy = POLICIES[name](slice_cycles, windows)
    policy.grain, policy.cores = grain, cores
    return policy
