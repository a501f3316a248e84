"""What tasks share: who gets it, who waits how long, and what is left when somebody deletes it or ends."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cells.personalities.rtos.objects import DEPTH, Object
from cells.personalities.rtos.status import Refused
from cells.personalities.rtos.task import Request, State, Work
from tests.support.rtos import RtosBench, Steps


@pytest.fixture
def bench() -> RtosBench:
    return RtosBench()


def test_a_semaphore_counts_and_the_most_urgent_of_those_who_wait_gets_it(bench: RtosBench) -> None:
    kernel = bench.kernel
    semaphore = kernel.semaphore("s", count=1)
    for name, priority in (("a", 3), ("b", 5), ("c", 5)):
        kernel.task(name, bench.say(name, semaphore.take()), priority=priority)
    kernel.task("gives", bench.say("gave", semaphore.give(), semaphore.give()), priority=1)
    bench.run()
    assert bench.diary == ["b", "c", "gave", "a", "gave"]
    assert semaphore.count == 0


def test_a_semaphore_at_its_maximum_refuses_more(bench: RtosBench) -> None:
    semaphore = bench.kernel.semaphore("s", count=1, maximum=2)
    bench.kernel.task("gives", bench.say("gave", semaphore.give(), semaphore.give()), priority=1)
    bench.run()
    assert bench.diary == ["gave", ("gave", "FULL")]


def test_a_wait_ends_at_its_time_and_what_comes_later_is_for_others(bench: RtosBench) -> None:
    kernel = bench.kernel
    semaphore = kernel.semaphore("s")
    kernel.task("waits", bench.say("waits", semaphore.take(until=1_000), kernel.sleep_until(9_000)), priority=9)
    bench.interrupt(5_000, semaphore.post)
    bench.run()
    assert bench.diary == [("waits", "TIMEOUT"), "waits"]
    assert semaphore.count == 1


def test_a_wait_until_now_is_a_look(bench: RtosBench) -> None:
    queue = bench.kernel.queue("q", 1)
    bench.kernel.task(
        "looks", bench.say("looks", queue.receive(until=0), queue.send(5), queue.receive(until=0)), priority=1
    )
    bench.run()
    assert bench.diary == [("looks", "TIMEOUT"), "looks", ("looks", 5)]


def test_items_come_out_of_a_queue_in_order_and_a_full_one_makes_the_sender_wait(bench: RtosBench) -> None:
    kernel = bench.kernel
    queue = kernel.queue("q", 2)
    kernel.task("sends", bench.say("sent", *[queue.send(item) for item in range(5)]), priority=9)
    kernel.task("reads", bench.say("read", *[queue.receive() for _ in range(5)]), priority=1)
    bench.run()
    assert [entry[1] for entry in bench.diary if entry != "sent"] == [0, 1, 2, 3, 4]
    assert bench.diary[:2] == ["sent", "sent"]
    assert not queue.items


def test_a_handler_never_waits_and_is_told_that_there_is_no_room(bench: RtosBench) -> None:
    queue = bench.kernel.queue("q", 2)
    assert [queue.post(item) for item in range(4)] == [True, True, False, False]


@pytest.mark.parametrize(("every", "at"), [(False, 1_000), (True, 2_000)])
def test_flags_wake_for_one_bit_or_for_all(bench: RtosBench, every: bool, at: int) -> None:
    kernel = bench.kernel
    flags = kernel.flags("f")
    woken: list[int] = []

    def waits() -> Steps:
        bench.diary.append((yield flags.wait(0b11, every=every, clear=True)))
        woken.append(bench.clock.time)

    kernel.task("waits", waits(), priority=1)
    bench.interrupt(1_000, lambda: flags.post(0b101))
    bench.interrupt(2_000, lambda: flags.post(0b010))
    bench.run()
    assert at <= woken[0] < at + 1_000
    assert bench.diary == [0b111 if every else 0b101]
    assert flags.bits == (0b100 if every else 0b110)


def test_one_that_clears_leaves_less_for_those_below(bench: RtosBench) -> None:
    kernel = bench.kernel
    flags = kernel.flags("f")
    kernel.task("low", bench.say("low", flags.wait(1, until=50_000)), priority=1)
    kernel.task("high", bench.say("high", flags.wait(1, clear=True)), priority=2)
    bench.interrupt(10_000, lambda: flags.post(1))
    bench.run()
    assert bench.diary == [("high", 1), ("low", "TIMEOUT")]


def test_nobody_waits_for_no_bit(bench: RtosBench) -> None:
    bench.kernel.task("waits", bench.say("waits", bench.kernel.flags("f").wait(0)), priority=1)
    bench.run()
    assert bench.diary == [("waits", "BAD_ARGUMENT")]


# Mutexes.


def holds(bench: RtosBench, name: str, *steps: Request | Work) -> Steps:
    return bench.say(name, *steps)


def test_the_owner_runs_as_urgently_as_who_waits_so_that_the_middle_cannot_delay_it(bench: RtosBench) -> None:
    kernel = bench.kernel
    mutex = kernel.mutex("m")
    low = kernel.task("low", holds(bench, "low", mutex.lock(), Work(10_000), mutex.unlock(), Work(10)), priority=1)
    high = [kernel.sleep_until(2_000), mutex.lock(), mutex.unlock()]
    kernel.task("high", bench.say("high", *high), priority=9)
    kernel.task("middle", bench.say("middle", kernel.sleep_until(3_000), Work(50_000)), priority=5)
    bench.run(8_000)
    assert low.priority == 9
    bench.run()
    assert bench.diary.index("middle") == bench.diary.index("high") + 4  # it woke, and then had to let both go first
    assert bench.diary[-3:] == ["middle", "low", "low"]
    assert low.priority == 1


def test_inheritance_goes_along_a_chain_and_back(bench: RtosBench) -> None:
    kernel = bench.kernel
    first, second = kernel.mutex("first"), kernel.mutex("second")
    low = kernel.task("low", bench.say("low", first.lock(), Work(20_000), first.unlock()), priority=1)
    steps = [kernel.sleep_until(1_000), second.lock(), first.lock(), first.unlock(), second.unlock()]
    middle = kernel.task("middle", bench.say("middle", *steps), priority=4)
    top = [kernel.sleep_until(3_000), second.lock(until=12_000)]
    kernel.task("high", bench.say("high", *top), priority=9)
    bench.run(6_000)
    assert (low.priority, middle.priority) == (9, 9)
    bench.run(14_000)
    assert (low.priority, middle.priority) == (4, 4)  # who waited has given up
    assert ("high", "TIMEOUT") in bench.diary
    bench.run()
    assert first.owner is None
    assert second.owner is None


def test_a_lock_that_would_close_a_ring_is_refused(bench: RtosBench) -> None:
    kernel = bench.kernel
    a, b = kernel.mutex("a"), kernel.mutex("b")
    kernel.task(
        "one", bench.say("one", a.lock(), kernel.sleep_until(5_000), b.lock(), b.unlock(), a.unlock()), priority=2
    )
    kernel.task("two", bench.say("two", b.lock(), kernel.sleep_until(6_000), a.lock(), b.unlock()), priority=1)
    bench.run()
    assert ("two", "DEADLOCK") in bench.diary
    assert (a.owner, b.owner) == (None, None)


def test_a_mutex_is_neither_locked_twice_nor_unlocked_by_another(bench: RtosBench) -> None:
    kernel = bench.kernel
    mutex = kernel.mutex("m")
    kernel.task("owner", bench.say("owner", mutex.lock(), mutex.lock(), kernel.sleep_until(5_000)), priority=2)
    kernel.task("other", bench.say("other", mutex.unlock()), priority=1)
    bench.run()
    assert bench.diary == ["owner", ("owner", "DEADLOCK"), ("other", "NOT_OWNER"), "owner"]


def test_what_a_task_held_goes_on_when_it_ends_or_breaks(bench: RtosBench) -> None:
    kernel = bench.kernel
    mutex = kernel.mutex("m")

    def breaks() -> Steps:
        yield mutex.lock()
        yield Work(5_000)
        raise RuntimeError("while it held it")

    task = kernel.task("breaks", breaks(), priority=1)
    kernel.task("waits", bench.say("waits", kernel.sleep_until(1_000), mutex.lock(), mutex.unlock()), priority=5)
    bench.run()
    assert bench.diary == ["waits"] * 3
    assert task.fault
    assert [line.partition(" ")[2] for line in kernel.log] == ["RuntimeError: while it held it", "has ended and held m"]


# Deleting.


@pytest.mark.parametrize(
    ("make", "wait"),
    [
        (lambda kernel: kernel.semaphore("x"), lambda thing: thing.take()),
        (lambda kernel: kernel.queue("x", 1), lambda thing: thing.receive()),
        (lambda kernel: kernel.flags("x"), lambda thing: thing.wait(1)),
    ],
)
def test_who_waits_for_what_is_deleted_is_told_and_so_is_who_comes_later(
    bench: RtosBench, make: Callable[..., Object], wait: Callable[[Object], Request]
) -> None:
    thing = make(bench.kernel)
    bench.kernel.task("waits", bench.say("waits", wait(thing), wait(thing)), priority=5)
    bench.interrupt(1_000, lambda: bench.kernel.delete(thing))
    bench.run()
    assert bench.diary == [("waits", "DELETED"), ("waits", "NO_OBJECT")]
    with pytest.raises(Refused, match="NO_OBJECT"):
        bench.kernel.delete(thing)


def test_a_sender_of_a_deleted_queue_is_told(bench: RtosBench) -> None:
    queue = bench.kernel.queue("x", 1)
    bench.kernel.task("sends", bench.say("sends", queue.send(1), queue.send(2)), priority=5)
    bench.interrupt(1_000, lambda: bench.kernel.delete(queue))
    bench.run()
    assert bench.diary == ["sends", ("sends", "DELETED")]


def test_a_mutex_that_is_deleted_in_use_gives_its_owner_back_its_own_priority(bench: RtosBench) -> None:
    kernel = bench.kernel
    mutex = kernel.mutex("m")
    low = kernel.task("low", bench.say("low", mutex.lock(), Work(10_000), mutex.unlock()), priority=1)
    kernel.task("high", bench.say("high", kernel.sleep_until(1_000), mutex.lock()), priority=9)
    bench.interrupt(3_000, lambda: kernel.delete(mutex))
    bench.run()
    assert bench.diary == ["low", "high", ("high", "DELETED"), "low", ("low", "NO_OBJECT")]
    assert (low.priority, low.held, low.state) == (1, [], State.ENDED)


# Software timers.


def test_a_timer_runs_out_once_or_each_period_without_drifting(bench: RtosBench) -> None:
    once, often = [], []
    kernel = bench.kernel
    kernel.timer("once", lambda: once.append(bench.clock.time)).start(5_000)
    timer = kernel.timer("often", lambda: often.append(bench.clock.time))
    timer.start(1_000, period=2_000)
    kernel.task("busy", bench.say("busy", Work(20_000)), priority=1)
    bench.run(10_000)
    assert [time // 1_000 for time in once] == [5]
    assert [time // 1_000 for time in often] == [1, 3, 5, 7, 9]
    assert timer.stop() > 0
    assert timer.stop() == 0
    bench.run()
    assert len(often) == 5


@pytest.mark.parametrize(("after", "period"), [(-1, 0), (0, 1), (0, -5), (10, 999)])
def test_a_timer_that_would_be_nothing_but_a_timer_is_refused(bench: RtosBench, after: int, period: int) -> None:
    with pytest.raises(Refused, match="BAD_ARGUMENT"):
        bench.kernel.timer("t", bool).start(after, period)


def test_a_deleted_timer_does_not_run_out(bench: RtosBench) -> None:
    ran: list[int] = []
    timer = bench.kernel.timer("t", lambda: ran.append(1))
    timer.start(1_000)
    bench.kernel.delete(timer)
    bench.run(5_000)
    assert ran == []


def test_a_task_that_sets_and_stops_alarms_for_ever_fills_nothing(bench: RtosBench) -> None:
    timer = bench.kernel.timer("t", bool)
    for _ in range(10_000):
        timer.start(10**9)
    assert len(bench.kernel.agenda) < 200


@pytest.mark.parametrize("depth", [0, -1, DEPTH + 1])
def test_a_queue_has_a_depth_that_can_be_kept(bench: RtosBench, depth: int) -> None:
    with pytest.raises(Refused, match="BAD_ARGUMENT"):
        bench.kernel.queue("q", depth)
    assert not bench.kernel.objects
