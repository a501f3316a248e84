"""What a flavour answers: a frozen record, one value per file of this directory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module

from hypervisor.core.costs import Costs
from hypervisor.core.mechanism import Mechanism
from hypervisor.core.monitor import Monitor
from hypervisor.core.wiring import Wiring


@dataclass(frozen=True)
class KernelDoor:
    """A door for unmodified kernels that know this architecture: they find it by their device tree and call by HVC.

    `architecture`: beginning of the names of CPUs that have HVC; `cmdline`: where such a kernel's console is, instead of the
    board's own words; `without`: roles of private devices that it does not find.
    """

    architecture: str
    cmdline: str
    without: frozenset[str]


@dataclass(frozen=True)
class Flavour:
    """An architecture. `costs`: cycles of its mechanisms; `most_cells`: how many it carries, None for any number.

    `survey_size`: what the survey says of the size of its kernel, "" if nothing. `hosts`: whether one cell can be another's
    hardware (`emulated`). `has_pv`: whether it has a door for kernels that run without privileges (`paravirtual`).
    `virtual_devices`: whether an unmodified kernel finds its channels as virtio devices.
    `kernel_door`: how unmodified kernels come in, None where they are told of nobody.
    `shares_tlb`: whether its hypervisor lies in the address spaces of such kernels, or not, as a topology says (`page_tables`,
    `tlb_lockdown`). `owns_cpu`: whether a guest does its own upkeep of TLB and caches, so that it can be counted as its
    own (`flushes`). `redirection`: what it does to bring an event of a personality's process to it and the answer back: event
    (abi/redirection.py) -> operation -> how often; empty: the personality is the kernel. `mechanism`: how its cells reach each
    other, as "module:class". It is imported by who runs it, for the three of them are a third of what the command would load.
    """

    name: str
    title: str
    costs: Costs
    most_cells: int | None = None
    hosts: bool = False
    has_pv: bool = False
    kernel_door: KernelDoor | None = None
    virtual_devices: bool = False
    shares_tlb: bool = False
    owns_cpu: bool = False
    redirection: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    survey_size: str = ""
    mechanism: str = "hypervisor.core.mechanism:Mechanism"

    def at_costs(self, changes: Mapping[str, int]) -> Flavour:
        """The same at other prices: "hypercall" or "operations.ipc" -> cycles. A step of a mechanism that has the name of a plain
        cost is the same thing, and follows it unless it is changed too.
        """
        if not changes:
            return self
        plain = {name: cycles for name, cycles in changes.items() if "." not in name}
        own = {name.partition(".")[2]: cycles for name, cycles in changes.items() if "." in name}
        followed = {name: cycles for name, cycles in plain.items() if name in self.costs.operations}
        return replace(
            self,
            costs=replace(
                self.costs,
                **plain,
                operations={**self.costs.operations, **followed, **own},
                pieces=self.costs.pieces,
            ),
        )

    def make_mechanism(self, monitor: Monitor, wiring: Wiring) -> Mechanism:
        """Its mechanism for a board."""
        module, _, name = self.mechanism.partition(":")
        made: Mechanism = getattr(import_module(module), name)(monitor, wiring)
        return made
