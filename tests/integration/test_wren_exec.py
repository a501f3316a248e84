"""exec under wren: programs whose ELF headers lie are refused one by one, the kernel and the caller live on."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path
from struct import pack, pack_into
from typing import Any

import pytest

from cells.wren.build import IMAGES
from cells.wren.initramfs import TRAILER, Entry, newc
from tests.support.live import Live

RECORD_HEADER = 110
"""Bytes before the name of a record ("initramfs buffer format")."""
EXIT_42 = pack("<3I", 0xE3A07001, 0xE3A0002A, 0xEF000000)
"""mov r7, #1 (exit); mov r0, #42; svc #0"""
ENTRY_OFFSET, START = 0x80, 0x10000
MAGIC, CLASS, DATA, VERSION, TYPE, MACHINE, ENTRY, HEADERS, FLAGS, HEADER_SIZE, COUNT = (
    *(0, 4, 5, 6, 16, 18, 24, 28, 36, 42, 44),
)
"""Offsets in an ELF header for 32 bits (System V ABI, chapter 4)."""
KIND, OFFSET, ADDRESS, FILE_SIZE, SIZE, RIGHTS = (52 + 4 * word for word in (0, 1, 2, 4, 5, 6))
"""The same of its first segment header, which stands right behind."""


def program() -> bytearray:
    """The smallest honest program: one segment, ends with status 42."""
    size = ENTRY_OFFSET + len(EXIT_42)
    header = b"\x7fELF\1\1\1" + bytes(9)
    header += pack("<HHIIIIIHHHHHH", 2, 40, 1, START + ENTRY_OFFSET, 52, 0, 0x05000000, 52, 32, 1, 0, 0, 0)
    segment = pack("<8I", 1, 0, START, START, size, size, 5, 0x1000)
    return bytearray((header + segment).ljust(ENTRY_OFFSET, b"\0") + EXIT_42)


def word(offset: int, value: int) -> Callable[[bytearray], None]:
    return lambda elf: pack_into("<I", elf, offset, value)


def half(offset: int, value: int) -> Callable[[bytearray], None]:
    return lambda elf: pack_into("<H", elf, offset, value)


def byte(offset: int, value: int) -> Callable[[bytearray], None]:
    return lambda elf: pack_into("<B", elf, offset, value)


def cut(size: int) -> Callable[[bytearray], None]:
    def change(elf: bytearray) -> None:
        del elf[size:]

    return change


LIES: dict[str, Callable[[bytearray], None]] = {
    "magic": byte(MAGIC, 0x7E),
    "bits": byte(CLASS, 2),
    "big_endian": byte(DATA, 2),
    "version": byte(VERSION, 0),
    "no_file_type": half(TYPE, 0),
    "relocatable": half(TYPE, 1),
    "dynamic": half(TYPE, 3),
    "x86": half(MACHINE, 3),
    "aarch64": half(MACHINE, 183),
    "old_abi": word(FLAGS, 0x02000000),
    "header_size": half(HEADER_SIZE, 56),
    "no_segments": half(COUNT, 0),
    "many_segments": half(COUNT, 0xFFFF),
    "headers_beyond": word(HEADERS, 0x1000),
    "headers_at_the_end_of_numbers": word(HEADERS, 0xFFFFFFF0),
    "interpreter": word(KIND, 3),
    "dynamic_segment": word(KIND, 2),
    "nothing_to_load": word(KIND, 0x70000001),
    "offset_beyond": word(OFFSET, 0x7FFF0000),
    "offset_crooked": word(OFFSET, 0x10),
    "more_in_the_file_than_there_is": word(FILE_SIZE, 0x2000),
    "file_size_without_end": word(FILE_SIZE, 0xFFFFFFFF),
    "more_in_the_file_than_in_memory": word(SIZE, 4),
    "memory_without_end": word(SIZE, 0xFFFFFFFF),
    "memory_into_the_kernel": word(SIZE, 0xC0000000),
    "at_null": word(ADDRESS, 0),
    "in_the_kernel": word(ADDRESS, 0xC0010000),
    "entry_elsewhere": word(ENTRY, 0x20000),
    "entry_in_the_kernel": word(ENTRY, 0xC0008000),
    "entry_crooked": word(ENTRY, START + ENTRY_OFFSET + 2),
    "entry_in_data": word(RIGHTS, 6),
    "empty": cut(0),
    "a_byte": cut(1),
    "header_cut": cut(51),
    "segment_header_cut": cut(70),
}


def archive(files: dict[str, bytes]) -> bytes:
    """Wren's own files, and these."""
    own = (IMAGES / "initramfs.cpio").read_bytes()
    before = own[: own.index(TRAILER.encode()) - RECORD_HEADER]
    added = [Entry("more", stat.S_IFDIR | 0o755)]
    added += [Entry(f"more/{name}", stat.S_IFREG | 0o755, content) for name, content in files.items()]
    return before + newc(added)


def topology(initrd: Path, args: str) -> dict[str, Any]:
    cell = {"image": "wren", "initrd": str(initrd), "ram": "16MiB", "args": args}
    return {"name": "exec", "board": "arm926", "for": "10s", "cells": {"wren": cell}}


def run_all(live: Live, tmp_path: Path, files: dict[str, bytes], flavour: str) -> list[str]:
    """What init says of each program, in their order."""
    initrd = tmp_path / "files.cpio"
    script = "".join(f"/more/{name}\n" for name in files)
    initrd.write_bytes(archive({**files, "list": script.encode()}))
    run = live(topology(initrd, "init=/bin/init @/more/list"), flavour=flavour)
    assert run.run().why == "finished"
    return run.console("wren").replace(b"\r", b"").decode().splitlines()


@pytest.mark.parametrize("flavour", ["native", "xen", "l4", "okl4"])
def test_what_lies_in_its_headers_is_no_program(live: Live, tmp_path: Path, flavour: str) -> None:
    files = {"honest": bytes(program())}
    for name, lie in LIES.items():
        elf = program()
        lie(elf)
        assert elf != program(), name
        files[name] = bytes(elf)
    files["honest_again"] = bytes(program())
    said = run_all(live, tmp_path, files, flavour)
    want = [line for name in LIES for line in (f"/more/{name}: ENOEXEC", f"init: /more/{name}: exit 127")]
    assert said[1:-1] == ["init: /more/honest: exit 42", *want, "init: /more/honest_again: exit 42"]
