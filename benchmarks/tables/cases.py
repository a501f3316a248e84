"""From counts of operations to what a row is made of (benchmarks/operations.toml).

A case is a row with its amounts: how many entries, cold lines, switches and so on one of it has.

>>> recipes()["fig11.signal_handler"]
{'signal_catch': 1.0, 'kill0': -1.0}
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from benchmarks.operations import rows as operation_rows
from benchmarks.tables import parts
from benchmarks.tables.figures import Row
from benchmarks.tables.protocol import terms

Counts = Mapping[str, float]
"""Of one operation, once: counter -> how often."""
Measured = Mapping[str, Counts]
"""Operation -> its counts, of one kernel."""


@dataclass(frozen=True)
class Case:
    """A row and its amounts: term -> how many in one of it. `counts`: what they were made of."""

    row: Row
    counts: Counts

    def amount(self, term: str) -> float:
        """Of a term; never below zero, for a difference of two measurements can be (noise of a switch or two)."""
        found = parts.term(term)
        amount = found.amount(self.counts)
        return amount if found.signed else max(amount, 0.0)

    def lacks(self, wanted: Iterable[str]) -> list[str]:
        """Counters that these terms need and nobody counted."""
        needed = {counter for term in wanted for counter in terms()[term].counters}
        return sorted(needed - set(self.counts))


@cache
def recipes() -> Mapping[str, Mapping[str, float]]:
    """A row's key -> operation -> how often; rows that nothing here stands for are not in it."""
    return {
        f"{row.figure}.{row.name}": {name: times / row.per for name, times in row.terms.items()}
        for row in operation_rows()
    }


def operations(rows: Iterable[Row]) -> list[str]:
    """All that have to run for these rows, each once."""
    names = (name for row in rows for name in recipes().get(row.key, {}))
    return list(dict.fromkeys(names))


def case(row: Row, measured: Measured) -> Case | None:
    """None if an operation of it was not measured, or nothing stands for the row."""
    recipe = recipes().get(row.key)
    if not recipe or any(name not in measured for name in recipe):
        return None
    return Case(row, combined(recipe, measured))


def combined(recipe: Mapping[str, float], measured: Measured) -> dict[str, float]:
    """The sum of some operations' counts, each so often; of counters that all of them have."""
    common = set.intersection(*(set(measured[name]) for name in recipe))
    return {counter: sum(times * measured[name][counter] for name, times in recipe.items()) for counter in common}
