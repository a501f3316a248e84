"""STMPE811: what a driver sees of the hand."""

from __future__ import annotations

import pytest

from devices import Touch
from devices.bench import Bench
from devices.touch import FIFO, FIFO_EMPTY, FIFO_FULL, FIFO_OFLOW, FIFO_TH, PRESSURE, TOUCH, TOUCH_DET

CHIP_ID, SYS_CTRL1, INT_CTRL, INT_EN, INT_STA = 0x00, 0x0C, 0x24, 0x28, 0x2C
TSC_CTRL, TH, STATUS, SIZE, X, Y, Z, XYZ = 0x100, 0x128, 0x12C, 0x130, 0x134, 0x13C, 0x144, 0x148


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def panel(bench: Bench) -> Touch:
    panel = Touch(bench.wiring())
    for offset, value in ((TH, 1), (TSC_CTRL, 1), (INT_EN, TOUCH_DET | FIFO_TH), (INT_CTRL, 1)):
        panel.registers.write(offset, 4, value)
    return panel


def touch(panel: Touch, x: int, y: int, down: int = 1) -> None:
    panel.receive(TOUCH.pack(x, y, down))


def test_it_is_an_stmpe811(panel: Touch) -> None:
    assert panel.registers.read(CHIP_ID, 4) == 0x0811


def test_a_touch_raises_the_line_and_can_be_read(bench: Bench, panel: Touch) -> None:
    touch(panel, 100, 2000)
    assert bench.level()
    assert panel.registers.read(INT_STA, 4) == TOUCH_DET | FIFO_TH
    assert panel.registers.read(TSC_CTRL, 4) & 0x80
    assert panel.registers.read(XYZ, 4) == 100 << 20 | 2000 << 8 | PRESSURE
    assert [panel.registers.read(offset, 4) for offset in (X, Y, Z)] == [100, 2000, PRESSURE]
    panel.registers.write(INT_STA, 4, 0xFF)
    assert not bench.level()


def test_readings_come_out_in_order(panel: Touch) -> None:
    for place in range(3):
        touch(panel, place, place + 1)
    assert panel.registers.read(SIZE, 4) == 3
    assert [panel.registers.read(XYZ, 4) >> 20 for _ in range(4)] == [0, 1, 2, 2]
    assert panel.registers.read(STATUS, 4) & 1 << 5
    assert panel.registers.read(INT_STA, 4) & FIFO_EMPTY


def test_lifting_the_pen_is_told_and_leaves_no_reading(bench: Bench, panel: Touch) -> None:
    touch(panel, 5, 5)
    panel.registers.read(XYZ, 4)
    panel.registers.write(INT_STA, 4, 0xFF)
    touch(panel, 5, 5, down=0)
    assert bench.level()
    assert panel.registers.read(INT_STA, 4) == TOUCH_DET
    assert not panel.registers.read(TSC_CTRL, 4) & 0x80
    assert panel.registers.read(SIZE, 4) == 0


def test_the_threshold_decides_when_readings_interrupt_and_they_do_so_until_they_are_taken(
    bench: Bench, panel: Touch
) -> None:
    panel.registers.write(TH, 4, 3)
    panel.registers.write(INT_EN, 4, FIFO_TH)
    for place in range(2):
        touch(panel, place, 0)
    assert not bench.level()
    touch(panel, 2, 0)
    assert bench.level()
    panel.registers.write(INT_STA, 4, FIFO_TH)
    assert bench.level()
    panel.registers.read(XYZ, 4)
    panel.registers.write(INT_STA, 4, FIFO_TH)
    assert not bench.level()


def test_what_does_not_fit_into_the_fifo_is_lost_and_said_so(panel: Touch) -> None:
    for place in range(FIFO + 2):
        touch(panel, place, 0)
    assert panel.registers.read(SIZE, 4) == FIFO
    assert panel.registers.read(INT_STA, 4) & (FIFO_OFLOW | FIFO_FULL) == FIFO_OFLOW | FIFO_FULL
    assert panel.registers.read(STATUS, 4) & 0xC0 == 0xC0
    panel.registers.write(STATUS, 4, 1)
    assert panel.registers.read(SIZE, 4) == 0


@pytest.mark.parametrize("switch", [TSC_CTRL, INT_EN, INT_CTRL])
def test_nothing_interrupts_that_is_not_switched_on(bench: Bench, panel: Touch, switch: int) -> None:
    panel.registers.write(switch, 4, 0)
    touch(panel, 1, 1)
    assert not bench.level()


def test_a_disabled_panel_takes_no_readings_but_knows_the_pen(panel: Touch) -> None:
    panel.registers.write(TSC_CTRL, 4, 0)
    touch(panel, 1, 1)
    assert panel.registers.read(SIZE, 4) == 0
    panel.registers.write(TSC_CTRL, 4, 1)
    assert panel.registers.read(TSC_CTRL, 4) & 0x80


def test_what_is_no_touch_is_left_alone(panel: Touch) -> None:
    for data in (b"", b"x", bytes(6)):
        panel.receive(data)
    panel.receive(TOUCH.pack(0xFFFF, 0xFFFF, 1))
    assert panel.registers.read(XYZ, 4) == 0xFFF << 20 | 0xFFF << 8 | PRESSURE


def test_a_soft_reset_forgets_everything_but_the_pen(bench: Bench, panel: Touch) -> None:
    touch(panel, 1, 1)
    panel.registers.write(SYS_CTRL1, 4, 2)
    assert not bench.level()
    assert panel.registers.read(SIZE, 4) == 0
    assert panel.state.down
