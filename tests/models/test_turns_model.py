"""Promises of fixed priority and round robin over time: no idling, no inversion, no starvation among equals."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hypervisor.core.policies import VcpuParams, make_policy
from tests.support.one_core import Happening, Stretch, run_one_core, runnable_stretches, used

END = 300
MODEL = settings(max_examples=100, deadline=None, derandomize=True)

priorities = st.lists(st.integers(0, 2), min_size=1, max_size=5)
slices = st.integers(1, 30)
late = st.lists(st.integers(0, 9), min_size=1, max_size=4)
happenings = st.builds(
    Happening, st.integers(0, END), st.sampled_from(["wake", "wake", "block", "yield"]), st.integers(0, 4)
)
scripts = st.lists(happenings, max_size=25)


def play(
    name: str, numbers: Sequence[int], slice_cycles: int, script: Sequence[Happening], overshoots: Sequence[int] = (0,)
) -> list[Stretch]:
    policy = make_policy(name, slice_cycles=slice_cycles)
    for vcpu, priority in enumerate(numbers):
        policy.add(VcpuParams(vcpu, f"cell{vcpu}", priority))
    return run_one_core(policy, script, END, overshoots)


def runnable(script: Sequence[Happening], count: int) -> list[set[int]]:
    """Cycle by cycle: who is runnable."""
    table: list[set[int]] = [set() for _ in range(END)]
    for vcpu in range(count):
        for start, end in runnable_stretches(script, vcpu, END):
            for cycle in range(start, end):
                table[cycle].add(vcpu)
    return table


def of(script: Sequence[Happening], count: int) -> list[Happening]:
    return [happening for happening in script if happening.vcpu < count]


@pytest.mark.slow
@MODEL
@given(priorities, slices, scripts)
def test_in_every_cycle_one_of_the_highest_runnable_priority_runs(
    numbers: list[int], slice_cycles: int, script: list[Happening]
) -> None:
    script = of(script, len(numbers))
    wanting = runnable(script, len(numbers))
    runs: list[int | None] = [None] * END
    for stretch in play("fixed_priority", numbers, slice_cycles, script):
        runs[stretch.start : stretch.end] = [stretch.vcpu] * (stretch.end - stretch.start)
    for cycle, vcpu in enumerate(runs):
        if vcpu is None:
            assert not wanting[cycle], f"idle in cycle {cycle}"
        else:
            assert vcpu in wanting[cycle]
            assert numbers[vcpu] == max(numbers[other] for other in wanting[cycle])


@pytest.mark.slow
@MODEL
@given(st.integers(2, 5), slices, scripts, late)
def test_while_one_waits_each_other_gets_at_most_one_slice_and_one_overshoot(
    count: int, slice_cycles: int, script: list[Happening], overshoots: list[int]
) -> None:
    """vCPU 0 is always runnable; the others come, go and yield as they like."""
    script = [happening for happening in of(script, count) if happening.vcpu != 0]
    stretches = play("round_robin", [0] * count, slice_cycles, [Happening(0, "wake", 0), *script], overshoots)
    mine = [stretch for stretch in stretches if stretch.vcpu == 0]
    gaps = zip([0, *(s.end for s in mine)], [*(s.start for s in mine), END], strict=True)
    for start, end in gaps:
        for other in range(1, count):
            assert used(stretches, other, start, end) <= slice_cycles + max(overshoots)


@pytest.mark.slow
@MODEL
@given(st.integers(1, 5), slices)
def test_equals_that_always_want_to_run_differ_by_one_slice_at_most(count: int, slice_cycles: int) -> None:
    script = [Happening(0, "wake", vcpu) for vcpu in range(count)]
    stretches = play("round_robin", [0] * count, slice_cycles, script)
    shares = [used(stretches, vcpu, 0, END) for vcpu in range(count)]
    assert sum(shares) == END
    assert max(shares) - min(shares) <= slice_cycles
