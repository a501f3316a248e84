"""What becomes of an exit, by its kind: `EXITS` is the table, every handler `(monitor, cell, record)`.

The record is well formed and answers the vCPU's resume; the scheduler has the core back. `lie_in` finds what no honest
vCPU does all the same, and `account` adds up what it says it did, bounded by the time that it had.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from hypervisor.abi import counts
from hypervisor.abi.memory import READABLE
from hypervisor.abi.records import QUIET, Exit, ExitKind, Resume
from hypervisor.abi.status import Status, to_word
from hypervisor.abi.time import NEVER
from hypervisor.abi.translations import CARRIERS
from hypervisor.core import injected, mishaps, redirection, translations
from hypervisor.core.bus import PhysicalDevice
from hypervisor.core.cell import Cell, Vcpu
from hypervisor.core.errors import Refused
from hypervisor.core.lives import fail, shut_down

if TYPE_CHECKING:
    from hypervisor.core.monitor import Monitor

KINDS = tuple(kind.name.lower() for kind in ExitKind)
"""Names of the kinds of exits, by number."""
_HELLO, _BUDGET, _EXCEPTION = int(ExitKind.HELLO), int(ExitKind.BUDGET), int(ExitKind.EXCEPTION)
ACCESS_SIZES = (1, 2, 4)
STALL_LIMIT = 10_000
"""Exits in a row that take no time. An honest block of 512 instructions cannot touch devices that often; more would let a cell
hold virtual time, and the monitor with it, for ever."""


def lie_in(vcpu: Vcpu, record: Exit, resume: Resume) -> str:
    """What no honest vCPU does, though the record by itself is well formed; "" if nothing."""
    vcpu.stalls = vcpu.stalls + 1 if record.time == resume.start else 0
    if record.kind == _HELLO:
        return "hello from one that runs"
    if record.kind == _BUDGET and record.time < resume.end:
        return "budget spent before its end"
    if record.kind in CARRIERS and (lie := translations.lie_in(record)):
        return lie
    return "no progress" if vcpu.stalls > STALL_LIMIT else ""


def account(monitor: Monitor, cell: Cell, record: Exit, start: int) -> None:
    """Add what the vCPU says it did, bounded by the time that it had."""
    vcpu, counts = cell.vcpu, cell.account
    _, kind, time, cycles, _, _, _, lines, _, insns, interrupts, _, _ = record
    had = time - start
    ran = _bounded(cycles - vcpu.cycles, had)
    counts.ran += ran
    if ran < had:
        monitor.scheduler.slept(vcpu, had - ran)
    if insns != vcpu.insns:
        counts.insns += _bounded(insns - vcpu.insns, had)
    if interrupts != vcpu.interrupts:
        counts.interrupts += _bounded(interrupts - vcpu.interrupts, had)
    counts.exits[KINDS[kind]] += 1
    vcpu.cycles, vcpu.insns, vcpu.interrupts = cycles, insns, interrupts
    monitor.ledger.charge(cell.name, "guest", ran)
    if monitor.faults is not None:
        injected.stopped(monitor, cell, ran)
    if kind in CARRIERS:
        about = redirection if cell.index in monitor.mechanism.wiring.personalities else translations
        about.charge(monitor, cell, record)
    elif kind == _EXCEPTION and lines:
        translations.charge_lines(monitor, cell, lines)


def _bounded(count: int, most: int) -> int:
    """What a cell says, as far as it can be."""
    return 0 if count < 0 else min(count, most)


def nothing(monitor: Monitor, cell: Cell, record: Exit) -> None:
    """The vCPU just goes on when the policy lets it."""


def wait(monitor: Monitor, cell: Cell, record: Exit) -> None:
    """The guest waits for an interrupt: until its deadline or an event."""
    vcpu = cell.vcpu
    wake = min((e.time for e in vcpu.events if e.kind not in QUIET), default=NEVER)
    wake = min(wake, max(record.deadline, record.time))
    if wake <= record.time:
        vcpu.due = wake
    elif not cell.paused:
        monitor.scheduler.block(vcpu, wake, monitor.now)
    else:
        vcpu.wake = wake


def device(monitor: Monitor, cell: Cell, record: Exit) -> None:
    """A load or store at a device that the monitor owns."""
    vcpu = cell.vcpu
    monitor.spend(cell, "device_exit", monitor.costs.device_exit)
    if monitor.mechanism.unserved(cell, record):
        return
    try:
        if record.a1 not in ACCESS_SIZES:
            raise Refused(Status.BAD_ARGUMENT, f"an access of {record.a1} bytes")
        entry = monitor.bus.find(cell.index, record.a0)
        if record.kind == ExitKind.READ:
            value = entry.device.registers.read(record.a0 - entry.base, record.a1)
            if entry.stuck:
                value = mishaps.stuck_at(entry.stuck, record.a0 - entry.base, record.a1, value)
            vcpu.value = to_word(value)
        else:
            _store(entry, record)
        if entry.shown is not None and entry.shown() and not entry.stuck:
            vcpu.value |= READABLE
        monitor.rounds.heed_timers()
    except Refused as refusal:
        monitor.refused(cell, f"device at {record.a0:#x}", str(refusal))


def _store(entry: PhysicalDevice, record: Exit) -> None:
    """One store, or as many as the data make: store-multiple is one instruction, and one exit."""
    start, size, data = record.a0 - entry.base, record.a1, record.data
    if not data:
        entry.device.registers.write(start, size, record.a2 & 0xFFFFFFFF)
        return
    if len(data) % size or start + len(data) > entry.size:
        raise Refused(Status.BAD_ARGUMENT, f"{len(data)} bytes at {record.a0:#x}, {size} at a time")
    entry.device.registers.write_many(start, size, data)


def hypercall(monitor: Monitor, cell: Cell, record: Exit) -> None:
    """A call: answered from the dispatch table, or refused."""
    if monitor.faults is not None:
        mishaps.before_call(monitor, cell, record)
    monitor.spend(cell, "hypercall", monitor.costs.hypercall)
    call = monitor.calls.get(record.a0)
    if call is None and monitor.mechanism.unserved(cell, record):
        return
    try:
        if call is None:
            raise Refused(Status.UNKNOWN_CALL, f"hypercall {record.a0} is not known")
        value = call(monitor, cell, record)
        if cell.vcpu.pending is None and not cell.ended:
            cell.vcpu.value = to_word(value)
    except Refused as refusal:
        cell.vcpu.value = to_word(refusal.status)
        monitor.refused(cell, f"hypercall {record.a0}", str(refusal))


def fault(monitor: Monitor, cell: Cell, record: Exit) -> None:
    """The guest cannot go on, unless somebody takes care of it."""
    if monitor.mechanism.fault(cell, record):
        return
    text = record.data.decode("utf-8", "replace")
    fail(monitor, cell, f"guest fault: {text}" if text else f"guest fault {record.a0} at {record.a1:#x}")


def exception(monitor: Monitor, cell: Cell, record: Exit) -> None:
    """A de-privileged kernel's CPU left user mode: what it costs is what the mechanism does about it."""
    if monitor.faults is not None:
        mishaps.before_call(monitor, cell, record)
    try:
        value = monitor.mechanism.exception(cell, record)
    except Refused as refusal:
        fail(monitor, cell, f"protocol: {refusal.why}")
        return
    if cell.vcpu.pending is None and not cell.ended:
        cell.vcpu.value = to_word(value)


def shutdown(monitor: Monitor, cell: Cell, record: Exit) -> None:
    """The guest is done."""
    shut_down(monitor, cell, record.a0)


def mark(monitor: Monitor, cell: Cell, record: Exit) -> None:
    """A program of the guest has marked a place: what was counted up to here goes into the trace."""
    names = cell.params.counting
    told = counts.unpack(record.data, len(names))
    if not names or told is None:
        fail(monitor, cell, "protocol: a mark with other counts than it was asked for")
        return
    cell.account.marks += 1
    if cell.account.marks <= counts.MARK_LIMIT * (1 + cell.account.restarts):
        monitor.note("mark", cell, id=record.a0, times=record.a1, **dict(zip(names, told, strict=True)))


EXITS: dict[int, Callable[[Monitor, Cell, Exit], None]] = {
    ExitKind.BUDGET: nothing,
    ExitKind.OUTPUT: nothing,
    ExitKind.WAIT: wait,
    ExitKind.READ: device,
    ExitKind.WRITE: device,
    ExitKind.HYPERCALL: hypercall,
    ExitKind.FAULT: fault,
    ExitKind.SHUTDOWN: shutdown,
    ExitKind.EXCEPTION: exception,
    ExitKind.MARK: mark,
}
