"""The info page: what is packed is what is read, and C sees the same layout."""

from __future__ import annotations

import re
import struct
from typing import Any

import pytest

from hypervisor.abi.info_page import (
    ARGS_LIMIT,
    ARGS_OFFSET,
    CONNECTIONS_OFFSET,
    FIELDS,
    MAGIC,
    PAGE_SIZE,
    Connection,
    ConnectionKind,
    HypercallPage,
    Vectors,
    build_info_page,
    c_header,
    read_info_page,
    vectors_for,
)
from hypervisor.abi.records import DATA_LIMIT

NEEDED: dict[str, Any] = {"ram_base": 0, "ram_size": 1 << 20, "hz": 200_000_000}


def test_what_is_built_is_what_is_read() -> None:
    values: dict[str, Any] = {field.name: 0x01020304 + index for index, field in enumerate(FIELDS[2:])} | {
        "hz": 1 << 40,
        "seed": (1 << 64) - 1,
        "connection_count": 0,  # counted, not given
    }
    page = build_info_page(args="ticks=3 work=0x10", **values)
    assert len(page) == PAGE_SIZE
    assert read_info_page(page) == {"magic": MAGIC, "version": 1, **values, "args": "ticks=3 work=0x10"}


def test_the_first_words_spell_the_magic_and_the_version() -> None:
    assert build_info_page(**NEEDED)[:8] == b"LLEC\x01\0\0\0"


def test_fields_that_nobody_names_keep_their_defaults() -> None:
    values = read_info_page(build_info_page(**NEEDED))
    assert (values["core_count"], values["uart_kind"], values["args"]) == (1, 0, "")


def test_no_field_lies_on_another_or_on_the_arguments() -> None:
    taken = [field.offset + 4 * word for field in FIELDS for word in range(field.words)]
    assert len(set(taken)) == len(taken)
    assert max(taken) < ARGS_OFFSET


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"ram_base": 0, "ram_size": 0}, 'the info page needs "hz": cycles of the board'),
        (NEEDED | {"uart_bass": 1}, 'the info page has no field "uart_bass"; did you mean "uart_base"'),
        (NEEDED | {"timer_hz": 1 << 32}, '"timer_hz" = 4294967296 does not fit into 1 32-bit words'),
        (NEEDED | {"timer_irq": -1}, '"timer_irq" = -1 does not fit'),
        (NEEDED | {"args": "x" * (ARGS_LIMIT + 1)}, "args have 1792 characters; the info page holds 1791"),
        (NEEDED | {"args": "naïve"}, "args must be ASCII text without NUL"),
        (NEEDED | {"args": "a\0b"}, "args must be ASCII text without NUL"),
    ],
)
def test_a_page_that_cannot_be_built_says_why(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        build_info_page(**fields)


@pytest.mark.parametrize("page", [b"", bytes(PAGE_SIZE), build_info_page(version=2, **NEEDED)])
def test_something_else_is_no_info_page(page: bytes) -> None:
    with pytest.raises(ValueError, match="not an info page of version 1"):
        read_info_page(page)


@pytest.mark.parametrize(
    ("ram_base", "architecture", "vectors"),
    [(0, "v5te", Vectors.LOW), (0, "v7a", Vectors.LOW), (1 << 30, "v6k", Vectors.VBAR), (5 << 29, "v5te", Vectors.MMU)],
)
def test_vectors_depend_on_the_ram_and_on_the_core(ram_base: int, architecture: str, vectors: Vectors) -> None:
    assert vectors_for(ram_base=ram_base, architecture=architecture) is vectors


def test_the_c_structure_has_every_word_at_its_offset() -> None:
    structure = c_header().partition("struct info_page {")[2].partition("};")[0]
    offset = 0
    for names, hexadecimal in re.findall(r"unsigned (\w+(?:, \w+)?);\s*/\* (0x\w+)", structure):
        assert int(hexadecimal, 16) == offset, names
        offset += 4 * len(names.split(", "))
    reserved = re.search(r"unsigned reserved\[(\d+)\]", structure)
    assert reserved is not None
    assert offset + 4 * int(reserved[1]) == ARGS_OFFSET


def test_no_register_of_the_hypercall_page_lies_on_another_or_in_its_data() -> None:
    offsets = [member.value for member in HypercallPage]
    assert len(set(offsets)) == len(offsets)
    assert all(offset % 4 == 0 for offset in offsets)
    assert max(offsets) == HypercallPage.DATA
    assert HypercallPage.DATA + DATA_LIMIT <= PAGE_SIZE


def test_connections_stand_in_the_page_as_the_c_structure_has_them() -> None:
    told = Connection("flash", "storage_with_a_long_name", ConnectionKind.BLOCK, 1, 3, 4, 0xC0000000, 0x11000, 0)
    page = build_info_page(connections=[told, told._replace(name="b")], **NEEDED)
    assert read_info_page(page)["connection_count"] == 2
    first = page[CONNECTIONS_OFFSET : CONNECTIONS_OFFSET + 64]
    assert first[:32] == b"flash".ljust(16, b"\0") + b"storage_with_a_\0"
    assert struct.unpack_from("<8I", first, 32) == (1, 1, 3, 4, 0xC0000000, 0x11000, 0, 12)
    assert page[CONNECTIONS_OFFSET + 64 : CONNECTIONS_OFFSET + 66] == b"b\0"


def test_a_page_has_room_for_so_many_connections() -> None:
    told = Connection("a", "b", ConnectionKind.MESSAGE)
    with pytest.raises(ValueError, match="33 connections; the info page holds 32"):
        build_info_page(connections=[told] * 33, **NEEDED)
