"""Real runs for tests: launched by a fixture, checked and cleared away when the test is over.

    def test_it_says_hello(live: Live) -> None:
        run = live("hello")
        assert run.run().why == "finished"
        assert run.console("hello").startswith(b"hello")

At teardown every run's monitor is asked for its invariants and closed; then nothing may be left of it in this process
or below: no child, no memory segment, no socket, no hold on a process.

`until`, `alone` and `Loaded` are for those that start processes themselves.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

from hypervisor import launch
from hypervisor.api import Run
from hypervisor.core.cell import Cell
from hypervisor.core.effects import Rest
from tests.support.patience import PATIENCE_S

ROOT = Path(__file__).parents[2]
HELD = ("/memfd:", "socket:", "anon_inode:[pidfd]", "anon_inode:[eventfd]", "anon_inode:[eventpoll]")
"""Descriptors that a run opens: counted before and after."""


def until(reached: Callable[[], bool], seconds: float = PATIENCE_S) -> bool:
    """Look again and again whether something is so; whether it was, in this time."""
    pause, end = threading.Event(), time.monotonic() + seconds
    while not reached():
        if time.monotonic() > end:
            return False
        pause.wait(0.005)
    return True


def cells(**programs: str | Mapping[str, Any]) -> dict[str, Any]:
    """A topology of Python guests: for each cell the name of one of tests/support/guests.py, or a table with that as `guest`."""
    tables = {name: {"guest": given} if isinstance(given, str) else dict(given) for name, given in programs.items()}
    for table in tables.values():
        if table["guest"].isidentifier() and table["guest"] != "python":
            table["guest"] = f"tests.support.guests:{table['guest']}"
    return {"name": "test", "board": "arm926", "cells": tables}


def advance(run: Run, time: str | int) -> Rest:
    """Run on for a stretch of virtual time from where the run is."""
    return run.until(run.now + run.cycles(time))


# What is left.


def held() -> Counter[str]:
    """Descriptors of this process, by what they hold, as far as a run could have opened them."""
    found: Counter[str] = Counter()
    for entry in os.listdir("/proc/self/fd"):  # noqa: PTH208 (a Path would open one more)
        try:
            target = os.readlink(f"/proc/self/fd/{entry}")  # noqa: PTH115
        except OSError:
            continue  # the one that listed them
        found.update(kind for kind in HELD if target.startswith(kind))
    return found


def children() -> set[int]:
    """Every process below this one."""
    return {child.pid for child in psutil.Process().children(recursive=True)}


class Traces:
    """What a process has open and below it at one moment, to compare with a later one."""

    def __init__(self) -> None:
        self._held, self._children = held(), children()

    def left(self) -> str:
        """What has been added since, for people; empty if nothing."""
        more = [f"{count} x {kind}" for kind, count in (held() - self._held).items()]
        more += [f"process {pid}" for pid in children() - self._children]
        return ", ".join(more)

    def check(self) -> None:
        """Fail if anything stays."""
        assert until(lambda: not self.left()), f"left behind: {self.left()}"


class Live:
    """Launches runs; the fixture `live` of tests/conftest.py."""

    def __init__(self, place: Path | None = None) -> None:
        """`place`: where runs leave their directories for whom the test has none."""
        self._before = Traces()
        self._place = place
        self._runs: list[Run] = []
        self._left: list[tuple[Path, bool]] = []

    def __call__(self, topology: Any, **options: Any) -> Run:
        """As `hypervisor.launch`."""
        own = options.get("out") is None and self._place is not None
        if own and self._place is not None:
            options |= {"out": self._place / f"run{len(self._left)}", "timeline": False}
        run = launch(topology, **options)
        self._runs.append(run)
        if run.directory is not None:
            self._left.append((run.directory.path, bool(options.get("guests"))))
        return run

    def replays(self) -> list[str]:
        """How each run is done again, for whoever reads that the test failed."""
        functions = "  (its guests are functions of the test: launch(..., replay=...) with its inputs.jsonl)"
        return [f"cellvisor replay {path}{functions if guests else ''}" for path, guests in self._left]

    def stories(self) -> list[str]:
        """How far each run has come and what became of its cells."""
        return [f"at {run.now:,} cycles: {', '.join(map(_what_became, run.monitor.cells))}" for run in self._runs]

    def hash(self, topology: Any, time: str | None = None, **options: Any) -> str:
        """The hash of a run of its own, to `time` or to the topology's end."""
        run = self(topology, **options)
        run.until(time) if time is not None else run.run()
        run.monitor.check_invariants()
        run.close()
        return run.trace_hash

    def finish(self) -> None:
        """Check and close every run; see that nothing is left."""
        try:
            for run in self._runs:
                run.monitor.check_invariants()
        finally:
            while self._runs:
                self._runs.pop().close()
        self._before.check()


def _what_became(cell: Cell) -> str:
    return f"{cell.name} {cell.shown_state()}{f' ({cell.why})' if cell.why else ''}"


# Other processes.


def alone(module: str, *arguments: str, **options: Any) -> subprocess.Popen[str]:
    """A Python process of its own that runs a module of the tests or of ours."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **options.pop("env", {})}
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE, **{"cwd": ROOT, **options})


def gone(pidfds: Iterable[int], seconds: float = PATIENCE_S) -> bool:
    """Whether every one of these processes has ended within the time."""
    end = time.monotonic() + seconds
    return all(_ended(pidfd, max(end - time.monotonic(), 0)) for pidfd in pidfds)


def _ended(pidfd: int, seconds: float) -> bool:
    poller = select.poll()
    poller.register(pidfd, select.POLLIN)
    return bool(poller.poll(seconds * 1000))


HOG = "import select\nwhile not select.select([0], [], [], 0)[0]: sum(range(10_000))"
"""Computes until its standard input ends, so that it cannot outlive whoever started it."""


class Loaded:
    """While the block lasts, `hogs` processes compete for the host's processors."""

    def __init__(self, hogs: int = 2) -> None:
        self._count = hogs
        self._hogs: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        command = [sys.executable, "-c", HOG]
        self._hogs = [subprocess.Popen(command, stdin=subprocess.PIPE) for _ in range(self._count)]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for hog in self._hogs:
            hog.communicate()
