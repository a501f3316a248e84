"""The survey's headline effects beside what the model says of them: `cellvisor bench headlines`.

An effect is a factor, virtualized / native, of one row (headlines.toml). Ours is by prices that have not seen the row: each row
left out of its fit, or a table that is in no fit at all. So each effect is a sum of counted events, and its main cause is named.

>>> one = entries()[0]
>>> one.row, one.holds(35.0, 31.0, within=0.25), one.holds(60.0, 31.0, within=0.25)
('fig11.null_syscall', True, False)
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table as Grid
from rich.text import Text

from benchmarks.tables import causes
from benchmarks.tables.bench import Bench, Line, Table
from benchmarks.tables.figures import figure
from benchmarks.tables.fitting import Fitting
from benchmarks.tables.judged import points_of


@dataclass(frozen=True)
class Entry:
    """A sentence, the row or point (FIGURE.NAME) that shows it, when it holds: `within` the band, or a factor of at `most`.

    Where a model that changes nothing would do as well, the change must be there, too: as large as the survey's, less the band.
    """

    says: str
    text: str
    row: str
    within: bool = False
    most: float | None = None

    @property
    def table(self) -> str:
        """The figure."""
        return self.row.partition(".")[0]

    def holds(self, here: float, survey: float | None, within: float) -> bool:
        """For a factor of ours, beside the survey's if it prints one."""
        near = self._near(here, survey, within)
        if survey is None or survey == 1 or not self._near(1.0, survey, within):
            return near
        return near and (here - 1) / (survey - 1) >= 1 - within

    def _near(self, factor: float, survey: float | None, within: float) -> bool:
        if self.most is not None:
            return factor <= self.most
        return survey is not None and abs(factor / survey - 1) <= within


@dataclass(frozen=True)
class Headline:
    """An entry, judged. `survey`, `here`: virtualized / native, None if there is none; `missing` says why there is none of ours.

    `cause` and `share`: as causes.py; `prices`: which rows they had not seen.
    """

    entry: Entry
    survey: float | None
    here: float | None
    holds: bool
    cause: str = ""
    share: float = 0.0
    prices: str = ""
    missing: str = ""


@cache
def entries() -> tuple[Entry, ...]:
    """All of them, in the survey's order."""
    data = tomllib.loads((Path(__file__).parent / "headlines.toml").read_text())
    return tuple(Entry(**each) for each in data["headline"])


def needed() -> tuple[str, ...]:
    """The figures that they are rows of."""
    return tuple(dict.fromkeys(entry.table for entry in entries()))


def headlines(bench: Bench, tables: Mapping[str, Table]) -> list[Headline]:
    """Judged by these tables, and by the points of figures that have no values."""
    return [
        _of_row(entry, tables[entry.table], bench.rules.within)
        if figure(entry.table)
        else _of_point(entry, bench, bench.rules.within)
        for entry in entries()
    ]


def _of_row(entry: Entry, table: Table, within: float) -> Headline:
    line: Line = next(line for line in table.lines if line.row.key == entry.row)
    survey = line.row.virtualized_us / line.row.native_us
    unseen = line.left_out or (line.answer if line.kind == "predicted" else None)
    if unseen is None:
        return Headline(entry, survey, None, False, missing=line.missing or "its prices come from it alone")
    here = unseen.total / line.row.native_us
    cause, share = causes.main(unseen)
    prices = "all rows but this" if line.left_out else "rows of other tables"
    return Headline(entry, survey, here, entry.holds(here, survey, within), cause, share, prices)


def _of_point(entry: Entry, bench: Bench, within: float) -> Headline:
    found = points_of(entry.table, bench)
    if isinstance(found, str):
        return Headline(entry, None, None, False, missing=found)
    point = found[entry.row.partition(".")[2]]
    here = point.factor
    cause, share = causes.main(point.answer) if point.answer else ("", 0.0)
    return Headline(entry, None, here, entry.holds(here, None, within), cause, share, "rows of other tables")


# ---- as text and files


def shown(found: Sequence[Headline]) -> RenderableType:
    """For a terminal."""
    kept = sum(one.holds for one in found)
    note = (
        f"{kept} of {len(found)} hold; where nothing added would do, only with a change nearly as large as the survey's. "
        "Each is a sum of counted events: cellvisor bench fig17 --explain fork_exit"
    )
    return Group(Fitting(_grid(found), _lines(found)), Text(note + "\n"))


def _verdict(one: Headline) -> str:
    return "holds" if one.holds else "does not" if one.here is not None else "not measured"


def _cause(one: Headline) -> str:
    return f"{causes.title(one.cause)} {one.share:.0%}" if one.cause else one.missing


def _grid(found: Sequence[Headline]) -> Grid:
    grid = Grid(title="headlines: the survey's main effects, virtualized / native", title_justify="left")
    for head in ("the survey says", "row", "survey", "here", "", "main cause", "prices from"):
        grid.add_column(head, justify="right" if head in ("survey", "here") else "left", no_wrap=head == "row")
    for one in found:
        cells = (_times(one.survey), _times(one.here), _verdict(one), _cause(one), one.prices)
        grid.add_row(f"{one.entry.says} ({one.entry.text})", one.entry.row, *cells)
    return grid


def _lines(found: Sequence[Headline]) -> RenderableType:
    """The same where there is no room for columns."""
    lines = [Text("headlines: the survey's main effects, virtualized / native\n", style="italic")]
    for one in found:
        lines.append(Text(f"{one.entry.says} ({one.entry.text})", style="dim"))
        factors = f"survey {_times(one.survey)}, here {_times(one.here)}: {_verdict(one)}"
        lines.append(Text(f"  {one.entry.row}: {factors}; {_cause(one)}"))
    return Group(*lines)


def _times(factor: float | None) -> str:
    """A factor; small changes in percent.

    >>> _times(31.25), _times(1.033), _times(0.112), _times(None)
    ('31.2x', '+3.3%', '0.112x', '-')
    """
    if factor is None:
        return "-"
    return f"{factor - 1:+.1%}" if 0.9 < factor < 1.1 else f"{factor:.3g}x"


def records(found: Sequence[Headline]) -> list[dict[str, object]]:
    """For files."""
    return [
        {
            "says": one.entry.says,
            "text": one.entry.text,
            "row": one.entry.row,
            "factor": one.survey,
            "factor_model": one.here,
            "holds": one.holds,
            "cause": one.cause,
            "cause_share": one.share,
            "prices_from": one.prices,
            "why": one.missing,
        }
        for one in found
    ]
