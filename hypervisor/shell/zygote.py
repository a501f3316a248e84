"""The warm server process that forks cells: `python -m hypervisor.shell.zygote FD [MODULE ...]`.

Importing Unicorn, ZeroMQ and the rest takes a hundred times as long as a fork, and a fork of the monitor itself would
take along its sockets, threads and every other cell's memory. So the monitor starts this process before it has any of
those; it imports all that cells need, and forks one cell (a `multiprocess` process) per request. It runs no guest
code, not even a guest's pickle: that is opened in the cell.

It speaks msgpack lists over a SEQPACKET socket, descriptors beside them (`hypervisor/shell/processes.py` is the other
side):

    -> ["spawn", serial] + order, descriptors of the cell     <- ["started", serial, pid] + pidfd
                                                              <- ["refused", serial, why]
    -> ["janitor", path]                                      <- ["ready", [module that could not be imported, ...]]
    -> ["stop"]                                               <- ["ended", serial, exit code or -signal, log]

When the monitor is gone, however it ended, this process kills every cell, removes the directory that the monitor
named for that case ("janitor"), and ends. If this process is killed, the kernel kills its cells.
"""

from __future__ import annotations

import faulthandler
import fcntl
import gc
import importlib
import os
import pickle
import resource
import select
import shutil
import signal
import socket
import stat
import struct
import sys
import time
import types
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgpack
import multiprocess

from cells import kernel
from cells.sandbox import FILE_SIZE, die_with, only_descriptors

WARM = (
    "unicorn", "unicorn.arm_const", "unicorn.unicorn_py3.arch.arm", "zmq", "msgpack", "dill",
    "cells.engines.native._native", "cells.order", "cells.sandbox", "devices",
    # What Python imports by itself when it reports an error or meets an encoding: too late with the sandbox closed.
    "traceback", "linecache", "tokenize", "encodings.ascii", "encodings.latin_1", "encodings.idna",
    # What a guest program in Python is likely to name.
    "array", "bisect", "collections", "copy", "dataclasses", "decimal", "enum", "fractions", "functools", "hashlib",
    "heapq", "itertools", "json", "math", "random", "re", "statistics", "string", "struct", "textwrap", "typing",
    "zlib",
)  # fmt: skip
"""Imported before the first fork, besides the modules on the command line."""

DESCRIPTORS = 253
"""The most descriptors in one message: SCM_MAX_FD of the kernel."""
_DESCRIPTORS_OPEN = 1 << 16
_LONGEST_MESSAGE = 1 << 16
_REAP_SECONDS = 0.5

_FORK = multiprocess.get_context("fork")


class OrphanedError(Exception):
    """The monitor is gone."""


@dataclass(frozen=True)
class Child:
    """A cell that runs: the monitor's number for it, the process, and where its output goes."""

    serial: int
    process: Any
    pidfd: int
    log: int


class Server:
    """Serves one monitor until that is gone or says stop."""

    def __init__(self, link: socket.socket) -> None:
        self.link = link
        self.children: dict[int, Child] = {}
        self.directory: Path | None = None
        self.null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        self.poller = select.poll()
        self.poller.register(link, select.POLLIN)
        self.handlers: dict[str, Callable[..., None]] = {"spawn": self._on_spawn, "janitor": self._on_janitor}

    def serve(self, missing: list[str]) -> None:
        """Answer requests; leave no cell and no directory behind."""
        try:
            watch(self.link)
            self._send("ready", missing)
            while self._turn():
                pass
        except (OrphanedError, ConnectionError):
            pass
        finally:
            self._end()

    def _turn(self) -> bool:
        """Wait for a request or a death; False when there will be no more."""
        for descriptor, _ in self.poller.poll():
            if descriptor in self.children:
                self._on_death(self.children[descriptor])
            elif not self._on_message():
                return False
        return True

    def _on_message(self) -> bool:
        data, descriptors, _, _ = socket.recv_fds(self.link, _LONGEST_MESSAGE, DESCRIPTORS)
        try:
            operation, *arguments = msgpack.unpackb(data) if data else ["stop"]
            if operation == "stop":
                return False
            self.handlers[operation](descriptors, *arguments)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        return True

    def _on_janitor(self, _descriptors: list[int], path: str) -> None:
        self.directory = Path(path) if path else None

    def _on_spawn(self, descriptors: list[int], serial: int) -> None:
        try:
            child = self._fork(serial, descriptors)
        except OSError as error:
            self._send("refused", serial, (error.strerror or str(error)).lower())
            return
        self.children[child.pidfd] = child
        self.poller.register(child.pidfd, select.POLLIN)
        self._send("started", serial, child.process.pid, descriptors=[child.pidfd])

    def _fork(self, serial: int, descriptors: list[int]) -> Child:
        log = _make_log()
        try:
            arguments = (descriptors, (self.null, log, log), os.getpid())
            process = _FORK.Process(target=_run_cell, args=arguments, name=f"cell {serial}", daemon=True)
            process.start()
        except OSError:
            os.close(log)
            raise
        try:
            return Child(serial, process, os.pidfd_open(process.pid), log)
        except OSError:
            process.kill()
            process.join()
            os.close(log)
            raise

    def _on_death(self, child: Child) -> None:
        del self.children[child.pidfd]
        self.poller.unregister(child.pidfd)
        child.process.join()
        log = os.pread(child.log, FILE_SIZE, 0).rstrip(b"\0")
        exit_code = child.process.exitcode
        child.process.close()
        os.close(child.pidfd)
        os.close(child.log)
        self._send("ended", child.serial, exit_code, log)

    def _send(self, *message: object, descriptors: Iterable[int] = ()) -> None:
        socket.send_fds(self.link, [msgpack.packb(message)], list(descriptors))

    def _end(self) -> None:
        try:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        except OrphanedError:  # it came just now, and comes once
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        for child in self.children.values():
            child.process.kill()  # a stopped process dies of it as well
        deadline = time.monotonic() + _REAP_SECONDS
        for child in self.children.values():
            _wait_for(child.pidfd, deadline)
            child.process.join(0)  # so that its CPU time is part of ours
        if self.directory is not None and _is_private_directory(self.directory):
            shutil.rmtree(self.directory, ignore_errors=True)


