"""Tables for a terminal: a figure of the survey beside ours, its scores, the sum that a row is made of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table as Grid
from rich.text import Text

from benchmarks.samples import number
from benchmarks.tables.bench import Line, Table
from benchmarks.tables.figures import NOTES, TITLES, source
from benchmarks.tables.model import Answer, Solved
from benchmarks.tables.protocol import terms
from benchmarks.tables.scores import Score, layout_effects
from benchmarks.tables.shapes import Shape
from benchmarks.tables.summary import Summary, rows_of

HEADS = ("row", "unit", "native", "model", "virtualized", "model", "overhead", "model", "error", "main cause", "")
MARKS = {"calibrated": "*", "predicted": "", "not measured": ""}


def shown(table: Table, total: Summary) -> RenderableType:
    """A figure, and below it what it is worth."""
    grid = Grid(
        title=f"{table.name}: {TITLES[table.name]}", title_justify="left", caption=_caption(), caption_justify="left"
    )
    for place, head in enumerate(HEADS):
        grid.add_column(head, justify="left" if place in (0, 1, 9, 10) else "right", no_wrap=place != 10)
    for line, record in zip(table.lines, rows_of(table), strict=True):
        grid.add_row(*_cells(line, record))
    return Group(
        grid,
        *(Text(text, style="yellow") for text in table.problems),
        *(Text(prices(solved)) for solved in table.fits.values()),
        *(Text(text) for text in scores(total)),
        *_notes(table.name),
        Text(f"survey: {source(table.name)}\n", style="dim"),
    )


def _notes(name: str) -> list[Text]:
    return [Text(f"here: {NOTES[name]}", style="dim")] if name in NOTES else []


def _caption() -> str:
    return (
        "* a price comes from this row; native model: by prices of all other rows; overhead: over the survey's native"
    )


def _cells(line: Line, record: dict[str, Any]) -> list[str]:
    cause = terms()[record["cause"]].title if record["cause"] else ""
    note = (
        f"not measured: {line.missing}"
        if line.missing
        else "layout (source)"
        if line.row.key in layout_effects()
        else ""
    )
    plain = [_number(record[key]) for key in ("native", "native_model", "virtualized", "virtualized_model")]
    shares = [_share(record[key]) for key in ("overhead", "overhead_model", "error")]
    return [line.row.name + MARKS[line.kind], line.row.unit, *plain, *shares, cause, note]


def _number(value: float | None) -> str:
    return "-" if value is None else number(value) if abs(value) < 1000 else f"{value:,.0f}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:+.1%}" if abs(value) < 0.1 else f"{value:+.0%}"


def prices(solved: Solved) -> str:
    """A fit's prices, and where they come from."""
    fit = solved.problem.fit
    each = ", ".join(f"{terms()[name].title} {number(price)}" for name, price in solved.prices.items())
    rows = ", ".join(key.partition(".")[2] for key in fit.calibration) or f"all {len(solved.problem.cases)} rows"
    return f"{fit.name}: us each: {each}; calibrated on {rows} ({fit.kernel})"


def scores(total: Summary) -> Iterator[str]:
    """The aggregates, a line each."""
    if total.predicted.rows:
        kinds = f"{total.predicted_rows} rows predicted ({total.calibrated_rows} calibrated)"
        yield f"virtualized, {kinds}: {_score(total.predicted)}"
    if total.left_out.rows:
        yield f"virtualized, each row left out: {_score(total.left_out)}"
    if total.native.rows:
        yield f"native, each row left out: {_score(total.native)}"
    if total.factor is not None:
        yield f"end to end, factor from modelled native and added time, each row left out: median error {total.factor:.1%}"
    if total.parameters:
        yield "free parameters: " + ", ".join(f"{name} {count}" for name, count in total.parameters.items())
    if total.missing_rows:
        yield f"not measured: {total.missing_rows} rows"


def _score(one: Score) -> str:
    parts = [f"median error {one.median:.1%}", f"{one.within:.0%} within 25 %", f"worst {one.worst}"]
    if one.added_median is not None:
        parts.append(f"added time alone {one.added_median:.0%}, {one.added_within:.0%} within 25 %")
    if one.rank is not None:
        parts.append(
            f"rank {one.rank:.2f}" + (f", of the factor {one.factor_rank:.2f}" if one.factor_rank is not None else "")
        )
    if one.direction is not None:
        apart = f" ({one.layout} layout effects apart)" if one.layout else ""
        parts.append(f"direction {one.direction:.0%}{apart}")
    return "; ".join(parts)


# ---- one row


def explained(line: Line, table: Table) -> RenderableType:
    """Where every microsecond of a row comes from."""
    parts: list[RenderableType] = []
    if line.answer:
        solved = table.fits["virtualized"]
        parts.append(_sum(f"{line.row.key}, virtualized: {line.kind}", line.answer, solved))
    if line.native:
        parts.append(_sum(f"{line.row.key}, native: by prices of all other rows", line.native, table.fits["native"]))
    return Group(*parts, *([Text(f"not measured: {line.missing}")] if line.missing else []))


def explained_in(table: Table, key: str) -> RenderableType:
    """The row with this key, if the table has it."""
    lines = [line for line in table.lines if line.row.key == key]
    return Group(*(explained(line, table) for line in lines))


def _sum(title: str, answer: Answer, solved: Solved) -> Grid:
    """Amounts x prices = microseconds, and the total beside the survey's."""
    row, virtualized = answer.case.row, solved.problem.fit.virtualized
    grid = Grid(title=title, title_justify="left")
    for head in ("part", "how many", "us each", "us", "share"):
        grid.add_column(head, justify="left" if head == "part" else "right")
    total = answer.total or 1.0
    if virtualized:
        changed = answer.given != row.native_us
        words = (
            f"native ({number(row.native_us)} us) without its flushes" if changed else "native, as the survey has it"
        )
        grid.add_row(words, "", "", _exact(answer.given), f"{answer.given / total:.1%}")
    for name, time in answer.parts.items():
        amount = answer.case.amount(name)
        price = time / amount if amount else solved.prices[name]
        grid.add_row(terms()[name].title, _exact(amount), _exact(price), _exact(time), f"{time / total:.1%}")
    grid.add_section()
    told = row.virtualized_us if virtualized else row.native_us
    grid.add_row("sum", "", "", _exact(answer.total), f"survey {_exact(told)}: {answer.total / told - 1:+.1%}")
    return grid


def _exact(value: float) -> str:
    return f"{value:,.1f}" if abs(value) >= 100 else f"{value:.4g}"


def together(total: Summary) -> RenderableType:
    """Several tables."""
    return Group(Text(f"together: {', '.join(total.tables)}", style="bold"), *(Text(text) for text in scores(total)))


def shape(judged: Shape) -> RenderableType:
    """A figure without values: the survey's sentences, and whether they hold here."""
    grid = Grid(title=f"{judged.name}: {TITLES[judged.name]}", title_justify="left")
    for head in ("the survey says", "here", "figures", "why, if not"):
        grid.add_column(head)
    for claim in judged.claims:
        grid.add_row(
            claim.says, "holds" if claim.holds else "does not", claim.here, "" if claim.holds else claim.reason
        )
    notes = [Text(f"not measured: {judged.missing}", style="yellow")] if judged.missing else []
    notes += _notes(judged.name)
    return Group(grid, *notes, *(Text(_curve(name, points)) for name, points in judged.curves.items()), Text(""))


def _curve(name: str, points: Sequence[tuple[float, float]]) -> str:
    return f"{name}, us at KiB: " + ", ".join(f"{number(y)} at {x:g}" for x, y in points)
