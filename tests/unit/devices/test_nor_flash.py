"""NOR flash: what a driver sees of the chip."""

from __future__ import annotations

import pytest

from devices import NEVER, NorFlash
from devices.bench import Bench
from devices.nor_flash import ERASE_FAILED, PROGRAM_FAILED, READY

BLOCK = 128 << 10
US = 1


@pytest.fixture
def bench() -> Bench:
    return Bench(hz=1_000_000)


@pytest.fixture
def chip(bench: Bench) -> NorFlash:
    return NorFlash(bench.wiring())


def write(chip: NorFlash, offset: int, *values: int) -> None:
    for value in values:
        chip.registers.write(offset, 2, value)


def read(chip: NorFlash, offset: int, size: int = 2) -> int:
    return chip.registers.read(offset, size)


def program(bench: Bench, chip: NorFlash, offset: int, value: int) -> None:
    write(chip, offset, 0x40, value)
    bench.now += 210 * US


def erase(bench: Bench, chip: NorFlash, offset: int) -> None:
    write(chip, offset, 0x20, 0xD0)
    bench.now += 1_000_000 * US


def test_a_new_chip_is_blank(chip: NorFlash) -> None:
    assert read(chip, 0) == 0xFFFF
    assert read(chip, 0x7F_FFFC, 4) == 0xFFFF_FFFF


def test_a_word_is_programmed_when_its_time_has_passed(bench: Bench, chip: NorFlash) -> None:
    write(chip, 0x1000, 0x40, 0x1234)
    bench.now = 209
    assert not read(chip, 0x1000) & READY
    bench.now = 210
    assert read(chip, 0x1000) == READY
    write(chip, 0, 0xFF)
    assert read(chip, 0x1000) == 0x1234
    assert (read(chip, 0x1001, 1), read(chip, 0x1000, 4)) == (0x12, 0xFFFF_1234)


def test_programming_clears_bits_and_sets_none(bench: Bench, chip: NorFlash) -> None:
    program(bench, chip, 0, 0x0FF0)
    program(bench, chip, 0, 0xFF0F)
    write(chip, 0, 0xFF)
    assert read(chip, 0) == 0x0F00


def test_an_erase_sets_its_block_and_no_other_and_counts(bench: Bench, chip: NorFlash) -> None:
    for offset in (BLOCK - 2, BLOCK, 2 * BLOCK - 2, 2 * BLOCK):
        program(bench, chip, offset, 0)
    erase(bench, chip, BLOCK + 0x100)
    write(chip, 0, 0xFF)
    assert [read(chip, at) for at in (BLOCK - 2, BLOCK, 2 * BLOCK - 2, 2 * BLOCK)] == [0, 0xFFFF, 0xFFFF, 0]
    assert chip.state.wear == {1: 1}


def test_an_erase_without_its_confirmation_is_an_error_that_stays_until_it_is_cleared(
    bench: Bench, chip: NorFlash
) -> None:
    program(bench, chip, 0, 0)
    write(chip, 0, 0x20, 0xFF)
    assert read(chip, 0) == READY | ERASE_FAILED | PROGRAM_FAILED
    write(chip, 0, 0x50, 0xFF)
    assert read(chip, 0) == 0, "nothing was erased"
    write(chip, 0, 0x70)
    assert read(chip, 0) == READY


def test_a_buffer_is_programmed_at_once_in_the_time_of_one(bench: Bench, chip: NorFlash) -> None:
    write(chip, BLOCK, 0xE8)
    assert read(chip, BLOCK) == READY, "the extended status: a buffer is free"
    write(chip, BLOCK, 15)
    for word in range(0, 16, 2):
        chip.registers.write(BLOCK + 2 * word, 4, (word + 1) << 16 | word)
    write(chip, BLOCK, 0xD0)
    bench.now += 218
    assert read(chip, BLOCK) == READY
    write(chip, 0, 0xFF)
    assert [read(chip, BLOCK + 2 * word) for word in range(16)] == list(range(16))


@pytest.mark.parametrize("sequence", [[(0, 16)], [(0, 0), (2 * BLOCK, 7), (0, 0xD0)], [(0, 0), (0, 7), (0, 0xFF)]])
def test_a_wrong_buffer_sequence_programs_nothing(
    bench: Bench, chip: NorFlash, sequence: list[tuple[int, int]]
) -> None:
    write(chip, 0, 0xE8)
    for offset, value in sequence:
        write(chip, offset, value)
    bench.now += 1000
    assert read(chip, 0) == READY | ERASE_FAILED | PROGRAM_FAILED
    assert chip.state.pages == {}


def test_while_it_works_nothing_but_the_status_is_heard(bench: Bench, chip: NorFlash) -> None:
    write(chip, 0, 0x20, 0xD0, 0xFF, 0x40)
    assert read(chip, 0) == 0
    bench.now += 1_000_000
    assert read(chip, 0) == READY
    write(chip, 0, 0xFF)
    assert read(chip, 0) == 0xFFFF


def test_the_query_says_what_the_chip_is(chip: NorFlash) -> None:
    write(chip, 0xAA, 0x98)
    table = [read(chip, 2 * word) for word in range(0x31)]
    assert bytes(table[0x10:0x13]) == b"QRY"
    assert table[0x13] == 1, "Intel's command set"
    assert 1 << table[0x27] == 8 << 20
    assert table[0x2D] + (table[0x2E] << 8) + 1 == 64
    assert (table[0x2F] + (table[0x30] << 8)) * 256 == BLOCK
    assert 1 << table[0x2A] == 32
    assert (1 << table[0x20], 1 << table[0x21]) == (128, 512), "microseconds of a buffer, milliseconds of a block"


