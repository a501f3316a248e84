"""A snapshot on disk: one machine cell at a mark, in a form that any host reads.

    cellvisor snapshot 1 SHA256-of-all-that-follows\\n
    LENGTH of the head in decimal\\n
    head     msgpack: what it was taken of, the cell's state, the monitor's, and where each block of RAM lies
    blocks   of RAM, each compressed (zlib); blocks that are zero are left out

No pickle, no pointer, no byte order of a host. What is read is checked: the hash, the version, every place and length.

    write(path, Head(...), ram)                 # ram: the cell's memory, a buffer
    head, blocks = read(path)
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

from hypervisor.abi.messages import MESSAGE_LIMIT, BadMessage, pack, unpack
from hypervisor.shell.files import RunDirError, replacing
from hypervisor.shell.problems import InputError

FORMAT = "cellvisor snapshot 1"
BLOCK = 64 << 10
"""Bytes of RAM that are compressed, or left out, as one."""
RAM_LIMIT = 1 << 32
"""Bytes that a 32-bit CPU reaches."""
LEVEL = 1
"""Of zlib: a kernel's RAM shrinks to a third in a second; more effort gains little."""
_LINE = 128
"""Bytes of the first lines at most."""


@dataclass(frozen=True)
class Head:
    """What a snapshot says of itself.

    `identity`: a hash of the topology that it belongs to; `versions`: of the software that took it. `cell`: the machine's state
    as the cell packed it (cells/machine/state.py); `monitor`: the monitor's (core/snapshot.py). `time` in cycles.
    """

    topology: str
    identity: str
    versions: dict[str, str]
    mark: int
    time: int
    ram: int
    cell: bytes
    monitor: dict[str, Any]


class Loaded(NamedTuple):
    """A snapshot that was read: its head, its blocks as (offset in RAM, content), and what it is known by."""

    head: Head
    blocks: list[tuple[int, bytes]]
    sha256: str


def write(path: Path, head: Head, ram: Any) -> int:
    """Write the file, whole or not at all; returns its size.

    Raises:
        RunDirError: it cannot be written.
    """
    with memoryview(ram) as view:
        blocks = list(_packed(view, head.ram))
    packed = pack({**asdict(head), "blocks": [(offset, len(content)) for offset, content in blocks]})
    body = b"".join([f"{len(packed)}\n".encode(), packed, *(content for _, content in blocks)])
    first = f"{FORMAT} {hashlib.sha256(body).hexdigest()}\n".encode()
    with replacing(path) as file:
        file.write(first + body)
    return len(first) + len(body)


def _packed(ram: memoryview, size: int) -> Iterator[tuple[int, bytes]]:
    zero = bytes(BLOCK)
    for offset in range(0, size, BLOCK):
        block = ram[offset : min(offset + BLOCK, size)]
        if block != zero[: len(block)]:
            yield offset, zlib.compress(block, LEVEL)


def read(path: Path) -> Loaded:
    """Read and check a snapshot.

    Raises:
        InputError: it is none, or damaged, or another version's.
        RunDirError: it cannot be read.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RunDirError.because(path, error, missing="take one with --snapshot") from error
    first, newline, _ = content[:_LINE].partition(b"\n")
    name, _, digest = first.decode("latin-1").rpartition(" ")
    if not newline or not name.startswith(FORMAT.rpartition(" ")[0]):
        raise InputError(f"{path}: is no snapshot (take one with --snapshot)")
    if name != FORMAT:
        raise InputError(f'{path}: is a "{name}", and this version reads "{FORMAT}": take it again')
    body = memoryview(content)[len(first) + 1 :]
    if hashlib.sha256(body).hexdigest() != digest:
        raise InputError(f"{path}: is damaged: its SHA-256 is not the one in its first line (take it again)")
    try:
        return Loaded(*_opened(body), digest)
    except (BadMessage, ValueError, KeyError, TypeError, zlib.error) as error:
        raise InputError(f"{path}: cannot be used: {error} (take it again)") from None


def _opened(body: memoryview) -> tuple[Head, list[tuple[int, bytes]]]:
    line, _, _ = bytes(body[:_LINE]).partition(b"\n")
    length = int(line)
    if not 0 < length <= MESSAGE_LIMIT:
        raise ValueError(f"a head of {length} bytes")
    start = len(line) + 1
    told = unpack(bytes(body[start : start + length]))
    head = _head_of(told)
    if not 0 < head.ram <= RAM_LIMIT:
        raise ValueError(f"RAM of {head.ram} bytes")
    blocks, at, last = [], start + length, -1
    for offset, size in told["blocks"]:
        if offset <= last or size <= 0:  # or a small file could fill this host's memory
            raise ValueError(f"a block of {size} bytes at {offset:#x} behind the one at {last:#x}")
        last = offset
        blocks.append((offset, _unpacked(body[at : at + size], offset, head.ram)))
        at += size
    return head, blocks


_KINDS = {"str": str, "int": int, "bytes": bytes, "dict[str, str]": dict, "dict[str, Any]": dict}


def _head_of(told: dict[str, Any]) -> Head:
    for field in fields(Head):
        if not isinstance(told[field.name], _KINDS[str(field.type)]):
            raise TypeError(f"{field.name} is no {field.type}")
    return Head(**{field.name: told[field.name] for field in fields(Head)})


def _unpacked(content: memoryview, offset: int, ram: int) -> bytes:
    """A block, which is never longer than it may be, whatever it says."""
    size = min(BLOCK, ram - offset)
    if offset % BLOCK or size <= 0:
        raise ValueError(f"a block at {offset:#x} of {ram:#x} bytes of RAM")
    opener = zlib.decompressobj()
    block = opener.decompress(content, size)
    if len(block) != size or (not opener.eof and opener.decompress(opener.unconsumed_tail, 1)):
        raise ValueError(f"the block at {offset:#x} has not {size} bytes")
    return block
