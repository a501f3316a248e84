"""The grain of a policy: rests of slices that are not worth a turn."""

from __future__ import annotations

import pytest

from hypervisor.core.policies import VcpuParams, make_policy
from tests.support.scripted import Bench, Script


@pytest.mark.parametrize(("ran", "next_one", "until"), [(989, 0, 1_000), (990, 1, 1_990), (1_007, 1, 2_007)])
def test_a_rest_of_a_slice_up_to_the_grain_counts_as_spent(ran, next_one, until):
    policy = make_policy("round_robin", slice_cycles=1_000, grain=10)
    for vcpu in (0, 1):
        policy.add(VcpuParams(vcpu, f"c{vcpu}"))
        policy.wake(vcpu, 0)
    policy.charge(0, 0, 0, ran)
    policy.check_invariants()
    assert policy.pick(0, ran, frozenset()) == (next_one, until)


def hog(vcpu):
    while True:
        yield from vcpu.work(1_000_000)


def late_hog(vcpu):
    yield from vcpu.work(3)  # from now on it stops elsewhere than the other
    yield from hog(vcpu)


def exits(scripts: dict[str, Script], grain: int) -> int:
    bench = Bench(
        scripts, policy=make_policy("round_robin", slice_cycles=500, grain=grain), cores=2, quantum=500, latency=500
    )
    bench.until(50_000)
    return sum(sum(cell.account.exits.values()) for cell in bench.monitor.cells)


def test_slices_as_long_as_a_round_are_not_cut_in_two_by_stops_that_come_a_block_late():
    rounds = 50_000 // 500
    assert exits({"a": hog, "b": late_hog}, grain=10) <= 2 * rounds
    assert exits({"a": hog, "b": late_hog}, grain=0) > 2.5 * rounds
