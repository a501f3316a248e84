"""What can be done to a cell: a table. Each action is a row of orders, and a run records them, or the deaths, as its inputs.

What stands here is carried out and can be replayed; there is no action that is not.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Order(StrEnum):
    """What can be done about a cell. TYPE brings bytes to its console; SIGKILL and SIGSTOP go to its process, behind the
    monitor's back; all others are told to the monitor.
    """

    KILL = "kill"
    KILL_AT = "kill_at"
    RESTART = "restart"
    PAUSE = "pause"
    UNPAUSE = "unpause"
    TYPE = "type"
    SIGKILL = "sigkill"
    SIGSTOP = "sigstop"


@dataclass(frozen=True, slots=True)
class Action:
    """One kind of fault. `orders`: the first at the fault's time, a second after its `hold`."""

    name: str
    kind: str
    what: str
    orders: tuple[Order, ...]


_ALL = (
    Action("kill", "process", "its process is killed between two events of the monitor", (Order.KILL,)),
    Action("die", "process", "its process dies in the middle of what it does, at exactly that cycle", (Order.KILL_AT,)),
    Action("kill9", "process", "its process gets SIGKILL from outside; the monitor has to notice", (Order.SIGKILL,)),
    Action("freeze", "process", "its process gets SIGSTOP from outside; its next turn does not end", (Order.SIGSTOP,)),
    Action("restart", "process", "it is started anew from its image", (Order.RESTART,)),
    Action("pause", "process", "it is held for `hold`, then goes on", (Order.PAUSE, Order.UNPAUSE)),
    Action("stop", "process", "it is held and never let go", (Order.PAUSE,)),
    Action("noise", "interface", "64 bytes that make no sense come to its console", (Order.TYPE,)),
)

ACTIONS: dict[str, Action] = {action.name: action for action in _ALL}
"""By name, in the order in which they are shown."""

POINTS: dict[str, str] = {
    "switch": "it gets a core",
    "exit": "it leaves a core, or calls the monitor",
    "irq": "an interrupt is for it",
    "notify": "it rings at another cell",
    "ipc": "it sends a message (where messages are the mechanism)",
    "store": "it reads or writes the store (where there is one)",
    "grant": "it grants a page (where pages are granted)",
    "map": "pages are mapped for it",
}
"""Where a fault can strike: records of a cell in the trace of the run without a fault."""

NOISE_BYTES = 64
"""How much a `noise` types at once."""
EFFECTS: dict[Order, str] = {
    Order.KILL: "dead",
    Order.KILL_AT: "dead",
    Order.SIGKILL: "dead",
    Order.SIGSTOP: "dead",
    Order.RESTART: "restart",
    Order.PAUSE: "pause",
    Order.TYPE: "input",
}
"""The kind of record that an order leaves in the trace if it reached a cell that was there."""
