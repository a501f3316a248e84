"""The errors carry what their receivers need."""

from __future__ import annotations

import pytest

from hypervisor.abi.status import Status
from hypervisor.core.errors import InvariantBroken, Refused, require_none


def test_a_refusal_carries_the_status_for_the_guest_and_the_reason_for_people() -> None:
    refusal = Refused(Status.NOT_YOURS, "line 3 is routed to vCPU 1")
    assert refusal.status is Status.NOT_YOURS
    assert refusal.why == "line 3 is routed to vCPU 1"
    assert str(refusal) == "NOT_YOURS: line 3 is routed to vCPU 1"


def test_a_broken_invariant_tells_its_whole_story() -> None:
    assert InvariantBroken("one line").story == ("one line",)
    broken = InvariantBroken(["first", "second"])
    assert broken.story == ("first", "second")
    assert str(broken) == "first\nsecond"


def test_nothing_is_raised_when_no_problem_was_found() -> None:
    require_none([])
    with pytest.raises(InvariantBroken, match=r"^a\nb$"):
        require_none(["a", "b"])
