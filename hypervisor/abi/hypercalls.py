"""Numbers of the hypercalls that every flavour has. The arguments and answers are in `TABLE`, which documentation prints."""

from __future__ import annotations

from enum import IntEnum


class Hypercall(IntEnum):
    """Calls of a guest to the monitor."""

    YIELD = 1
    TIME = 2
    SHUTDOWN = 3
    HEARTBEAT = 4
    REPORT = 5
    IRQ_MASK = 6
    IRQ_UNMASK = 7
    IRQ_ACK = 8
    IRQ_EOI = 9


class Metric(IntEnum):
    """What an image reports by number (a Python guest names its own metrics)."""

    LATENCY = 1
    PROGRESS = 2
    CHECKSUM = 3


TABLE: dict[Hypercall, str] = {
    Hypercall.YIELD: "() -> 0: give up the rest of the slice",
    Hypercall.TIME: "() -> virtual time in cycles",
    Hypercall.SHUTDOWN: "(status): this cell is done; does not return",
    Hypercall.HEARTBEAT: "() -> 0: alive; due once in each `heartbeat` of the topology",
    Hypercall.REPORT: "(metric, value) or (0, value, data = name) -> 0: a figure for the account",
    Hypercall.IRQ_MASK: "(line) -> 0: mask a line that is routed to the caller",
    Hypercall.IRQ_UNMASK: "(line) -> 0: unmask it",
    Hypercall.IRQ_ACK: "() -> the caller's pending line of highest priority, now active, or -5",
    Hypercall.IRQ_EOI: "(line) -> 0: the active line is done",
}
"""Arguments -> answer of each call, for people."""


HYPERCALL_BASE = 0x3F000000
"""Guest physical address of the hypercall page of every machine cell."""
