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

    `survey_size`: what the survey says of the size of its kernel, "" if nothing. `hosts`: whether one cell can be another's
    hardware (`emulated`). `has_pv`: whether it has a door for kernels that run without privileges (`paravirtual`).
    `mechanism`: how its cells reach each other.
    """

    name: str
    title: str
    costs: Costs
    most_cells: int | None = None
    hosts: bool = False
    has_pv: bool = False
    survey_size: str = ""
    mechanism: Callable[[Monitor, Wiring], Mechanism] = Mechanism
