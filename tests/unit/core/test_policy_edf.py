"""Earliest deadline first: periods that begin with a wake-up, extra time below, and who comes back when."""

from __future__ import annotations

import pytest

from hypervisor.core.errors import InvariantBroken
from hypervisor.core.policies import EarliestDeadline, Run, VcpuParams
from tests.support.invariants import Watch
from tests.support.one_core import Happening, run_one_core, used

FREE: frozenset[int] = frozenset()
A = VcpuParams(0, "a", budget=30, period=100)
B = VcpuParams(1, "b", budget=40, period=200)
IDLER = VcpuParams(2, "background")


@pytest.fixture
def policy(watch: Watch) -> EarliestDeadline:
    policy = watch(EarliestDeadline(1_000))
    for params in (A, B, IDLER):
        policy.add(params)
    return policy


def test_a_period_begins_with_the_wake_up(policy: EarliestDeadline) -> None:
    policy.wake(0, 37)
    assert policy.pick(0, 37, FREE) == Run(0, 67)
    policy.charge(0, 0, 37, 67)
    assert policy.pick(0, 67, FREE).until == 97, "extra time, a budget at a time"
    assert policy.pick(0, 130, FREE).until == 137, "its deadline"
    assert policy.pick(0, 137, FREE) == Run(0, 167)


def test_the_earliest_deadline_goes_first_and_may_preempt(policy: EarliestDeadline) -> None:
    policy.wake(1, 0)
    assert policy.preempts(waker=0, running=1, core=0, now=50)
    assert not policy.preempts(waker=0, running=1, core=0, now=100), "equal deadlines take turns"
    policy.wake(0, 50)
    assert policy.pick(0, 50, FREE) == Run(0, 80)


def test_what_is_spent_goes_below_those_without_budget_and_they_go_below_the_rest(policy: EarliestDeadline) -> None:
    for vcpu in (2, 0, 1):
        policy.wake(vcpu, 0)
    policy.charge(0, 0, 0, 30)
    assert policy.pick(0, 30, FREE) == Run(1, 70)
    policy.charge(1, 0, 30, 70)
    assert policy.pick(0, 70, FREE) == Run(2, 100), "until the first one's deadline, when it is back on top"
    assert policy.pick(0, 100, FREE) == Run(0, 130)


def test_extra_time_is_shared_as_budgets_are(watch: Watch) -> None:
    policy = watch(EarliestDeadline(1_000))
    policy.add(VcpuParams(0, "a", budget=10, period=1_000))
    policy.add(VcpuParams(1, "b", budget=30, period=1_000))
    stretches = run_one_core(policy, [Happening(0, "wake", 0), Happening(0, "wake", 1)], 4_000)
    assert used(stretches, 0, 0, 4_000) == 1_000
    assert used(stretches, 1, 0, 4_000) == 3_000


def test_one_that_is_back_soon_keeps_what_it_has(policy: EarliestDeadline) -> None:
    policy.wake(0, 0)
    policy.charge(0, 0, 0, 20)
    policy.block(0, 20)
    policy.wake(0, 40)
    assert policy.pick(0, 40, FREE) == Run(0, 50)


def test_one_that_is_back_late_begins_anew_so_that_it_takes_no_two_budgets_at_once(policy: EarliestDeadline) -> None:
    policy.wake(0, 0)
    policy.block(0, 0)
    policy.wake(0, 90)
    assert policy.pick(0, 90, FREE) == Run(0, 120)
    policy.charge(0, 0, 90, 120)
    assert policy.pick(0, 120, FREE).until == 150, "extra time: its deadline is 190, not 100"
    assert not policy.preempts(waker=0, running=1, core=0, now=120)


def test_a_nap_does_not_bring_back_what_is_spent(policy: EarliestDeadline) -> None:
    policy.wake(1, 0)
    policy.wake(0, 0)
    policy.charge(0, 0, 0, 30)
    policy.block(0, 30)
    assert policy.preempts(waker=0, running=2, core=0, now=50), (
        "not now, but at its deadline: the core is to be looked at"
    )
    assert not policy.preempts(waker=0, running=1, core=0, now=40), "the other's budget is spent before that"
    policy.wake(0, 50)
    assert policy.pick(0, 50, FREE) == Run(1, 90)


def test_a_yield_gives_up_the_budget_and_nothing_more(policy: EarliestDeadline) -> None:
    policy.wake(0, 0)
    policy.wake(2, 0)
    policy.charge(0, 0, 0, 5)
    policy.yield_(0, 5)
    assert policy.pick(0, 5, FREE) == Run(2, 100)
    assert policy.pick(0, 100, FREE) == Run(0, 130)


def test_a_yield_of_one_that_sleeps_is_nothing(policy: EarliestDeadline) -> None:
    policy.yield_(0, 10)
    policy.wake(0, 20)
    assert policy.pick(0, 20, FREE) == Run(0, 50)


def test_a_stop_that_comes_late_takes_from_the_period_that_it_comes_into(policy: EarliestDeadline) -> None:
    policy.wake(0, 0)
    policy.charge(0, 0, 90, 107)
    assert policy.pick(0, 107, FREE) == Run(0, 130)


def test_the_core_never_idles_while_somebody_wants_it(policy: EarliestDeadline) -> None:
    stretches = run_one_core(policy, [Happening(0, "wake", 0)], 1_000)
    assert used(stretches, 0, 0, 1_000) == 1_000


def test_servers_that_cannot_be_are_found() -> None:
    broken = EarliestDeadline(1_000)
    broken.add(A)
    broken.wake(0, 0)
    broken._servers[0] = broken._servers[0].__class__(100, 31)
    with pytest.raises(InvariantBroken, match=r"^edf: vCPU 0 has 31 of a budget of 30 left$"):
        broken.check_invariants()
    del broken._servers[0]
    with pytest.raises(InvariantBroken, match=r"^edf: vCPU 0 and its server do not match$"):
        broken.check_invariants()
