"""The policy at the monitor's doors: every decision is a record of the trace, every denial one more, and a refusal.

```python
self.access = AccessControl(monitor, Policy.parse(wiring.policy))     # in the mechanism's __init__
self.access.check(cell, other, "event_channel")                       # in a call: raises Refused(DENIED)
def refusal_to_start(self, cell): return self.access.refusal_to_start(cell)
def cell_ended(self, cell): self.access.ended(cell)
```

Theory: a reference monitor is asked always, cannot be gone round, and is small enough to be looked through. A policy knows no
state; what the Chinese wall needs, which cells are there, is kept here. A cell is there from the moment its start was allowed
until it has ended: while it is being started its rival is refused already, so whatever the order, never two of a
conflict set are there. Without a policy nothing is asked, nothing costs anything, and nothing is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypervisor.abi.status import Status
from hypervisor.core.cell import Cell
from hypervisor.core.errors import Refused, require_none
from hypervisor.core.xen.policy import Decision, Policy

if TYPE_CHECKING:
    from hypervisor.core.monitor import Monitor


class AccessControl:
    """Asks the policy on behalf of one mechanism."""

    def __init__(self, monitor: Monitor, policy: Policy | None) -> None:
        self.policy = policy
        self._monitor = monitor
        self._there: dict[int, str] = {}  # cell -> label

    def check(self, cell: Cell, other: Cell, operation: str) -> None:
        """May `cell`, whose call is being served, do `operation` ("event_channel", "grant") with `other`?

        Raises:
            Refused: DENIED, with the rule.
        """
        if self.policy is None:
            return
        decision = self.policy.allow(cell.params.label, other.params.label, operation)
        self._monitor.step(
            cell,
            "policy",
            subject=cell.params.label,
            object=other.params.label,
            other=other.name,
            operation=operation,
            allowed=int(decision.allowed),
            rule=decision.rule,
        )
        if not decision.allowed:
            self._deny(cell, other.params.label, operation, decision)
            raise Refused(Status.DENIED, f"{operation} with {other.name}: {decision.rule}")

    def refusal_to_start(self, cell: Cell) -> str:
        """Why the cell may not be created, "" if it may: a rival is there, or it owns a device that it may not have."""
        if self.policy is None:
            return ""
        refusals = [self._creation(self.policy, cell), *self._assignments(self.policy, cell)]
        why = next((why for why in refusals if why), "")
        if not why:
            self._there[cell.index] = cell.params.label
        return why

    def ended(self, cell: Cell) -> None:
        """The cell is no longer there."""
        self._there.pop(cell.index, None)

    def check_invariants(self) -> None:
        """Nobody is there together with a rival.

        Raises:
            InvariantBroken: somebody is.
        """
        if self.policy is None:
            return
        there = sorted(self._there.items())
        require_none(
            [
                f"policy: {one} ({label}) and {two} ({other}) are both there"
                for one, label in there
                for two, other in there
                if one < two and not self.policy.allow(label, other, "cell_creation").allowed
            ]
        )

    def _creation(self, policy: Policy, cell: Cell) -> str:
        """Against everyone who is there; the cell itself counts too, so that its label must be known."""
        label = cell.params.label
        rivals = {label, *(other for index, other in sorted(self._there.items()) if index != cell.index)}
        decisions = [(other, policy.allow(label, other, "cell_creation")) for other in sorted(rivals)]
        denial = next(((other, decision) for other, decision in decisions if not decision.allowed), None)
        rule = f"Chinese wall: {label} is in conflict with nobody who is there"
        return self._note(cell, "cell_creation", *(denial or (label, Decision(True, rule))))

    def _assignments(self, policy: Policy, cell: Cell) -> list[str]:
        devices = [entry.name for entry in self._monitor.bus.owned_by(cell.index)]
        operation = "device_assignment"
        return [
            self._note(cell, operation, device, policy.allow(cell.params.label, device, operation))
            for device in devices
        ]

    def _note(self, cell: Cell, operation: str, object_: str, decision: Decision) -> str:
        """A decision that no call of the cell asked for, so that it costs no cell anything. Returns the refusal, if any."""
        self._monitor.note(
            "policy",
            cell,
            cycles=0,
            subject=cell.params.label,
            object=object_,
            operation=operation,
            allowed=int(decision.allowed),
            rule=decision.rule,
        )
        if decision.allowed:
            return ""
        self._deny(cell, object_, operation, decision)
        return f"refused by the policy: {operation}: {decision.rule}"

    def _deny(self, cell: Cell, object_: str, operation: str, decision: Decision) -> None:
        self._monitor.note(
            "denied", cell, subject=cell.params.label, object=object_, operation=operation, rule=decision.rule
        )
