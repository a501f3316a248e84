"""System calls that make pipes; two descriptors at once."""

from __future__ import annotations

import struct
from typing import Any

from cells.personalities.arm.errno import EINVAL, EMFILE, Errno
from cells.personalities.linux.file import CLOSE_ON_EXEC, NONBLOCK, File
from cells.personalities.linux.inode import Inode
from cells.personalities.linux.pipe import make_pipe
from cells.personalities.linux.table import FULL, call


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
