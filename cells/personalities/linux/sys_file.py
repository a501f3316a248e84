"""System calls on open files, by descriptor: read and write and their variants, places, descriptors, fcntl, ioctl.

Calls by name are in `sys_name.py`. What cannot be done yet becomes a generator (`later`), all else is one function call.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from cells.personalities.linux.devices import Null
from cells.personalities.linux.errno import (
    EAGAIN,
    EBADF,
    EINVAL,
    EMFILE,
    ENODEV,
    EOVERFLOW,
    ESPIPE,
    Errno,
)
from cells.personalities.linux.file import (
    APPEND,
    AT_ONCE,
    CLOSE_ON_EXEC,
    NONBLOCK,
    SETTABLE,
    DirectoryFile,
    File,
    RegularFile,
    WouldBlock,
)
from cells.personalities.linux.inode import Inode, Regular
from cells.personalities.linux.pipe import PipeFile, make_pipe
from cells.personalities.linux.table import FULL, PARTIAL, call
from cells.personalities.linux.wait import Interrupted, Sleeping, Wait
from hypervisor.abi.time import NEVER

SIGNED, MOST = 0x7FFFFFFF, 0x7FFFF000
"""The largest int, and the most that one read or write moves (MAX_RW_COUNT)."""
VECTORS = 1024
"""UIO_MAXIOV."""


def signed(word: int) -> int:
    """A register as an int."""
    return (word & 0xFFFFFFFF ^ 0x80000000) - 0x80000000


def wide(low: int, high: int) -> int:
    """Two registers as a 64-bit offset."""
    value = high << 32 | low
    return value - (1 << 64) if high & 0x80000000 else value


# ---- sleeping


def later(
    process: Any, file: File, why: WouldBlock, again: Callable[[], int], late: Callable[[], int] | None = None
) -> Any:
    """Sleep until it can be done; at once EAGAIN for a file that does not wait.

    Raises:
        Errno: EAGAIN. A process that waits for the signal that stops it waits all the same.
    """
    if file.flags & NONBLOCK and why.queues:
        raise Errno(EAGAIN)
    return retry(process, why, again, late)


def retry(process: Any, why: WouldBlock, again: Callable[[], int], late: Callable[[], int] | None = None) -> Sleeping:
    """Try again whenever something has changed. `late`: what there is when the time of the first refusal has come."""
    until = NEVER if why.until is None else why.until
    while True:
        yield Wait(why.queues, until)
        try:
            return again()
        except WouldBlock as still:
            why = still
        if late is not None and process.kernel.now() >= until:
            return late()


# ---- read


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
            process.space.write(address, data)
            done += len(data)
            if len(data) < min(size, AT_ONCE) or not _goes_on(file, size):
                return done
            address, size = address + len(data), size - len(data)
    return done


def _goes_on(file: File, size: int) -> bool:
    """Whether a long read is done in several: files are, what comes from others ends with what is there."""
    return size <= AT_ONCE or isinstance(file, RegularFile | Null)


def _take_late(process: Any, file: File, address: int, size: int) -> int:
    data = file.read_late(process, size)
    process.space.write(address, data)
    return len(data)


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
    process.space.write(address, data)
    return len(data)


@call(145, "readv", FULL)
def sys_readv(process: Any, descriptor: int, vector: int, count: int, *_: int) -> Any:
    """Bytes from a file into several pieces."""
    file = process.files.reader(descriptor)
    pieces = vectors(process, vector, count)
    return read(process, file, pieces) if pieces else 0


def vectors(process: Any, at: int, count: int) -> list[tuple[int, int]]:
    """Pieces that a struct iovec names, without the empty ones.

    Raises:
        Errno: EINVAL, EFAULT.
    """
    if count > VECTORS:
        raise Errno(EINVAL)
    words = struct.unpack(f"<{2 * count}I", process.space.read(at, 8 * count)) if count else ()
    pieces = [(words[i], words[i + 1]) for i in range(0, 2 * count, 2) if words[i + 1]]
    if sum(size for _, size in pieces) > SIGNED:
        raise Errno(EINVAL)
    return pieces


# ---- write


class Writing:
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
        data = self._gathered() if len(self.pieces) > 1 else self.process.space.read(*self._first())
        went = self.file.write(self.process, data)
        self.done += went
        self._drop(went)
        if went < len(data) and isinstance(self.file, RegularFile):
            self.pieces = []  # no room: the rest does not go

    def _first(self) -> tuple[int, int]:
        address, size = self.pieces[0]
        return address, min(size, AT_ONCE)

    def _gathered(self) -> bytes:
        """Small pieces go together, as one message or line."""
        data = bytearray()
        for address, size in self.pieces:
            data += self.process.space.read(address, min(size, AT_ONCE - len(data)))
            if len(data) >= AT_ONCE:
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

    def finish(self, why: WouldBlock) -> Sleeping:
        """Go on whenever there is room; a signal ends it with what is done."""
        while True:
            try:
                yield Wait(why.queues)
                return self.go()
            except WouldBlock as still:
                why = still
            except Interrupted:
                if not self.done:
                    raise
                return self.done


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
    data = process.space.read(address, size)
    try:
        went = file.write(process, data)
    except WouldBlock as why:
        return _unfinished(Writing(process, file, [(address, size)]), why)
    if went == size or isinstance(file, RegularFile):
        return went
    return write(process, file, [(address + went, size - went)], went)


@call(146, "writev", FULL)
def sys_writev(process: Any, descriptor: int, vector: int, count: int, *_: int) -> Any:
    """Bytes of several pieces to a file."""
    file = process.files.writer(descriptor)
    return write(process, file, vectors(process, vector, count))


# ---- at places


def _offset(low: int, high: int) -> int:
    offset = wide(low, high)
    if offset < 0:
        raise Errno(EINVAL)
    return offset


def _read_at(process: Any, descriptor: int, pieces: list[tuple[int, int]], offset: int) -> int:
    file, done = process.files.reader(descriptor), 0
    for start, length in pieces:
        address, size = start, length
        while size:
            data = file.read_at(process, offset + done, min(size, AT_ONCE))
            process.space.write(address, data)
            done += len(data)
            if len(data) < min(size, AT_ONCE):
                return done
            address, size = address + len(data), size - len(data)
    return done


def _write_at(process: Any, descriptor: int, pieces: list[tuple[int, int]], offset: int) -> int:
    file, done = process.files.writer(descriptor), 0
    if not pieces:
        file.write_at(process, offset, b"")
    for address, size in pieces:
        for start in range(0, size, AT_ONCE):
            data = process.space.read(address + start, min(size - start, AT_ONCE))
            went = int(file.write_at(process, offset + done, data))
            done += went
            if went < len(data):
                return done
    return done


@call(180, "pread64", FULL)
def sys_pread64(process: Any, descriptor: int, address: int, size: int, _pad: int, low: int, high: int) -> int:
    """Read at a place. A 64-bit argument begins at an even register."""
    return _read_at(process, descriptor, [(address, min(size, MOST))], _offset(low, high))


@call(181, "pwrite64", FULL)
def sys_pwrite64(process: Any, descriptor: int, address: int, size: int, _pad: int, low: int, high: int) -> int:
    """Write at a place."""
    return _write_at(process, descriptor, [(address, min(size, MOST))], _offset(low, high))


@call(361, "preadv", FULL)
def sys_preadv(process: Any, descriptor: int, vector: int, count: int, low: int, high: int, *_: int) -> int:
    """Read pieces at a place."""
    return _read_at(process, descriptor, vectors(process, vector, count), _offset(low, high))


@call(362, "pwritev", FULL)
def sys_pwritev(process: Any, descriptor: int, vector: int, count: int, low: int, high: int, *_: int) -> int:
    """Write pieces at a place."""
    return _write_at(process, descriptor, vectors(process, vector, count), _offset(low, high))


@call(19, "lseek", FULL)
def sys_lseek(process: Any, descriptor: int, to: int, whence: int, *_: int) -> int:
    """Move the offset."""
    file = process.files.file(descriptor)
    before = file.offset
    found = file.seek(signed(to), whence)
    if found > SIGNED:
        file.offset = before
        raise Errno(EOVERFLOW)
    return int(found)


@call(140, "_llseek", FULL)
def sys_llseek(process: Any, descriptor: int, high: int, low: int, result: int, whence: int, *_: int) -> int:
    """Move the offset by or to 64 bits."""
    found = process.files.file(descriptor).seek(wide(low, high), whence)
    process.space.write(result, struct.pack("<q", found))
    return 0


def _truncate(process: Any, descriptor: int, size: int) -> int:
    file = process.files.file(descriptor)
    if size < 0 or not file.writable or not isinstance(file.inode, Regular):
        raise Errno(EINVAL)
    file.inode.truncate(size)
    return 0


@call(93, "ftruncate", FULL)
def sys_ftruncate(process: Any, descriptor: int, size: int, *_: int) -> int:
    """Set a file's size."""
    return _truncate(process, descriptor, signed(size))


