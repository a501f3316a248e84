"""How policies are made from what a topology says, and what cannot be made."""

from __future__ import annotations

import pytest

from hypervisor.core.policies import POLICIES, Run, VcpuParams, make_policy

SLICE = 100


@pytest.mark.parametrize(("budget", "period"), [(1, 0), (0, 1), (11, 10), (-1, 10)])
def test_a_budget_needs_a_period_that_holds_it(budget: int, period: int) -> None:
    with pytest.raises(ValueError, match=f'^vCPU 0 of "a": a budget of {budget} in a period of {period} cycles'):
        VcpuParams(0, "a", budget=budget, period=period)


def test_every_policy_can_be_had_by_name() -> None:
    for name in POLICIES:
        policy = make_policy(name, slice_cycles=SLICE, windows=[("a", 50)])
        policy.add(VcpuParams(0, "a"))
        policy.wake(0, 0)
        assert policy.pick(0, 0, frozenset()) == Run(0, 50 if name == "partition" else 100)
        policy.check_invariants()


def test_what_cannot_work_is_refused_with_what_there_is() -> None:
    with pytest.raises(ValueError, match=r'^there is no scheduling policy "fair"; there are: fixed_priority, '):
        make_policy("fair", slice_cycles=SLICE)
    with pytest.raises(ValueError, match=r"^a slice must be positive, not 0 cycles$"):
        make_policy("round_robin", slice_cycles=0)
    with pytest.raises(ValueError, match=r"^a partition table needs windows of positive length, not \[\]$"):
        make_policy("partition", slice_cycles=SLICE)
