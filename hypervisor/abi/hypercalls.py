"""Numbers of the hypercalls, by family. The arguments and answers are in `TABLE`, which documentation prints.

1-15, REBOOT and STREAM every flavour has; 16-29 capabilities and memory, 32-47 channels and notifications (okl4), 48-63 IPC
(l4); from `XEN_CALLS` on stand the calls of xen by their real numbers (XEN_CALLS + 32 is event_channel_op).
"""

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
    CONSOLE_WRITE = 10
    CONSOLE_READ = 11
    PICTURE = 12
    FILES = 13
    FAULTED = 14
    INPUT = 15

    CAP_MINT = 16
    CAP_MOVE = 17
    CAP_REVOKE = 18
    CAP_DELETE = 19
    CAP_IDENTIFY = 20
    MEMORY_MAP = 24
    MEMORY_UNMAP = 25
    REBOOT = 30
    STREAM = 31

    CHANNEL_SEND = 32
    CHANNEL_RECEIVE = 33
    NOTIFY = 34

    IPC = 48
    IPC_UNMAP = 49
    IPC_ACCEPT = 50
    PAGE_FAULT = 51
    IPC_INJECT = 52


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
    Hypercall.CONSOLE_WRITE: "(data) -> 0: characters to the console of a kernel without a UART",
    Hypercall.CONSOLE_READ: "(most) -> how many characters were typed at it and, as the answer, these",
    Hypercall.PICTURE: "(width | height << 16, first byte; data) -> 0: a part of what this cell sees; the last one keeps it",
    Hypercall.FILES: "(operation | view << 8, place; path) -> as served.py says: a look at a directory of the host",
    Hypercall.FAULTED: "(number, visit) -> 0: an injected fault that was sent to this cell has struck at its point",
    Hypercall.INPUT: "() -> 0: a program waits for standard input, which is a pipe of the host's; it comes as typed",
    Hypercall.CAP_MINT: "(slot, rights) -> a new slot with no more than these of its rights",
    Hypercall.CAP_MOVE: "(slot, free slot) -> 0",
    Hypercall.CAP_REVOKE: "(slot) -> how many capabilities derived from it are gone, wherever they were",
    Hypercall.CAP_DELETE: "(slot) -> 0: the slot is free; what was derived from it goes too",
    Hypercall.CAP_IDENTIFY: "(slot) -> kind << 32 | rights",
    Hypercall.MEMORY_MAP: "(slot, address in the window, writable) -> 0: the pages of a memory capability appear there",
    Hypercall.MEMORY_UNMAP: "(address in the window, pages) -> 0",
    Hypercall.REBOOT: "(): this cell begins anew, from its image; does not return",
    Hypercall.STREAM: "(operation, stream, number; data) -> 0: to a port of the host that the topology names (abi/streams.py)",
    Hypercall.CHANNEL_SEND: "(slot; data) -> 0, or FULL: a message, copied",
    Hypercall.CHANNEL_RECEIVE: "(slot) -> how many are left << 32 | its length and the oldest message; or EMPTY, PEER_GONE",
    Hypercall.NOTIFY: "(slot, bits) -> 0: ring; bits that wait already are merged",
    Hypercall.IPC: "(to | from << 16, tag, timeouts; message) -> tag << 32 | who sent, and the message: send, receive, or both",
    Hypercall.IPC_UNMAP: "(address, pages, rights) -> pages that were taken back from those they were mapped on to",
    Hypercall.IPC_ACCEPT: "(address in the window, pages) -> 0: where the pages of map and grant items may appear; 0, 0: nowhere",
    Hypercall.IPC_INJECT: "(client, line, level) -> 0: drive an input of the interrupt controller of a cell that one hosts",
    Hypercall.PAGE_FAULT: "(address, access, instruction) -> 0: the pager was asked for the page; look again whether it is there",
}
"""Arguments -> answer of each call, for people."""


XEN_CALLS = 0x100
"""Added to the number of a real Xen hypercall."""
HYPERCALL_BASE = 0x3F000000
"""Guest physical address of the hypercall page of every machine cell."""
