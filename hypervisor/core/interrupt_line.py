"""One interrupt line: the four states of the GIC as a table.

A line is pending while its input is high or software has made it so (`latched`). An acknowledge makes it active; if the
input is still high it is active *and* pending, and with the end of interrupt it is pending again: so a level that the
driver did not clear comes back. An active line is not delivered a second time. The states and arrows are those of
ARM IHI 0048B (GICv2), "Interrupt handling state machine", for level-sensitive lines.

    INACTIVE -- assert --> PENDING -- ack --> ACTIVE -- eoi --> INACTIVE
                           PENDING -- ack, input high --> ACTIVE_PENDING -- eoi --> PENDING
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from hypervisor.core.errors import InvariantBroken


class LineState(Enum):
    """(pending, active) of a line."""

    INACTIVE = (False, False)
    PENDING = (True, False)
    ACTIVE = (False, True)
    ACTIVE_PENDING = (True, True)


class Input(Enum):
    """What happens to a line. ACK_HELD: acknowledged while its input is high."""

    ASSERT = "assert"
    DEASSERT = "deassert"
    ACK = "ack"
    ACK_HELD = "ack_held"
    EOI = "eoi"


TRANSITIONS: dict[LineState, dict[Input, LineState]] = {
    LineState.INACTIVE: {Input.ASSERT: LineState.PENDING},
    LineState.PENDING: {
        Input.ASSERT: LineState.PENDING,
        Input.DEASSERT: LineState.INACTIVE,
        Input.ACK: LineState.ACTIVE,
        Input.ACK_HELD: LineState.ACTIVE_PENDING,
    },
    LineState.ACTIVE: {Input.ASSERT: LineState.ACTIVE_PENDING, Input.EOI: LineState.INACTIVE},
    LineState.ACTIVE_PENDING: {
        Input.ASSERT: LineState.ACTIVE_PENDING,
        Input.DEASSERT: LineState.ACTIVE,
        Input.EOI: LineState.PENDING,
    },
}
"""What is not here cannot happen: the controller asks first."""

Roused = frozenset[int]
"""vCPUs for which a call made a line deliverable."""
NOBODY: Roused = frozenset()


@dataclass(slots=True)
class Line:
    """A line: `level` of its input, `latched` if software made it pending, `vcpu` that it is routed to."""

    state: LineState = LineState.INACTIVE
    level: bool = False
    latched: bool = False
    vcpu: int | None = None
    priority: int = 0
    masked: bool = False

    @property
    def deliverable(self) -> bool:
        """Should its vCPU know?"""
        return self.vcpu is not None and not self.masked and self.state is LineState.PENDING

    def step(self, happened: Input) -> Roused:
        """Move along the table."""
        before, after = self.deliverable, TRANSITIONS[self.state].get(happened)
        if after is None:
            raise InvariantBroken(f"interrupts: {happened.name} is not possible in {self.state.name}: {self}")
        self.state = after
        return NOBODY if before else self.audience()

    def audience(self) -> Roused:
        """Who has to know of the line as it is."""
        return frozenset((self.vcpu,)) if self.vcpu is not None and self.deliverable else NOBODY
