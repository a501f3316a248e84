"""A mechanism that does nothing but ask the policy, for tests of the policy alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from hypervisor.abi.records import Exit
from hypervisor.core.cell import Cell
from hypervisor.core.mechanism import Handler, Mechanism
from hypervisor.core.monitor import Monitor
from hypervisor.core.wiring import Wiring
from hypervisor.core.xen.access import AccessControl
from hypervisor.core.xen.policy import Policy

SHARE = 900
"""A call of these tests: a0 = SHARE, a1 = the other cell, a2 = 0 for an event channel, 1 for a grant."""


class Guarded(Mechanism):
    """Cells start, end and share as the policy says."""

    def __init__(self, monitor: Monitor, wiring: Wiring, policy: Policy | None) -> None:
        super().__init__(monitor, wiring)
        self.access = AccessControl(monitor, policy)

    @classmethod
    def under(cls, policy: Policy | None) -> Callable[[Monitor, Wiring], Guarded]:
        """What a flavour would have as its mechanism."""
        return lambda monitor, wiring: cls(monitor, wiring, policy)

    def calls(self) -> Mapping[int, Handler]:
        return {SHARE: self._share}

    def refusal_to_start(self, cell: Cell) -> str:
        return self.access.refusal_to_start(cell)

    def cell_ended(self, cell: Cell) -> None:
        self.access.ended(cell)

    def check_invariants(self) -> None:
        self.access.check_invariants()

    def _share(self, monitor: Monitor, cell: Cell, record: Exit) -> int:
        self.access.check(cell, monitor.cells[record.a1], ("event_channel", "grant")[record.a2])
        return 0
