"""Floods of malformed messages beside a real-time task: `python -m benchmarks.floods [--seconds 60] [--flavours okl4,xen,l4]`.

The device is `floods` (boards/topologies): one cell sends 10,000 messages a virtual second on each of seven interfaces,
malformed in one run and proper in the other; of all these runs `--jobs` are made at once, a CPU of the host each. The task's
worst latency may not be greater under the malformed ones by more than what it can tell apart (a tick of its timer), it may
skip no tick, nobody may die, and both floods must have been of the size that is promised. Exit status 1: one of that is not so.

Theory: a worst latency is that of what was under way when the task became due, so two of them can be compared only if the task
has become due at every moment of a round in both runs. Its period therefore shares no measure with the rounds above a
microsecond; with one that does, a flood that is the same in each round is met at a few moments only, and looks harmless.
For each run the command names its worst wake-up: how late, when, and what the trace has from there to the task.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import command_line
from benchmarks.command_line import Children
from hypervisor.core.cell import Wake
from hypervisor.flavours import FLAVOURS

EACH, PERIOD_US = 16, 1600
"""Messages on each interface in a round, and how long one is: 10,000 a second."""
PER_SECOND = EACH * 1_000_000 // PERIOD_US
INTERFACES = 7
TASK_US = 997
"""The task's period: as in the topology."""
UNANSWERED = "input"
"""A proper request of this interface is answered when somebody touches the screen: as many are sent as wait at most."""
MANNERS = ("malformed", "proper")
SPARE_S = 1
"""Virtual seconds for what is still owed at the end."""
LIMIT_S = 3600.0
TICK_HZ = 1_000_000
"""Of the task's timer: it cannot tell apart what is less."""
RUN = """
import json, sys
from cells.sandbox import die_with
die_with(int(sys.argv[1]))
from benchmarks.floods import flood
print(json.dumps(flood(*sys.argv[2:])))
"""
KNOWN = [name for name, flavour in FLAVOURS.items() if flavour.most_cells != 1]
"""Flavours that have room for a flooder."""
SKIPPED = re.compile(rb"skipped (\d+)")


@dataclass(frozen=True)
class Flood:
    """One run: the task's worst latency in cycles, ticks it missed, messages by interface, deaths, host seconds, clock in Hz.

    `late`, `due`, `story`: the worst wake-up as the monitor saw it, in cycles; what happened from then until the task ran.
    """

    latency: int
    skipped: int
    sent: dict[str, int]
    dead: dict[str, str]
    host_seconds: float
    hz: int
    late: int = 0
    due: int = 0
    story: str = ""


class Witness:
    """Listens to the trace, and keeps the part of it that tells of a cell's worst wake-up so far."""

    def __init__(self, latest: Callable[[], Wake | None]) -> None:
        """`latest`: the account's."""
        self._latest, self._before = latest, b""
        self._seen: Wake | None = None
        self.story = ""

    def hear(self, chunk: bytes) -> None:
        """Some more lines."""
        wake = self._latest()
        if wake is not None and wake != self._seen:
            self._seen = wake
            self.story = story(map(json.loads, (self._before + chunk).splitlines()), wake)
        self._before = chunk


def story(records: Iterable[dict[str, Any]], wake: Wake) -> str:
    """What the trace has from the last exit before a wake-up was due until it came."""
    told: list[str] = []
    for record in records:
        if record["t"] > wake.due + wake.late:
            break
        if record["k"] == "exit" and record["t"] <= wake.due:
            told.clear()
        told.append(_words(record))
    return ", ".join(told)


def _words(record: dict[str, Any]) -> str:
    if record["k"] == "exit":
        number = f" {record['call']}" if "call" in record else ""
        return f"{record['cell']}: {record['why']}{number}"
    if record["k"] == "switch":
        return f"switch to {record['cell']}"
    return " ".join([record["k"], *([str(record["cycles"])] if "cycles" in record else [])])


def flood(flavour: str, manner: str, seconds: str) -> dict[str, Any]:
    """A run, in the process that calls; plain data for `Flood`."""
    from hypervisor import launch

    rounds = int(float(seconds) * 1_000_000) // PERIOD_US
    settings = [f"cells.flooder.args={[manner, EACH, f'{PERIOD_US}us', rounds]}".replace("'", '"')]
    ticks = (float(seconds) + SPARE_S - 0.1) * 1_000_000 / TASK_US
    settings.append(f'cells.rt.args="period_us={TASK_US} print=0 work=2000 ticks={int(ticks)}"')
    began = time.monotonic()
    with launch("floods", flavour=flavour, overrides=settings) as run:
        account = run.cell("rt").account
        witness = Witness(lambda: account.latest)
        run.trace.on_chunk.append(witness.hear)
        run.until(f"{float(seconds) + SPARE_S:g}s")
        run.trace.flush()
        worst = account.latest or Wake(0, 0, "", "")
        cells = run.summary().cells
        found = SKIPPED.search(run.console("rt"))
        return {
            "latency": cells["rt"].metrics["latency"].max,
            "skipped": int(found[1]) if found else -1,
            "sent": {name: metric.last for name, metric in cells["flooder"].metrics.items()},
            "dead": {name: cell.why for name, cell in cells.items() if cell.restarts or cell.state == "failed"},
            "host_seconds": time.monotonic() - began,
            "hz": run.topology.board.clock_hz,
            "late": worst.late,
            "due": worst.due,
            "story": witness.story,
        }


