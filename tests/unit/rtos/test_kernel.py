"""Tasks: who runs, who comes in between, what they wait for, and how they end."""

from __future__ import annotations

from typing import Any

import pytest

from cells.personalities.rtos.inventory import OBJECTS
from cells.personalities.rtos.kernel import TASKS
from cells.personalities.rtos.status import Refused, Status
from cells.personalities.rtos.task import State, Work
from tests.support.rtos import RtosBench, Steps


def test_the_most_urgent_task_runs_first_and_equals_run_in_order() -> None:
    bench = RtosBench()
    for name, priority in (("low", 1), ("first", 5), ("second", 5), ("high", 9)):
        bench.kernel.task(name, bench.say(name, Work(100)), priority=priority)
    bench.run()
    assert bench.diary == ["high", "first", "second", "low"]


def test_a_task_that_wakes_comes_between_the_cycles_of_one_that_computes() -> None:
    bench = RtosBench()
    kernel = bench.kernel
    bench.kernel.task("long", bench.say("long", Work(1_000_000)), priority=1)
    bench.kernel.task("short", bench.say("short", kernel.sleep(5_000), Work(10)), priority=2)
    bench.run()
    assert bench.diary == ["short", "short", "long"]
    assert 1_000_000 < bench.clock.time < 1_002_000


def test_an_interrupt_preempts_at_its_time() -> None:
    bench = RtosBench()
    seen: list[int] = []
    done = bench.kernel.semaphore("done")
    bench.kernel.task("long", bench.say("long", Work(1_000_000)), priority=1)
    bench.kernel.task("driver", bench.say("driver", done.take()), priority=9)

    def handler() -> None:
        seen.append(bench.clock.time)
        done.post()

    bench.interrupt(500_000, handler)
    bench.run()
    assert bench.diary == ["driver", "long"]
    assert 500_000 <= seen[0] < 501_000


def test_a_call_that_wakes_somebody_more_urgent_gives_him_the_cpu_before_it_returns() -> None:
    bench = RtosBench()
    queue = bench.kernel.queue("q", 2)
    bench.kernel.task("reader", bench.say("reader", queue.receive()), priority=9)
    bench.kernel.task("writer", bench.say("writer", queue.send("x")), priority=1)
    bench.run()
    assert bench.diary == [("reader", "x"), "writer"]


def test_yielding_lets_equals_run_and_nobody_below() -> None:
    bench = RtosBench()
    kernel = bench.kernel
    kernel.task("a", bench.say("a", kernel.yield_(), Work(1)), priority=3)
    kernel.task("b", bench.say("b", Work(1)), priority=3)
    kernel.task("c", bench.say("c", Work(1)), priority=2)
    bench.run()
    assert bench.diary == ["b", "a", "a", "c"]


def test_a_change_of_priority_takes_effect_at_once() -> None:
    bench = RtosBench()
    kernel = bench.kernel
    low = kernel.task("low", bench.say("low", Work(1)), priority=1)
    kernel.task("high", bench.say("high", kernel.set_priority(low, 9), Work(1)), priority=5)
    bench.run()
    assert bench.diary == ["low", "high", "high"]


def test_a_task_that_raises_is_ended_alone_and_says_why() -> None:
    bench = RtosBench()

    def broken() -> Steps:
        yield Work(10)
        raise KeyError("lost")

    task = bench.kernel.task("broken", broken(), priority=5)
    bench.kernel.task("other", bench.say("other", Work(10)), priority=1)
    bench.run()
    assert bench.diary == ["other"]
    assert task.state is State.ENDED
    assert "KeyError" in task.fault
    assert bench.kernel.faults == 1


@pytest.mark.parametrize("nonsense", [None, 5, "work", Work(-1), (1, 2)])
def test_a_task_that_yields_nonsense_is_ended(nonsense: object) -> None:
    bench = RtosBench()
    task = bench.kernel.task("odd", iter_of(nonsense), priority=5)
    bench.run()
    assert "neither Work nor a call" in task.fault


def iter_of(thing: Any) -> Steps:
    yield thing


def test_a_task_that_never_waits_starves_those_below_and_nobody_above() -> None:
    bench = RtosBench()
    kernel = bench.kernel

    def spins() -> Steps:
        while True:
            yield Work(0)

    kernel.task("spins", spins(), priority=5)
    kernel.task("below", bench.say("below", Work(1)), priority=4)
    kernel.task("above", bench.say("above", *[kernel.sleep_until(at) for at in range(1000, 5000, 1000)]), priority=6)
    bench.run(10_000)
    assert bench.diary == ["above"] * 4


