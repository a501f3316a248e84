"""Where running topologies can be found: one private directory each, gone when the run is.

`cellvisor-USER-PROCESS` in `$XDG_RUNTIME_DIR` or the temporary directory, with the operator's sockets and their key. Who may
enter it may operate the run; nobody else can. The zygote removes it should the monitor be killed, and a guard should both be; a
directory whose process is gone all the same is swept away by whoever looks next. A directory of that name that somebody else
has made is never looked into.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

LONGEST = 107 - len("/observers")
"""Bytes of a directory's path: the kernel takes 107 for a socket in it."""


class RuntimeDirError(Exception):
    """The place for runtime directories cannot be used."""


@dataclass(frozen=True)
class Address:
    """How to reach a run's operator. Endpoints of ZeroMQ; `server_key` its public CURVE key."""

    name: str
    pid: int
    requests: str
    observers: str
    server_key: str


def _place() -> Path:
    return Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()).absolute()


def _prefix() -> str:
    return f"cellvisor-{os.getuid()}-"


def make() -> Path:
    """A new directory for a run of this process.

    Raises:
        RuntimeDirError: there is no room for it, or no permission.
    """
    serial = 0
    while True:
        path = _place() / (f"{_prefix()}{os.getpid()}" + (f"-{serial}" if serial else ""))
        if len(os.fsencode(path)) > LONGEST:
            raise RuntimeDirError(
                f"{path}: is too long for a socket; set XDG_RUNTIME_DIR to a shorter directory of yours"
            )
        try:
            path.mkdir(mode=0o700)
        except FileExistsError:
            serial += 1
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise RuntimeDirError(f"{path}: {reason}; set XDG_RUNTIME_DIR to a directory of yours") from None
        else:
            return path


def publish(path: Path, address: Address) -> None:
    """Make the run findable."""
    temporary = path / ".address"
    temporary.write_text(json.dumps(asdict(address)))
    temporary.rename(path / "address.json")


class Guard:
    """A small process that removes the directory when this process is gone, however it ended.

    It hangs on a pipe to this process and on nothing else, and so does its duty also when the zygote is killed as well.
    """

    def __init__(self, path: Path) -> None:
        # `read` gets a line when the guard is dismissed, and fails when the other end of the pipe is gone.
        command = ["/bin/sh", "-c", 'trap "" HUP INT TERM; read _ || rm -rf -- "$1"', "cellvisor-guard", str(path)]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )

    def dismiss(self) -> None:
        """It is not needed any more."""
        self._process.communicate(b"\n")


def remove(path: Path) -> None:
    """The run has ended."""
    shutil.rmtree(path, ignore_errors=True)


def running() -> list[Address]:
    """Every run of this user, by name; directories of dead ones are swept away."""
    found = []
    for path in _place().glob(f"{_prefix()}*"):
        if not _is_private(path):
            continue
        address = _read(path)
        if not _alive(int(path.name.removeprefix(_prefix()).split("-")[0])):
            remove(path)
        elif address is not None:
            found.append(address)
    return sorted(found, key=lambda address: (address.name, address.pid))


def _is_private(path: Path) -> bool:
    """Whether it is a directory that only this user can have made, with a name that we give."""
    try:
        status = path.lstat()
    except OSError:
        return False
    ours = stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o077
    return ours and path.name.removeprefix(_prefix()).replace("-", "").isdecimal()


def _read(path: Path) -> Address | None:
    """The address, once it is there."""
    try:
        return Address(**json.loads((path / "address.json").read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return pid > 0
