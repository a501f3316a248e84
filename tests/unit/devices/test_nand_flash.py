"""NAND flash: the chip behind command, address and data cycles, and the controller's jobs."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from devices import NandFlash, Wiring
from devices.bench import MEMORY, Bench
from devices.nand_chip import FAIL, PAGES_IN_BLOCK, WHOLE_PAGE, bad_from_factory

CONTROL, STATUS, EVENTS, COMMAND, ADDRESS, DATA, DATA32 = 0x00, 0x04, 0x08, 0x0C, 0x10, 0x14, 0x18
DMA_ADDRESS, DMA_LENGTH, PAGE, COLUMN, COUNT, JOB = 0x20, 0x24, 0x28, 0x2C, 0x30, 0x34
READ, PROGRAM, ERASE = 1, 2, 3
READY, RUNNING, BUS_ERROR, FAILED = 1, 2, 4, 8
NS = 1_000_000_000
PATTERN = bytes(range(256)) * 8 + b"spare" + b"\xff" * 59


@pytest.fixture
def bench() -> Bench:
    return Bench(hz=NS)


@pytest.fixture
def chip(bench: Bench) -> NandFlash:
    return NandFlash(bench.wiring())


def cycles(chip: NandFlash, first: int, addresses: Sequence[int] = (), second: int | None = None) -> None:
    chip.registers.write(COMMAND, 4, first)
    for address in addresses:
        chip.registers.write(ADDRESS, 4, address)
    if second is not None:
        chip.registers.write(COMMAND, 4, second)


def row(page: int) -> list[int]:
    return [page & 0xFF, page >> 8]


def wait(bench: Bench, chip: NandFlash) -> None:
    while not chip.registers.read(STATUS, 4) & READY or chip.registers.read(STATUS, 4) & RUNNING:
        bench.now = chip.deadline()


def program(bench: Bench, chip: NandFlash, page: int, data: bytes, column: int = 0) -> int:
    cycles(chip, 0x80, [column & 0xFF, column >> 8, *row(page)])
    for byte in data:
        chip.registers.write(DATA, 4, byte)
    cycles(chip, 0x10)
    wait(bench, chip)
    return status(chip)


def status(chip: NandFlash) -> int:
    cycles(chip, 0x70)
    return chip.registers.read(DATA, 1)


def content(bench: Bench, chip: NandFlash, page: int, column: int, length: int) -> bytes:
    cycles(chip, 0x00, [column & 0xFF, column >> 8, *row(page)], 0x30)
    wait(bench, chip)
    return bytes(chip.registers.read(DATA, 1) for _ in range(length))


def erase(bench: Bench, chip: NandFlash, block: int) -> int:
    cycles(chip, 0x60, row(block * PAGES_IN_BLOCK), 0xD0)
    wait(bench, chip)
    return status(chip)


def job(
    bench: Bench, chip: NandFlash, kind: int, *, address: int = 0, page: int = 0, count: int = 1, **more: int
) -> int:
    settings = {DMA_ADDRESS: address, DMA_LENGTH: WHOLE_PAGE, PAGE: page, COLUMN: 0, COUNT: count}
    settings |= {{"length": DMA_LENGTH, "column": COLUMN}[key]: value for key, value in more.items()}
    for offset, value in settings.items():
        chip.registers.write(offset, 4, value)
    chip.registers.write(JOB, 4, kind)
    wait(bench, chip)
    return chip.registers.read(STATUS, 4)


def test_the_identity_is_that_of_the_k9f1g08(chip: NandFlash) -> None:
    cycles(chip, 0x90, [0])
    assert [chip.registers.read(DATA, 1) for _ in range(5)] == [0xEC, 0xF1, 0x00, 0x95, 0x40]


def test_a_page_with_its_spare_bytes_is_programmed_and_read_back(bench: Bench, chip: NandFlash) -> None:
    assert program(bench, chip, 5, PATTERN) == 0xE0
    assert content(bench, chip, 5, 0, WHOLE_PAGE) == PATTERN
    assert content(bench, chip, 5, 2048, 5) == b"spare"
    assert content(bench, chip, 4, 0, 8) == b"\xff" * 8


def test_four_bytes_a_cycle_are_the_same_bytes(bench: Bench, chip: NandFlash) -> None:
    cycles(chip, 0x80, [0, 0, *row(1)])
    for at in range(0, 16, 4):
        chip.registers.write(DATA32, 4, int.from_bytes(b"sixteen bytes it"[at : at + 4], "little"))
    cycles(chip, 0x10)
    wait(bench, chip)
    assert content(bench, chip, 1, 0, 16) == b"sixteen bytes it"


def test_reading_takes_25_us_programming_200_us_erasing_1500_us(bench: Bench, chip: NandFlash) -> None:
    for first, addresses, second, time in (
        (0x00, [0, 0, 0, 0], 0x30, 25_000),
        (0x80, [0, 0, 0, 0], 0x10, 200_000),
        (0x60, [0, 0], 0xD0, 1_500_000),
    ):
        cycles(chip, first, addresses, second)
        assert chip.deadline() - bench.now == time
        assert not chip.registers.read(STATUS, 4) & READY
        assert status(chip) == 0x80, "not ready, not protected"
        bench.now += time
        assert chip.registers.read(STATUS, 4) & READY


def test_programming_clears_bits_and_an_erase_sets_those_of_its_block(bench: Bench, chip: NandFlash) -> None:
    program(bench, chip, 64, b"\xf0")
    program(bench, chip, 64, b"\x3c")
    program(bench, chip, 128, b"\x00")
    assert content(bench, chip, 64, 0, 1) == b"\x30"
    assert erase(bench, chip, 1) == 0xE0
    assert content(bench, chip, 64, 0, 1) == b"\xff"
    assert content(bench, chip, 128, 0, 1) == b"\x00"
    assert chip.state.wear == {1: 1}


def test_the_column_can_be_changed_within_a_page(bench: Bench, chip: NandFlash) -> None:
    cycles(chip, 0x80, [0, 0, *row(3)])
    chip.registers.write(DATA, 4, 0x11)
    cycles(chip, 0x85, [0x00, 0x08])
    chip.registers.write(DATA, 4, 0x22)
    cycles(chip, 0x10)
    wait(bench, chip)
    assert content(bench, chip, 3, 0, 1) == b"\x11"
    cycles(chip, 0x05, [0x00, 0x08], 0xE0)
    assert chip.registers.read(DATA, 1) == 0x22


def test_a_confirmation_without_its_command_does_nothing(bench: Bench, chip: NandFlash) -> None:
    cycles(chip, 0x60, row(0), 0x10)
    cycles(chip, 0xD0)
    assert chip.registers.read(STATUS, 4) & READY
    assert chip.state.wear == {}


def test_a_protected_chip_is_not_changed(bench: Bench, chip: NandFlash) -> None:
    program(bench, chip, 0, b"\x55")
    chip.registers.write(CONTROL, 4, 0b100)
    assert program(bench, chip, 0, b"\x00") == 0x61
    assert erase(bench, chip, 0) == 0x61
    assert content(bench, chip, 0, 0, 1) == b"\x55"


def test_a_reset_ends_what_is_under_way(bench: Bench, chip: NandFlash) -> None:
    program(bench, chip, 0, b"\x55")
    cycles(chip, 0x60, row(0), 0xD0)
    cycles(chip, 0xFF)
    assert chip.registers.read(STATUS, 4) & READY
    assert content(bench, chip, 0, 0, 1) == b"\x55"


def test_blocks_that_are_bad_from_the_factory_say_so_and_cannot_be_used() -> None:
    bench = Bench(hz=NS)
    chip = NandFlash(bench.wiring(), bad_blocks=20, seed=7)
    marks = {block for block in range(1024) if chip.content(block * PAGES_IN_BLOCK + 1)[2048] != 0xFF}
    assert marks == chip.bad
    assert len(marks) == 20
    assert 0 not in marks
    block = min(marks)
    assert erase(bench, chip, block) & FAIL
    assert program(bench, chip, block * PAGES_IN_BLOCK, b"\x00") & FAIL
    assert chip.content(block * PAGES_IN_BLOCK)[2048] == 0, "the mark cannot be lost"


def test_which_blocks_are_bad_depends_on_the_seed_alone() -> None:
    assert bad_from_factory(1024, 20, 7) == bad_from_factory(1024, 20, 7)
    assert bad_from_factory(1024, 20, 7) != bad_from_factory(1024, 20, 8)


def test_wear_turns_blocks_bad_each_at_its_own_time_but_none_before_the_promise() -> None:
    ends = []
    for _ in range(2):
        bench = Bench(hz=NS)
        chip = NandFlash(bench.wiring(), endurance=40)
        erasures = [0] * 8
        for block in range(8):
            while not erase(bench, chip, block) & FAIL:
                erasures[block] += 1
        ends.append(erasures)
    assert ends[0] == ends[1]
    assert all(40 <= count <= 46 for count in ends[0])
    assert len(set(ends[0])) > 1


def test_a_job_programs_and_reads_pages_from_and_to_memory(bench: Bench, chip: NandFlash) -> None:
    bench.memory[0x1000 : 0x1000 + 2 * WHOLE_PAGE] = PATTERN + PATTERN[::-1]
    assert job(bench, chip, PROGRAM, address=0x1000, page=10, count=2) == READY
    assert chip.registers.read(PAGE, 4) == 12
    assert job(bench, chip, READ, address=0x8000, page=10, count=2) == READY
    assert bench.memory[0x8000 : 0x8000 + 2 * WHOLE_PAGE] == PATTERN + PATTERN[::-1]


def test_the_time_of_a_job_is_that_of_its_pages_and_of_their_bytes_on_the_bus(bench: Bench, chip: NandFlash) -> None:
    job(bench, chip, READ, count=3)
    assert bench.now == 3 * (25_000 + WHOLE_PAGE * 25)
    began = bench.now
    job(bench, chip, PROGRAM, count=2, length=2048)
    assert bench.now - began == 2 * (200_000 + 2048 * 25)
    began = bench.now
    job(bench, chip, ERASE, count=4)
    assert bench.now - began == 4 * 1_500_000
    assert chip.state.wear == {0: 1, 1: 1, 2: 1, 3: 1}


def test_nothing_reaches_memory_before_its_page_is_done(bench: Bench, chip: NandFlash) -> None:
    program(bench, chip, 0, b"\x00" * 64)
    bench.memory[:64] = b"\xaa" * 64
    for offset, value in ((DMA_LENGTH, 64), (PAGE, 0), (COUNT, 1), (JOB, READ)):
        chip.registers.write(offset, 4, value)
    due = chip.deadline()
    bench.now = due - 1
    chip.advance()
    assert bench.memory[:64] == b"\xaa" * 64
    bench.now = due
    chip.advance()
    assert bench.memory[:64] == b"\x00" * 64


def test_a_part_of_a_page_can_be_moved(bench: Bench, chip: NandFlash) -> None:
    program(bench, chip, 0, PATTERN)
    assert job(bench, chip, READ, address=0x100, column=2048, length=5) == READY
    assert bench.memory[0x100:0x106] == b"spare\x00"


@pytest.mark.parametrize(
    "wrong",
    [
        {"address": MEMORY - 100},
        {"address": 0xFFFF_FFFF},
        {"length": 0},
        {"length": WHOLE_PAGE + 1},
        {"column": 1},
        {"page": 1024 * 64},
    ],
)
@pytest.mark.parametrize("kind", [READ, PROGRAM])
def test_a_job_that_does_not_fit_ends_with_a_bus_error(
    bench: Bench, chip: NandFlash, kind: int, wrong: dict[str, int]
) -> None:
    assert job(bench, chip, kind, **wrong) == READY | BUS_ERROR
    assert chip.state.pages == {}
    assert bytes(bench.memory) == bytes(MEMORY)


def test_a_job_that_fails_shows_where(bench: Bench) -> None:
    chip = NandFlash(bench.wiring(), bad_blocks=1000, seed=3)
    good = [block for block in range(1024) if block not in chip.bad]
    assert job(bench, chip, ERASE, page=good[0] * 64, count=2) == READY | FAILED
    assert chip.registers.read(PAGE, 4) == (good[0] + 1) * 64
    assert chip.registers.read(COUNT, 4) == 1


def test_the_line_follows_the_events_that_were_asked_for(bench: Bench, chip: NandFlash) -> None:
    chip.registers.write(CONTROL, 4, 0b10)
    cycles(chip, 0x60, row(0), 0xD0)
    wait(bench, chip)
    assert not bench.level(), "ready was not asked for"
    job(bench, chip, ERASE)
    assert bench.level()
    chip.registers.write(EVENTS, 4, 0b10)
    assert not bench.level()
    chip.registers.write(CONTROL, 4, 0b01)
    assert bench.level(), "READY has waited"


def test_the_chip_is_the_jobs_while_it_runs(bench: Bench, chip: NandFlash) -> None:
    program(bench, chip, 0, PATTERN)
    chip.registers.write(COUNT, 4, 2)
    chip.registers.write(JOB, 4, READ)
    cycles(chip, 0xFF)
    chip.registers.write(JOB, 4, ERASE)
    wait(bench, chip)
    assert bench.memory[:2048] == PATTERN[:2048]
    assert chip.state.wear == {}


def test_after_a_reset_of_the_controller_nothing_reaches_memory(bench: Bench, chip: NandFlash) -> None:
    program(bench, chip, 0, PATTERN)
    chip.registers.write(COUNT, 4, 2)
    chip.registers.write(JOB, 4, READ)
    chip.reset()
    bench.now += NS
    chip.advance()
    assert bytes(bench.memory) == bytes(MEMORY)
    assert content(bench, chip, 0, 0, 4) == PATTERN[:4]


def test_without_a_way_into_memory_jobs_end_with_a_bus_error() -> None:
    bench = Bench(hz=NS)
    chip = NandFlash(Wiring(clock=lambda: bench.now, hz=NS))
    assert job(bench, chip, READ) == READY | BUS_ERROR


def test_a_blank_chip_takes_no_room(bench: Bench, chip: NandFlash) -> None:
    job(bench, chip, READ, page=65535)
    job(bench, chip, ERASE, page=0)
    assert chip.state.pages == {}
