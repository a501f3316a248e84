"""Cells as processes, seen from the monitor: start the warm server, have it fork cells, learn how they ended.

    with Zygote.start() as zygote:
        cell = zygote.spawn(CellOrder(name="storage", index=0), {"link": link, "ram": memory})
        ...                                   # poll zygote.fileno() in the monitor's loop, and when it is readable:
        for ended in zygote.collect():
            print(ended.name, ended.exit_status())

Start it before the process has a ZeroMQ context, a memory segment or threads: it inherits none of them then. What a
cell says on its standard output and error ends up in `ExitStatus.log`, shortened, once it has ended.
"""

from __future__ import annotations

import fcntl
import os
import pickle
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import msgpack

from cells.order import CellOrder
from hypervisor.shell.zygote import DESCRIPTORS

ENTRY = "cells.runtime:cell_main"
"""What a cell runs: a function (order, descriptors by name)."""

ENVIRONMENT = {
    # Or the order of a set of names would differ from run to run, and with it a Python guest's trace.
    "PYTHONHASHSEED": "0",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "1",  # each further one, for a thread of zmq, would take 64 MiB of a cell's address space
}

_SPAWN_SECONDS = 30.0
_STOP_SECONDS = 5.0
_LONGEST_MESSAGE = 1 << 16
_GONE = "the process that starts cells has ended"
_HARMLESS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"}
"""Control characters, shown instead of obeyed: a cell's output may end up on a terminal."""


class ZygoteError(RuntimeError):
    """The server process is gone, or could not start a cell."""


_NAMES = {number.value: number.name for number in signal.Signals}
"""Of the real-time signals only the first and the last have names, and a cell may end itself by any."""


@dataclass(frozen=True)
class ExitStatus:
    """How a cell's process ended: an exit code or a signal, and the end of what it had printed."""

    code: int | None
    signal: int | None
    log: str = ""

    def __str__(self) -> str:
        if self.signal is not None:
            return f"killed by {_NAMES.get(self.signal, f'signal {self.signal}')}"
        return f"exit code {self.code}"

    @classmethod
    def of(cls, exit_code: int, log: str) -> ExitStatus:
        """From the number that `multiprocess` gives: negative for a signal."""
        return cls(None, -exit_code, log) if exit_code < 0 else cls(exit_code, None, log)


class CellProcess:
    """One cell's process. It is not our child: the pidfd is our hold on it, and its number is never reused under us."""

    def __init__(self, zygote: Zygote, name: str, pid: int, pidfd: int) -> None:
        self.name = name
        self.pid = pid
        self.pidfd = pidfd
        self._zygote = zygote
        self._status: ExitStatus | None = None

    def fileno(self) -> int:
        """The pidfd: readable, to `poll`, once the process has ended."""
        return self.pidfd

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send a signal; a process that has ended is left alone."""
        if self.pidfd >= 0:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.pidfd, number)

    def exit_status(self) -> ExitStatus | None:
        """How it ended, or None as long as that is not known."""
        return self._status

    def wait(self, seconds: float) -> ExitStatus | None:
        """Wait until it is known how it ended; None when that takes longer."""
        self._zygote.wait_until(lambda: self._status is not None, seconds)
        return self._status

    def settle(self, status: ExitStatus) -> None:
        """Note how it ended: for the zygote's messages."""
        self._status = status

    def close(self) -> None:
        """Give the pidfd back."""
        if self.pidfd >= 0:
            os.close(self.pidfd)
            self.pidfd = -1


class ServerProcess(Protocol):
    """The process of a zygote, as subprocess.Popen has it."""

    pid: int

    def wait(self, timeout: float | None = None) -> object:
        """Until it has ended, or raise subprocess.TimeoutExpired."""
        ...

    def kill(self) -> None:
        """End it."""
        ...


