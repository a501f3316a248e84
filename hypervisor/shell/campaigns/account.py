"""The results of a campaign counted: verdicts with intervals, the matrix of faults and cells, times. Data for all reports."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from hypervisor.faults import Verdict, wilson
from hypervisor.faults.verdict import SEVERITY
from hypervisor.shell.campaigns.result import Result

FEARED = frozenset({Verdict.ESCAPED, Verdict.HANG, Verdict.MONITOR_FAILURE})
"""Told even if they were never given."""


@dataclass(frozen=True)
class Count:
    """How often a verdict was given, of how many, and the 95 % interval of its share."""

    verdict: Verdict
    times: int
    of: int
    low: float
    high: float


@dataclass(frozen=True)
class Square:
    """A place of the matrix: the worst verdict of a cell under a fault, and how often each was given."""

    worst: Verdict
    counts: dict[str, int]

    @property
    def text(self) -> str:
        """ "contained 4", or "degraded 1 of 4"."""
        times, total = self.counts[self.worst], sum(self.counts.values())
        return f"{self.worst} {times}" if times == total else f"{self.worst} {times} of {total}"


@dataclass(frozen=True)
class Row:
    """A fault and its victim: what came of it on the whole, and of each cell (None: no verdict was possible)."""

    action: str
    victim: str
    whole: Square
    cells: tuple[Square | None, ...]


@dataclass(frozen=True)
class Matrix:
    """Containment in a topology under one flavour: a row per fault and victim, a column per cell. `title`: for people."""

    topology: str
    flavour: str
    title: str
    cells: tuple[str, ...]
    rows: tuple[Row, ...]


def count(results: Sequence[Result]) -> list[Count]:
    """Verdicts from harmless to grave; those that were never given only if they are the ones to fear."""
    times = Counter(result.verdict for result in results)
    return [
        Count(verdict, times[verdict], len(results), *wilson(times[verdict], len(results)))
        for verdict in SEVERITY
        if times[verdict] or verdict in FEARED
    ]


def matrices(results: Sequence[Result]) -> list[Matrix]:
    """One for each topology and flavour, in the order of the results."""
    where = dict.fromkeys((result.topology, result.flavour) for result in results)
    several = len({topology for topology, _ in where}) > 1
    found = []
    for topology, flavour in where:
        mine = [each for each in results if (each.topology, each.flavour) == (topology, flavour)]
        found.append(_matrix(topology, flavour, f"{topology} under {flavour}" if several else f"under {flavour}", mine))
    return found


def _matrix(topology: str, flavour: str, title: str, results: list[Result]) -> Matrix:
    cells = tuple(dict.fromkeys(cell for result in results for cell in result.cells))
    keys = dict.fromkeys((result.action, result.victim) for result in results)
    rows: list[Row] = []
    for action, victim in keys:
        mine = [result for result in results if (result.action, result.victim) == (action, victim)]
        whole = _square([result.verdict for result in mine])
        assert whole is not None
        rows.append(Row(action, victim, whole, tuple(_square(_of(mine, cell)) for cell in cells)))
    return Matrix(topology, flavour, title, cells, tuple(rows))


def _of(results: Iterable[Result], cell: str) -> Iterator[str]:
    """The verdicts on a cell."""
    return (result.cells[cell][0] for result in results if cell in result.cells)


def _square(verdicts: Iterable[str]) -> Square | None:
    """None if there are none."""
    found = Counter(verdicts)
    if not found:
        return None
    worst = max(found, key=lambda verdict: SEVERITY.index(Verdict(verdict)))
    return Square(Verdict(worst), dict(found))


def worst_first(results: Sequence[Result]) -> list[Result]:
    """The grave ones on top; else in the campaign's order."""
    return sorted(results, key=lambda result: -SEVERITY.index(Verdict(result.verdict)))


def spans(values: Iterable[int | None]) -> tuple[int, int, int, int] | None:
    """(count, least, median, greatest) of those that are."""
    known = sorted(value for value in values if value is not None)
    return (len(known), known[0], known[(len(known) - 1) // 2], known[-1]) if known else None
