"""What can be done to a cell: a table. Each action is a row of orders, and a run records them, or the deaths, as its inputs.

What stands here is carried out and can be replayed; there is no action that is not. An action of the order INJECT is done by the
mechanism of injected faults: hypervisor/core/injected.py at a time, points.py at points, cells/faults.py in the cell itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from hypervisor.abi.faults import Armed, BadFault
from hypervisor.faults.points import POINTS


class Order(StrEnum):
    """What can be done about a cell. TYPE brings bytes to its console; SIGKILL and SIGSTOP go to its process, behind the
    monitor's back; all others are told to the monitor. INJECT: a fault in the sense of hypervisor/abi/faults.py.
    """

    KILL = "kill"
    KILL_AT = "kill_at"
    RESTART = "restart"
    PAUSE = "pause"
    UNPAUSE = "unpause"
    TYPE = "type"
    SIGKILL = "sigkill"
    SIGSTOP = "sigstop"
    INJECT = "inject"


class GuestKind(StrEnum):
    """What runs in a cell, as far as faults go: a Python program or driver domain, an image or kernel with its own CPU modes, a
    kernel without privileges, ARM processes under a personality.
    """

    PYTHON = "python"
    MACHINE = "machine"
    PV = "pv"
    PERSONALITY = "personality"


ANYTHING = frozenset(GuestKind)
ARM = ANYTHING - {GuestKind.PYTHON}


@dataclass(frozen=True, slots=True)
class Key:
    """A key of a campaign's line that only some actions have: a number of `least` to `most`, or a text ("text"), or a virtual
    time ("time"). Left out, it is drawn from the seed, or has the action's own default.
    """

    name: str
    what: str
    least: int = 0
    most: int = (1 << 32) - 1
    form: str = "number"


@dataclass(frozen=True, slots=True)
class Action:
    """One kind of fault. `orders`: the first at the fault's time, a second after its `hold`. `guests`: in which it makes sense;
    none: it strikes the host. `keys`: what else it can be told. `point`: where it strikes if it can strike nowhere else.
    """

    name: str
    kind: str
    what: str
    orders: tuple[Order, ...] = (Order.INJECT,)
    guests: frozenset[GuestKind] = ANYTHING
    keys: tuple[Key, ...] = ()
    point: str = ""

    @property
    def points(self) -> tuple[str, ...]:
        """Points at which only some actions make sense, and this is one."""
        return tuple(point.name for point in POINTS.values() if self.name in point.actions)


NOBODY: frozenset[GuestKind] = frozenset()
_BIT = Key("bit", "0..31, of the word", most=31)
_REGISTER = Key("register", "0..15, of r0 to pc; 16 the status", most=16)

_ANY_BIT = Key("bit", "of all bits that there are")
_DELAY = Key("delay", "1,000,000 cycles if left out", form="time")
_DEVICE = Key("device", "its name; the first if left out", form="text")

_ALL = (
    Action("kill", "process", "its process is killed between two events of the monitor", (Order.KILL,)),
    Action("die", "process", "its process dies in the middle of what it does, at exactly that cycle", (Order.KILL_AT,)),
    Action("perish", "process", "its process is killed when it has come to a point, before it goes on from there"),
    Action("kill9", "process", "its process gets SIGKILL from outside; the monitor has to notice", (Order.SIGKILL,)),
    Action("freeze", "process", "its process gets SIGSTOP from outside; its next turn does not end", (Order.SIGSTOP,)),
    Action("restart", "process", "it is started anew from its image", (Order.RESTART,)),
    Action("pause", "process", "it is held for `hold`, then goes on", (Order.PAUSE, Order.UNPAUSE)),
    Action("stop", "process", "it is held and never let go", (Order.PAUSE,)),
    Action(
        "slow",
        "process",
        "each of its cycles costs `factor`, for `hold`, or to its end",
        keys=(Key("factor", "2..1000, 4 if left out", 2, 1000),),
    ),
    Action("lose_store", "process", "the daemon of the store is gone for `hold`, or to the end (xen); what it knew is kept"),
    Action("nothing", "process", "nothing at all, but for the record in the trace: what campaigns are tested with"),
    Action(
        "flip_register", "guest", "a bit of a register of its CPU is flipped", guests=ARM, keys=(_REGISTER, _BIT)
    ),
    Action(
        "flip_ram",
        "guest",
        "a bit of its memory is flipped",
        keys=(Key("offset", "a byte of its memory"), Key("bit", "0..7, of the byte", most=7)),
    ),
    Action(
        "flip_table",
        "guest",
        "a bit of a valid entry of the page table that its CPU walks is flipped",
        guests=ARM,
        keys=(Key("entry", "the how-manieth valid one", most=4095), _BIT),
    ),
    Action(
        "flip_message",
        "guest",
        "a bit of the next bytes that a call brings it is flipped",
        keys=(Key("bit", "of all bits of the message"),),
        point="core.reply",
    ),
    Action("wild_jump", "guest", "its CPU goes on at any address", guests=ARM, keys=(Key("address", "where"),)),
    Action("loop", "guest", "what it runs becomes a branch to itself; a Python program spins and calls nobody"),
    Action("stack_overflow", "guest", "its stack pointer comes to the end of the memory below it", guests=ARM),
    Action("exception", "guest", "its next call of its port raises an error", guests=frozenset({GuestKind.PYTHON})),
    Action("hog", "guest", "it takes memory of its process until it gets no more", guests=frozenset({GuestKind.PYTHON})),
    Action("no_frames", "resource", "frames of physical memory for it are refused, as if there were none", point="core.frames"),
    Action("no_slots", "resource", "slots of its capability table are refused, as if it were full", point="core.capability"),
    Action("no_grants", "resource", "grants to it are refused, as if its table were full", point="core.grant"),
    Action("no_quota", "resource", "its messages are refused, as if the channel were full", point="core.quota"),
    Action(
        "no_descriptors",
        "resource",
        "the monitor has no descriptors left for its process, or for pages that it is to get",
        point="host.start",
    ),
    Action("corrupt_message", "interface", "a bit of a message is flipped on its way", keys=(_ANY_BIT,), point="message"),
    Action(
        "cut_message",
        "interface",
        "a message arrives shorter, or longer, than it was sent",
        keys=(Key("length", "bytes that arrive", most=1024),),
        point="message",
    ),
    Action("drop_message", "interface", "a message is lost; its sender is told that it went", point="message"),
    Action("duplicate_message", "interface", "a message arrives twice", point="message"),
    Action("delay_message", "interface", "a message arrives `delay` later", keys=(_DELAY,), point="message"),
    Action("reorder_message", "interface", "a message arrives behind the next one", point="message"),
    Action("corrupt_entry", "interface", "a bit of an entry of a ring is flipped", keys=(_ANY_BIT,), point="ring.put"),
    Action(
        "lie_entry",
        "interface",
        "an entry of a ring says that it has more bytes than its buffer",
        keys=(Key("length", "bytes that it says"),),
        point="ring.put",
    ),
    Action("drop_entry", "interface", "an entry of a ring is counted and was never written", point="ring.put"),
    Action("duplicate_entry", "interface", "an entry of a ring is there twice", point="ring.put"),
    Action("delay_entry", "interface", "an entry of a ring comes `delay` later", keys=(_DELAY,), point="ring.put"),
    Action("reorder_entry", "interface", "an entry of a ring comes behind the next one", point="ring.put"),
    Action("lose_bell", "interface", "it rings at the other end of a link, and nobody hears it", point="core.bell"),
    Action("forge_call", "interface", "it calls with slots, ports, grants and lines that are not its own", point="core.call"),
    Action("replay_call", "interface", "the call that it makes is made twice", point="core.call"),
    Action(
        "flood_calls",
        "interface",
        "it calls at all of its partners very often at once",
        keys=(Key("calls", "1..10000, 1000 if left out", 1, 10_000),),
        point="core.call",
    ),
    Action(
        "storm",
        "interface",
        "an interrupt line of its own comes up again and again",
        keys=(
            Key("line", "which; its first if left out", most=1023),
            Key("raises", "1..10000, 100 if left out", 1, 10_000),
            Key("every", "between two of them, 20000 cycles if left out", form="time"),
        ),
    ),
    Action("lose_interrupt", "device", "a device of its own raises its line, and nobody hears of it", point="core.line"),
    Action(
        "stick_register",
        "device",
        "a register of a device of its own reads as `value` from now on, for `hold`, or to its end",
        keys=(_DEVICE, Key("register", "its offset"), Key("value", "what it reads")),
    ),
    Action(
        "bad_block",
        "device",
        "a block of a flash chip of its own comes back wrong from now on, and takes nothing new",
        keys=(_DEVICE, Key("block", "which; one with something in it if left out")),
    ),
    Action("bad_sector", "device", "the store behind a disk fails at a read or a write", point="block.io"),
    Action(
        "foreign_dma",
        "device",
        "a device of its own reaches into memory that is not its owner's",
        keys=(Key("address", "guest physical; behind its memory if left out"),),
        point="core.dma",
    ),
    Action("noise", "interface", "64 bytes that make no sense come to its console", (Order.TYPE,)),
    Action(
        "full_disk",
        "host",
        "there is no room left for the run directory",
        guests=NOBODY,
        keys=(Key("room", "bytes that still fit, 0 if left out"),),
    ),
    Action(
        "short_writes",
        "host",
        "each write to the run directory takes only a part of its bytes",
        guests=NOBODY,
        keys=(Key("most", "bytes that one takes, 7 if left out", 1),),
    ),
    Action(
        "signal_storm",
        "host",
        "signals interrupt the monitor's system calls again and again",
        guests=NOBODY,
        keys=(Key("every", "100..1000000 microseconds of the host, 500 if left out", 100, 1_000_000),),
    ),
)  # fmt: skip

ACTIONS: dict[str, Action] = {action.name: action for action in _ALL}
"""By name, in the order in which they are shown."""

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
    Order.INJECT: "fault",
}
"""The kind of record that an order leaves in the trace if it reached a cell that was there."""


def check_order(fault: Armed, cell: str) -> None:
    """Whether an injector can carry an order out, for a cell or ("") the host.

    Raises:
        BadFault: it cannot; the text says why.
    """
    action, point = ACTIONS.get(fault.action), POINTS.get(fault.point)
    if action is None or Order.INJECT not in action.orders:
        raise BadFault(f'no injected fault is called "{fault.action}"')
    if bool(cell) != bool(action.guests):
        raise BadFault(f"{action.name} strikes {'a cell: say which' if action.guests else 'the host, and no cell'}")
    if fault.point and (point is None or point.layer == "trace"):
        raise BadFault(f'there is no point "{fault.point}" in the code')
    if action.points and fault.point not in action.points:
        raise BadFault(f"{action.name} strikes at {' or '.join(action.points)}")
    if point is not None and point.actions and action.name not in point.actions:
        raise BadFault(f"{action.name} makes no sense at {point.name}")