class Zygote:
    """The warm server process, and the cells that it has forked."""

    def __init__(self, link: socket.socket, process: ServerProcess | None = None) -> None:
        self.missing: tuple[str, ...] = ()
        """Modules that it could not import, with the reasons; known once the first cell runs."""
        self.cells: dict[int, CellProcess] = {}
        """Those not known to have ended, by serial number."""
        self._link = link
        self._process = process
        self._gone = False
        self._serial = 0
        self._names: dict[int, str] = {}
        self._refused: dict[int, str] = {}
        self._ended: list[CellProcess] = []
        self._handlers: dict[str, Callable[..., None]] = {
            "ready": self._on_ready,
            "started": self._on_started,
            "refused": self._on_refused,
            "ended": self._on_ended,
        }

    @classmethod
    def start(cls, warm: Iterable[str] = (ENTRY.partition(":")[0],)) -> Self:
        """Start the server, which imports the modules of `warm` beforehand. Returns before it is ready."""
        here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with there:
            process = subprocess.Popen(
                # Not the working directory (-P): a user's random.py there is not ours.
                [sys.executable, "-P", "-m", "hypervisor.shell.zygote", str(there.fileno()), *warm],
                pass_fds=[there.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                # Out of reach of the terminal's Ctrl-C. Not a session: Linux schedules those against each other (autogroup),
                # and the world switch from one to another takes an eighth longer.
                process_group=0,
                env={**os.environ, **ENVIRONMENT, "PYTHONPATH": os.pathsep.join(import_path())},
            )
        return cls(here, process)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int | None:
        """The server's process number, if this process started it."""
        return self._process.pid if self._process else None

    def fileno(self) -> int:
        """Readable, to `poll`, when `collect` has something to do."""
        return self._link.fileno()

    def spawn(self, order: CellOrder, descriptors: Mapping[str, int] | None = None, entry: str = ENTRY) -> CellProcess:
        """Start a cell, which runs `entry` with the order and its own copies of the descriptors.

        Raises: ZygoteError when it cannot be started.
        """
        names = dict(descriptors or {})
        if len(names) >= DESCRIPTORS:
            raise ZygoteError(f"cell {order.name} is given {len(names)} descriptors; {DESCRIPTORS - 1} can be")
        self._serial += 1
        serial, self._names[self._serial] = self._serial, order.name
        plan = _sealed(pickle.dumps((order, tuple(names), entry, import_path())))
        try:
            self._send("spawn", serial, descriptors=[plan, *names.values()])
            self.wait_until(lambda: serial in self.cells or serial in self._refused, _SPAWN_SECONDS)
        finally:
            os.close(plan)
            self._names.pop(serial, None)  # if it comes all the same, after an interrupt, it is killed
        started = self.cells.get(serial)
        if started is None:
            why = _GONE if self._gone else f"no answer within {_SPAWN_SECONDS:.0f} s"
            raise ZygoteError(f"cell {order.name} could not be started: {self._refused.pop(serial, why)}")
        return started

    def janitor(self, directory: Path | None) -> None:
        """Have this private directory removed when the run ends, even if this process is killed."""
        self._send("janitor", str(directory.absolute()) if directory else "")

    def collect(self) -> list[CellProcess]:
        """The cells that have ended since the last call; does not wait.

        Raises: ZygoteError when the server is gone, and with it every cell, and all of them have been reported.
        """
        while not self._gone and _readable(self._link, 0):
            self._receive()
        ended, self._ended = self._ended, []
        if self._gone and not ended:
            raise ZygoteError(_GONE)
        return ended

    def wait_until(self, reached: Callable[[], bool], seconds: float) -> bool:
        """Take messages until something is reached; whether it was, in this time."""
        deadline = time.monotonic() + seconds
        while not reached():
            left = deadline - time.monotonic()
            if self._gone or left <= 0 or not _readable(self._link, left):
                return reached()
            self._receive()
        return True

    def stop(self) -> None:
        """Kill every cell and end the server. Nothing of them is left when this returns."""
        with suppress(ZygoteError):
            self._send("stop")
        self.wait_until(lambda: self._gone, _STOP_SECONDS)
        self._link.close()
        if self._process:
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._lose()

    def _send(self, *message: object, descriptors: Iterable[int] = ()) -> None:
        if self._gone:
            raise ZygoteError(_GONE)
        try:
            socket.send_fds(self._link, [msgpack.packb(message)], list(descriptors))
        except ConnectionError as error:
            raise ZygoteError(_GONE) from error

    def _receive(self) -> None:
        try:
            data, descriptors, _, _ = socket.recv_fds(self._link, _LONGEST_MESSAGE, 1, socket.MSG_CMSG_CLOEXEC)
        except ConnectionError:
            data, descriptors = b"", []
        if not data:
            self._lose()
            return
        operation, *arguments = msgpack.unpackb(data)
        self._handlers[operation](*arguments, *descriptors)

    def _on_ready(self, missing: list[str]) -> None:
        self.missing = tuple(missing)

    def _on_started(self, serial: int, pid: int, pidfd: int) -> None:
        cell = CellProcess(self, self._names.get(serial, "unwanted"), pid, pidfd)
        self.cells[serial] = cell
        if serial not in self._names:
            cell.kill()

    def _on_refused(self, serial: int, why: str) -> None:
        self._refused[serial] = why

    def _on_ended(self, serial: int, exit_code: int, log: bytes) -> None:
        text = log.decode(errors="backslashreplace").translate(_HARMLESS)
        self._settle(serial, ExitStatus.of(exit_code, text))

    def _settle(self, serial: int, status: ExitStatus) -> None:
        cell = self.cells.pop(serial)
        cell.settle(status)
        self._ended.append(cell)

    def _lose(self) -> None:
        """The server is gone: the kernel has killed whatever was left of its children."""
        self._gone = True
        for serial in list(self.cells):
            self._settle(serial, ExitStatus(None, signal.SIGKILL))


def import_path() -> list[str]:
    """Where a cell looks for modules: where this process does, and where this package lies."""
    root = str(Path(__file__).resolve().parents[2])
    found = [str(Path(entry).absolute()) for entry in sys.path]
    return list(dict.fromkeys([*found, root]))


forked: Callable[[], Zygote] | None = None
"""Where there is a warm process: what has it fork a server (nursery.py)."""


def new_server() -> Zygote:
    """The server for a run: a new process where it cannot be forked, since the nursery has ended or is out of reach."""
    if forked is not None:
        with suppress(ZygoteError):
            return forked()
    return Zygote.start()


def _sealed(data: bytes) -> int:
    """A memory file that nobody can change any more: a guest program may be too long for a datagram."""
    descriptor = os.memfd_create("order", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with open(descriptor, "wb", closefd=False) as file:
        file.write(data)
    seals = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
    return descriptor


def _readable(link: socket.socket, seconds: float) -> bool:
    poller = select.poll()
    poller.register(link, select.POLLIN)
    return bool(poller.poll(seconds * 1000))