def test_the_identifier_is_that_of_the_28f640j3(chip: NorFlash) -> None:
    write(chip, 0, 0x90)
    assert (read(chip, 0), read(chip, 2)) == (0x89, 0x17)


def test_the_line_rises_when_the_operation_asked_for_is_done_and_falls_with_the_next_write(
    bench: Bench, chip: NorFlash
) -> None:
    write(chip, 0, 0xB8, 0x01, 0x20, 0xD0)
    assert chip.deadline() == 1_000_000
    bench.now = 999_999
    chip.advance()
    assert not bench.level()
    bench.now = 1_000_000
    chip.advance()
    assert bench.level()
    assert chip.deadline() == NEVER
    write(chip, 0, 0x50)
    assert not bench.level()
    program(bench, chip, 0, 0)
    chip.advance()
    assert not bench.level(), "only erasures were asked for"


def test_a_worn_block_fails_to_erase_and_keeps_its_content() -> None:
    bench = Bench(hz=1_000_000)
    chip = NorFlash(bench.wiring(), endurance=2)
    program(bench, chip, 0, 0x55)
    for _ in range(3):
        assert not read(chip, 0) & ERASE_FAILED
        erase(bench, chip, 0)
        program(bench, chip, 0, 0x55)
    assert read(chip, 0) == READY | ERASE_FAILED
    erase(bench, chip, BLOCK)
    write(chip, 0, 0xFF)
    assert read(chip, 0) == 0x55


def test_a_reset_lets_an_erase_go_on_and_keeps_what_is_stored(bench: Bench, chip: NorFlash) -> None:
    program(bench, chip, 0, 0)
    program(bench, chip, BLOCK, 0x77)
    write(chip, 0, 0x20, 0xD0)
    chip.reset()
    assert not read(chip, 0) & READY
    bench.now += 1_000_000
    assert (read(chip, 0), read(chip, BLOCK)) == (0xFFFF, 0x77)


def test_misuse_is_recorded_and_harmless(bench: Bench, chip: NorFlash) -> None:
    chip.registers.write(0, 1, 0xFF)
    chip.registers.read(8 << 20, 4)
    chip.registers.read(1, 2)
    assert len(bench.misuses) == 3


def test_a_blank_chip_takes_no_room(bench: Bench, chip: NorFlash) -> None:
    program(bench, chip, 0x40_0000, 1)
    read(chip, 0)
    assert list(chip.state.pages) == [0x400]


def test_it_is_readable_as_memory_as_long_as_it_gives_the_array(bench: Bench, chip: NorFlash) -> None:
    assert chip.readable
    write(chip, 0, 0x70)
    assert not chip.readable
    write(chip, 0, 0xFF)
    assert chip.readable
    write(chip, 0, 0x40, 0x1234)
    assert not chip.readable
    chip.reset()
    assert not chip.readable, "it shows the array again, but it is busy"
    bench.now += 210
    read(chip, 0)
    assert chip.readable


def test_what_has_changed_is_told_page_by_page_and_once(bench: Bench, chip: NorFlash) -> None:
    assert chip.take_changes() == []
    program(bench, chip, 0x1002, 0x1234)
    read(chip, 0)
    assert chip.take_changes() == [(0x1000, b"\xff\xff\x34\x12" + b"\xff" * 4092)]
    assert chip.take_changes() == []
    erase(bench, chip, 0)
    read(chip, 0)
    assert chip.take_changes() == [(0x1000, b"\xff" * 4096)]
    assert NorFlash(bench.wiring(), chip.state).take_changes() == []


def test_a_chip_that_goes_on_from_a_snapshot_tells_all_that_is_not_blank(bench: Bench, chip: NorFlash) -> None:
    program(bench, chip, 0, 0)
    read(chip, 0)
    assert [offset for offset, _ in NorFlash(bench.wiring(), chip.state).take_changes()] == [0]


@pytest.mark.parametrize("size", [2, 4])
@pytest.mark.parametrize("words", [15, 16, 17])
def test_store_multiple_is_so_many_stores(size: int, words: int) -> None:
    """Also where it does not fit into the buffer."""
    data = bytes(range(2 * words + 2))[: 2 * words // size * size]
    chips = []
    for many in (True, False):
        bench = Bench(hz=1_000_000)
        chip = NorFlash(bench.wiring())
        write(chip, 0, 0xE8, 15)
        if many:
            chip.registers.write_many(0, size, data)
        else:
            for at in range(0, len(data), size):
                chip.registers.write(at, size, int.from_bytes(data[at : at + size], "little"))
        write(chip, 0, 0xD0)
        bench.now += 1000
        read(chip, 0)
        chips.append(chip)
    assert chips[0].state == chips[1].state


def test_a_larger_buffer_is_in_the_query_and_is_filled_by_one_command(bench: Bench) -> None:
    chip = NorFlash(bench.wiring(), buffer=512, buffer_us=722)
    write(chip, 0, 0x98)
    assert 1 << read(chip, 2 * 0x2A) == 512
    write(chip, 0, 0xFF, 0xE8, 255)
    chip.registers.write_many(0, 4, bytes(range(256)) * 2)
    write(chip, 0, 0xD0)
    bench.now += 722
    write(chip, 0, 0xFF)
    assert chip.take_changes() == [(0, bytes(range(256)) * 2 + b"\xff" * 3584)]
