"""The `cellvisor` command from a process that has its modules already: a fork, instead of most of a second of imports each time.

    with WarmCommand() as command:
        done = command.run(["check", "hello"], cwd=place, environment={...}, seconds=30.0)      # a CompletedProcess

A command is forked from that process with the environment, the working directory and the descriptors that a new one would have,
and is the same code from `hypervisor.cli.main` on. Tests that look at the command's life, its terminal or its signals start it
anew (tests/support/session.py: `Session`, and `cellvisor` with any other option).
"""

from __future__ import annotations

import os
import pickle
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self

LONGEST = 1 << 20
MODULES = ("hypervisor.cli", "hypervisor.shell.commands", "hypervisor.api")


class WarmCommand:
    """Runs commands, one at a time."""

    def __init__(self) -> None:
        self._link, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with there:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.warm_command", str(there.fileno())],
                pass_fds=[there.fileno()],
                stdin=subprocess.DEVNULL,
                cwd=Path(__file__).parents[2],
            )

    def run(
        self, arguments: Sequence[str], cwd: Path, environment: Mapping[str, str], seconds: float
    ) -> subprocess.CompletedProcess[str]:
        """To its end.

        Raises:
            subprocess.TimeoutExpired: it took longer, and was killed.
        """
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as error:
            order = pickle.dumps((list(arguments), str(cwd), dict(environment)))
            socket.send_fds(self._link, [order], [out.fileno(), error.fileno()])
            _, descriptors, _, _ = socket.recv_fds(self._link, 64, 1, socket.MSG_CMSG_CLOEXEC)
            try:
                if not _readable(self._link.fileno(), seconds):
                    signal.pidfd_send_signal(descriptors[0], signal.SIGKILL)
                    self._link.recv(64)
                    raise subprocess.TimeoutExpired(["cellvisor", *arguments], seconds)
                status = int(self._link.recv(64))
            finally:
                os.close(descriptors[0])
            said = [_text(file.fileno()) for file in (out, error)]
        return subprocess.CompletedProcess(["cellvisor", *arguments], status, *said)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._link.close()
        self._process.wait()


def _text(descriptor: int) -> str:
    return os.pread(descriptor, os.fstat(descriptor).st_size, 0).decode()


def _readable(descriptor: int, seconds: float) -> bool:
    poller = select.poll()
    poller.register(descriptor, select.POLLIN)
    return bool(poller.poll(seconds * 1000))


# ---- the process itself


def _become(arguments: list[str], cwd: str, environment: dict[str, str], out: int, error: int) -> NoReturn:
    """The child is what `python -m hypervisor.cli ARGUMENTS` would be."""
    os.dup2(out, 1)
    os.dup2(error, 2)
    os.closerange(3, 1 << 16)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    path = [entry for entry in environment.get("PYTHONPATH", "").split(os.pathsep) if entry]
    sys.path[:] = list(dict.fromkeys([cwd, *path, *sys.path[1:]]))
    sys.argv = ["cellvisor", *arguments]
    from hypervisor import cli

    status: Any = 0
    try:
        cli.main()
    except SystemExit as end:
        status = end.code
    except BaseException:
        sys.excepthook(*sys.exc_info())
        status = 1
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(status if isinstance(status, int) else int(status is not None))


def main(descriptor: int) -> None:
    """Fork a command for each order; tell how it ended."""
    for module in MODULES:
        __import__(module)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(fileno=descriptor) as orders:
        while True:
            data, descriptors, _, _ = socket.recv_fds(orders, LONGEST, 2)
            if not data:
                return
            pid = os.fork()
            if not pid:
                _become(*pickle.loads(data), *descriptors)
            for given in descriptors:
                os.close(given)
            socket.send_fds(orders, [b"started"], [pidfd := os.pidfd_open(pid)])
            os.close(pidfd)
            orders.send(str(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])).encode())


if __name__ == "__main__":
    main(int(sys.argv[1]))
