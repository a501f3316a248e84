"""Cycles that a flavour's mechanisms cost, each with its source in the flavour's file. Charged to the ledger by name."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Costs:
    """Cycles per event. `world_switch`: another vCPU gets the core. `hypercall`: into the monitor and back.

    `device_exit`: an access to a device that the monitor owns. `virq`: an interrupt handed to a vCPU.
    """

    world_switch: int = 0
    hypercall: int = 0
    device_exit: int = 0
    virq: int = 0
