"""System calls that tell what is known of a file, and of the file system: stat and its kind, access."""

from __future__ import annotations

import struct
from typing import Any

from cells.personalities.arm.errno import EACCES, EINVAL, Errno
from cells.personalities.linux.directory import NAME_COUNT
from cells.personalities.linux.inode import BLOCK, CHARACTER, PAGE, Inode, Regular
from cells.personalities.linux.paths import HERE, at_path, inode_of, walk
from cells.personalities.linux.rights import EFFECTIVE, REAL, WRITE, demand_writable, may
from cells.personalities.linux.table import FULL, call

SECOND = 1_000_000_000
STAT64 = struct.Struct("<QIIIIIIQIIqIIQ6IQ")
"""struct stat64 of ARM EABI, 104 bytes (asm/stat.h)."""
DEVICE = 1
"""st_dev of all files but those in views of the host's directories (served.py)."""
TMPFS_MAGIC, PROC_MAGIC, FUSE_MAGIC = 0x01021994, 0x9FA0, 0x65735546


ON_READ_ONLY = 1 | 2 | 4 | 0x20
"""ST_RDONLY, ST_NOSUID, ST_NODEV, and that these flags are told."""


# ---- stat


def volume_of(inode: Inode) -> int:
    """Its st_dev."""
    return DEVICE if inode.volume is None else inode.volume.device


def tell(process: Any, inode: Inode, at: int) -> int:
    """Write a struct stat64."""
    device = inode.device if inode.kind in (CHARACTER, BLOCK) else 0
    blocks = inode.blocks if isinstance(inode, Regular) else 0
    parts = [part for when in (inode.accessed, inode.modified, inode.changed) for part in divmod(when, SECOND)]
    times = [part & 0xFFFFFFFF for part in parts]
    number = inode.inode_number
    status = (
        volume_of(inode),
        0,
        number,
        inode.mode,
        max(inode.links, 0),
        inode.user,
        inode.team,
        device,
        0,
        0,
        inode.size,
    )
    process.space.write(at, STAT64.pack(*status, PAGE, 0, blocks, *times, number))
    return 0


@call(197, "fstat64", FULL)
def sys_fstat64(process: Any, descriptor: int, at: int, *_: int) -> int:
    """Of an open file."""
    return tell(process, inode_of(process, process.files.file(descriptor)), at)


@call(327, "fstatat64", FULL)
def sys_fstatat64(process: Any, directory: int, path: int, at: int, flags: int, *_: int) -> int:
    """Of a path."""
    return tell(process, at_path(process, directory, path, flags), at)


@call(195, "stat64", FULL)
def sys_stat64(process: Any, path: int, at: int, *_: int) -> int:
    """Of a path."""
    return tell(process, walk(process, HERE, path).existing(), at)


@call(196, "lstat64", FULL)
def sys_lstat64(process: Any, path: int, at: int, *_: int) -> int:
    """Of a path that may be a link."""
    return tell(process, walk(process, HERE, path, follow=False).existing(), at)


STATFS64 = struct.Struct("<II5Q9I")
"""struct statfs64 of ARM EABI: 84 bytes, packed to 4 (asm/statfs.h)."""


def _tell_room(process: Any, inode: Inode, size: int, at: int) -> int:
    if size not in (84, 88):
        raise Errno(EINVAL)
    if inode.volume is not None:
        process.space.write(at, STATFS64.pack(FUSE_MAGIC, PAGE, *[0] * 7, 255, PAGE, ON_READ_ONLY, 0, 0, 0, 0))
        return 0
    frames = process.kernel.frames
    magic = PROC_MAGIC if getattr(inode, "of_proc", False) else TMPFS_MAGIC
    free = inode.tree.room()
    room = (frames.total, free, free, NAME_COUNT, NAME_COUNT - inode.tree.named)
    process.space.write(at, STATFS64.pack(magic, PAGE, *room, 0, 0, 255, PAGE, 0, 0, 0, 0, 0))
    return 0


@call(266, "statfs64", FULL)
def sys_statfs64(process: Any, path: int, size: int, at: int, *_: int) -> int:
    """Of the file system of a path."""
    return _tell_room(process, walk(process, HERE, path).existing(), size, at)


@call(267, "fstatfs64", FULL)
def sys_fstatfs64(process: Any, descriptor: int, size: int, at: int, *_: int) -> int:
    """Of the file system of a file."""
    return _tell_room(process, inode_of(process, process.files.file(descriptor)), size, at)


# ---- whether a file may be used

AS_EFFECTIVE = 0x200
"""AT_EACCESS."""


def _may(process: Any, inode: Inode, wanted: int, which: int = REAL) -> int:
    if wanted > 7:
        raise Errno(EINVAL)
    if wanted & WRITE:
        demand_writable(inode)
    if not may(process, inode, wanted, which):
        raise Errno(EACCES)
    return 0


@call(334, "faccessat", FULL)
def sys_faccessat(process: Any, at: int, path: int, wanted: int, *_: int) -> int:
    """Whether a path may be used."""
    return _may(process, walk(process, at, path).existing(), wanted)


@call(439, "faccessat2", FULL)
def sys_faccessat2(process: Any, at: int, path: int, wanted: int, flags: int, *_: int) -> int:
    """Whether a path may be used."""
    which = EFFECTIVE if flags & AS_EFFECTIVE else REAL
    return _may(process, at_path(process, at, path, flags), wanted, which)


@call(33, "access", FULL)
def sys_access(process: Any, path: int, wanted: int, *_: int) -> int:
    """Whether a path may be used."""
    return sys_faccessat(process, HERE, path, wanted)
