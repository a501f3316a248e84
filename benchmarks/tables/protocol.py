"""The protocol: what is fitted to which rows, and what is predicted. Read from protocol.toml, checked against the tables.

>>> protocol().fits["xen"].calibration[0], protocol().knee
('fig17.null_syscall', 0.15)
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.tables.figures import TITLES, Row, figure
from boards import BoardError, load_cpu

HERE = Path(__file__).parent
NATIVE, VIRTUALIZED = "native", "virtualized"


class ProtocolError(Exception):
    """The file does not say what can be done. The text is for people."""


@dataclass(frozen=True)
class Term:
    """A part of a time: the sum of some counters, each with its weight. `price`: what one costs, in words."""

    name: str
    title: str
    counters: Mapping[str, float]
    price: str
    why: str = ""
    signed: bool = False
    """Whether less than none of it is something: a difference between two kernels."""

    def amount(self, counts: Mapping[str, float]) -> float:
        """How many there are. Raises KeyError: a counter is not among the counts."""
        return sum(weight * counts[name] for name, weight in self.counters.items())


@dataclass(frozen=True)
class Fit:
    """Prices of `terms` from rows of `tables`. `calibration`: rows that they come from; empty: all.

    `kernel`: what ran while the events were counted. `unflushed`: a native fit whose prices say
    what a switch without flushes takes. `known`: terms whose price is that of a line in boards/cpu/CPU.toml, and is not fitted.
    """

    name: str
    column: str
    kernel: str
    tables: tuple[str, ...]
    terms: tuple[str, ...]
    calibration: tuple[str, ...] = ()
    flavour: str = "native"
    unflushed: str = ""
    known: Mapping[str, str] = field(default_factory=dict)

    @property
    def all_terms(self) -> tuple[str, ...]:
        """Those of fitted prices, and those of known ones."""
        return (*self.terms, *self.known)

    @property
    def known_prices(self) -> dict[str, float]:
        """Term -> microseconds of one."""
        return {term: line_fill_us(cpu) for term, cpu in self.known.items()}

    @property
    def virtualized(self) -> bool:
        """Which column it is of."""
        return self.column == VIRTUALIZED


@dataclass(frozen=True)
class Predicted:
    """Rows of a table that no fit sees, and the fit whose prices they take. `rows`: empty for all. `stated`: those whose input
    the survey says, so that their counts are not scaled until they take its native time.
    """

    table: str
    fit: str
    rows: tuple[str, ...] = ()
    stated: tuple[str, ...] = ()


@dataclass(frozen=True)
class Protocol:
    """All of it. `knee`, `least_added`, `within`: as the file says."""

    knee: float
    least_added: float
    within: float
    most_parameters: int
    fits: Mapping[str, Fit]
    predicted: Mapping[str, Predicted]

    def rows(self, fit: Fit) -> list[Row]:
        """The rows that it may be fitted to, or is scored by: those that are never in a fit are not among them."""
        hidden = {f"{one.table}.{name}" for one in self.predicted.values() for name in one.rows}
        return [row for table in fit.tables for row in figure(table) if row.key not in hidden]

    def fit_of(self, table: str, column: str) -> Fit | None:
        """The fit that a table's column is scored by."""
        found = (fit for fit in self.fits.values() if table in fit.tables and fit.column == column)
        return next(found, None)


@cache
def line_fill_us(cpu: str) -> float:
    """What a line of a first-level cache takes, by boards/cpu.

    Raises:
        ProtocolError: there is no such CPU.
    """
    try:
        found = load_cpu(cpu)
    except BoardError as error:
        raise ProtocolError(f"protocol.toml: known: {error}") from None
    return found.memory["line_fill"].cycles / found.clock_hz * 1e6


@cache
def terms() -> Mapping[str, Term]:
    """All terms."""
    return {name: Term(name=name, **fields) for name, fields in _read("terms.toml").items()}


@cache
def protocol() -> Protocol:
    """The one of this package.

    Raises:
        ProtocolError: it names what is not there, or fits more prices than it may.
    """
    return checked(_read("protocol.toml"))


def checked(data: Mapping[str, Any]) -> Protocol:
    """A protocol from what a file has.

    Raises:
        ProtocolError: as `protocol`.
    """
    fits = {name: Fit(name=name, **_tuples(fields)) for name, fields in data["fits"].items()}
    predicted = {name: Predicted(table=name, **_tuples(fields)) for name, fields in data["predicted"].items()}
    made = Protocol(data["knee"], data["least_added"], data["within"], data["most_parameters"], fits, predicted)
    for fit in fits.values():
        _check(fit, made)
    for one in predicted.values():
        if unknown := set(one.stated) - {row.name for row in figure(one.table)}:
            raise ProtocolError(
                f"protocol.toml: predicted.{one.table}.stated: no such rows: {', '.join(sorted(unknown))}"
            )
        if one.fit not in fits or one.table not in TITLES:
            raise ProtocolError(f"protocol.toml: predicted.{one.table}: there is no fit {one.fit!r} or no such table")
    return made


def _check(fit: Fit, made: Protocol) -> None:
    keys = {row.key for row in made.rows(fit)}
    where = f"protocol.toml: fits.{fit.name}"
    if unknown := set(fit.all_terms) - set(terms()):
        raise ProtocolError(f"{where}.terms: no such terms: {', '.join(sorted(unknown))}")
    if unknown := set(fit.calibration) - keys:
        raise ProtocolError(f"{where}.calibration: no such rows: {', '.join(sorted(unknown))}")
    if len(fit.terms) > made.most_parameters:
        raise ProtocolError(f"{where}: {len(fit.terms)} prices, {made.most_parameters} are allowed")
    if len(fit.calibration or keys) < len(fit.terms):
        raise ProtocolError(f"{where}: {len(fit.terms)} prices from {len(fit.calibration)} rows")
    if fit.column not in (NATIVE, VIRTUALIZED) or (fit.unflushed and fit.unflushed not in made.fits):
        raise ProtocolError(f"{where}: column or unflushed: no such thing")
    for cpu in fit.known.values():
        line_fill_us(cpu)


def _tuples(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()}


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((HERE / name).read_text())
