"""What an architecture adds to the monitor: how cells reach each other. One subclass per flavour.

A mechanism answers the hypercalls of its family, learns of births and deaths, and says what a cell is told of its connections.
The monitor calls it; it acts through the monitor's doors (`step`, `post`, `suspend`, `answer`, `memory`) and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from hypervisor.abi.faults import Draws
from hypervisor.abi.hypercalls import Hypercall
from hypervisor.abi.records import Exit
from hypervisor.abi.status import Status
from hypervisor.abi.virtual import POWER_KEY, PRESSED
from hypervisor.core.cell import Cell
from hypervisor.core.errors import Refused
from hypervisor.core.trust import COMMON, Ground, Rule, Trust, judge, partners
from hypervisor.core.wiring import Wiring

if TYPE_CHECKING:
    from hypervisor.core.monitor import Monitor
    from hypervisor.faults.injector import Injector

Handler = Callable[["Monitor", Cell, Exit], int]
"""(monitor, caller, record) -> result; raises `Refused` for an honest no. The answer's bytes go through `monitor.reply`."""


CallWords = tuple[int, int, int, int, bytes]
"""Number, arguments and bytes of a call, as an exit has them."""


class Reach(NamedTuple):
    """An edge of the graph: `cell` may do `rights` to `target` (a cell's name, a device, memory) through `by`.

    Several rights are joined by "+".
    """

    cell: str
    target: str
    by: str
    rights: str


class PowerKey(Protocol):
    """A cell's power key, as the monitor sees it."""

    @property
    def ready(self) -> bool:
        """The kernel has a driver for it."""
        ...


class Mechanism:
    """No connections at all: what `native` needs, and the base of the others."""

    def __init__(self, monitor: Monitor, wiring: Wiring) -> None:
        self.monitor = monitor
        self.wiring = wiring
        self.store_listeners: list[Callable[[str], None]] = []
        """Who is told the path of each change in the architecture's store. They look on: nothing of the run is their doing."""
        self.power_keys: dict[int, PowerKey] = {}
        """Of each cell that has one, by its index."""

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

    def takes_typed(self, cell: Cell) -> bool:
        """Whether the cell's kernel has no UART, but hears of what was typed at it by `typed`."""
        return cell.index in self.wiring.paravirtual

    def typed(self, cell: Cell) -> None:
        """Something was typed at such a cell (`cell.typed`): let it look."""
        self.monitor.ring(cell, 0, 1)

    def deaf(self, cell: Cell, verb: str) -> str:
        """Why a guest cannot be asked to "shutdown" or to "reboot"; "" if it can."""
        key = self.power_keys.get(cell.index)
        if key is None:
            return "such a guest understands no such request"
        return (
            "" if key.ready else f"{cell.name} has no driver for its power key yet (its modules virtio_input and evdev)"
        )

    def number(self, cell: Cell) -> int:
        """By what number the cell goes under this architecture."""
        return cell.index

    def look_into_store(self, path: str) -> tuple[bytes, tuple[str, ...]]:
        """The value of a node of the architecture's store, and the names of its children.

        Raises:
            Refused: there is no such node, or no store.
        """
        raise Refused(Status.UNKNOWN_CALL, "there is no store under this architecture")

    def write_into_store(self, path: str, value: bytes) -> None:
        """The operator sets the value of a node; what cannot be written is not."""

    def ask(self, cell: Cell, verb: str) -> str:
        """Ask a guest to "shutdown" or to "reboot" in a way that it understands; why that cannot be, "" if it was asked."""
        if not (why := self.deaf(cell, verb)):
            self.monitor.ring(cell, POWER_KEY, PRESSED[verb])
        return why

    def unserved(self, cell: Cell, record: Exit) -> bool:
        """An access to a device, or a hypercall that nobody knows; True when somebody else answers it, by `monitor.answer`."""
        return False

    def interrupt(self, cell: Cell, line: int, level: bool) -> bool:
        """A physical device's line changed; True when the owner is told in another way than by a LINE event."""
        return False

    def show_faults(self, injector: Injector) -> None:
        """From now on faults may be injected: parts with points of their own (hypervisor/faults/points.py) get to know."""

    cell_points: frozenset[str] = frozenset()
    """Points of injected faults that are in the cells under this architecture, though elsewhere the monitor passes them."""

    def forged(self, cell: Cell, draws: Draws) -> list[CallWords]:
        """Calls that a cell could make and that name what is not its own: each of them must come to nothing."""
        strange = 1 + draws.below(255)
        return [(Hypercall.IRQ_MASK, strange, 0, 0, b""), (Hypercall.IRQ_EOI, strange, 0, 0, b"")]

    def pestering(self, cell: Cell) -> list[CallWords]:
        """Calls by which a cell may take the time and room of each of its partners."""
        return []

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

    def lose_store(self) -> None:
        """By an injected fault: the daemon of the store is gone, where there is one."""

    def find_store(self) -> None:
        """It is there again."""

    def holdings(self) -> Mapping[str, int]:
        """What is held for cells beyond what was fixed at boot, by name: nothing when all have ended (inventory.py)."""
        return {}

    def check_invariants(self) -> None:
        """Raises:
        InvariantBroken: with the story.
        """
