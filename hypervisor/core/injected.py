"""Injected faults in the monitor: orders become alarms, alarms open points or strike. `STRIKES` is the table.

Theory: whatever strikes at a time does so between two stretches of the scheduler (an alarm, core/monitor.py), when no vCPU
runs: then it may post, kill or change anything, and the victim's next resume begins at exactly that cycle. A point that is
visited while a call is served does its own harm itself, or is a mere trigger: then the strike comes as an alarm for the present.

A fault of a guest is an event FAULT of its next resume; the cell does it to itself before it runs on. It wakes nobody who sleeps.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from hypervisor.abi.faults import Armed, Hit, Value
from hypervisor.abi.records import Event, EventKind, Exit
from hypervisor.abi.status import Status
from hypervisor.core import effects as do
from hypervisor.core import mishaps
from hypervisor.core.cell import Cell, CellState
from hypervisor.core.delivery import announce
from hypervisor.core.errors import Refused
from hypervisor.core.lives import KILLED, fail
from hypervisor.faults.injector import Injector
from hypervisor.faults.points import POINTS

if TYPE_CHECKING:
    from hypervisor.core.monitor import Monitor

SLOW = 4
"""What a cycle of a slowed cell costs, if the order does not say."""
HOST = ""
"""The cell of an order that is for the host."""
Strike = Callable[["Monitor", Cell, Armed], None]


def order(monitor: Monitor, index: int, fault: Armed) -> None:
    """Take an order for a cell, -1 for the host."""
    injector = monitor.faults
    if injector is None:
        injector = monitor.faults = Injector(partial(_record, monitor))
        monitor.show_faults(injector)
    cell = monitor.cells[index] if index >= 0 else None
    injector.expect(cell.name if cell else HOST, fault)
    monitor.alarms.at(max(fault.at, monitor.now), partial(_come_due, monitor, cell, fault))
    monitor.rounds.heed_timers()


def _record(monitor: Monitor, cell: str, fault: Armed, **facts: Value) -> None:
    fields: dict[str, Value] = {"action": fault.action, "cause": "injected", **facts}
    fields |= {name: value for name, value in fault.values.items() if name not in fields}
    monitor.emit(do.TraceRecord(monitor.now, "fault", cell, fields))


def _come_due(monitor: Monitor, cell: Cell | None, fault: Armed) -> None:
    """Its time has come: wait at its point, or strike."""
    if not fault.point:
        strike(monitor, cell, fault)
        return
    injector, name = _injector(monitor), cell.name if cell else HOST
    if fault.point in monitor.mechanism.cell_points or _is_in_cell(fault.point):
        if cell is not None and _is_up(cell):
            _send(monitor, cell, fault)
    else:
        injector.open(name, fault)
    if fault.hold:
        monitor.alarms.at(monitor.now + fault.hold, partial(injector.close, name, fault))


def _is_in_cell(point: str) -> bool:
    return point in POINTS and POINTS[point].layer == "cell"


def strike(monitor: Monitor, cell: Cell | None, fault: Armed) -> None:
    """A fault without a point, or whose point was only its trigger, strikes now; not one whose cell is not there."""
    if cell is None:
        _injector(monitor).struck(HOST, fault)
        monitor.emit(do.BreakHost(fault))
    elif _is_up(cell):
        _injector(monitor).struck(cell.name, fault)
        STRIKES.get(fault.action, _to_guest)(monitor, cell, fault)


def trigger(monitor: Monitor, cell: Cell, hit: Hit) -> None:
    """At a point that does no harm itself: the fault strikes as soon as nothing runs."""
    monitor.alarms.at(monitor.now, partial(_harm, monitor, cell, hit.fault))
    monitor.rounds.heed_timers()


def _harm(monitor: Monitor, cell: Cell, fault: Armed) -> None:
    if _is_up(cell):
        STRIKES.get(fault.action, _to_guest)(monitor, cell, fault)


def _injector(monitor: Monitor) -> Injector:
    assert monitor.faults is not None, "a fault without an order"
    return monitor.faults


def _is_up(cell: Cell) -> bool:
    return not cell.ended and cell.state is not CellState.STARTING


# ---- what strikes


def _nothing(monitor: Monitor, cell: Cell, fault: Armed) -> None:
    """It is in the trace, and that is all."""


def _to_guest(monitor: Monitor, cell: Cell, fault: Armed) -> None:
    _send(monitor, cell, fault)


def _send(monitor: Monitor, cell: Cell, fault: Armed) -> None:
    payload = fault.to_event(_injector(monitor).number(fault))
    announce(cell.vcpu.events, Event(monitor.now, EventKind.FAULT, payload))


def _slow(monitor: Monitor, cell: Cell, fault: Armed) -> None:
    """Each of its cycles costs `factor`, for `hold`."""
    cell.vcpu.slowness = max(fault.value("factor", SLOW), 1)
    if fault.hold:
        monitor.alarms.at(monitor.now + fault.hold, partial(_no_longer_slow, cell))


def _no_longer_slow(cell: Cell) -> None:
    cell.vcpu.slowness = 1


def _lose_store(monitor: Monitor, cell: Cell, fault: Armed) -> None:
    """Nobody answers for the store, for `hold` or to the end."""
    monitor.mechanism.lose_store()
    if fault.hold:
        monitor.alarms.at(monitor.now + fault.hold, partial(_find_store, monitor))


def _find_store(monitor: Monitor) -> None:
    monitor.mechanism.find_store()


def _perish(monitor: Monitor, cell: Cell, fault: Armed) -> None:
    """Its process is gone."""
    fail(monitor, cell, KILLED)


STRIKES: dict[str, Strike] = {
    "nothing": _nothing,
    "perish": _perish,
    "slow": _slow,
    "lose_store": _lose_store,
    **mishaps.STRIKES,
}
"""What an action does at its time, by name; all others are done by the guest's own process, to itself."""


# ---- points in the monitor


def stopped(monitor: Monitor, cell: Cell, ran: int) -> None:
    """The vCPU has stopped after `ran` cycles of its own. Requires: there are faults."""
    if cell.vcpu.slowness > 1:
        monitor.spend(cell, "slowed", ran * (cell.vcpu.slowness - 1))
    hit = _injector(monitor).visit("core.exit", cell.name)
    if hit is not None:
        trigger(monitor, cell, hit)


def refused(monitor: Monitor, cell: Cell, point: str, **facts: Value) -> bool:
    """Whether what a cell asks for is refused at a point, as if it had run out."""
    return monitor.faults is not None and monitor.faults.visit(point, cell.name, **facts) is not None


def replied(monitor: Monitor, cell: Cell, data: bytes) -> bytes:
    """Bytes on their way to a cell, perhaps with a bit flipped. Requires: there are faults."""
    hit = _injector(monitor).visit("core.reply", cell.name, bytes=len(data))
    return data if hit is None else flipped(data, hit)


def flipped(data: bytes, hit: Hit) -> bytes:
    """With one bit the other way round: `bit` of the fault, or any."""
    if not data:
        return data
    bit = hit.fault.value("bit") % (8 * len(data)) if "bit" in hit.fault.values else hit.draws.below(8 * len(data))
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def said_to_strike(monitor: Monitor, cell: Cell, record: Exit) -> int:
    """FAULTED: a fault that was sent to a cell, to wait at a point there, has struck."""
    injector = monitor.faults
    fault = injector.known(cell.name, record.a1) if injector is not None else None
    if injector is None or fault is None:
        raise Refused(Status.BAD_ARGUMENT, "nobody asked for such a fault")
    injector.struck(cell.name, fault, point=fault.point, visit=record.a2)
    return Status.OK
