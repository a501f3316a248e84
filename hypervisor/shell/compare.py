"""`cellvisor run T --compare native,l4,xen,okl4`: the same topology under several flavours, and one table of what came out.

The runs follow each other; each is a run as by `--flavour`, with the same seed, so that whatever differs is the flavour's
doing. Rows are figures, columns flavours. A flavour that cannot run the topology has its reason below the table. With `--out`
every flavour gets a run directory of its own in the one that is named.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.text import Text

from hypervisor.flavours import FLAVOURS
from hypervisor.shell.account import OVERHEAD, WIDTH, table, times_of
from hypervisor.shell.commands import RunOptions, drive_unattended, start, status_of
from hypervisor.shell.human import human_count, human_energy, human_percent, human_seconds, human_time, printable
from hypervisor.shell.operator import Operator
from hypervisor.shell.problems import InputError
from hypervisor.shell.signals import Signals
from hypervisor.shell.summary import CellSummary, Metric, Summary
from hypervisor.shell.topology import Problem, TopologyError
from hypervisor.shell.topology.problems import nearest

NOTHING = "-"
"""Where a flavour has no figure."""
NEVER_RUN = "not run: ended by its user"
_NAME = 14
"""Characters of a cell's name in a row's label."""


@dataclass(frozen=True)
class Column:
    """One flavour: its summary, or why there is none."""

    flavour: str
    summary: Summary | None = None
    problems: tuple[Problem, ...] = ()

    @property
    def reasons(self) -> list[str]:
        """Why there is no summary."""
        return [f"{problem.key}: {problem.why}" for problem in self.problems] or [NEVER_RUN]

    @property
    def why(self) -> str:
        """The first reason, for people."""
        more = len(self.reasons) - 1
        return self.reasons[0] + (f" (and {more} more, see cellvisor check --flavour {self.flavour})" if more else "")

    @property
    def result(self) -> str:
        """How it ended, in a word or two."""
        if self.summary is None:
            return "cannot run" if self.problems else "not run"
        return "failed" if status_of(self.summary) else "done"

    def to_dict(self) -> dict[str, Any]:
        """For `--json`: the summary, or the reasons."""
        if self.summary is None:
            return {"refused": self.reasons}
        return dataclasses.asdict(self.summary)


def compare(options: RunOptions, flavours: str) -> int:
    """Run under each flavour; print the table.

    Raises:
        InputError: an option does not fit.
        TopologyError: no flavour can run it.
    """
    names = _names(options, flavours)
    with Signals() as signals:
        columns = [Column(name) if signals.status else _column(options, name, signals) for name in names]
    if not signals.status and all(column.summary is None for column in columns):
        raise TopologyError(dict.fromkeys(problem for column in columns for problem in column.problems))
    text = json.dumps({column.flavour: column.to_dict() for column in columns}, indent=2) + "\n"
    if options.out is not None:
        (options.out / "compare.json").write_text(text, encoding="utf-8")
    if options.as_json:
        sys.stdout.write(text)
    else:
        show(columns, Console(highlight=False))
        if options.out is not None:
            print(f"run directories: {', '.join(str(options.out / c.flavour) for c in columns if c.summary)}")
    return signals.status or max(status_of(column.summary) for column in columns if column.summary)


def _names(options: RunOptions, flavours: str) -> list[str]:
    """The flavours that are asked for, each once."""
    names = list(dict.fromkeys(name.strip() for name in flavours.split(",") if name.strip()))
    for name in names:
        if name not in FLAVOURS:
            raise InputError(f'--compare: "{name}" is not known; {nearest(name, FLAVOURS)}')
    beside = {
        "--flavour": options.flavour,
        "--pace": options.pace,
        "--remote": options.remote,
        "--cable": options.cables,
    }
    for option, value in beside.items():  # what is at another end would have to be started anew for each of them
        if value:
            raise InputError(f"--compare: does not go with {option} (leave one of them out)")
    if not names:
        raise InputError(f"--compare: names no flavour (for example --compare {','.join(FLAVOURS)})")
    return names


def _column(options: RunOptions, flavour: str, signals: Signals) -> Column:
    """One run to its end."""
    out = None if options.out is None else options.out / flavour
    mine = dataclasses.replace(options, flavour=flavour, out=out)
    try:
        it = start(mine)
    except TopologyError as error:
        return Column(flavour, problems=error.problems)
    with it:
        operator = Operator(it)
        try:
            drive_unattended(it, mine, signals, talk=False)
        finally:
            operator.close()
        return Column(flavour, it.summary())


# ---- the table

Figure = Callable[[Summary], str]
Section = tuple[str, list[tuple[str, Figure]]]
"""A head, and rows: label and what stands in a column."""


def show(columns: Sequence[Column], console: Console) -> None:
    """All flavours side by side."""
    width = min(console.width, WIDTH)
    first = next(column.summary for column in columns if column.summary)
    console.print(Text(printable(f"{first.name} on {first.board}, seed {first.seed}"), style="bold"), width=width)
    heads = ("", *(column.flavour for column in columns))
    rows: list[list[str | Text]] = [["result", *(column.result for column in columns)]]
    for head, lines in _sections([column.summary for column in columns if column.summary]):
        rows.append([""] * len(heads))
        rows.append([head, *[""] * len(columns)])
        for label, figure in lines:
            rows.append([f"  {label}", *(figure(c.summary) if c.summary else NOTHING for c in columns)])
    console.print(table(width, heads, rows), width=width)
    for column in columns:
        if column.summary is None:
            console.print(Text(f"{column.flavour}: {printable(column.why)}"), width=width)
    for column in columns:
        for name, cell in column.summary.cells.items() if column.summary else ():
            if cell.state == "failed":
                console.print(Text(f"{column.flavour}: {name}: {printable(cell.why)}"), width=width)


def _sections(summaries: Sequence[Summary]) -> Iterator[Section]:
    """What is compared: rows that any of the runs has something for."""
    yield ("modelled", [("virtual time", lambda s: human_time(s.time, s.hz)), ("energy of cells", _energy)])
    names = list(dict.fromkeys(name for summary in summaries for name in summary.cells))
    for name in names:
        label = name if len(name) <= _NAME else f"{name[: _NAME - 2]}.."
        yield f"cell {label}", list(_cell_rows(name))
    causes = [cause for cause in ("guest", *OVERHEAD) if any(_cycles(summary, cause) for summary in summaries)]
    yield "cycles of all cells by cause", [(cause, _cycles_figure(cause)) for cause in causes]
    counted = [cause for cause in OVERHEAD if any(_times(summary, cause) for summary in summaries)]
    if counted:
        yield "how often", [(cause, _times_figure(cause)) for cause in counted]
    metrics = dict.fromkeys(_metrics(summaries))
    if metrics:
        yield "reported", [(f"{name} {metric}", _metric_figure(name, metric)) for name, metric in metrics]
    yield "measured on this host", [("time", lambda s: human_seconds(s.host.seconds))]


def _energy(summary: Summary) -> str:
    return human_energy(sum(cell.energy_uj for cell in summary.cells.values()))


def _cell_rows(name: str) -> Iterable[tuple[str, Figure]]:
    """What one cell did."""
    figures: dict[str, Callable[[CellSummary, Summary], str]] = {
        "state": lambda cell, _: cell.state,
        "ran": lambda cell, summary: human_time(cell.ran, summary.hz),
        "share": lambda cell, _: human_percent(cell.share_percent),
        "switches": lambda cell, _: human_count(cell.switches),
        "exits": lambda cell, _: human_count(sum(cell.exits.values())),
    }
    for label, figure in figures.items():
        yield label, lambda summary, figure=figure: figure(summary.cells[name], summary)  # type: ignore[misc]


def _cycles(summary: Summary, cause: str) -> int:
    return sum(cell.cycles.get(cause, 0) for cell in summary.cells.values())


def _cycles_figure(cause: str) -> Figure:
    return lambda summary: human_count(_cycles(summary, cause)) if _cycles(summary, cause) else NOTHING


def _times(summary: Summary, cause: str) -> int:
    return sum(times_of(cell, cause) for cell in summary.cells.values())


def _times_figure(cause: str) -> Figure:
    return lambda summary: human_count(_times(summary, cause)) if _times(summary, cause) else NOTHING


def _metrics(summaries: Sequence[Summary]) -> Iterator[tuple[str, str]]:
    """(cell, metric) of all that was reported anywhere."""
    for summary in summaries:
        for name, cell in summary.cells.items():
            yield from ((name, metric) for metric in cell.metrics)


def _metric_figure(name: str, metric: str) -> Figure:
    def figure(summary: Summary) -> str:
        found = summary.cells[name].metrics.get(metric)
        return NOTHING if found is None else _spread(found)

    return figure


def _spread(metric: Metric) -> str:
    """A figure that did not change, or from where to where it went."""
    return str(metric.last) if metric.min == metric.max else f"{metric.min}..{metric.max}"
