"""System calls about who processes are: numbers, users, groups and sessions."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

from cells.personalities.arm.errno import EINVAL, EPERM, ESRCH, Errno
from cells.personalities.linux.table import PARTIAL, call
from cells.personalities.linux.words import signed

if TYPE_CHECKING:
    from cells.personalities.linux.process import Process


# ---- who


@call(20, "getpid")
def sys_getpid(process: Process, *_: int) -> int:
    """The thread group."""
    return process.leader


@call(224, "gettid")
def sys_gettid(process: Process, *_: int) -> int:
    """The thread."""
    return process.pid


@call(64, "getppid")
def sys_getppid(process: Process, *_: int) -> int:
    """The parent, 0 for the first process."""
    parent = process.parent
    return parent.leader if parent is not None else 0


def _ids(number: int, wide: int, name: str, answer: Callable[[Process], int]) -> None:
    """A call that asks for an id, in its older form and with 32 bits."""

    def asks(process: Process, *_: int) -> int:
        return answer(process)

    call(number, name)(asks)
    call(wide, f"{name}32")(asks)


_ids(24, 199, "getuid", lambda process: process.user[0])
_ids(47, 200, "getgid", lambda process: process.team[0])
_ids(49, 201, "geteuid", lambda process: process.user[1])
_ids(50, 202, "getegid", lambda process: process.team[1])


def _may(process: Process, wanted: list[int], have: list[int]) -> list[int]:
    """Ids after a change; -1 keeps one. Only root may take what it does not have.

    Raises:
        Errno: EPERM.
    """
    new = [old if word == 0xFFFF_FFFF else word for word, old in zip(wanted, have, strict=True)]
    if process.user[1] and any(word not in have for word in new):
        raise Errno(EPERM)
    return new


def _set_one(process: Process, word: int, have: list[int]) -> list[int]:
    wanted = [have[0], word, have[2]] if process.user[1] else [word] * 3
    return _may(process, wanted, have)


def _set_uid(process: Process, uid: int, *_: int) -> int:
    process.user = _set_one(process, uid, process.user)
    return 0


def _set_gid(process: Process, gid: int, *_: int) -> int:
    process.team = _set_one(process, gid, process.team)
    return 0


def _set_all_uids(process: Process, *ids: int) -> int:
    process.user = _may(process, list(ids[:3]), process.user)
    return 0


def _set_all_gids(process: Process, *ids: int) -> int:
    process.team = _may(process, list(ids[:3]), process.team)
    return 0


def _set_pair_uids(process: Process, real: int, effective: int, *_: int) -> int:
    process.user = _may(process, [real, effective, effective], process.user)
    return 0


def _set_pair_gids(process: Process, real: int, effective: int, *_: int) -> int:
    process.team = _may(process, [real, effective, effective], process.team)
    return 0


def _tell_uids(process: Process, a: int, b: int, c: int, *_: int) -> int:
    for address, word in zip((a, b, c), process.user, strict=True):
        process.space.write(address, struct.pack("<I", word))
    return 0


def _tell_gids(process: Process, a: int, b: int, c: int, *_: int) -> int:
    for address, word in zip((a, b, c), process.team, strict=True):
        process.space.write(address, struct.pack("<I", word))
    return 0


for _number, _wide, _name, _function in (
    (23, 213, "setuid", _set_uid),
    (46, 214, "setgid", _set_gid),
    (70, 203, "setreuid", _set_pair_uids),
    (71, 204, "setregid", _set_pair_gids),
    (164, 208, "setresuid", _set_all_uids),
    (165, 209, "getresuid", _tell_uids),
    (170, 210, "setresgid", _set_all_gids),
    (171, 211, "getresgid", _tell_gids),
):
    call(_number, _name, PARTIAL, "ids of 32 bits here, too")(_function)
    call(_wide, f"{_name}32")(_function)


@call(205, "getgroups32")
def sys_getgroups(process: Process, size: int, address: int, *_: int) -> int:
    """Further groups."""
    if size and size < len(process.groups):
        raise Errno(EINVAL)
    if size:
        process.space.write(address, struct.pack(f"<{len(process.groups)}I", *process.groups))
    return len(process.groups)


@call(206, "setgroups32")
def sys_setgroups(process: Process, size: int, address: int, *_: int) -> int:
    """Raises: Errno: EPERM, EINVAL."""
    if process.user[1]:
        raise Errno(EPERM)
    if size > 64:
        raise Errno(EINVAL)
    process.groups = struct.unpack(f"<{size}I", process.space.read(address, 4 * size))
    return 0


# ---- groups and sessions


def named(process: Process, pid: int) -> Process:
    """The process that a number means, 0 for oneself.

    Raises:
        Errno: ESRCH.
    """
    found = process.kernel.processes.get(pid) if pid else process
    if found is None:
        raise Errno(ESRCH)
    return found


@call(57, "setpgid")
def sys_setpgid(process: Process, pid: int, group: int, *_: int) -> int:
    """Put oneself or a child into a group of the session."""
    one = named(process, pid)
    group = group or one.pid
    if signed(group) < 0:
        raise Errno(EINVAL)
    if one is not process and one.parent is not process:
        raise Errno(ESRCH)
    if one.session == one.pid or one.session != process.session:
        raise Errno(EPERM)
    members = process.kernel.processes.group(group)
    if group != one.pid and not any(member.session == one.session for member in members):
        raise Errno(EPERM)
    one.group = group
    return 0


@call(132, "getpgid")
def sys_getpgid(process: Process, pid: int, *_: int) -> int:
    """The group of a process."""
    return named(process, pid).group


@call(65, "getpgrp")
def sys_getpgrp(process: Process, *_: int) -> int:
    """One's own group."""
    return process.group


@call(147, "getsid")
def sys_getsid(process: Process, pid: int, *_: int) -> int:
    """The session of a process."""
    return named(process, pid).session


@call(66, "setsid")
def sys_setsid(process: Process, *_: int) -> int:
    """A session of one's own, without a terminal."""
    if process.kernel.processes.group(process.pid):
        raise Errno(EPERM)
    process.session = process.group = process.pid
    process.terminal = None
    return process.pid
