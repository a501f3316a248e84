"""Reservations over time: what is reserved arrives, period after period, whatever the neighbours do."""

from __future__ import annotations

from hypervisor.core.policies import Reservation, VcpuParams
from tests.support.invariants import Watch
from tests.support.one_core import Happening, run_one_core, used

A = VcpuParams(0, "a", budget=30, period=100)


def test_a_spent_budget_comes_back_on_time_although_its_owner_slept_meanwhile(watch: Watch) -> None:
    policy = watch(Reservation(1_000))
    policy.add(A)
    policy.add(VcpuParams(1, "background"))
    script = [Happening(0, "wake", 0), Happening(0, "wake", 1), Happening(30, "block", 0), Happening(60, "wake", 0)]
    stretches = run_one_core(policy, script, 1_000)
    assert [used(stretches, 0, start, start + 100) for start in range(0, 1_000, 100)] == [30] * 10


def test_a_flooding_neighbour_cannot_take_what_is_reserved(watch: Watch) -> None:
    policy = watch(Reservation(1_000))
    policy.add(VcpuParams(0, "victim", budget=20, period=100))
    policy.add(VcpuParams(1, "flood", budget=80, period=100))
    wakes = [Happening(time, "wake", 1) for time in range(0, 5_000, 7)]
    naps = [Happening(time + 3, "block", 1) for time in range(0, 5_000, 7)]
    stretches = run_one_core(policy, [Happening(0, "wake", 0), *wakes, *naps], 5_000)
    assert [used(stretches, 0, start, start + 100) for start in range(0, 5_000, 100)] == [20] * 50


def test_without_the_rule_for_late_risers_a_neighbour_would_lose(watch: Watch) -> None:
    """b sleeps until just before its deadline, then has two budgets in a row; a is runnable throughout."""
    policy = watch(Reservation(1_000))
    policy.add(VcpuParams(0, "a", budget=15, period=30))
    policy.add(VcpuParams(1, "b", budget=10, period=20))
    script = [Happening(0, "wake", 0), Happening(30, "wake", 1)]
    stretches = run_one_core(policy, script, 60)
    assert used(stretches, 0, 30, 60) == 15
    assert used(stretches, 1, 30, 40) == 5
