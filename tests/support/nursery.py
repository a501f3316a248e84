"""Warm servers for the runs of this process, forked instead of started: imports are most of what a short run takes.

    with nursery() as start:                  # the session fixture of tests/conftest.py puts `start` in the place of Zygote.start
        zygote = start()

A run's server (hypervisor/shell/zygote.py) begins by importing for 0.2 s. Here one process has done that, and forks each server:
same code, same environment, same working directory and descriptors as one that is started. What differs is its parent, which
dies with us; so what becomes of a run whose monitor dies is tested with servers that were started (test_leaks, test_processes).
"""

from __future__ import annotations

import contextlib
import os
import pickle
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from cells import kernel
from hypervisor.shell import zygote as server
from hypervisor.shell.processes import ENTRY, ENVIRONMENT, Zygote, _import_path

LONGEST = 1 << 20
WARM = (ENTRY.partition(":")[0],)


class Forked:
    """What `Zygote` asks of a process that it has started: as subprocess.Popen has it."""

    def __init__(self, pid: int, pidfd: int) -> None:
        self.pid, self._pidfd = pid, pidfd

    def wait(self, seconds: float) -> None:
        """Raises:
        subprocess.TimeoutExpired: it is still there.
        """
        if not ended(self._pidfd, seconds):
            raise subprocess.TimeoutExpired("zygote", seconds)
        self.close()

    def close(self) -> None:
        if self._pidfd >= 0:
            os.close(self._pidfd)
        self._pidfd = -1

    __del__ = close

    def kill(self) -> None:
        signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)


def ended(pidfd: int, seconds: float) -> bool:
    poller = select.poll()
    poller.register(pidfd, select.POLLIN)
    return bool(poller.poll(seconds * 1000))


@contextlib.contextmanager
def nursery() -> Iterator[Callable[..., Zygote]]:
    """What starts a server like `Zygote.start`, and is gone afterwards."""
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with here:
        with there:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "tests.support.nursery", str(there.fileno())],
                pass_fds=[there.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                process_group=0,
                env={**os.environ, **ENVIRONMENT, "PYTHONPATH": os.pathsep.join(_import_path())},
            )

        def start(warm: Iterable[str] = WARM) -> Zygote:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            order = (list(warm), dict(os.environ), str(os.getcwd()), _import_path())  # noqa: PTH109
            with theirs:
                socket.send_fds(here, [pickle.dumps(order)], [theirs.fileno()])
            data, descriptors, _, _ = socket.recv_fds(here, 64, 1, socket.MSG_CMSG_CLOEXEC)
            return Zygote(ours, Forked(int(data), descriptors[0]))  # type: ignore[arg-type]

        yield start
    process.wait()


# ---- the process itself


def _become(link: int, order: tuple[list[str], dict[str, str], str, list[str]]) -> None:
    """The child: what `Zygote.start` makes of a new process, without the imports."""
    warm, environment, directory, path = order
    os.setpgid(0, 0)
    os.dup2(link, 3)
    os.closerange(4, 1 << 16)
    os.set_inheritable(3, False)
    os.environ.clear()
    os.environ.update({**environment, **ENVIRONMENT})
    os.chdir(directory)
    sys.path[:] = path
    server.main(["3", *warm])


def _watch_nursery(link: socket.socket) -> None:
    """In the place of the server's own: its parent is the nursery, which ends with the monitor."""
    del link

    def orphaned(*_: object) -> None:
        raise server.OrphanedError

    signal.signal(signal.SIGTERM, orphaned)
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGTERM)


def _fork(orders: socket.socket, children: dict[int, int], poller: Any) -> bool:
    data, descriptors, _, _ = socket.recv_fds(orders, LONGEST, 1)
    if not data:
        return False
    pid = os.fork()
    if not pid:
        try:
            _become(descriptors[0], pickle.loads(data))
        finally:
            os._exit(0)
    os.close(descriptors[0])
    pidfd = os.pidfd_open(pid)
    children[pidfd] = pid
    poller.register(pidfd, select.POLLIN)
    socket.send_fds(orders, [str(pid).encode()], [pidfd])
    return True


def main(descriptor: int) -> None:
    """Fork a server for each order; reap them; end with who gives the orders."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    server.warm_up(WARM)
    server._watch_parent = _watch_nursery
    children: dict[int, int] = {}
    poller = select.poll()
    with socket.socket(fileno=descriptor) as orders:
        poller.register(orders, select.POLLIN)
        while True:
            for ready, _ in poller.poll():
                if ready in children:
                    os.waitpid(children.pop(ready), 0)
                    poller.unregister(ready)
                    os.close(ready)
                elif not _fork(orders, children, poller):
                    return


if __name__ == "__main__":
    main(int(sys.argv[1]))
