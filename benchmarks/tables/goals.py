"""What the tables are to reach, and what they reach: `cellvisor bench goals`.

goals.toml says which figure of which rows is to be at most or at least what. Figures of the host's speed are no part of a table:
their goal is shown with the command that measures it.

>>> [goal.most for goal in goals() if goal.figure == "added_median"]
[0.17]
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table as Grid
from rich.text import Text

from benchmarks.samples import number
from benchmarks.tables.bench import Line, Table
from benchmarks.tables.fitting import Fitting
from benchmarks.tables.headlines import Headline
from benchmarks.tables.model import Answer
from benchmarks.tables.scores import Score, added_error, layout_effects, same_direction, score

PROTOCOL = (
    "the protocol is the second one, written when the scores of the first were known: benchmarks/tables/PROTOCOL.md"
)
TITLE = "goals: what is wanted and what is reached, each row by prices that have not seen it"
SHOWN = 4
"""Rows that are named as being beyond a limit."""


@dataclass(frozen=True)
class Goal:
    """One of the file."""

    says: str
    figure: str
    tables: tuple[str, ...] = ()
    column: str = ""
    each: bool = False
    most: float | None = None
    least: float | None = None
    command: str = ""

    def met(self, value: float) -> bool:
        """Whether this is enough."""
        return (self.most is None or value <= self.most) and (self.least is None or value >= self.least)

    @property
    def wanted(self) -> str:
        """In words."""
        limit, sign = (self.most, "<=") if self.most is not None else (self.least, ">=")
        return f"{sign} {self.told(limit)}" if limit is not None else ""

    def told(self, value: float) -> str:
        """A value of this figure, for people."""
        plain = self.figure in ("rank", "host", "parameters")
        return number(value) if plain else f"{value:.1%}"


@dataclass(frozen=True)
class Reached:
    """A goal beside what is so. `value`: None if nobody measured it here; `beyond`: rows that are too far, the worst first."""

    goal: Goal
    of: str
    value: float | None
    beyond: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """In a word."""
        return "not measured here" if self.value is None else "met" if self.goal.met(self.value) else "missed"


@cache
def goals() -> tuple[Goal, ...]:
    """All of them."""
    data = tomllib.loads((Path(__file__).parent / "goals.toml").read_text())
    return tuple(Goal(**{**each, "tables": tuple(each.get("tables", ()))}) for each in data["goal"])


def needed() -> tuple[str, ...]:
    """The figures that they are about."""
    return tuple(dict.fromkeys(name for goal in goals() for name in goal.tables))


def reached(tables: Mapping[str, Table], effects: Sequence[Headline], within: float) -> list[Reached]:
    """Every goal, judged."""
    return [one for goal in goals() for one in _judged(goal, tables, effects, within)]


def _judged(goal: Goal, tables: Mapping[str, Table], effects: Sequence[Headline], within: float) -> Iterator[Reached]:
    if goal.figure == "host":
        yield Reached(goal, goal.command, None)
    elif goal.figure == "headlines":
        gone = tuple(one.entry.row for one in effects if not one.holds)
        yield Reached(goal, f"{len(effects)} effects", 1 - len(gone) / len(effects), gone)
    elif goal.figure == "parameters":
        fits = {
            solved.problem.fit.name: solved.parameters for name in goal.tables for solved in tables[name].fits.values()
        }
        yield Reached(goal, f"{len(fits)} fits", max(fits.values(), default=None))
    else:
        for names in [(name,) for name in goal.tables] if goal.each else [goal.tables]:
            lines = [line for name in names for line in tables[name].lines]
            yield _scored(goal, ", ".join(names), lines, within)


def _scored(goal: Goal, of: str, lines: Sequence[Line], within: float) -> Reached:
    answers = [answer for line in lines if (answer := _answer(line, goal.column))]
    found: Score = score(answers, goal.column != "native", within)
    value = getattr(found, goal.figure) if answers else None
    words = tuple(_beyond(goal, answers, within)) if value is not None and not goal.met(value) else ()
    return Reached(goal, f"{of}: {len(answers)} rows", value, words)


def _answer(line: Line, column: str) -> Answer | None:
    """Of a line, by prices that have not seen the row."""
    if column == "native":
        return line.native
    predicted = line.answer if column == "unseen" and line.kind == "predicted" else None
    return line.left_out or predicted


def _beyond(goal: Goal, answers: Sequence[Answer], within: float) -> Iterator[str]:
    """Rows that stand against the goal."""
    if goal.figure == "direction":
        wrong = (one for one in answers if not same_direction(one) and one.case.row.key not in layout_effects())
        yield from (one.case.row.key for one in wrong)
    elif goal.figure != "rank":
        errors = {one.case.row.key: _error(goal, one) for one in answers}
        worst = sorted(errors, key=lambda key: -abs(errors[key]))[:SHOWN]
        yield from (f"{key} {errors[key]:+.0%}" for key in worst if abs(errors[key]) > within)


def _error(goal: Goal, one: Answer) -> float:
    row = one.case.row
    if goal.figure == "added_median":
        return added_error(one)
    return one.total / (row.native_us if goal.column == "native" else row.virtualized_us) - 1


# ---- as text and files


def shown(found: Sequence[Reached]) -> RenderableType:
    """For a terminal."""
    judged = [one for one in found if one.value is not None]
    kept = sum(one.verdict == "met" for one in judged)
    end = f"{kept} of {len(judged)} met; where nothing was measured, the command beside it does"
    return Group(Fitting(_grid(found), _lines(found)), Text(f"{end}\n{PROTOCOL}\n"))


def _value(one: Reached) -> str:
    return "-" if one.value is None else one.goal.told(one.value)


def _verdict(one: Reached) -> Text:
    return Text(one.verdict, style={"met": "green", "missed": "red"}.get(one.verdict, ""))


def _grid(found: Sequence[Reached]) -> Grid:
    grid = Grid(title=TITLE, title_justify="left")
    for head in ("goal", "of", "wanted", "reached", "", "worst rows"):
        grid.add_column(head, justify="right" if head in ("wanted", "reached") else "left")
    for one in found:
        grid.add_row(one.goal.says, one.of, one.goal.wanted, _value(one), _verdict(one), ", ".join(one.beyond))
    return grid


def _lines(found: Sequence[Reached]) -> RenderableType:
    """The same where there is no room for columns."""
    lines = [Text(TITLE + "\n", style="italic")]
    for one in found:
        reached = "" if one.value is None else f" {_value(one)}"
        lines.append(Text.assemble(_verdict(one), f"{reached} ({one.goal.wanted}): {one.goal.says} ({one.of})"))
        lines += [Text(f"  worst: {', '.join(one.beyond)}")] if one.beyond else []
    return Group(*lines)


def records(found: Sequence[Reached]) -> list[dict[str, object]]:
    """For files."""
    return [
        {
            "goal": one.goal.says,
            "of": one.of,
            "wanted": one.goal.wanted,
            "reached": one.value,
            "verdict": one.verdict,
            "worst": list(one.beyond),
        }
        for one in found
    ]
