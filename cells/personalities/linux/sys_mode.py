"""System calls that set what is known of a file: permissions, owners, times. Its owner may, and root."""

from __future__ import annotations

import struct
from typing import Any

from cells.personalities.arm.errno import EINVAL, EOPNOTSUPP, EPERM, Errno
from cells.personalities.linux.inode import LINK, REGULAR, Inode
from cells.personalities.linux.notify import ATTRIBUTES, tell
from cells.personalities.linux.paths import HERE, at_path, inode_of, walk
from cells.personalities.linux.rights import SET_GROUP, SET_USER, WRITE, demand, demand_owner, demand_writable
from cells.personalities.linux.sys_status import SECOND
from cells.personalities.linux.table import FULL, call
from cells.personalities.linux.words import signed


def _set_mode(process: Any, inode: Inode, mode: int) -> int:
    if inode.kind == LINK:
        raise Errno(EOPNOTSUPP)
    demand_owner(process, inode)
    if process.user[1] and inode.team not in (process.team[1], *process.groups):
        mode &= ~SET_GROUP
    inode.mode = inode.kind | mode & 0o7777
    inode.changed = process.kernel.vfs.now()
    tell(inode, ATTRIBUTES)
    return 0


@call(333, "fchmodat", FULL)
def sys_fchmodat(process: Any, at: int, path: int, mode: int, *_: int) -> int:
    """Set permissions."""
    return _set_mode(process, walk(process, at, path).existing(), mode)


@call(15, "chmod", FULL)
def sys_chmod(process: Any, path: int, mode: int, *_: int) -> int:
    """Set permissions."""
    return sys_fchmodat(process, HERE, path, mode)


@call(94, "fchmod", FULL)
def sys_fchmod(process: Any, descriptor: int, mode: int, *_: int) -> int:
    """Set permissions."""
    return _set_mode(process, inode_of(process, process.files.file(descriptor)), mode)


KEPT = 0xFFFFFFFF
"""-1: leave this owner."""


def _set_owner(process: Any, inode: Inode, user: int, team: int) -> int:
    """Root gives files away; an owner may change the group to one of the own. A program loses the rights of its owner by that."""
    demand_writable(inode)
    own = process.user[1] == inode.user and user in (KEPT, inode.user)
    if process.user[1] and not (own and team in (KEPT, inode.team, process.team[1], *process.groups)):
        raise Errno(EPERM)
    inode.user = inode.user if user == KEPT else user
    inode.team = inode.team if team == KEPT else team
    if inode.kind == REGULAR and inode.mode & 0o111:
        inode.mode &= ~(SET_USER | (SET_GROUP if inode.mode & 0o010 else 0))
    inode.changed = process.kernel.vfs.now()
    tell(inode, ATTRIBUTES)
    return 0


@call(212, "chown32", FULL)
def sys_chown(process: Any, path: int, user: int, team: int, *_: int) -> int:
    """Set the owner."""
    return _set_owner(process, walk(process, HERE, path).existing(), user, team)


@call(198, "lchown32", FULL)
def sys_lchown(process: Any, path: int, user: int, team: int, *_: int) -> int:
    """Set the owner, of a link itself too."""
    return _set_owner(process, walk(process, HERE, path, follow=False).existing(), user, team)


@call(207, "fchown32", FULL)
def sys_fchown(process: Any, descriptor: int, user: int, team: int, *_: int) -> int:
    """Set the owner."""
    return _set_owner(process, inode_of(process, process.files.file(descriptor)), user, team)


@call(325, "fchownat", FULL)
def sys_fchownat(process: Any, at: int, path: int, user: int, team: int, flags: int, *_: int) -> int:
    """Set the owner."""
    return _set_owner(process, at_path(process, at, path, flags), user, team)


@call(60, "umask", FULL)
def sys_umask(process: Any, mask: int, *_: int) -> int:
    """The permissions that new files do not get."""
    before, process.umask = process.umask, mask & 0o777
    return int(before)


# ---- times

NOW, OMIT = 0x3FFFFFFF, 0x3FFFFFFE
"""UTIME_NOW and UTIME_OMIT in place of nanoseconds."""


def _set_times(process: Any, inode: Inode, pairs: list[tuple[int, int]]) -> int:
    """Access and modification, as (seconds, nanoseconds). Who may write may say that it was now."""
    if all(part == NOW for _, part in pairs) and process.user[1] != inode.user:
        demand(process, inode, WRITE)
    elif any(part != OMIT for _, part in pairs):
        demand_owner(process, inode)
    now = process.kernel.vfs.now()
    for name, (seconds, nanoseconds) in zip(("accessed", "modified"), pairs, strict=True):
        if nanoseconds == OMIT:
            continue
        if nanoseconds != NOW and not 0 <= nanoseconds < SECOND:
            raise Errno(EINVAL)
        setattr(inode, name, now if nanoseconds == NOW else max(seconds, 0) * SECOND + nanoseconds)
    inode.changed = now
    tell(inode, ATTRIBUTES)
    return 0


def _pairs(process: Any, at: int, form: str) -> list[tuple[int, int]]:
    if not at:
        return [(0, NOW), (0, NOW)]
    words = struct.unpack(form, process.space.read(at, struct.calcsize(form)))
    return [(words[0], words[1]), (words[2], words[3])]


def _utimensat(process: Any, at: int, path: int, times: int, flags: int, form: str) -> int:
    pairs = _pairs(process, times, form)
    inode = at_path(process, at, path, flags) if path else inode_of(process, process.files.file(signed(at)))
    return _set_times(process, inode, pairs)


@call(348, "utimensat", FULL)
def sys_utimensat(process: Any, at: int, path: int, times: int, flags: int, *_: int) -> int:
    """Set times to nanoseconds."""
    return _utimensat(process, at, path, times, flags, "<4i")


@call(412, "utimensat_time64", FULL)
def sys_utimensat64(process: Any, at: int, path: int, times: int, flags: int, *_: int) -> int:
    """Set times to nanoseconds."""
    return _utimensat(process, at, path, times, flags, "<qi4xqi4x")


def _microseconds(process: Any, at: int) -> list[tuple[int, int]]:
    pairs = _pairs(process, at, "<4i")
    return pairs if not at else [(seconds, micro * 1000) for seconds, micro in pairs]


@call(269, "utimes", FULL)
def sys_utimes(process: Any, path: int, times: int, *_: int) -> int:
    """Set times to microseconds."""
    return _set_times(process, walk(process, HERE, path).existing(), _microseconds(process, times))


@call(326, "futimesat", FULL)
def sys_futimesat(process: Any, at: int, path: int, times: int, *_: int) -> int:
    """Set times to microseconds."""
    return _set_times(process, walk(process, at, path).existing(), _microseconds(process, times))
