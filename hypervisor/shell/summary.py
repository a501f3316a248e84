"""The account of a run as data: what `summary.json` holds, what `--json` prints, what sweeps and tables read.

Two kinds of number never meet here. All outside of `host` is modelled: counted in virtual time, equal for equal
inputs, a part of the promise of determinism. All inside of `host` is measured on the machine that ran it and differs
from run to run. Times are cycles of a clock of `hz`; energies are microjoules.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter, ValidationError

from hypervisor.shell.provenance import Binary


@dataclass(frozen=True)
class Latency:
    """How long something took, over all times that it happened, in cycles. Percentiles are values that occurred."""

    count: int = 0
    min: int = 0
    p50: int = 0
    p99: int = 0
    max: int = 0

    @classmethod
    def of(cls, counts: Mapping[int, int]) -> Latency:
        """From a histogram: value -> how often.

        >>> Latency.of({10: 98, 30: 2})
        Latency(count=100, min=10, p50=10, p99=30, max=30)
        """
        values = sorted(value for value, often in counts.items() if often > 0)
        total = sum(counts[value] for value in values)
        if not total:
            return cls()
        return cls(
            total, values[0], _percentile(counts, values, total, 50), _percentile(counts, values, total, 99), values[-1]
        )


def _percentile(counts: Mapping[int, int], values: list[int], total: int, percent: int) -> int:
    """The smallest value that at least `percent` of all are not above (nearest rank)."""
    rank, seen = -(-total * percent // 100), 0
    for value in values:
        seen += counts[value]
        if seen >= rank:
            return value
    return values[-1]


@dataclass(frozen=True)
class Metric:
    """A figure that a guest reported."""

    last: int
    min: int
    max: int
    count: int

    def after(self, value: int) -> Metric:
        """With one more report.

        >>> Metric.first(5).after(3)
        Metric(last=3, min=3, max=5, count=2)
        """
        return Metric(value, min(self.min, value), max(self.max, value), self.count + 1)

    @classmethod
    def first(cls, value: int) -> Metric:
        """Of one report."""
        return cls(value, value, value, 1)


@dataclass(frozen=True)
class CellSummary:
    """What one cell did.

    `state` is how it ended, `why` the reason if that needs one. `ran`: cycles on a core; `share_percent`: of the time
    of all cores. `switches`: how often a core went over to it. `interrupts`: that it took. `exits`: by the names of
    `ExitKind` in lower case. `cycles`: charged to it, by the causes of the ledger; `operations`: how often a mechanism
    of the flavour did something on its behalf, by the same names. `peak_memory`: bytes of board memory that it owned at
    most. `refusals`: what the monitor refused it, why, and how often (hypervisor/core/refusals.py). `wake_latency`: from
    the moment when it was due to the moment when it ran. `console_bytes`: that it wrote.
    """

    state: str
    why: str = ""
    ran: int = 0
    share_percent: float = 0.0
    switches: int = 0
    interrupts: int = 0
    instructions: int = 0
    exits: Mapping[str, int] = field(default_factory=dict)
    wake_latency: Latency = field(default_factory=Latency)
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    refusals: tuple[tuple[str, str, int], ...] = ()
    energy_uj: int = 0
    restarts: int = 0
    console_bytes: int = 0
    peak_memory: int = 0
    cycles: Mapping[str, int] = field(default_factory=dict)
    operations: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class CoreSummary:
    """How one core spent the run, in cycles."""

    busy: int
    idle: int


@dataclass(frozen=True)
class FaultSummary:
    """An injected fault: for which cell ("" the host), where ("" at a time), and how often it has struck (0: not activated)."""

    cell: str
    action: str
    point: str
    struck: int


@dataclass(frozen=True)
class HostCell:
    """What a cell took on the host, which layers of its sandbox this host could not give, and what its process had printed when
    it ended by itself."""

    cpu_seconds: float = 0.0
    peak_memory: int = 0
    sandbox_lacks: tuple[str, ...] = ()
    said: str = ""


@dataclass(frozen=True)
class HostSummary:
    """What was measured: `seconds` of wall time, the monitor's CPU time, `mips`: guest instructions per microsecond."""

    transport: str
    seconds: float
    monitor_cpu_seconds: float = 0.0
    mips: float = 0.0
    cells: Mapping[str, HostCell] = field(default_factory=dict)


@dataclass(frozen=True)
class Summary:
    """The account of one run.

    `time` is where virtual time stood at the end and `ended` why it went no further. `trace_sha256` is the hash of
    `trace.jsonl`. `board_idle_uj` is what the board took while its cores had nothing to do; `energy_assumed` says
    that the board's figures of power are a guess.
    """

    name: str
    flavour: str
    board: str
    seed: int
    hz: int
    time: int
    ended: str
    trace_sha256: str
    cells: Mapping[str, CellSummary]
    cores: tuple[CoreSummary, ...]
    host: HostSummary
    board_idle_uj: int = 0
    energy_assumed: bool = False
    binaries: tuple[Binary, ...] = ()
    faults: tuple[FaultSummary, ...] = ()

    def promised(self) -> dict[str, Any]:
        """All that must be equal when the run is done again: everything but the host's part."""
        everything = dataclasses.asdict(self)
        del everything["host"]
        return everything

    def to_json(self) -> str:
        """As it stands in `summary.json`."""
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> Summary:
        """The inverse of `to_json`.

        Raises:
            ValueError: it is not a summary; the message names the first key that is wrong.
        """
        try:
            summary: Summary = _adapter().validate_json(text, strict=True)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "the file"
            raise ValueError(f"{where}: {first['msg']}") from None
        return summary


@functools.cache
def _adapter() -> TypeAdapter[Any]:
    """Made on first use: a run itself reads no summary."""
    return TypeAdapter(Summary)


def share_percent(ran: int, time: int, cores: int) -> float:
    """What `ran` cycles are of the time of all cores, in percent."""
    return 100 * ran / (time * cores) if time else 0.0
