"""Headers of programs, field by field: what is right is understood, what is wrong is answered as Linux answers it.

Reference: fs/binfmt_elf.c and arch/arm/kernel/elf.c of Linux 6.1. What exec finds before the old program is gone is an error
(ENOEXEC, EIO); what it finds later is `elf.Late`, which ends the process by SIGSEGV; what it never looks at changes nothing.
"""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cells.personalities.arm.errno import EIO, ENOEXEC, Errno
from cells.personalities.arm.regions import EXECUTE, READ, USER_END, WRITE
from cells.personalities.linux import elf
from tests.support.linux import program

HONEST = program("nop")
IDENT, KIND, MACHINE, VERSION, ENTRY, HEADERS, SECTIONS, FLAGS, OWN_SIZE, EACH, COUNT = (
    4,
    16,
    18,
    20,
    24,
    28,
    32,
    36,
    40,
    42,
    44,
)
PART_KIND, OFFSET, ADDRESS, PHYSICAL, FILE_SIZE, SIZE, RIGHTS, ALIGN = range(52, 84, 4)
WORD = st.integers(0, 0xFFFF_FFFF)


def parse(data: bytes) -> elf.Image:
    return elf.parse(lambda offset, size: data[offset : offset + size])


def changed(*fields: tuple[int, str, int], data: bytes = HONEST) -> bytes:
    made = bytearray(data)
    for offset, layout, value in fields:
        struct.pack_into(layout, made, offset, value)
    return bytes(made)


def outcome(data: bytes) -> str:
    """What exec would say of it."""
    try:
        parse(data).check()
    except elf.Late:
        return "late"
    except Errno as error:
        return str(error)
    return "runs"


def with_interpreter(name: bytes, size: int | None = None, offset: int | None = None) -> bytes:
    """The honest program, and a header that names an interpreter."""
    at = len(HONEST) + 64
    row = struct.pack("<8I", 1, 0, 0x10000, 0x10000, len(HONEST), len(HONEST), 7, 4096)
    names = struct.pack("<8I", 3, at if offset is None else offset, 0, 0, len(name) if size is None else size, 0, 4, 1)
    return changed((HEADERS, "<I", len(HONEST)), (COUNT, "<H", 2)) + row + names + name


def test_a_program_is_understood() -> None:
    image = parse(HONEST)
    (segment,) = image.segments
    assert (segment.address, segment.offset, segment.rights) == (0x10000, 0, READ | WRITE | EXECUTE)
    assert image.entry == 0x10054
    assert image.headers == 0x10034
    assert image.interpreter is None
    assert not image.moves
    image.check()


def test_one_that_may_lie_anywhere_is_moved() -> None:
    image = parse(changed((KIND, "<H", elf.DYNAMIC)))
    assert image.moves
    assert image.moved(0x40_0000).entry == 0x41_0054
    assert image.moved(0x40_0000).segments[0].address == 0x41_0000


@pytest.mark.parametrize(
    ("field", "layout", "value", "said"),
    [
        (0, "<B", 0, "ENOEXEC"),
        (KIND, "<H", 1, "ENOEXEC"),
        (KIND, "<H", 4, "ENOEXEC"),
        (MACHINE, "<H", 62, "ENOEXEC"),
        (MACHINE, "<H", 3, "ENOEXEC"),
        (MACHINE, "<H", 183, "ENOEXEC"),
        (MACHINE, "<H", 0x2800, "ENOEXEC"),
        (ENTRY, "<I", 0x10056, "ENOEXEC"),
        (ENTRY, "<I", USER_END, "late"),
        (HEADERS, "<I", 0xFFFF_FFF0, "ENOEXEC"),
        (HEADERS, "<I", len(HONEST) - 31, "ENOEXEC"),
        (EACH, "<H", 31, "ENOEXEC"),
        (EACH, "<H", 56, "ENOEXEC"),
        (COUNT, "<H", 0, "ENOEXEC"),
        (COUNT, "<H", 2049, "ENOEXEC"),
        (COUNT, "<H", 0xFFFF, "ENOEXEC"),
        (FLAGS, "<I", 0x0000_0008, "ENOEXEC"),
        (FLAGS, "<I", 0x0000_0400, "ENOEXEC"),
        (OFFSET, "<I", 1, "late"),
        (ADDRESS, "<I", 0x10004, "late"),
        (ADDRESS, "<I", 0, "late"),
        (ADDRESS, "<I", USER_END, "late"),
        (ADDRESS, "<I", 0xFFFF_F000, "late"),
        (SIZE, "<I", 4, "late"),
        (SIZE, "<I", 0xFFFF_FFFF, "late"),
        (FILE_SIZE, "<I", 0xFFFF_FFFF, "late"),
    ],
)
def test_each_wrong_field_is_answered_as_linux_does(field: int, layout: str, value: int, said: str) -> None:
    assert outcome(changed((field, layout, value))) == said


