"""Pictures of a sweep: one metric over one axis, or over two as curves, groups of bars, or a map. PNG, by matplotlib.

What a file does not say is chosen here: without any `[[plot]]` each metric and each derived figure is drawn over the first axis,
with a curve for each value of the second. A curve is the median over all rows that the picture does not tell apart, its band goes
from the least to the greatest.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypervisor.abi.time import parse_size, parse_time
from hypervisor.shell.sweeps.schema import PlotSection
from hypervisor.shell.sweeps.sweep import SEED, Sweep
from hypervisor.shell.sweeps.tables import Row, groups

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999933")
"""Okabe and Ito's, which people who see few colours tell apart too."""
MARKS = "osD^vPX*"
SIZE, DPI = (7.2, 4.3), 150
MANY = 1e3
"""Of a logarithmic axis: from the least to the greatest, so much is labelled with powers of ten alone."""
UNITS = tuple(
    (re.compile(form), unit)
    for form, unit in (
        (r"(^|\.)time$", "cycles"),
        (r"(^|\.)cycles\.", "cycles"),
        (r"(^|\.)share\.", "of all cycles"),
        (r"_latency\.(?!count$)\w+$", "cycles"),
        (r"(^|\.)seconds$", "s of virtual time"),
        (r"(^|\.)energy_uj$", "uJ"),
        (r"(^|\.)idle$", "of all time"),
    )
)
"""Of figures, by the form of their names (metrics.py)."""
LETTER = 0.021
"""Width of a letter below an axis, as a share of the axis."""
LEAST_RATIO = 20
"""Of the greatest to the least step of an axis: above, it is drawn by logarithms."""


@dataclass(frozen=True)
class Scale:
    """An axis on paper: where each value stands, and whether only its order counts."""

    at: dict[Any, float]
    words: bool = False

    @property
    def is_long(self) -> bool:
        """Whether its numbers span so much that most would stand in one place."""
        found = sorted(value for value in self.at.values() if value > 0)
        return not self.words and len(found) == len(self.at) > 2 and found[-1] / found[0] >= LEAST_RATIO


def scale_of(values: Sequence[Any]) -> Scale:
    """Numbers as they are, times in nanoseconds, sizes in bytes, anything else in its order.

    >>> scale_of(["1us", "20us"]).at
    {'1us': 1000.0, '20us': 20000.0}
    """
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return Scale({value: float(value) for value in values})
    for parse in (lambda text: parse_time(text, 10**9), parse_size):
        with suppress(ValueError):
            return Scale({value: float(parse(str(value))) for value in values})
    return Scale({value: float(place) for place, value in enumerate(values)}, words=True)


def with_unit(metric: str) -> str:
    """What stands beside an axis if a file does not say it; a figure of nobody knows what unit by its name alone.

    >>> with_unit("ticker.wake_latency.p99"), with_unit("share.ipc"), with_unit("ping.round_trip")
    ('ticker.wake_latency.p99 (cycles)', 'share.ipc (of all cycles)', 'ping.round_trip')
    """
    found = next((unit for form, unit in UNITS if form.search(metric)), "")
    return f"{metric} ({found})" if found else metric


def can_draw() -> bool:
    """Whether the extra is installed."""
    return find_spec("matplotlib") is not None


def chosen(sweep: Sweep) -> tuple[PlotSection, ...]:
    """The file's pictures, else those that it would have named first."""
    if sweep.file.plot:
        return sweep.file.plot
    axes = [axis for axis, values in sweep.axes.items() if len(values) > 1 and axis != SEED]
    if not axes:
        return ()
    by = axes[1] if len(axes) > 1 else None
    return tuple(PlotSection(metric=metric, x=axes[0], by=by) for metric in (*sweep.file.metrics, *sweep.file.derived))


def draw_all(sweep: Sweep, rows: Sequence[Row], out: Path) -> list[Path]:
    """A file for each picture of which there are figures."""
    out.mkdir(parents=True, exist_ok=True)
    written = []
    for section in chosen(sweep):
        mine = [row for row in rows if all(row[axis] == value for axis, value in section.where.items())]
        if any(row.get(section.metric) is not None for row in mine):
            path = out / f"{name_of(section)}.png"
            draw(sweep, section, mine, path)
            written.append(path)
    return written


def name_of(section: PlotSection) -> str:
    """A file's name without its end."""
    words = (
        (section.name,) if section.name else (section.metric, "over", section.x, *((section.by,) if section.by else ()))
    )
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", "-".join(words))


