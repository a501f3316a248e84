"""The sandbox of a cell: what a hostile guest is left with once it has taken over its process.

A cell makes its engine, maps its memory and connects its sockets first; then `enter` closes the door behind it, for
good:

    sacrificial      the host's out-of-memory killer takes a cell before the monitor
    own uid          as root: a user that no other process of the host has, so that ids alone protect the others' memory
    die with parent  SIGKILL when the process that forked it is gone, also while stopped
    not dumpable     no core, and nobody of the same user reads its memory through /proc
    limits           no new process or thread, bounded memory, descriptors, file sizes and CPU time
    no capabilities  of root's powers none is left
    no privileges    no set-uid program can give any back
    landlock         no file, no TCP port, no abstract socket, no signal to others
    seccomp          an allow list of system calls (`cells.seccomp`): no path, no socket, no process, no new code

tests/faults/test_sandbox_attacks.py makes some fifty attacks and 130 raw system calls (tests/ATTACKS.md): all are
stopped, as root and as a plain user, also on a kernel without Landlock. Where there is no table of system calls (a
machine other than x86-64) these get through: looking whether a path exists, UDP, Unix sockets in directories, memory
files, new code, shrinking or sealing a segment, and for a plain user the monitor's priority. Namespaces are not among
the layers: nothing is left for them to stop, and they cost more than all the rest together. A layer that the host
lacks is named in the report and is never fatal: whoever shows the run says so.

What a cell can still do: compute, wait, use the descriptors that it has, receive further ones, map them without
execution, and allocate `policy.memory` bytes. What it can no longer do, and must have done before: import, open,
connect (a zmq socket connects in the background: wait for its handshake), start a thread (one that is made may not have
begun: libzmq's abort the cell then), make an engine or a zmq context. An engine's hooks are best added before: the
foreign-function library may need new code for a callback.

    report = enter(SandboxPolicy())
    if report.lacking: ...                       # ("landlock: kernel without it",)
"""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.machinery import BuiltinImporter, FrozenImporter

from cells import kernel, landlock, seccomp

MIB = 1 << 20

UID_RANGES = ((0x7000_0000, 1 << 22), (60_000, 4_000))
"""(first, count): where a cell finds a user id of its own, which is first + its process number modulo count.
1879048192 and up is the range that systemd's table of users (UIDS-GIDS) leaves free, and 2**22 the most process
numbers that Linux has, so two live cells never share one. A container that maps only 65536 ids refuses it: then the
second."""

FILE_SIZE = 16 << 10
"""The farthest that a cell may write into any file that it was given: the size of its log (shell/zygote.py)."""

OOM_ADJUSTMENT = 500
"""Of -1000..1000 (proc(5), oom_score_adj): half of the host's memory is added to what the cell uses when a victim is
sought."""


@dataclass(frozen=True)
class SandboxPolicy:
    """How a cell is confined. Sizes are bytes beyond what the process has when it enters."""

    enabled: bool = True
    """False (`--no-sandbox`): nothing but dying with its parent."""
    memory: int = 128 * MIB
    """Private memory that it may still allocate (the engine's code buffer is there already)."""
    mapping: int = 512 * MIB
    """Shared memory that it may still map: grants into new places; a grant over a guest's page needs none."""
    descriptors: int = 64
    """Descriptors that it may have, counted by the highest number."""
    cpu_seconds: int = 86_400
    """A backstop behind the monitor's own watchdog."""
    new_code: bool = False
    """Let it map executable memory: for an engine that cannot have its code buffer beforehand."""


@dataclass(frozen=True)
class SandboxReport:
    """Which layers hold, with details, and which the host lacks, with the reason. Plain data."""

    enabled: bool
    held: tuple[str, ...]
    lacking: tuple[str, ...]


class LackingError(Exception):
    """This host cannot have a layer; the text says why."""


def enter(policy: SandboxPolicy) -> SandboxReport:
    """Close the sandbox around this process.

    Requires: called once, by the main thread, with everything opened, connected and imported that the cell will use.
    """
    parent = os.getppid()
    if not policy.enabled:
        die_with(parent)
        return SandboxReport(enabled=False, held=("die with parent",), lacking=("sandbox: switched off",))
    held, lacking = [], []
    for name, layer in LAYERS.items():
        try:
            detail = layer(policy, parent)
            held.append(f"{name}: {detail}" if detail else name)
        except (LackingError, OSError) as error:
            lacking.append(f"{name}: {_reason(error)}")
    sys.meta_path[:] = [BuiltinImporter, FrozenImporter, _ClosedImporter]
    return SandboxReport(enabled=True, held=tuple(held), lacking=tuple(lacking))


class _ClosedImporter:
    """Stands in for the search of files, which would fail anyway, with an error that says what to do."""

    @staticmethod
    def find_spec(name: str, _path: object = None, _target: object = None) -> None:
        raise ModuleNotFoundError(
            f"module {name} is not loaded, and a cell's sandbox is closed: add it to `preload`", name=name
        )