@pytest.mark.parametrize(
    "field", [*range(IDENT, KIND), *range(VERSION, VERSION + 4), *range(SECTIONS, FLAGS), OWN_SIZE]
)
@given(value=st.integers(0, 255))
def test_what_linux_does_not_look_at_changes_nothing(field: int, value: int) -> None:
    assert parse(changed((field, "<B", value))) == parse(HONEST)


@given(WORD)
def test_any_flags_with_an_eabi_version_are_accepted(flags: int) -> None:
    assert outcome(changed((FLAGS, "<I", flags | 0x0500_0000))) == "runs"


@pytest.mark.parametrize("field", [PHYSICAL, ALIGN])
@given(value=WORD)
def test_physical_address_and_alignment_of_a_segment_say_nothing(field: int, value: int) -> None:
    assert parse(changed((field, "<I", value))) == parse(HONEST)


@given(st.sampled_from([KIND, MACHINE, EACH, COUNT]), st.integers(0, 0xFFFF))
def test_whatever_a_short_field_says_it_is_a_program_or_an_error(field: int, value: int) -> None:
    good = {KIND: (2, 3), MACHINE: (40,), EACH: (32,), COUNT: (1,)}
    said = outcome(changed((field, "<H", value)))
    assert said == "runs" if value in good[field] else said != "runs"


@given(st.sampled_from([ENTRY, HEADERS, PART_KIND, OFFSET, ADDRESS, FILE_SIZE, SIZE, RIGHTS]), WORD)
def test_whatever_a_long_field_says_what_runs_lies_where_programs_may(field: int, value: int) -> None:
    data = changed((field, "<I", value))
    if outcome(data) == "runs":
        image = parse(data)
        assert image.entry < USER_END
        assert all(part.file_size <= part.size for part in image.segments)
        assert all(part.address >= 0x1000 and part.address + part.size <= USER_END for part in image.segments)
        assert all(part.offset % 4096 == part.address % 4096 for part in image.segments)


@given(st.lists(st.tuples(st.integers(0, 83), st.integers(0, 255)), min_size=1, max_size=6))
def test_whatever_the_headers_say_it_is_a_program_or_an_error(changes: list[tuple[int, int]]) -> None:
    assert outcome(changed(*((at, "<B", value) for at, value in changes))) in ("runs", "late", "ENOEXEC", "EIO")


@given(st.integers(0, 83))
def test_headers_that_are_cut_off_are_refused(size: int) -> None:
    assert outcome(HONEST[:size]) == "ENOEXEC"


@given(st.binary(max_size=300))
def test_any_bytes_are_no_program(data: bytes) -> None:
    assert outcome(data) == "ENOEXEC"


@pytest.mark.parametrize(
    ("name", "size", "offset", "said"),
    [
        (b"/lib/ld-linux.so.3\0", None, None, b"/lib/ld-linux.so.3"),
        (b"/lib/ld\0more\0", None, None, b"/lib/ld"),
        (b"\0\0", None, None, b""),
        (b"/lib/ld", None, None, ENOEXEC),
        (b"\0", None, None, ENOEXEC),
        (b"", None, None, ENOEXEC),
        (bytes(4097), None, None, ENOEXEC),
        (b"/lib/ld\0", 100, None, EIO),
        (b"/lib/ld\0", None, 0xFFFF_FFF0, EIO),
    ],
)
def test_the_name_of_an_interpreter_is_checked(
    name: bytes, size: int | None, offset: int | None, said: bytes | int
) -> None:
    data = with_interpreter(name, size, offset)
    if isinstance(said, bytes):
        assert parse(data).interpreter == said
    else:
        with pytest.raises(Errno) as error:
            parse(data)
        assert error.value.code == said


@given(st.lists(st.tuples(WORD, WORD), min_size=1, max_size=5))
def test_segments_may_lie_over_each_other_and_outside_of_the_file(parts: list[tuple[int, int]]) -> None:
    """As in Linux: the later one wins, and what the file has not is found out when it is used (SIGBUS)."""
    rows = b"".join(
        struct.pack("<8I", 1, place & 0x1FFF_F000, 0x10000 + (where & 0xFF000), 0, 0x1000, 0x2000, 5, 0)
        for place, where in parts
    )
    assert outcome(changed((HEADERS, "<I", len(HONEST)), (COUNT, "<H", len(parts))) + rows) == "runs"