@call(194, "ftruncate64", FULL)
def sys_ftruncate64(process: Any, descriptor: int, _pad: int, low: int, high: int, *_: int) -> int:
    """Set a file's size."""
    return _truncate(process, descriptor, wide(low, high))


@call(352, "fallocate", PARTIAL, "mode 0 only; room is not reserved")
def sys_fallocate(process: Any, descriptor: int, mode: int, low: int, high: int, size_low: int, size_high: int) -> int:
    """Make a file as long as that."""
    inode = process.files.writer(descriptor).inode
    offset, size = wide(low, high), wide(size_low, size_high)
    if mode or offset < 0 or size <= 0:
        raise Errno(EINVAL)
    if not isinstance(inode, Regular):
        raise Errno(ENODEV)
    if offset + size > inode.size:
        inode.truncate(offset + size)
    return 0


@call(270, "fadvise64_64", FULL)
def sys_fadvise(process: Any, descriptor: int, *_: int) -> int:
    """Advice that nobody needs here."""
    if isinstance(process.files.file(descriptor), PipeFile):
        raise Errno(ESPIPE)
    return 0


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


# ---- descriptors


@call(6, "close", FULL)
def sys_close(process: Any, descriptor: int, *_: int) -> int:
    """Free a descriptor."""
    process.files.close(descriptor)
    return 0


