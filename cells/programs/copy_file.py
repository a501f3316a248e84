"""Copies a file through a block back end and checks every byte of it; a back end that is killed meanwhile changes nothing.

The disk gets the smallest file system there is: in its first sector a table of extents, each with name, first sector, length
and checksum. A file of pseudo-random bytes is written as "original", read back and written again as "copy"; then the table
is read from the disk, and both files, and all checksums must agree.

    [cells.client]
    guest = "cells.programs.copy_file:main"
    args = [64]                                  # KiB
"""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from cells.port import Port
from cells.split.block.front import BlockDevice

SUPERBLOCK = struct.Struct("<8sII")
"""Magic, number of entries, checksum of the entries."""
ENTRY = struct.Struct("<16sIII")
"""Name, first sector, length in bytes, checksum of the content."""
MAGIC = b"EXTENTS1"
CHUNK = 16 << 10
CHECKSUM_CYCLES = 3
"""Cycles for a byte of checksum by table. Assumed."""


class File(NamedTuple):
    """An extent of the disk."""

    name: bytes
    sector: int
    length: int
    checksum: int


def main(port: Port, kibibytes: int = 64, seed: int = 1) -> int:
    """Write, copy, verify; report what the copy sums up to. Status 1 if anything is not as it was written."""
    name = next(name for name, link in port.connections.links.items() if link.kind == "block")
    disk = BlockDevice(port.connections, name, port)
    content = random.Random(seed).randbytes(kibibytes << 10)
    first = 1
    original = write_file(port, disk, b"original", first, content)
    second = first + sectors_of(disk, len(content))
    copy = copy_file(port, disk, original, b"copy", second)
    write_table(disk, [original, copy])
    disk.flush()
    verified = all(checksum_on_disk(port, disk, file) == file.checksum for file in read_table(disk))
    port.report("checksum", copy.checksum)
    port.report("kibibytes", kibibytes)
    if not verified or copy.checksum != zlib.crc32(content):
        port.print(f"the copy of {kibibytes} KiB differs: checksum {copy.checksum:08x}, not {zlib.crc32(content):08x}")
        return 1
    port.print(f"copied {kibibytes} KiB, checksum {copy.checksum:08x}")
    return 0


def sectors_of(disk: BlockDevice, length: int) -> int:
    """Whole sectors for so many bytes."""
    return -(-length // disk.sector_size)


def write_file(port: Port, disk: BlockDevice, name: bytes, sector: int, content: bytes) -> File:
    """Put a file at a place."""
    for at in range(0, len(content), CHUNK):
        chunk = content[at : at + CHUNK]
        padded = chunk.ljust(sectors_of(disk, len(chunk)) * disk.sector_size, b"\0")
        disk.write(sector + at // disk.sector_size, padded)
        port.heartbeat()
    port.work(CHECKSUM_CYCLES * len(content))
    return File(name, sector, len(content), zlib.crc32(content))


def copy_file(port: Port, disk: BlockDevice, source: File, name: bytes, sector: int) -> File:
    """Copy a file chunk by chunk: what is written is what was read."""
    checksum = 0
    for at, chunk in chunks(port, disk, source):
        checksum = zlib.crc32(chunk, checksum)
        padded = chunk.ljust(sectors_of(disk, len(chunk)) * disk.sector_size, b"\0")
        disk.write(sector + at // disk.sector_size, padded)
    return File(name, sector, source.length, checksum)


def checksum_on_disk(port: Port, disk: BlockDevice, file: File) -> int:
    """What a file sums up to when it is read."""
    checksum = 0
    for _, chunk in chunks(port, disk, file):
        checksum = zlib.crc32(chunk, checksum)
    return checksum


def chunks(port: Port, disk: BlockDevice, file: File) -> Iterator[tuple[int, bytes]]:
    """The content of a file in parts: (offset, bytes)."""
    for at in range(0, file.length, CHUNK):
        length = min(CHUNK, file.length - at)
        data = disk.read(file.sector + at // disk.sector_size, sectors_of(disk, length))
        port.work(CHECKSUM_CYCLES * length)
        port.heartbeat()
        yield at, data[:length]


def write_table(disk: BlockDevice, files: list[File]) -> None:
    """Write the table of files into the first sector."""
    entries = b"".join(ENTRY.pack(*file) for file in files)
    table = SUPERBLOCK.pack(MAGIC, len(files), zlib.crc32(entries)) + entries
    disk.write(0, table.ljust(disk.sector_size, b"\0"))


def read_table(disk: BlockDevice) -> list[File]:
    """The table of files.

    Raises:
        ValueError: there is none.
    """
    sector = disk.read(0, 1)
    magic, count, checksum = SUPERBLOCK.unpack_from(sector)
    entries = sector[SUPERBLOCK.size : SUPERBLOCK.size + count * ENTRY.size]
    if magic != MAGIC or zlib.crc32(entries) != checksum:
        raise ValueError("the first sector of the disk is no table of files")
    return [File(name.rstrip(b"\0"), *rest) for name, *rest in ENTRY.iter_unpack(entries)]
