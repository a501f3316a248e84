"""Every figure of a run by a dotted path, and what users may write for one.

    time, seconds, hz, switches, interrupts, instructions, restarts, exits, energy_uj, idle       of the whole device
    cycles.CAUSE, share.CAUSE, operations.NAME, exits.KIND       summed over its cells; a share is of all their cycles
    wake_latency.STAT, reported.NAME.STAT                        over all cells; STAT: min p50 p99 p999 max count; last
    cells.CELL.KEY                                               all of these of one cell; and
    cells.CELL.interrupt_latency.STAT                            for one that waits for interrupts alone: from each, those
                                                                 that found it on its core as 0, to its being there
    host.seconds, host.mips                                      measured: differ from run to run

Short forms: `CELL.KEY` is `cells.CELL.KEY`; a report by its name alone, or as `ipc.NAME`, is `reported.NAME`; one without a STAT
is its last value.

>>> resolve("ipc.round_trip.p50", {"reported.round_trip.p50": 7.0})
'reported.round_trip.p50'
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hypervisor.abi.hypercalls import Hypercall, Metric
from hypervisor.abi.status import from_word
from hypervisor.shell.summary import CellSummary, Summary

STATS = {"p50": 500, "p99": 990, "p999": 999}
"""Name -> the share of all values, in thousandths, that are not above."""
PLAIN = ("ran", "switches", "interrupts", "instructions", "restarts", "console_bytes", "peak_memory", "energy_uj")
MOST_NAMES = 256
"""Of a cell's reports that are looked at: the account takes fewer."""
SUMMED = ("switches", "interrupts", "instructions", "restarts")
Histograms = Mapping[str, Mapping[int, int]]
"""By name: value -> how often."""


