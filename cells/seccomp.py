"""The system call filter of a cell: a table of what is allowed, assembled into a seccomp program.

The kernel runs the program before each system call, on `struct seccomp_data` (number, architecture, six arguments).
It is classic BPF: one accumulator, forward jumps, and it may look at the words of the arguments but follow no
pointer. So what takes a path cannot be allowed for some paths only: it is refused altogether, and a cell imports,
opens and connects whatever it needs beforehand. What is refused fails with EPERM, which Python raises as
`PermissionError`. The numbers are those of x86-64; see seccomp(2) and <linux/filter.h>.

    install(program(os.getpid(), new_code=False))
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from cells import kernel

MACHINE = "x86_64"
"""The machine whose system calls the table has."""

RET_ALLOW = 0x7FFF0000
RET_ERRNO = 0x00050000
RET_KILL = 0x80000000
REFUSED = RET_ERRNO | errno.EPERM
ABSENT = RET_ERRNO | errno.ENOSYS

LOAD, JUMP_EQUAL, JUMP_NOT_BELOW, JUMP_ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
"""The five instructions used, in the encoding of <linux/bpf_common.h>."""
NUMBER_AT, ARCHITECTURE_AT, ARGUMENTS_AT = 0, 4, 16
"""Offsets in `struct seccomp_data`."""
AUDIT_ARCH_X86_64 = 0xC000003E
X32_BIT = 0x40000000
"""Set in the numbers of the x32 ABI, a second door to the same calls."""

_SECCOMP = 317
_SET_MODE_FILTER = 1
_ALL_THREADS = 1

NUMBERS: Mapping[str, int] = {
    # The hot ones first: a call whose answer depends on an argument walks down to its entry each time.
    "futex": 202, "read": 0, "write": 1, "recvmsg": 47, "sendmsg": 46, "recvfrom": 45, "sendto": 44, "poll": 7,
    "ppoll": 271, "epoll_wait": 232, "epoll_pwait": 281, "epoll_pwait2": 441, "epoll_ctl": 233, "select": 23,
    "pselect6": 270, "readv": 19, "writev": 20, "lseek": 8, "fstat": 5, "close": 3, "munmap": 11, "brk": 12,
    "mremap": 25, "madvise": 28, "rt_sigaction": 13, "rt_sigprocmask": 14, "rt_sigreturn": 15, "sigaltstack": 131,
    "sched_yield": 24, "pause": 34, "nanosleep": 35, "clock_nanosleep": 230, "clock_gettime": 228, "clock_getres": 229,
    "gettimeofday": 96, "getcpu": 309, "getpid": 39, "gettid": 186, "sched_getaffinity": 204, "getrandom": 318,
    "getsockopt": 55, "getsockname": 51, "getpeername": 52, "set_robust_list": 273, "rseq": 334,
    "restart_syscall": 219, "exit": 60, "exit_group": 231,
    "mmap": 9, "mprotect": 10, "fcntl": 72, "ioctl": 16, "tgkill": 234, "clone": 56, "clone3": 435,
}  # fmt: skip

PROT_EXEC = 4
CLONE_OF_A_THREAD = 0x00010000 | 0x00000800 | 0x00000100
"""CLONE_THREAD, CLONE_SIGHAND, CLONE_VM: only a thread has all three."""
FCNTL_COMMANDS = (1, 2, 3, 1030)
"""Get and set the flags of a descriptor, get those of what it is open to, duplicate it. These last ones cannot be set (F_SETFL):
whoever else has the same open file would find, for example, that all that it writes is appended. No seals, locks, leases, pipe
sizes or signals to owners."""
IOCTL_REQUESTS = (0x5421, 0x541B)
"""FIONBIO, which Python uses for time-outs of sockets, and FIONREAD."""


@dataclass(frozen=True)
class OneOf:
    """Allow a call if the low word of an argument is one of these values."""

    argument: int
    values: tuple[int, ...]


@dataclass(frozen=True)
class Without:
    """Allow a call if an argument has none of these bits."""

    argument: int
    bits: int


@dataclass(frozen=True)
class With:
    """Allow a call if an argument has all of these bits."""

    argument: int
    bits: int


@dataclass(frozen=True)
class Always:
    """Give a call the same answer whatever its arguments."""

    answer: int = RET_ALLOW


Rule = OneOf | Without | With | Always


def rules(*, new_code: bool) -> dict[str, Rule]:
    """What a cell may call; all that is not here is refused, save for the one call that depends on the process."""
    special: dict[str, Rule] = {
        "fcntl": OneOf(1, FCNTL_COMMANDS),
        "ioctl": OneOf(1, IOCTL_REQUESTS),
        "clone": With(0, CLONE_OF_A_THREAD),
        "clone3": Always(ABSENT),  # its flags lie behind a pointer; told that it is absent, the C library uses clone
    }
    if not new_code:
        special |= {"mmap": Without(2, PROT_EXEC), "mprotect": Without(2, PROT_EXEC)}
    return {name: special.get(name, Always()) for name in NUMBERS if name != "tgkill"}


def instruction(code: int, operand: int, if_true: int = 0, if_false: int = 0) -> bytes:
    """One `struct sock_filter`; the jumps count instructions to skip."""
    return struct.pack("<HBBI", code, if_true, if_false, operand)


def assemble(table: Mapping[str, Rule]) -> bytes:
    """The part of a filter that answers for the calls of this table."""
    parts: list[bytes] = []
    for name, rule in table.items():
        body = _body(rule)
        parts += [instruction(JUMP_EQUAL, NUMBERS[name], 0, len(body)), *body]
    return b"".join(parts)


def _body(rule: Rule) -> list[bytes]:
    """What to run for a call that has this rule; it always ends in an answer."""
    if isinstance(rule, Always):
        return [instruction(RETURN, rule.answer)]
    load = instruction(LOAD, ARGUMENTS_AT + 8 * rule.argument)
    allow, refuse = instruction(RETURN, RET_ALLOW), instruction(RETURN, REFUSED)
    if isinstance(rule, OneOf):
        count = len(rule.values)
        tests = [instruction(JUMP_EQUAL, value, count - place, 0) for place, value in enumerate(rule.values)]
        return [load, *tests, refuse, allow]
    if isinstance(rule, Without):
        return [load, instruction(JUMP_ANY_BIT, rule.bits, 0, 1), refuse, allow]
    single_bits = (1 << place for place in range(32) if rule.bits >> place & 1)
    tests = [part for bit in single_bits for part in (instruction(JUMP_ANY_BIT, bit, 1, 0), refuse)]
    return [load, *tests, allow]


_HEAD = b"".join(
    [
        instruction(LOAD, ARCHITECTURE_AT),
        instruction(JUMP_EQUAL, AUDIT_ARCH_X86_64, 1, 0),
        instruction(RETURN, RET_KILL),
        instruction(LOAD, NUMBER_AT),
        instruction(JUMP_NOT_BELOW, X32_BIT, 0, 1),
        instruction(RETURN, RET_KILL),
    ]
)
_COMMON = {new_code: assemble(rules(new_code=new_code)) for new_code in (False, True)}
"""Assembled once, before any cell is forked."""


def program(pid: int, *, new_code: bool) -> bytes:
    """The filter for the process of this number, which may signal itself: that is how abort() ends it."""
    return _HEAD + _COMMON[new_code] + assemble({"tgkill": OneOf(0, (pid,))}) + instruction(RETURN, REFUSED)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def install(code: bytes) -> None:
    """Filter this process's system calls from now on, in all of its threads.

    Requires: no new privileges.
    Raises: OSError when this machine or its kernel cannot.
    """
    machine = os.uname().machine
    if machine != MACHINE or sys.maxsize < 1 << 32:
        raise OSError(errno.ENOEXEC, f"no table for {machine}")
    stray = kernel.system_call(_SECCOMP, _SET_MODE_FILTER, _ALL_THREADS, _Program(len(code) // 8, code))
    if stray:
        raise OSError(errno.EBUSY, f"thread {stray} cannot take the filter")
