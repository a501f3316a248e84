"""Steps as a table on the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from hypervisor.core.ledger import CAUSES
from hypervisor.shell.explain.steps import Step, totals


def show_steps(title: str, steps: Sequence[Step], console: Console) -> None:
    """Print the steps and what they sum to."""
    began = steps[0].time - steps[0].ran if steps else 0
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for heading, side in (
        ("record", "right"),
        ("at", "right"),
        ("who" if any(step.side for step in steps) else "cell", "left"),
        ("step", "left"),
        ("cycles", "right"),
    ):
        table.add_column(heading, justify=side, no_wrap=heading != "step")  # type: ignore[arg-type]
    for step in steps:
        cost = f"{step.cycles:,}" if step.cycles else ""
        table.add_row(str(step.serial), f"+{step.time - began:,}", step.who, step.what, cost)
    console.print(table)
    console.print()
    sums = totals(steps)
    summary = Table(box=None, pad_edge=False)
    for heading, side in (("cause", "left"), ("cycles", "right"), ("what it is", "left")):
        summary.add_column(heading, justify=side)  # type: ignore[arg-type]
    for cause, cycles in sums.items():
        summary.add_row(cause, f"{cycles:,}", CAUSES.get(cause, ""))
    summary.add_row("in all", f"{sum(sums.values()):,}", "")
    console.print(summary)
