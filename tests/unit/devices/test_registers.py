"""Register banks: who answers which access, and what is recorded when nobody does."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from devices.registers import MISUSE_LIMIT, Field, Reg, RegisterBank, array, constant, prime_cell, stored


@dataclass
class Store:
    value: int = 0


def bank_of(*registers: Reg, misuses: list[str] | None = None) -> RegisterBank:
    return RegisterBank(registers, misuse=(misuses if misuses is not None else []).append)


def test_a_stored_register_keeps_what_its_mask_lets_through() -> None:
    state = Store()
    bank = bank_of(stored("CONTROL", 0x10, state, "value", mask=0xF0))
    bank.write(0x10, 4, 0x1FF)
    assert state.value == 0xF0
    assert bank.read(0x10, 4) == 0xF0


def test_narrow_reads_take_their_bytes_out_of_the_word() -> None:
    bank = bank_of(constant("ID", 0, 0x44332211))
    assert [bank.read(offset, 1) for offset in range(4)] == [0x11, 0x22, 0x33, 0x44]
    assert [bank.read(offset, 2) for offset in (0, 2)] == [0x2211, 0x4433]


def test_a_narrow_write_at_the_word_hands_over_the_narrow_value() -> None:
    seen: list[int] = []
    bank = bank_of(Reg("DATA", 0, None, seen.append))
    bank.write(0, 1, 0x1FF)
    bank.write(0, 2, 0x1FFFF)
    assert seen == [0xFF, 0xFFFF]


def test_narrow_writes_merge_where_bytes_have_lanes() -> None:
    state = Store(0x44332211)
    reg = stored("PRIORITY", 0, state, "value")
    bank = bank_of(Reg(reg.name, reg.offset, reg.read, reg.write, lanes=True))
    bank.write(2, 1, 0xAA)
    bank.write(0, 1, 0xBB)
    assert state.value == 0x44AA22BB


def test_a_narrow_write_beside_the_word_is_refused_without_lanes() -> None:
    state, misuses = Store(5), list[str]()
    bank = bank_of(stored("CONTROL", 0, state, "value"), misuses=misuses)
    bank.write(1, 1, 0xAA)
    assert state.value == 5
    assert misuses == ["write of 1 bytes at offset 0x001: CONTROL is not for that"]


@pytest.mark.parametrize(
    ("offset", "size", "why"),
    [
        (0x40, 4, "no such register"),
        (0x00, 8, "ID cannot be reached that way"),
        (0x02, 4, "ID cannot be reached that way"),
        (0x00, 3, "ID cannot be reached that way"),
        (0x04, 4, "KEY is not for that"),
    ],
)
def test_a_wrong_read_gets_zero_and_is_recorded(offset: int, size: int, why: str) -> None:
    misuses: list[str] = []
    bank = bank_of(constant("ID", 0, 7), Reg("KEY", 4, None, lambda value: None), misuses=misuses)
    assert bank.read(offset, size) == 0
    assert misuses == [f"read of {size} bytes at offset {offset:#05x}: {why}"]


def test_misuse_is_recorded_once_per_offset_and_sixteen_times_in_all() -> None:
    misuses: list[str] = []
    bank = bank_of(misuses=misuses)
    for offset in range(0, 4 * 40, 4):
        bank.read(offset, 4)
        bank.write(offset, 4, 1)
    assert len(misuses) == MISUSE_LIMIT == 16


def test_two_registers_cannot_share_an_offset() -> None:
    with pytest.raises(ValueError, match=r"^B and A share offset 0x4$"):
        bank_of(constant("A", 4, 0), constant("B", 4, 0))


def test_fields_of_a_register_cannot_overlap() -> None:
    with pytest.raises(ValueError, match=r"^CR: field B overlaps another$"):
        Reg("CR", 0, fields=(Field("A", 0, 2), Field("B", 1)))


def test_a_register_lies_on_a_word() -> None:
    with pytest.raises(ValueError, match=r"^ODD: offset 0x3 is not that of a word$"):
        constant("ODD", 3, 0)


def test_an_array_serves_its_registers_by_index() -> None:
    words = [0, 0, 0]
    bank = RegisterBank(array("WORD", 0x10, 3, words.__getitem__, words.__setitem__, step=8))
    bank.write(0x18, 4, 9)
    assert words == [0, 9, 0]
    assert bank.registers[0x20].name == "WORD2"


def test_everything_before_an_access_runs_before_it() -> None:
    events: list[str] = []

    def read() -> int:
        events.append("read")
        return 0

    bank = RegisterBank([Reg("A", 0, read)], before=lambda: events.append("before"))
    bank.read(0, 4)
    assert events == ["before", "read"]


def test_the_table_describes_itself() -> None:
    bank = bank_of(Reg("CR", 4, lambda: 0, None, (Field("EN", 0), Field("MODE", 4, 2, "no effect"))))
    assert bank.describe() == "0x004 r- CR             MODE[5:4] (no effect) EN[0]"


def test_a_prime_cell_identifies_itself() -> None:
    bank = RegisterBank(prime_cell(part=0x011, revision=1))
    identity = [bank.read(offset, 4) for offset in range(0xFE0, 0x1000, 4)]
    assert identity == [0x11, 0x10, 0x14, 0x00, 0x0D, 0xF0, 0x05, 0xB1]  # DDI 0183 tables 3-19 to 3-26
