"""System calls on descriptors of processes: a process that cannot be mistaken for another, and whose end can be polled."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from cells.personalities.arm.errno import EBADF, EINVAL, EPERM, ESRCH, Errno
from cells.personalities.arm.wait import Queue
from cells.personalities.linux.file import CLOSE_ON_EXEC, NONBLOCK, READ_WRITE, READABLE, File
from cells.personalities.linux.inode import Inode
from cells.personalities.linux.signal_frame import Info
from cells.personalities.linux.signal_numbers import SI_USER
from cells.personalities.linux.sys_kill import send_to
from cells.personalities.linux.table import FULL, PARTIAL, call
from cells.personalities.linux.words import signed

if TYPE_CHECKING:
    from cells.personalities.linux.process import Process

ENDED = ("Z", "X")


class PidFile(File):
    """A process as a file."""

    def __init__(self, inode: Inode, flags: int, target: Process) -> None:
        super().__init__(inode, READ_WRITE | flags)
        self.name = b"anon_inode:[pidfd]"
        self.target = target

    @property
    def ended(self) -> bool:
        """It has, with all its threads."""
        others = self.target.kernel.processes.threads(self.target.pid)
        return self.target.state in ENDED and all(one.state in ENDED for one in others)

    def poll(self) -> int:
        """Readable once it has ended."""
        return READABLE if self.ended else 0

    def queues(self) -> tuple[Queue, ...]:
        """Which are woken when that changes."""
        return (self.target.ended,)


def open_process(process: Any, target: Process, flags: int) -> int:
    """A descriptor for it."""
    return int(
        process.files.install(PidFile(Inode(process.kernel.vfs, 0o600), flags & NONBLOCK, target), CLOSE_ON_EXEC)
    )


def target_of(process: Any, descriptor: int) -> PidFile:
    """Raises: Errno: EBADF, it is no process's."""
    file = process.files.file(signed(descriptor))
    if not isinstance(file, PidFile):
        raise Errno(EBADF)
    return file


@call(434, "pidfd_open", FULL)
def sys_pidfd_open(process: Any, pid: int, flags: int, *_: int) -> int:
    """A descriptor of a process."""
    if flags & ~NONBLOCK or signed(pid) <= 0:
        raise Errno(EINVAL)
    target = process.kernel.processes.get(pid)
    if target is None:
        raise Errno(ESRCH)
    if target.pid != target.leader:
        raise Errno(EINVAL)
    return open_process(process, target, flags)


@call(424, "pidfd_send_signal", PARTIAL, "what is for a whole process goes to its first thread")
def sys_pidfd_send_signal(process: Any, descriptor: int, signal: int, info_at: int, flags: int, *_: int) -> int:
    """Send to that process and no other."""
    if flags:
        raise Errno(EINVAL)
    target = target_of(process, descriptor).target
    info = Info(SI_USER, process.leader, process.user[0])
    if info_at:
        number, code, sender, user, value = struct.unpack("<i4xi3I", process.space.read(info_at, 24))
        if number != signal:
            raise Errno(EINVAL)
        if code >= 0 and target.leader != process.leader:
            raise Errno(EPERM)
        info = Info(code, sender, user, value)
    return send_to(process, [] if target.state == "X" else [target], signal, info)
