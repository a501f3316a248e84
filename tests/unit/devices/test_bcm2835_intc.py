"""The BCM2835's interrupt controller: banks, summary bits, shortcuts, FIQ."""

from __future__ import annotations

from dataclasses import replace

import pytest

from devices import Bcm2835Intc
from devices.bcm2835_intc import SHORTCUTS
from devices.bench import Bench

BASIC, PENDING1, PENDING2, FIQ, ENABLE1, ENABLE2, ENABLE0, DISABLE1 = (0x00, 0x04, 0x08, 0x0C, 0x10, 0x14, 0x18, 0x1C)
ALL = 0xFFFF_FFFF


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def intc(bench: Bench) -> Bcm2835Intc:
    return Bcm2835Intc(bench.wiring())


def test_an_arm_input_shows_in_the_basic_register_once_enabled(bench: Bench, intc: Bcm2835Intc) -> None:
    intc.line(1)(True)
    assert intc.registers.read(BASIC, 4) == 0
    intc.registers.write(ENABLE0, 4, 0b10)
    assert intc.registers.read(BASIC, 4) == 0b10
    assert bench.level()


def test_a_gpu_input_without_shortcut_sets_its_banks_summary_bit(intc: Bcm2835Intc) -> None:
    intc.registers.write(ENABLE1, 4, ALL)
    intc.registers.write(ENABLE2, 4, ALL)
    intc.line(35)(True)
    assert intc.registers.read(BASIC, 4) == 1 << 8
    intc.line(64 + 5)(True)
    assert intc.registers.read(BASIC, 4) == 1 << 8 | 1 << 9
    assert (intc.registers.read(PENDING1, 4), intc.registers.read(PENDING2, 4)) == (1 << 3, 1 << 5)


def test_a_gpu_input_with_a_shortcut_shows_only_there(intc: Bcm2835Intc) -> None:
    intc.registers.write(ENABLE1, 4, ALL)
    intc.registers.write(ENABLE2, 4, ALL)
    numbers = [32 * bank + bit for bank, bits in SHORTCUTS.items() for bit in bits]
    for place, number in enumerate(numbers, start=10):
        intc.line(number)(True)
        assert intc.registers.read(BASIC, 4) == 1 << place
        intc.line(number)(False)


def test_the_pl011_of_the_chip_is_shortcut_nineteen(intc: Bcm2835Intc) -> None:
    intc.registers.write(ENABLE2, 4, ALL)
    intc.line(64 + 25)(True)  # GPU interrupt 57
    assert intc.registers.read(BASIC, 4) == 1 << 19


def test_disabling_lowers_the_line(bench: Bench, intc: Bcm2835Intc) -> None:
    intc.registers.write(ENABLE1, 4, 0b1000)
    intc.line(35)(True)
    assert bench.level()
    intc.registers.write(DISABLE1, 4, 0b1000)
    assert not bench.level()
    assert intc.registers.read(ENABLE1, 4) == 0


@pytest.mark.parametrize(("source", "number"), [(3, 35), (40, 72), (64, 0), (71, 7)])
def test_one_source_can_be_the_fiq(bench: Bench, source: int, number: int) -> None:
    levels: list[bool] = []
    intc = Bcm2835Intc(replace(bench.wiring(), more=(levels.append,)))
    intc.registers.write(FIQ, 4, 0x80 | source)
    intc.line(number)(True)
    intc.line(number)(False)
    assert levels == [True, False]
    assert not bench.level()


@pytest.mark.parametrize("number", [8, 31, 96, -1])
def test_inputs_that_do_not_exist_are_refused(intc: Bcm2835Intc, number: int) -> None:
    with pytest.raises(ValueError, match=f"not {number}$"):
        intc.line(number)