def test_a_job_that_never_ends_misses_one_deadline_and_it_is_seen_when_it_passes() -> None:
    bench = RtosBench()
    told: list[int] = []
    kernel = bench.kernel
    kernel.on_job = lambda task: told.append(bench.clock.time)
    task = kernel.task("hangs", bench.say("hangs", Work(10**9)), priority=1, period=10_000, deadline=4_000)
    bench.run(100_000)
    assert (task.timing.misses, task.timing.jobs) == (1, 0)
    assert 4_000 <= told[0] < 5_000


def test_periodic_jobs_are_released_on_time_and_their_worst_response_is_kept() -> None:
    bench = RtosBench()
    kernel = bench.kernel
    starts: list[int] = []

    def job() -> Steps:
        for cycles in (100, 3_000, 100):
            starts.append(bench.clock.time)
            yield Work(cycles)
            yield kernel.next_period()

    task = kernel.task("job", job(), priority=5, period=10_000)
    bench.run()
    assert [start // 10_000 for start in starts] == [0, 1, 2]
    assert max(start % 10_000 for start in starts) < 1_000
    assert (task.timing.jobs, task.timing.misses) == (3, 0)
    assert 3_000 < task.timing.worst < 4_000


def test_jobs_that_are_behind_are_done_one_after_another_and_say_so() -> None:
    bench = RtosBench()
    kernel = bench.kernel
    behind: list[int] = []

    def job() -> Steps:
        yield Work(35_000)
        while len(behind) < 4:
            behind.append((yield kernel.next_period()))

    task = kernel.task("job", job(), priority=5, period=10_000)
    bench.run()
    assert behind == [3, 2, 1, 0]
    assert task.timing.misses == 3


def test_a_task_without_a_period_has_no_next_one() -> None:
    bench = RtosBench()
    bench.kernel.task("a", bench.say("a", bench.kernel.next_period()), priority=5)
    bench.run()
    assert bench.diary == [("a", "BAD_ARGUMENT")]


def test_tasks_and_objects_run_out_with_a_refusal_and_come_back() -> None:
    bench = RtosBench()
    kernel = bench.kernel
    tasks = [kernel.task(f"t{i}", bench.say("t"), priority=1) for i in range(TASKS)]
    with pytest.raises(Refused, match="NO_ROOM"):
        kernel.task("more", bench.say("more"), priority=1)
    things = [kernel.flags(f"f{i}") for i in range(OBJECTS)]
    with pytest.raises(Refused, match="NO_ROOM"):
        kernel.queue("more", 1)
    kernel.delete(things[0])
    assert kernel.queue("more", 1).handle not in [thing.handle for thing in things]
    bench.run()
    assert all(task.state is State.ENDED for task in tasks)
    assert kernel.task("again", bench.say("again"), priority=1)


def test_priorities_are_0_to_255() -> None:
    bench = RtosBench()
    for priority in (-1, 256):
        with pytest.raises(Refused, match="BAD_ARGUMENT"):
            bench.kernel.task("a", bench.say("a"), priority=priority)


def test_a_task_ends_another_one_and_itself() -> None:
    bench = RtosBench()
    kernel = bench.kernel
    asleep = kernel.task("asleep", bench.say("asleep", kernel.sleep_until(10**9)), priority=9)

    def ends() -> Steps:
        yield kernel.end(asleep)
        try:
            yield kernel.end(asleep)
        except Refused as refused:
            bench.diary.append(refused.status)
        yield kernel.end(mine)
        bench.diary.append("not reached")

    mine = kernel.task("ends", ends(), priority=1)
    bench.run()
    assert bench.diary == [Status.NO_OBJECT]
    assert mine.state is State.ENDED


def test_every_call_and_switch_takes_time() -> None:
    dear, cheap = RtosBench(on_call=lambda: 1_000), RtosBench()
    for bench in (dear, cheap):
        bench.kernel.task("a", bench.say("a", *[bench.kernel.yield_()] * 10), priority=1)
        bench.run()
    assert dear.clock.time - cheap.clock.time == 10 * 1_000
    assert cheap.clock.time > 10 * 100


def test_a_sporadic_task_has_a_job_when_somebody_releases_one_and_one_at_a_time() -> None:
    bench = RtosBench()
    kernel = bench.kernel
    come = kernel.semaphore("come")

    def serves() -> Steps:
        while True:
            yield come.take()
            yield Work(2_000)
            yield kernel.next_period()

    task = kernel.task("serves", serves(), priority=5, deadline=3_000)

    def comes() -> None:
        bench.diary.append(kernel.jobs.release(task, bench.clock.time - 500))
        come.post()

    for time in (10_000, 20_000, 20_500):
        bench.interrupt(time, comes)
    bench.run(22_500)
    assert bench.diary == [True, True, False]
    bench.run(50_000)
    assert (task.timing.jobs, task.timing.misses, task.timing.open) == (2, 0, False)
    assert 2_500 < task.timing.worst < 4_000
