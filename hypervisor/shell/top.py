"""`cellvisor top`: a live table of a running topology, its cells in virtual time and their processes on the host.

What the run says (virtual) and what psutil says of its processes (host) stand side by side, both over the time since the
last look. The run is asked for the first only: looking at processes is done here and holds nothing up.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import psutil
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from hypervisor.shell.client import Client
from hypervisor.shell.human import STATE_STYLES, human_bytes, human_count, human_percent, human_time

REFRESH_S = 0.5
MONITOR = "monitor"


def watch(client: Client, *, once: bool) -> None:
    """Show the table until the run ends or Ctrl-C; once, when asked or when nobody could see it change."""
    console = Console(highlight=False)
    before = look(client)
    ended = client.wait(REFRESH_S).ended
    if once or not sys.stdout.isatty():
        console.print(screen(client, before, before if ended else look(client)))
        return
    with Live(console=console, auto_refresh=False) as live:
        while not ended:
            now = look(client)
            live.update(screen(client, before, now), refresh=True)
            before = now
            ended = client.wait(REFRESH_S).ended


@dataclass(frozen=True)
class HostProcess:
    """What psutil says of a process. `memory`: its fair share of what it has in common with others, where that may be seen."""

    cpu_seconds: float = 0.0
    memory: int = 0


@dataclass(frozen=True)
class Sight:
    """A run at one moment."""

    status: Mapping[str, Any]
    processes: Mapping[str, HostProcess]
    seconds: float = field(default_factory=time.monotonic)


def look(client: Client) -> Sight:
    """The run as it is now."""
    status = client.ask("status")
    pids = {cell["name"]: cell["pid"] for cell in status["cells"]}
    return Sight(status, {name: host_process(pid) for name, pid in {**pids, MONITOR: client.address.pid}.items()})


def host_process(pid: int) -> HostProcess:
    """Figures of a process; zeros if there is none."""
    if not pid:
        return HostProcess()
    try:
        process = psutil.Process(pid)
        spent, memory = process.cpu_times(), process.memory_info().rss
        with suppress(psutil.AccessDenied):  # a sandboxed cell shows its pages to root only
            memory = process.memory_full_info().pss
    except psutil.Error:
        return HostProcess()
    return HostProcess(spent.user + spent.system, memory)


def screen(client: Client, before: Sight, now: Sight) -> Group:
    """All that is shown: the run, its cells, its processes."""
    status = now.status
    return Group(
        Text(f"{status['name']}: {status['flavour']} on {status['board']}, process {client.address.pid}", style="bold"),
        Text(_speed(before, now)),
        Text(),
        _cells(before, now),
    )


def _speed(before: Sight, now: Sight) -> str:
    old, new = before.status, now.status
    hz, seconds = new["hz"], max(now.seconds - before.seconds, 1e-9)
    elapsed = new["now"] - old["now"]
    insns = sum(cell["instructions"] for cell in new["cells"]) - sum(cell["instructions"] for cell in old["cells"])
    cores = [
        f"core {number} {human_percent(_share(core['busy'] - earlier['busy'], elapsed))} busy"
        for number, (core, earlier) in enumerate(zip(new["cores"], old["cores"], strict=True))
    ]
    speed = f"virtual time {new['now'] / hz:.3f} s, {elapsed / hz / seconds:.2f}x real time"
    return ", ".join([speed, f"{insns / seconds / 1e6:.1f} MIPS", *cores])


def _cells(before: Sight, now: Sight) -> Table:
    """A line for each cell and one for the monitor; shares and CPU are of the time since the last look.

    `latency` is the worst one from being due to running. It fits 80 columns; only names of cells give way.
    """
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("cell", overflow="ellipsis")
    table.add_column("state", no_wrap=True)
    for head in ("share", "switches", "irqs", "latency", "lives", "pid", "host CPU", "memory"):
        table.add_column(head, justify="right", no_wrap=True)
    elapsed = (now.status["now"] - before.status["now"]) * len(now.status["cores"])
    for cell, earlier in zip(now.status["cells"], before.status["cells"], strict=True):
        table.add_row(
            cell["name"],
            Text(cell["state"], STATE_STYLES.get(cell["state"], "")),
            human_percent(_share(cell["ran"] - earlier["ran"], elapsed)),
            human_count(cell["switches"]),
            human_count(cell["interrupts"]),
            human_time(cell["worst_latency"], now.status["hz"]),
            str(cell["restarts"] + 1),
            str(cell["pid"] or ""),
            *_host(before, now, cell["name"]),
        )
    table.add_row(MONITOR, "", "", "", "", "", "", "", *_host(before, now, MONITOR), style="dim")
    return table


def _host(before: Sight, now: Sight, name: str) -> tuple[str, str]:
    """CPU and memory of a process on the host."""
    process, earlier = now.processes[name], before.processes[name]
    if not process.memory:
        return "", ""
    spent = max(process.cpu_seconds - earlier.cpu_seconds, 0.0)
    return human_percent(_share(spent, now.seconds - before.seconds)), human_bytes(process.memory)


def _share(part: float, whole: float) -> float:
    """Percent, nothing of nothing being none."""
    return 100 * part / whole if whole > 0 else 0.0
