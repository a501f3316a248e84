"""System calls about processes: how they come, become other programs, end, and are waited for."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from cells.personalities.arm.errno import E2BIG, ECHILD, EINVAL, EMFILE, ENAMETOOLONG, Errno
from cells.personalities.arm.wait import Interrupted, Sleeping, Wait
from cells.personalities.linux import life, sys_pidfd
from cells.personalities.linux.elf import Late
from cells.personalities.linux.loader import TEXTS_LIMIT, Who, load
from cells.personalities.linux.process import STOPPED, ZOMBIE, Process
from cells.personalities.linux.rights import EXECUTE, demand
from cells.personalities.linux.signal_numbers import LAST
from cells.personalities.linux.sys_system import usage_bytes
from cells.personalities.linux.table import PARTIAL, call
from cells.personalities.linux.words import signed

if TYPE_CHECKING:
    from cells.personalities.linux.kernel import Kernel

WNOHANG, WUNTRACED, WEXITED, WCONTINUED, WNOWAIT = 1, 2, 4, 8, 0x0100_0000
P_ALL, P_PID, P_PGID, P_PIDFD = range(4)
SIGSEGV = 11


# ---- coming and going


@call(2, "fork")
def sys_fork(process: Process, *_: int) -> int:
    """A child that sees the same memory until somebody writes."""
    child = life.spawn(process, 17, 0)
    process.kernel.ready(child)
    return child.pid


@call(190, "vfork")
def sys_vfork(process: Process, *_: int) -> Sleeping:
    """A child in the same memory; the parent waits until it has become another program or has ended."""
    return _borrowed(process, life.spawn(process, life.CLONE_VM | life.CLONE_VFORK | 17, 0))


def _borrowed(process: Process, child: Process) -> Sleeping:
    queue = child.vfork_done
    process.kernel.ready(child)
    while child.vfork_done is not None and queue is not None:
        try:
            yield Wait((queue,))
        except Interrupted:
            if process.signals.is_killed:
                raise
    return child.pid


@call(120, "clone", PARTIAL, "no namespaces, no ptrace")
def sys_clone(
    process: Process, flags: int, stack: int, parent_tid: int, tls: int, child_tid: int, *_: int
) -> Sleeping | int:
    """A child that shares what the flags say: a thread, for example."""
    if flags & life.CLONE_PIDFD and flags & (life.CLONE_PARENT_SETTID | life.CLONE_DETACHED):
        raise Errno(EINVAL)
    return _cloned(process, flags, stack, (parent_tid, tls, child_tid), parent_tid)


def _cloned(process: Process, flags: int, stack: int, ids: tuple[int, int, int], pidfd: int) -> Sleeping | int:
    """`ids`: where numbers go, and the thread's own word, as `life.tell_ids` has them; `pidfd`: where its descriptor goes."""
    if (flags & life.CLONE_THREAD and not flags & life.CLONE_SIGHAND) or (
        flags & life.CLONE_SIGHAND and (not flags & life.CLONE_VM or flags & life.CLONE_CLEAR_SIGHAND)
    ):
        raise Errno(EINVAL)
    if flags & life.UNKNOWN_FLAGS or (flags & life.CLONE_PIDFD and flags & life.CLONE_THREAD):
        raise Errno(EINVAL)
    if flags & life.CLONE_PIDFD:
        process.space.write(pidfd, bytes(4))  # what cannot be done is found out before anything is made
        if len(process.files.files) >= process.files.limit:
            raise Errno(EMFILE)
    child = life.spawn(process, flags, stack)
    life.tell_ids(process, child, flags, *ids)
    if flags & life.CLONE_CLEAR_SIGHAND:
        child.signals.actions = child.signals.ignored()
    if flags & life.CLONE_PIDFD:
        process.space.write(pidfd, sys_pidfd.open_process(process, child, 0).to_bytes(4, "little"))
    if flags & life.CLONE_VFORK:
        return _borrowed(process, child)
    process.kernel.ready(child)
    return child.pid


CLONE_ARGUMENTS, CLONE_LEAST, CLONE_MOST = struct.Struct("<11Q"), 64, 4096
"""struct clone_args: flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup."""


@call(435, "clone3", PARTIAL, "no namespaces, no ptrace, no chosen numbers")
def sys_clone3(process: Process, arguments: int, size: int, *_: int) -> Sleeping | int:
    """As clone, with its words in memory."""
    if size < CLONE_LEAST:
        raise Errno(EINVAL)
    if size > CLONE_MOST or any(process.space.read(arguments, size)[CLONE_ARGUMENTS.size :]):
        raise Errno(E2BIG)
    words = CLONE_ARGUMENTS.unpack(
        process.space.read(arguments, size)[: CLONE_ARGUMENTS.size].ljust(CLONE_ARGUMENTS.size, b"\0")
    )
    flags, pidfd, child_tid, parent_tid, signal, stack, stack_size, tls, set_tid, set_tid_size, _ = words
    own = flags & (life.CLONE_THREAD | life.CLONE_PARENT)
    if flags & (0xFF | life.CLONE_DETACHED) or signal > LAST or (own and signal) or set_tid or set_tid_size:
        raise Errno(EINVAL)
    if bool(stack) != bool(stack_size) or max(words[1:8]) > 0xFFFF_FFFF or stack + stack_size > 0xFFFF_FFFF:
        raise Errno(EINVAL)
    return _cloned(process, flags | signal, stack + stack_size, (parent_tid, tls, child_tid), pidfd)


