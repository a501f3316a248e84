"""A job of its own process group, done to its end whatever happens to it: by a thread, here or on a host with the same files.

    outcome = carry("hypervisor.shell.campaigns.one", {"seed": 1, ...}, Path("runs/0a1b"), limit=120.0)
    outcome.answer, outcome.overdue, outcome.why

The order and the answer are files beside the run's directory: NAME.order.json and NAME.seen.json. Each thread that calls has a
warm `Starter`. Threads of a pool made with `initializer=Claim(jobs)` keep their runs on a CPU each: a run of a board with
one core is fastest there (hypervisor/shell/pinning.py), and several do not meet on one.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import threading
import time as host_time
import weakref
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypervisor.shell.runs.starter import Starter

ANSWER = ".seen.json"
"""How the name of an answer's file ends."""


@dataclass(frozen=True)
class Outcome:
    """What came of a job. `answer`: what it wrote, None if it wrote nothing; `overdue`: it was ended after its time; `why`: how
    it ended without an answer."""

    answer: Any
    overdue: bool = False
    why: str = ""
    host_seconds: float = 0.0


def carry(job: str, order: Mapping[str, Any], directory: Path, limit: float) -> Outcome:
    """Do a job. `limit`: host seconds after which its whole group is ended.

    Raises:
        RuntimeError: this host starts no runs any more.
    """
    directory.parent.mkdir(parents=True, exist_ok=True)
    asked, answer = directory.with_suffix(".order.json"), directory.with_suffix(ANSWER)
    answer.unlink(missing_ok=True)
    asked.write_text(json.dumps(order))
    began = host_time.monotonic()
    try:
        status, said = _starter().run(job, asked, answer, limit)
    except subprocess.TimeoutExpired:
        return Outcome(None, overdue=True, host_seconds=host_time.monotonic() - began)
    taken = host_time.monotonic() - began
    try:
        return Outcome(json.loads(answer.read_text()), host_seconds=taken)
    except (OSError, ValueError):
        last = said.strip().splitlines()[-1:] or ["without a word"]
        return Outcome(None, why=f"the monitor ended with status {status}: {last[0]}", host_seconds=taken)


_mine = threading.local()
_all: weakref.WeakSet[Starter] = weakref.WeakSet()


def _starter() -> Starter:
    """This thread's own; it goes with the thread. One that is gone is replaced."""
    found: Starter | None = getattr(_mine, "starter", None)
    if found is None or found.is_gone:
        found = _mine.starter = Starter(getattr(_mine, "cpus", None))
        _all.add(found)
    return found


def end_all() -> None:
    """End what all threads have under way: each `carry` raises RuntimeError. For who was interrupted."""
    for starter in list(_all):
        starter.end()


@contextmanager
def workers(jobs: int) -> Iterator[ThreadPoolExecutor]:
    """So many threads with a CPU each, for jobs. An exception, Ctrl-C among them, ends what they have under way."""
    with ThreadPoolExecutor(jobs, initializer=Claim(jobs)) as pool:
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            end_all()
            raise


class Claim:
    """Gives each of `jobs` threads a CPU of its own, in turn; one thread alone is left where it may be."""

    def __init__(self, jobs: int) -> None:
        self._cpus = itertools.cycle(self.cpus_of(jobs)) if jobs > 1 else None

    @staticmethod
    def cpus_of(jobs: int) -> list[int]:
        """One for each of so many; the same one again where there are not enough."""
        return list(itertools.islice(itertools.cycle(sorted(os.sched_getaffinity(0))), jobs))

    def __call__(self) -> None:
        """For the thread that calls."""
        if self._cpus is not None:
            _mine.cpus = {next(self._cpus)}
