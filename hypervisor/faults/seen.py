"""What was seen of a run from outside: all that a verdict rests on. Plain data that goes through JSON and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class CellSeen:
    """One cell. `state` and `why`: how it ended; `said`: its console, a byte a character; `deaths`: (cycle, why) of each.

    `misses`: what it reported of missed deadlines and lost frames, the worst by name; `figures`: all that it reported, the last;
    `worst`: the greatest that it reported of each; `bytes`: of the board's memory that it owned in the end.
    """

    state: str
    why: str = ""
    restarts: int = 0
    said: str = ""
    deaths: tuple[tuple[int, str], ...] = ()
    misses: Mapping[str, int] = field(default_factory=dict)
    figures: Mapping[str, int] = field(default_factory=dict)
    bytes: int = 0
    worst: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Seen:
    """One run.

    `trouble`: how the monitor itself failed; `broken`: invariants that did not hold; `held`: what it left behind, on the host and
    in the monitor's books when all cells had ended; `overdue`: it did not come to its end on the host; `undone`: an order that
    the host did not carry out, and why; `refused`: the run ended with this line, for the host had let it down. `struck`: the
    cycle at which the fault reached its cell, None if never; `noticed`: when the monitor said so; `recovered`: when the cell
    ran again. `host_seconds` is measured, and no part of a verdict.
    """

    cells: Mapping[str, CellSeen]
    digest: str = ""
    time: int = 0
    trouble: str = ""
    broken: tuple[str, ...] = ()
    overdue: bool = False
    struck: int | None = None
    noticed: int | None = None
    recovered: int | None = None
    host_seconds: float = 0.0
    held: tuple[str, ...] = ()
    undone: str = ""
    refused: str = ""

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Seen:
        """The inverse of `to_dict`.

        Raises:
            ValueError: that is none.
        """
        try:
            cells = {name: _cell(cell) for name, cell in data["cells"].items()}
            return cls(**{**data, "cells": cells, "broken": tuple(data["broken"]), "held": tuple(data["held"])})
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not what was seen of a run: {error}") from None


def _cell(data: Mapping[str, Any]) -> CellSeen:
    deaths = tuple((time, why) for time, why in data["deaths"])
    return CellSeen(**{**data, "deaths": deaths})
