"""System calls that read from open files, at their offset or at a place.

What cannot be done yet becomes a generator (`blocking.later`), all else is one function call.
"""

from __future__ import annotations

from typing import Any

from cells.personalities.arm.errno import Errno
from cells.personalities.linux.blocking import attempt, later
from cells.personalities.linux.devices import Null
from cells.personalities.linux.file import AT_ONCE, SMALL, File, RegularFile, WouldBlock
from cells.personalities.linux.table import FULL, call
from cells.personalities.linux.words import MOST, offset_of, vectors


def take(process: Any, file: File, pieces: list[tuple[int, int]]) -> int:
    """Read into these pieces (address, size) of the process's memory."""
    done = 0
    for start, length in pieces:
        address, size = start, length
        while size:
            try:
                data = file.read(process, min(size, AT_ONCE))
            except WouldBlock:
                if done:
                    return done
                raise
            try:
                given = give(process, file, address, data)
            except Errno:
                if done:
                    return done
                raise
            done += given
            if given < min(size, AT_ONCE) or not _goes_on(file, size):
                return done
            address, size = address + given, size - given
    return done


def give(process: Any, file: File, address: int, data: bytes) -> int:
    """Put what was read into the process's memory; how much. What has no place there is put back.

    Raises:
        Errno: EFAULT, nothing has.
    """
    space = process.space
    try:
        if isinstance(file, RegularFile):  # only files give a part, as in Linux
            given = int(space.write_some(address, data))
        else:
            space.write(address, data)
            given = len(data)
    except Errno:
        file.put_back(data)
        raise
    if given < len(data):
        file.put_back(data[given:])
    if given > SMALL:
        process.kernel.copied(given)
    return given


def _goes_on(file: File, size: int) -> bool:
    """Whether a long read is done in several: files are, what comes from others ends with what is there."""
    return size <= AT_ONCE or isinstance(file, RegularFile | Null)


def _take_late(process: Any, file: File, address: int, size: int) -> int:
    return give(process, file, address, file.read_late(process, size))


def read(process: Any, file: File, pieces: list[tuple[int, int]]) -> Any:
    """Now or later."""
    try:
        return take(process, file, pieces)
    except WouldBlock as why:
        return _read_later(process, file, pieces, why)


def _read_later(process: Any, file: File, pieces: list[tuple[int, int]], why: WouldBlock) -> Any:
    address, size = pieces[0]
    return later(
        process, file, why, lambda: take(process, file, pieces), lambda: _take_late(process, file, address, size)
    )


@call(3, "read", FULL)
def sys_read(process: Any, descriptor: int, address: int, size: int, *_: int) -> Any:
    """Bytes from a file."""
    file = process.files.reader(descriptor)
    if size > AT_ONCE:
        return read(process, file, [(address, min(size, MOST))])
    try:
        data = file.read(process, size)
    except WouldBlock as why:
        return _read_later(process, file, [(address, size)], why)
    return give(process, file, address, data)


@call(145, "readv", FULL)
def sys_readv(process: Any, descriptor: int, vector: int, count: int, *_: int) -> Any:
    """Bytes from a file into several pieces."""
    file = process.files.reader(descriptor)
    pieces = vectors(process, vector, count)
    return read(process, file, pieces) if pieces else 0


def _read_at(process: Any, descriptor: int, pieces: list[tuple[int, int]], offset: int) -> Any:
    file = process.files.reader(descriptor)
    return attempt(process, file, False, lambda: _take_at(process, file, pieces, offset))


def _take_at(process: Any, file: File, pieces: list[tuple[int, int]], offset: int) -> int:
    done = 0
    for start, length in pieces:
        address, size = start, length
        while size:
            try:
                data = file.read_at(process, offset + done, min(size, AT_ONCE))
            except WouldBlock:
                if done:
                    return done
                raise
            process.space.write(address, data)
            done += len(data)
            if len(data) < min(size, AT_ONCE):
                return done
            address, size = address + len(data), size - len(data)
    return done


@call(180, "pread64", FULL)
def sys_pread64(process: Any, descriptor: int, address: int, size: int, _pad: int, low: int, high: int) -> Any:
    """Read at a place. A 64-bit argument begins at an even register."""
    return _read_at(process, descriptor, [(address, min(size, MOST))], offset_of(low, high))


@call(361, "preadv", FULL)
def sys_preadv(process: Any, descriptor: int, vector: int, count: int, low: int, high: int, *_: int) -> Any:
    """Read pieces at a place."""
    return _read_at(process, descriptor, vectors(process, vector, count), offset_of(low, high))
