"""The real `cellvisor` command for tests: run to its end, or held like a person's, on a terminal of its own.

done = cellvisor("check", "mine.toml")              # a CompletedProcess
with Session("run", "echo.toml", place=tmp) as session:
    session.expect("ready")
    session.type("hello\\r")
    session.expect("you said hello")
"""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support.live import ROOT, until
from tests.support.patience import PATIENCE_S
from tests.support.warm_command import WarmCommand

COMMAND = [sys.executable, "-m", "hypervisor.cli"]
warm: WarmCommand | None = None
"""Where the command is forked from; without it, it is started (tests/conftest.py sets it)."""


def environment(place: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a command whose runs are in `place`, apart from those of others."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "XDG_RUNTIME_DIR": str(place), "TERM": "vt100", **(more or {})}


def cellvisor(*arguments: str, place: Path, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the command to its end, without a terminal."""
    if not options.keys() - {"cwd", "env", "timeout"} and warm is not None:
        cwd, env = Path(options.get("cwd", place)), options.get("env") or environment(place)
        return warm.run(arguments, cwd, env, options.get("timeout", PATIENCE_S))
    options = {"cwd": place, "env": environment(place), "timeout": PATIENCE_S, "stdin": subprocess.DEVNULL, **options}
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=False, **options)


@contextmanager
def displaying() -> Iterator[Path]:
    """A directory in which the topology `display` runs; it must end well, with nothing left."""
    with tempfile.TemporaryDirectory(prefix="cv") as name:
        place = Path(name)
        words = [*COMMAND, "run", "display", "--pace", "1", "--for", "1000s"]
        process = subprocess.Popen(words, cwd=place, env=environment(place), stdout=subprocess.DEVNULL)
        try:
            assert until(lambda: bool(list(place.glob("cellvisor-*/address.json"))), PATIENCE_S)
            yield place
        finally:
            process.terminate()
            assert process.wait(PATIENCE_S) == 128 + signal.SIGTERM
        assert list(place.glob("cellvisor-*")) == []


class Session:
    """The command on a terminal of its own. It is killed at the end of the block if it has not ended."""

    def __init__(self, *arguments: str, place: Path, more: Mapping[str, str] | None = None) -> None:
        self.seen = ""
        self._at = 0
        self.terminal, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [*COMMAND, *arguments],
            cwd=place,
            env=environment(place, more),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        self._theirs = theirs

    def type(self, text: str) -> None:
        """As on the keyboard; Return is "\\r"."""
        os.write(self.terminal, text.encode())

    def expect(self, pattern: str, seconds: float = PATIENCE_S) -> str:
        """Read until something is there behind what was expected before; returns everything up to and with it."""
        end = time.monotonic() + seconds
        while (found := re.compile(pattern).search(self.seen, self._at)) is None:
            if not self._read(end - time.monotonic()):
                raise AssertionError(f"no {pattern!r} in {self.seen[self._at :]!r}")
        before, self._at = self._at, found.end()
        return self.seen[before : self._at]

    def _read(self, seconds: float) -> bool:
        """Read on; False when there is nothing within the time, or when the command has ended."""
        poller = select.poll()
        poller.register(self.terminal, select.POLLIN)
        step = time.monotonic() + seconds
        while time.monotonic() < step:
            if poller.poll(50):
                self.heard(os.read(self.terminal, 65536))
                return True
            if self.process.poll() is not None:
                return False
        return False

    def heard(self, data: bytes) -> None:
        """What the command has written."""
        self.seen += data.decode(errors="replace")

    def wait(self, seconds: float = PATIENCE_S) -> int:
        """Its exit status; what it says until then is read."""
        end = time.monotonic() + seconds
        while self.process.poll() is None:
            self._read(0.05)
            assert time.monotonic() < end, f"still there: {self.seen[-500:]!r}"
        while self._read(0.01):
            pass
        return self.process.returncode

    def echoes(self) -> bool:
        """Whether the terminal is as a shell wants it: echo, lines, signals."""
        import termios

        local = termios.tcgetattr(self.terminal)[3]
        wanted = termios.ECHO | termios.ICANON | termios.ISIG
        return local & wanted == wanted

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        os.close(self._theirs)
        os.close(self.terminal)
