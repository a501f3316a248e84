"""What is said of calls at the end of a run, for people: of a cell that reported voice frames (a baseband), one sentence.

    voice_lines(summary) -> ["amss: 1 call, 272 voice frames sent, none lost; 297 deadlines met, none missed"]

A baseband reports `calls`, `voice_sent`, `voice_lost`, `deadlines_met`, `deadlines_missed`; each life of the cell counts from
nothing, so that the figure is the largest of each and not the sum.
"""

from __future__ import annotations

from collections.abc import Iterator

from hypervisor.shell.human import human_count
from hypervisor.shell.summary import CellSummary, Summary

NEEDED = ("voice_sent", "voice_lost")
"""Metrics by which such a cell is known."""


def voice_lines(summary: Summary) -> Iterator[str]:
    """A sentence for each baseband."""
    for name, cell in summary.cells.items():
        if all(metric in cell.metrics for metric in NEEDED):
            yield f"{name}: {_said(cell)}"


def _said(cell: CellSummary) -> str:
    most = {name: metric.max for name, metric in cell.metrics.items()}
    said = f"{_number(most, 'voice_sent', 'no')} voice frames sent, {_number(most, 'voice_lost')} lost"
    if "calls" in most:
        said = f"{_number(most, 'calls', 'no')} call{'' if most['calls'] == 1 else 's'}, {said}"
    if "deadlines_met" in most:
        said += f"; {_number(most, 'deadlines_met')} deadlines met, {_number(most, 'deadlines_missed')} missed"
    return said


def _number(most: dict[str, int], name: str, nothing: str = "none") -> str:
    return human_count(most[name]) if most.get(name) else nothing
