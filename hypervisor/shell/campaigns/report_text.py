"""A campaign's outcome for a terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from hypervisor.faults import Verdict
from hypervisor.shell.campaigns.account import Matrix, Square, count, matrices, spans, worst_first
from hypervisor.shell.campaigns.campaign import Campaign
from hypervisor.shell.campaigns.chosen import lines_of
from hypervisor.shell.campaigns.claims import judge_claims
from hypervisor.shell.campaigns.coverage import coverage, missed_pairs, never_used
from hypervisor.shell.campaigns.result import Result
from hypervisor.shell.human import human_percent, human_time

STYLES = {
    Verdict.NOT_ACTIVATED: "dim",
    Verdict.NOT_INJECTED: "dim italic",
    Verdict.MASKED: "green",
    Verdict.CONTAINED: "green",
    Verdict.DEGRADED: "yellow",
    Verdict.HANG: "bold magenta",
    Verdict.ESCAPED: "bold red",
    Verdict.MONITOR_FAILURE: "bold white on red",
}
WORTH_TELLING = (Verdict.HANG, Verdict.ESCAPED, Verdict.MONITOR_FAILURE)
CLAIM_STYLES = {"holds": "green", "does not hold": "bold red", "not tried": "dim"}
SHORT = 4
"""Letters of a verdict in a matrix that is too wide otherwise: masked, contained, degraded, hang, escaped."""
WIDEST = 10_000
"""Columns of a terminal on which every matrix has room."""
LINES = 10
"""Injections that are told one by one."""


def show(campaign: Campaign, results: Sequence[Result], out: Path | None, console: Console) -> None:
    """Counts, matrices, times, and the lines to look at."""
    console.print(f"{campaign.name}: {len(results)} injections into {campaign.title}", style="bold")
    console.print(_counts(results))
    for matrix in matrices(results):
        console.print()
        console.print(_matrix(matrix, _square if _has_room(matrix, console) else _short))
    console.print()
    _times(campaign, results, console)
    _claims(campaign, results, out, console)
    _uncovered(campaign, results, console)
    _lines(campaign, results, out, console)


def _matrix(matrix: Matrix, show: Callable[[Square | None], Text]) -> Table:
    table = _table(matrix.title, "fault", "all" if show is _short else "injection", *matrix.cells)
    for row in matrix.rows:
        table.add_row(f"{row.action} {row.victim}", show(row.whole), *map(show, row.cells))
    return table


def _has_room(matrix: Matrix, console: Console) -> bool:
    """Whether the matrix with whole words fits the terminal."""
    wide = Measurement.get(console, console.options.update(max_width=WIDEST), _matrix(matrix, _square))
    return wide.maximum <= console.width


def _counts(results: Sequence[Result]) -> Table:
    table = _table(None, "verdict", "times", "share", "95 % interval")
    for each in count(results):
        interval = f"{human_percent(100 * each.low)} .. {human_percent(100 * each.high)}"
        share = human_percent(100 * each.times / each.of) if each.of else ""
        table.add_row(Text(each.verdict, STYLES[each.verdict]), str(each.times), share, interval)
    return table


def _times(campaign: Campaign, results: Sequence[Result], console: Console) -> None:
    """Detection and recovery in virtual time."""
    for flavour in campaign.flavours:
        mine = [result for result in results if result.flavour == flavour]
        hz = next(device.hz for key, device in campaign.devices.items() if key[1] == flavour)
        for what, values in (
            ("detection", [each.detection for each in mine]),
            ("recovery", [each.recovery for each in mine]),
        ):
            if found := spans(values):
                least, middle, most = (human_time(value, hz) for value in found[1:])
                console.print(f"{flavour}: {what} {least} .. {most}, median {middle} ({found[0]} times, virtual time)")


def _claims(campaign: Campaign, results: Sequence[Result], out: Path | None, console: Console) -> None:
    """What is said, and whether it is so; and the line that shows it."""
    for finding in judge_claims(campaign.file, results):
        word = Text(f"{finding.word}: ", CLAIM_STYLES[finding.word])
        console.print(word, Text(finding.says), sep="", soft_wrap=True)
        shown = f"in the worst of {finding.tried}, {headline(finding.shown_by)}: " if finding.shown_by else ""
        console.print(Text(f"  {shown}{finding.seen}"), soft_wrap=True)
        if finding.shown_by is not None and out is not None:
            console.print(Text(f"  {campaign.replay(finding.shown_by, out)}"), soft_wrap=True)
    if campaign.file.claim:
        console.print()


def _uncovered(campaign: Campaign, results: Sequence[Result], console: Console) -> None:
    """What was never exercised."""
    parts = coverage(campaign, results)
    console.print("exercised", style="bold")
    for line in (*(part.line() for part in parts), *never_used(parts)):
        console.print(Text(line), soft_wrap=True)
    if campaign.wanted:
        missed = missed_pairs(campaign, results)
        console.print(f"pairs: {len(campaign.wanted) - len(missed)} of {len(campaign.wanted)} were covered; not")
        told = lines_of(missed)
        for line in told[:LINES]:
            console.print(Text(f"  {line}"), soft_wrap=True)
        if len(told) > LINES:
            console.print(f"  ... and {len(told) - LINES} lines more, all in report.html")
    console.print()


def _lines(campaign: Campaign, results: Sequence[Result], out: Path | None, console: Console) -> None:
    """The worst, each with what repeats it."""
    for result in [each for each in worst_first(results) if Verdict(each.verdict) in WORTH_TELLING][:LINES]:
        verdict = Text(result.verdict, STYLES[Verdict(result.verdict)])
        console.print(verdict, Text(f"{headline(result)}: {result.why}"), soft_wrap=True)
        if out is not None and result.run:
            console.print(Text(f"  {campaign.replay(result, out)}"), soft_wrap=True)


def headline(result: Result) -> str:
    """What was done to whom, where, when."""
    when = "never" if result.at is None else f"cycle {result.at}"
    return f"{result.action} {result.victim} at {when}, {result.topology} under {result.flavour}, seed {result.seed}"


def _square(square: Square | None) -> Text:
    return Text(square.text, STYLES[square.worst]) if square else Text("")


def _short(square: Square | None) -> Text:
    """For many cells: the worst verdict by its beginning, a star if it was not the only one."""
    if square is None:
        return Text("")
    return Text(square.worst[:SHORT] + ("*" if len(square.counts) > 1 else ""), STYLES[square.worst])


def _table(title: str | None, *heads: str) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for head in heads:
        table.add_column(head, header_style="bold", no_wrap=True)
    return table
