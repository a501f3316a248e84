"""What a flavour answers: a frozen record, one value per file of this directory."""

from __future__ import annotations

from dataclasses import dataclass

from hypervisor.core.costs import Costs


@dataclass(frozen=True)
class Flavour:
    """An architecture. `costs`: cycles of its mechanisms; `most_cells`: how many it carries, None for any number."""

    name: str
    title: str
    costs: Costs
    most_cells: int | None = None
