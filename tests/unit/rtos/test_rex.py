"""REX on the kernel: signals, timers, tasks and critical sections as a baseband's code expects them."""

from __future__ import annotations

import pytest

from cells.personalities.rtos.rex import Rex
from cells.personalities.rtos.status import Refused
from cells.personalities.rtos.task import State, Work
from tests.support.rtos import HZ, RtosBench, Steps

A_SIG, B_SIG, TIMER_SIG = 0x1, 0x2, 0x100
MS = HZ // 1000


@pytest.fixture
def bench() -> RtosBench:
    return RtosBench()


@pytest.fixture
def rex(bench: RtosBench) -> Rex:
    return Rex(bench.kernel)


def waits(rex: Rex, bench: RtosBench, mask: int, times: int, clear: int = 0) -> Steps:
    tcb = rex.rex_self()
    assert tcb is not None
    for _ in range(times):
        bench.diary.append((yield rex.rex_wait(mask)))
        rex.rex_clr_sigs(tcb, clear)


def test_signals_stay_until_they_are_cleared_and_all_that_are_set_are_told(bench: RtosBench, rex: Rex) -> None:
    tcb = rex.rex_def_task("t", 5, waits, bench, A_SIG, 2, A_SIG)
    rex.rex_set_sigs(tcb, A_SIG | B_SIG)
    bench.run()
    assert bench.diary == [A_SIG | B_SIG]
    assert rex.rex_get_sigs(tcb) == B_SIG
    rex.rex_set_sigs(tcb, A_SIG)
    bench.run()
    assert bench.diary[1:] == [A_SIG | B_SIG]


def test_who_sets_a_signal_goes_on_and_yields_to_whom_it_woke_when_it_yields(bench: RtosBench, rex: Rex) -> None:
    tcb = rex.rex_def_task("urgent", 9, waits, bench, A_SIG, 1)

    def sets(rex: Rex) -> Steps:
        call = rex.rex_set_sigs(tcb, A_SIG)
        bench.diary.append("still here")
        yield call
        bench.diary.append("again")

    rex.rex_def_task("sets", 1, sets)
    bench.run()
    assert bench.diary == ["still here", A_SIG, "again"]


def test_a_timer_sets_its_signal_and_says_what_was_left(bench: RtosBench, rex: Rex) -> None:
    tcb = rex.rex_def_task("t", 5, waits, bench, TIMER_SIG, 1)
    timer = rex.rex_def_timer(tcb, TIMER_SIG)
    assert rex.rex_get_timer(timer) == 0
    assert rex.rex_set_timer(timer, 50) == 0
    assert rex.rex_get_timer(timer) == 50
    bench.run(20 * MS)
    assert rex.rex_set_timer(timer, 10) == 30
    bench.run()
    assert bench.diary == [TIMER_SIG]
    assert 30 * MS <= bench.clock.time < 31 * MS
    assert rex.rex_clr_timer(timer) == 0


def test_a_timed_wait_ends_by_the_signal_or_by_the_time(bench: RtosBench, rex: Rex) -> None:
    def waits_for_both(rex: Rex) -> Steps:
        tcb = rex.rex_self()
        assert tcb is not None
        timer = rex.rex_def_timer(tcb, TIMER_SIG)
        for _ in range(2):
            bench.diary.append((yield rex.rex_timed_wait(A_SIG | TIMER_SIG, timer, 5)))
            rex.rex_clr_sigs(tcb, A_SIG | TIMER_SIG)

    tcb = rex.rex_def_task("t", 5, waits_for_both)
    bench.interrupt(2 * MS, lambda: rex.rex_set_sigs(tcb, A_SIG))
    bench.run()
    assert bench.diary == [A_SIG, TIMER_SIG]
    assert 7 * MS <= bench.clock.time < 8 * MS


def test_a_critical_section_is_entered_again_by_who_is_inside_and_lends_its_priority(
    bench: RtosBench, rex: Rex
) -> None:
    section = rex.rex_init_crit_sect("s")

    def low(rex: Rex) -> Steps:
        yield rex.rex_enter_crit_sect(section)
        yield rex.rex_enter_crit_sect(section)
        yield Work(5 * MS)
        yield rex.rex_leave_crit_sect(section)
        bench.diary.append(("low", low_tcb.task.priority))
        yield rex.rex_leave_crit_sect(section)

    def high(rex: Rex) -> Steps:
        yield bench.kernel.sleep("1ms")
        yield rex.rex_enter_crit_sect(section)
        bench.diary.append("high")
        yield rex.rex_leave_crit_sect(section)

    low_tcb = rex.rex_def_task("low", 1, low)
    rex.rex_def_task("high", 9, high)
    bench.run()
    assert bench.diary == [("low", 9), "high"]
    assert rex.rex_task_pri(low_tcb) == 1


def test_who_ends_inside_leaves_the_section_whole_for_the_next(bench: RtosBench, rex: Rex) -> None:
    section = rex.rex_init_crit_sect("s")

    def enters(rex: Rex, leave: bool) -> Steps:
        yield rex.rex_enter_crit_sect(section)
        yield rex.rex_enter_crit_sect(section)
        bench.diary.append(section.depth)
        if leave:
            yield rex.rex_leave_crit_sect(section)
            yield rex.rex_leave_crit_sect(section)

    rex.rex_def_task("dies", 5, enters, False)
    rex.rex_def_task("next", 4, enters, True)
    bench.run()
    assert bench.diary == [1, 1]
    assert section.mutex.owner is None


def test_leaving_where_one_is_not_is_refused(bench: RtosBench, rex: Rex) -> None:
    section = rex.rex_init_crit_sect("s")
    bench.kernel.task("t", bench.say("t", rex.rex_leave_crit_sect(section)), priority=1)
    bench.run()
    assert bench.diary == [("t", "NOT_OWNER")]


def test_a_task_that_rex_does_not_know_has_no_signals_to_wait_for(bench: RtosBench, rex: Rex) -> None:
    bench.kernel.task("t", bench.say("t", rex.rex_wait(1)), priority=1)
    bench.run()
    assert bench.diary == [("t", "BAD_ARGUMENT")]
    assert rex.rex_self() is None


def test_tasks_that_come_and_go_use_nothing_up(bench: RtosBench, rex: Rex) -> None:
    for _ in range(400):
        tcb = rex.rex_def_task("t", 5, waits, bench, A_SIG, 1)
        bench.run()
        bench.kernel.serve(tcb.task, rex.rex_kill_task(tcb))
        assert tcb.task.state is State.ENDED
    assert len(bench.kernel.objects) <= 1
    with pytest.raises(Refused, match="NO_OBJECT"):
        for _ in range(2):
            rex.rex_def_task("t", 5, waits, bench, A_SIG, 1)
            rex.rex_set_sigs(tcb, A_SIG)


def test_a_change_of_priority_is_felt_at_once(bench: RtosBench, rex: Rex) -> None:
    def says(rex: Rex, name: str) -> Steps:
        yield Work(1)
        bench.diary.append(name)

    low = rex.rex_def_task("low", 1, says, "low")

    def raises(rex: Rex) -> Steps:
        yield rex.rex_set_pri(low, 9)
        bench.diary.append("raised it")

    rex.rex_def_task("raises", 5, raises)
    bench.run()
    assert bench.diary == ["low", "raised it"]