def draw(sweep: Sweep, section: PlotSection, rows: Sequence[Row], path: Path) -> None:
    """One picture."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE, dpi=DPI, layout="constrained")
    axes: Axes = figure.add_subplot()
    {"line": _lines, "bar": _bars, "map": _map}[section.kind](axes, sweep, section, rows)
    figure.suptitle(section.title or f"{sweep.name}: {section.metric}", x=0.01, ha="left", fontsize=11)
    figure.savefig(path, metadata={"Software": "cellvisor", "Description": sweep.file.description})


def _lines(axes: Axes, sweep: Sweep, section: PlotSection, rows: Sequence[Row]) -> None:
    scale = scale_of(_values(sweep, section.x, rows))
    for number, (label, part) in enumerate(_parts(sweep, section, rows)):
        found = sorted((scale.at[key[0]], spread) for key, spread in groups(part, [section.x], section.metric))
        xs = [x for x, _ in found]
        colour = COLOURS[number % len(COLOURS)]
        style = {"color": colour, "marker": MARKS[number % len(MARKS)], "markersize": 4.5, "linewidth": 1.6}
        axes.plot(xs, [spread[1] for _, spread in found], label=label, **style)  # type: ignore[arg-type]
        if any(low < high for _, (low, _, high) in found):
            axes.fill_between(
                xs, [s[0] for _, s in found], [s[2] for _, s in found], color=colour, alpha=0.15, linewidth=0
            )
    _frame(axes, section, scale)
    _legend(axes, section)


def _bars(axes: Axes, sweep: Sweep, section: PlotSection, rows: Sequence[Row]) -> None:
    values = _values(sweep, section.x, rows)
    parts = list(_parts(sweep, section, rows))
    wide = 0.8 / len(parts)
    for number, (label, part) in enumerate(parts):
        found = {key[0]: spread for key, spread in groups(part, [section.x], section.metric)}
        places = [values.index(value) + (number - (len(parts) - 1) / 2) * wide for value in found]
        bars = axes.bar(
            places, [s[1] for s in found.values()], wide * 0.92, label=label, color=COLOURS[number % len(COLOURS)]
        )
        if len(parts) * len(values) <= 24:
            axes.bar_label(bars, fmt="{:,.3g}", fontsize=7, padding=1)
    axes.set_xticks(range(len(values)), [str(value) for value in values])
    _frame(axes, section, Scale({}, words=True), ticks=False)
    axes.grid(visible=False, axis="x")
    _legend(axes, section)


def _map(axes: Axes, sweep: Sweep, section: PlotSection, rows: Sequence[Row]) -> None:
    assert section.by is not None
    columns, lines = _values(sweep, section.x, rows), _values(sweep, section.by, rows)
    found = {key: spread[1] for key, spread in groups(rows, [section.x, section.by], section.metric)}
    grid = [[found.get((x, y), float("nan")) for x in columns] for y in lines]
    image = axes.imshow(grid, aspect="auto", cmap="cividis")
    middle = (min(found.values()) + max(found.values())) / 2
    for (x, y), value in found.items():
        ink = "white" if value < middle else "black"
        axes.text(columns.index(x), lines.index(y), f"{value:,.3g}", ha="center", va="center", fontsize=8, color=ink)
    axes.set_xticks(range(len(columns)), [str(value) for value in columns])
    axes.set_yticks(range(len(lines)), [str(value) for value in lines])
    axes.set_xlabel(section.x)
    axes.set_ylabel(section.by)
    axes.figure.colorbar(image, ax=axes, label=section.label or with_unit(section.metric))


def _parts(sweep: Sweep, section: PlotSection, rows: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    """A label and the rows of each curve; one without a label if there is no second axis."""
    if section.by is None:
        return [("", list(rows))]
    found = [(str(value), [row for row in rows if row[section.by] == value]) for value in sweep.axes[section.by]]
    return [(label, part) for label, part in found if any(row.get(section.metric) is not None for row in part)]


def _values(sweep: Sweep, axis: str, rows: Sequence[Row]) -> list[Any]:
    """Those of an axis that occur, in the grid's order."""
    there = {row[axis] for row in rows}
    return [value for value in sweep.axes[axis] if value in there]


def _frame(axes: Axes, section: PlotSection, scale: Scale, *, ticks: bool = True) -> None:
    """Scales, labels, and a grid behind all."""
    from matplotlib.ticker import NullLocator

    axes.set_xlabel(section.x)
    axes.set_ylabel(section.label or with_unit(section.metric))
    if ticks and ("x" in section.log or scale.is_long):
        axes.set_xscale("log")
    if "y" in section.log:
        axes.set_yscale("log")
        plain_numbers(axes)
    elif section.zero and axes.dataLim.ymin >= 0:
        axes.set_ylim(0, axes.dataLim.ymax * 1.06 or 1)
    if ticks:
        axes.set_xticks(sorted(scale.at.values()), labels(axes, scale))
        axes.xaxis.set_minor_locator(NullLocator())
    axes.grid(visible=True, color="#e2e8f0", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def plain_numbers(axes: Axes) -> None:
    """1, 2, 5, 10 beside a logarithmic y axis, where powers of ten are few; these alone where there are many."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    low, high = axes.get_ylim()
    steps = (1.0, 2.0, 5.0) if high / low < MANY else (1.0,)
    axes.yaxis.set_major_locator(LogLocator(10, steps))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 1 else f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def labels(axes: Axes, scale: Scale) -> list[str]:
    """What stands below an axis: without words that would stand in one another."""
    place = axes.transData.transform
    shown: list[str] = []
    end = float("-inf")
    width = axes.get_window_extent().width
    for value, at in sorted(scale.at.items(), key=lambda item: item[1]):
        here, room = float(place((at, 1.0))[0]), width * LETTER * len(str(value)) / 2
        shown.append(str(value) if here - room >= end else "")
        end = here + room if shown[-1] else end
    return shown


def _legend(axes: Axes, section: PlotSection) -> None:
    if section.by is not None:
        beside: dict[str, Any] = {"loc": "outside right center", "frameon": False, "fontsize": 8, "title_fontsize": 8}
        axes.figure.legend(title=section.by, alignment="left", **beside)