def _wait_for(pidfd: int, deadline: float) -> None:
    poller = select.poll()
    poller.register(pidfd, select.POLLIN)
    poller.poll(max(0.0, deadline - time.monotonic()) * 1000)


def _is_private_directory(path: Path) -> bool:
    """Whether the path is what `tempfile.mkdtemp` makes: nothing else is removed, whatever the monitor said."""
    try:
        found = path.lstat()
    except OSError:
        return False
    private = stat.S_ISDIR(found.st_mode) and not found.st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    return path.is_absolute() and private and found.st_uid == os.geteuid()


def _watch_parent(link: socket.socket) -> None:
    """Have SIGTERM come when the monitor dies, should a process that it forked keep the socket open.

    The kernel sends it when the *thread* ends that started us, so the handler looks whether the process is there.
    """
    parent, _, _ = struct.unpack("3i", link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))

    def look(*_: object) -> None:
        if os.getppid() != parent:
            raise OrphanedError

    signal.signal(signal.SIGTERM, look)
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGTERM)
    look()


watch: Callable[[socket.socket], None] = _watch_parent
"""How it learns of its monitor's death beside the end of the link; another one for who has another parent (nursery.py)."""


def _make_log() -> int:
    """A memory file for a cell's output: a flood fills it and no more, and nobody need read along."""
    log = os.memfd_create("log", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(log, FILE_SIZE)
    fcntl.fcntl(log, fcntl.F_ADD_SEALS, fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL)
    return log


def _run_cell(descriptors: list[int], standard: tuple[int, int, int], zygote: int) -> None:
    """What a new cell does first: become a process of its own, then what the order says."""
    die_with(zygote)
    os.dup2(standard[2], 2)  # what goes wrong from here on is the cell's to say, not the terminal's to show
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    order, *given = descriptors
    *given, order = only_descriptors([*given, order], standard)
    sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout = os.fdopen(1, "w", buffering=1, errors="backslashreplace", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace", closefd=False)
    sys.modules["__main__"] = types.ModuleType("__main__")
    faulthandler.enable()
    gc.enable()
    with os.fdopen(order, "rb") as file:
        file.seek(0)
        pickled = file.read()
    _follow_order(pickled, given)


def _follow_order(pickled: bytes, descriptors: list[int]) -> None:
    order, names, entry, path = pickle.loads(pickled)
    kernel.prctl(kernel.PR_SET_NAME, order.name.encode()[:15])
    sys.path[:] = path
    for module in order.settings.get("preload", ()):
        importlib.import_module(module)
    module, _, function = entry.partition(":")
    run = getattr(importlib.import_module(module), function)
    run(order, dict(zip(names, descriptors, strict=True)))


def warm_up(modules: Iterable[str]) -> list[str]:
    """Import these modules and those of `WARM`; the answer names those that there are not, with the reason."""
    missing = []
    for module in (*WARM, *modules):
        try:
            importlib.import_module(module)
        except ImportError as error:
            missing.append(f"{module}: {error}")
    gc.collect()
    gc.disable()
    gc.freeze()  # a collection in a cell would write to, and so copy, every page that it shares with the others
    return missing


def main(arguments: list[str]) -> None:
    """Serve the monitor at the other end of descriptor FD."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the monitor's to answer, here and in the cells
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # comes with the monitor's death if a cell is stopped: first clean up
    kernel.prctl(kernel.PR_SET_NAME, b"cell zygote")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    soft = _DESCRIPTORS_OPEN if hard == resource.RLIM_INFINITY else min(hard, _DESCRIPTORS_OPEN)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    with socket.socket(fileno=int(arguments[0])) as link:
        Server(link).serve(warm_up(arguments[1:]))


if __name__ == "__main__":
    main(sys.argv[1:])
