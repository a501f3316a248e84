"""Every system call of the table with words that a hostile program would give: the program gets a result or an errno, the kernel
goes on, and nothing is left behind when the program has ended.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from cells.personalities.arm.errno import EFAULT, NAMES, Errno
from cells.personalities.arm.frames import OutOfMemory
from cells.personalities.arm.regions import READ, WRITE
from cells.personalities.arm.wait import Interrupted
from cells.personalities.linux import life, table
from cells.personalities.linux.kernel import Kernel
from cells.personalities.linux.process import ZOMBIE, Process
from tests.support.linux import LinuxBench, archive, program

CALLS = {row.name: row for row in table.load().values() if row.function}
HERE, PAGE = 0xFFFFFF9C, 4096
DATA, READ_ONLY, NOWHERE, KERNEL = 0x2000_0000, 0x2001_0000, 0x3000_0000, 0xC000_0000
"""Memory of the program: sixteen pages, one that can only be read; what is not mapped, and what is not the program's."""
BAD = (NOWHERE, KERNEL, 0xFFFF_F000, 0xFFFF_FFFC, 1)
WORDS = (
    *range(9), 16, 64, 100, 1023, 4095, 4096, 0xFFFF, 1 << 20, 0x7FFF_F000, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, HERE,
    DATA, DATA, DATA + 0x100, DATA + 0x200, DATA + 0x300, DATA + 2, DATA + 16 * PAGE - 2, READ_ONLY, *BAD,
)  # fmt: skip
ROUNDS = 60


def fresh() -> Kernel:
    made = LinuxBench(archive({"p": program("nop"), "etc/text": b"text"}), ["/p"], ram=8 << 20)
    made.kernel.port.begin(made.world)  # type: ignore[arg-type]
    return made.kernel


@pytest.fixture(scope="module")
def kernel() -> Kernel:
    return fresh()


@pytest.fixture(scope="module")
def battered() -> Kernel:
    """Whose tree has seen a lot."""
    return fresh()


@pytest.fixture
def process(kernel: Kernel) -> Iterator[Process]:
    """A child with memory and open files of every kind. When it has ended, the kernel has what it had before."""
    before = held(kernel)
    child = spawn(kernel)
    yield child
    end(kernel, child)
    assert held(kernel) == before
    assert kernel.first.state != ZOMBIE


def held(kernel: Kernel) -> tuple[int, ...]:
    """What programs leave with the kernel. Files of the tree are not counted: they may stay."""
    vfs = kernel.vfs
    tree = sum(len(file._pages) for file in files_of(vfs.root))
    return (
        kernel.frames.free + tree, kernel.memory.tables.free, len(kernel.processes), vfs.open_files.now, vfs.travelling.now,
    )  # fmt: skip


def files_of(directory: Any) -> list[Any]:
    """Regular files below a directory of the tree."""
    found: list[Any] = []
    for inode in directory.entries.values():
        found += [inode] if hasattr(inode, "_pages") else files_of(inode) if getattr(inode, "entries", None) else []
    return list({id(file): file for file in found}.values())


def spawn(kernel: Kernel) -> Process:
    child = life.spawn(kernel.first, 17, 0)
    child.group = child.session = child.pid
    child.space.map(DATA, DATA + 16 * PAGE, READ | WRITE)
    child.space.map(READ_ONLY, READ_ONLY + PAGE, READ)
    child.space.write(DATA, b"/etc/text\0")
    child.space.write(DATA + 0x100, b"/tmp/new\0")
    child.space.write(DATA + 0x580, b"/etc\0")
    child.space.write(DATA + 0x200, bytes.fromhex("01000000 05000000 02000100") + bytes(100))
    child.space.write(DATA + 0x300, b"\x01\x00/tmp/socket\0")
    for name, *words in (("open", DATA, 2), ("pipe", DATA + 0x400), ("socketpair", 1, 1, 0, DATA + 0x400), ("socket", 1, 2, 0),
                         ("epoll_create1", 0), ("eventfd2", 0, 0), ("open", DATA + 0x580, 0o40000)):  # fmt: skip
        invoke(child, str(name), *(int(word) for word in words))
    return child


