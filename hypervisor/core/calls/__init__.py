"""The dispatch table of hypercalls: number -> handler.

Every handler has one shape: `(monitor, cell, record) -> result`, raising `Refused` for an honest no. None of them switches
vCPUs: a call may tell the scheduler something, and the monitor decides when all is settled.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from hypervisor.abi.hypercalls import Hypercall
from hypervisor.abi.records import Exit
from hypervisor.core.calls import basic, files, irq, picture, streams
from hypervisor.core.cell import Cell
from hypervisor.core.injected import said_to_strike

if TYPE_CHECKING:
    from hypervisor.core.monitor import Monitor

Handler = Callable[["Monitor", Cell, Exit], int]

CALLS: dict[int, Handler] = {
    Hypercall.YIELD: basic.give_way,
    Hypercall.TIME: basic.time,
    Hypercall.SHUTDOWN: basic.shut_down,
    Hypercall.HEARTBEAT: basic.heartbeat,
    Hypercall.REPORT: basic.report,
    Hypercall.IRQ_MASK: irq.mask,
    Hypercall.IRQ_UNMASK: irq.unmask,
    Hypercall.IRQ_ACK: irq.ack,
    Hypercall.IRQ_EOI: irq.eoi,
    Hypercall.CONSOLE_WRITE: basic.console_write,
    Hypercall.CONSOLE_READ: basic.console_read,
    Hypercall.PICTURE: picture.picture,
    Hypercall.FILES: files.look,
    Hypercall.INPUT: basic.want_input,
    Hypercall.REBOOT: basic.begin_anew,
    Hypercall.STREAM: streams.use,
    Hypercall.FAULTED: said_to_strike,
}
