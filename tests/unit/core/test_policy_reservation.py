"""Reservations: budgets, deadlines, replenishment at multiples of the period, late risers, the background."""

from __future__ import annotations

import pytest

from hypervisor.core.errors import InvariantBroken
from hypervisor.core.policies import Idle, Reservation, Run, VcpuParams
from tests.support.invariants import Watch

FREE: frozenset[int] = frozenset()
A = VcpuParams(0, "a", budget=30, period=100)
B = VcpuParams(1, "b", budget=40, period=200)
IDLER = VcpuParams(2, "background")


@pytest.fixture
def policy(watch: Watch) -> Reservation:
    policy = watch(Reservation(1_000))
    for params in (A, B, IDLER):
        policy.add(params)
    return policy


def test_it_runs_until_its_budget_is_spent_and_waits_for_the_next_multiple_of_its_period(policy: Reservation) -> None:
    policy.wake(0, 0)
    assert policy.pick(0, 0, FREE) == Run(0, 30)
    policy.charge(0, 0, 0, 30)
    assert policy.pick(0, 30, FREE) == Idle(100)
    assert policy.pick(0, 99, FREE) == Idle(100)
    assert policy.pick(0, 100, FREE) == Run(0, 130)


def test_a_stop_within_the_budget_leaves_the_rest(policy: Reservation) -> None:
    policy.wake(0, 0)
    policy.charge(0, 0, 0, 12)
    assert policy.pick(0, 50, FREE) == Run(0, 68)


def test_the_earliest_deadline_goes_first(policy: Reservation) -> None:
    policy.wake(1, 0)
    policy.wake(0, 0)
    assert policy.pick(0, 0, FREE) == Run(0, 30)
    policy.charge(0, 0, 0, 30)
    assert policy.pick(0, 30, FREE) == Run(1, 70)


def test_it_decides_again_when_a_spent_budget_comes_back(policy: Reservation) -> None:
    policy.wake(0, 0)
    policy.wake(1, 0)
    policy.charge(0, 0, 0, 30)
    policy.charge(1, 0, 30, 31)
    assert policy.pick(0, 95, FREE) == Run(1, 100)
    assert policy.pick(0, 100, FREE) == Run(0, 130)


def test_an_equal_deadline_is_served_in_order_of_waking(policy: Reservation) -> None:
    policy.wake(1, 100)
    policy.wake(0, 100)
    assert policy.pick(0, 100, FREE) == Run(1, 120)


def test_the_background_runs_only_in_what_is_left_and_until_a_budget_comes_back(policy: Reservation) -> None:
    policy.wake(2, 0)
    policy.wake(0, 0)
    assert policy.pick(0, 0, FREE) == Run(0, 30)
    policy.charge(0, 0, 0, 30)
    assert policy.pick(0, 30, FREE) == Run(2, 100)
    policy.block(0, 50)
    assert policy.pick(0, 50, FREE) == Run(2, 1_050)


def test_the_background_takes_turns(policy: Reservation) -> None:
    policy.add(VcpuParams(3, "more"))
    policy.wake(2, 0)
    policy.wake(3, 0)
    policy.charge(2, 0, 0, 1_000)
    assert policy.pick(0, 1_000, FREE) == Run(3, 2_000)


def test_an_overshoot_counts_where_it_happened(policy: Reservation) -> None:
    policy.wake(0, 0)
    policy.charge(0, 0, 0, 35)
    assert policy.pick(0, 100, FREE) == Run(0, 130)
    policy.charge(0, 0, 190, 207)
    assert policy.pick(0, 207, FREE) == Run(0, 230)


def test_a_late_riser_gets_its_share_of_the_rest_of_the_period(policy: Reservation) -> None:
    policy.wake(0, 90)
    assert policy.pick(0, 90, FREE) == Run(0, 93)
    policy.charge(0, 0, 90, 93)
    assert policy.pick(0, 93, FREE) == Idle(100)
    assert policy.pick(0, 100, FREE) == Run(0, 130)


