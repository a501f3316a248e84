"""`bench FIGURE --explain ROW`: where every microsecond of a row comes from.

A row of a table is a sum of amounts x prices; so is a point of a figure without values (Figs. 8, 13, 18). A row of Fig. 10 is
what the flavours' records say of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich.console import Group, RenderableType
from rich.table import Table as Grid
from rich.text import Text

from benchmarks.samples import number
from benchmarks.tables import applications, architectures, causes, split
from benchmarks.tables.bench import Bench, Line, Table, native_of
from benchmarks.tables.cases import recipes
from benchmarks.tables.figures import RATES, Row, figure
from benchmarks.tables.judged import points_of
from benchmarks.tables.model import Answer, Prices
from benchmarks.tables.parts import term
from benchmarks.tables.points import FITS, RECIPES
from benchmarks.tables.protocol import protocol


def keys(name: str) -> list[str]:
    """What of a figure can be explained: FIGURE.ROW."""
    if rows := figure(name):
        return [row.key for row in rows]
    rows_of_records = dict.fromkeys(cell.row for cell in architectures.cells()) if name == "fig10" else ()
    return [f"{name}.{one}" for one in (rows_of_records or RECIPES.get(name, ()))]


def explained(bench: Bench, key: str) -> RenderableType:
    """The row with this key, of whichever figure."""
    name, _, row = key.partition(".")
    if name == "fig10":
        return architectures.shown(row)
    if not figure(name):
        return _point(bench, name, row)
    table = bench.table(name)
    line = next(line for line in table.lines if line.row.key == key)
    return Group(*_parts(line, table), *([Text(f"{key}: not measured: {line.missing}")] if line.missing else []))


def _parts(line: Line, table: Table) -> Iterator[RenderableType]:
    """Both columns of a row, and of what runs its counts are."""
    if line.answer:
        fit = table.fits["virtualized"]
        yield _sum(f"{line.row.key}, virtualized: {line.kind}", line.answer, fit.prices, virtualized=True)
    if native := line.native or line.native_beside:
        words = f"{line.row.key}, native: by prices of all other rows"
        prices = table.fits["native"].prices if "native" in table.fits else {}
        yield _sum(words, native, prices, virtualized=False)
    if line.loads:
        yield Text(f"{line.row.key}: {split.load_in_words(line.loads)}")
    if line.answer or line.native:
        kernel = next(iter(table.fits.values())).problem.fit.kernel
        yield Text(f"{_counted(line.row)}, counted on {kernel}{_meaning(line)}")


def _point(bench: Bench, name: str, row: str) -> RenderableType:
    """A point of a curve, whose native is ours as well."""
    found = points_of(name, bench)
    if isinstance(found, str):
        return Text(f"{name}.{row}: not measured: {found}")
    fit = bench.rules.fits[FITS[name]]
    prices = [_prices(bench, one.name) for one in (native_of(bench.rules, fit), fit)]
    native, there = found[row].native_answer, found[row].answer
    assert native is not None and there is not None  # points_of() makes both
    return Group(
        _sum(f"{name}.{row}, native (the survey prints no value)", native, prices[0], virtualized=False, told=False),
        _sum(f"{name}.{row}, virtualized", there, prices[1], virtualized=True, told=False),
        Text(f"{_recipe(RECIPES[name][row])}, counted on {fit.kernel}"),
    )


def _prices(bench: Bench, fit: str) -> Prices:
    solved = bench.solved(bench.rules.fits[fit])
    return {} if isinstance(solved, str) else solved.prices


# ---- as data


def record(bench: Bench, key: str) -> dict[str, object]:
    """The same for files: column -> amounts, prices (microseconds of one) and microseconds by term."""
    name, _, row = key.partition(".")
    if name == "fig10":
        return {"row": key, "cells": [cell for cell in architectures.records() if cell["row"] == row]}
    answers: dict[str, Answer | None]
    if figure(name):
        line = next(line for line in bench.table(name).lines if line.row.key == key)
        if line.loads:
            return {"row": key, "percent": dict(zip(("native", "virtualized"), line.loads, strict=True)), "why": ""}
        answers, missing = {"native": line.native or line.native_beside, "virtualized": line.answer}, line.missing
    else:
        found = points_of(name, bench)
        missing = found if isinstance(found, str) else ""
        one = None if isinstance(found, str) else found[row]
        answers = {"native": one.native_answer, "virtualized": one.answer} if one else {}
    return {"row": key, **{column: _data(one) for column, one in answers.items() if one}, "why": missing}


def _data(answer: Answer) -> dict[str, object]:
    parts = {name: {"amount": answer.case.amount(name), "us": time} for name, time in answer.parts.items()}
    start = {"given": answer.given, "spared": causes.spared(answer)}
    return {**start, "parts": parts, "us": answer.total, "calibrated": answer.calibrated}


# ---- a sum


def _sum(title: str, answer: Answer, prices: Prices, *, virtualized: bool, told: bool = True) -> Grid:
    """Amounts x prices = microseconds, and the total beside the survey's (`told`: it prints one)."""
    row, total = answer.case.row, answer.total or 1.0
    grid = Grid(title=f"{title}{_unit(row)}", title_justify="left")
    for head in ("part", "how many", "us each", "us", "share"):
        grid.add_column(head, justify="left" if head == "part" else "right")
    for words, time in start(answer, told=told) if virtualized else ():
        grid.add_row(words, "", "", _exact(time), "" if causes.spared(answer) else f"{time / total:.1%}")
    for name, time in answer.parts.items():
        amount = answer.case.amount(name)
        price = time / amount if amount else prices[name]
        grid.add_row(term(name).title, _exact(amount), _exact(price), _exact(time), f"{time / total:.1%}")
    grid.add_section()
    survey = row.virtualized_us if virtualized else row.native_us
    beside = f"survey {_exact(survey)}: {answer.total / survey - 1:+.1%}" if told else ""
    grid.add_row("sum", "", "", _exact(answer.total), beside)
    return grid


