"""The lives of a cell: how it starts, fails, ends, starts again, is held and let go. Only the monitor and its calls use this."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from hypervisor.abi.time import NEVER
from hypervisor.core import effects as do
from hypervisor.core.cell import Cell, CellState, VcpuState

if TYPE_CHECKING:
    from hypervisor.core.monitor import Monitor

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
        cell.segment = monitor.frames.allocate(cell.name, cell.params.ram, "ram").id
    monitor.emit(do.StartCell(cell.index, cause))


def fail(monitor: Monitor, cell: Cell, why: str) -> None:
    """The cell died, hung, or broke a rule: apply its policy."""
    if cell.ended:
        return
    policy = cell.params.on_crash
    if policy == "restart" and cell.account.restarts >= cell.params.max_restarts:
        policy, why = "destroy", f"{why}; gave up after {cell.account.restarts} restarts"
    monitor.note("dead", cell, why=why, policy=policy)
    if policy == "restart":
        again(monitor, cell, why)
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


def again(monitor: Monitor, cell: Cell, cause: str) -> None:
    """Bring the cell up anew."""
    take_down(monitor, cell, cause, keep=False)
    cell.account.restarts += 1
    start(monitor, cell, cause)


def take_down(monitor: Monitor, cell: Cell, cause: str, *, keep: bool) -> None:
    """End the process and forget what waited for the vCPU."""
    vcpu = cell.vcpu
    reset_devices(monitor, cell)
    monitor.scheduler.withdraw(vcpu, vcpu.inflight.start if vcpu.inflight else monitor.now)
    vcpu.events.clear()
    vcpu.kill_at, vcpu.pending = NEVER, None
    monitor.mechanism.cell_ended(cell)
    monitor.memory.cell_ended(cell, keep=keep)
    expect_no_heartbeat(monitor, cell)
    cell.paused = False
    cell.typed.clear()
    cell.drawn.clear()
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
        monitor.heed_timers()


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
    if vcpu.state is VcpuState.BLOCKED:
        # It looks for itself what it was waiting for, unless that is the answer to a call.
        lost = vcpu.pending is None and vcpu.wake >= NEVER and not vcpu.events
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


ORDERS: dict[str, Callable[[Monitor, Cell], None]] = {
    "pause": pause,
    "unpause": unpause,
    "kill": kill,
    "restart": restart,
}
"""What the operator may ask for."""