def spread_of(counts: Mapping[int, int]) -> dict[str, float]:
    """Count, extremes and percentiles of a histogram: values that occurred (nearest rank).

    >>> spread_of({10: 999, 30: 1})
    {'count': 1000, 'min': 10, 'p50': 10, 'p99': 10, 'p999': 10, 'max': 30}
    """
    values = sorted(value for value, often in counts.items() if often > 0)
    total = sum(counts[value] for value in values)
    if not total:
        return {"count": 0}
    ranks = {name: -(-total * share // 1000) for name, share in STATS.items()}
    found: dict[str, float] = {"count": total, "min": values[0]}
    seen, at = 0, 0
    for name, rank in ranks.items():
        while seen < rank:
            seen += counts[values[at]]
            at += 1
        found[name] = values[at - 1]
    return {**found, "max": values[-1]}


def flatten(summary: Summary, latencies: Histograms, reports: Mapping[str, Histograms]) -> dict[str, float]:
    """All figures of a run. `latencies`: of each cell from being due to running; `reports`: of each cell, by name."""
    flat: dict[str, float] = {"time": summary.time, "seconds": summary.time / summary.hz, "hz": summary.hz}
    cells = summary.cells
    for key in SUMMED:
        flat[key] = sum(getattr(cell, key) for cell in cells.values())
    flat["energy_uj"] = sum(cell.energy_uj for cell in cells.values()) + summary.board_idle_uj
    idle, busy = sum(core.idle for core in summary.cores), sum(core.busy for core in summary.cores)
    flat["idle"] = idle / (idle + busy) if idle + busy else 0.0
    for part in ("exits", "operations", "cycles"):
        flat |= {
            f"{part}.{name}": value for name, value in sum_of(getattr(cell, part) for cell in cells.values()).items()
        }
    flat["exits"] = sum(sum(cell.exits.values()) for cell in cells.values())
    flat |= _shares(sum_of(cell.cycles for cell in cells.values()))
    flat |= _prefixed("wake_latency", spread_of(sum_of(latencies.values())))
    for name in dict.fromkeys(name for histograms in reports.values() for name in histograms):
        merged = sum_of(histograms.get(name, {}) for histograms in reports.values())
        last = next(cell.metrics[name].last for cell in cells.values() if name in cell.metrics)
        flat |= _prefixed(f"reported.{name}", {"last": last, **spread_of(merged)})
    for name, cell in cells.items():
        flat |= _prefixed(f"cells.{name}", _of_cell(cell, latencies.get(name, {}), reports.get(name, {})))
    return flat


def _of_cell(cell: CellSummary, latencies: Mapping[int, int], reports: Histograms) -> dict[str, float]:
    flat: dict[str, float] = {key: getattr(cell, key) for key in PLAIN}
    flat |= {"share_percent": cell.share_percent, "refusals": sum(times for _, _, times in cell.refusals)}
    for part in ("exits", "operations", "cycles"):
        flat |= _prefixed(part, getattr(cell, part))
    flat["exits"] = sum(cell.exits.values())
    flat["time"] = sum(cell.cycles.values())
    flat |= _shares(cell.cycles)
    flat |= _prefixed("wake_latency", spread_of(latencies))
    flat |= _prefixed(
        "interrupt_latency", spread_of({**latencies, 0: latencies.get(0, 0) + _in_place(cell, latencies)})
    )
    for name, metric in cell.metrics.items():
        flat |= _prefixed(f"reported.{name}", {"last": metric.last, **spread_of(reports.get(name, {}))})
    return flat


def _in_place(cell: CellSummary, latencies: Mapping[int, int]) -> int:
    """Interrupts that it took without having left its core: asleep on a core that nobody else wanted, it is woken at once."""
    return max(cell.interrupts - sum(latencies.values()), 0)


def sum_of(parts: Any) -> Counter[Any]:
    """Counts added up by key."""
    total: Counter[Any] = Counter()
    for part in parts:
        total.update(part)
    return total


def _prefixed(prefix: str, flat: Mapping[str, float]) -> dict[str, float]:
    return {f"{prefix}.{name}": value for name, value in flat.items()}


def _shares(cycles: Mapping[str, int]) -> dict[str, float]:
    total = sum(cycles.values())
    return {f"share.{cause}": value / total for cause, value in cycles.items()} if total else {}


class Reports:
    """Each figure that a guest reported, taken from the trace as it is written: cell -> name -> value -> how often."""

    def __init__(self) -> None:
        self._mark = f'"call":{int(Hypercall.REPORT)},'.encode()
        self._found: dict[str, dict[str, Counter[int]]] = {}

    def take(self, chunk: bytes) -> None:
        """Some whole lines."""
        if self._mark in chunk:
            for line in chunk.splitlines():
                if self._mark in line:
                    self._add(json.loads(line))

    def _add(self, record: Mapping[str, Any]) -> None:
        if record["k"] != "exit" or record.get("call") != Hypercall.REPORT or len(record.get("args", ())) < 2:
            return  # other records have calls of their own
        number, value = record["args"][:2]
        name = Metric(number).name.lower() if number in list(Metric) else _text(record.get("data", ""))
        names = self._found.setdefault(record["cell"], {})
        if name in names or len(names) < MOST_NAMES:
            names.setdefault(name, Counter())[from_word(value)] += 1

    def of(self, known: Mapping[str, Sequence[str]]) -> dict[str, dict[str, Counter[int]]]:
        """Those that the account has: what was refused is left out."""
        return {
            cell: {name: self._found.get(cell, {}).get(name, Counter()) for name in names}
            for cell, names in known.items()
        }


def _text(latin: str) -> str:
    return latin.encode("latin-1").decode("utf-8", "replace")


# ---- what users write


def resolve(path: str, flat: Mapping[str, float]) -> str | None:
    """The figure that a path means, None if there is none."""
    return next((each for each in _meanings(path) if each in flat), None)


def _meanings(path: str) -> Iterator[str]:
    head, _, rest = path.partition(".")
    for plain in (path, f"cells.{path}", f"cells.{head}.reported.{rest}", f"reported.{path}"):
        yield from (plain, f"{plain}.last")
    if head == "ipc" and rest:
        yield from (f"reported.{rest}", f"reported.{rest}.last")
    parts = path.split(".")
    if parts[0] == "cells" and len(parts) > 2:
        inner = f"cells.{parts[1]}.reported.{'.'.join(parts[2:])}"
        yield from (inner, f"{inner}.last")


def written_as(flat: Mapping[str, float]) -> list[str]:
    """Every path that means something, for advice on one that does not."""
    return [*flat, *(path.removeprefix("cells.") for path in flat), *(_as_ipc(path) for path in flat)]


def _as_ipc(path: str) -> str:
    return path.replace("reported.", "ipc.", 1) if path.startswith("reported.") else path
