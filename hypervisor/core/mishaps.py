"""Injected faults of interfaces and devices: what the monitor's points do when one strikes, and what strikes at a time.

Theory: where a fault is to look like a cell's deed (a forged call, a call again and again, a message that says something else),
it is done behind the checks that the cell's own deed went through or by a call in its name, and charged to it. What a fault does
to a device (a line that is not heard, a register that sticks, memory that is not its owner's) is done at the one place through
which all of it passes. Every function here requires that there are faults (`monitor.faults is not None`), so that a run
without any pays for one look at an attribute.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from hypervisor.abi import l4
from hypervisor.abi.faults import Armed, Draws, Hit
from hypervisor.abi.hypercalls import Hypercall
from hypervisor.abi.mishaps import Fate, befalls, unharmed
from hypervisor.abi.records import EventKind, Exit, ExitKind
from hypervisor.abi.xen import Call
from hypervisor.core.bus import PhysicalDevice
from hypervisor.core.cell import Cell
from hypervisor.core.errors import Refused
from hypervisor.faults.injector import Injector

if TYPE_CHECKING:
    from hypervisor.core.mechanism import CallWords, Handler
    from hypervisor.core.monitor import Monitor

FLOOD, FLOOD_LIMIT = 1000, 10_000
"""Calls at once: if the fault does not say, and at most."""
STORM, STORM_LIMIT = 100, 10_000
"""Interrupts of a storm, likewise."""
STORM_EVERY = 20_000
"""Cycles between two of them: 50,000 a second at 1 GHz."""


def _visit(monitor: Monitor, point: str, cell: Cell, **facts: int | str) -> Hit | None:
    injector: Injector | None = monitor.faults
    return injector.visit(point, cell.name, **facts) if injector is not None else None


# ---- messages and bells


def of_message(monitor: Monitor, cell: Cell, data: bytes, limit: int, **facts: int | str) -> Fate:
    """What becomes of a message of the cell's."""
    hit = _visit(monitor, "message", cell, bytes=len(data), **facts)
    return unharmed(data) if hit is None else befalls(hit, data, limit)


def later(monitor: Monitor, delay: int, what: Callable[[], None]) -> None:
    """Do something when so many cycles have passed."""
    monitor.alarms.at(monitor.now + delay, partial(_be_due, what))
    monitor.rounds.heed_timers()


def _be_due(what: Callable[[], None]) -> None:
    what()


def bell_is_lost(monitor: Monitor, cell: Cell, to: str) -> bool:
    """Whether a bell that the cell rings is not heard."""
    return _visit(monitor, "core.bell", cell, to=to) is not None


# ---- calls in a cell's name

UNREPEATABLE = frozenset(
    {Hypercall.YIELD, Hypercall.SHUTDOWN, Hypercall.REBOOT, Hypercall.PAGE_FAULT, Call.SCHED, Call.VCPU}
)
"""Calls that wait, or do not come back: nobody can make them for another."""
AT_ONCE = l4.pack_timeouts(0, 0)


def before_call(monitor: Monitor, cell: Cell, record: Exit) -> None:
    """The cell calls the monitor, or its deprivileged kernel is entered: perhaps it has called before, in its name."""
    hit = _visit(monitor, "core.call", cell, call=record.a0)
    if hit is not None:
        for extra in CRIMES.get(hit.fault.action, _none)(monitor, cell, record, hit):
            in_its_name(monitor, cell, extra)


def in_its_name(monitor: Monitor, cell: Cell, record: Exit) -> None:
    """Serve a call as if the cell had made it: the same checks, the same charges; nobody hears the answer."""
    call = monitor.calls.get(record.a0)
    if record.a0 in UNREPEATABLE or cell.ended or cell.vcpu.pending is not None:
        return
    if record.a0 == Hypercall.IPC:  # and it does not wait
        record = record._replace(a3=AT_ONCE)
    monitor.spend(cell, "hypercall", monitor.costs.hypercall)
    try:
        _served(monitor, cell, record, call)
    except Refused as refusal:
        monitor.refused(cell, f"hypercall {record.a0}", str(refusal))
    events = cell.vcpu.events
    events[:] = [event for event in events if event.kind != EventKind.ANSWER]


def _served(monitor: Monitor, cell: Cell, record: Exit, call: Handler | None) -> None:
    if call is not None:
        call(monitor, cell, record)


def _none(monitor: Monitor, cell: Cell, record: Exit, hit: Hit) -> Sequence[Exit]:
    return ()


def _replay(monitor: Monitor, cell: Cell, record: Exit, hit: Hit) -> Sequence[Exit]:
    """The same call once more, with all that it names and says; an exception of a CPU cannot be had twice."""
    return (record,) if record.kind == ExitKind.HYPERCALL else ()


def _forge(monitor: Monitor, cell: Cell, record: Exit, hit: Hit) -> Sequence[Exit]:
    """Calls that name what is not the cell's."""
    return _calls(record, monitor.mechanism.forged(cell, hit.draws))