def start(answer: Answer, *, told: bool) -> Iterator[tuple[str, float]]:
    """What a virtualized time starts from. `told`: the survey prints its native time."""
    yield ("native, as the survey has it" if told else "native, as above"), answer.case.row.native_us
    if saved := causes.spared(answer):
        yield causes.TITLE, -saved


def _unit(row: Row) -> str:
    return f" (us of 1 {row.unit.removesuffix('/s')})" if row.unit in RATES else ""


def _exact(value: float) -> str:
    return f"{value:,.1f}" if abs(value) >= 100 else f"{value:.4g}"


# ---- of what


def _counted(row: Row) -> str:
    """The runs behind a row's amounts."""
    words = _recipe(recipes().get(row.key, {}))
    if row.table not in applications.TABLES:
        return words
    if row.name in protocol().predicted[row.table].stated:
        return f"{words}, as many as the survey says: the rest of its time is that of devices"
    short = recipes().get(row.key + applications.SHORT)
    both = f"{words} and {_recipe(short)} (its short input)" if short else words
    return f"{both}, as much of it as takes the survey's native {number(row.native)} {row.unit}"


def _recipe(recipe: Mapping[str, float]) -> str:
    """A sum of operations.

    >>> _recipe({"signal_catch": 1.0, "kill0": -1.0})
    'of signal_catch - kill0'
    """
    words = " ".join(
        f"{'-' if times < 0 else '+'} {'' if abs(times) == 1 else f'{abs(times):.4g} x '}{name}"
        for name, times in recipe.items()
    )
    return "of " + words.removeprefix("+ ")


def _meaning(line: Line) -> str:
    """Beside a row that prices come from, that its own error says nothing."""
    return "; prices come from this row, so that its error here is no prediction" if line.kind == "calibrated" else ""
