"""A module's file: every field of its header is checked, and one that is none is refused with a reason."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cells.personalities.brew.image import BASE, ImageError, parse
from tests.support.brew import IMAGES, BrewBench

GOOD = (IMAGES / "bounce.mod").read_bytes()
FIELDS = {"magic": 0, "version": 4, "text": 8, "data": 12, "bss": 16, "entry": 20, "class": 24}


def changed(field: str, word: int) -> bytes:
    at = FIELDS[field]
    return GOOD[:at] + struct.pack("<I", word) + GOOD[at + 4 :]


def test_a_module_is_what_its_header_says() -> None:
    image = parse(GOOD)
    assert image.classes == (0x01CE0001,)
    assert BASE < image.entry < BASE + len(image.text)


def test_data_follow_the_code_and_zeroes_the_data() -> None:
    head = struct.pack("<4s5I8I", b"CVMD", 1, 4096, 8, 5000, BASE + 56, 0x01CE_9000, *[0] * 7)
    image = parse(head.ljust(4096, b"c") + b"datadata")
    assert (len(image.text), image.data, image.bss) == (4096, b"datadata", 5000)
    assert image.end == BASE + 3 * 4096
    with pytest.raises(ImageError, match="bytes where its header says 4104"):
        parse(head.ljust(4096, b"c") + b"datadat")


@pytest.mark.parametrize(
    ("field", "word", "why"),
    [
        ("magic", 0x464C457F, "is no module"),
        ("version", 2, "version 2"),
        ("text", 0, "sizes"),
        ("text", 100, "sizes"),
        ("text", 0x8000_0000, "sizes"),
        ("text", 8192, "bytes where its header says 8192"),
        ("data", 4, "bytes where its header says"),
        ("bss", 2 << 20, "sizes"),
        ("bss", 1 << 20, "bytes where"),
        ("entry", 0, "begins at 0x0"),
        ("entry", BASE + 4096, "outside of its code"),
        ("entry", BASE + 102, "outside of its code"),
        ("class", 0, "class ids"),
        ("class", 0x0100_1001, "class ids"),
    ],
)
def test_a_field_that_cannot_be_is_named(field: str, word: int, why: str) -> None:
    with pytest.raises(ImageError, match=why):
        parse(changed(field, word))


@given(st.binary(max_size=200))
def test_rubbish_is_refused(data: bytes) -> None:
    with pytest.raises(ImageError):
        parse(data)


@given(st.sampled_from(sorted(FIELDS)), st.integers(0, 2**32 - 1))
def test_any_other_header_is_refused_or_lies_inside_of_its_place(field: str, word: int) -> None:
    try:
        image = parse(changed(field, word))
    except ImageError:
        return
    assert image.end <= BASE + (2 << 20)
    assert BASE <= image.entry < BASE + len(image.text)


@pytest.mark.parametrize("offset", [64, 80, 200])
def test_a_module_whose_code_is_rubbish_does_not_start_and_nothing_is_left(offset: int) -> None:
    broken = changed("entry", BASE + offset)
    code = broken[:offset] + bytes(range(256)) + broken[offset + 256 :]
    bench = BrewBench(["broken"], modules=[("broken", code)])
    frames = bench.kernel.processor.memory.frames
    free = frames.free
    bench.run(1)
    assert bench.system.applets == []
    assert frames.free == free
    assert "class 0x01ce0001 does not start" in bench.output
