"""The interrupt controller: states of a line, order between lines, whose they are."""

from __future__ import annotations

import pytest

from hypervisor.abi.status import Status
from hypervisor.core.errors import InvariantBroken, Refused
from hypervisor.core.interrupt_line import TRANSITIONS, Input, Line, LineState
from hypervisor.core.interrupts import InterruptController
from tests.support.invariants import Watch

NOBODY: frozenset[int] = frozenset()


@pytest.fixture
def controller(watch: Watch) -> InterruptController:
    """Lines 0 and 1 belong to vCPU 7, line 2 to vCPU 8, line 3 to nobody."""
    controller = watch(InterruptController(4))
    controller.route(0, 7, priority=1)
    controller.route(1, 7, priority=2)
    controller.route(2, 8)
    return controller


def test_a_line_that_rises_rouses_its_vcpu_once(controller: InterruptController) -> None:
    assert controller.set_level(0, True) == {7}
    assert controller.set_level(0, True) == NOBODY
    assert controller.deliverable(7)
    assert not controller.deliverable(8)


def test_a_second_line_rouses_the_vcpu_although_the_first_is_pending(controller: InterruptController) -> None:
    controller.set_level(0, True)
    assert controller.set_level(1, True) == {7}


def test_a_line_that_falls_before_it_was_acknowledged_is_gone(controller: InterruptController) -> None:
    controller.set_level(0, True)
    assert controller.set_level(0, False) == NOBODY
    assert controller.ack(7) is None
    assert controller.state(0) is LineState.INACTIVE


def test_ack_takes_the_highest_priority_and_among_equals_the_lowest_line(controller: InterruptController) -> None:
    controller.route(3, 7, priority=1)
    for line in (3, 0, 1):
        controller.set_level(line, True)
    assert [controller.ack(7) for _ in range(4)] == [1, 0, 3, None]


def test_an_active_line_is_not_delivered_again_until_its_end(controller: InterruptController) -> None:
    controller.pend(0)
    assert controller.ack(7) == 0
    assert controller.pend(0) == NOBODY
    assert controller.state(0) is LineState.ACTIVE_PENDING
    assert controller.ack(7) is None
    assert controller.eoi(7, 0) == {7}
    assert controller.ack(7) == 0
    assert controller.eoi(7, 0) == NOBODY


def test_an_active_line_does_not_hold_back_others(controller: InterruptController) -> None:
    controller.set_level(1, True)
    assert controller.ack(7) == 1
    assert controller.set_level(0, True) == {7}
    assert controller.ack(7) == 0


def test_a_level_comes_again_after_its_end_while_it_is_high(controller: InterruptController) -> None:
    controller.set_level(0, True)
    assert controller.ack(7) == 0
    assert controller.state(0) is LineState.ACTIVE_PENDING
    assert controller.eoi(7, 0) == {7}
    assert controller.ack(7) == 0


def test_a_level_that_the_driver_cleared_does_not_come_again(controller: InterruptController) -> None:
    controller.set_level(0, True)
    controller.ack(7)
    controller.set_level(0, False)
    assert controller.state(0) is LineState.ACTIVE
    assert controller.eoi(7, 0) == NOBODY
    assert controller.ack(7) is None


def test_what_software_made_pending_stays_when_the_input_falls(controller: InterruptController) -> None:
    controller.set_level(0, True)
    controller.pend(0)
    controller.set_level(0, False)
    assert controller.ack(7) == 0
    assert controller.eoi(7, 0) == NOBODY


def test_a_masked_line_waits_until_it_is_unmasked(controller: InterruptController) -> None:
    controller.mask(7, 0)
    assert controller.set_level(0, True) == NOBODY
    assert not controller.deliverable(7)
    assert controller.ack(7) is None
    assert controller.unmask(7, 0) == {7}
    assert controller.unmask(7, 0) == NOBODY
    assert controller.ack(7) == 0


def test_a_line_that_was_high_before_it_is_routed_is_delivered(controller: InterruptController) -> None:
    assert controller.set_level(3, True) == NOBODY
    assert controller.route(3, 8) == {8}
    assert controller.ack(8) == 3


def test_unrouting_forgets_what_the_vcpu_did_but_not_the_input(controller: InterruptController) -> None:
    controller.set_level(0, True)
    controller.ack(7)
    controller.mask(7, 0)
    controller.unroute(0)
    assert controller.owner(0) is None
    assert controller.lines_of(7) == (1,)
    assert controller.route(0, 8) == {8}
    controller.set_level(0, False)
    assert controller.state(0) is LineState.INACTIVE


def test_unrouting_a_line_of_nobody_is_harmless(controller: InterruptController) -> None:
    controller.unroute(3)
    assert controller.owner(3) is None


def test_fault_acknowledging_gives_nobody_the_line_of_another(controller: InterruptController) -> None:
    controller.set_level(2, True)
    assert controller.ack(7) is None
    assert controller.ack(8) == 2


@pytest.mark.parametrize("call", ["mask", "unmask", "eoi"])
def test_fault_touching_the_line_of_another_is_refused(controller: InterruptController, call: str) -> None:
    controller.set_level(2, True)
    controller.ack(8)
    with pytest.raises(Refused, match=r"^NOT_YOURS: line 2 is not routed to vCPU 7$"):
        getattr(controller, call)(7, 2)
    assert controller.state(2) is LineState.ACTIVE_PENDING


@pytest.mark.parametrize("call", ["mask", "unmask", "eoi"])
def test_fault_a_line_of_nobody_is_not_everybodys(controller: InterruptController, call: str) -> None:
    with pytest.raises(Refused, match=r"^NOT_YOURS"):
        getattr(controller, call)(7, 3)


@pytest.mark.parametrize("line", [-1, 4, 1 << 32])
def test_fault_a_line_that_does_not_exist_is_a_bad_argument(controller: InterruptController, line: int) -> None:
    with pytest.raises(Refused, match=f"^BAD_ARGUMENT: there is no line {line}, only 0..3$"):
        controller.eoi(7, line)


def test_fault_ending_what_was_not_acknowledged_is_refused(controller: InterruptController) -> None:
    controller.set_level(0, True)
    with pytest.raises(Refused) as refusal:
        controller.eoi(7, 0)
    assert refusal.value.status is Status.WRONG_STATE
    assert controller.ack(7) == 0


def test_a_line_has_one_owner(controller: InterruptController) -> None:
    with pytest.raises(Refused, match=r"^NOT_YOURS: line 0 is routed to vCPU 7$"):
        controller.route(0, 8)


def test_every_state_has_a_row_and_an_illegal_step_changes_nothing() -> None:
    assert set(TRANSITIONS) == set(LineState)
    for state, row in TRANSITIONS.items():
        for happened in set(Input) - set(row):
            line = Line(state)
            with pytest.raises(InvariantBroken, match=f"{happened.name} is not possible in {state.name}"):
                line.step(happened)
            assert line.state is state


def test_a_line_pending_without_a_reason_is_found() -> None:
    controller = InterruptController(1)
    controller._lines[0].state = LineState.ACTIVE_PENDING
    with pytest.raises(InvariantBroken) as broken:
        controller.check_invariants()
    assert len(broken.value.story) == 2
