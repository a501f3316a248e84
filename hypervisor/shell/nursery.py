"""Warm servers of cells, forked instead of started: imports are most of what a short run takes.

    with Nursery() as nursery:
        processes.forked = nursery.zygote        # from now on runs of this process have their servers from there

A run's server (zygote.py) begins by importing for a quarter of a second. Here one process has done that, and forks each
server: same code, same environment, working directory and descriptors as one that is started, and nothing of a run in it. What
differs is its parent: it hears of its monitor's death by the end of their socket alone, and dies with the nursery, which ends
with who made it.

A monitor may be killed between its order and the answer, and the next one asks the same nursery: orders have names.
"""

from __future__ import annotations

import os
import pickle
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from types import TracebackType
from typing import Any, Self

from cells import kernel
from hypervisor.shell import zygote as server
from hypervisor.shell.processes import ENTRY, ENVIRONMENT, Zygote, ZygoteError, import_path

WARM = (ENTRY.partition(":")[0],)
LONGEST = 1 << 20
"""Bytes of an order: an environment may be long."""
_ANSWER = 64
_ERRORS = 2
"""Standard error: the run's own, where it has one."""
_PATIENCE_S = 30.0
_GONE = "the process that forks the servers of cells has ended"


@dataclass(frozen=True)
class Order:
    """What a server is to be: what `Zygote.start` gives a new process."""

    name: str
    warm: tuple[str, ...]
    environment: dict[str, str]
    directory: str
    path: tuple[str, ...]
    cpus: tuple[int, ...]


class Forked:
    """A server that was forked: what `Zygote` asks of a process that it has started, as subprocess.Popen has it."""

    def __init__(self, pid: int, pidfd: int) -> None:
        self.pid, self._pidfd = pid, pidfd

    def wait(self, timeout: float | None = None) -> None:
        """Until it has ended.

        Raises:
            subprocess.TimeoutExpired: it is still there.
        """
        if not _ended(self._pidfd, timeout):
            raise subprocess.TimeoutExpired("zygote", timeout or 0.0)
        self.close()

    def kill(self) -> None:
        """End it."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def close(self) -> None:
        """Give the pidfd back. May be called twice."""
        if self._pidfd >= 0:
            os.close(self._pidfd)
        self._pidfd = -1

    __del__ = close


def _ended(pidfd: int, seconds: float | None) -> bool:
    if pidfd < 0:
        return True
    poller = select.poll()
    poller.register(pidfd, select.POLLIN)
    return bool(poller.poll(None if seconds is None else seconds * 1000))


class Nursery:
    """The process that forks servers. Start it before there are sockets, memory segments or threads, as a zygote."""

    def __init__(self) -> None:
        self._orders, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._serial = 0
        with there:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "hypervisor.shell.nursery", str(there.fileno())],
                pass_fds=[there.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                process_group=0,
                env={**os.environ, **ENVIRONMENT, "PYTHONPATH": os.pathsep.join(import_path())},
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def zygote(self, warm: Iterable[str] = WARM) -> Zygote:
        """A server like that of `Zygote.start`.

        Raises:
            ZygoteError: the nursery is gone or does not answer, the order is too long for it, the host has no process to give.
        """
        self._serial += 1
        name = f"{os.getpid()} {self._serial}"
        cpus = tuple(os.sched_getaffinity(0))
        order = Order(name, tuple(warm), dict(os.environ), os.getcwd(), tuple(import_path()), cpus)  # noqa: PTH109
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with theirs:
                socket.send_fds(self._orders, [pickle.dumps(asdict(order))], [theirs.fileno(), _ERRORS])
            return Zygote(ours, self._answer(name))
        except BaseException as error:
            ours.close()
            if isinstance(error, OSError):
                raise ZygoteError(_GONE if isinstance(error, ConnectionError) else str(error)) from None
            raise

    def _answer(self, name: str) -> Forked:
        """To the order of this name; others were for who is gone."""
        deadline = time.monotonic() + _PATIENCE_S
        poller = select.poll()
        poller.register(self._orders, select.POLLIN)
        while poller.poll(max(deadline - time.monotonic(), 0.0) * 1000):
            data, descriptors, _, _ = socket.recv_fds(self._orders, _ANSWER, 1, socket.MSG_CMSG_CLOEXEC)
            if not data:
                raise ZygoteError(_GONE)
            pid, _, whose = data.decode().partition(" ")
            found = Forked(int(pid), descriptors[0] if descriptors else -1)
            if whose == name and not descriptors:
                raise ZygoteError("the host has no process to give")
            if whose == name:
                return found
            found.close()
        raise ZygoteError(f"no server of cells within {_PATIENCE_S:.0f} s")

    def close(self) -> None:
        """End it, and what it has forked."""
        self._orders.close()
        self._process.wait()


# ---- the process itself


def _become(link: int, errors: int, order: Order) -> None:
    """The child: what `Zygote.start` makes of a new process, without the imports."""
    os.setpgid(0, 0)
    with suppress(OSError):  # a CPU that is gone: it runs on others
        os.sched_setaffinity(0, order.cpus)
    os.dup2(errors, _ERRORS)
    os.dup2(link, 3)
    os.closerange(4, 1 << 16)
    os.set_inheritable(3, False)
    os.environ.clear()
    os.environ.update({**order.environment, **ENVIRONMENT})
    os.chdir(order.directory)
    sys.path[:] = order.path
    server.main(["3", *order.warm])


def watch_nursery(nursery: int, _link: socket.socket) -> None:
    """In the place of the server's own: its parent is the nursery, which may have ended before the kernel knew of this wish.

    Raises:
        zygote.OrphanedError: it has.
    """

    def orphaned(*_: object) -> None:
        raise server.OrphanedError

    signal.signal(signal.SIGTERM, orphaned)
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != nursery:
        raise server.OrphanedError


def _fork(orders: socket.socket, children: dict[int, int], poller: Any) -> bool:
    """One order; False when there will be no more."""
    data, descriptors, _, _ = socket.recv_fds(orders, LONGEST, 2)
    if not data:
        return False
    order = Order(**pickle.loads(data))
    try:
        pid, pidfd = _child(descriptors, order)
    except (OSError, ValueError):  # the host has no more processes or descriptors now: who asked must know
        orders.send(f"0 {order.name}".encode())
        return True
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
    children[pidfd] = pid
    poller.register(pidfd, select.POLLIN)
    socket.send_fds(orders, [f"{pid} {order.name}".encode()], [pidfd])
    return True


def _child(descriptors: list[int], order: Order) -> tuple[int, int]:
    """Its number and pidfd.

    Raises:
        OSError, ValueError: there can be none.
    """
    link, errors = descriptors
    pid = os.fork()
    if not pid:
        try:
            _become(link, errors, order)
        finally:
            os._exit(0)
    try:
        return pid, os.pidfd_open(pid)
    except OSError:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise


def _reap(pidfd: int, children: dict[int, int], poller: Any) -> None:
    os.waitpid(children.pop(pidfd), 0)
    poller.unregister(pidfd)
    os.close(pidfd)


def main(descriptor: int) -> None:
    """Fork a server for each order; end with who gives the orders."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    server.warm_up(WARM)
    server.watch = partial(watch_nursery, os.getpid())
    children: dict[int, int] = {}
    poller = select.poll()
    with socket.socket(fileno=descriptor) as orders, suppress(ConnectionError):
        poller.register(orders, select.POLLIN)
        while True:
            for ready, _ in poller.poll():
                if ready in children:
                    _reap(ready, children, poller)
                elif not _fork(orders, children, poller):
                    return


if __name__ == "__main__":
    main(int(sys.argv[1]))