def die_with(parent: int) -> None:
    """Have the kernel kill this process as soon as its parent, process `parent`, is gone."""
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it went before the kernel knew
        signal.raise_signal(signal.SIGKILL)


def only_descriptors(descriptors: list[int], standard: tuple[int, int, int]) -> list[int]:
    """Close all descriptors but these, which become 3, 4, ... in this order; `standard` become 0, 1 and 2."""
    wanted = [*standard, *descriptors]
    # First out of each other's way, then to their places: a place may be the number of one that is still needed.
    aside = [_duplicate_above(descriptor, len(wanted)) for descriptor in wanted]
    for place, descriptor in enumerate(aside):
        os.dup2(descriptor, place, inheritable=False)
    os.closerange(len(wanted), max(resource.getrlimit(resource.RLIMIT_NOFILE)[0], max(aside) + 1))
    return list(range(len(standard), len(wanted)))


def _duplicate_above(descriptor: int, lowest: int) -> int:
    return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, lowest)


def _reason(error: Exception) -> str:
    if not isinstance(error, OSError):
        return str(error)
    # ENOSYS: not built in; EOPNOTSUPP: built in and switched off at boot (landlock(7)).
    return "kernel without it" if error.errno in (errno.ENOSYS, errno.EOPNOTSUPP) else str(error.strerror)


def _own_uid(_policy: SandboxPolicy, _parent: int) -> str:
    if os.geteuid():
        raise LackingError("not root")
    for first, count in UID_RANGES:
        uid = first + os.getpid() % count
        try:
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
        except OSError as error:
            refusal = str(error)
        else:
            return f"user {uid}"
    raise LackingError(refusal)


def _die_with_parent(_policy: SandboxPolicy, parent: int) -> str:
    die_with(parent)  # again: the change of user has cleared it
    return ""


def _sacrificial(_policy: SandboxPolicy, _parent: int) -> str:
    descriptor = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
    try:
        os.write(descriptor, b"%d" % OOM_ADJUSTMENT)
    finally:
        os.close(descriptor)
    return ""


def _not_dumpable(_policy: SandboxPolicy, _parent: int) -> str:
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
    return ""


def _limits(policy: SandboxPolicy, _parent: int) -> str:
    for which, value in limits(policy).items():
        hard = resource.getrlimit(which)[1]
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(which, (bound, bound))
    return f"{policy.memory // MIB} MiB, {policy.descriptors} descriptors"


def limits(policy: SandboxPolicy) -> dict[int, int]:
    """The values for setrlimit(2): what this process uses already, and what the policy adds."""
    # statm counts pages: the first field is the whole address space, the sixth private data and stack.
    descriptor = os.open("/proc/self/statm", os.O_RDONLY)
    pages = [int(field) for field in os.read(descriptor, 256).split()]
    os.close(descriptor)
    space, data = pages[0] * resource.getpagesize(), pages[5] * resource.getpagesize()
    return {
        resource.RLIMIT_AS: space + policy.memory + policy.mapping,
        resource.RLIMIT_DATA: data + policy.memory,
        resource.RLIMIT_NPROC: 0,
        resource.RLIMIT_NOFILE: policy.descriptors,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: FILE_SIZE,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_MSGQUEUE: 0,
        resource.RLIMIT_CPU: policy.cpu_seconds,
    }


def _no_capabilities(_policy: SandboxPolicy, _parent: int) -> str:
    kernel.drop_capabilities()
    return ""


def _no_privileges(_policy: SandboxPolicy, _parent: int) -> str:
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    return ""


def _landlock(_policy: SandboxPolicy, _parent: int) -> str:
    earlier = len(os.listdir("/proc/self/task")) - 1  # noqa: PTH208 (a Path costs more than the rest of this)
    reached = landlock.restrict()
    bounds = [text for since, text in ((4, "no TCP"), (6, "no signals or abstract sockets")) if reached.abi >= since]
    if earlier and not reached.all_threads:
        bounds.append(f"{earlier} earlier threads have only seccomp")
    return ", ".join([f"version {reached.abi}", "no files", *bounds])


def _seccomp(policy: SandboxPolicy, _parent: int) -> str:
    seccomp.install(seccomp.program(os.getpid(), new_code=policy.new_code))
    return f"{len(seccomp.NUMBERS)} calls"


LAYERS: dict[str, Callable[[SandboxPolicy, int], str]] = {
    "sacrificial": _sacrificial,
    "own uid": _own_uid,
    "die with parent": _die_with_parent,
    "not dumpable": _not_dumpable,
    "limits": _limits,
    "no capabilities": _no_capabilities,
    "no privileges": _no_privileges,
    "landlock": _landlock,
    "seccomp": _seccomp,
}
"""In this order: what needs root's powers first, and the filter last, since it forbids what the others need."""
