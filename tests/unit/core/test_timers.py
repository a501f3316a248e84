"""The timer queue: order, ties, cancelling."""

from __future__ import annotations

from hypervisor.abi.time import NEVER
from hypervisor.core.timers import TimerQueue
from tests.support.invariants import Watch


def fired(timers: TimerQueue[str], now: int) -> list[str]:
    return [due.what for due in timers.pop_due(now)]


def test_timers_fire_in_order_of_time(watch: Watch) -> None:
    timers = watch(TimerQueue[str]())
    timers.at(30, "late")
    timers.at(10, "early")
    assert timers.next_time() == 10
    assert fired(timers, 100) == ["early", "late"]
    assert timers.next_time() == NEVER


def test_a_timer_is_not_due_a_cycle_early(watch: Watch) -> None:
    timers = watch(TimerQueue[str]())
    timers.at(50, "tick")
    assert fired(timers, 49) == []
    assert fired(timers, 50) == ["tick"]


def test_at_one_time_the_lower_priority_comes_first_and_equals_in_order_of_insertion(watch: Watch) -> None:
    timers = watch(TimerQueue[str]())
    timers.at(5, "second")
    timers.at(5, "third")
    timers.at(5, "first", priority=-1)
    assert [due.what for due in timers.pending()] == ["first", "second", "third"]
    assert fired(timers, 5) == ["first", "second", "third"]


def test_a_cancelled_timer_does_not_fire_and_can_be_cancelled_once(watch: Watch) -> None:
    timers = watch(TimerQueue[str]())
    handle = timers.at(5, "never")
    assert timers.cancel(handle)
    assert not timers.cancel(handle)
    assert len(timers) == 0
    assert timers.next_time() == NEVER
    assert fired(timers, NEVER - 1) == []


def test_a_timer_that_fired_cannot_be_cancelled(watch: Watch) -> None:
    timers = watch(TimerQueue[str]())
    handle = timers.at(5, "tick")
    assert fired(timers, 5) == ["tick"]
    assert not timers.cancel(handle)


def test_a_timer_cancelled_by_an_earlier_one_at_the_same_time_does_not_fire(watch: Watch) -> None:
    timers = watch(TimerQueue[str]())
    timers.at(5, "kill")
    victim = timers.at(5, "victim")
    seen = []
    for due in timers.pop_due(5):
        seen.append(due.what)
        timers.cancel(victim)
    assert seen == ["kill"]


def test_a_timer_set_for_now_while_timers_fire_fires_too(watch: Watch) -> None:
    timers = watch(TimerQueue[str]())
    timers.at(5, "first")
    seen = []
    for due in timers.pop_due(5):
        seen.append((due.time, due.what))
        if due.what == "first":
            timers.at(3, "in the past already")
    assert seen == [(5, "first"), (3, "in the past already")]


def test_rearming_a_far_timer_for_ever_does_not_grow_the_queue(watch: Watch) -> None:
    timers = watch(TimerQueue[int]())
    handle = timers.at(1_000_000, 0)
    for turn in range(1_000):
        timers.cancel(handle)
        handle = timers.at(1_000_000 + turn, turn)
    assert len(timers) == 1
    assert len(timers._heap) < 50
