"""The timer queue against a list that is sorted whenever somebody asks."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from hypervisor.abi.time import NEVER
from hypervisor.core.timers import TimerQueue


class Entry(NamedTuple):
    """Sorts in the order of firing."""

    time: int
    priority: int
    handle: int


class TimersMachine(RuleBasedStateMachine):
    """Timers are set and cancelled, also while others fire."""

    def __init__(self) -> None:
        super().__init__()
        self.timers: TimerQueue[str] = TimerQueue()
        self.pending: list[Entry] = []
        self.handles: list[int] = []

    @rule(time=st.integers(0, 50), priority=st.integers(-1, 1))
    def at(self, time: int, priority: int) -> None:
        handle = self.timers.at(time, f"{time}/{priority}", priority)
        assert handle not in self.handles
        self.handles.append(handle)
        self.pending.append(Entry(time, priority, handle))

    @precondition(lambda self: self.handles)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        handle = data.draw(st.sampled_from(self.handles))
        alive = [entry for entry in self.pending if entry.handle == handle]
        assert self.timers.cancel(handle) == bool(alive)
        self.pending = [entry for entry in self.pending if entry.handle != handle]

    @rule(now=st.integers(0, 50), meddle=st.booleans(), data=st.data())
    def pop_due(self, now: int, meddle: bool, data: st.DataObject) -> None:
        for due in self.timers.pop_due(now):
            expected = min(self.pending)
            assert (due.time, due.priority, due.serial) == expected
            assert due.what == f"{expected.time}/{expected.priority}"
            assert due.time <= now
            self.pending.remove(expected)
            if meddle and self.pending:
                self.cancel(data)
        assert all(entry.time > now for entry in self.pending)

    @invariant()
    def agrees(self) -> None:
        self.timers.check_invariants()
        assert self.timers.next_time() == min((entry.time for entry in self.pending), default=NEVER)
        assert [due.serial for due in self.timers.pending()] == [entry.handle for entry in sorted(self.pending)]
        assert len(self.timers) == len(self.pending)


@pytest.mark.slow
def test_the_timer_queue_agrees_with_its_reference() -> None:
    model = settings(max_examples=30, stateful_step_count=40, deadline=None, derandomize=True)
    run_state_machine_as_test(TimersMachine, settings=model)
