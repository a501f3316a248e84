"""Attacks on the host, made by the cell's process in native code: raw system calls through the C library.

    attack()                    # the names of those that worked

Theory: a process that was taken over can make any system call; which of them do anything is the sandbox's matter
(cells/sandbox.py), and none of these reaches the monitor. Each attempt here is harmless where there is no wall (a signal
of number 0, a file opened to be read), so that the scene can be run without a sandbox to see the difference.
tests/faults/test_sandbox_attacks.py has more of them.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Callable

_libc = ctypes.CDLL(None, use_errno=True)
_syscall = _libc.syscall
_syscall.restype = ctypes.c_long
NEIGHBOURS = 8
"""Process numbers on both sides of its own that it tries."""
PAGE = 4096
MACHINE, PARENT = os.uname().machine, os.getppid()
"""Looked up before the sandbox closes: as soon as it has, neither can be asked for."""
KNOWN = "x86_64"
"""The machine whose numbers these are."""

# Numbers of x86-64 (arch/x86/entry/syscalls/syscall_64.tbl of Linux).
OPEN, MMAP, SOCKET, FORK, EXECVE, KILL, SETUID = 2, 9, 41, 57, 59, 62, 105
SETRLIMIT, UNSHARE, READV, MEMFD, BPF, PIDFD_OPEN, SHMGET, SHMCTL = 160, 272, 310, 319, 321, 434, 29, 31
RDONLY, RDWR = 0, 2
NEW_USER = 0x1000_0000
AF_INET, STREAM = 2, 1
READ_WRITE_EXECUTE, PRIVATE_ANONYMOUS = 7, 0x22


def _call(number: int, *arguments: int | bytes) -> bool:
    """Whether a system call did what it was asked for."""
    words = [ctypes.c_long(word) if isinstance(word, int) else ctypes.c_char_p(word) for word in arguments]
    return int(_syscall(ctypes.c_long(number), *words)) >= 0


def _others() -> list[int]:
    """The monitor's side of this process, and who was started about when it was."""
    own = os.getpid()
    return [PARENT, *(own + by for by in range(-NEIGHBOURS, NEIGHBOURS + 1) if by)]


def _open(path: bytes, flags: int = RDONLY) -> bool:
    return _call(OPEN, path, flags)


def _read_memory(pid: int) -> bool:
    buffer = ctypes.create_string_buffer(8)
    local = struct.pack("<QQ", ctypes.addressof(buffer), 8)
    remote = struct.pack("<QQ", ctypes.addressof(buffer), 8)  # of a process that was forked from the same one
    return _call(READV, pid, local, 1, remote, 1, 0)


def _fork() -> bool:
    pid = int(_syscall(ctypes.c_long(FORK)))
    if pid == 0:
        os._exit(0)
    return pid > 0


def _old_shared_memory() -> bool:
    """Made, and taken away again: it would outlive the process."""
    number = int(_syscall(ctypes.c_long(SHMGET), 0, PAGE, 0o1600))
    if number >= 0:
        _call(SHMCTL, number, 0, 0)
    return number >= 0


ATTACKS: dict[str, Callable[[], bool]] = {
    "read a file": lambda: _open(b"/etc/passwd"),
    "list processes": lambda: _open(b"/proc"),
    "read its own maps": lambda: _open(b"/proc/self/maps"),
    "write its own memory by file": lambda: _open(b"/proc/self/mem", RDWR),
    "open another's memory": lambda: any(_open(b"/proc/%d/mem" % pid, RDWR) for pid in _others()),
    "read another's memory": lambda: any(_read_memory(pid) for pid in _others()),
    "signal another": lambda: any(_call(KILL, pid, 0) for pid in _others()),
    "get at another by a pidfd": lambda: any(_call(PIDFD_OPEN, pid, 0) for pid in _others()),
    "fork": _fork,
    "run a program": lambda: _call(EXECVE, b"/nowhere", 0, 0),
    "talk to the network": lambda: _call(SOCKET, AF_INET, STREAM, 0),
    "make code": lambda: _call(MMAP, 0, PAGE, READ_WRITE_EXECUTE, PRIVATE_ANONYMOUS, -1, 0),
    "make a memory file": lambda: _call(MEMFD, b"worm", 0),
    "make old shared memory": _old_shared_memory,
    "become root": lambda: _call(SETUID, 0) and os.geteuid() == 0,
    "make a world of its own": lambda: _call(UNSHARE, NEW_USER),
    "put a program into the kernel": lambda: _call(BPF, 0, 0, 0),
    "raise a limit": lambda: _call(SETRLIMIT, 6, struct.pack("<QQ", 1 << 20, 1 << 20)),
    "import what was not there": lambda: bool(_import()),
}


def _import() -> object:
    try:
        return __import__("wave")
    except (ImportError, OSError):
        return None


def attack() -> list[str]:
    """Try all; those that worked. Nothing is tried on a machine whose calls have other numbers."""
    return [name for name, attempt in ATTACKS.items() if MACHINE == KNOWN and attempt()]
