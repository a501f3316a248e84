"""Every policy against its reference, for any sequence of calls on two cores.

After each step both must choose the same vCPU until the same time for each core, and give the same answer to each
possible preemption. Stops come when they come: early, on time, or arbitrarily late.
"""

from __future__ import annotations

from typing import ClassVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from hypervisor.abi.time import NEVER
from hypervisor.core.policies import Idle, Partition, Policy, Run, VcpuParams, make_policy
from tests.support import reference_policies as plain

CORES = (0, 1)
CELLS = ("a", "b", "c")
AFFINITIES = st.sampled_from([(), (0,), (1,), (0, 1)])
RESERVATIONS = st.sampled_from([(0, 0), (3, 10), (5, 10), (4, 7), (7, 7), (1, 25)])
WEIGHTS = st.sampled_from([(256, 0), (512, 0), (64, 0), (1, 0), (256, 50), (1024, 10), (256, 100)])
TABLE: plain.Table = [("a", 7), ("b", 3), ("a", 2), ("c", 9), ("nobody", 4)]


class PolicyMachine(RuleBasedStateMachine):
    """Two cores, up to six vCPUs, one clock."""

    NAME: ClassVar[str]
    policy: Policy
    reference: plain.Reference

    @initialize(slice_cycles=st.integers(1, 20))
    def build(self, slice_cycles: int) -> None:
        self.policy = make_policy(self.NAME, slice_cycles=slice_cycles, windows=TABLE, cores=len(CORES))
        self.reference = self.make_reference(slice_cycles)
        self.now = 0
        self.next_vcpu = 0
        self.running: dict[int, tuple[int, int]] = {}  # core -> vcpu, since

    def make_reference(self, slice_cycles: int) -> plain.Reference:
        return plain.Reference(slice_cycles)

    def busy(self, core: int) -> frozenset[int]:
        return frozenset(vcpu for other, (vcpu, _) in self.running.items() if other != core)

    def a_vcpu(self, data: st.DataObject) -> int:
        return data.draw(st.sampled_from(sorted(self.reference.known)))

    def stop(self, core: int) -> None:
        vcpu, since = self.running.pop(core)
        self.policy.charge(vcpu, core, since, self.now)
        self.reference.charge(vcpu, since, self.now)

    def stop_vcpu(self, vcpu: int) -> None:
        for core in [core for core in self.running if self.running[core][0] == vcpu]:
            self.stop(core)

    @precondition(lambda self: len(self.reference.known) < 6)
    @rule(
        cell=st.sampled_from(CELLS), priority=st.integers(0, 3), reserved=RESERVATIONS, cores=AFFINITIES, weight=WEIGHTS
    )
    def add(
        self, cell: str, priority: int, reserved: tuple[int, int], cores: tuple[int, ...], weight: tuple[int, int]
    ) -> None:
        params = VcpuParams(self.next_vcpu, cell, priority, *reserved, cores, *weight)
        self.next_vcpu += 1
        self.policy.add(params)
        self.reference.add(params)
        self.policy.wake(params.vcpu, self.now)
        self.reference.wake(params.vcpu, self.now)

    @precondition(lambda self: self.reference.known)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        vcpu = self.a_vcpu(data)
        self.stop_vcpu(vcpu)
        self.policy.remove(vcpu)
        self.reference.remove(vcpu)

    @precondition(lambda self: self.reference.known)
    @rule(data=st.data())
    def wake(self, data: st.DataObject) -> None:
        vcpu = self.a_vcpu(data)
        self.policy.wake(vcpu, self.now)
        self.reference.wake(vcpu, self.now)

    @precondition(lambda self: self.reference.known)
    @rule(data=st.data())
    def block(self, data: st.DataObject) -> None:
        vcpu = self.a_vcpu(data)
        self.stop_vcpu(vcpu)
        self.policy.block(vcpu, self.now)
        self.reference.block(vcpu)

    @precondition(lambda self: self.reference.known)
    @rule(data=st.data())
    def yield_(self, data: st.DataObject) -> None:
        vcpu = self.a_vcpu(data)
        self.stop_vcpu(vcpu)
        self.policy.yield_(vcpu, self.now)
        self.reference.yield_(vcpu, self.now)

    @rule(cycles=st.integers(1, 30))
    def pass_time(self, cycles: int) -> None:
        self.now += cycles

    @rule(core=st.sampled_from(CORES))
    def fill(self, core: int) -> None:
        if core in self.running:
            self.stop(core)
        choice = self.policy.pick(core, self.now, self.busy(core))
        if isinstance(choice, Run):
            assert choice.vcpu not in self.busy(core)
            self.running[core] = choice.vcpu, self.now

    @rule()
    def run_to_the_end(self) -> None:
        """The usual case, which random times would hardly meet: both cores run exactly as long as they should."""
        for core in CORES:
            self.fill(core)
        ends = [self.policy.pick(core, self.now, self.busy(core)).until for core in self.running]
        self.now = min(ends, default=self.now + 1)
        for core in list(self.running):
            self.stop(core)

    @invariant()
    def chooses_what_the_reference_chooses(self) -> None:
        for core in CORES:
            busy = self.busy(core)
            choice = self.policy.pick(core, self.now, busy)
            assert self.policy.pick(core, self.now, busy) == choice, "asking changes nothing"
            vcpu, until = self.reference.choice(core, self.now, busy), self.reference.until(core, self.now, busy)
            end = NEVER if until is None else until
            assert choice == (Idle(end) if vcpu is None else Run(vcpu, end))
            assert choice.until > self.now

    @invariant()
    def preempts_when_the_reference_does(self) -> None:
        for core, (running, _) in self.running.items():
            for waker in self.reference.known:
                expected = self.reference.preempts(waker, running, core, self.now)
                assert self.policy.preempts(waker, running, core, self.now) == expected

    @invariant()
    def is_consistent(self) -> None:
        self.policy.check_invariants()