def apart(flavour: str, seconds: str, manner: str, children: Children | None = None) -> Flood:
    """The same in a process of its own, one of `children`."""
    with tempfile.TemporaryDirectory(prefix="cellvisor-floods-") as place:
        order = [sys.executable, "-c", RUN, str(os.getpid()), flavour, manner, seconds]
        started = (children or Children()).started(order, stdout=subprocess.PIPE, cwd=place, env=_environment())
        with started as child:
            out, _ = child.communicate(timeout=LIMIT_S)
    if child.returncode:
        raise RuntimeError(f"{flavour}, {manner}: the run ended with status {child.returncode}")
    return Flood(**json.loads(out))


def _environment() -> dict[str, str]:
    root = str(Path(__file__).resolve().parents[1])
    return {**os.environ, "PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])}


def run_all(flavours: Sequence[str], seconds: float, jobs: int) -> dict[tuple[str, str], Flood]:
    """Both floods under each flavour, `jobs` at once, by flavour and manner. The malformed ones take longer, and come first."""
    order = [(flavour, manner) for manner in MANNERS for flavour in flavours]
    done, children = count(1), Children()

    def run(which: tuple[str, str]) -> Flood:
        flood = apart(which[0], str(seconds), which[1], children)
        print(
            f"{next(done)} of {len(order)}: {' '.join(which)}, {flood.host_seconds:.0f} s", file=sys.stderr, flush=True
        )
        return flood

    with ThreadPoolExecutor(jobs) as pool:
        try:
            return dict(zip(order, pool.map(run, order), strict=True))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            children.end()
            raise


def problems(malformed: Flood, proper: Flood, seconds: float) -> list[str]:
    """What is not as it is promised."""
    wanted, tick = int(seconds * 1_000_000) // PERIOD_US * EACH, malformed.hz // TICK_HZ
    counts = [
        *malformed.sent.items(),
        *((name, n) for name, n in proper.sent.items() if not name.startswith(UNANSWERED)),
    ]
    found = [f"{name}: {count} messages, not {wanted}" for name, count in counts if count < wanted]
    few = [len(flood.sent) for flood in (malformed, proper) if len(flood.sent) < INTERFACES]
    found += [f"{count} interfaces, not {INTERFACES}" for count in few]
    if malformed.latency > proper.latency + tick:
        found.append(f"rt: at worst {malformed.latency} cycles late, and {proper.latency} without malformed messages")
    if malformed.skipped:
        found.append(f"rt skipped {malformed.skipped} ticks")
    return found + [f"{name} died: {why}" for name, why in malformed.dead.items()]


HEADS = ("flavour", "messages each second, on each of", "worst latency", "with proper ones", "skipped", "host", "")


def _row(flavour: str, malformed: Flood, proper: Flood, seconds: float, wrong: list[str]) -> list[str]:
    late = [f"{1e6 * one.latency / one.hz:.1f} us" for one in (malformed, proper)]
    sent = f"{min(malformed.sent.values(), default=0) / seconds:,.0f}, {len(malformed.sent)} interfaces"
    host = f"{max(malformed.host_seconds, proper.host_seconds):.0f} s"
    return [flavour, sent, *late, str(malformed.skipped), host, "missed" if wrong else "ok"]


def _worst(flavour: str, manner: str, flood: Flood) -> str:
    when = f"{flood.late:,} cycles after {flood.due / flood.hz:.6f} s"
    return f"{flavour}, {manner}: the worst wake-up came {when}: {flood.story}"


def _flavours(text: str) -> list[str]:
    chosen = list(dict.fromkeys(text.split(",")))
    for name in chosen:
        if name not in KNOWN:
            raise argparse.ArgumentTypeError(f'"{name}" is none of {", ".join(KNOWN)}')
    return chosen


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.floods", description=str(__doc__).partition(":")[0] + "."
    )
    parser.add_argument("--seconds", type=command_line.seconds, default=60.0, help="virtual seconds of flood (60)")
    parser.add_argument("--flavours", type=_flavours, default=KNOWN, metavar="NAMES", help="okl4,xen,l4 (all of them)")
    parser.add_argument("--jobs", type=command_line.jobs, metavar="N", default=2, help="runs at once (2)")
    chosen = parser.parse_args(arguments)
    return command_line.guarded("floods", lambda: _run(chosen))


def _run(chosen: argparse.Namespace) -> int:
    floods = run_all(chosen.flavours, chosen.seconds, chosen.jobs)
    table = Table(*HEADS, box=None, pad_edge=False, header_style="bold")
    told: list[str] = []
    bad = False
    for flavour in chosen.flavours:
        malformed, proper = (floods[flavour, manner] for manner in MANNERS)
        wrong = problems(malformed, proper, chosen.seconds)
        bad |= bool(wrong)
        told += [_worst(flavour, manner, flood) for manner, flood in zip(MANNERS, (malformed, proper), strict=True)]
        told += [f"{flavour}: {each}" for each in wrong]
        table.add_row(*_row(flavour, malformed, proper, chosen.seconds, wrong))
    console = Console(highlight=False)
    console.print(table)
    for line in told:
        console.print(line, markup=False)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
