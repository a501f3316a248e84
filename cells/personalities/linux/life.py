"""How processes begin, become another program, and end.

    child = spawn(parent, flags, stack)     # fork, vfork, clone: not yet running
    adopt(process, program)                 # exec: `program` from loader.load
    finish(kernel, process, status)         # exit, or a signal's doing

Theory: what ends is a zombie until its parent has asked for the status; its children become the first process's. All memory and
files are given back at once, so that a zombie holds nothing but its number.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from cells.personalities.arm.errno import ENOMEM, Errno
from cells.personalities.arm.frames import OutOfMemory
from cells.personalities.arm.space import STACK_LIMIT
from cells.personalities.arm.wait import Queue
from cells.personalities.linux import sys_thread, sys_timer
from cells.personalities.linux.process import PC, PSR, SP, ZOMBIE, Process
from cells.personalities.linux.pty import terminal_of
from hypervisor.abi.pv import CORE, PSR_THUMB

if TYPE_CHECKING:
    from cells.personalities.arm.space import Space
    from cells.personalities.linux.kernel import Kernel
    from cells.personalities.linux.loader import Program

CLONE_VM, CLONE_FS, CLONE_FILES, CLONE_SIGHAND, CLONE_VFORK = 0x100, 0x200, 0x400, 0x800, 0x4000
CLONE_PARENT, CLONE_THREAD, CLONE_SETTLS = 0x8000, 0x1_0000, 0x8_0000
CLONE_PARENT_SETTID, CLONE_CHILD_CLEARTID, CLONE_CHILD_SETTID = 0x10_0000, 0x20_0000, 0x100_0000
CLONE_PIDFD, CLONE_DETACHED, CLONE_CLEAR_SIGHAND = 0x1000, 0x40_0000, 1 << 32
UNKNOWN_FLAGS = 0x3_FE02_2000 & ~CLONE_CLEAR_SIGHAND
"""Namespaces, ptrace, groups of control."""
SIGKILL = 9
RLIMIT_STACK = 3
USER_MODE = 0x10
CLD_EXITED, CLD_KILLED = 1, 2


def spawn(parent: Process, flags: int, stack: int) -> Process:
    """A child: as its parent, but for what the flags share, and its result 0.

    Raises:
        Errno: ENOMEM, EAGAIN.
    """
    kernel = parent.kernel
    number = kernel.processes.number()
    space = _space_of(parent, flags)
    thread = bool(flags & CLONE_THREAD)
    child = Process(
        kernel,
        number,
        parent.parent if flags & (CLONE_THREAD | CLONE_PARENT) else parent,
        space,
        parent.files if flags & CLONE_FILES else parent.files.fork(),
        parent.signals.thread() if flags & CLONE_SIGHAND else parent.signals.fork(),
        group=parent.group,
        session=parent.session,
        leader=parent.leader if thread else 0,
    )
    for name in (
        "name",
        "executable",
        "texts",
        "terminal",
        "directory",
        "root",
        "umask",
        "nice",
        "thread_pointer",
        "limits",
        "groups",
    ):
        setattr(child, name, getattr(parent, name))
    child.user, child.team = list(parent.user), list(parent.team)
    child.core[:] = parent.core
    child.core[0] = 0
    child.core[SP] = stack or parent.core[SP]
    child.exit_signal = flags & 0xFF
    if not flags & CLONE_VM:
        child.sequence = parent.sequence
    child.started = kernel.now()
    if flags & CLONE_VFORK:
        child.vfork_done = Queue()
    if child.parent is not None and not thread:
        child.parent.children[number] = child
    kernel.processes.add(child)
    return child


def tell_ids(parent: Process, child: Process, flags: int, parent_tid: int, tls: int, child_tid: int) -> None:
    """What clone writes, and remembers, of a thread's number. Addresses that cannot be written are passed over, as Linux does."""
    number = child.pid.to_bytes(4, "little")
    if flags & CLONE_SETTLS:
        child.thread_pointer = tls
    if flags & CLONE_CHILD_CLEARTID:
        child.clear_child_tid = child_tid
    for flag, space, address in (
        (CLONE_PARENT_SETTID, parent.space, parent_tid),
        (CLONE_CHILD_SETTID, child.space, child_tid),
    ):
        if flags & flag:
            with suppress(Errno):
                space.write(address, number)


def _space_of(parent: Process, flags: int) -> Space:
    if flags & CLONE_VM:
        parent.space.users += 1
        return parent.space
    try:
        return parent.space.fork()
    except OutOfMemory as error:
        raise Errno(ENOMEM) from error


