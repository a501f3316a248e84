"""Cycles that a flavour's mechanisms cost, each with its source in the flavour's file. Charged to the ledger by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

PAGEWISE: Mapping[str, int] = {"map": 0, "unmap": 0, "grant": 0, "page_table": 0}
"""Steps per page, which are interrupted between two pages under each of our flavours."""


@dataclass(frozen=True, slots=True)
class Costs:
    """Cycles per event. `world_switch`: another vCPU gets the core. `hypercall`: into the monitor and back.

    `device_exit`: an access to a device that the monitor owns. `virq`: an interrupt handed to a vCPU. `operations`: what the
    flavour's own mechanisms take, by cause of the ledger (`CAUSES`). `pieces`: steps that are done piece by piece, a look at who
    is due between any two, and the longest piece of each: 0 for one of the things that the step is about (pages).
    """

    world_switch: int = 0
    hypercall: int = 0
    device_exit: int = 0
    virq: int = 0
    operations: Mapping[str, int] = field(default_factory=dict)
    pieces: Mapping[str, int] = field(default_factory=lambda: PAGEWISE)

    def of(self, operation: str) -> int:
        """Cycles of an operation; one that the flavour does not name costs nothing of its own."""
        return self.operations.get(operation, 0)
