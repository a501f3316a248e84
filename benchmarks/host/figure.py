"""What a figure of this folder is: a name, targets, and a function that measures and yields samples.

Variants are measured in turns inside one run (A B C, B C A, C A B ...), so that a host that becomes slower in between
slows all of them; what is compared is the ratio within a turn, and of the ratios the median counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from os import sched_getaffinity, sched_setaffinity
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, TypeVar

from benchmarks.samples import Sample, Scalar, Spread, host_facts
from hypervisor.shell.topology.problems import nearest

Result = TypeVar("Result")


class Target(NamedTuple):
    """What the median of a metric must be, in the sample with the dimensions of `where`; `relation` is "<=" or ">="."""

    metric: str
    relation: str
    bound: float
    means: str
    where: Mapping[str, Scalar] = MappingProxyType({})

    def sample(self, samples: Sequence[Sample]) -> Sample | None:
        """The sample that it is about, if it was taken."""
        return next((one for one in samples if one.metric == self.metric and self._fits(one)), None)

    def met(self, sample: Sample) -> bool:
        """Whether the median is on the right side."""
        median = Spread.of(sample.values).median
        return median <= self.bound if self.relation == "<=" else median >= self.bound

    def _fits(self, sample: Sample) -> bool:
        return all(sample.dimensions.get(key) == value for key, value in self.where.items())


class Unavailable(Exception):  # noqa: N818  a fact about the host, and no error of the benchmark
    """This host lacks what the figure needs; the text says what to do."""


@dataclass
class Setting:
    """How to measure. `rounds`: turns of all variants. `quick`: small and rough, to see that it works."""

    rounds: int
    quick: bool
    scratch: Path
    probe: Path | None = None
    say: Callable[[str], None] = lambda text: None
    facts: Mapping[str, Scalar] = field(default_factory=host_facts)

    def in_turns(self, variants: Mapping[str, Callable[[], Result]]) -> dict[str, list[Result]]:
        """Measure every variant once in each round, beginning with another one each time."""
        names = list(variants)
        found: dict[str, list[Result]] = {name: [] for name in names}
        for number in range(self.rounds):
            first = number % len(names)
            for name in names[first:] + names[:first]:
                self.say(f"round {number + 1} of {self.rounds}: {name}")
                found[name].append(variants[name]())
        return found

    def sample(self, benchmark: str, metric: str, unit: str, values: Sequence[float], **dimensions: Scalar) -> Sample:
        """A measured sample, with what is known of the host."""
        return Sample(benchmark, metric, unit, {"kind": "measured", **dimensions, **self.facts}, tuple(values))


class Figure(NamedTuple):
    """A figure: its targets name metrics of the samples that `run` yields."""

    name: str
    title: str
    targets: tuple[Target, ...]
    run: Callable[[Setting], Iterator[Sample]]


def ratios(upper: Sequence[float], lower: Sequence[float]) -> list[float]:
    """Turn by turn.

    >>> ratios([4.0, 9.0], [2.0, 3.0])
    [2.0, 3.0]
    """
    return [above / below for above, below in zip(upper, lower, strict=True)]


def unknown(names: Iterable[str], known: Iterable[str]) -> str:
    """What is wrong with names of figures, in words; "" if nothing is.

    >>> unknown(["startup"], ["start_up", "phone"]), unknown(["phone"], ["start_up", "phone"])
    ('no figure "startup"; did you mean start_up?', '')
    """
    every = list(known)
    gone = next((name for name in names if name not in every), None)
    return "" if gone is None else f'no figure "{gone}"; {nearest(gone, every)}'


def two_cpus() -> tuple[int, int]:
    """Two host CPUs; the same one twice if there is no second."""
    allowed = sorted(sched_getaffinity(0))
    return allowed[0], allowed[-1]


@contextmanager
def on_cpus(*cpus: int) -> Iterator[None]:
    """Keep this process, and what it starts meanwhile, on these host CPUs."""
    before = sched_getaffinity(0)
    sched_setaffinity(0, cpus)
    try:
        yield
    finally:
        sched_setaffinity(0, before)