def _flood(monitor: Monitor, cell: Cell, record: Exit, hit: Hit) -> Sequence[Exit]:
    """Calls at each of its partners in turn, very many; of one that has none, for the time of day."""
    ways = _calls(record, monitor.mechanism.pestering(cell)) or [record._replace(a0=Hypercall.TIME, data=b"")]
    count = min(hit.fault.value("calls", FLOOD), FLOOD_LIMIT)
    return [ways[number % len(ways)] for number in range(count)]


def _calls(record: Exit, named: Sequence[CallWords]) -> list[Exit]:
    return [record._replace(a0=call, a1=a1, a2=a2, a3=a3, data=data, output=b"") for call, a1, a2, a3, data in named]


CRIMES: Mapping[str, Callable[[Monitor, Cell, Exit, Hit], Sequence[Exit]]] = {
    "replay_call": _replay,
    "forge_call": _forge,
    "flood_calls": _flood,
}
"""Action at "core.call" -> the calls that are made in the cell's name before its own."""


# ---- interrupts


def line_is_lost(monitor: Monitor, line: int) -> bool:
    """Whether a line that rises is not heard of."""
    owner = monitor.interrupts.owner(line)
    return owner is not None and _visit(monitor, "core.line", monitor.cells[owner], line=line) is not None


def storm(monitor: Monitor, cell: Cell, fault: Armed) -> None:
    """An interrupt line of the cell's comes up again and again: `line`, or the first; `raises` times, `every` so many cycles."""
    lines = monitor.interrupts.lines_of(cell.index)
    line = fault.value("line", lines[0] if lines else -1)
    if line in lines:
        count = min(fault.value("raises", STORM), STORM_LIMIT)
        _gust(monitor, cell, line, count, max(fault.value("every", STORM_EVERY), 2))


def _gust(monitor: Monitor, cell: Cell, line: int, left: int, every: int) -> None:
    if cell.ended or not left or monitor.interrupts.owner(line) != cell.index:
        return
    if monitor.interrupts.pend(line):
        monitor.tell_level(line, True)
    monitor.alarms.at(monitor.now + every // 2, partial(_lull, monitor, line))
    monitor.alarms.at(monitor.now + every, partial(_gust, monitor, cell, line, left - 1, every))


def _lull(monitor: Monitor, line: int) -> None:
    if not monitor.interrupts.level(line):
        monitor.tell_level(line, False)


# ---- devices


def _device(monitor: Monitor, cell: Cell, fault: Armed) -> PhysicalDevice | None:
    """The device that the fault names, or the cell's first."""
    mine = monitor.bus.owned_by(cell.index)
    name = fault.text("device")
    return next((entry for entry in mine if entry.name == name or not name), None)


def stick_register(monitor: Monitor, cell: Cell, fault: Armed) -> None:
    """A register of a device of the cell's reads as `value` from now on: that at the offset `register`, or any."""
    entry = _device(monitor, cell, fault)
    if entry is None:
        return
    at = fault.drawn("register", min(entry.size, 0x100) // 4 * 4) // 4 * 4
    value = fault.drawn("value", 1 << 32) & 0xFFFF_FFFF
    entry.stuck = {**(entry.stuck or {}), at: value}
    if fault.hold:
        monitor.alarms.at(monitor.now + fault.hold, partial(_come_loose, entry, at))


def _come_loose(entry: PhysicalDevice, at: int) -> None:
    entry.stuck = {key: value for key, value in (entry.stuck or {}).items() if key != at} or None


def stuck_at(stuck: Mapping[int, int], offset: int, size: int, value: int) -> int:
    """What a read gives of a device with registers that stick."""
    word = stuck.get(offset & ~3)
    return value if word is None else word >> 8 * (offset & 3) & (1 << 8 * size) - 1


def bad_block(monitor: Monitor, cell: Cell, fault: Armed) -> None:
    """A block of a flash chip of the cell's goes bad: what is in it comes back wrong, and it takes nothing new."""
    name = fault.text("device")
    for entry in monitor.bus.owned_by(cell.index):
        if entry.name == name or not name:
            spoil: Callable[[int | None, Callable[[int], int]], None] | None = getattr(entry.device, "spoil", None)
            if spoil is not None:
                spoil(fault.value("block") if "block" in fault.values else None, Draws(fault.draw, "block").below)
                return


def dma_address(monitor: Monitor, cell: Cell, device: str, address: int, length: int) -> int:
    """Where a device of the cell's reaches: into memory that is not the cell's, if a fault says so."""
    hit = _visit(monitor, "core.dma", cell, device=device, address=address, bytes=length)
    if hit is None:
        return address
    return hit.fault.value("address", monitor.memory.ram_base + cell.params.ram + (hit.draws.below(1 << 16) << 12))


STRIKES: Mapping[str, Callable[[Monitor, Cell, Armed], None]] = {
    "storm": storm,
    "stick_register": stick_register,
    "bad_block": bad_block,
}
"""What an action does at its time."""
