"""Pictures in the manner of the survey's, by matplotlib: NAME.png and NAME.svg.

A table is bars, survey beside model, a panel for each unit; its axis is logarithmic where values span much, and begins at zero
else. Fig. 16 is its Figs. 14 and 15, the overhead in percent; curves are lines, ours alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan
from pathlib import Path
from typing import Any

from benchmarks.tables.bench import Line, Table
from benchmarks.tables.figures import TITLES
from benchmarks.tables.shapes import Curve, Shape
from hypervisor.shell.sweeps.plots import plain_numbers

FORMATS = ("png", "svg")
BARS = (
    ("survey native", "#9ec5e8"),
    ("model native", "#1f5fa8"),
    ("survey virtualized", "#f3b48f"),
    ("model virtualized", "#c2410c"),
)
OVERHEADS = (("survey", "#f3b48f"), ("model", "#c2410c"))
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
"""Of curves: Okabe and Ito's."""
PAIRED = 2
"""Curves that belong together, native and virtualized, have one colour."""
MULTIMEDIA = 10
"""The first rows of Fig. 16 are Fig. 14, the others Fig. 15."""
WIDTH = 0.8
SPAN = 20.0
"""From the least to the greatest value: above, an axis is logarithmic."""
ROW, LEAST, HEIGHT = 0.5, 2.2, 4.6
"""Inches: of a row's bars, of a panel at least, of a picture."""


def draw_table(table: Table, directory: Path) -> None:
    """The files of a table; of Fig. 16 those of Figs. 14 and 15."""
    if table.name == "fig16":
        for name, title, lines in (
            ("fig14", "Overhead of multimedia applications", table.lines[:MULTIMEDIA]),
            ("fig15", "Overhead of office and telecommunications applications", table.lines[MULTIMEDIA:]),
        ):
            _overheads(name, f"{title}, L4Linux on ARM1176", lines, directory)
        return
    units: dict[str, list[Line]] = {}
    for line in table.lines:
        units.setdefault(line.row.unit, []).append(line)
    figure, panels = _panels(f"{table.name}: {TITLES[table.name]}", [len(lines) for lines in units.values()])
    for axes, (unit, lines) in zip(panels, units.items(), strict=True):
        series = list(zip(*(_values(line) for line in lines), strict=True))
        _bars(axes, [_label(line) for line in lines], BARS, series)
        axes.set_ylabel(unit)
    _legend(figure, panels)
    _save(figure, directory, table.name)


def _label(line: Line) -> str:
    """A row's name, with the star of those that a price comes from."""
    return line.row.name + ("*" if line.kind == "calibrated" else "")


def _values(line: Line) -> tuple[float, float, float, float]:
    """In the order of BARS; what there is not is no bar."""
    row = line.row
    if line.loads:
        return row.native, line.loads[0], row.virtualized, line.loads[1]
    shown = line.native or line.native_beside
    native = row.from_us(shown.total) if shown and shown.total > 0 else float("nan")
    virtual = row.from_us(line.answer.total) if line.answer else float("nan")
    return row.native, native, row.virtualized, virtual


def _overheads(name: str, title: str, lines: Sequence[Line], directory: Path) -> None:
    figure, panels = _panels(f"{name}: {title}", [len(lines)])
    told = [100 * (line.row.virtualized_us / line.row.native_us - 1) for line in lines]
    here = [100 * (line.answer.total / line.row.native_us - 1) if line.answer else float("nan") for line in lines]
    _bars(panels[0], [_label(line) for line in lines], OVERHEADS, [told, here], long=False)
    for bars in panels[0].containers:
        panels[0].bar_label(bars, fmt="{:.0f}", fontsize=7, padding=1)
    panels[0].set_ylabel("overhead, %")
    _legend(figure, panels)
    _save(figure, directory, name)


