"""`cellvisor top`: a live table of a running topology, its cells in virtual time and their processes on the host."""

from __future__ import annotations

import sys
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from hypervisor.abi.time import format_time
from hypervisor.shell.operator import Client

REFRESH_MS = 500


def watch(client: Client, *, once: bool) -> None:
    """Show the table until the run ends or Ctrl-C; once, when asked or when nobody could see it change."""
    console = Console(highlight=False)
    if once or not sys.stdout.isatty():
        console.print(table(client.ask("status"), None))
        return
    client.follow("nothing")
    before = None
    with Live(console=console, auto_refresh=False) as live:
        while not client.gone():
            status = client.ask("status")
            live.update(table(status, before), refresh=True)
            before = status
            client.next(REFRESH_MS)


def table(status: dict[str, Any], before: dict[str, Any] | None) -> Table:
    """The cells of one status; shares are of the time since `before`."""
    since = before or {"now": 0, "cells": [{"ran": 0}] * len(status["cells"])}
    elapsed = max(status["now"] - since["now"], 1) * len(status["cores"])
    title = f"{status['name']}: {status['flavour']} on {status['board']} at {format_time(status['now'], status['hz'])}"
    shown = Table(title=title, title_justify="left")
    for head in ("cell", "state"):
        shown.add_column(head)
    for head in ("share %", "switches", "irqs", "worst latency us", "restarts", "pid", "host CPU s", "host MiB"):
        shown.add_column(head, justify="right")
    for cell, earlier in zip(status["cells"], since["cells"], strict=True):
        shown.add_row(
            cell["name"],
            cell["state"],
            f"{100 * (cell['ran'] - earlier['ran']) / elapsed:.1f}",
            str(cell["switches"]),
            str(cell["interrupts"]),
            f"{cell['worst_latency'] * 1e6 / status['hz']:.2f}",
            str(cell["restarts"]),
            str(cell["pid"] or ""),
            f"{cell.get('host_cpu_seconds', 0):.2f}",
            f"{cell.get('host_memory', 0) / (1 << 20):.0f}",
        )
    return shown
