"""System calls that send signals."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import TYPE_CHECKING

from cells.personalities.arm.errno import EAGAIN, EINVAL, EPERM, ESRCH, Errno
from cells.personalities.linux.rights import may_signal
from cells.personalities.linux.signal_frame import Info
from cells.personalities.linux.signal_numbers import LAST, SI_QUEUE, SI_TKILL, SI_USER
from cells.personalities.linux.table import PARTIAL, call
from cells.personalities.linux.words import signed

if TYPE_CHECKING:
    from cells.personalities.linux.process import Process


def send_to(process: Process, targets: Iterable[Process], signal: int, info: Info) -> int:
    """To all of them; a signal 0 only asks whether there is somebody.

    Raises:
        Errno: there is nobody, or nobody to whom this process may.
    """
    if not 0 <= signal <= LAST:
        raise Errno(EINVAL)
    found = [target for target in targets if target.state not in ("X",)]
    if not found:
        raise Errno(ESRCH)
    found = [target for target in found if may_signal(process, target, signal)]
    if not found:
        raise Errno(EPERM)
    for target in found:
        if signal and target.state != "Z" and not target.signals.send(target, signal, info) and info.code == SI_QUEUE:
            raise Errno(EAGAIN)
    return 0


def _whole(process: Process, pid: int) -> list[Process]:
    """The thread of a process that takes what is for all of it: the first that does not hold it back would be as good."""
    found = process.kernel.processes.get(pid)
    return [found] if found is not None else []


@call(37, "kill", PARTIAL, "what is for a whole process goes to its first thread")
def sys_kill(process: Process, pid: int, signal: int, *_: int) -> int:
    """Send to a process, a group, or everybody but the first one and oneself."""
    target, processes = signed(pid), process.kernel.processes
    if target > 0:
        chosen = _whole(process, target)
    elif target == -1:
        chosen = [each for each in processes if each.pid == each.leader and each.pid != 1 and each is not process]
    else:
        chosen = list(processes.group(-target if target else process.group))
    return send_to(process, chosen, signal, Info(SI_USER, process.leader, process.user[0]))


@call(238, "tkill")
def sys_tkill(process: Process, thread: int, signal: int, *_: int) -> int:
    """Send to a thread."""
    if signed(thread) <= 0:
        raise Errno(EINVAL)
    return send_to(process, _whole(process, thread), signal, Info(SI_TKILL, process.leader, process.user[0]))


@call(268, "tgkill")
def sys_tgkill(process: Process, leader: int, thread: int, signal: int, *_: int) -> int:
    """Send to a thread of that process and no other."""
    if signed(leader) <= 0 or signed(thread) <= 0:
        raise Errno(EINVAL)
    chosen = [each for each in _whole(process, thread) if each.leader == leader]
    return send_to(process, chosen, signal, Info(SI_TKILL, process.leader, process.user[0]))


@call(178, "rt_sigqueueinfo")
def sys_rt_sigqueueinfo(process: Process, pid: int, signal: int, address: int, *_: int) -> int:
    """Send with a value; only the kernel may say that it was the kernel."""
    code, sender, user, value = struct.unpack("<8xi3I", process.space.read(address, 24))
    if code >= 0 and pid != process.leader:
        raise Errno(EPERM)
    return send_to(process, _whole(process, pid), signal, Info(code, sender, user, value))
