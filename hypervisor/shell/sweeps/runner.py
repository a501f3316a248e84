"""A sweep from beginning to end: what is not known yet is run, on any executor; what is known is taken from the directory.

    sweep.json               the sweep's name: marks the directory as ours
    results.jsonl            a line for each point that was run, with all figures of its run
    runs/ID/                 run directories, for `cellvisor replay`
    results.csv, .parquet    the points of the last start: axes, metrics, where they come from
    plots/                   the pictures

A sweep that grew, or lost values and got them back, runs only what is missing; lines of points that it has no more are kept.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import asdict
from pathlib import Path

from hypervisor.shell.runs.book import Book
from hypervisor.shell.runs.spread import spread
from hypervisor.shell.sweeps.point import BAD, CRASH, Found, carry_out
from hypervisor.shell.sweeps.sweep import Point, Sweep

MARK, FORMAT = "sweep.json", "cellvisor-sweep-1"
Results = dict[str, Found]
"""By the id of a point."""


class Directory:
    """A sweep's directory, made or taken up again.

    Raises:
        RunDirError: it cannot be written, or holds something else.
    """

    def __init__(self, path: Path, sweep: Sweep) -> None:
        self._book = Book(path, MARK, {"format": FORMAT, "name": sweep.name}, "sweep")
        self.path = path

    def known(self) -> Results:
        """What was run already; a line that is cut short is left out, and what may come out otherwise too."""
        found: Results = {}
        lines: dict[str, str] = {}
        for line in self._book.lines():
            try:
                data = json.loads(line)
                key, result = str(data.pop("id")), Found(**data)
            except (ValueError, TypeError, KeyError, AttributeError):
                continue
            if result.is_final:
                found[key], lines[key] = result, line + "\n"
        self._book.keep(lines.values())
        return found

    def add(self, key: str, found: Found) -> None:
        """One more, on the disk before the next is told."""
        self._book.add(json.dumps({"id": key, **asdict(found)}) + "\n")

    def run(self, key: str) -> Path:
        """The run directory of a point."""
        return self._book.run(key)


def run_sweep(
    sweep: Sweep,
    directory: Directory,
    executor: Executor,
    told: Callable[[Found | None, int, int], None] = lambda _found, _done, _all: None,
) -> Results:
    """All points that are not known yet; of every point that can be run, what came of it. `told`: after each.

    Raises:
        RunDirError: a result cannot be written.
    """
    wanted = {point.id: point for point in sweep.points if not point.bad}
    results = {key: found for key, found in directory.known().items() if key in wanted}
    told(None, len(results), len(wanted))
    tasks = {key: sweep.task(point, directory.run(key)) for key, point in wanted.items() if key not in results}
    for key, found in spread(executor, carry_out, tasks, _lost):
        results[key] = found
        if found.status != BAD:
            directory.add(key, found)
        told(found, len(results), len(wanted))
    return results


def _lost(error: Exception) -> Found:
    """An executor whose worker is gone for good says so."""
    return Found(CRASH, f"its worker is gone: {type(error).__name__}: {error}".rstrip(": "))


def found_of(point: Point, results: Results) -> Found:
    """What came of a point, also of one that cannot be run."""
    return point.verdict if point.bad else results[point.id]
