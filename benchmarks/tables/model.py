"""The model: a time is what is given plus amounts x prices. Fitting, predicting, leaving one out.

The given part of a virtualized row is the survey's own native value (times a factor where the flavour does not flush,
PROTOCOL.md), of a native one nothing. Every microsecond that the model says is therefore a product that `parts` lists.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from benchmarks.tables.cases import Case
from benchmarks.tables.protocol import Fit, Protocol
from benchmarks.tables.solve import huber

Prices = Mapping[str, float]
"""Term -> microseconds of one."""


@dataclass(frozen=True)
class Problem:
    """Cases of a fit, and what is given of each (microseconds), by the row's key."""

    fit: Fit
    protocol: Protocol
    cases: Sequence[Case]
    given: Mapping[str, float]

    def target(self, case: Case) -> float:
        """The survey's value of the column, in microseconds."""
        return case.row.virtualized_us if self.fit.virtualized else case.row.native_us

    def weight(self, case: Case) -> float:
        """What a residual is multiplied by: one over what it is relative to."""
        value = self.target(case)
        if not self.fit.virtualized:
            return 1 / value
        added = max(abs(value - self.given[case.row.key]), self.protocol.least_added * value)
        return float((value * added) ** -0.5)

    def prices(self, rows: Sequence[Case]) -> Prices:
        """Fitted to these, and those that are known."""
        known = self.fit.known_prices
        amounts = [[case.amount(term) for term in self.fit.terms] for case in rows]
        before = [self.given[case.row.key] + answer(case, 0.0, known).added for case in rows]
        targets = [self.target(case) - start for case, start in zip(rows, before, strict=True)]
        found = huber(amounts, targets, [self.weight(case) for case in rows], self.protocol.knee)
        return dict(zip(self.fit.terms, found, strict=True)) | known

    def calibrated(self) -> Prices:
        """Fitted to the rows that the protocol names."""
        chosen = [case for case in self.cases if not self.fit.calibration or case.row.key in self.fit.calibration]
        return self.prices(chosen)

    def without(self, case: Case) -> Prices:
        """Fitted to all rows but one."""
        return self.prices([other for other in self.cases if other is not case])


@dataclass(frozen=True)
class Answer:
    """What the model says of a row: microseconds given, and by term. `calibrated`: whether its prices come from it, too."""

    case: Case
    given: float
    parts: Mapping[str, float]
    calibrated: bool = False

    @property
    def added(self) -> float:
        """What the counted events cost."""
        return sum(self.parts.values())

    @property
    def total(self) -> float:
        """Of the column."""
        return self.given + self.added


@dataclass(frozen=True)
class Solved:
    """A fit and what came of it: answers by row, and (`left_out`) those of prices that did not see the row."""

    problem: Problem
    prices: Prices
    answers: Mapping[str, Answer]

    @property
    def parameters(self) -> int:
        """Prices that were fitted."""
        return len(self.problem.fit.terms)

    @cached_property
    def left_out(self) -> Mapping[str, Answer]:
        """As `answers`."""
        given, cases = self.problem.given, self.problem.cases
        return {case.row.key: answer(case, given[case.row.key], self.problem.without(case)) for case in cases}


def answer(case: Case, given: float, prices: Prices, calibrated: bool = False) -> Answer:
    """With these prices."""
    return Answer(case, given, {term: case.amount(term) * price for term, price in prices.items()}, calibrated)


def solve(problem: Problem) -> Solved:
    """Prices by the protocol, and what they say of each row."""
    prices = problem.calibrated()
    known = problem.fit.calibration or [case.row.key for case in problem.cases]
    keys = {case.row.key: case for case in problem.cases}
    return Solved(
        problem, prices, {key: answer(case, problem.given[key], prices, key in known) for key, case in keys.items()}
    )


def unflushed(case: Case, native: Prices) -> float:
    """The survey's native time times what the model says a run without flushes at its switches takes of one with them."""
    full = sum(case.amount(term) * price for term, price in native.items())
    spared = (case.amount("miss") - case.amount("miss_unflushed")) * native["miss"]
    return case.row.native_us * (1 - spared / full) if full > 0 else case.row.native_us
