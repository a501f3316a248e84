"""System calls that write to open files, at their offset or at a place, and from file to file.

A write that cannot go on keeps what is left of it (`Writing`) and becomes a generator; a signal ends it with what is done.
"""

from __future__ import annotations

import struct
from typing import Any

from cells.personalities.arm.errno import EAGAIN, EINVAL, Errno
from cells.personalities.linux.blocking import Piecewise, attempt, later
from cells.personalities.linux.file import APPEND, AT_ONCE, NONBLOCK, SMALL, File, RegularFile, WouldBlock
from cells.personalities.linux.table import FULL, call
from cells.personalities.linux.words import MOST, offset_of, vectors

# ---- write


def memory_of(process: Any, file: File, address: int, size: int) -> bytes:
    """What is to be written. Files take the beginning of what cannot be read whole, as in Linux.

    Raises:
        Errno: EFAULT.
    """
    space = process.space
    data: bytes = space.read_some(address, size) if isinstance(file, RegularFile) else space.read(address, size)
    return data


class Writing(Piecewise):
    """One write: what is left of it, and how much is done."""

    def __init__(self, process: Any, file: File, pieces: list[tuple[int, int]]) -> None:
        self.process, self.file, self.pieces = process, file, pieces
        self.done = 0

    def go(self) -> int:
        """Write all of it. What was done counts, if an error ends it.

        Raises:
            WouldBlock: nothing more can be written now.
        """
        try:
            while self.pieces:
                self._part()
        except Errno:
            if not self.done:
                raise
        return self.done

    def _part(self) -> None:
        data = self._gathered() if len(self.pieces) > 1 else self._read(*self._first())
        went = self.file.write(self.process, data)
        if went > SMALL:
            self.process.kernel.copied(went)
        self.done += went
        self._drop(went)
        if went < len(data) and isinstance(self.file, RegularFile):
            self.pieces = []  # no room: the rest does not go

    def _read(self, address: int, size: int) -> bytes:
        return memory_of(self.process, self.file, address, size)

    def _first(self) -> tuple[int, int]:
        address, size = self.pieces[0]
        return address, min(size, AT_ONCE)

    def _gathered(self) -> bytes:
        """Small pieces go together, as one message or line."""
        data = bytearray()
        for address, size in self.pieces:
            wanted = min(size, AT_ONCE - len(data))
            try:
                part = self._read(address, wanted)
            except Errno:
                if not data:
                    raise
                break
            data += part
            if len(part) < wanted or len(data) >= AT_ONCE:
                break
        return bytes(data)

    def _drop(self, count: int) -> None:
        while count:
            address, size = self.pieces[0]
            if count < size:
                self.pieces[0] = (address + count, size - count)
                return
            count -= size
            self.pieces.pop(0)


def write(process: Any, file: File, pieces: list[tuple[int, int]], done: int = 0) -> Any:
    """Now or later. `done`: bytes of the same call that went before."""
    writing = Writing(process, file, pieces)
    writing.done = done
    try:
        return writing.go()
    except WouldBlock as why:
        return _unfinished(writing, why)


def _unfinished(writing: Writing, why: WouldBlock) -> Any:
    if writing.file.flags & NONBLOCK and why.queues:
        if not writing.done:
            raise Errno(EAGAIN) from None
        return writing.done
    return writing.finish(why)


@call(4, "write", FULL)
def sys_write(process: Any, descriptor: int, address: int, size: int, *_: int) -> Any:
    """Bytes to a file."""
    file = process.files.writer(descriptor)
    if not size:
        return file.write(process, b"") if isinstance(file, RegularFile) else 0
    if size > AT_ONCE:
        return write(process, file, [(address, min(size, MOST))])
    data = memory_of(process, file, address, size)
    try:
        went = file.write(process, data)
    except WouldBlock as why:
        return _unfinished(Writing(process, file, [(address, size)]), why)
    if went > SMALL:
        process.kernel.copied(went)
    if went == size or isinstance(file, RegularFile):
        return went
    return write(process, file, [(address + went, size - went)], went)


@call(146, "writev", FULL)
def sys_writev(process: Any, descriptor: int, vector: int, count: int, *_: int) -> Any:
    """Bytes of several pieces to a file."""
    file = process.files.writer(descriptor)
    return write(process, file, vectors(process, vector, count))


def _write_at(process: Any, descriptor: int, pieces: list[tuple[int, int]], offset: int) -> Any:
    file = process.files.writer(descriptor)
    return attempt(process, file, False, lambda: _put_at(process, file, pieces, offset))


def _put_at(process: Any, file: File, pieces: list[tuple[int, int]], offset: int) -> int:
    done = 0
    if not pieces:
        file.write_at(process, offset, b"")
    for address, size in pieces:
        for start in range(0, size, AT_ONCE):
            data = process.space.read(address + start, min(size - start, AT_ONCE))
            try:
                went = int(file.write_at(process, offset + done, data))
            except WouldBlock:
                if done:
                    return done
                raise
            done += went
            if went < len(data):
                return done
    return done


@call(181, "pwrite64", FULL)
def sys_pwrite64(process: Any, descriptor: int, address: int, size: int, _pad: int, low: int, high: int) -> Any:
    """Write at a place."""
    return _write_at(process, descriptor, [(address, min(size, MOST))], offset_of(low, high))


@call(362, "pwritev", FULL)
def sys_pwritev(process: Any, descriptor: int, vector: int, count: int, low: int, high: int, *_: int) -> Any:
    """Write pieces at a place."""
    return _write_at(process, descriptor, vectors(process, vector, count), offset_of(low, high))


# ---- from file to file


@call(187, "sendfile", FULL)
def sys_sendfile(process: Any, to: int, source: int, offset_at: int, count: int, *_: int) -> Any:
    """From a file to another, within the kernel."""
    return _sendfile(process, to, source, offset_at, count, "<i")


@call(239, "sendfile64", FULL)
def sys_sendfile64(process: Any, to: int, source: int, offset_at: int, count: int, *_: int) -> Any:
    """From a file to another, within the kernel."""
    return _sendfile(process, to, source, offset_at, count, "<q")


def _sendfile(process: Any, to: int, source: int, offset_at: int, count: int, form: str) -> Any:
    reader, writer = process.files.reader(source), process.files.writer(to)
    if not isinstance(reader, RegularFile) or writer.flags & APPEND:
        raise Errno(EINVAL)
    offset = reader.offset
    if offset_at:
        (offset,) = struct.unpack(form, process.space.read(offset_at, struct.calcsize(form)))
    if offset < 0:
        raise Errno(EINVAL)

    def once() -> int:
        data = reader.read_at(process, offset, min(count, AT_ONCE))
        went = writer.write(process, data) if data else 0
        if offset_at:
            process.space.write(offset_at, struct.pack(form, offset + went))
        else:
            reader.offset = offset + went
        return went

    try:
        return once()
    except WouldBlock as why:
        return later(process, writer, why, once)