def test_a_nap_does_not_cost_more_than_the_share_that_was_slept_through(policy: Reservation) -> None:
    policy.wake(0, 0)
    policy.charge(0, 0, 0, 10)
    policy.block(0, 10)
    policy.wake(0, 30)
    assert policy.pick(0, 30, FREE) == Run(0, 50)
    policy.block(0, 30)
    policy.wake(0, 50)
    assert policy.pick(0, 50, FREE) == Run(0, 65)


def test_who_wakes_in_the_last_cycle_waits_for_the_period(policy: Reservation) -> None:
    policy.wake(0, 99)
    assert policy.pick(0, 99, FREE) == Idle(100)


def test_a_yield_gives_up_the_rest_of_the_budget(policy: Reservation) -> None:
    policy.wake(0, 0)
    policy.charge(0, 0, 0, 5)
    policy.yield_(0, 5)
    assert policy.pick(0, 5, FREE) == Idle(100)
    assert policy.pick(0, 100, FREE) == Run(0, 130)


def test_a_yield_at_the_start_of_a_period_gives_up_that_period(policy: Reservation) -> None:
    policy.wake(0, 0)
    policy.charge(0, 0, 95, 100)
    policy.yield_(0, 100)
    assert policy.pick(0, 100, FREE) == Idle(200)


def test_an_earlier_deadline_preempts_and_the_background_never_does(policy: Reservation) -> None:
    assert policy.preempts(waker=0, running=1, core=0, now=20)
    assert not policy.preempts(waker=0, running=1, core=0, now=120)
    assert policy.preempts(waker=1, running=2, core=0, now=20)
    assert not policy.preempts(waker=2, running=1, core=0, now=20)


def test_one_without_budget_makes_the_core_be_picked_for_again_if_it_is_released_meanwhile(policy: Reservation) -> None:
    policy.wake(0, 0)
    policy.charge(0, 0, 0, 30)
    policy.block(0, 30)
    assert policy.preempts(waker=0, running=2, core=0, now=60)
    policy.wake(2, 0)
    policy.wake(0, 60)
    assert policy.pick(0, 60, FREE) == Run(2, 100)


def test_one_without_budget_leaves_alone_who_stops_before_its_release_anyway(policy: Reservation) -> None:
    policy.wake(1, 0)
    policy.wake(0, 0)
    policy.charge(0, 0, 0, 30)
    policy.block(0, 30)
    assert not policy.preempts(waker=0, running=1, core=0, now=50), "at 90 the budget of 1 ends, 0 is released at 100"


def test_preempts_asks_only_and_changes_nothing(policy: Reservation) -> None:
    policy.wake(1, 0)
    policy.preempts(waker=0, running=1, core=0, now=99)
    policy.wake(0, 0)
    assert policy.pick(0, 0, FREE) == Run(0, 30)


def test_waking_one_that_runs_does_not_charge_the_old_period_to_the_new_one(policy: Reservation) -> None:
    policy.wake(0, 90)
    policy.wake(0, 100)
    policy.charge(0, 0, 90, 100)
    assert policy.pick(0, 100, FREE) == Run(0, 130)


def test_a_core_that_is_behind_gives_no_old_budget(policy: Reservation) -> None:
    policy.wake(0, 100)
    policy.charge(0, 1, 100, 130)
    assert policy.pick(0, 95, FREE) == Idle(200)


def test_a_core_that_is_behind_gives_no_budget_of_the_next_period(policy: Reservation) -> None:
    policy.wake(0, 0)
    policy.charge(0, 1, 70, 100)
    assert policy.pick(0, 95, FREE) == Idle(100)


def test_a_removed_vcpu_takes_its_server_with_it(policy: Reservation) -> None:
    policy.wake(0, 0)
    policy.charge(0, 0, 0, 30)
    policy.remove(0)
    policy.add(A)
    policy.wake(0, 40)
    assert policy.pick(0, 40, FREE) == Run(0, 58)


def test_a_budget_that_was_forged_is_found(policy: Reservation) -> None:
    broken = Reservation(1_000)
    broken.add(A)
    broken._servers[0].left = 31
    with pytest.raises(InvariantBroken, match=r"^reservation: vCPU 0 has 31 of a budget of 30 left$"):
        broken.check_invariants()
    del broken._servers[0]
    with pytest.raises(InvariantBroken, match=r"^reservation: vCPU 0 and its server do not match$"):
        broken.check_invariants()