def end(kernel: Kernel, child: Process) -> None:
    """It and all that came of it."""
    kernel.current = None
    for one in list(kernel.processes):
        if one is not kernel.first and one.state is not ZOMBIE:
            kernel.exit(one, 9)
    for one in list(kernel.processes):
        if one is not kernel.first:
            life.reap(one)
    kernel._ready.clear()
    kernel.first.signals.pending.clear()
    kernel.first.attention = False


def invoke(process: Process, name: str, *arguments: int) -> int | str:
    """As the kernel does: a result, minus an errno, or "sleeps"."""
    function = CALLS[name].function
    assert function is not None
    words = [word & 0xFFFF_FFFF for word in (*arguments, *[0] * (6 - len(arguments)))]
    try:
        outcome = function(process, *words)
        if isinstance(outcome, int):
            return outcome
        with suppress(StopIteration):
            next(outcome)
            with suppress(Interrupted):
                outcome.throw(Interrupted())
            outcome.close()
            return "sleeps"
    except Errno as error:
        return -error.code
    except OutOfMemory:
        return -12
    return 0


@pytest.mark.parametrize("name", sorted(CALLS))
def test_any_words_give_a_result_or_an_errno_and_leave_nothing_behind(battered: Kernel, name: str) -> None:
    kernel = battered
    if name == "reboot":
        pytest.skip("ends the first process, as it must")
    chance, before = random.Random(name), held(kernel)
    for _ in range(ROUNDS // 10):
        child = spawn(kernel)
        kernel.current = child
        for _ in range(10):
            outcome = invoke(child, name, *(chance.choice(WORDS) for _ in range(6)))
            assert outcome == "sleeps" or isinstance(outcome, int)
            if isinstance(outcome, int) and -4096 < outcome < 0:
                assert -outcome in NAMES
            if child.state != "R" or child.pid not in [one.pid for one in kernel.processes]:
                break
        end(kernel, child)
    assert held(kernel) == before
    assert kernel.first.state != ZOMBIE


POINTERS = [
    ("read", 3, ..., 4), ("write", 3, ..., 4), ("open", ..., 0), ("creat", ..., 0), ("link", ..., DATA),
    ("link", DATA, ...),
    ("unlink", ...), ("execve", ..., 0, 0), ("execve", DATA, ..., 0), ("execve", DATA, 0, ...), ("chdir", ...),
    ("time", ...),
    ("mknod", ..., 0, 0), ("chmod", ..., 0), ("access", ..., 0), ("rename", ..., DATA), ("rename", DATA, ...),
    ("mkdir", ..., 0),
    ("rmdir", ...), ("pipe", ...), ("times", ...), ("chroot", ...), ("sigaction", 1, ..., 0), ("sigaction", 1, 0, ...),
    ("sethostname", ..., 4), ("setrlimit", 7, ...), ("getrusage", 0, ...), ("gettimeofday", ..., 0),
    ("gettimeofday", 0, ...),
    ("symlink", ..., DATA), ("symlink", DATA, ...), ("readlink", ..., DATA, 9), ("readlink", b"/proc/self", ..., 9),
    ("truncate", ..., 0), ("setitimer", 0, ..., 0), ("setitimer", 0, 0, ...), ("getitimer", 0, ...), ("sysinfo", ...),
    ("uname", ...), ("sigprocmask", 0, ..., 0), ("sigprocmask", 0, 0, ...), ("_llseek", 3, 0, 0, ..., 0),
    ("getdents", 11, ..., 99),
    ("_newselect", 1, ..., 0, 0, 0), ("_newselect", 1, 0, ..., 0, 0), ("_newselect", 1, 0, 0, 0, ...),
    ("readv", 3, ..., 1),
    ("writev", 3, ..., 1), ("nanosleep", ..., 0), ("getresuid", ..., DATA, DATA), ("getresuid", DATA, DATA, ...),
    ("poll", ..., 1, 0), ("getresgid", DATA, ..., DATA), ("prctl", 15, ...), ("prctl", 16, ...),
    ("rt_sigaction", 1, ..., 0, 8),
    ("rt_sigaction", 1, 0, ..., 8), ("rt_sigprocmask", 0, ..., 0, 8), ("rt_sigprocmask", 0, 0, ..., 8),
    ("rt_sigpending", ..., 8),
    ("rt_sigtimedwait", ..., 0, 0, 8), ("rt_sigtimedwait", DATA, 0, ..., 8), ("rt_sigqueueinfo", 1, 1, ...),
    ("rt_sigsuspend", ..., 8), ("pread64", 3, ..., 4, 0, 0, 0), ("pwrite64", 3, ..., 4, 0, 0, 0), ("getcwd", ..., 99),
    ("sigaltstack", ..., 0), ("sigaltstack", 0, ...), ("sendfile", 5, 3, ..., 1), ("ugetrlimit", 7, ...),
    ("truncate64", ..., 0, 0, 0),
    ("stat64", ..., DATA), ("stat64", DATA, ...), ("lstat64", ..., DATA), ("lstat64", DATA, ...), ("fstat64", 3, ...),
    ("lchown32", ..., 0, 0), ("chown32", ..., 0, 0), ("setgroups32", 1, ...), ("getdents64", 11, ..., 99),
    ("mincore", DATA, PAGE, ...), ("getxattr", 0, 0, 0, 0), ("sendfile64", 5, 3, ..., 1), ("futex", ..., 0, 0, 0),
    ("sched_getaffinity", 0, 4, ...), ("epoll_ctl", 9, 1, 4, ...), ("clock_gettime", 0, ...), ("clock_getres", 0, ...),
    ("clock_nanosleep", 0, 0, ..., 0), ("statfs64", ..., 84, DATA), ("statfs64", DATA, 84, ...),
    ("fstatfs64", 3, 84, ...),
    ("utimes", ..., 0), ("utimes", DATA, ...), ("bind", 8, ..., 9), ("connect", 8, ..., 9),
    ("getsockname", 8, DATA, ...),
    ("getsockname", 6, ..., DATA + 0x200), ("getpeername", 6, DATA, ...), ("socketpair", 1, 1, 0, ...),
    ("send", 6, ..., 4, 0),
    ("sendto", 8, DATA, 1, 0, ..., 9), ("setsockopt", 6, 1, 2, ..., 4), ("getsockopt", 6, 1, 3, ..., DATA + 0x200),
    ("getsockopt", 6, 1, 3, DATA, ...), ("sendmsg", 6, ..., 0), ("recvmsg", 6, ..., 0), ("openat", HERE, ..., 0),
    ("mkdirat", HERE, ..., 0), ("mknodat", HERE, ..., 0, 0), ("fchownat", HERE, ..., 0, 0, 0),
    ("futimesat", HERE, ..., 0),
    ("fstatat64", HERE, ..., DATA, 0), ("fstatat64", HERE, DATA, ..., 0), ("unlinkat", HERE, ..., 0),
    ("renameat", HERE, ..., HERE, DATA), ("linkat", HERE, DATA, HERE, ..., 0), ("symlinkat", DATA, HERE, ...),
    ("readlinkat", HERE, ..., DATA, 9), ("fchmodat", HERE, ..., 0), ("faccessat", HERE, ..., 0),
    ("pselect6", 1, ..., 0, 0, 0, 0),
    ("pselect6", 1, 0, 0, 0, ..., 0), ("pselect6", 1, 0, 0, 0, 0, ...), ("ppoll", ..., 1, 0, 0, 8),
    ("ppoll", DATA, 0, ..., 0, 8),
    ("ppoll", DATA, 0, 0, ..., 8), ("get_robust_list", 0, ..., DATA), ("get_robust_list", 0, DATA, ...),
    ("utimensat", HERE, ..., 0, 0), ("utimensat", HERE, DATA, ..., 0), ("pipe2", ..., 0), ("preadv", 3, ..., 1, 0, 0),
    ("pwritev", 3, ..., 1, 0, 0), ("prlimit64", 0, 7, ..., 0), ("prlimit64", 0, 7, 0, ...),
    ("renameat2", HERE, DATA, HERE, ..., 0),
    ("getrandom", ..., 4, 0), ("clock_gettime64", 0, ...), ("clock_getres_time64", 0, ...),
    ("clock_nanosleep_time64", 0, 0, ..., 0),
    ("utimensat_time64", HERE, DATA, ..., 0), ("pselect6_time64", 1, 0, 0, 0, ..., 0),
    ("ppoll_time64", DATA, 0, ..., 0, 8),
    ("rt_sigtimedwait_time64", DATA, 0, ..., 8), ("faccessat2", HERE, ..., 0, 0), ("statx", HERE, ..., 0, 0x7FF, DATA),
    ("statx", HERE, DATA, 0, 0x7FF, ...), ("memfd_create", ..., 0), ("copy_file_range", 3, ..., 3, 0, 1, 0),
    ("timer_create", 1, ..., DATA), ("timer_create", 1, 0, ...), ("timer_settime", 0, 0, ..., 0),
    ("timer_settime64", 0, 0, ..., 0), ("fcntl", 3, 6, ...), ("fcntl64", 3, 12, ...), ("fcntl64", 3, 13, ...),
]  # fmt: skip
"""Calls with one bad pointer, each at its place."""


@pytest.mark.parametrize("call", POINTERS, ids=lambda call: f"{call[0]}-{call.index(...) if ... in call else 0}")
def test_a_bad_pointer_is_efault_wherever_it_leads(process: Process, kernel: Kernel, call: tuple[Any, ...]) -> None:
    name, *words = call
    if name not in CALLS:
        pytest.skip("not there")
    for i, word in enumerate(words):
        if isinstance(word, bytes):
            process.space.write(DATA + 0x500, word + b"\0")
            words[i] = DATA + 0x500
    kernel.current = process
    for bad in BAD[: -1 if name == "futex" else None]:  # which wants words: EINVAL
        assert invoke(process, name, *(bad if word is ... else word for word in words)) == -EFAULT, hex(bad)


WRITTEN = [
    ("read", 3, ..., 4),
    ("uname", ...),
    ("fstat64", 3, ...),
    ("getcwd", ..., 99),
    ("clock_gettime", 0, ...),
    ("pipe", ...),
]


@pytest.mark.parametrize("call", WRITTEN, ids=lambda call: str(call[0]))
def test_what_the_program_cannot_write_a_call_cannot_write_for_it(process: Process, call: tuple[Any, ...]) -> None:
    name, *words = call
    assert invoke(process, name, *(READ_ONLY if word is ... else word for word in words)) == -EFAULT
    assert process.space.read(READ_ONLY, 8) == bytes(8)


@pytest.mark.parametrize("descriptor", [3, 4, 6], ids=["file", "pipe", "socket"])
def test_bytes_that_could_not_be_given_are_still_there(process: Process, descriptor: int) -> None:
    invoke(process, "write", 5, DATA, 4)
    invoke(process, "write", 7, DATA, 4)
    if descriptor == 3:
        invoke(process, "write", 3, DATA, 4)
        invoke(process, "lseek", 3, 0, 0)
    assert invoke(process, "read", descriptor, NOWHERE, 4) == -EFAULT
    assert invoke(process, "read", descriptor, DATA + 0x600, 4) == 4
    assert process.space.read(DATA + 0x600, 4) == process.space.read(DATA, 4)


def test_a_call_that_is_not_there_is_enosys_whatever_it_is_given() -> None:
    source = "; ".join(
        f"ldr r7, ={number}; mvn r0, #0; mov r1, r0; mov r2, r0; svc #0; cmn r0, #38; movne r0, #1; movne r7, #1; svcne #0"
        for number in (0, 7, 440, 9999, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF)
    )
    bench = LinuxBench(archive({"p": program(f"{source}; mov r0, #0; mov r7, #1; svc #0; .ltorg")}), ["/p"])
    assert bench.run() == 0
