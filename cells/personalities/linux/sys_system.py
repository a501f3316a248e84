"""System calls about what processes use and may use, and about the system as a whole."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from cells.personalities.arm.errno import EINVAL, EPERM, ESRCH, Errno
from cells.personalities.linux.rights import demand_root
from cells.personalities.linux.sys_identity import named
from cells.personalities.linux.table import PARTIAL, absent, call
from cells.personalities.linux.words import signed

if TYPE_CHECKING:
    from cells.personalities.linux.kernel import Kernel
    from cells.personalities.linux.process import Process

RUSAGE_SELF, RUSAGE_CHILDREN, RUSAGE_THREAD = 0, -1, 1
INFINITY = 0xFFFF_FFFF
RLIMIT_STACK, RLIMIT_CORE, RLIMIT_NPROC, RLIMIT_NOFILE = 3, 4, 6, 7
MOST_FILES = 4096
LIMITS = {RLIMIT_STACK: (8 << 20, INFINITY), RLIMIT_NOFILE: (1024, MOST_FILES), RLIMIT_NPROC: (512, 512)}
LIMITS[RLIMIT_CORE] = (0, INFINITY)
"""The others are infinite."""
RANDOM_LIMIT = 1 << 20
"""Bytes of one getrandom."""
RELEASE = "6.1.0"
"""Of Linux, as whose ABI the calls are."""


# ---- what they may use, and have used


def usage_bytes(kernel: Kernel, user: int, system: int) -> bytes:
    """struct rusage."""
    words = [word for cycles in (user, system) for word in divmod(cycles * 1_000_000 // kernel.hz, 1_000_000)]
    return struct.pack("<4I", *words) + bytes(56)


@call(77, "getrusage", PARTIAL, "times only")
def sys_getrusage(process: Process, who: int, address: int, *_: int) -> int:
    """How much time was used."""
    if signed(who) not in (RUSAGE_SELF, RUSAGE_CHILDREN, RUSAGE_THREAD):
        raise Errno(EINVAL)
    cycles = process.cycles_children if signed(who) == RUSAGE_CHILDREN else process.cycles_user
    process.space.write(address, usage_bytes(process.kernel, cycles, process.cycles_system))
    return 0


@call(191, "ugetrlimit")
def sys_getrlimit(process: Process, resource: int, address: int, *_: int) -> int:
    """Limits."""
    if resource > 15:
        raise Errno(EINVAL)
    process.space.write(address, struct.pack("<2I", *limit(process, resource)))
    return 0


def limit(process: Process, resource: int) -> tuple[int, int]:
    """What may be used of something, and how far that may be lifted."""
    return process.limits.get(resource, LIMITS.get(resource, (INFINITY, INFINITY)))


def _set_limit(process: Process, resource: int, soft: int, hard: int) -> None:
    """Limits are a process's; how far a stack grows, its space's; how many descriptors, its table's.

    Raises:
        Errno: EINVAL; EPERM, only root lifts a hard limit.
    """
    if soft > hard:
        raise Errno(EINVAL)
    if hard > limit(process, resource)[1]:
        demand_root(process)
    if resource == RLIMIT_NOFILE and hard > MOST_FILES:
        raise Errno(EPERM)
    for thread in process.kernel.processes.threads(process.leader):
        thread.limits = {**thread.limits, resource: (soft, hard)}
    if resource == RLIMIT_STACK:
        process.space.stack_limit = soft
    if resource == RLIMIT_NOFILE:
        process.files.limit = soft


@call(75, "setrlimit", PARTIAL, "of stack and descriptors; the others are kept and told, not enforced")
def sys_setrlimit(process: Process, resource: int, address: int, *_: int) -> int:
    """Raises: Errno: EINVAL, EPERM."""
    soft, hard = struct.unpack("<2I", process.space.read(address, 8))
    if resource > 15:
        raise Errno(EINVAL)
    _set_limit(process, resource, soft, hard)
    return 0


def _long(word: int) -> int:
    return (1 << 64) - 1 if word == INFINITY else word


@call(369, "prlimit64", PARTIAL, "of oneself; as setrlimit")
def sys_prlimit64(process: Process, pid: int, resource: int, new: int, old: int, *_: int) -> int:
    """Ask and set limits."""
    if pid not in (0, process.leader):
        raise Errno(EPERM if process.kernel.processes.get(pid) else ESRCH)
    if resource > 15:
        raise Errno(EINVAL)
    was = limit(process, resource)
    if new:
        soft, hard = (min(word, INFINITY) for word in struct.unpack("<2Q", process.space.read(new, 16)))
        _set_limit(process, resource, soft, hard)
    if old:
        process.space.write(old, struct.pack("<2Q", *map(_long, was)))
    return 0


@call(34, "nice", PARTIAL, "kept; all have the same turns")
def sys_nice(process: Process, by: int, *_: int) -> int:
    """Ask for fewer turns."""
    process.nice = max(-20, min(19, process.nice + signed(by)))
    return 0


@call(96, "getpriority", PARTIAL, "of one process")
def sys_getpriority(process: Process, which: int, who: int, *_: int) -> int:
    """20 less the nice value."""
    return 20 - (named(process, who).nice if which == 0 else process.nice)


@call(97, "setpriority", PARTIAL, "of one process; kept, all have the same turns")
def sys_setpriority(process: Process, which: int, who: int, nice: int, *_: int) -> int:
    """Set the nice value."""
    one = named(process, who) if which == 0 else process
    one.nice = max(-20, min(19, signed(nice)))
    return 0


@call(158, "sched_yield")
def sys_sched_yield(process: Process, *_: int) -> int:
    """Others first."""
    process.kernel.end_turn()
    return 0


@call(242, "sched_getaffinity")
def sys_sched_getaffinity(process: Process, pid: int, size: int, address: int, *_: int) -> int:
    """There is one CPU."""
    named(process, pid)
    if size < 4:
        raise Errno(EINVAL)
    process.space.write(address, struct.pack("<I", 1))
    return 4


# ---- the system


@call(122, "uname")
def sys_uname(process: Process, address: int, *_: int) -> int:
    """What this is."""
    spec = process.kernel.spec
    machine = {"v5": "armv5tel", "v6": "armv6l"}.get(spec.architecture[:2], "armv7l")
    fields = ("Linux", process.kernel.host_name, RELEASE, "#1 Cellvisor", machine, "(none)")
    process.space.write(address, b"".join(field.encode()[:64].ljust(65, b"\0") for field in fields))
    return 0


@call(74, "sethostname")
def sys_sethostname(process: Process, address: int, size: int, *_: int) -> int:
    """Raises: Errno: EPERM, EINVAL."""
    if process.user[1]:
        raise Errno(EPERM)
    if size > 64:
        raise Errno(EINVAL)
    process.kernel.host_name = process.space.read(address, size).decode(errors="replace")
    return 0


@call(116, "sysinfo")
def sys_sysinfo(process: Process, address: int, *_: int) -> int:
    """Memory, and how long it has run."""
    kernel = process.kernel
    frames = kernel.frames
    numbers = (
        kernel.now() // kernel.hz,
        0,
        0,
        0,
        4096 * frames.total,
        4096 * frames.free,
        0,
        0,
        0,
        0,
        len(kernel.processes),
    )
    process.space.write(
        address, struct.pack("<I3I4I2IH", *numbers).ljust(64, b"\0")[:52] + struct.pack("<I", 1) + bytes(8)
    )
    return 0


@call(136, "personality", PARTIAL, "PER_LINUX only")
def sys_personality(_process: Process, wanted: int, *_: int) -> int:
    """This one."""
    if wanted not in (0, 0xFFFF_FFFF):
        raise Errno(EINVAL)
    return 0


@call(172, "prctl", PARTIAL, "the name, dumpable, no_new_privs, pdeathsig kept")
def sys_prctl(process: Process, option: int, a: int, *_: int) -> int:
    """Odds and ends."""
    if option == 15:
        process.name = process.space.cstring(a, 16 + 1)[:15].decode(errors="replace") if a else ""
    elif option == 16:
        process.space.write(a, process.name.encode()[:15].ljust(16, b"\0"))
    elif option not in (1, 2, 3, 4, 38, 39):
        raise Errno(EINVAL)
    elif option == 2:
        process.space.write(a, bytes(4))
    return 1 if option == 3 else 0


@call(103, "syslog", PARTIAL, "reading all, and its size")
def sys_syslog(process: Process, action: int, address: int, size: int, *_: int) -> int:
    """The kernel's own lines."""
    text = "".join(process.kernel.messages).encode()
    if action == 10:
        return len(text)
    if action not in (3, 4):
        raise Errno(EINVAL) if action > 10 else Errno(EPERM)
    text = text[-size:] if size else b""
    process.space.write(address, text)
    return len(text)


