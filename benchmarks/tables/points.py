"""Points of curves: times of operations that are no row of a table, by the prices of the fits of their board.

The native time of a point is counts x native prices, the virtualized one that plus counts x added prices; where a flavour spares
flushes (PROTOCOL.md), without these. Every point is ours: the survey prints these figures without values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from benchmarks.operations import operations as known
from benchmarks.tables.cases import Case, Measured, combined
from benchmarks.tables.figures import Row
from benchmarks.tables.model import Answer, Solved, answer, unflushed

MEMORY_KIB = (1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 128, 256, 512, 1024)
CONTEXT_KIB = (0, 4, 8, 16, 32, 64)
PROCESSES = (2, 4, 8)
TRANSFERS = ("rd", "wr")
TRANSFER_KIB = (4, 8, 16, 32, 64, 128, 512)

Recipe = Mapping[str, float]


def _recipes() -> Mapping[str, Mapping[str, Recipe]]:
    """Figure -> point -> of which operations it is made."""
    context = {
        f"{processes}p_{kib}k": {f"ctx_{processes}p_{kib}k": 1.0, f"ctx_overhead_{processes}p_{kib}k": -1.0}
        for processes in PROCESSES
        for kib in CONTEXT_KIB
    }
    memory = {f"lat_{kib}": {f"lat_mem_{kib}": 1.0} for kib in MEMORY_KIB}
    transfers = {f"{way}_{kib}": {f"bw_mem_{way}_{kib}": 1.0 / kib} for way in TRANSFERS for kib in TRANSFER_KIB}
    two = {name: recipe for name, recipe in context.items() if name.startswith("2p")}
    return {"fig8": context, "fig13": memory | transfers, "fig18": two}


RECIPES = MappingProxyType(_recipes())
FITS = MappingProxyType({"fig8": "okl4-pxa255", "fig13": "l4linux", "fig18": "xen"})


@dataclass(frozen=True)
class Point:
    """Microseconds of one, native and virtualized. `native_answer`, `answer`: what they are the sums of."""

    native: float
    virtualized: float
    native_answer: Answer | None = None
    answer: Answer | None = None

    @property
    def factor(self) -> float:
        """Virtualized / native; of a time that came out as nothing: infinite."""
        return self.virtualized / self.native if self.native > 0 else float("inf")

    @property
    def gain(self) -> float:
        """Native / virtualized."""
        return self.native / self.virtualized if self.virtualized > 0 else float("inf")


def shape_operations(table: str, fit: str) -> list[str]:
    """What has to run for a figure's points; nothing if they are not made by this fit."""
    if FITS.get(table) != fit:
        return []
    names = (name for recipe in RECIPES[table].values() for name in recipe)
    return [name for name in dict.fromkeys(names) if name in known()]


def points(table: str, measured: Measured, native: Solved, virtualized: Solved) -> dict[str, Point]:
    """Those whose operations ran."""
    found = {}
    for name, recipe in RECIPES[table].items():
        if all(operation in measured for operation in recipe):
            found[name] = _point(Row(table, name, "us", 1.0, 1.0), combined(recipe, measured), native, virtualized)
    return found


def _point(row: Row, counts: Mapping[str, float], native: Solved, virtualized: Solved) -> Point:
    here = answer(Case(row, counts), 0.0, native.prices)
    case = Case(Row(row.table, row.name, "us", here.total, here.total), counts)
    given = unflushed(case, native.prices) if virtualized.problem.fit.unflushed else here.total
    there = answer(case, given, virtualized.prices)
    return Point(here.total, there.total, replace(here, case=case), there)
