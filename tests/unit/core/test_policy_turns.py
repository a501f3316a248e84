"""Fixed priority and round robin: who is next, until when, and who takes the core from whom."""

from __future__ import annotations

import pytest

from hypervisor.abi.time import NEVER
from hypervisor.core.errors import InvariantBroken
from hypervisor.core.policies import FixedPriority, Idle, Policy, RoundRobin, Run, VcpuParams
from tests.support.invariants import Watch
from tests.support.one_core import Happening, run_one_core, used

SLICE = 100
FREE: frozenset[int] = frozenset()


def filled(policy: Policy, *vcpus: VcpuParams) -> None:
    """Add and wake, in this order."""
    for params in vcpus:
        policy.add(params)
        policy.wake(params.vcpu, 0)


@pytest.fixture
def fixed(watch: Watch) -> FixedPriority:
    return watch(FixedPriority(SLICE))


@pytest.fixture
def robin(watch: Watch) -> RoundRobin:
    return watch(RoundRobin(SLICE))


def test_the_highest_number_runs_for_a_slice(fixed: FixedPriority) -> None:
    filled(fixed, VcpuParams(0, "a", priority=1), VcpuParams(1, "b", priority=9), VcpuParams(2, "c", priority=5))
    assert fixed.pick(0, 40, FREE) == Run(1, 140)


def test_a_new_vcpu_is_blocked_and_nothing_but_a_wake_up_helps(fixed: FixedPriority) -> None:
    fixed.add(VcpuParams(0, "a"))
    assert fixed.pick(0, 0, FREE) == Idle(NEVER)


def test_waking_twice_is_waking_once(robin: RoundRobin) -> None:
    filled(robin, VcpuParams(0, "a"), VcpuParams(1, "b"))
    robin.wake(0, 5)
    assert robin.pick(0, 5, FREE) == Run(0, 105)


def test_blocking_twice_is_blocking_once(robin: RoundRobin) -> None:
    filled(robin, VcpuParams(0, "a"))
    robin.block(0, 1)
    robin.block(0, 2)
    assert robin.pick(0, 2, FREE) == Idle(NEVER)


def test_equals_take_turns_of_a_slice(robin: RoundRobin) -> None:
    filled(robin, VcpuParams(0, "a", priority=3), VcpuParams(1, "b", priority=8), VcpuParams(2, "c"))
    order = []
    for turn in range(6):
        choice = robin.pick(0, turn * SLICE, FREE)
        assert isinstance(choice, Run)
        order.append(choice.vcpu)
        robin.charge(choice.vcpu, 0, turn * SLICE, choice.until)
    assert order == [0, 1, 2, 0, 1, 2]


def test_a_stop_within_the_slice_leaves_the_rest_of_it(robin: RoundRobin) -> None:
    filled(robin, VcpuParams(0, "a"), VcpuParams(1, "b"))
    robin.charge(0, 0, 0, 30)
    assert robin.pick(0, 30, FREE) == Run(0, 100)
    robin.charge(0, 0, 30, 99)
    assert robin.pick(0, 99, FREE) == Run(0, 100)
    robin.charge(0, 0, 99, 107)
    assert robin.pick(0, 107, FREE) == Run(1, 207)


def test_the_preempted_one_keeps_its_place_and_the_rest_of_its_slice(fixed: FixedPriority) -> None:
    filled(fixed, VcpuParams(0, "a"), VcpuParams(1, "b"))
    fixed.add(VcpuParams(2, "urgent", priority=1))
    fixed.charge(0, 0, 0, 60)
    fixed.wake(2, 60)
    assert fixed.pick(0, 60, FREE) == Run(2, 160)
    fixed.charge(2, 0, 60, 70)
    fixed.block(2, 70)
    assert fixed.pick(0, 70, FREE) == Run(0, 110)


def test_who_wakes_goes_to_the_tail_with_a_full_slice(robin: RoundRobin) -> None:
    filled(robin, VcpuParams(0, "a"), VcpuParams(1, "b"))
    robin.charge(0, 0, 0, 60)
    robin.block(0, 60)
    robin.wake(0, 60)
    assert robin.pick(0, 60, FREE) == Run(1, 160)
    robin.charge(1, 0, 60, 160)
    assert robin.pick(0, 160, FREE) == Run(0, 260)