RESTART, HALT, CAD_ON, CAD_OFF, POWER_OFF = 0x0123_4567, 0xCDEF_0123, 0x89AB_CDEF, 0, 0x4321_FEDC
REBOOT_MAGIC = 0xFEE1_DEAD


@call(88, "reboot", PARTIAL, "each way of it ends the cell")
def sys_reboot(process: Process, magic: int, _magic2: int, command: int, *_: int) -> int:
    """All is over."""
    if process.user[1]:
        raise Errno(EPERM)
    if magic != REBOOT_MAGIC or command not in (RESTART, HALT, CAD_ON, CAD_OFF, POWER_OFF):
        raise Errno(EINVAL)
    if command not in (CAD_ON, CAD_OFF):
        process.kernel.exit(process.kernel.first, 0)
    return 0


@call(384, "getrandom", PARTIAL, "follows from the seed of the run")
def sys_getrandom(process: Process, address: int, size: int, flags: int, *_: int) -> int:
    """Bytes that look random."""
    if flags & ~7:
        raise Errno(EINVAL)
    size = min(size, RANDOM_LIMIT)
    process.space.write(address, process.kernel.random(size))
    process.kernel.copied(size)
    return size


for _number, _name in (
    (26, "ptrace"),
    (51, "acct"),
    (52, "umount2"),
    (21, "mount"),
    (128, "init_module"),
    (375, "setns"),
    (337, "unshare"),
):
    absent(_number, _name, "not here")
