"""What a run of many is told, and the frame of the process that does it.

@dataclass(frozen=True)
class Task(runs.task.Task):          # what else this kind of run is told
    keep: bool = True

def main(order: str, answer: str) -> None:
    answered(order, answer, lambda told: asdict(perform(Task(**told))))
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hypervisor.api import Run


@dataclass(frozen=True)
class Task:
    """What is to be run. `duration`: "" for no end; `directory`: the run directory; `limit`: host seconds for all of it."""

    topology: str
    flavour: str
    seed: int
    duration: str
    overrides: tuple[str, ...]
    directory: str
    limit: float

    def launch(self, **more: Any) -> Run:
        """The run, begun; `more` as `hypervisor.launch` takes it. Raises as that does."""
        from hypervisor.api import launch

        return launch(
            self.topology,
            flavour=self.flavour,
            seed=self.seed,
            duration=self.duration or None,
            overrides=self.overrides,
            **more,
        )


def answered(order: str, answer: str, perform: Callable[[dict[str, Any]], Mapping[str, Any]]) -> None:
    """Read the order (a `Task` as JSON), do it, write what came of it; the answer appears whole or not at all."""
    from hypervisor.shell.files import replacing

    told = json.loads(Path(order).read_text())
    found = perform({**told, "overrides": tuple(told["overrides"])})
    with replacing(Path(answer)) as file:
        file.write(json.dumps(found).encode())
