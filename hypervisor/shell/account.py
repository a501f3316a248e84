"""The account at the end of a run, for people: what was modelled first, what was measured on this host apart from it.

It fits 80 columns and takes 100 where there are, and has no colour where it does not go to a terminal.
Names of metrics and reasons come from guests, so nothing in them is obeyed, neither as markup nor by the terminal.

    show_account(summary, Console())
    show_json(summary, sys.stdout)         # for --json: this and nothing else
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TextIO

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hypervisor.abi.records import ExitKind
from hypervisor.core.ledger import CAUSES
from hypervisor.shell.human import (
    STATE_STYLES,
    human_bytes,
    human_count,
    human_energy,
    human_percent,
    human_seconds,
    human_time,
    printable,
)
from hypervisor.shell.summary import CellSummary, CoreSummary, Summary
from hypervisor.shell.voice import voice_lines

WIDTH = 100
"""Wider lines are harder to read, not easier."""
_SHORT = {"hypercall": "hcalls", "shutdown": "down"}
"""Kinds of exit whose names are too wide for a table of 80 columns that has all of them."""
_ENDS = {
    "reached": "it was to run so long",
    "finished": "every cell has ended",
    "asleep": "nothing was left to do",
    "interrupted": "by its user",
}
"""Why a run ended, in words."""
_METRIC = 20
"""Characters of a metric's name that are shown."""
_CALL, _WHY, _KINDS = 16, 40, 24
"""Characters of a refused call and of the reason that are shown, and kinds of refusals of a cell."""
_SAID = 120
"""Characters of what a process had printed at its end."""
_FEW = 4
"""Cells that have a column of their own."""
OVERHEAD = [cause for cause in CAUSES if cause not in ("guest", "idle")]
"""Causes that are the monitor's."""

Row = list[str | Text]
Figures = tuple[tuple[str, ...], list[Row]]
"""Heads and rows of a table."""


def show_json(summary: Summary, stream: TextIO) -> None:
    """The summary for programs."""
    stream.write(summary.to_json())


def show_account(summary: Summary, console: Console) -> None:
    """The summary for people."""
    width = min(console.width, WIDTH)
    for part in (*_modelled(summary, width), *_measured(summary, width)):
        console.print(part, width=width)


def sandbox_line(cells: Iterable[tuple[str, tuple[str, ...]]]) -> str:
    """What the sandboxes of cells lack, in one line.

    >>> sandbox_line([("linux", ("landlock",)), ("brew", ("landlock",)), ("rt", ())])
    'sandbox: linux, brew without landlock; the others full'
    """
    groups: dict[tuple[str, ...], list[str]] = {}
    for name, lacks in cells:
        groups.setdefault(lacks, []).append(name)
    full = groups.pop((), [])
    if not groups:
        return "sandbox: full"
    lines = [f"{', '.join(names)} without {', '.join(lacks)}" for lacks, names in groups.items()]
    return "sandbox: " + "; ".join(lines + ["the others full"] * bool(full))


def _modelled(summary: Summary, width: int) -> Iterable[Text | Table]:
    """What is equal whenever the run is done again."""
    yield Text(printable(f"{summary.name}: {summary.flavour} on {summary.board}, seed {summary.seed}"), style="bold")
    yield Text("modelled (the same in every run)", style="bold")
    ended = _ENDS.get(summary.ended, printable(summary.ended))
    yield Text(f"virtual time {human_time(summary.time, summary.hz)}, ended: {ended}")
    yield Text(f"trace sha256 {summary.trace_sha256}")
    parts = (_cells, _exits, _operations, _translations, _latencies, _metrics, _refusals, _faults)
    for heads, rows in (part(summary) for part in parts):
        if rows:
            yield Text()
            yield table(width, heads, rows)
    yield Text()
    yield from (_remark(name, cell) for name, cell in summary.cells.items() if cell.why or cell.restarts)
    yield from (Text(printable(line), style="bold") for line in voice_lines(summary))
    yield from (_core(number, core, summary) for number, core in enumerate(summary.cores))
    yield _energy(summary)


