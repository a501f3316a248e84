"""Floods of malformed messages beside a real-time task: `python -m benchmarks.floods [--seconds 60] [--flavours okl4,xen,l4]`.

The device is `floods` (boards/topologies): one cell sends 10,000 messages a virtual second on each of seven interfaces,
malformed in one run and proper in the other, both at once on two CPUs of the host. The task's worst latency may not be greater
under the malformed ones by more than what it can tell apart (a tick of its timer), it may skip no tick, nobody may die, and the
flood must have been of the size that is promised. Exit status 1: one of that is not so.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from hypervisor.flavours import FLAVOURS
from hypervisor.shell.runs.starter import end_group

EACH, PERIOD_US = 16, 1600
"""Messages on each interface in a round, and how long one is: 10,000 a second."""
PER_SECOND = EACH * 1_000_000 // PERIOD_US
INTERFACES = 7
MANNERS = ("malformed", "proper")
SPARE_S = 1
"""Virtual seconds for what is still owed at the end."""
LIMIT_S = 3600.0
TICK_HZ = 1_000_000
"""Of the task's timer: it cannot tell apart what is less."""
RUN = "import json, sys; from benchmarks.floods import flood; print(json.dumps(flood(*sys.argv[1:])))"
SKIPPED = re.compile(rb"skipped (\d+)")


@dataclass(frozen=True)
class Flood:
    """One run: the task's worst latency in cycles, ticks it missed, messages by interface, deaths, host seconds, clock in Hz."""

    latency: int
    skipped: int
    sent: dict[str, int]
    dead: dict[str, str]
    host_seconds: float
    hz: int


def flood(flavour: str, manner: str, seconds: str) -> dict[str, Any]:
    """A run, in the process that calls; plain data for `Flood`."""
    from hypervisor import launch

    rounds = int(float(seconds) * 1_000_000) // PERIOD_US
    settings = [f"cells.flooder.args={[manner, EACH, f'{PERIOD_US}us', rounds]}".replace("'", '"')]
    ticks = (float(seconds) + SPARE_S) * 1000 - 100
    settings.append(f'cells.rt.args="period_us=1000 print=0 work=2000 ticks={int(ticks)}"')
    began = time.monotonic()
    with launch("floods", flavour=flavour, overrides=settings) as run:
        run.until(f"{float(seconds) + SPARE_S:g}s")
        cells = run.summary().cells
        found = SKIPPED.search(run.console("rt"))
        return {
            "latency": cells["rt"].metrics["latency"].max,
            "skipped": int(found[1]) if found else -1,
            "sent": {name: metric.last for name, metric in cells["flooder"].metrics.items()},
            "dead": {name: cell.why for name, cell in cells.items() if cell.restarts or cell.state == "failed"},
            "host_seconds": time.monotonic() - began,
            "hz": run.topology.board.clock_hz,
        }


def apart(flavour: str, seconds: str, manner: str) -> Flood:
    """The same in a process of its own."""
    import json

    with tempfile.TemporaryDirectory(prefix="cellvisor-floods-") as place:
        order = [sys.executable, "-c", RUN, flavour, manner, seconds]
        child = subprocess.Popen(order, stdout=subprocess.PIPE, cwd=place, start_new_session=True, env=_environment())
        try:
            out, _ = child.communicate(timeout=LIMIT_S)
        finally:
            end_group(child.pid)
            child.wait()
    if child.returncode:
        raise RuntimeError(f"{flavour}, {manner}: the run ended with status {child.returncode}")
    return Flood(**json.loads(out))


def _environment() -> dict[str, str]:
    import os

    root = str(Path(__file__).resolve().parents[1])
    return {**os.environ, "PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])}


def problems(malformed: Flood, proper: Flood, seconds: float) -> list[str]:
    """What is not as it is promised."""
    wanted, tick = int(seconds * 1_000_000) // PERIOD_US * EACH, malformed.hz // TICK_HZ
    found = [f"{name}: {count} messages, not {wanted}" for name, count in malformed.sent.items() if count < wanted]
    if len(malformed.sent) < INTERFACES:
        found.append(f"{len(malformed.sent)} interfaces, not {INTERFACES}")
    if malformed.latency > proper.latency + tick:
        found.append(f"rt: at worst {malformed.latency} cycles late, and {proper.latency} without malformed messages")
    if malformed.skipped:
        found.append(f"rt skipped {malformed.skipped} ticks")
    return found + [f"{name} died: {why}" for name, why in malformed.dead.items()]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.floods", description=str(__doc__).partition(":")[0] + "."
    )
    parser.add_argument("--seconds", type=float, default=60.0, help="virtual seconds of flood (60)")
    known = [name for name, flavour in FLAVOURS.items() if flavour.most_cells != 1]
    parser.add_argument("--flavours", default=",".join(known), help=",".join(known))
    chosen = parser.parse_args(arguments)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in (
        "flavour",
        "messages each second, on each of",
        "worst latency",
        "with proper ones",
        "skipped",
        "host",
        "",
    ):
        table.add_column(head)
    bad: list[str] = []
    for flavour in chosen.flavours.split(","):
        with ThreadPoolExecutor(len(MANNERS)) as pool:
            malformed, proper = pool.map(partial(apart, flavour, str(chosen.seconds)), MANNERS)
        wrong = problems(malformed, proper, chosen.seconds)
        bad += [f"{flavour}: {each}" for each in wrong]
        late = [f"{1e6 * one.latency / one.hz:.1f} us" for one in (malformed, proper)]
        sent = f"{min(malformed.sent.values(), default=0) / chosen.seconds:,.0f}, {len(malformed.sent)} interfaces"
        table.add_row(
            flavour, sent, *late, str(malformed.skipped), f"{malformed.host_seconds:.0f} s", "missed" if wrong else "ok"
        )
    console = Console(highlight=False)
    console.print(table)
    for line in bad:
        console.print(line, markup=False)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
