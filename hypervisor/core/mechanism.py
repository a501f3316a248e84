"""What an architecture adds to the monitor: how cells reach each other. One subclass per flavour.

A mechanism answers the hypercalls of its family, learns of births and deaths, and says what a cell is told of its connections.
The monitor calls it; it acts through the monitor's doors (`step`, `post`, `suspend`, `answer`, `memory`) and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from hypervisor.abi.records import Exit
from hypervisor.abi.status import Status
from hypervisor.core.cell import Cell
from hypervisor.core.errors import Refused
from hypervisor.core.trust import COMMON, Ground, Rule, Trust, judge, partners
from hypervisor.core.wiring import Wiring

if TYPE_CHECKING:
    from hypervisor.core.monitor import Monitor

Handler = Callable[["Monitor", Cell, Exit], int]
"""(monitor, caller, record) -> result; raises `Refused` for an honest no. The answer's bytes go through `monitor.reply`."""


class Reach(NamedTuple):
    """An edge of the graph: `cell` may do `rights` to `target` (a cell's name, a device, memory) through `by`.

    Several rights are joined by "+".
    """

    cell: str
    target: str
    by: str
    rights: str


class Mechanism:
    """No connections at all: what `native` needs, and the base of the others."""

    def __init__(self, monitor: Monitor, wiring: Wiring) -> None:
        self.monitor = monitor
        self.wiring = wiring

    def calls(self) -> Mapping[int, Handler]:
        """The hypercalls of this architecture, beside those that every one has."""
        return {}

    def boot_info(self, cell: Cell) -> dict[str, Any]:
        """What the cell is told of its connections at its start: plain data, the same for each of its lives."""
        return {}

    def reserved(self, cell: Cell) -> int:
        """Bytes at the end of a paravirtual cell's RAM that the monitor keeps, for page tables: no image may lie there."""
        return 0

    def refusal_to_start(self, cell: Cell) -> str:
        """Why the cell may not be started now, as by a policy of who may run beside whom; "" if it may."""
        return ""

    def cell_ready(self, cell: Cell) -> None:
        """The cell has (re)started; its vCPU has not run yet."""

    def cell_ended(self, cell: Cell) -> None:
        """The cell died or is being restarted: give back what it held, tell its partners."""

    def cell_gone(self, cell: Cell) -> None:
        """After `cell_ended`: it has ended for good, and will not come back by itself."""

    def fault(self, cell: Cell, record: Exit) -> bool:
        """A guest fault; True when somebody else takes care of it (a pager), so that the cell does not fail."""
        return False

    def exception(self, cell: Cell, record: Exit) -> int:
        """The CPU of a de-privileged kernel left user mode; what the answer's bytes say is where it goes on.

        Raises:
            Refused: the cell has no such kernel.
        """
        raise Refused(Status.WRONG_STATE, "an exception of a cell that is not paravirtual")

    def typed(self, cell: Cell) -> None:
        """Something was typed at a paravirtual cell (`cell.typed`): let it look."""
        self.monitor.ring(cell, 0, 1)

    def unserved(self, cell: Cell, record: Exit) -> bool:
        """An access to a device, or a hypercall that nobody knows; True when somebody else answers it, by `monitor.answer`."""
        return False

    def interrupt(self, cell: Cell, line: int, level: bool) -> bool:
        """A physical device's line changed; True when the owner is told in another way than by a LINE event."""
        return False

    def reach(self) -> list[Reach]:
        """Who may reach whom by which right, now."""
        return []

    def trust_rules(self) -> tuple[Rule, ...]:
        """By which rules (core/trust.py) a cell must trust others under this architecture."""
        return (*COMMON, partners("it may leave the conversation over {channel} without an answer"))

    def trusts(self, cell: Cell) -> list[Trust]:
        """Whom the cell must trust directly, and why."""
        ground = Ground([other.name for other in self.monitor.cells], self.wiring, self.reach())
        return judge(ground, cell.index, self.trust_rules())

    def check_invariants(self) -> None:
        """Raises:
        InvariantBroken: with the story.
        """
