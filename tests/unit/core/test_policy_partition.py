"""Partitions: windows exact to the cycle, idle time stays idle, lateness is on record."""

from __future__ import annotations

import pytest

from hypervisor.abi.time import NEVER
from hypervisor.core.errors import InvariantBroken
from hypervisor.core.policies import Idle, Overrun, Partition, Run, VcpuParams
from tests.support.invariants import Watch
from tests.support.one_core import Happening, run_one_core

FREE: frozenset[int] = frozenset()
WINDOWS = [("rt", 20), ("linux", 70), ("spare", 10)]


@pytest.fixture
def policy(watch: Watch) -> Partition:
    policy = watch(Partition(50, WINDOWS))
    policy.add(VcpuParams(0, "rt"))
    policy.add(VcpuParams(1, "linux"))
    return policy


def test_only_the_cell_of_the_window_runs_and_only_to_its_end(policy: Partition) -> None:
    policy.wake(0, 0)
    policy.wake(1, 0)
    assert policy.pick(0, 0, FREE) == Run(0, 20)
    assert policy.pick(0, 19, FREE) == Run(0, 20)
    assert policy.pick(0, 20, FREE) == Run(1, 70)
    assert policy.pick(0, 60, FREE) == Run(1, 90)
    assert policy.pick(0, 100, FREE) == Run(0, 120)


def test_time_that_a_cell_does_not_use_stays_idle(policy: Partition) -> None:
    policy.wake(1, 0)
    assert policy.pick(0, 0, FREE) == Idle(20)
    assert policy.pick(0, 89, FREE) == Run(1, 90)
    assert policy.pick(0, 90, FREE) == Idle(120)


def test_a_spare_window_is_nobodys(policy: Partition) -> None:
    policy.wake(0, 0)
    policy.wake(1, 0)
    assert policy.pick(0, 95, FREE) == Idle(100)


def test_windows_stand_at_multiples_of_the_frame_from_time_zero(policy: Partition) -> None:
    frame = 100
    for start in (0, 7 * frame, (1 << 40) * frame):
        assert policy.window(start) == ("rt", start + 20)
        assert policy.window(start + 19) == ("rt", start + 20)
        assert policy.window(start + 20) == ("linux", start + 90)
        assert policy.window(start + 99) == ("spare", start + 100)


def test_a_cell_may_have_several_windows(watch: Watch) -> None:
    policy = watch(Partition(50, [("a", 10), ("b", 10), ("a", 5), ("b", 75)]))
    policy.add(VcpuParams(0, "a"))
    policy.wake(0, 0)
    assert [policy.pick(0, now, FREE) for now in (12, 20, 25, 99)] == [Idle(20), Run(0, 25), Idle(100), Idle(100)]


def test_several_vcpus_of_a_cell_take_turns_within_its_windows(policy: Partition) -> None:
    policy.add(VcpuParams(2, "rt"))
    policy.wake(0, 0)
    policy.wake(2, 0)
    policy.charge(0, 0, 0, 20)
    policy.charge(0, 0, 100, 120)
    assert policy.pick(0, 200, FREE) == Run(0, 210)
    policy.charge(0, 0, 200, 210)
    assert policy.pick(0, 210, FREE) == Run(2, 220)


def test_all_cores_share_the_table(policy: Partition) -> None:
    policy.add(VcpuParams(2, "rt"))
    policy.wake(0, 0)
    policy.wake(1, 0)
    policy.wake(2, 0)
    assert policy.pick(0, 0, FREE) == Run(0, 20)
    assert policy.pick(1, 0, frozenset({0})) == Run(2, 20)
    assert policy.pick(2, 0, frozenset({0, 2})) == Idle(20)


def test_nobody_takes_the_core_in_the_window_of_another(policy: Partition) -> None:
    policy.wake(1, 0)
    assert not policy.preempts(waker=0, running=1, core=0, now=50)
    assert policy.preempts(waker=0, running=1, core=0, now=100)
    assert not policy.preempts(waker=1, running=0, core=0, now=10)


def test_an_overshoot_moves_no_window_and_is_on_record(policy: Partition) -> None:
    policy.wake(0, 0)
    policy.wake(1, 0)
    policy.charge(0, 0, 0, 23)
    assert policy.pick(0, 23, FREE) == Run(1, 73)
    policy.charge(1, 0, 23, 90)
    policy.charge(0, 0, 100, 121)
    assert policy.overruns == {"rt": Overrun(count=2, cycles=4, worst=3), "linux": Overrun()}


def test_a_stretch_over_a_whole_frame_counts_only_what_was_outside(policy: Partition) -> None:
    policy.charge(0, 0, 10, 130)
    assert policy.overruns["rt"] == Overrun(count=1, cycles=90, worst=90)


def test_two_windows_in_a_row_of_one_cell_are_no_overrun(watch: Watch) -> None:
    policy = watch(Partition(50, [("a", 10), ("b", 10), ("a", 10)]))
    policy.add(VcpuParams(0, "a"))
    policy.charge(0, 0, 25, 35)
    assert policy.overruns["a"] == Overrun()


def test_a_cell_without_window_is_refused_by_name(policy: Partition) -> None:
    with pytest.raises(ValueError, match=r'^cell "brew" has no window; there are windows for: rt, linux, spare$'):
        policy.add(VcpuParams(9, "brew"))


@pytest.mark.parametrize("windows", [[], [("rt", 0)], [("rt", 5), ("linux", -1)]])
def test_a_table_needs_windows_with_length(windows: list[tuple[str, int]]) -> None:
    with pytest.raises(ValueError, match=r"^a partition table needs windows of positive length"):
        Partition(50, windows)


def test_nobody_runnable_is_idle_until_a_wake_up(policy: Partition) -> None:
    assert policy.pick(0, 0, FREE) == Idle(NEVER)


def test_a_neighbour_that_floods_changes_nothing_for_the_other(watch: Watch) -> None:
    """The strict table: what rt gets is the same with and without a busy neighbour, to the cycle."""
    calm = [Happening(0, "wake", 0), Happening(35, "block", 0), Happening(104, "wake", 0)]
    flood = [Happening(time, "wake" if time % 2 else "block", 1) for time in range(1, 500)]
    runs = []
    for script in (calm, calm + flood):
        policy = watch(Partition(50, WINDOWS))
        policy.add(VcpuParams(0, "rt"))
        policy.add(VcpuParams(1, "linux"))
        runs.append([s for s in run_one_core(policy, script, 500) if s.vcpu == 0])
    assert runs[0] == runs[1]
    assert [(s.start, s.end) for s in runs[0]][:3] == [(0, 20), (104, 120), (200, 220)]


def test_an_account_that_cannot_be_is_found(policy: Partition) -> None:
    broken = Partition(50, WINDOWS)
    broken.add(VcpuParams(0, "rt"))
    broken.overruns["rt"] = Overrun(count=1, cycles=5, worst=4)
    with pytest.raises(InvariantBroken, match=r'^partition: "rt" was late 1 times, 5 cycles, at worst 4$'):
        broken.check_invariants()
