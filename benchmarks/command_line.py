"""What the commands `python -m benchmarks.NAME` have in common: types of arguments, places for output, and how they end.

Bad input is one line and exit status 2, Ctrl-C or SIGTERM one line and status 130; a place that cannot be written to is told
before anything is measured.

    parser.add_argument("--jobs", type=jobs)
    return guarded("events", lambda: _run(parser.parse_args(arguments)))
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from argparse import ArgumentTypeError
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hypervisor.shell.problems import lines_of
from hypervisor.shell.runs.starter import end_group

MOST_JOBS, MOST_ROUNDS = 64, 1000
INTERRUPTED = 130


def _whole(text: str, most: int, what: str) -> int:
    if not (text.isascii() and text.isdecimal()) or not 1 <= int(text) <= most:
        raise ArgumentTypeError(f'"{text}" is no number of {what} from 1 to {most}')
    return int(text)


def jobs(text: str) -> int:
    """Runs at once.

    Raises:
        ArgumentTypeError: it is no such number; so the others.
    """
    return _whole(text, MOST_JOBS, "runs at once")


def rounds(text: str) -> int:
    """Turns of what is measured."""
    return _whole(text, MOST_ROUNDS, "turns")


def seconds(text: str) -> float:
    """Of virtual time."""
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not 0.01 <= found <= 3600:
        raise ArgumentTypeError(f'"{text}" is no number of seconds from 0.01 to 3600')
    return found


def folder(text: str) -> Path:
    """One that is there."""
    if not Path(text).is_dir():
        raise ArgumentTypeError(f'"{text}" is no folder')
    return Path(text)


def made(path: Path | None) -> None:
    """A folder for output.

    Raises:
        OSError: it cannot be made; so the next.
    """
    if path is not None:
        path.mkdir(parents=True, exist_ok=True)


def openable(path: Path | None) -> None:
    """A file for output, with its folder."""
    if path is not None:
        made(path.parent)
        path.open("ab").close()


def guarded(name: str, command: Callable[[], int]) -> int:
    """Run a command to its exit status; what a user can do something about is told in lines."""
    with _told_to_end():
        try:
            return command()
        except KeyboardInterrupt:
            print(f"{name}: interrupted", file=sys.stderr)
            return INTERRUPTED
        except Exception as error:
            lines = lines_of(error)
            if lines is None:
                raise
            for line in lines:
                print(f"{name}: {line}", file=sys.stderr)
            return 2


@contextmanager
def _told_to_end() -> Iterator[None]:
    """SIGTERM interrupts as Ctrl-C does, so that what was started is ended. Only a main thread has signals."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class Children:
    """Processes that lead groups of their own, started by several threads and ended together."""

    def __init__(self) -> None:
        self._groups: set[int] = set()
        self._lock = threading.Lock()
        self._over = False

    @contextmanager
    def started(self, order: list[str], **more: Any) -> Iterator[subprocess.Popen[bytes]]:
        """One, until it is left: then nothing of its group goes on.

        Raises:
            RuntimeError: all have been ended.
        """
        with self._lock:
            if self._over:
                raise RuntimeError("nothing is started any more")
            child = subprocess.Popen(order, start_new_session=True, **more)
            self._groups.add(child.pid)
        try:
            yield child
        finally:
            end_group(child.pid)
            child.wait()
            with self._lock:
                self._groups.discard(child.pid)

    def end(self) -> None:
        """All that there are, and any that would come."""
        with self._lock:
            self._over = True
            for group in self._groups:
                end_group(group)
