"""Kirkwood's timer, bridge and interrupt controller: apart, and as the cascade that they are."""

from __future__ import annotations

from dataclasses import replace

import pytest

from devices import NEVER, OrionBridge, OrionIntc, OrionTimer, Wiring
from devices.bench import Bench
from devices.orion_mbus import OrionDdrWindows, OrionMbus

CTRL, RELOAD0, VALUE0, RELOAD1, VALUE1 = 0x00, 0x10, 0x14, 0x18, 0x1C
CAUSE, MASK = 0x10, 0x14


@pytest.fixture
def bench() -> Bench:
    return Bench(hz=1_000_000)


@pytest.fixture
def timer(bench: Bench) -> OrionTimer:
    return OrionTimer(bench.wiring(outputs=2), frequency=1_000_000)


def test_a_periodic_timer_has_the_period_of_its_reload_plus_one(bench: Bench, timer: OrionTimer) -> None:
    timer.registers.write(RELOAD1, 4, 9)
    timer.registers.write(VALUE1, 4, 9)
    timer.registers.write(CTRL, 4, 0b1100)
    fired = []
    for _ in range(3):
        bench.now = timer.deadline()
        timer.advance()
        fired.append(bench.now)
    assert fired == [9, 19, 29]
    assert bench.changes == [(t, 1, level) for t in fired for level in (True, False)]


def test_an_edge_comes_at_the_deadline_and_not_a_cycle_before(bench: Bench, timer: OrionTimer) -> None:
    timer.registers.write(VALUE0, 4, 50)
    timer.registers.write(CTRL, 4, 0b0001)
    assert timer.deadline() == 50
    bench.now = 49
    timer.advance()
    assert bench.changes == []
    bench.now = 50
    timer.advance()
    assert bench.changes == [(50, 0, True), (50, 0, False)]


def test_without_auto_a_timer_stays_at_zero(bench: Bench, timer: OrionTimer) -> None:
    timer.registers.write(VALUE0, 4, 5)
    timer.registers.write(CTRL, 4, 0b0001)
    bench.now = 100
    assert timer.registers.read(VALUE0, 4) == 0
    assert timer.deadline() == NEVER
    timer.registers.write(VALUE0, 4, 7)
    assert timer.deadline() == 107


def test_a_clocksource_wraps_through_its_reload(bench: Bench, timer: OrionTimer) -> None:
    timer.registers.write(RELOAD0, 4, 0xFFFF_FFFF)
    timer.registers.write(VALUE0, 4, 1)
    timer.registers.write(CTRL, 4, 0b0011)
    values = []
    for bench.now in range(4):
        values.append(timer.registers.read(VALUE0, 4))
    assert values == [1, 0, 0xFFFF_FFFF, 0xFFFF_FFFE]


def test_a_stopped_timer_keeps_its_value(bench: Bench, timer: OrionTimer) -> None:
    timer.registers.write(VALUE0, 4, 100)
    timer.registers.write(CTRL, 4, 1)
    bench.now = 40
    timer.registers.write(CTRL, 4, 0)
    bench.now = 400
    assert timer.registers.read(VALUE0, 4) == 60


def test_the_bridge_latches_edges_whether_enabled_or_not(bench: Bench) -> None:
    bridge = OrionBridge(bench.wiring())
    line = bridge.line(1)
    line(True)
    line(False)
    assert bridge.registers.read(CAUSE, 4) == 0b10
    assert not bench.level()
    bridge.registers.write(MASK, 4, 0b10)
    assert bench.level()


def test_writing_a_zero_clears_a_bridge_cause_and_a_one_keeps_it(bench: Bench) -> None:
    bridge = OrionBridge(bench.wiring())
    bridge.registers.write(MASK, 4, 0b110)
    for number in (1, 2):
        bridge.line(number)(True)
    bridge.registers.write(CAUSE, 4, ~0b10 & 0xFFFF_FFFF)
    assert bridge.registers.read(CAUSE, 4) == 0b100
    assert bench.level()
    bridge.registers.write(CAUSE, 4, 0)
    assert not bench.level()


def test_a_line_that_stays_up_is_one_edge(bench: Bench) -> None:
    bridge = OrionBridge(bench.wiring())
    line = bridge.line(3)
    line(True)
    bridge.registers.write(CAUSE, 4, 0)
    line(True)
    assert bridge.registers.read(CAUSE, 4) == 0


def test_the_main_controller_follows_its_inputs(bench: Bench) -> None:
    intc = OrionIntc(bench.wiring())
    intc.registers.write(0x04, 4, 1 << 3)
    intc.line(3)(True)
    assert intc.registers.read(0x00, 4) == 1 << 3
    assert bench.level()
    intc.line(3)(False)
    assert not bench.level()


def test_the_high_bank_has_its_own_mask_and_sums_up_in_the_low_one(bench: Bench) -> None:
    intc = OrionIntc(bench.wiring())
    intc.line(33)(True)
    assert (intc.registers.read(0x00, 4), intc.registers.read(0x10, 4)) == (1, 2)
    assert not bench.level()
    intc.registers.write(0x14, 4, 2)
    assert bench.level()


def test_an_input_can_be_sent_to_fiq(bench: Bench) -> None:
    levels: list[bool] = []
    intc = OrionIntc(replace(bench.wiring(), more=(levels.append,)))
    intc.registers.write(0x08, 4, 1 << 7)
    intc.line(7)(True)
    intc.line(7)(False)
    assert levels == [True, False]
    assert not bench.level()


def test_a_timer_edge_travels_through_the_bridge_to_the_cpu(bench: Bench) -> None:
    intc = OrionIntc(bench.wiring())
    bridge = OrionBridge(Wiring(clock=lambda: bench.now, hz=bench.hz, irq=intc.line(1)))
    timer = OrionTimer(
        Wiring(clock=lambda: bench.now, hz=bench.hz, irq=bridge.line(1), more=(bridge.line(2),)), frequency=1_000_000
    )
    intc.registers.write(0x04, 4, 0b10)
    bridge.registers.write(MASK, 4, 0b100)
    timer.registers.write(VALUE1, 4, 20)
    timer.registers.write(CTRL, 4, 0b0100)
    bench.now = timer.deadline()
    timer.advance()
    assert bench.level()
    bridge.registers.write(CAUSE, 4, ~0b100 & 0xFFFF_FFFF)
    assert not bench.level()


@pytest.mark.parametrize(("model", "number"), [(OrionIntc, 0), (OrionIntc, 64), (OrionBridge, 6), (OrionBridge, -1)])
def test_inputs_that_do_not_exist_are_refused(model: type[OrionIntc] | type[OrionBridge], number: int) -> None:
    with pytest.raises(ValueError, match=f"not {number}$"):
        model(Bench().wiring()).line(number)


def test_address_windows_are_kept_as_written(bench: Bench) -> None:
    mbus, ddr = OrionMbus(bench.wiring()), OrionDdrWindows(bench.wiring())
    mbus.registers.write(0x14, 4, 0xD800_0000)
    ddr.registers.write(0x04, 4, 0x0FFF_FFF1)
    assert mbus.registers.read(0x14, 4) == 0xD800_0000
    assert ddr.registers.read(0x04, 4) == 0x0FFF_FFF1
    assert mbus.registers.registers[0x14].name == "WIN1_BASE"
