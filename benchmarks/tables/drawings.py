"""Pictures in the manner of the survey's, by matplotlib: NAME.png and NAME.svg.

A table is bars, survey beside model, on a logarithmic axis; Fig. 16 is its Figs. 14 and 15, the overhead in percent; curves are
lines.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.tables.bench import Line, Table
from benchmarks.tables.figures import TITLES
from benchmarks.tables.shapes import Shape

FORMATS = ("png", "svg")
BARS = (
    ("survey native", "#9ec5e8"),
    ("model native", "#1f5fa8"),
    ("survey virtualized", "#f3b48f"),
    ("model virtualized", "#c2410c"),
)
OVERHEADS = (("survey", "#f3b48f"), ("model", "#c2410c"))
MULTIMEDIA = 10
"""The first rows of Fig. 16 are Fig. 14, the others Fig. 15."""
WIDTH = 0.8


def draw_table(table: Table, directory: Path) -> None:
    """The files of a table; of Fig. 16 those of Figs. 14 and 15."""
    if table.name == "fig16":
        _overheads("fig14", "Overhead of multimedia applications", table.lines[:MULTIMEDIA], directory)
        _overheads(
            "fig15", "Overhead of office and telecommunications applications", table.lines[MULTIMEDIA:], directory
        )
        return
    figure, axes = _axes(f"{table.name}: {TITLES[table.name]}", max(6.0, 0.55 * len(table.lines)))
    series = list(zip(*(_values(line) for line in table.lines), strict=True))
    _bars(axes, [line.row.name for line in table.lines], BARS, series)
    axes.set_yscale("log")
    axes.set_ylabel("/".join(dict.fromkeys(line.row.unit for line in table.lines)))
    _save(figure, directory, table.name)


def _values(line: Line) -> tuple[float, float, float, float]:
    """In the order of BARS; what there is not is no bar."""
    row = line.row
    native = row.from_us(line.native.total) if line.native and line.native.total > 0 else float("nan")
    virtual = row.from_us(line.answer.total) if line.answer else float("nan")
    return row.native, native, row.virtualized, virtual


def _overheads(name: str, title: str, lines: Sequence[Line], directory: Path) -> None:
    figure, axes = _axes(f"{name}: {title}", 8.0)
    told = [100 * (line.row.virtualized_us / line.row.native_us - 1) for line in lines]
    here = [100 * (line.answer.total / line.row.native_us - 1) if line.answer else float("nan") for line in lines]
    _bars(axes, [line.row.name for line in lines], OVERHEADS, [told, here])
    axes.set_ylabel("overhead, %")
    _save(figure, directory, name)


def draw_shape(shape: Shape, directory: Path) -> None:
    """The curves, which are ours alone."""
    figure, axes = _axes(f"{shape.name}: {TITLES[shape.name]}", 7.0)
    for (name, curve), style in zip(shape.curves.items(), _styles(), strict=False):
        axes.plot([x for x, _ in curve], [y for _, y in curve], style, label=name)
    axes.set_xlabel(shape.across)
    axes.set_ylabel("us (modelled; the survey prints no values)")
    if shape.name == "fig13":
        axes.set_xscale("log", base=2)
    axes.legend(frameon=False)
    _save(figure, directory, shape.name)


def _styles() -> Iterator[str]:
    yield from (f"{marker}{line}" for marker in "osv^" for line in ("-", "--"))


def _axes(title: str, width: float) -> tuple[Any, Any]:
    """Without pyplot: no window, no state that outlives the picture."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, 4.2), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title, fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _bars(axes: Any, names: Sequence[str], kinds: Sequence[tuple[str, str]], series: Sequence[Sequence[float]]) -> None:
    each = WIDTH / len(kinds)
    for place, ((label, colour), values) in enumerate(zip(kinds, series, strict=True)):
        at = [x - WIDTH / 2 + (place + 0.5) * each for x in range(len(names))]
        axes.bar(at, values, each, label=label, color=colour)
    axes.set_xticks(range(len(names)), names, rotation=60, ha="right", fontsize=8)
    axes.legend(frameon=False, fontsize=8)


def _save(figure: Any, directory: Path, name: str) -> None:
    for kind in FORMATS:
        metadata = {"Date": None} if kind == "svg" else {}
        figure.savefig(directory / f"{name}.{kind}", dpi=150, metadata=metadata)