def _measured(summary: Summary, width: int) -> Iterable[Text | Table]:
    """What this host took for it."""
    host = summary.host
    cells_cpu = sum(cell.cpu_seconds for cell in host.cells.values())
    yield Text()
    yield Text("measured on this host (differs from run to run)", style="bold")
    yield Text(
        f"{human_seconds(host.seconds)} for {human_time(summary.time, summary.hz)} of virtual time, "
        f"{host.mips:.1f} MIPS, link {host.transport}"
    )
    yield Text(f"CPU: monitor {human_seconds(host.monitor_cpu_seconds)}, cells {human_seconds(cells_cpu)}")
    rows: list[Row] = [
        [name, human_seconds(cell.cpu_seconds), human_bytes(cell.peak_memory)] for name, cell in host.cells.items()
    ]
    if rows:
        yield table(width, ("process", "CPU", "peak memory"), rows)
        yield Text(sandbox_line((name, cell.sandbox_lacks) for name, cell in host.cells.items()))
    yield from (_last_words(name, cell.said) for name, cell in host.cells.items() if cell.said)


def _last_words(name: str, said: str) -> Text:
    first, *more = said.strip().splitlines() or [""]
    rest = f" (and {len(more)} more lines, in summary.json)" if more else ""
    return Text(f"the process of {name} had printed: {_clip(printable(first), _SAID)}{rest}")


def _cells(summary: Summary) -> Figures:
    """A line for each cell."""
    rows: list[Row] = [
        [
            name,
            Text(cell.state, STATE_STYLES.get(cell.state, "")),
            human_time(cell.ran, summary.hz),
            human_percent(cell.share_percent),
            *(human_count(n) for n in (cell.switches, cell.interrupts, sum(cell.exits.values()), cell.instructions)),
            human_energy(cell.energy_uj),
        ]
        for name, cell in summary.cells.items()
    ]
    return ("cell", "state", "ran", "share", "switches", "irqs", "exits", "instr.", "energy"), rows


def _exits(summary: Summary) -> Figures:
    """Exits by kind: a column for each kind that occurred, known ones in their order; and bytes on the console."""
    seen = {kind for cell in summary.cells.values() for kind, count in cell.exits.items() if count}
    known = [kind.name.lower() for kind in ExitKind]
    kinds = [kind for kind in known if kind in seen] + sorted(seen.difference(known))
    rows: list[Row] = [
        [name, *(human_count(cell.exits.get(kind, 0)) for kind in kinds), human_bytes(cell.console_bytes)]
        for name, cell in summary.cells.items()
    ]
    return ("exits", *(_SHORT.get(kind, kind) for kind in kinds), "console"), rows if kinds else []


