"""Headers of programs: what is right is understood, whatever is wrong is ENOEXEC."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cells.personalities.linux import elf
from cells.personalities.linux.errno import ENOEXEC, Errno
from cells.personalities.linux.space import EXECUTE, READ, USER_END, WRITE
from tests.support.linux import program

HONEST = program("nop")


def parse(data: bytes) -> elf.Image:
    return elf.parse(lambda offset, size: data[offset : offset + size], len(data))


def changed(offset: int, layout: str, value: int) -> bytes:
    data = bytearray(HONEST)
    struct.pack_into(layout, data, offset, value)
    return bytes(data)


def test_a_program_is_understood() -> None:
    image = parse(HONEST)
    (segment,) = image.segments
    assert (segment.address, segment.offset, segment.rights) == (0x10000, 0, READ | WRITE | EXECUTE)
    assert image.entry == 0x10054
    assert image.headers == 0x10034
    assert image.interpreter is None
    assert not image.moves


def test_one_that_may_lie_anywhere_is_moved() -> None:
    image = parse(changed(16, "<H", elf.DYNAMIC))
    assert image.moves
    assert image.moved(0x40_0000).entry == 0x41_0054
    assert image.moved(0x40_0000).segments[0].address == 0x41_0000


@pytest.mark.parametrize(
    ("offset", "layout", "value"),
    [
        (0, "<B", 0),
        (4, "<B", 2),
        (5, "<B", 2),
        (6, "<B", 9),
        (7, "<B", 9),
        (16, "<H", 1),
        (18, "<H", 62),
        (20, "<I", 2),
        (24, "<I", 0x20000),
        (28, "<I", 3),
        (28, "<I", 0xFFFF_FFF0),
        (40, "<H", 16),
        (42, "<H", 31),
        (44, "<H", 0),
        (44, "<H", 65),
        (52, "<I", 7),
        (56, "<I", 1),
        (56, "<I", 0xFFFF_F000),
        (60, "<I", 0x10004),
        (60, "<I", 0),
        (60, "<I", USER_END),
        (68, "<I", 0xFFFF_FFFF),
        (72, "<I", 4),
        (72, "<I", 0xFFFF_FFFF),
        (76, "<I", 6),
    ],
)
def test_each_wrong_field_is_refused(offset: int, layout: str, value: int) -> None:
    with pytest.raises(Errno) as error:
        parse(changed(offset, layout, value))
    assert error.value.code == ENOEXEC


@given(st.integers(0, len(HONEST) - 1))
def test_what_is_cut_off_is_refused(size: int) -> None:
    with pytest.raises(Errno) as error:
        parse(HONEST[:size])
    assert error.value.code == ENOEXEC


@given(st.lists(st.tuples(st.integers(0, 83), st.integers(0, 255)), min_size=1, max_size=4))
def test_whatever_the_headers_say_it_is_a_program_or_an_error(changes: list[tuple[int, int]]) -> None:
    data = bytearray(HONEST)
    for at, value in changes:
        data[at] = value
    try:
        image = parse(bytes(data))
    except Errno as error:
        assert error.code == ENOEXEC
    else:
        assert all(part.address + part.size <= USER_END for part in image.segments)
        assert all(part.offset + part.file_size <= len(data) for part in image.segments)
