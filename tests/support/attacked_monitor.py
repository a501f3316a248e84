"""A monitor with bait, as a program: runs every attack in a fresh cell and prints, as JSON, what came of each.

    python -m tests.support.attacked_monitor '{"sandbox": true, "user": 12345}'

`without`: layers of the sandbox to leave out. `user`: drop to this user first, monitor and zygote both. The
interpreter and its library may be unreadable for that user, so the zygote is then a fork instead of a new program,
made once everything is imported.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import stat
import sys
import tempfile
from pathlib import Path
from typing import Any

from cells import kernel
from cells.sandbox import SandboxPolicy
from hypervisor.shell import zygote as server
from hypervisor.shell.processes import CellProcess, Zygote
from tests.support import outside
from tests.support.attacks import ATTACKS, MIB
from tests.support.native_attacks import LAST_DEEDS
from tests.support.sandbox_lab import HERE, SECRET, Lab

MODULES = (HERE, "tests.support.attacks", "tests.support.native_attacks")
EVERYONE = stat.S_IRWXU | stat.S_IRWXG | stat.S_IRWXO


def become(user: int) -> None:
    """Be a plain user from now on, as if logged in as one."""
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
    kernel.prctl(kernel.PR_SET_DUMPABLE, 1)  # a change of user clears it; a login's exec would have set it again


def start_zygote(user: int | None) -> Zygote:
    """The zygote, as a program of its own where that user could run it."""
    if user is None:
        return Zygote.start(warm=MODULES)
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    missing = server.warm_up(MODULES)
    if os.fork() == 0:
        here.close()
        become(user)
        server.Server(there).serve(missing)
        os._exit(0)
    there.close()
    become(user)
    return Zygote(here)


def lay_bait(directory: Path) -> dict[str, Any]:
    """Everything within reach that a plain program of this host would have: all of it open to everyone."""
    directory.chmod(EVERYONE)
    shared = Path(f"/dev/shm/bait-{os.getpid()}")
    for path in (directory / "file", directory / "doomed", shared):
        path.write_bytes(b"bait")
        path.chmod(EVERYONE)
    memory = os.memfd_create("segment", os.MFD_ALLOW_SEALING)
    os.ftruncate(memory, 8 * MIB)
    listeners = [socket.create_server(("127.0.0.1", 0)), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)]
    listeners[1].bind(("127.0.0.1", 0))
    for address in (str(directory / "socket"), f"\0bait-{os.getpid()}"):
        listeners.append(socket.socket(socket.AF_UNIX))
        listeners[-1].bind(address)
        listeners[-1].listen()
    (directory / "socket").chmod(EVERYONE)
    secret = ctypes.create_string_buffer(SECRET)
    return {
        "keep": (listeners, secret),
        "file": str(directory / "file"),
        "doomed": str(directory / "doomed"),
        "directory": str(directory),
        "shared_memory": str(shared),
        "memory": memory,
        "readable": os.open(f"/proc/self/fd/{memory}", os.O_RDONLY),
        "tcp": listeners[0].getsockname()[1],
        "udp": listeners[1].getsockname()[1],
        "socket": str(directory / "socket"),
        "abstract": f"bait-{os.getpid()}",
        "monitor": os.getpid(),
        "monitor_address": ctypes.addressof(secret),
        "monitor_pidfd": os.pidfd_open(os.getpid()),
    }


def start_victim(lab: Lab, bait: dict[str, Any], policy: SandboxPolicy) -> tuple[CellProcess, socket.socket]:
    """Another cell, with a secret in its memory and one in a segment."""
    cell, link = lab.spawn(None, policy, entry=f"{HERE}:resident", descriptors={"memory": bait["memory"]})
    said = json.loads(link.recv(1024))
    bait |= {"victim": said["pid"], "victim_address": said["address"], "victim_memory": said["memory"]}
    bait["victim_pidfd"] = cell.pidfd
    return cell, link


def try_attack(lab: Lab, name: str, bait: dict[str, Any], policy: SandboxPolicy, without: list[str]) -> dict[str, Any]:
    """One attack in a fresh cell. Its outcome: stopped or not, and how."""
    given = {key: bait[key] for key in ("memory", "readable", "victim_pidfd", "monitor_pidfd")}
    rest = {key: value for key, value in bait.items() if key not in given and key != "keep"}

    def guest(**descriptors: int) -> str:
        from tests.support.attacks import ATTACKS  # loaded already

        return repr(ATTACKS[name]({**rest, **descriptors}))

    outcome = lab.run(guest, policy, {"without": without}, **given)
    return {"stopped": bool(outcome.error), "how": outcome.error or outcome.value, "report": outcome.report}


def try_natively(lab: Lab, bait: dict[str, Any], policy: SandboxPolicy) -> dict[str, Any]:
    """Raw system calls, many in a cell, and deeds that end their cell; how the host looked before and afterwards."""
    here, spare = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    given = {key: bait[key] for key in ("memory", "readable", "victim_pidfd", "monitor_pidfd")} | {
        "spare": spare.fileno()
    }
    rest = {key: value for key, value in bait.items() if key not in given and key != "keep"}
    before = outside.look(bait)

    def refusals(**descriptors: int) -> dict[str, str]:
        from tests.support import native_attacks

        return native_attacks.refusals({**rest, **descriptors})

    def mischief(**descriptors: int) -> dict[str, str]:
        from tests.support import native_attacks

        return native_attacks.mischief({**rest, **descriptors})

    found = {"refused": lab.run(refusals, policy, **given).value, "mischief": lab.run(mischief, policy, **given).value}
    found["ends"] = {deed: _last_deed(lab, deed, rest, given, policy) for deed in LAST_DEEDS}
    with here, spare:
        found["before"], found["after"] = before, outside.look(bait)
    return found


def _last_deed(lab: Lab, deed: str, rest: dict[str, Any], given: dict[str, int], policy: SandboxPolicy) -> str:
    def guest(**descriptors: int) -> Any:
        from tests.support import native_attacks

        return native_attacks.prepared(deed, {**rest, **descriptors})

    return str(lab.run(guest, policy, {"prepare": True}, **given).status)


def main(options: dict[str, Any]) -> dict[str, Any]:
    """Run the attacks; the answer is what `tests/faults/test_sandbox_attacks.py` looks at."""
    os.umask(0)
    signal.signal(signal.SIGURG, signal.SIG_IGN)
    policy = SandboxPolicy(enabled=options["sandbox"], memory=64 * MIB, mapping=64 * MIB)
    with Lab(start_zygote(options.get("user"))) as lab, tempfile.TemporaryDirectory() as directory:
        bait = lay_bait(Path(directory))
        try:
            victim, link = start_victim(lab, bait, policy)
            native = try_natively(lab, bait, policy) if options.get("natively") else {}
            attacks = {name: try_attack(lab, name, bait, policy, options.get("without", [])) for name in ATTACKS}
        finally:
            Path(bait["shared_memory"]).unlink()
        link.send(b"?")
        return {
            "user": os.getuid(),
            "report": attacks["fork"]["report"],
            "attacks": attacks,
            "native": native,
            "victim": {"alive": victim.exit_status() is None, "secret": link.recv(64).rstrip(b"\0").decode()},
        }


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))
