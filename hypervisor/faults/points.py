"""Places in the monitor, the shell and the cells at which an injected fault can strike: a table.

A point of the layer `trace` is a record of the cell in the trace of the run without a fault; it is turned into a time before the
run with the fault begins, and any action can stand at it. All others are compiled in: code that asks the injector "what happens
to this visit?" and does what the answer says, so that only the actions that it knows make sense there.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Point:
    """`layer`: trace, core, shell or cell. `actions`: which make sense there; none: any that strikes at a time."""

    name: str
    layer: str
    what: str
    actions: tuple[str, ...] = ()


MESSAGE = tuple(f"{what}_message" for what in ("corrupt", "drop", "duplicate", "delay", "reorder", "cut"))
ENTRY = tuple(f"{what}_entry" for what in ("corrupt", "drop", "duplicate", "delay", "reorder", "lie"))
_ALL = (
    Point("switch", "trace", "it gets a core"),
    Point("exit", "trace", "it leaves a core, or calls the monitor"),
    Point("irq", "trace", "an interrupt is for it"),
    Point("notify", "trace", "it rings at another cell"),
    Point("ipc", "trace", "it sends a message (where messages are the mechanism)"),
    Point("store", "trace", "it reads or writes the store (where there is one)"),
    Point("grant", "trace", "it grants a page (where pages are granted)"),
    Point("map", "trace", "pages are mapped for it"),
    Point("core.exit", "core", "its vCPU has stopped, and the monitor takes the record"),
    Point("core.reply", "core", "bytes go to it with the answer of a call: a message, most often", ("flip_message",)),
    Point(
        "core.frames", "core", "physical memory is allocated for it: it is started after it had ended", ("no_frames",)
    ),
    Point("core.tables", "core", "memory is taken for page tables of its processes (l4, okl4)", ("no_frames",)),
    Point("core.capability", "core", "it gets a capability (l4), or an event channel (xen)", ("no_slots",)),
    Point("core.grant", "core", "pages of others are mapped for it", ("no_grants",)),
    Point("core.quota", "core", "it puts a message into a bounded channel (okl4)", ("no_quota",)),
    Point(
        "message", "core", "it sends a message (under xen: in the cell, which writes it into a granted page)", MESSAGE
    ),
    Point("core.bell", "core", "it rings at the other end of a link", ("lose_bell",)),
    Point(
        "core.call",
        "core",
        "it calls the monitor, or its deprivileged kernel is entered",
        ("forge_call", "replay_call", "flood_calls"),
    ),
    Point("core.line", "core", "the interrupt line of a device of its own comes up", ("lose_interrupt",)),
    Point("core.dma", "core", "a device of its own reads or writes its memory", ("foreign_dma",)),
    Point("ring.put", "cell", "it puts a request or an answer into the ring of a split driver", ENTRY),
    Point("block.io", "cell", "it reads or writes sectors as the back end of disks", ("bad_sector",)),
    Point("host.start", "shell", "its process is started", ("no_descriptors",)),
    Point("host.pages", "shell", "its process is handed pages of another cell", ("no_descriptors",)),
)

POINTS: dict[str, Point] = {point.name: point for point in _ALL}
"""By name, in the order in which they are shown."""


def is_compiled_in(name: str) -> bool:
    """Whether a point is a place in the code, and no record of the trace."""
    return name in POINTS and POINTS[name].layer != "trace"
