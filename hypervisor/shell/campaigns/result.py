"""An injection and what came of it: a line of a campaign's results.jsonl."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from hypervisor.faults import Verdict
from hypervisor.faults.places import HOST


@dataclass(frozen=True)
class Result:
    """An injection and what came of it. Times in cycles; None where it does not apply. `topology`: by its name in the campaign;
    `cell`: "" for the host; `run`: its run directory, beneath the campaign's; `held`: what was still held when all was over.
    """

    id: str
    topology: str
    flavour: str
    seed: int
    fault: int
    action: str
    cell: str
    at: int | None
    verdict: str
    why: str
    cells: Mapping[str, tuple[str, str]]
    detection: int | None = None
    recovery: int | None = None
    restarts: int = 0
    host_seconds: float = 0.0
    run: str = ""
    point: str = ""
    visit: int = 0
    held: tuple[str, ...] = ()

    @property
    def victim(self) -> str:
        """For people."""
        return self.cell or HOST

    @property
    def is_final(self) -> bool:
        """Whether it need not be tried again: not so if the host did not do what it was told to."""
        return self.verdict != Verdict.NOT_INJECTED

    def to_json(self) -> str:
        """A line of results.jsonl."""
        return json.dumps(asdict(self)) + "\n"

    @classmethod
    def from_json(cls, line: str | bytes) -> Result:
        """The inverse.

        Raises:
            ValueError: that is none.
        """
        try:
            data = json.loads(line)
            cells = {name: (str(verdict), str(why)) for name, (verdict, why) in data["cells"].items()}
            Verdict(data["verdict"])
            return cls(**{**data, "cells": cells, "held": tuple(data["held"])})
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a result: {error}") from None
