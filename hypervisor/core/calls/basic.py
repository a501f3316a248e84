"""Hypercalls about the caller itself: time, life, figures, and the console of a kernel that has no UART."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypervisor.abi.hypercalls import Metric
from hypervisor.abi.records import DATA_LIMIT, EventKind, Exit
from hypervisor.abi.status import Status, from_word
from hypervisor.core import effects as do
from hypervisor.core.cell import Cell
from hypervisor.core.errors import Refused
from hypervisor.core.lives import again, expect_heartbeat
from hypervisor.core.lives import shut_down as end_by_itself

if TYPE_CHECKING:
    from hypervisor.core.monitor import Monitor

METRICS_LIMIT = 64
"""Named metrics per cell; a cell that invents more is refused."""
NAME_LIMIT = 32
FIRMWARE_CYCLES = 50_000_000
"""From a reboot to the first instruction: of the order of 0.1 s. Assumed; so nobody has processes started without end."""


def give_way(monitor: Monitor, cell: Cell, record: Exit) -> int:
    """YIELD: the rest of the slice goes to others."""
    monitor.scheduler.give_way(cell.vcpu, monitor.now)
    return Status.OK


def time(monitor: Monitor, cell: Cell, record: Exit) -> int:
    """TIME: virtual time when the caller goes on, in cycles."""
    return cell.vcpu.time


def shut_down(monitor: Monitor, cell: Cell, record: Exit) -> int:
    """SHUTDOWN: the cell is done; the answer is never seen."""
    end_by_itself(monitor, cell, record.a1 & 0xFFFFFFFF)
    return Status.OK


def begin_anew(monitor: Monitor, cell: Cell, record: Exit) -> int:
    """REBOOT: as a machine that is switched off and on; the answer is never seen."""
    again(monitor, cell, "rebooted by itself", FIRMWARE_CYCLES)
    return Status.OK


def heartbeat(monitor: Monitor, cell: Cell, record: Exit) -> int:
    """HEARTBEAT: alive until the next period ends."""
    expect_heartbeat(monitor, cell)
    return Status.OK


def report(monitor: Monitor, cell: Cell, record: Exit) -> int:
    """REPORT: a figure for the account, kept as [last, min, max, count]."""
    name = _metric_name(record)
    value = from_word(record.a2)
    metrics = cell.account.metrics
    if name not in metrics:
        if len(metrics) >= METRICS_LIMIT:
            raise Refused(Status.NO_ROOM, f"more than {METRICS_LIMIT} metrics")
        metrics[name] = [value, value, value, 0]
    last = metrics[name]
    metrics[name] = [value, min(last[1], value), max(last[2], value), last[3] + 1]
    return Status.OK


def _metric_name(record: Exit) -> str:
    if record.a1 in list(Metric):
        return Metric(record.a1).name.lower()
    name = record.data.decode("utf-8", "replace")
    if record.a1 or not 0 < len(name) <= NAME_LIMIT or not name.isprintable():
        raise Refused(Status.BAD_ARGUMENT, "a metric has a known number, or number 0 and a printable name")
    return name


def want_input(monitor: Monitor, cell: Cell, record: Exit) -> int:
    """INPUT: whoever has something for this cell may hand it over now, unless some of the last is still on its way."""
    if all(event.kind != EventKind.CONSOLE for event in cell.vcpu.events):
        monitor.emit(do.WantInput(cell.index))
    return Status.OK


def console_write(monitor: Monitor, cell: Cell, record: Exit) -> int:
    """CONSOLE_WRITE: what goes with the call appears on the cell's console."""
    cell.account.output += len(record.data)
    monitor.emit(do.ShowOutput(cell.index, record.data))
    return Status.OK


def console_read(monitor: Monitor, cell: Cell, record: Exit) -> int:
    """CONSOLE_READ: what was typed, oldest first; a record carries only so much."""
    size = min(record.a1, DATA_LIMIT)
    typed = bytes(cell.typed[:size])
    del cell.typed[:size]
    if typed:
        monitor.reply(cell, typed)
    return len(typed)
