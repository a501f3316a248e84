"""A live view started beside a run: a process of its own that comes in by the operator's door like anybody's.

So it has its own interpreter, and whatever it does, waits for or dies of, the run goes on. `ScreenBeside` has this terminal; the
run ends when its person leaves. `WebBeside` serves the page and is ended with the run.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from hypervisor.shell.inputs import Input
from hypervisor.shell.problems import InputError

START_S = 20.0
"""How long a page may take to be there; a busy host is no failure."""
END_S = 3.0


class _Beside:
    """`cellvisor screen` for the run of this process."""

    def __init__(self, *options: str, own_session: bool, **pipes: Any) -> None:
        paths = os.pathsep.join(path for path in sys.path if path)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "hypervisor.cli", "screen", "--run", str(os.getpid()), *options],
            env={**os.environ, "PYTHONPATH": paths},
            start_new_session=own_session,
            **pipes,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it: it gives the terminal back, or closes its port."""
        self.process.terminate()
        try:
            self.process.wait(END_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class ScreenBeside(_Beside):
    """The display in this terminal: one of the run's sources, which calls `leave` when its person has left."""

    def __init__(self, leave: Callable[[], None]) -> None:
        super().__init__(own_session=False)
        self._leave = leave
        self._exited = os.pidfd_open(self.process.pid)

    @property
    def handles(self) -> Sequence[int]:
        """See `Source`."""
        return (self._exited,)

    def poll(self) -> list[Input]:
        """See `Source`."""
        if self.process.poll() is not None:
            self._leave()
        return []

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """As the base."""
        super().__exit__(kind, error, trace)
        os.close(self._exited)


class WebBeside(_Beside):
    """The page. `url` is its address.

    Raises:
        InputError: it cannot be served; it has said why.
    """

    def __init__(self, port: int) -> None:
        # A session of its own: Ctrl-C is for the run, whose end is the page's.
        super().__init__(
            "--web", "--port", str(port), own_session=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
        )
        self.url = self._first_line()
        if not self.url:
            super().__exit__(None, None, None)
            raise InputError("--web: the page could not be served")

    def _first_line(self) -> str:
        stdout = self.process.stdout
        assert stdout is not None
        with stdout, suppress(OSError):
            if select.select([stdout], [], [], START_S)[0]:
                line: bytes = stdout.readline()
                return line.decode().strip()
        return ""
