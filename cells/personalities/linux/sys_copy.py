"""copy_file_range: from one file to another, within the kernel."""

from __future__ import annotations

import struct
from typing import Any

from cells.personalities.arm.errno import EBADF, EINVAL, Errno
from cells.personalities.linux.file import APPEND, AT_ONCE, RegularFile
from cells.personalities.linux.inode import Regular
from cells.personalities.linux.table import FULL, call
from cells.personalities.linux.words import MOST

OFFSET = struct.Struct("<q")


def _offset(process: Any, file: RegularFile, at: int) -> int:
    """Where to begin: at the file's offset, or as the program says."""
    offset = file.offset if not at else int(OFFSET.unpack(process.space.read(at, OFFSET.size))[0])
    if offset < 0:
        raise Errno(EINVAL)
    return offset


def _moved(process: Any, file: RegularFile, at: int, offset: int) -> None:
    if at:
        process.space.write(at, OFFSET.pack(offset))
    else:
        file.offset = offset


@call(391, "copy_file_range", FULL)
def sys_copy_file_range(process: Any, source: int, from_at: int, to: int, to_at: int, count: int, flags: int) -> int:
    """How many bytes went; a part of them if there is no room for more."""
    reader, writer = process.files.reader(source), process.files.writer(to)
    for file in (reader, writer):
        if not isinstance(file, RegularFile) or not isinstance(file.inode, Regular):
            raise Errno(EINVAL)
    if writer.flags & APPEND:
        raise Errno(EBADF)
    begin, target = _offset(process, reader, from_at), _offset(process, writer, to_at)
    count = min(count, MOST, max(reader.size - begin, 0))
    if flags or (reader.inode is writer.inode and begin < target + count and target < begin + count):
        raise Errno(EINVAL)
    done = 0
    while done < count:
        data = reader.inode.read(begin + done, min(count - done, AT_ONCE))
        went = writer.inode.write(target + done, data)
        done += went
        if went < len(data):
            break
    _moved(process, reader, from_at, begin + done)
    _moved(process, writer, to_at, target + done)
    return done
