"""The lives of a cell: how it starts, fails, ends, starts again, is held and let go. Only the monitor and its calls use this."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from hypervisor.abi.records import QUIET
from hypervisor.abi.streams import StreamCall
from hypervisor.abi.time import NEVER
from hypervisor.core import effects as do
from hypervisor.core.cell import Cell, CellState, VcpuState
from hypervisor.core.errors import Refused

if TYPE_CHECKING:
    from hypervisor.core.monitor import Monitor

DOUBLINGS = 32
"""Of a back-off: more would be longer than any run."""
KILLED = "killed"
"""Why a cell died of SIGKILL, whoever sent it and whether it was planned: the trace is the same."""


def start(monitor: Monitor, cell: Cell, cause: str) -> None:
    """Have the cell brought up, with memory of its own; unless its architecture refuses that there be such a cell now."""
    cell.state = CellState.STARTING
    refusal = monitor.mechanism.refusal_to_start(cell)
    if refusal:
        end(monitor, cell, CellState.FAILED, refusal, keep=False)
        return
    if cell.segment is None:
        try:
            cell.segment = monitor.frames.allocate(cell.name, cell.params.ram, "ram").id
        except Refused as none_left:  # others have taken what it had
            end(monitor, cell, CellState.FAILED, none_left.why, keep=False)
            return
    monitor.emit(do.StartCell(cell.index, cause))


def fail(monitor: Monitor, cell: Cell, why: str) -> None:
    """The cell died, hung, or broke a rule: apply its policy."""
    if cell.ended:
        return
    policy, counted = cell.params.on_crash, _counted(monitor, cell)
    if policy == "restart" and counted >= cell.params.max_restarts:
        policy, why = "destroy", f"{why}; gave up after {counted} restarts"
    monitor.note("dead", cell, why=why, policy=policy)
    if policy == "restart":
        if cell.params.restart_window:
            cell.crashes.append(monitor.now)
        again(monitor, cell, why, _delay(cell, counted))
    else:
        end(monitor, cell, CellState.FAILED, why, keep=policy == "preserve")


def end(monitor: Monitor, cell: Cell, state: CellState, why: str, *, keep: bool) -> None:
    """The cell has ended, one way or the other."""
    take_down(monitor, cell, why, keep=keep)
    cell.state, cell.why = state, why
    if not keep:
        monitor.frames.release(cell.name)
        cell.segment = None
    monitor.note("end", cell, state=str(state), why=why)
    monitor.mechanism.cell_gone(cell)


def _counted(monitor: Monitor, cell: Cell) -> int:
    """Its restarts that count: all, or those of the window that its topology says."""
    if not cell.params.restart_window:
        return cell.account.restarts
    since = monitor.now - cell.params.restart_window
    cell.crashes = [time for time in cell.crashes if time > since]
    return len(cell.crashes)


def _delay(cell: Cell, counted: int) -> int:
    """How long it waits: `back_off`, twice that, four times, ... at most `back_off_limit`."""
    return min(cell.params.back_off << min(counted, DOUBLINGS), cell.params.back_off_limit)


def again(monitor: Monitor, cell: Cell, cause: str, delay: int = 0) -> None:
    """Bring the cell up anew, now or when it has waited so many cycles."""
    take_down(monitor, cell, cause, keep=False)
    cell.account.restarts += 1
    if not delay:
        start(monitor, cell, cause)
        return
    cell.state, cell.why = CellState.STARTING, cause
    cell.comeback = monitor.alarms.at(monitor.now + delay, partial(_come_back, monitor, cell))
    monitor.note("back_off", cell, until=monitor.now + delay, cause=cause)
    monitor.rounds.heed_timers()


def _come_back(monitor: Monitor, cell: Cell) -> None:
    """It has waited long enough; one that is held goes on waiting until it is let go."""
    cell.comeback = None
    if not cell.paused:
        start(monitor, cell, cell.why)


def take_down(monitor: Monitor, cell: Cell, cause: str, *, keep: bool) -> None:
    """End the process and forget what waited for the vCPU."""
    vcpu = cell.vcpu
    reset_devices(monitor, cell)
    monitor.scheduler.withdraw(vcpu, vcpu.inflight.start if vcpu.inflight else monitor.now)
    vcpu.events.clear()
    vcpu.kill_at, vcpu.pending, vcpu.slowness = NEVER, None, 1
    monitor.mechanism.cell_ended(cell)
    monitor.memory.cell_ended(cell, keep=keep)
    expect_no_heartbeat(monitor, cell)
    if cell.comeback is not None:
        monitor.alarms.cancel(cell.comeback)
        cell.comeback = None
    cell.paused = False
    cell.typed.clear()
    cell.drawn.clear()
    for stream in sorted(cell.streams):
        monitor.emit(do.UseStream(cell.index, StreamCall.CLOSE, stream))
    cell.streams.clear()
    monitor.emit(do.KillCell(cell.index, cause, keep))


def reset_devices(monitor: Monitor, cell: Cell) -> None:
    """Its devices reach for its memory no more and interrupt nobody; a new life finds them, and their lines, as new."""
    for entry in monitor.bus.owned_by(cell.index):
        entry.device.reset()
        if entry.line is not None:
            monitor.interrupts.unroute(entry.line)
            monitor.interrupts.route(entry.line, cell.index)


def expect_heartbeat(monitor: Monitor, cell: Cell) -> None:
    """The next heartbeat is due one period from now, if the topology asks for any."""
    expect_no_heartbeat(monitor, cell)
    if cell.params.heartbeat:
        cell.heartbeat = monitor.heartbeats.at(monitor.now + cell.params.heartbeat, cell)
        monitor.rounds.heed_timers()


def expect_no_heartbeat(monitor: Monitor, cell: Cell) -> None:
    """Who does not run cannot beat."""
    if cell.heartbeat is not None:
        monitor.heartbeats.cancel(cell.heartbeat)
        cell.heartbeat = None


def pause(monitor: Monitor, cell: Cell) -> None:
    """Hold the cell."""
    if cell.ended or cell.paused:
        return
    cell.paused = True
    expect_no_heartbeat(monitor, cell)
    if cell.vcpu.state is VcpuState.RUNNABLE:
        monitor.scheduler.block(cell.vcpu, cell.vcpu.wake, monitor.now)
        cell.vcpu.wake = monitor.now
    monitor.note("pause", cell, cause="operator")


def unpause(monitor: Monitor, cell: Cell) -> None:
    """Let the cell go on."""
    if not cell.paused:
        return
    cell.paused = False
    vcpu = cell.vcpu
    if cell.state is CellState.STARTING:
        monitor.note("unpause", cell, cause="operator")
        if cell.comeback is None:
            start(monitor, cell, cell.why)
        return
    if vcpu.state is VcpuState.BLOCKED:
        # It looks for itself what it was waiting for, unless that is the answer to a call.
        lost = vcpu.pending is None and vcpu.wake >= NEVER and all(event.kind in QUIET for event in vcpu.events)
        vcpu.wake = monitor.now if lost else max(vcpu.wake, monitor.now)  # being held is no latency of the scheduler's
    vcpu.time = max(vcpu.time, monitor.now)
    expect_heartbeat(monitor, cell)
    monitor.note("unpause", cell, cause="operator")


def kill(monitor: Monitor, cell: Cell) -> None:
    """The operator's kill."""
    if not cell.ended:
        fail(monitor, cell, KILLED)


def restart(monitor: Monitor, cell: Cell) -> None:
    """The operator's restart."""
    monitor.note("restart", cell, cause="operator")
    again(monitor, cell, "restarted by the operator")


def shut_down(monitor: Monitor, cell: Cell, status: int) -> None:
    """The cell is done, by its own word."""
    end(monitor, cell, CellState.SHUT_DOWN, f"status {status}", keep=False)


def ask(verb: str) -> Callable[[Monitor, Cell], None]:
    """The operator asks the guest to end, or to begin anew, by itself; what it makes of that is its own matter."""

    def asked(monitor: Monitor, cell: Cell) -> None:
        if not cell.ended:
            monitor.note("asked", cell, what=verb, cause=monitor.mechanism.ask(cell, verb) or "operator")

    return asked


ORDERS: dict[str, Callable[[Monitor, Cell], None]] = {
    "shutdown": ask("shutdown"),
    "reboot": ask("reboot"),
    "pause": pause,
    "unpause": unpause,
    "kill": kill,
    "restart": restart,
}
"""What the operator may ask for."""
