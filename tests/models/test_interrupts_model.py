"""The interrupt controller against a reference without states: all follows from levels, latches and who is busy."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from hypervisor.abi.status import Status
from hypervisor.core.errors import Refused
from hypervisor.core.interrupts import InterruptController

COUNT = 4
LINES = st.integers(-1, COUNT)
BOARD_LINES = st.integers(0, COUNT - 1)
VCPUS = st.integers(0, 2)
NOBODY: frozenset[int] = frozenset()


@dataclass
class Wire:
    """What is known of a line."""

    level: bool = False
    latched: bool = False
    active: bool = False
    masked: bool = False
    owner: int | None = None
    priority: int = 0

    def reaches(self, vcpu: int) -> bool:
        return self.owner == vcpu and (self.level or self.latched) and not self.active and not self.masked


class ControllerMachine(RuleBasedStateMachine):
    """Three vCPUs that try everything on four lines (and beside them)."""

    def __init__(self) -> None:
        super().__init__()
        self.controller = InterruptController(COUNT)
        self.wires = [Wire() for _ in range(COUNT)]

    def reached(self) -> set[tuple[int, int]]:
        return {(n, vcpu) for n, wire in enumerate(self.wires) for vcpu in range(3) if wire.reaches(vcpu)}

    def refusal(self, vcpu: int, line: int) -> Status | None:
        if not 0 <= line < COUNT:
            return Status.BAD_ARGUMENT
        return None if self.wires[line].owner == vcpu else Status.NOT_YOURS

    @rule(line=BOARD_LINES, level=st.booleans())
    def set_level(self, line: int, level: bool) -> None:
        before = self.reached()
        self.wires[line].level = level
        assert self.controller.set_level(line, level) == {vcpu for _, vcpu in self.reached() - before}

    @rule(line=BOARD_LINES)
    def pend(self, line: int) -> None:
        before = self.reached()
        self.wires[line].latched = True
        assert self.controller.pend(line) == {vcpu for _, vcpu in self.reached() - before}

    @rule(line=BOARD_LINES, vcpu=VCPUS, priority=st.integers(0, 2))
    def route(self, line: int, vcpu: int, priority: int) -> None:
        wire = self.wires[line]
        if wire.owner is not None:
            with pytest.raises(Refused, match=r"^NOT_YOURS"):
                self.controller.route(line, vcpu, priority)
            return
        before = self.reached()
        wire.owner, wire.priority = vcpu, priority
        assert self.controller.route(line, vcpu, priority) == {vcpu for _, vcpu in self.reached() - before}

    @rule(line=BOARD_LINES)
    def unroute(self, line: int) -> None:
        self.controller.unroute(line)
        self.wires[line] = Wire(level=self.wires[line].level)

    @rule(vcpu=VCPUS, line=LINES, masked=st.booleans())
    def mask_or_unmask(self, vcpu: int, line: int, masked: bool) -> None:
        call = self.controller.mask if masked else self.controller.unmask
        status = self.refusal(vcpu, line)
        if status is not None:
            with pytest.raises(Refused, match=f"^{status.name}"):
                call(vcpu, line)
            return
        before = self.reached()
        self.wires[line].masked = masked
        assert (call(vcpu, line) or NOBODY) == {vcpu for _, vcpu in self.reached() - before}

    @rule(vcpu=VCPUS)
    def ack(self, vcpu: int) -> None:
        mine = [n for n, wire in enumerate(self.wires) if wire.reaches(vcpu)]
        expected = max(mine, key=lambda n: (self.wires[n].priority, -n), default=None)
        assert self.controller.ack(vcpu) == expected
        if expected is not None:
            self.wires[expected].active, self.wires[expected].latched = True, False

    @rule(vcpu=VCPUS, line=LINES)
    def eoi(self, vcpu: int, line: int) -> None:
        status = self.refusal(vcpu, line)
        if status is None and not self.wires[line].active:
            status = Status.WRONG_STATE
        if status is not None:
            with pytest.raises(Refused, match=f"^{status.name}"):
                self.controller.eoi(vcpu, line)
            return
        before = self.reached()
        self.wires[line].active = False
        assert self.controller.eoi(vcpu, line) == {vcpu for _, vcpu in self.reached() - before}

    @invariant()
    def agrees(self) -> None:
        self.controller.check_invariants()
        for vcpu in range(3):
            assert self.controller.deliverable(vcpu) == any(wire.reaches(vcpu) for wire in self.wires)
            assert self.controller.lines_of(vcpu) == tuple(n for n, w in enumerate(self.wires) if w.owner == vcpu)
        for line, wire in enumerate(self.wires):
            assert self.controller.owner(line) == wire.owner
            assert self.controller.state(line).value == (wire.level or wire.latched, wire.active)


@pytest.mark.slow
def test_the_controller_agrees_with_its_reference() -> None:
    model = settings(max_examples=80, stateful_step_count=50, deadline=None, derandomize=True)
    run_state_machine_as_test(ControllerMachine, settings=model)
