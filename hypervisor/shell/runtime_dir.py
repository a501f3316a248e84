"""Where running topologies can be found: one private directory each, gone when the run is.

`$XDG_RUNTIME_DIR/cellvisor` or a directory of this user under the temporary one; in it, per run, `NAME-PID` with the operator's
sockets and their key. Who may open the directory may operate the run; nobody else can. The zygote removes it should the
monitor be killed; a directory whose process is gone is swept away by whoever looks next.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path


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


def base() -> Path:
    """The directory of all runs of this user, made if it is not there.

    Raises:
        RuntimeDirError: it belongs to somebody else, or others may enter it.
    """
    given = os.environ.get("XDG_RUNTIME_DIR")
    path = Path(given) / "cellvisor" if given else Path(tempfile.gettempdir()) / f"cellvisor-{os.getuid()}"
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        status = path.lstat()
    except OSError as error:
        raise RuntimeDirError(f"{path}: {error.strerror}; set XDG_RUNTIME_DIR to a directory of yours") from None
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise RuntimeDirError(f"{path}: must be a directory of yours that nobody else may enter (chmod 700)")
    return path


def make(name: str) -> Path:
    """A new directory for this process's run."""
    serial = 0
    while True:
        path = base() / (f"{name}-{os.getpid()}" + (f"-{serial}" if serial else ""))
        try:
            path.mkdir(mode=0o700)
        except FileExistsError:
            serial += 1
        else:
            return path


def publish(path: Path, address: Address) -> None:
    """Make the run findable."""
    temporary = path / ".address"
    temporary.write_text(json.dumps(asdict(address)))
    temporary.rename(path / "address.json")


def remove(path: Path) -> None:
    """The run has ended. The directory of all runs goes with the last."""
    shutil.rmtree(path, ignore_errors=True)
    try:
        path.parent.rmdir()
    except OSError:
        return  # other runs are there


def running() -> list[Address]:
    """Every run of this user, oldest name first; directories of dead ones are swept away."""
    found = []
    for path in sorted(base().iterdir()):
        try:
            address = Address(**json.loads((path / "address.json").read_text()))
        except (OSError, ValueError, TypeError):
            address = None
        pid = address.pid if address else int(path.name.split("-")[1]) if path.name.count("-") else 0
        if not _alive(pid):
            remove(path)
        elif address is not None:
            found.append(address)
    return found


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return pid > 0
