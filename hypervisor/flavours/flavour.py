"""What a flavour answers: a frozen record, one value per file of this directory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hypervisor.core.costs import Costs
from hypervisor.core.mechanism import Mechanism
from hypervisor.core.monitor import Monitor
from hypervisor.core.wiring import Wiring


@dataclass(frozen=True)
class Flavour:
    """An architecture. `costs`: cycles of its mechanisms; `most_cells`: how many it carries, None for any number.

    `mechanism`: how its cells reach each other.
    """

    name: str
    title: str
    costs: Costs
    most_cells: int | None = None
    mechanism: Callable[[Monitor, Wiring], Mechanism] = Mechanism