def _texts(process: Process, address: int, room: int) -> list[bytes]:
    """A vector of texts that ends with a null pointer."""
    found: list[bytes] = []
    while address:
        (at,) = struct.unpack("<I", process.space.read(address, 4))
        if not at:
            break
        try:
            found.append(process.space.cstring(at, TEXTS_LIMIT))
        except Errno as error:
            raise Errno(E2BIG if error.code == ENAMETOOLONG else error.code) from None
        room -= len(found[-1]) + 5
        if room < 0:
            raise Errno(E2BIG)
        address += 4
    return found


def _executable(process: Process, path: bytes) -> Any:
    """The file of a program, of its interpreter, of a script.

    Raises:
        Errno: as `Vfs.find`; EACCES.
    """
    inode = process.kernel.vfs.lookup(process, path)
    demand(process, inode, EXECUTE)
    return inode


@call(11, "execve")
def sys_execve(process: Process, path: int, arguments: int, environment: int, *_: int) -> int:
    """Become another program."""
    name = process.space.cstring(path)
    words, settings = _texts(process, arguments, TEXTS_LIMIT), _texts(process, environment, TEXTS_LIMIT)
    kernel: Kernel = process.kernel
    who = Who(process.user[0], process.user[1], process.team[0], process.team[1])
    try:
        program = load(kernel, lambda wanted: _executable(process, wanted), name, words, settings, who)
    except Late:
        kernel.exit(process, SIGSEGV)
        return 0
    life.adopt(process, program)
    return 0


@call(1, "exit")
def sys_exit(process: Process, code: int, *_: int) -> int:
    """This thread ends."""
    life.end_thread(process.kernel, process, (code & 0xFF) << 8)
    return 0


@call(248, "exit_group")
def sys_exit_group(process: Process, code: int, *_: int) -> int:
    """The process ends."""
    process.kernel.exit(process, (code & 0xFF) << 8)
    return 0


# ---- waiting for children


def _chosen(process: Process, which: int) -> list[Process]:
    """Children that wait4's first argument means."""
    children = list((process.kernel.processes.get(process.leader) or process).children.values())
    if which > 0:
        return [child for child in children if child.pid == which]
    if which == -1:
        return children
    group = process.group if which == 0 else -which
    return [child for child in children if child.group == group]


def _news(children: list[Process], options: int) -> tuple[Process, int] | None:
    """A child with something to tell, and its status."""
    for child in children:
        if child.state is ZOMBIE and not _has_threads(child):
            if options & WEXITED:
                return child, child.status
        elif child.report is not None:
            wanted = WUNTRACED if child.state is STOPPED else WCONTINUED
            if options & wanted and (child.report == 0xFFFF) == (wanted == WCONTINUED):
                return child, child.report
    return None


def _has_threads(leader: Process) -> bool:
    return len(leader.kernel.processes.threads(leader.pid)) > 1


def _told(child: Process, options: int) -> None:
    """The parent knows now."""
    if options & WNOWAIT:
        return
    if child.state is ZOMBIE:
        life.reap(child)
    else:
        child.report = None


@call(114, "wait4")
def sys_wait4(process: Process, pid: int, status: int, options: int, usage: int, *_: int) -> Sleeping | int:
    """Wait for a child that ends, stops or goes on."""
    if options & ~(WNOHANG | WUNTRACED | WCONTINUED | 0xE000_0000):
        raise Errno(EINVAL)
    return _wait4(process, signed(pid), status, options | WEXITED, usage)


def _wait4(process: Process, which: int, status: int, options: int, usage: int) -> Sleeping:
    leader = process.kernel.processes.get(process.leader) or process
    while True:
        children = _chosen(process, which)
        if not children:
            raise Errno(ECHILD)
        news = _news(children, options)
        if news is not None:
            child, word = news
            if status:
                process.space.write(status, struct.pack("<I", word))
            if usage:
                process.space.write(usage, usage_bytes(process.kernel, child.cycles_user, child.cycles_system))
            _told(child, options)
            return child.pid
        if options & WNOHANG:
            return 0
        yield Wait((leader.child_changed,))


@call(280, "waitid")
def sys_waitid(process: Process, kind: int, pid: int, info: int, options: int, usage: int, *_: int) -> Sleeping:
    """As wait4, and more is told."""
    if kind == P_PIDFD:
        kind, pid = P_PID, sys_pidfd.target_of(process, pid).target.pid
    which = {P_ALL: -1, P_PID: signed(pid), P_PGID: -signed(pid) if pid else 0}.get(kind)
    if which is None or not options & (WEXITED | WUNTRACED | WCONTINUED):
        raise Errno(EINVAL)
    leader = process.kernel.processes.get(process.leader) or process
    while True:
        children = _chosen(process, which)
        if not children:
            raise Errno(ECHILD)
        news = _news(children, options)
        if news is not None or options & WNOHANG:
            break
        yield Wait((leader.child_changed,))
    if info:
        process.space.write(info, _child_info(*news) if news else bytes(128))
    if news:
        if usage:
            process.space.write(usage, usage_bytes(process.kernel, news[0].cycles_user, news[0].cycles_system))
        _told(news[0], options)
    return 0


def _child_info(child: Process, word: int) -> bytes:
    """siginfo_t of SIGCHLD."""
    signal = word & 0x7F
    if word == 0xFFFF:
        code, status = 6, 18
    elif word & 0xFF == 0x7F:
        code, status = 5, word >> 8
    else:
        code, status = (2, signal) if signal else (1, word >> 8)
    return struct.pack("<6i", 17, 0, code, child.pid, child.user[0], status).ljust(128, b"\0")
