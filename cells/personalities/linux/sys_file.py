"""System calls on places and sizes of files: seek, truncate, advice, synchronization."""

from __future__ import annotations

import struct
from typing import Any

from cells.personalities.arm.errno import EINVAL, EISDIR, ENODEV, EOVERFLOW, ESPIPE, Errno
from cells.personalities.linux.directory import Directory
from cells.personalities.linux.file import DirectoryFile, RegularFile
from cells.personalities.linux.inode import Regular
from cells.personalities.linux.notify import MODIFY, tell
from cells.personalities.linux.paths import HERE, walk
from cells.personalities.linux.pipe import PipeFile
from cells.personalities.linux.rights import WRITE, demand
from cells.personalities.linux.table import FULL, PARTIAL, call
from cells.personalities.linux.words import SIGNED, signed, wide


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
    tell(file.inode, MODIFY)
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


# ---- sizes


def _truncate_path(process: Any, path: int, size: int) -> int:
    inode = walk(process, HERE, path).existing()
    if isinstance(inode, Directory):
        raise Errno(EISDIR)
    if size < 0 or not isinstance(inode, Regular):
        raise Errno(EINVAL)
    demand(process, inode, WRITE)
    inode.truncate(size)
    tell(inode, MODIFY)
    return 0


@call(92, "truncate", FULL)
def sys_truncate(process: Any, path: int, size: int, *_: int) -> int:
    """Set a file's size."""
    return _truncate_path(process, path, signed(size))


@call(193, "truncate64", FULL)
def sys_truncate64(process: Any, path: int, _pad: int, low: int, high: int, *_: int) -> int:
    """Set a file's size."""
    return _truncate_path(process, path, wide(low, high))
