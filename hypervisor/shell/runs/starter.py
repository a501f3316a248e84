"""Starts runs quickly: a warm process has the modules already, and forks one child per run; most of a short run was imports.

The server of a run's cells comes from a warm process as well (nursery.py), which imports while this one does.

    starter = Starter()
    status, said = starter.run(JOB, order, answer, seconds=120.0)    # subprocess.TimeoutExpired: its whole group is dead by then

A job is a module with `main(order, answer)`: it reads the one file, does what stands there, and writes the other. A child leads a
session, and so a process group, of its own. Starter and server talk lines over two pipes; the server ends when its input does, as
when who started it dies. One order at a time: whoever runs several has several starters.
"""

from __future__ import annotations

import gc
import os
import selectors
import signal
import subprocess
import sys
import time as host_time
from collections.abc import Collection
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from cells import kernel
from cells.sandbox import die_with
from hypervisor.shell import processes
from hypervisor.shell.nursery import Nursery

WARM = ("hypervisor.api", "psutil")
"""Imported before the first fork, beside the module of the job."""


class Starter:
    """A warm server of our own. `cpus`: the host's CPUs on which it and its runs are, None for where the caller may be."""

    def __init__(self, cpus: Collection[int] | None = None) -> None:
        self._child = 0
        self._server = subprocess.Popen(
            [sys.executable, "-m", "hypervisor.shell.runs.starter"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,  # what lay in a buffer, `_line` would wait for in vain
            start_new_session=True,
        )
        with suppress(OSError):  # a CPU that is gone: it runs on others
            os.sched_setaffinity(self._server.pid, cpus or os.sched_getaffinity(0))

    def run(self, job: str, order: Path, answer: Path, seconds: float) -> tuple[int, str]:
        """A run of a job to its end: exit status (minus the signal, if one ended it), and what it said on standard error.

        Raises:
            subprocess.TimeoutExpired: it took longer, and has been ended.
            RuntimeError: the server is gone.
        """
        end = host_time.monotonic() + seconds
        self._write(f"{job}\0{order}\0{answer}\n".encode())
        self._child = pid = int(self._line())
        try:
            status = int(self._line(end))
        except BaseException:
            end_group(pid)
            self._line()
            raise
        self._child = 0
        end_group(pid)
        return status, errors_of(answer).read_text(errors="replace")

    def _write(self, data: bytes) -> None:
        assert self._server.stdin is not None
        try:
            self._server.stdin.write(data)
            self._server.stdin.flush()
        except BrokenPipeError:
            raise RuntimeError("the process that starts runs is gone") from None

    def _line(self, end: float | None = None) -> bytes:
        """The server's next line, until `end`."""
        assert self._server.stdout is not None
        if end is not None:
            with selectors.DefaultSelector() as selector:
                selector.register(self._server.stdout, selectors.EVENT_READ)
                if not selector.select(max(end - host_time.monotonic(), 0.0)):
                    raise subprocess.TimeoutExpired("a run", 0)
        line = self._server.stdout.readline()
        if not line:
            raise RuntimeError("the process that starts runs is gone")
        return line

    @property
    def is_gone(self) -> bool:
        """Whether the server has ended."""
        return self._server.poll() is not None

    def end(self) -> None:
        """End the server and its run, from any thread: who waits for them is told."""
        if self._child:
            end_group(self._child)
        self._server.kill()

    def close(self) -> None:
        """End the server, and the run that it has under way. May be called twice."""
        if self._child:
            end_group(self._child)
            self._child = 0
        for pipe in (self._server.stdin, self._server.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        with suppress(subprocess.TimeoutExpired):
            self._server.wait(10.0)

    __del__ = close


def end_group(group: int) -> None:
    """Nothing of a run goes on after it."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def errors_of(answer: Path) -> Path:
    """Where the standard error of a run goes."""
    return answer.with_suffix(".err")


# ---- the server


def serve() -> None:
    """Fork a child for each line of standard input, until there are no more. Ends with who started it, however that ends."""
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    with Nursery() as nursery:
        processes.forked = nursery.zygote
        for module in WARM:
            __import__(module)
        gc.freeze()  # what is there now is never looked at again, so that its pages stay shared
        out = os.dup(sys.stdout.fileno())
        with suppress(BrokenPipeError):  # nobody waits for the answer any more
            _serve(out)


def _serve(out: int) -> None:
    for line in sys.stdin.buffer:
        job, order, answer = line.rstrip(b"\n").decode().split("\0")
        main = import_module(job).main
        parent, child = os.getpid(), os.fork()
        if child == 0:
            die_with(parent)
            os.setsid()
            _redirect(errors_of(Path(answer)))
            os.close(out)
            status = 1
            try:
                main(order, answer)
                status = 0
            except BaseException as error:
                print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
            finally:
                os._exit(status)
        os.write(out, b"%d\n" % child)
        _, ended = os.waitpid(child, 0)
        os.write(out, b"%d\n" % os.waitstatus_to_exitcode(ended))


def _redirect(errors: Path) -> None:
    """The child has no part in the talk of its parent."""
    nothing = os.open(os.devnull, os.O_RDWR)
    said = os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    for at, descriptor in enumerate((nothing, nothing, said)):
        os.dup2(descriptor, at)
    os.close(nothing)
    os.close(said)


if __name__ == "__main__":
    serve()
