"""statx: what stat tells, in a structure with room for times after 2038."""

from __future__ import annotations

import struct
from typing import Any

from cells.personalities.arm.errno import EINVAL, Errno
from cells.personalities.linux.inode import BLOCK, CHARACTER, PAGE, Inode, Regular
from cells.personalities.linux.paths import at_path
from cells.personalities.linux.sys_status import SECOND, volume_of
from cells.personalities.linux.table import PARTIAL, call

HEAD, TIME, DEVICES = struct.Struct("<IIQIIIHHQQQQ"), struct.Struct("<qIi"), struct.Struct("<IIII")
SIZE = 256
BASIC, RESERVED = 0x7FF, 0x8000_0000
"""STATX_BASIC_STATS, and the bit that must not be asked for."""
FORCE, TRUST = 0x2000, 0x4000
"""AT_STATX_FORCE_SYNC and AT_STATX_DONT_SYNC: not both."""
KNOWN = 0x100 | 0x800 | 0x1000 | FORCE | TRUST


def pack(inode: Inode) -> bytes:
    """struct statx (uapi/linux/stat.h)."""
    special = inode.kind in (CHARACTER, BLOCK)
    device = inode.device if special else 0
    blocks = inode.blocks if isinstance(inode, Regular) else 0
    links = max(inode.links, 0)
    head = HEAD.pack(
        BASIC, PAGE, 0, links, inode.user, inode.team, inode.mode, 0, inode.inode_number, inode.size, blocks, 0
    )
    times = (inode.accessed, None, inode.changed, inode.modified)
    told = b"".join(bytes(TIME.size) if when is None else TIME.pack(*divmod(when, SECOND), 0) for when in times)
    minor = device & 0xFF | device >> 12 & 0xFFFFF00
    return (head + told + DEVICES.pack(device >> 8 & 0xFFF, minor, 0, volume_of(inode))).ljust(SIZE, b"\0")


@call(397, "statx", PARTIAL, "no time of birth, no attributes")
def sys_statx(process: Any, at: int, path: int, flags: int, mask: int, to: int, *_: int) -> int:
    """What is known of a file."""
    if mask & RESERVED or flags & ~KNOWN or flags & (FORCE | TRUST) == FORCE | TRUST:
        raise Errno(EINVAL)
    process.space.write(to, pack(at_path(process, at, path, flags)))
    return 0