def _operations(summary: Summary) -> Figures:
    """What the flavour's mechanisms did and what it cost: a line for each cause, with the cells if they are few."""
    cells = summary.cells
    if not any(cell.operations for cell in cells.values()):
        return (), []
    causes = [
        cause for cause in OVERHEAD if any(cause in {**cell.cycles, **cell.operations} for cell in cells.values())
    ]
    few = list(cells) if len(cells) <= _FEW else []
    rows: list[Row] = [
        [
            cause,
            human_count(times) if (times := sum(times_of(cell, cause) for cell in cells.values())) else "",
            human_count(sum(cell.cycles.get(cause, 0) for cell in cells.values())),
            *(human_count(cells[name].cycles.get(cause, 0)) for name in few),
        ]
        for cause in causes
    ]
    return ("mechanism", "times", "cycles", *(_clip(name, _METRIC // 2) for name in few)), rows


def times_of(cell: CellSummary, cause: str) -> int:
    """How often something was charged to a cell, by its exits and as steps of a mechanism; 0 if nobody counted."""
    counted = {
        "world_switch": cell.switches,
        "hypercall": cell.exits.get("hypercall", 0),
        "device_exit": cell.exits.get("read", 0) + cell.exits.get("write", 0),
    }
    return cell.operations.get(cause, 0) + counted.get(cause, 0)


def _translations(summary: Summary) -> Figures:
    """How the virtual TLB did: of the real one's misses those that it had, those that it walked for, and the guest's upkeep.

    Of a paravirtual kernel's nobody counts the hits: the CPU walks it by itself.
    """
    rows: list[Row] = []
    for name, cell in summary.cells.items():
        hits, walks, upkeep = (cell.operations.get(count, 0) for count in ("vtlb_hits", "vtlb", "vtlb_upkeep"))
        if walks and not hits:
            rows.append([name, "", "", human_count(walks), "", ""])
        elif hits or walks:
            rate = human_percent(100 * hits / (hits + walks))
            rows.append(
                [name, *(human_count(count) for count in (hits + walks, hits, walks)), rate, human_count(upkeep)]
            )
    return ("virtual TLB", "TLB misses", "hits", "walks", "hit rate", "upkeep"), rows


def _latencies(summary: Summary) -> Figures:
    """From due to running."""
    rows: list[Row] = []
    for name, cell in summary.cells.items():
        wake = cell.wake_latency
        if wake.count:
            spans = (wake.min, wake.p50, wake.p99, wake.max)
            rows.append([name, human_count(wake.count), *(human_time(span, summary.hz) for span in spans)])
    return ("wake-up latency", "count", "min", "p50", "p99", "max"), rows


def _metrics(summary: Summary) -> Figures:
    """What guests reported: their figures, in units of their own, exact."""
    rows: list[Row] = []
    for name, cell in summary.cells.items():
        for metric, figure in cell.metrics.items():
            numbers = (str(n) for n in (figure.last, figure.min, figure.max))
            rows.append([name, Text(_clip(printable(metric), _METRIC)), *numbers, human_count(figure.count)])
    return ("reported", "metric", "last", "min", "max", "count"), rows


def _refusals(summary: Summary) -> Figures:
    """What the monitor refused, by its own reasons; the most frequent first, and how many kinds are not shown."""
    rows: list[Row] = []
    for name, cell in summary.cells.items():
        found = sorted(cell.refusals, key=lambda entry: (-entry[2], entry))
        rows += [
            [name, Text(_clip(printable(what), _CALL)), Text(_clip(printable(why), _WHY)), human_count(times)]
            for what, why, times in found[:_KINDS]
        ]
        if rest := found[_KINDS:]:
            times = sum(entry[2] for entry in rest)
            rows.append([name, Text("..."), Text(f"{len(rest)} more kinds"), human_count(times)])
    return ("refused", "call", "why", "times"), rows


def _faults(summary: Summary) -> Figures:
    """Injected faults, and whether they ever struck."""
    rows: list[Row] = [
        [fault.cell or "host", Text(fault.action), Text(fault.point or "at a time"), human_count(fault.struck)]
        for fault in summary.faults
    ]
    return ("fault of", "action", "where", "struck"), rows


def _remark(name: str, cell: CellSummary) -> Text:
    """What is said of a cell in words: why it is as it is."""
    restarts = f"restarted {cell.restarts} time{'s' if cell.restarts > 1 else ''}" if cell.restarts else ""
    return Text(f"{name}: {'; '.join(part for part in (printable(cell.why), restarts) if part)}")


def _core(number: int, core: CoreSummary, summary: Summary) -> Text:
    share = human_percent(100 * core.busy / (core.busy + core.idle) if core.busy + core.idle else 0.0)
    busy, idle = human_time(core.busy, summary.hz), human_time(core.idle, summary.hz)
    return Text(f"core {number}: busy {busy} ({share}), idle {idle}")


def _energy(summary: Summary) -> Text:
    cells = human_energy(sum(cell.energy_uj for cell in summary.cells.values()))
    assumed = " (the board's figures of power are assumed)" if summary.energy_assumed else ""
    return Text(f"energy: cells {cells}, board while idle {human_energy(summary.board_idle_uj)}{assumed}")


def table(width: int, heads: Sequence[str], rows: Sequence[Row]) -> Table:
    """A table without lines: texts left, numbers right. Only the first column gives way: a name is cut, no number."""
    gap = 2 if width >= WIDTH else 1
    result = Table(box=None, pad_edge=False, padding=(0, gap, 0, 0), header_style="bold")
    others = sum(gap + max(cell_len(str(item)) for item in column) for column in zip(heads, *rows, strict=True))
    others -= max(cell_len(str(item)) for item in (heads[0], *(row[0] for row in rows)))
    for index, head in enumerate(heads):
        text = index == 0 or isinstance(rows[0][index], Text)
        result.add_column(head, justify="left" if text else "right", no_wrap=True)
    for name, *rest in rows:
        result.add_row(_clip(str(name), max(width - others, 8)), *rest)
    return result


def _clip(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 2] + ".."
