"""Tables for a terminal: a figure of the survey beside ours, and its scores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table as Grid
from rich.text import Text

from benchmarks.samples import number
from benchmarks.tables import causes
from benchmarks.tables.bench import Line, Table
from benchmarks.tables.figures import NOTES, TITLES, source
from benchmarks.tables.fitting import Fitting
from benchmarks.tables.model import Solved
from benchmarks.tables.protocol import terms
from benchmarks.tables.scores import Score, layout_effects
from benchmarks.tables.shapes import Shape
from benchmarks.tables.summary import Summary, rows_of

HEADS = ("row", "unit", "native", "model", "virtualized", "model", "overhead", "model", "error", "main cause", "")
NARROW = ("row", "native", "model", "virt.", "model", "over", "model", "error", "main cause")
MARKS = {"calibrated": "*", "predicted": "", "not measured": ""}


def _rows(table: Table) -> RenderableType:
    """The rows of a figure, as a terminal has room for them; no number is ever cut."""
    cells = [_cells(line, record) for line, record in zip(table.lines, rows_of(table), strict=True)]
    title = f"{table.name}: {TITLES[table.name]}"
    return Fitting(_wide(title, cells), _narrow(title, cells))


def _wide(title: str, rows: Sequence[Sequence[str]]) -> RenderableType:
    grid = Grid(title=title, title_justify="left", caption=_caption(), caption_justify="left")
    for place, head in enumerate(HEADS):
        grid.add_column(head, justify="left" if place in (0, 1, 9, 10) else "right", no_wrap=place != 10)
    for cells in rows:
        grid.add_row(*cells)
    return grid


def _narrow(title: str, rows: Sequence[Sequence[str]]) -> RenderableType:
    """A unit stands above its rows, a remark below all."""
    grid = Grid(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for place, head in enumerate(NARROW):
        last = place == len(NARROW) - 1
        grid.add_column(head, justify="left" if place == 0 or last else "right", no_wrap=not last, overflow="fold")
    unit = ""
    for name, its_unit, *values, cause, _ in rows:
        if its_unit != unit:
            grid.add_row(Text(f"in {its_unit}", style="dim"))
        unit = its_unit
        grid.add_row(name, *values, cause.replace("instructions", "instr."))
    remarks = [Text(f"{cells[0]}: {cells[-1]}") for cells in rows if cells[-1]]
    return Group(grid, *remarks, Text(_caption(), style="dim"))


def shown(table: Table, total: Summary) -> RenderableType:
    """A figure, and below it what it is worth."""
    return Group(
        _rows(table),
        *(Text(text, style="yellow") for text in table.problems),
        *(Text(text) for text in table.remarks),
        *(Text(prices(solved)) for solved in table.fits.values()),
        *(Text(text) for text in scores(total)),
        *_notes(table.name),
        Text(f"survey: {source(table.name)}\n", style="dim"),
    )


def _notes(name: str) -> list[Text]:
    return [Text(f"here: {NOTES[name]}", style="dim")] if name in NOTES else []


def _caption() -> str:
    return (
        "* a price comes from this row; native model: by prices of all other rows; over(head): over the survey's native; "
        "main cause: its share of all that is added or spared"
    )


def _cells(line: Line, record: dict[str, Any]) -> list[str]:
    cause = f"{causes.title(record['cause'])} {record['cause_share']:.0%}" if record["cause"] else ""
    note = (
        f"not measured: {line.missing}"
        if line.missing
        else "layout (source)"
        if line.row.key in layout_effects()
        else ""
    )
    plain = [plain_number(record[key]) for key in ("native", "native_model", "virtualized", "virtualized_model")]
    shares = [_share(record[key]) for key in ("overhead", "overhead_model", "error")]
    return [line.row.name + MARKS[line.kind], line.row.unit, *plain, *shares, cause, note]


def plain_number(value: float | None) -> str:
    """Three digits at least, all of a large one; - for none."""
    return "-" if value is None else number(value) if abs(value) < 1000 else f"{value:,.0f}"


def _share(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:+.0%}" if abs(value) >= 0.1 else f"{value:+.1%}" if abs(value) >= 0.0005 else "0.0%"


def prices(solved: Solved) -> str:
    """A fit's prices, and where they come from."""
    fit = solved.problem.fit
    each = ", ".join(
        f"{terms()[name].title} {number(price)}{' (the board says it)' if name in fit.known else ''}"
        for name, price in solved.prices.items()
    )
    rows = ", ".join(key.partition(".")[2] for key in fit.calibration) or f"all {len(solved.problem.cases)} rows"
    return f"{fit.name}: us each: {each}; calibrated on {rows} ({fit.kernel})"


def scores(total: Summary) -> Iterator[str]:
    """The aggregates, a line each."""
    if total.predicted.rows:
        kinds = f"{total.predicted_rows} rows predicted ({total.calibrated_rows} calibrated)"
        yield f"virtualized, {kinds}: {_score(total.predicted, total.limit)}"
    if total.left_out.rows:
        yield f"virtualized, each row left out: {_score(total.left_out, total.limit)}"
    if total.native.rows:
        yield f"native, each row left out: {_score(total.native, total.limit)}"
    if total.factor is not None:
        yield f"end to end, factor from modelled native and added time, each row left out: median error {total.factor:.1%}"
    if total.parameters:
        yield "free parameters: " + ", ".join(f"{name} {count}" for name, count in total.parameters.items())
    if total.missing_rows:
        yield f"not measured: {total.missing_rows} rows"


def _score(one: Score, limit: float) -> str:
    near = f"within {100 * limit:g} %"
    parts = [f"median error {one.median:.1%}", f"{one.within:.0%} {near}", f"worst {one.worst}"]
    if one.nothing_median is not None:
        parts.insert(2, f"adding nothing: {one.nothing_median:.1%}, {one.nothing_within:.0%} {near}")
    if one.added_median is not None:
        parts.append(f"added time alone {one.added_median:.0%}, {one.added_within:.0%} {near}")
    if one.rank is not None:
        parts.append(
            f"rank {one.rank:.2f}" + (f", of the factor {one.factor_rank:.2f}" if one.factor_rank is not None else "")
        )
    if one.direction is not None:
        apart = f" ({one.layout} layout effects apart)" if one.layout else ""
        parts.append(f"direction {one.direction:.0%}{apart}")
    return "; ".join(parts)


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
    kinds = {"us": judged.curves, **judged.more}
    lines = [Text(_curve(name, unit, points)) for unit, curves in kinds.items() for name, points in curves.items()]
    return Group(grid, *notes, *lines, Text(""))


def _curve(name: str, unit: str, points: Sequence[tuple[float, float]]) -> str:
    return f"{name}, {unit} at KiB: " + ", ".join(f"{number(y)} at {x:g}" for x, y in points)
