"""The survey's figures as data: rows of ../paper/*.csv.

A row is a quantity under native Linux and under the virtualized one. Rates are turned into times, so that costs can be added.

>>> figure("fig17")[0].key, figure("fig17")[0].unit, round(figure("fig17")[0].native_us)
('fig17.bw_pipe', 'MB/s', 23370)
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

PAPER = Path(__file__).parent.parent / "paper"

TITLES: Mapping[str, str] = MappingProxyType(
    {
        "fig8": "Context switch, native Linux and OK:Linux (curves without values)",
        "fig10": "Microkernel, hypervisor and microvisor compared",
        "fig11": "LMbench, native Linux and L4Linux, ARM1176",
        "fig12": "Context switch, native Linux and L4Linux, ARM1176",
        "fig13": "Memory access, native Linux and L4Linux, ARM1176 (curves without values)",
        "fig16": "Applications, native Linux and L4Linux, ARM1176 (with Figs. 14 and 15)",
        "fig17": "LMbench, native Linux and Xen, ARM926",
        "fig18": "Context switch under Xen, ARM926 (curves without values)",
        "fig19": "LMbench, native Linux and the OKL4 microvisor, ARMv7",
        "fig20": "Netperf, native Linux and the OKL4 microvisor, ARMv7",
        "fig21": "LMbench, native Linux and OKL4 3.0, PXA255",
        "fig22": "Macro benchmarks, native Linux and Xen, ARM926",
        "fig23": "Jobs at once, native Linux and OKL4, PXA2xx",
    }
)
"""Every figure of section V that this package prints, in the survey's order."""
NOTES: Mapping[str, str] = MappingProxyType(
    {
        "fig8": "an ARM926 core with the caches of a PXA255 ran Debian's marvell kernel",
        "fig16": "programs of ours of the same kinds; only as much of them as takes the survey's native time",
        "fig20": "streams by way of a second Linux, the driver domain, to another machine; the survey names no network",
        "fig21": "an ARM926 core with the caches of a PXA255 ran Debian's marvell kernel; the survey's was a 2.6.23",
        "fig22": "programs of ours of the same kinds; the survey's number of images, of the rest what takes its native time",
        "fig23": "a mix of jobs of ours; an ARM926 core with the caches of a PXA255",
    }
)
"""What else than in the survey ran here, beside kernel and board."""
TO_US: Mapping[str, float] = MappingProxyType({"us": 1.0, "us/KiB": 1.0, "s": 1e6})
"""Units of time, in microseconds."""
RATES = frozenset({"MB/s", "Mib/s", "frames/s", "jobs"})
"""Units of which more is better: a time is 10^6 us / value."""


@dataclass(frozen=True)
class Row:
    """One line of a table, as the survey has it. `native`, `virtualized`: in `unit`."""

    table: str
    name: str
    unit: str
    native: float
    virtualized: float

    @property
    def key(self) -> str:
        """Its name among all tables."""
        return f"{self.table}.{self.name}"

    @property
    def timed(self) -> bool:
        """Whether it is a time, or can be made one."""
        return self.unit in TO_US or self.unit in RATES

    @property
    def native_us(self) -> float:
        """Microseconds of one; of a rate: of one unit's worth."""
        return self.to_us(self.native)

    @property
    def virtualized_us(self) -> float:
        """As `native_us`."""
        return self.to_us(self.virtualized)

    def to_us(self, value: float) -> float:
        """Microseconds of a value in the row's unit."""
        return 1e6 / value if self.unit in RATES else value * TO_US[self.unit]

    def from_us(self, microseconds: float) -> float:
        """The other way."""
        return 1e6 / microseconds if self.unit in RATES else microseconds / TO_US[self.unit]


@cache
def figure(table: str) -> tuple[Row, ...]:
    """The rows of a table; none if the survey gives no values."""
    path = PAPER / f"{table}.csv"
    if not path.exists():
        return ()
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    return tuple(
        Row(table, line["row"], line["unit"], float(line["native"]), float(line["virtualized"]))
        for line in csv.DictReader(lines)
    )


def source(table: str) -> str:
    """Where its figures come from: the file's first line."""
    path = PAPER / f"{table}.csv"
    return path.read_text().splitlines()[0].removeprefix("# ") if path.exists() else TITLES[table]