CLOSE_UNSHARE, CLOSE_LATER = 2, 4


@call(436, "close_range", FULL)
def sys_close_range(process: Any, first: int, last: int, flags: int, *_: int) -> int:
    """Free many, or mark them for exec."""
    if flags & ~(CLOSE_UNSHARE | CLOSE_LATER) or first > last:
        raise Errno(EINVAL)
    chosen = [descriptor for descriptor in sorted(process.files.files) if first <= descriptor <= last]
    for descriptor in chosen:
        if flags & CLOSE_LATER:
            process.files.closing.add(descriptor)
        else:
            process.files.close(descriptor)
    return 0


def _duplicate(process: Any, descriptor: int, first: int, flags: int) -> int:
    file = process.files.file(descriptor)
    if first >= process.files.limit:
        raise Errno(EINVAL)
    return int(process.files.install(file, flags, first))


@call(41, "dup", FULL)
def sys_dup(process: Any, descriptor: int, *_: int) -> int:
    """Another descriptor for the same open file."""
    return _duplicate(process, descriptor, 0, 0)


@call(63, "dup2", FULL)
def sys_dup2(process: Any, descriptor: int, to: int, *_: int) -> int:
    """A given descriptor for the same open file."""
    if descriptor == to:
        process.files.file(descriptor)
        return to
    return sys_dup3(process, descriptor, to, 0)


@call(358, "dup3", FULL)
def sys_dup3(process: Any, descriptor: int, to: int, flags: int, *_: int) -> int:
    """A given descriptor for the same open file."""
    if flags & ~CLOSE_ON_EXEC or descriptor == to:
        raise Errno(EINVAL)
    file = process.files.file(descriptor)
    if to >= process.files.limit:
        raise Errno(EBADF)
    process.files.put(to, file, flags)
    return to


def _get_cloexec(process: Any, descriptor: int, _file: File, _argument: int) -> int:
    return int(descriptor in process.files.closing)


def _set_cloexec(process: Any, descriptor: int, _file: File, argument: int) -> int:
    (process.files.closing.add if argument & 1 else process.files.closing.discard)(descriptor)
    return 0


def _set_flags(_process: Any, _descriptor: int, file: File, argument: int) -> int:
    file.flags = file.flags & ~SETTABLE | argument & SETTABLE
    return 0


def _pipe_size(_process: Any, _descriptor: int, file: File, _argument: int) -> int:
    if not isinstance(file, PipeFile):
        raise Errno(EBADF)
    return file.ring.limit


def _set_pipe_size(_process: Any, _descriptor: int, file: File, argument: int) -> int:
    if not isinstance(file, PipeFile):
        raise Errno(EBADF)
    return file.resize(argument)


def _get_lock(form: str) -> Callable[..., int]:
    def get_lock(process: Any, _descriptor: int, _file: File, argument: int) -> int:
        """Nobody holds one: the type becomes F_UNLCK."""
        process.space.read(argument, struct.calcsize(form))
        process.space.write(argument, struct.pack("<h", 2))
        return 0

    return get_lock


def _set_lock(process: Any, _descriptor: int, _file: File, argument: int) -> int:
    kind, _whence = struct.unpack("<hh", process.space.read(argument, 4))
    if kind not in (0, 1, 2):
        raise Errno(EINVAL)
    return 0


def _zero(_process: Any, _descriptor: int, _file: File, _argument: int) -> int:
    return 0


