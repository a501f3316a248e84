"""What is measured: `operations.toml` as values.

Theory: a benchmark program marks the begin and the end of a loop; who counts events divides what lies between by the number
of iterations. A row of a table of the survey is a sum of such operations with factors: LMbench itself subtracts the
cost of a plain call from that of a signal, and the loop in one process from the way round a ring of them.

    op = operations()["ctx_2p_0k"]
    op.command      # ["./lat", "100", "200", "ctx", "2", "0"], in the directory of the programs
    rows()[0].terms # {"null": 1.0}
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

FILE = Path(__file__).with_name("operations.toml")
MARK = 0xFEED
"""r7 of a mark; r0: id, r1: 0 at the begin, the number of iterations at the end."""
READY = 0xB007
"""The id that says: booted, ready."""


@dataclass(frozen=True)
class Operation:
    """One operation: its marks' id, the command that executes it, how often."""

    name: str
    id: int
    argv: tuple[str, ...]
    iterations: int
    what: str
    prepare: tuple[tuple[str, ...], ...] = ()
    """Commands ahead, in the same directory: they make its input."""

    @property
    def command(self) -> list[str]:
        """The words of the command, to be executed in the directory of the programs."""
        return [f"./{self.argv[0]}", str(self.id), str(self.iterations), *self.argv[1:]]

    @property
    def preparation(self) -> list[list[str]]:
        """The commands ahead, as words."""
        return [[f"./{words[0]}", *words[1:]] for words in self.prepare]


@dataclass(frozen=True)
class Row:
    """A row of a figure: the sum of `terms` (operation -> factor) of the counts per iteration, divided by `per`."""

    figure: str
    name: str
    terms: Mapping[str, float]
    per: int = 1


@dataclass(frozen=True)
class Stream:
    """A stream to another machine: `bytes` are an iteration. `iterations`: of a short and of a long one, whose difference is
    counted; `metric`: of the other machine, which says how many bytes have come.
    """

    name: str
    id: int
    argv: tuple[str, ...]
    iterations: tuple[int, int]
    bytes: int
    metric: str
    what: str

    def command(self, times: int, *to: str) -> str:
        """The line of shell that sends so many, to a host and a port."""
        return " ".join([f"./{self.argv[0]}", str(self.id), str(times), *self.argv[1:], *to])


@cache
def streams() -> Mapping[str, Stream]:
    """Every stream by name."""
    listed = [
        Stream(**{**entry, "argv": tuple(entry["argv"]), "iterations": tuple(entry["iterations"])})
        for entry in _table()["stream"]
    ]
    return MappingProxyType({stream.name: stream for stream in listed})


@cache
def operations() -> Mapping[str, Operation]:
    """Every operation by name."""
    listed = [_operation(entry) for entry in _table()["operation"]]
    return MappingProxyType({operation.name: operation for operation in listed})


@cache
def rows() -> tuple[Row, ...]:
    """Every row of a figure that is made of operations."""
    return tuple(Row(**entry) for entry in _table()["row"])


def _operation(entry: dict[str, Any]) -> Operation:
    """One entry of the file."""
    prepare = tuple(tuple(words) for words in entry.pop("prepare", ()))
    return Operation(**{**entry, "argv": tuple(entry["argv"])}, prepare=prepare)


def _table() -> dict[str, list[dict[str, Any]]]:
    """The file as it is."""
    return tomllib.loads(FILE.read_text())