def draw_shape(shape: Shape, directory: Path) -> None:
    """The curves, a panel for each kind of them."""
    kinds = {unit: curves for unit, curves in {"us": shape.curves, **shape.more}.items() if curves}
    figure, panels = _panels(f"{shape.name}: {TITLES[shape.name]}", [8] * len(kinds))
    for axes, (words, curves) in zip(panels, kinds.items(), strict=True):
        _lines(axes, curves)
        axes.set_xlabel(shape.across)
        axes.set_ylabel(words)
        if shape.long:
            axes.set_xscale("log", base=2)
            axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.legend(frameon=False, fontsize=7, loc="upper left", bbox_to_anchor=(0.0, -0.16), ncols=2)
    figure.supxlabel("modelled: the survey prints no values", fontsize=7, x=0.99, ha="right")
    _save(figure, directory, shape.name)


def _lines(axes: Any, curves: Mapping[str, Curve]) -> None:
    """Native and virtualized in one colour, whole and dashed; virtualized marks are hollow, for both may lie in one place."""
    for place, (name, curve) in enumerate(curves.items()):
        colour = COLOURS[(place // PAIRED if len(curves) > len(COLOURS) else place) % len(COLOURS)]
        native = "native" in name
        style = {
            "linestyle": "-" if native else "--",
            "marker": "o" if native else "s",
            "markersize": 4 if native else 6,
        }
        inside = {} if native else {"markerfacecolor": "none"}
        axes.plot([x for x, _ in curve], [y for _, y in curve], label=name, color=colour, **style, **inside)
    axes.set_ylim(0, 1.08 * axes.dataLim.ymax)
    axes.grid(visible=True, color="#e2e8f0", linewidth=0.8)


def _panels(title: str, rows: Sequence[int]) -> tuple[Any, list[Any]]:
    """One beside the other, as wide as their rows. Without pyplot: no window, no state that outlives the picture."""
    from matplotlib.figure import Figure

    widths = [max(LEAST, ROW * count) for count in rows]
    figure = Figure(figsize=(max(7.0, sum(widths) + 0.8 * len(widths)), HEIGHT), layout="constrained")
    panels = figure.subplots(1, len(rows), squeeze=False, width_ratios=widths)[0]
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_axisbelow(True)
    figure.suptitle(title, fontsize=10)
    return figure, list(panels)


def _bars(
    axes: Any,
    names: Sequence[str],
    kinds: Sequence[tuple[str, str]],
    series: Sequence[Sequence[float]],
    long: bool = True,
) -> None:
    """Groups of bars, without kinds that have none. `long`: the axis may be logarithmic."""
    there = [
        (kind, values) for kind, values in zip(kinds, series, strict=True) if not all(isnan(one) for one in values)
    ]
    each = WIDTH / max(len(there), 1)
    for place, ((label, colour), values) in enumerate(there):
        at = [x - WIDTH / 2 + (place + 0.5) * each for x in range(len(names))]
        axes.bar(at, values, each, label=label, color=colour)
    axes.set_xticks(range(len(names)), names, rotation=60, ha="right", rotation_mode="anchor", fontsize=8)
    axes.grid(visible=True, axis="y", color="#e2e8f0", linewidth=0.8)
    shown = [one for _, values in there for one in values if one > 0]
    if long and shown and max(shown) / min(shown) > SPAN:
        axes.set_yscale("log")
        plain_numbers(axes)


def _legend(figure: Any, panels: Sequence[Any]) -> None:
    """One for all panels, below the title."""
    kinds = {label: bar for axes in panels for bar, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    order = [label for label, _ in (*BARS, *OVERHEADS) if label in kinds]
    chosen = [kinds[label] for label in order]
    figure.legend(chosen, order, loc="outside lower center", ncols=4, frameon=False, fontsize=8)


def _save(figure: Any, directory: Path, name: str) -> None:
    for kind in FORMATS:
        metadata = {"Date": None} if kind == "svg" else {}
        figure.savefig(directory / f"{name}.{kind}", dpi=150, metadata=metadata)
