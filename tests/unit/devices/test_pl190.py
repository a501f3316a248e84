"""PL190: plain status, vectors, nesting, software interrupts and FIQ."""

from __future__ import annotations

from dataclasses import replace

import pytest

from devices import Pl190
from devices.bench import Bench

IRQSTATUS, FIQSTATUS, RAW, SELECT, ENABLE, ENCLEAR, SOFT, SOFTCLEAR = (4 * n for n in range(8))
VECTADDR, DEFVECTADDR, ADDRESS, CONTROL = 0x030, 0x034, 0x100, 0x200
SLOT_ON = 0x20


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def vic(bench: Bench) -> Pl190:
    vic = Pl190(bench.wiring())
    write(vic, ENABLE, 0xFFFF_FFFF)
    write(vic, DEFVECTADDR, 0xDEF0)
    for slot, source in ((0, 7), (1, 4)):
        write(vic, ADDRESS + 4 * slot, 0x1000 + slot)
        write(vic, CONTROL + 4 * slot, SLOT_ON | source)
    return vic


def write(vic: Pl190, offset: int, value: int) -> None:
    vic.registers.write(offset, 4, value)


def read(vic: Pl190, offset: int) -> int:
    return vic.registers.read(offset, 4)


def test_software_that_uses_no_vectors_sees_plain_status(bench: Bench, vic: Pl190) -> None:
    vic.line(12)(True)
    assert read(vic, IRQSTATUS) == 1 << 12
    assert bench.level()
    vic.line(12)(False)
    assert not bench.level()


def test_disabling_an_input_hides_it_from_status_but_not_from_raw(bench: Bench, vic: Pl190) -> None:
    vic.line(12)(True)
    write(vic, ENCLEAR, 1 << 12)
    assert (read(vic, IRQSTATUS), read(vic, RAW)) == (0, 1 << 12)
    assert not bench.level()


def test_the_vector_is_that_of_the_most_urgent_slot(bench: Bench, vic: Pl190) -> None:
    vic.line(4)(True)
    vic.line(7)(True)
    assert read(vic, VECTADDR) == 0x1000
    assert not bench.level()  # slot 1 is less urgent than what is in service


def test_service_nests_and_ends_with_a_write(bench: Bench, vic: Pl190) -> None:
    vic.line(4)(True)
    assert read(vic, VECTADDR) == 0x1001
    vic.line(7)(True)
    assert bench.level()
    assert read(vic, VECTADDR) == 0x1000
    vic.line(7)(False)
    write(vic, VECTADDR, 0)
    assert not bench.level()  # slot 1 is still in service
    vic.line(4)(False)
    write(vic, VECTADDR, 0)
    vic.line(12)(True)
    assert bench.level()


def test_an_input_without_slot_has_the_default_vector_and_the_lowest_priority(bench: Bench, vic: Pl190) -> None:
    vic.line(20)(True)
    assert read(vic, VECTADDR) == 0xDEF0
    assert not bench.level()
    vic.line(4)(True)
    assert bench.level()


def test_software_can_raise_and_lower_an_input(bench: Bench, vic: Pl190) -> None:
    write(vic, SOFT, 1 << 3)
    assert bench.level()
    assert read(vic, RAW) == 1 << 3
    write(vic, SOFTCLEAR, 1 << 3)
    assert not bench.level()


def test_a_selected_input_is_a_fiq_and_no_irq(bench: Bench) -> None:
    levels: list[bool] = []
    vic = Pl190(replace(bench.wiring(), more=(levels.append,)))
    write(vic, SELECT, 1 << 6)
    write(vic, ENABLE, 1 << 6)
    vic.line(6)(True)
    assert (read(vic, FIQSTATUS), read(vic, IRQSTATUS)) == (1 << 6, 0)
    assert levels == [True]
    assert not bench.level()


def test_it_says_that_it_is_a_pl190(vic: Pl190) -> None:
    assert [read(vic, offset) for offset in range(0xFE0, 0xFF0, 4)] == [0x90, 0x11, 0x04, 0x00]


def test_inputs_that_do_not_exist_are_refused(vic: Pl190) -> None:
    with pytest.raises(ValueError, match=r"not 32$"):
        vic.line(32)
