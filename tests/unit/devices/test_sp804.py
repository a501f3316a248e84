"""SP804: counting down, wrapping, reloading and stopping, and when exactly it interrupts."""

from __future__ import annotations

import pytest

from devices import NEVER, Sp804
from devices.bench import Bench
from devices.sp804 import ENABLE, INT_ENABLE, ONE_SHOT, PERIODIC, SIZE_32

LOAD, VALUE, CONTROL, INTCLR, RIS, MIS, BGLOAD = 0x00, 0x04, 0x08, 0x0C, 0x10, 0x14, 0x18
GO = ENABLE | INT_ENABLE | SIZE_32


@pytest.fixture
def bench() -> Bench:
    return Bench(hz=1_000_000)


@pytest.fixture
def timer(bench: Bench) -> Sp804:
    return Sp804(bench.wiring(), frequency=1_000_000)


def start(timer: Sp804, load: int, control: int, channel: int = 0) -> None:
    timer.registers.write(0x20 * channel + LOAD, 4, load)
    timer.registers.write(0x20 * channel + CONTROL, 4, control)


def test_it_interrupts_at_its_deadline_and_not_a_cycle_before(bench: Bench, timer: Sp804) -> None:
    start(timer, 100, GO | ONE_SHOT)
    deadline = timer.deadline()
    assert deadline == 100
    bench.now = deadline - 1
    timer.advance()
    assert not bench.level()
    bench.now = deadline
    timer.advance()
    assert bench.level()


def test_the_deadline_rounds_up_when_a_tick_is_not_a_whole_number_of_cycles() -> None:
    bench = Bench(hz=7_000_000)
    timer = Sp804(bench.wiring(), frequency=3_000_000)
    start(timer, 2, GO | ONE_SHOT)
    assert timer.deadline() == 5  # two ticks are 4.67 cycles
    bench.now = 4
    timer.advance()
    assert not bench.level()
    bench.now = 5
    timer.advance()
    assert bench.level()


def test_a_one_shot_stays_at_zero_until_it_is_loaded_again(bench: Bench, timer: Sp804) -> None:
    start(timer, 10, GO | ONE_SHOT)
    bench.now = 1000
    assert timer.registers.read(VALUE, 4) == 0
    timer.registers.write(INTCLR, 4, 1)
    assert timer.deadline() == NEVER
    timer.registers.write(LOAD, 4, 5)
    assert timer.deadline() == 1005


def test_a_periodic_timer_has_the_period_of_its_load(bench: Bench, timer: Sp804) -> None:
    start(timer, 10, GO | PERIODIC)
    fired: list[int] = []
    while len(fired) < 3:
        bench.now = timer.deadline()
        timer.advance()
        fired.append(bench.now)
        timer.registers.write(INTCLR, 4, 1)
    assert fired == [10, 20, 30]
    bench.now = 33
    assert timer.registers.read(VALUE, 4) == 7


def test_a_free_running_timer_wraps_to_all_ones(bench: Bench, timer: Sp804) -> None:
    start(timer, 3, GO)
    values = []
    for bench.now in range(6):
        values.append(timer.registers.read(VALUE, 4))
    assert values == [3, 2, 1, 0, 0xFFFF_FFFF, 0xFFFF_FFFE]
    assert timer.registers.read(RIS, 4) == 1


def test_a_sixteen_bit_timer_wraps_at_sixteen_bits(bench: Bench, timer: Sp804) -> None:
    start(timer, 1, ENABLE)
    bench.now = 2
    assert timer.registers.read(VALUE, 4) == 0xFFFF


@pytest.mark.parametrize(("prescale", "divider"), [(0, 1), (1, 16), (2, 256)])
def test_the_prescaler_divides_the_clock(bench: Bench, timer: Sp804, prescale: int, divider: int) -> None:
    start(timer, 3, GO | ONE_SHOT | prescale << 2)
    assert timer.deadline() == 3 * divider
    bench.now = 2 * divider - 1
    assert timer.registers.read(VALUE, 4) == 2
    bench.now = 2 * divider
    assert timer.registers.read(VALUE, 4) == 1


def test_a_masked_interrupt_shows_raw_and_drives_nothing(bench: Bench, timer: Sp804) -> None:
    start(timer, 5, ENABLE | SIZE_32)
    assert timer.deadline() == NEVER
    bench.now = 5
    assert (timer.registers.read(RIS, 4), timer.registers.read(MIS, 4)) == (1, 0)
    assert not bench.level()
    timer.registers.write(CONTROL, 4, GO)
    assert bench.level()


def test_clearing_moves_the_deadline_and_tells_the_runtime(bench: Bench, timer: Sp804) -> None:
    start(timer, 10, GO | PERIODIC)
    bench.now = 12
    timer.advance()
    assert timer.deadline() == NEVER  # the line is up: nothing more to say
    kicks = bench.kicks
    timer.registers.write(INTCLR, 4, 1)
    assert timer.deadline() == 20
    assert bench.kicks > kicks


def test_the_background_load_waits_for_the_end_of_the_period(bench: Bench, timer: Sp804) -> None:
    start(timer, 10, GO | PERIODIC)
    bench.now = 4
    timer.registers.write(BGLOAD, 4, 3)
    assert timer.registers.read(VALUE, 4) == 6
    assert timer.registers.read(LOAD, 4) == 3
    bench.now = 10
    assert timer.registers.read(VALUE, 4) == 3


def test_loading_zero_interrupts_at_once(bench: Bench, timer: Sp804) -> None:
    timer.registers.write(CONTROL, 4, GO | PERIODIC)
    timer.registers.write(LOAD, 4, 0)
    assert bench.level()


def test_a_stopped_timer_keeps_its_value(bench: Bench, timer: Sp804) -> None:
    start(timer, 100, GO)
    bench.now = 30
    timer.registers.write(CONTROL, 4, SIZE_32)
    bench.now = 500
    assert timer.registers.read(VALUE, 4) == 70


def test_the_two_timers_share_one_line(bench: Bench, timer: Sp804) -> None:
    start(timer, 10, GO | ONE_SHOT, channel=0)
    start(timer, 7, GO | ONE_SHOT, channel=1)
    assert timer.deadline() == 7
    bench.now = 10
    timer.advance()
    timer.registers.write(0x20 + INTCLR, 4, 0)
    assert bench.level()
    timer.registers.write(INTCLR, 4, 0)
    assert not bench.level()


def test_changing_the_prescaler_never_leaves_a_deadline_in_the_past(bench: Bench, timer: Sp804) -> None:
    start(timer, 1, GO | 2 << 2)
    bench.now = 200
    timer.registers.write(CONTROL, 4, GO)
    assert timer.deadline() == 201


def test_clearing_one_timer_tells_the_runtime_even_while_the_other_holds_the_line(bench: Bench, timer: Sp804) -> None:
    start(timer, 10, GO | PERIODIC, channel=0)
    start(timer, 10, GO | ONE_SHOT, channel=1)
    bench.now = 10
    timer.advance()
    kicks = bench.kicks
    timer.registers.write(INTCLR, 4, 1)
    assert bench.level()
    assert timer.deadline() == 20
    assert bench.kicks > kicks