FCNTL: dict[int, Callable[..., int]] = {
    0: lambda process, descriptor, _file, argument: _duplicate(process, descriptor, argument, 0),
    1: _get_cloexec,
    2: _set_cloexec,
    3: lambda _process, _descriptor, file, _argument: file.flags,
    4: _set_flags,
    5: _get_lock("<hhiii"),
    6: _set_lock,
    7: _set_lock,
    8: _zero,  # F_SETOWN
    9: _zero,
    12: _get_lock("<hhiqqii"),
    13: _set_lock,
    14: _set_lock,
    1030: lambda process, descriptor, _file, argument: _duplicate(process, descriptor, argument, CLOSE_ON_EXEC),
    1031: _set_pipe_size,
    1032: _pipe_size,
}
"""asm-generic/fcntl.h. Locks: there is one process at a time in a file's critical part only if it asks another way."""


@call(55, "fcntl", PARTIAL, "record locks are always granted; no leases, no owners of signals")
def sys_fcntl(process: Any, descriptor: int, request: int, argument: int, *_: int) -> int:
    """What is known of a descriptor, or its file."""
    file = process.files.file(descriptor)
    function = FCNTL.get(request)
    if function is None:
        raise Errno(EINVAL)
    return function(process, descriptor, file, argument)


call(221, "fcntl64", PARTIAL, "as fcntl")(sys_fcntl)


@call(143, "flock", PARTIAL, "always granted")
def sys_flock(process: Any, descriptor: int, operation: int, *_: int) -> int:
    """A lock of a whole file."""
    process.files.file(descriptor)
    if operation & ~4 not in (1, 2, 8):
        raise Errno(EINVAL)
    return 0


FIONBIO, FIOASYNC, FIOCLEX, FIONCLEX, FIONREAD = 0x5421, 0x5452, 0x5451, 0x5450, 0x541B


@call(54, "ioctl", PARTIAL, "terminals, pipes, sockets; FIONBIO, FIONREAD, FIOCLEX")
def sys_ioctl(process: Any, descriptor: int, request: int, argument: int, *_: int) -> Any:
    """What is special to a kind of file."""
    file = process.files.file(descriptor)
    if request == FIONBIO:
        (on,) = struct.unpack("<I", process.space.read(argument, 4))
        file.flags = file.flags | NONBLOCK if on else file.flags & ~NONBLOCK
    elif request in (FIOCLEX, FIONCLEX):
        return _set_cloexec(process, descriptor, file, request == FIOCLEX)
    elif request == FIONREAD and isinstance(file, RegularFile):
        process.space.write(argument, struct.pack("<i", max(file.size - file.offset, 0) & SIGNED))
    else:
        return _control(process, file, request, argument)
    return 0


def _control(process: Any, file: File, request: int, argument: int) -> Any:
    try:
        return file.ioctl(process, request, argument)
    except WouldBlock as why:  # a background process that changes the terminal: when it is in the foreground
        return retry(process, why, lambda: file.ioctl(process, request, argument))


# ---- pipes


@call(359, "pipe2", FULL)
def sys_pipe2(process: Any, at: int, flags: int, *_: int) -> int:
    """Two ends of a new pipe."""
    if flags & ~(CLOSE_ON_EXEC | NONBLOCK):
        raise Errno(EINVAL)
    inode = Inode(process.kernel.vfs, 0o010600)
    return install_pair(process, make_pipe(inode, flags & NONBLOCK), flags, at)


@call(42, "pipe", FULL)
def sys_pipe(process: Any, at: int, *_: int) -> int:
    """Two ends of a new pipe."""
    return sys_pipe2(process, at, 0)


def install_pair(process: Any, files: tuple[File, File], flags: int, at: int) -> int:
    """Two descriptors, told at an address: both or none.

    Raises:
        Errno: EMFILE, EFAULT.
    """
    table = process.files
    try:
        first = table.install(files[0], flags)
    except Errno:
        files[1].close()
        raise
    try:
        second = table.install(files[1], flags)
    except Errno:
        table.close(first)
        raise Errno(EMFILE) from None
    try:
        process.space.write(at, struct.pack("<ii", first, second))
    except Errno:
        table.close(first)
        table.close(second)
        raise
    return 0


# ---- what is written is where it belongs: there is no disk below


@call(118, "fsync", FULL)
def sys_fsync(process: Any, descriptor: int, *_: int) -> int:
    """Make it last."""
    if not isinstance(process.files.file(descriptor), RegularFile | DirectoryFile):
        raise Errno(EINVAL)
    return 0


call(148, "fdatasync", FULL)(sys_fsync)
call(373, "syncfs", FULL)(sys_fsync)


@call(36, "sync", FULL)
def sys_sync(process: Any, *_: int) -> int:
    """Make all last."""
    return 0