class FixedPriorityMachine(PolicyMachine):
    NAME = "fixed_priority"

    def make_reference(self, slice_cycles: int) -> plain.Reference:
        return plain.FixedPriorityReference(slice_cycles)


class RoundRobinMachine(PolicyMachine):
    NAME = "round_robin"


class ReservationMachine(PolicyMachine):
    NAME = "reservation"

    def make_reference(self, slice_cycles: int) -> plain.Reference:
        return plain.ReservationReference(slice_cycles)


class PartitionMachine(PolicyMachine):
    NAME = "partition"

    def make_reference(self, slice_cycles: int) -> plain.Reference:
        return plain.PartitionReference(slice_cycles, TABLE)

    @invariant()
    def lateness_is_on_record(self) -> None:
        if self.next_vcpu != len(self.reference.known):
            return  # the account of a cell outlives its vCPUs, the reference's log does not
        assert isinstance(self.policy, Partition)
        assert isinstance(self.reference, plain.PartitionReference)
        late = [(p.cell, *self.reference.outside(p.vcpu)) for p in self.reference.known.values()]
        for cell, record in self.policy.overruns.items():
            expected = [(count, cycles) for other, count, cycles in late if other == cell]
            assert (record.count, record.cycles) == tuple(map(sum, zip(*expected, strict=True)))


class CreditMachine(PolicyMachine):
    NAME = "credit"

    def make_reference(self, slice_cycles: int) -> plain.Reference:
        return plain.CreditReference(slice_cycles, len(CORES))


class EarliestDeadlineMachine(PolicyMachine):
    NAME = "edf"

    def make_reference(self, slice_cycles: int) -> plain.Reference:
        return plain.EarliestDeadlineReference(slice_cycles)


MODEL = settings(max_examples=100, stateful_step_count=40, deadline=None, derandomize=True)


MACHINES = [
    FixedPriorityMachine,
    RoundRobinMachine,
    ReservationMachine,
    PartitionMachine,
    CreditMachine,
    EarliestDeadlineMachine,
]


@pytest.mark.slow
@pytest.mark.parametrize("machine", MACHINES, ids=lambda m: m.NAME)
def test_the_policy_agrees_with_its_reference(machine: type[PolicyMachine]) -> None:
    run_state_machine_as_test(machine, settings=MODEL)
