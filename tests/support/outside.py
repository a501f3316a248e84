"""How the host looks from outside of an attacked cell: what must be the same before and after all attacks.

    before = look(bait)
    ...
    assert look(bait) == before

A monitor that counts this runs in the same process: everything here is about it, the other cell, and the files that they share.
"""

from __future__ import annotations

import fcntl
import os
import resource
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SYSV = ("shm", "sem", "msg")
UNTOUCHED = 64 << 10
"""Offset in the shared segment where nobody of good will writes."""


def look(bait: Mapping[str, Any]) -> dict[str, Any]:
    """All of it, as what goes into JSON."""
    return {
        "files": _files(bait),
        "monitor": _process(bait["monitor"]),
        "victim": _process(bait["victim"]),
        "host": _host(),
    }


def _files(bait: Mapping[str, Any]) -> dict[str, Any]:
    """The files behind the descriptors that the attacker had too; writing by call still goes where it is to go."""
    memory, readable = bait["memory"], bait["readable"]
    mark = b"written by the monitor"
    os.pwrite(memory, mark, UNTOUCHED)
    return {
        "written where it was to go": os.pread(memory, len(mark), UNTOUCHED) == mark,
        "sizes": [os.fstat(memory).st_size, os.fstat(readable).st_size],
        "modes": [os.fstat(memory).st_mode, os.fstat(memory).st_uid],
        "seals": fcntl.fcntl(memory, fcntl.F_GET_SEALS),
        "flags": [fcntl.fcntl(file, fcntl.F_GETFL) for file in (memory, readable)],
        "owners": [fcntl.fcntl(file, fcntl.F_GETOWN) for file in (memory, readable)],
        "readable": os.pread(readable, 64, 0).rstrip(b"\0").decode(),
    }


def _process(pid: int) -> dict[str, Any]:
    """What another may do to a process without its help."""
    status = dict(
        line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line
    )
    told = (
        "Name",
        "Umask",
        "TracerPid",
        "Uid",
        "FDSize",
        "Threads",
        "SigPnd",
        "ShdPnd",
        "SigBlk",
        "SigIgn",
        "Cpus_allowed",
    )
    return {
        **{key: status[key].split() for key in told if key != "FDSize"},
        "nice": os.getpriority(os.PRIO_PROCESS, pid),
        "policy": os.sched_getscheduler(pid),
        "limits": {name: _limit(pid, name) for name in ("RLIMIT_NOFILE", "RLIMIT_CPU", "RLIMIT_AS", "RLIMIT_NPROC")},
        "group": os.getpgid(pid),
    }


def _limit(pid: int, name: str) -> list[int]:
    try:
        return list(resource.prlimit(pid, getattr(resource, name)))
    except PermissionError:  # of one that is somebody else now
        return []


def _host() -> dict[str, Any]:
    """Things that outlive who made them; descriptors and children of this process; signals that wait."""
    return {
        "objects": {kind: len(Path(f"/proc/sysvipc/{kind}").read_text().splitlines()) for kind in SYSV},
        "names": sorted(entry.name for entry in Path("/dev/shm").iterdir() if entry.name.endswith(f"-{os.getpid()}")),
        "descriptors": len(list(Path("/proc/self/fd").iterdir())),
        "pending": [int(number) for number in signal.sigpending()],
    }
