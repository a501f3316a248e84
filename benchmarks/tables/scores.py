"""What a column's answers are worth: errors, of the whole and of the added time alone; ranks; directions.

>>> errors = [0.1, -0.3, 0.05]
>>> median_error(errors), share_within(errors, 0.25)
(0.1, 0.6666666666666666)
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from statistics import mean, median

from benchmarks.tables.model import Answer


@dataclass(frozen=True)
class Score:
    """Of some rows. Errors are shares of the survey's value; None: nothing to say. `nothing_median`, `nothing_within`: of a
    virtualized column that is the survey's native one, hence has no model; `layout`: rows left out of `direction`.
    """

    rows: int
    median: float | None = None
    within: float | None = None
    added_median: float | None = None
    added_within: float | None = None
    nothing_median: float | None = None
    nothing_within: float | None = None
    worst: str = ""
    rank: float | None = None
    factor_rank: float | None = None
    direction: float | None = None
    layout: int = 0


def score(answers: Sequence[Answer], virtualized: bool, within: float) -> Score:
    """Of answers to one column."""
    if not answers:
        return Score(0)
    told = [_target(answer, virtualized) for answer in answers]
    whole = [answer.total / target - 1 for answer, target in zip(answers, told, strict=True)]
    worst = max(zip(whole, answers, strict=True), key=lambda pair: abs(pair[0]))
    base = Score(
        len(answers),
        median_error(whole),
        share_within(whole, within),
        worst=f"{worst[1].case.row.name} {worst[0]:+.0%}",
        rank=spearman([answer.total for answer in answers], told),
    )
    return _added(base, answers, within) if virtualized else base


def _added(base: Score, answers: Sequence[Answer], within: float) -> Score:
    """With what only a virtualized column has: the added time, the factor, who is faster."""
    moved = [added_error(answer) for answer in answers]
    factors = [answer.total / answer.case.row.native_us for answer in answers]
    real = [answer.case.row.virtualized_us / answer.case.row.native_us for answer in answers]
    nothing = [1 / factor - 1 for factor in real]
    judged = [answer for answer in answers if answer.case.row.key not in layout_effects()]
    alike = [same_direction(answer) for answer in judged]
    return replace(
        base,
        added_median=median_error(moved),
        added_within=share_within(moved, within),
        nothing_median=median_error(nothing),
        nothing_within=share_within(nothing, within),
        factor_rank=spearman(factors, real),
        direction=mean(alike) if alike else None,
        layout=len(answers) - len(judged),
    )


def _target(answer: Answer, virtualized: bool) -> float:
    return answer.case.row.virtualized_us if virtualized else answer.case.row.native_us


def added_error(answer: Answer) -> float:
    """Of (virtualized - native) alone. Where the survey adds nothing: infinitely wrong, or right."""
    row = answer.case.row
    real, here = row.virtualized_us - row.native_us, answer.total - row.native_us
    if real == 0:
        return 0.0 if here == 0 else float("inf")
    return here / real - 1


def same_direction(answer: Answer) -> bool:
    """Whether the model has the same one faster as the survey has."""
    row = answer.case.row
    return (answer.total > row.native_us) == (row.virtualized_us > row.native_us)


@cache
def layout_effects() -> Mapping[str, str]:
    """Rows that the sources themselves call effects of memory layout, and where they say so."""
    data = tomllib.loads((Path(__file__).parent / "layout.toml").read_text())
    return {f"{table}.{row}": why for table, rows in data.items() for row, why in rows.items()}


def median_error(errors: Iterable[float]) -> float:
    """Of their absolute values."""
    return median(abs(error) for error in errors)


def share_within(errors: Sequence[float], limit: float) -> float:
    """How many of them, 0 to 1."""
    return sum(abs(error) <= limit for error in errors) / len(errors)


def spearman(one: Sequence[float], other: Sequence[float]) -> float | None:
    """Correlation of the ranks, ties shared; None for fewer than three or if nothing varies.

    >>> spearman([1, 2, 3, 4], [10, 30, 20, 40])
    0.8
    """
    if len(one) < 3:
        return None
    first, second = _ranks(one), _ranks(other)
    middle = (len(one) + 1) / 2
    over = sum((a - middle) * (b - middle) for a, b in zip(first, second, strict=True))
    under = sum((a - middle) ** 2 for a in first) * sum((b - middle) ** 2 for b in second)
    return round(over / under**0.5, 6) if under else None


def _ranks(values: Sequence[float]) -> list[float]:
    return [
        sum(other < value for other in values) + (sum(other == value for other in values) + 1) / 2 for value in values
    ]
