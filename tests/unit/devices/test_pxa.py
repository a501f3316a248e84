"""The PXA255's interrupt controller and operating system timer."""

from __future__ import annotations

from dataclasses import replace

import pytest

from devices import NEVER, PxaIcp, PxaOst
from devices.bench import Bench

ICIP, ICMR, ICLR, ICFP, ICPR = (4 * n for n in range(5))
OSCR, OSSR, OWER, OIER = 0x10, 0x14, 0x18, 0x1C


@pytest.fixture
def bench() -> Bench:
    return Bench(hz=398_131_200)


@pytest.fixture
def timer(bench: Bench) -> PxaOst:
    return PxaOst(bench.wiring(outputs=4))


def test_a_tick_is_108_cycles_of_the_398_megahertz_core(bench: Bench, timer: PxaOst) -> None:
    bench.now = 107
    assert timer.registers.read(OSCR, 4) == 0
    bench.now = 108
    assert timer.registers.read(OSCR, 4) == 1


@pytest.mark.parametrize("channel", range(4))
def test_a_match_raises_its_own_line_at_the_deadline(bench: Bench, timer: PxaOst, channel: int) -> None:
    timer.registers.write(4 * channel, 4, 1000)
    timer.registers.write(OIER, 4, 1 << channel)
    assert timer.deadline() == 108_000
    bench.now = 107_999
    timer.advance()
    assert not any(bench.levels.values())
    bench.now = 108_000
    timer.advance()
    assert [bench.level(output) for output in range(4)] == [output == channel for output in range(4)]
    assert timer.registers.read(OSSR, 4) == 1 << channel


def test_writing_a_one_clears_the_status_and_lowers_the_line(bench: Bench, timer: PxaOst) -> None:
    timer.registers.write(0, 4, 5)
    timer.registers.write(OIER, 4, 1)
    bench.now = 540
    timer.registers.write(OSSR, 4, 0b10)
    assert bench.level(0)
    timer.registers.write(OSSR, 4, 0b01)
    assert not bench.level(0)


def test_a_match_that_nobody_asked_for_leaves_no_trace(bench: Bench, timer: PxaOst) -> None:
    timer.registers.write(0, 4, 5)
    assert timer.deadline() == NEVER
    bench.now = 1080
    assert timer.registers.read(OSSR, 4) == 0


def test_a_match_behind_the_counter_waits_for_the_wrap(bench: Bench, timer: PxaOst) -> None:
    timer.registers.write(OSCR, 4, 100)
    timer.registers.write(0, 4, 100)
    timer.registers.write(OIER, 4, 1)
    assert timer.deadline() == (1 << 32) * 108


def test_the_watchdog_enable_cannot_be_taken_back(timer: PxaOst) -> None:
    timer.registers.write(OWER, 4, 1)
    timer.registers.write(OWER, 4, 0)
    assert timer.registers.read(OWER, 4) == 1


def test_the_controller_masks_and_shows_pending(bench: Bench) -> None:
    icp = PxaIcp(bench.wiring())
    icp.line(26)(True)
    assert (icp.registers.read(ICPR, 4), icp.registers.read(ICIP, 4)) == (1 << 26, 0)
    assert not bench.level()
    icp.registers.write(ICMR, 4, 1 << 26)
    assert icp.registers.read(ICIP, 4) == 1 << 26
    assert bench.level()


def test_the_level_register_turns_an_input_into_a_fiq(bench: Bench) -> None:
    levels: list[bool] = []
    icp = PxaIcp(replace(bench.wiring(), more=(levels.append,)))
    icp.registers.write(ICMR, 4, 1 << 22)
    icp.line(22)(True)
    icp.registers.write(ICLR, 4, 1 << 22)
    assert (icp.registers.read(ICIP, 4), icp.registers.read(ICFP, 4)) == (0, 1 << 22)
    assert levels == [True]
    assert not bench.level()


def test_inputs_that_do_not_exist_are_refused(bench: Bench) -> None:
    with pytest.raises(ValueError, match=r"not 32$"):
        PxaIcp(bench.wiring()).line(32)
