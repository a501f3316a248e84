"""Tables from counts: which operations have to run, what is fitted, and a line for each row.

from benchmarks.machine_runs import counts
table = Bench(counts).table("fig17")
table.lines[0].answer.total      # microseconds that the model says of the virtualized column
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol as Shape

from benchmarks.tables import applications, split
from benchmarks.tables.cases import Case, Measured, case, operations, recipes
from benchmarks.tables.figures import Row, figure
from benchmarks.tables.model import Answer, Problem, Solved, answer, solve, unflushed
from benchmarks.tables.points import shape_operations
from benchmarks.tables.protocol import NATIVE, VIRTUALIZED, Fit, Predicted, Protocol, protocol


class Source(Shape):
    """Who counts: operations of a kernel -> counts of one of each. What could not be counted is left out."""

    def __call__(self, kernel: str, operations: Sequence[str], *, caches: bool) -> Measured: ...  # noqa: D102


@dataclass(frozen=True)
class Line:
    """A row and what the model says of it.

    `answer`: of the virtualized column by the protocol's prices; `left_out`: by prices of all other rows; `native`: of the native
    column, by prices of all other rows. None if there is none, and `missing` says why.
    """

    row: Row
    answer: Answer | None = None
    left_out: Answer | None = None
    native: Answer | None = None
    missing: str = ""
    loads: tuple[float, float] | None = None
    """Native and virtualized, of a row that is a load in percent and no time."""
    native_beside: Answer | None = None
    """Of the native column, of a row that its fit never sees: shown, and not scored (PROTOCOL.md)."""

    @property
    def kind(self) -> str:
        """What its virtualized value is."""
        if self.answer is None:
            return "predicted" if self.loads else "not measured"
        return "calibrated" if self.answer.calibrated else "predicted"


@dataclass(frozen=True)
class Table:
    """A figure of the survey with our side of it. `fits`: column -> what was fitted; `problems`: what could not be had;
    `remarks`: what else there is to say of its rows.
    """

    name: str
    lines: Sequence[Line]
    fits: Mapping[str, Solved] = field(default_factory=dict)
    problems: Sequence[str] = ()
    remarks: Sequence[str] = ()


class Bench:
    """All that the counts of one source give. Each kernel is asked once, for the operations of the tables that are wanted."""

    def __init__(self, source: Source, wanted: Iterable[str] = (), rules: Protocol | None = None) -> None:
        self.source = source
        self.rules = rules or protocol()
        self.wanted = tuple(wanted)
        self._solved: dict[str, Solved | str] = {}

    @cached_property
    def measured(self) -> Mapping[str, Measured]:
        """Kernel -> operation -> counts."""
        return {
            kernel: self.source(kernel, names, caches=True)
            for kernel, names in self.needs(self.wanted).items()
            if names
        }

    def needs(self, tables: Iterable[str]) -> Mapping[str, list[str]]:
        """Kernel -> operations that have to be counted for these tables: those of the fits, and those of the rows themselves."""
        found: dict[str, list[str]] = {}
        for fit in self.fits(tables):
            rows = [*self.rules.rows(fit), *self._extra(fit, tables)]
            names = [*operations([*rows, *split.over_loopback(rows)]), *applications.operations(rows)]
            names += [name for table in tables for name in shape_operations(table, fit.name)]
            found[fit.kernel] = list(dict.fromkeys([*found.get(fit.kernel, []), *names]))
        return found

    def fits(self, tables: Iterable[str]) -> list[Fit]:
        """Those that these tables need."""
        names: dict[str, None] = {}
        for table in tables:
            one = self.rules.predicted.get(table)
            chosen = [self.rules.fit_of(table, column) for column in (NATIVE, VIRTUALIZED)]
            for fit in (*chosen, self.rules.fits[one.fit] if one else None):
                if fit:
                    names |= dict.fromkeys([native_of(self.rules, fit).name, fit.name])
        return [self.rules.fits[name] for name in names]

    def _extra(self, fit: Fit, tables: Iterable[str]) -> list[Row]:
        """Rows that are predicted by this fit and stand in none."""
        ones = (one for table in tables if (one := self.rules.predicted.get(table)) and one.fit == fit.name)
        return [row for one in ones for row in _rows_of(one)]

    def cases(self, fit: Fit, rows: Iterable[Row]) -> tuple[list[Case], dict[str, str]]:
        """Of rows that can be had, and why others cannot: key -> words."""
        measured = self.measured.get(fit.kernel, {})
        made, missing = [], {}
        for row in rows:
            found = case(row, measured)
            lacking = found.lacks(fit.all_terms) if found else []
            if found and not lacking:
                made.append(found)
            else:
                missing[row.key] = _why(row, measured, lacking)
        return made, missing

    def solved(self, fit: Fit) -> Solved | str:
        """The fit's outcome; or, in words, why there is none."""
        if fit.name not in self._solved:
            self._solved[fit.name] = self._solve(fit)
        return self._solved[fit.name]

    def _solve(self, fit: Fit) -> Solved | str:
        cases, missing = self.cases(fit, self.rules.rows(fit))
        if gone := [f"{key} ({missing[key]})" for key in fit.calibration if key in missing]:
            return f"{fit.name} cannot be fitted: not measured: {', '.join(gone)}"
        if len(cases) <= len(fit.terms):
            reasons = sorted(set(missing.values()))
            return f"{fit.name} cannot be fitted: {len(cases)} rows for {len(fit.terms)} prices: {'; '.join(reasons)}"
        given = self._given(fit, cases)
        return given if isinstance(given, str) else solve(Problem(fit, self.rules, cases, given))

    def _given(self, fit: Fit, cases: Sequence[Case]) -> dict[str, float] | str:
        """What stands before any price, by row."""
        if not fit.virtualized:
            return {case.row.key: 0.0 for case in cases}
        if not fit.unflushed:
            return {case.row.key: case.row.native_us for case in cases}
        native = self.solved(self.rules.fits[fit.unflushed])
        if isinstance(native, str):
            return native
        if lacking := {name for case in cases for name in case.lacks(("miss", "miss_unflushed"))}:
            return f"{fit.name} cannot be fitted: nobody counted {', '.join(sorted(lacking))}"
        return {case.row.key: unflushed(case, native.prices) for case in cases}

    def table(self, name: str) -> Table:
        """A figure with values."""
        fits: dict[str, Solved] = {}
        problems: list[str] = []
        one = self.rules.predicted.get(name)
        chosen = {column: self.rules.fit_of(name, column) for column in (NATIVE, VIRTUALIZED)}
        chosen[VIRTUALIZED] = chosen[VIRTUALIZED] or (self.rules.fits[one.fit] if one else None)
        if (fit := chosen[VIRTUALIZED]) and any(map(split.is_streamed, figure(name))):
            chosen[NATIVE] = native_of(self.rules, fit)
        for column, fit in chosen.items():
            found = self.solved(fit) if fit else None
            if isinstance(found, str):
                problems.append(found)
            elif found:
                fits[column] = found
        hidden = set(one.rows or [row.name for row in figure(name)]) if one else set()
        make: Callable[[Row], Line] = lambda row: self._line(row, fits, row.name in hidden)  # noqa: E731
        lines = [make(row) for row in figure(name)]
        return Table(name, lines, fits, problems, self._remarks(lines, fits))

    def _line(self, row: Row, fits: Mapping[str, Solved], hidden: bool) -> Line:
        native = fits[NATIVE].left_out.get(row.key) if NATIVE in fits else None
        solved = fits.get(VIRTUALIZED)
        if solved is None:
            return Line(row, native=native, missing="no prices")
        fit = solved.problem.fit
        if not hidden:
            missing = "" if row.key in solved.answers else self.cases(fit, [row])[1][row.key]
            return Line(row, solved.answers.get(row.key), solved.left_out.get(row.key), native, missing)
        if split.is_streamed(row):
            return self._streamed(row, solved)
        if not row.timed:
            return Line(row, missing=f"{row.unit} is no time")
        measured = self.measured.get(fit.kernel, {})
        if row.table in applications.TABLES:
            stated = row.name in self.rules.predicted[row.table].stated
            found = applications.scaled(row, measured, self.solved(native_of(self.rules, fit)), stated=stated)
        else:
            made, why = self.cases(fit, [row])
            found = made[0] if made else why[row.key]
        given = found if isinstance(found, str) else self._given(fit, [found])
        if isinstance(found, str) or isinstance(given, str):
            return Line(row, native=native, missing=str(found if isinstance(found, str) else given))
        beside = self._native_beside(row, found, fit)
        return Line(row, answer(found, given[row.key], solved.prices), native=native, native_beside=beside)

    def _native_beside(self, row: Row, found: Case, fit: Fit) -> Answer | None:
        """By the prices of the same board; of an application there is none, whose counts are scaled to its native time."""
        native = self.solved(native_of(self.rules, fit))
        if row.table in applications.TABLES or isinstance(native, str) or found.lacks(native.problem.fit.terms):
            return None
        return answer(found, 0.0, native.prices)

    def _streamed(self, row: Row, virtualized: Solved) -> Line:
        """A row of a stream through a split driver."""
        fit = virtualized.problem.fit
        native = self.solved(native_of(self.rules, fit))
        measured = self.measured.get(fit.kernel, {})
        found = split.case(row, measured)
        if found is None or isinstance(native, str):
            return Line(row, missing=_why(row, measured, ()) if found is None else str(native))
        if not row.timed:
            return Line(row, loads=split.loads(found))
        return Line(
            row, split.virtualized_answer(found, native, virtualized), native_beside=split.native_answer(found, native)
        )

    def _remarks(self, lines: Sequence[Line], fits: Mapping[str, Solved]) -> list[str]:
        """Of rows of such streams."""
        made = []
        for line in lines:
            if line.answer and split.is_streamed(line.row):
                solved = fits[VIRTUALIZED]
                bare, _ = self.cases(solved.problem.fit, split.over_loopback([line.row]))
                other = [answer(case, line.row.native_us, solved.prices) for case in bare]
                made.append(split.remark(line.answer, other[0] if other else None))
        return made


def native_of(rules: Protocol, fit: Fit) -> Fit:
    """The native fit of the same kernel."""
    return next(one for one in rules.fits.values() if one.kernel == fit.kernel and not one.virtualized)


def _rows_of(one: Predicted) -> list[Row]:
    return [row for row in figure(one.table) if not one.rows or row.name in one.rows]


def _why(row: Row, measured: Measured, lacking: Sequence[str]) -> str:
    """Words for a row without counts."""
    recipe = recipes().get(row.key)
    if not recipe:
        return "no operation stands for it"
    gone = [name for name in recipe if name not in measured]
    return f"{', '.join(gone)} did not run" if gone else f"nobody counted {', '.join(lacking)}"
