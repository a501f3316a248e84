"""Who may do what: permissions of files, owners, and whom one may send signals to.

    demand(process, inode, READ | WRITE)        # raises Errno(EACCES)
    demand_change(process, found)               # its directory may be changed, and the name be taken from it

Theory (POSIX; Linux fs/namei.c, generic_permission): the owner's bits count for the owner, the group's for the group, the last
three for others; the first that fits decides. User 0 may do all but execute what nobody may. There are no capabilities: whoever
is user 0 has all, nobody else has any. The file's user is compared with the effective user, for access(2) with the real one.
"""

from __future__ import annotations

from typing import Any

from cells.personalities.arm.errno import EACCES, EPERM, EROFS, Errno
from cells.personalities.linux.inode import DIRECTORY, Inode

READ, WRITE, EXECUTE = 4, 2, 1
STICKY, SET_GROUP, SET_USER = 0o1000, 0o2000, 0o4000
REAL, EFFECTIVE = 0, 1
SIGCONT = 18


def may(process: Any, inode: Inode, wanted: int, which: int = EFFECTIVE) -> bool:
    """Whether the mode allows it. `which`: REAL or EFFECTIVE ids."""
    user, mode = process.user[which], inode.mode
    if not user:
        return not wanted & EXECUTE or inode.kind == DIRECTORY or bool(mode & 0o111)
    if user == inode.user:
        mode >>= 6
    elif inode.team == process.team[which] or inode.team in process.groups:
        mode >>= 3
    return not wanted & ~mode


def demand_writable(inode: Inode) -> None:
    """Its file system can be written to. Raises: Errno: EROFS."""
    if inode.volume is not None and inode.volume.read_only:
        raise Errno(EROFS)


def demand(process: Any, inode: Inode, wanted: int) -> None:
    """Raises: Errno: EACCES; EROFS, nobody may write there."""
    if wanted & WRITE:
        demand_writable(inode)
    if not may(process, inode, wanted):
        raise Errno(EACCES)


def demand_change(process: Any, directory: Inode, inode: Inode | None = None) -> None:
    """A name of the directory may be given; or, `inode`, be taken from it: in a sticky one by owners only.

    Raises:
        Errno: EACCES, EPERM.
    """
    demand(process, directory, WRITE | EXECUTE)
    user = process.user[EFFECTIVE]
    if inode is not None and directory.mode & STICKY and user not in (0, inode.user, directory.user):
        raise Errno(EPERM)


def demand_owner(process: Any, inode: Inode) -> None:
    """For a change of what is known of it. Raises: Errno: EPERM, EROFS."""
    demand_writable(inode)
    if process.user[EFFECTIVE] not in (0, inode.user):
        raise Errno(EPERM)


def demand_root(process: Any) -> None:
    """Raises: Errno: EPERM."""
    if process.user[EFFECTIVE]:
        raise Errno(EPERM)


def give(process: Any, inode: Inode, directory: Inode) -> Inode:
    """A new file belongs to who makes it; its group is that of a directory that hands its group on."""
    inode.user, inode.team = process.user[EFFECTIVE], process.team[EFFECTIVE]
    if directory.mode & SET_GROUP:
        inode.team = directory.team
        inode.mode |= SET_GROUP if inode.kind == DIRECTORY else 0
    return inode


def may_signal(process: Any, target: Any, signal: int) -> bool:
    """Whether a process may send this one a signal (kill(2))."""
    real, effective, _ = process.user
    known = {target.user[0], target.user[2]}
    return not effective or bool(known & {real, effective}) or (signal == SIGCONT and process.session == target.session)
