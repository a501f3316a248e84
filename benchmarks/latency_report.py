"""Interrupt latencies for people: a table, the story of a worst tick, bars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

WIDTH = 150
"""Columns where there is no terminal."""
COLOURS = {"native": "#7f7f7f", "l4": "#1f5fa8", "xen": "#c2410c", "okl4": "#3a7d44"}
TITLE = "Interrupt latency of a real-time program, us of virtual time"
NOTE = (
    "From the timer's being due to the program's being on the core; its handler's own entry is the guest's. As the guest saw it: "
    "by its timer, to 1 us. native, under system calls: how long our kernel keeps an interrupt waiting, sampled."
)
KINDS = {"run": "", "monitor": "monitor: ", "switch": "world switch "}


@dataclass(frozen=True)
class Late:
    """A load under a flavour; microseconds. `seen`: as the guest saw it at worst; `steps`: kind, what, us, of the worst tick;
    `why`: why there is nothing.
    """

    load: str
    flavour: str
    ticks: int = 0
    p50: float = 0.0
    p999: float = 0.0
    worst: float = 0.0
    seen: float | None = None
    steps: Sequence[tuple[str, str, float]] = field(default_factory=tuple)
    why: str = ""

    @property
    def cause(self) -> str:
        """What took longest at the worst tick, the last switch, which every tick has, aside if anything else counts."""
        if not self.steps:
            return "" if self.why else "nothing: it slept on a core that nobody else wanted"
        *others, last = self.steps
        longest = max(others, key=lambda step: step[2], default=last)
        kind, what, length = longest if longest[2] > self.worst / 20 else last
        return f"{KINDS[kind]}{what}: {us(length)}"


def us(value: float) -> str:
    """Three digits are enough, and nothing is 0.00 that is not 0."""
    return "0" if value == 0 else f"{value:.3g}"


def row(one: Late) -> dict[str, object]:
    """As files have it."""
    told = {"p50_us": one.p50, "p999_us": one.p999, "worst_us": one.worst, "seen_us": one.seen}
    figures = {name: None if one.why else value for name, value in told.items()}
    return {"load": one.load, "flavour": one.flavour, "ticks": one.ticks, **figures, "cause": one.cause, "why": one.why}


def shown(found: Sequence[Late]) -> RenderableType:
    """A line for each."""
    table = Table(title=TITLE, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for head in (
        "beside it",
        "flavour",
        "ticks",
        "median",
        "99.9 %",
        "worst",
        "as the guest saw it",
        "longest at the worst",
    ):
        table.add_column(head, justify="left" if head in ("beside it", "flavour", "longest at the worst") else "right")
    last = ""
    for one in found:
        name = {"idle": "nothing"}.get(one.load, one.load)
        told = "" if one.load == last else name
        last = one.load
        if one.why:
            table.add_row(told, one.flavour, "", "-", "-", "-", "", Text(one.why, "dim"))
            continue
        figures = [us(value) for value in (one.p50, one.p999, one.worst)]
        seen = "" if one.seen is None else us(one.seen)
        table.add_row(told, one.flavour, f"{one.ticks:,}", *figures, seen, one.cause)
    return Group(table, Text(NOTE, "dim"), Text(""))


def explained(found: Sequence[Late]) -> RenderableType:
    """What was under way when each worst tick was due, until the program had its core."""
    return Group(*(part for one in found for part in (_story(one), Text(""))))


def _story(one: Late) -> RenderableType:
    head = f"{one.load}, {one.flavour}: "
    if one.why or not one.steps:
        return Text(head + (one.why or f"worst {us(one.worst)} us: {one.cause or 'no step is known'}"))
    table = Table(title=f"{head}the worst of {one.ticks:,} ticks, {us(one.worst)} us late", title_justify="left")
    table.add_column("from, us", justify="right")
    table.add_column("takes", justify="right")
    table.add_column("what")
    at = 0.0
    for kind, what, length in one.steps:
        table.add_row(f"{at:.2f}", f"{length:.2f}", KINDS[kind] + what)
        at += length
    return table


def draw(found: Sequence[Late], directory: Path) -> None:
    """latency.png and .svg: bars from the median to the worst, a mark at 99.9 %; a group for each load."""
    from matplotlib.figure import Figure

    from benchmarks.tables.drawings import FORMATS

    figure = Figure(figsize=(8.0, 4.2), layout="constrained")
    axes: Any = figure.add_subplot()
    loads = list(dict.fromkeys(one.load for one in found))
    each = 0.8 / len(COLOURS)
    for place, (flavour, colour) in enumerate(COLOURS.items()):
        mine = [(loads.index(one.load), one) for one in found if one.flavour == flavour and not one.why]
        at = [load - 0.4 + (place + 0.5) * each for load, _ in mine]
        axes.bar(at, [one.worst for _, one in mine], each * 0.9, color=colour, label=f"{flavour}: worst")
        axes.scatter(at, [one.p999 for _, one in mine], marker="_", s=120, color="black", zorder=3)
        axes.scatter(at, [one.p50 for _, one in mine], marker=".", s=30, color="white", edgecolors="black", zorder=3)
        for x, (_, one) in zip(at, mine, strict=True):
            axes.annotate(us(one.worst), (x, one.worst), ha="center", va="bottom", fontsize=7)
    axes.set_xticks(range(len(loads)), ["nothing beside it" if load == "idle" else load for load in loads])
    axes.set_yscale("symlog", linthresh=0.1)
    axes.set_ylim(0, 2 * max([0.5, *(one.worst for one in found)]))
    axes.set_ylabel("us of virtual time (line: 99.9 %, dot: median)")
    axes.set_title(TITLE, fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)
    for kind in FORMATS:
        figure.savefig(directory / f"latency.{kind}", dpi=150, metadata={"Date": None} if kind == "svg" else {})