def adopt(process: Process, program: Program) -> None:
    """The process is this program from now on: nothing can fail any more."""
    for thread in process.kernel.processes.threads(process.leader):
        if thread is not process:
            _vanish(process.kernel, thread)
    sys_thread.thread_ended(process)
    sys_timer.forget(process)
    process.sequence = (0, 0)
    old, process.space = process.space, program.space
    process.space.stack_limit = process.limits.get(RLIMIT_STACK, (STACK_LIMIT,))[0]
    process.user[1:], process.team[1:] = [program.who.effective] * 2, [program.who.group] * 2
    old.release()
    process.core[:] = [0] * CORE
    process.core[SP], process.core[PC] = program.sp, program.pc & ~1
    process.core[PSR] = USER_MODE | (PSR_THUMB if program.pc & 1 else 0)
    process.thread_pointer = 0
    process.files.exec()
    process.signals.exec()
    process.executable = process.kernel.vfs.real_path(process, program.path).decode(errors="replace")
    process.texts = program.texts
    process.name = program.path.decode(errors="replace").rsplit("/", 1)[-1][:15]
    process.kernel.forget(process)
    _let_parent_go_on(process)


def finish(kernel: Kernel, process: Process, status: int) -> None:
    """A process ends, with all its threads. `status` as wait4 tells it."""
    if process.state is ZOMBIE:
        return
    leader = kernel.processes.get(process.leader) or process
    for thread in kernel.processes.threads(process.leader):
        if thread is not leader:
            _vanish(kernel, thread)
    _give_back(kernel, leader)
    leader.status = status
    _leave_family(kernel, leader)


def end_thread(kernel: Kernel, process: Process, status: int) -> None:
    """One thread ends; the last one ends the process."""
    others = [one for one in kernel.processes.threads(process.leader) if one is not process and one.state is not ZOMBIE]
    if not others:
        finish(kernel, process, status)
    elif process.pid != process.leader:
        _vanish(kernel, process)
    else:
        _give_back(kernel, process)
        process.status = status


def _vanish(kernel: Kernel, thread: Process) -> None:
    """A thread that nobody waits for."""
    if thread.state is not ZOMBIE:
        _give_back(kernel, thread)
    kernel.processes.remove(thread)


def _give_back(kernel: Kernel, process: Process) -> None:
    """Everything but its number."""
    sys_thread.thread_ended(process)
    if process.sleeping is not None:
        call, process.sleeping = process.sleeping, None
        process.leave_queues()
        if not getattr(call, "gi_running", False):  # it may be its own call that ends it
            call.close()
    process.state = ZOMBIE
    process.ended.wake()
    if process.leader != process.pid and (leader := kernel.processes.get(process.leader)) is not None:
        leader.ended.wake()
    if process.alarm is not None:
        process.alarm.cancel()
        process.alarm = None
    sys_timer.forget(process)
    if not any(one.files is process.files and one.state is not ZOMBIE for one in kernel.processes):
        process.files.close_all()
    process.space.release()
    kernel.forget(process)
    _let_parent_go_on(process)


def _let_parent_go_on(process: Process) -> None:
    if process.vfork_done is not None:
        queue, process.vfork_done = process.vfork_done, None
        queue.wake()


def _leave_family(kernel: Kernel, process: Process) -> None:
    """Children go to the first process; the parent hears of the end, or does not care."""
    if process.session == process.pid and (terminal := terminal_of(kernel, process.session)) is not None:
        terminal.leader_gone(process.session)
    for child in process.children.values():
        child.parent = kernel.first
        kernel.first.children[child.pid] = child
        if child.state is ZOMBIE:
            report_end(kernel, child)
    process.children.clear()
    if process.parent is not None:
        report_end(kernel, process)


def report_end(kernel: Kernel, process: Process) -> None:
    """Tell the parent of a zombie; nothing is left of it if the parent wants none."""
    parent = process.parent
    assert parent is not None
    signal = process.status & 0x7F
    kernel.child_changed(process, CLD_KILLED if signal else CLD_EXITED, signal or process.status >> 8)
    if parent.signals.reaps_children and process.exit_signal:
        reap(process)


def reap(process: Process) -> None:
    """Its number is free."""
    parent = process.parent
    if parent is not None:
        parent.children.pop(process.pid, None)
        parent.cycles_children += process.cycles_user + process.cycles_system + process.cycles_children
    process.kernel.processes.remove(process)
