"""Samples: what a benchmark found, as JSON lines, and how tables are made of them.

A sample is a series of values of one metric under one set of conditions. Its conditions stand with it: the figure's own
(transport, cores, variant...) and the host's. Each is either *measured* (the host's clock, differs from run to run) or
*modelled* (virtual time, equal in every run); a table keeps the two in columns of their own.

    write(path, [Sample("world_switch", "round_trip", "us", {"kind": "measured", "transport": "shm"}, (5.1, 5.3, 5.2))])
    Console().print(table(read(path)))

>>> Spread.of((4.0, 1.0, 2.0, 3.0))
Spread(n=4, low=1.75, median=2.5, high=3.25)
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import quantiles
from typing import NamedTuple

from rich.table import Table

from hypervisor.shell.provenance import versions

KINDS = ("measured", "modelled")
"""What the dimension "kind" may be."""

Scalar = str | int | float


@dataclass(frozen=True)
class Sample:
    """Values of one metric under one set of conditions.

    Raises:
        ValueError: no values, or the dimensions do not say whether they are measured or modelled.
    """

    benchmark: str
    metric: str
    unit: str
    dimensions: Mapping[str, Scalar]
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.values:
            raise ValueError(f"{self.benchmark}: {self.metric} has no values")
        if self.dimensions.get("kind") not in KINDS:
            raise ValueError(f'{self.benchmark}: {self.metric} needs a dimension "kind": {" or ".join(KINDS)}')

    @property
    def measured(self) -> bool:
        """Whether the host's clock is in it."""
        return self.dimensions["kind"] == "measured"


class Spread(NamedTuple):
    """How many values, and their quartiles."""

    n: int
    low: float
    median: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """The spread of some values, at least one."""
        if len(values) == 1:
            return cls(1, values[0], values[0], values[0])
        return cls(len(values), *quantiles(values, n=4, method="inclusive"))

    def __str__(self) -> str:
        return (
            number(self.median) if self.n == 1 else f"{number(self.median)} [{number(self.low)} .. {number(self.high)}]"
        )


def number(value: float) -> str:
    """Three significant digits.

    >>> number(0.12345), number(5.0), number(1234.5)
    ('0.123', '5', '1234')
    """
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


# ---- files


class SampleError(Exception):
    """A file does not hold samples."""


def write(path: Path, samples: Iterable[Sample]) -> None:
    """One line for each sample; what the file held before is gone."""
    path.write_text("".join(json.dumps(asdict(sample)) + "\n" for sample in samples))


def read(path: Path) -> list[Sample]:
    """The samples of a file.

    Raises:
        SampleError: it cannot be read, or a line is no sample; the message names the line.
    """
    try:
        lines = path.read_text().splitlines()
    except OSError as error:
        raise SampleError(f"{path}: {error.strerror}") from None
    samples = []
    for place, line in enumerate(lines, 1):
        try:
            fields = json.loads(line)
            samples.append(Sample(**{**fields, "values": tuple(fields["values"])}))
        except (ValueError, TypeError, KeyError) as error:
            raise SampleError(f"{path}, line {place}: no sample: {error}") from None
    return samples


# ---- the host


def host_facts() -> dict[str, Scalar]:
    """What a measured figure depends on, as dimensions."""
    facts: dict[str, Scalar] = {
        "host.cpu": _cpu_model(),
        "host.cpus": len(os.sched_getaffinity(0)),
        "host.kernel": platform.release(),
        "host.load": round(os.getloadavg()[0], 1),
        **{name: known for name, known in versions().items() if name != "cellvisor"},
        "revision": _revision(),
    }
    return facts


def _cpu_model() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _revision() -> str:
    """The checkout's commit, "+" if files differ from it; the package's version where there is no checkout."""
    git = ["git", "-C", str(Path(__file__).parent)]
    try:
        commit = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True)
        changed = subprocess.run([*git, "status", "--porcelain", "-uno"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return versions()["cellvisor"]
    return commit.stdout.strip() + ("+" if changed.stdout else "")


# ---- tables


def table(samples: Sequence[Sample]) -> Table:
    """All samples, medians and quartiles; measured and modelled values in columns of their own."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    for head in ("benchmark", "metric", "under", "n", *KINDS, "unit"):
        made.add_column(head, justify="right" if head in ("n", *KINDS) else "left", no_wrap=head != "under")
    for sample in samples:
        spread = Spread.of(sample.values)
        shown = (str(spread), "") if sample.measured else ("", str(spread))
        made.add_row(sample.benchmark, sample.metric, _conditions(sample), str(spread.n), *shown, sample.unit)
    return made


def _conditions(sample: Sample) -> str:
    """The dimensions that are the figure's own, not the host's."""
    common = {"kind", "python", "unicorn", "revision"}
    own = {key: value for key, value in sample.dimensions.items() if key not in common and not key.startswith("host.")}
    return " ".join(f"{key}={value}" for key, value in own.items())
