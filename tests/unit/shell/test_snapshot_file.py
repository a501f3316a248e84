"""A snapshot on disk comes back as it was, or is refused in a line."""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from hypervisor.abi.messages import pack
from hypervisor.shell.problems import InputError
from hypervisor.shell.snapshot_file import BLOCK, FORMAT, Head, read, write

RAM = 3 * BLOCK + 4096


def taken(path: Path) -> tuple[Head, bytearray]:
    ram = bytearray(RAM)
    ram[BLOCK + 5], ram[RAM - 1] = 7, 9
    head = Head("demo", "f00d", {"unicorn": "2"}, 0xB007, 123, RAM, b"\x01\x02", {"now": 123})
    write(path, head, ram)
    return head, ram


def test_what_was_written_is_read_and_zero_blocks_are_left_out(tmp_path: Path) -> None:
    head, ram = taken(tmp_path / "a.snap")
    found = read(tmp_path / "a.snap")
    assert found.head == head
    assert [offset for offset, _ in found.blocks] == [BLOCK, 3 * BLOCK]
    again = bytearray(RAM)
    for offset, content in found.blocks:
        again[offset : offset + len(content)] = content
    assert again == ram
    assert (tmp_path / "a.snap").stat().st_size < 1000


@pytest.mark.parametrize("place", [70, 200, -1])
def test_a_changed_byte_is_noticed(tmp_path: Path, place: int) -> None:
    path = tmp_path / "a.snap"
    taken(path)
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.snap: is damaged: its SHA-256 is not the one in its first line"):
        read(path)


def test_other_files_and_other_versions_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "a.snap"
    path.write_bytes(b"\x7fELF" + bytes(200))
    with pytest.raises(InputError, match="is no snapshot"):
        read(path)
    taken(path)
    path.write_bytes(path.read_bytes().replace(FORMAT.encode(), b"cellvisor snapshot 9", 1))
    with pytest.raises(InputError, match='is a "cellvisor snapshot 9", and this version reads "cellvisor snapshot 1"'):
        read(path)


def test_a_block_is_never_longer_than_its_place(tmp_path: Path) -> None:
    path = tmp_path / "a.snap"
    ram = bytearray(b"\x01" * BLOCK)
    write(path, Head("demo", "", {}, 1, 1, BLOCK // 2, b"", {}), ram)  # half of it belongs to the cell
    assert [len(content) for _, content in read(path).blocks] == [BLOCK // 2]
    larger = Head("demo", "", {}, 1, 1, BLOCK, b"", {})
    write(path, larger, ram)
    lying = tmp_path / "b.snap"
    _rehashed(path, lying, b"\xa3ram\xce\x00\x01\x00\x00", b"\xa3ram\xce\x00\x00\x80\x00")
    with pytest.raises(InputError, match=r"b\.snap: cannot be used: the block at 0x0 has not 32768 bytes"):
        read(lying)


def _rehashed(source: Path, target: Path, old: bytes, new: bytes) -> None:
    """The same file with other words in its head, and a hash that fits."""
    import hashlib

    _, _, body = source.read_bytes().partition(b"\n")
    assert old in body
    body = body.replace(old, new)
    target.write_bytes(f"{FORMAT} {hashlib.sha256(body).hexdigest()}\n".encode() + body)


@pytest.mark.parametrize("offsets", [(0, 0), (BLOCK, 0)])
def test_a_small_file_cannot_stand_for_more_than_its_ram(tmp_path: Path, offsets: tuple[int, int]) -> None:
    zeros = zlib.compress(bytes(BLOCK))
    blocks = [(offset, len(zeros)) for offset in offsets]
    head = asdict(Head("demo", "", {}, 1, 1, 2 * BLOCK, b"", {})) | {"blocks": blocks}
    packed = pack(head)
    body = f"{len(packed)}\n".encode() + packed + zeros * 2
    path = tmp_path / "a.snap"
    path.write_bytes(f"{FORMAT} {hashlib.sha256(body).hexdigest()}\n".encode() + body)
    with pytest.raises(InputError, match=r"cannot be used: a block of [0-9]+ bytes at 0x0 behind"):
        read(path)


@pytest.mark.parametrize(
    ("key", "value", "kind"),
    [("time", "soon", "int"), ("versions", [], r"dict\[str, str\]"), ("cell", 7, "bytes"), ("topology", b"x", "str")],
)
def test_a_head_of_other_kinds_is_refused_by_key(tmp_path: Path, key: str, value: Any, kind: str) -> None:
    packed = pack(asdict(Head("demo", "", {}, 1, 1, BLOCK, b"", {})) | {"blocks": [], key: value})
    body = f"{len(packed)}\n".encode() + packed
    path = tmp_path / "a.snap"
    path.write_bytes(f"{FORMAT} {hashlib.sha256(body).hexdigest()}\n".encode() + body)
    with pytest.raises(InputError, match=f"cannot be used: {key} is no {kind}"):
        read(path)


def test_ram_beyond_a_32_bit_cpu_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.snap", Head("demo", "", {}, 1, 1, (1 << 32) + 1, b"", {}), bytearray(16))
    with pytest.raises(InputError, match="RAM of 4294967297 bytes"):
        read(tmp_path / "a.snap")