def test_a_yield_lets_equals_go_first_but_nobody_below(fixed: FixedPriority) -> None:
    filled(fixed, VcpuParams(0, "a", priority=1), VcpuParams(1, "b", priority=1), VcpuParams(2, "low"))
    fixed.yield_(0, 10)
    assert fixed.pick(0, 10, FREE) == Run(1, 110)
    fixed.block(1, 20)
    fixed.yield_(0, 20)
    assert fixed.pick(0, 20, FREE) == Run(0, 120)


def test_a_vcpu_that_runs_elsewhere_or_may_not_use_the_core_is_passed_over(fixed: FixedPriority) -> None:
    filled(fixed, VcpuParams(0, "a", priority=3, cores=(1,)), VcpuParams(1, "b", priority=2), VcpuParams(2, "c"))
    assert fixed.pick(0, 0, FREE) == Run(1, 100)
    assert fixed.pick(1, 0, FREE) == Run(0, 100)
    assert fixed.pick(0, 0, frozenset({1})) == Run(2, 100)
    assert fixed.pick(0, 0, frozenset({1, 2})) == Idle(NEVER)


def test_only_a_higher_one_preempts_and_only_where_it_may_run(fixed: FixedPriority) -> None:
    for params in (VcpuParams(0, "a", 1), VcpuParams(1, "b", 1), VcpuParams(2, "c", 2, cores=(1,))):
        fixed.add(params)
    fixed.wake(0, 0)
    assert not fixed.preempts(waker=1, running=0, core=0, now=5)
    assert not fixed.preempts(waker=2, running=0, core=0, now=5)
    assert fixed.preempts(waker=2, running=0, core=1, now=5)
    assert not fixed.preempts(waker=0, running=2, core=1, now=5)
    assert not fixed.preempts(waker=2, running=2, core=1, now=5)


def test_nobody_preempts_in_round_robin(robin: RoundRobin) -> None:
    filled(robin, VcpuParams(0, "a"), VcpuParams(1, "b", priority=9))
    assert not robin.preempts(waker=1, running=0, core=0, now=5)


def test_a_removed_vcpu_is_forgotten_and_can_be_added_again(fixed: FixedPriority) -> None:
    filled(fixed, VcpuParams(0, "a", priority=9), VcpuParams(1, "b"))
    fixed.remove(0)
    assert fixed.pick(0, 0, FREE) == Run(1, 100)
    fixed.add(VcpuParams(0, "a", priority=9))
    assert fixed.pick(0, 0, FREE) == Run(1, 100)


def test_a_greedy_high_priority_starves_the_low_one_and_round_robin_does_not(watch: Watch) -> None:
    script = [Happening(0, "wake", 0), Happening(0, "wake", 1)]
    shares = {}
    for policy in (watch(FixedPriority(SLICE)), watch(RoundRobin(SLICE))):
        policy.add(VcpuParams(0, "greedy", priority=9))
        policy.add(VcpuParams(1, "meek"))
        shares[type(policy)] = used(run_one_core(policy, script, 10_000), 1, 0, 10_000)
    assert shares == {FixedPriority: 0, RoundRobin: 5_000}


@pytest.mark.parametrize("call", ["wake", "block", "yield_"])
def test_an_unknown_vcpu_is_a_mistake_of_the_caller(fixed: FixedPriority, call: str) -> None:
    with pytest.raises(InvariantBroken, match=r"^policy: vCPU 3 is not known$"):
        getattr(fixed, call)(3, 0)
    with pytest.raises(InvariantBroken, match=r"^policy: vCPU 3 is not known$"):
        fixed.remove(3)


def test_adding_twice_and_running_backwards_are_mistakes_of_the_caller(fixed: FixedPriority) -> None:
    filled(fixed, VcpuParams(0, "a"))
    with pytest.raises(InvariantBroken, match=r"^policy: vCPU 0 was added twice$"):
        fixed.add(VcpuParams(0, "a"))
    with pytest.raises(InvariantBroken, match=r"^policy: vCPU 0 ran backwards on core 1, from 5 to 4$"):
        fixed.charge(0, 1, 5, 4)


def test_an_inconsistent_queue_tells_its_story(robin: RoundRobin) -> None:
    broken = RoundRobin(SLICE)
    filled(broken, VcpuParams(0, "a"), VcpuParams(1, "b"))
    broken._turns[0].left = 0
    broken._turns[1].serial = 0
    with pytest.raises(InvariantBroken) as found:
        broken.check_invariants()
    assert found.value.story == (
        "policy: places are [0, 0], the next is 2",
        "policy: vCPU 0 has 0 of a slice of 100 left",
    )
