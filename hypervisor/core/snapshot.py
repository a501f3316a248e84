"""What the monitor knows of a board with one cell that stopped at a mark, as plain data; and a fresh monitor that goes on there.

Theory: between two runs of a lone vCPU on one core hardly anything is under way: its time and counters, its core and the rest of
its slice, what waits for it, its physical devices and their lines. No timer is set and no call is open. What else a monitor may
know (`refusal`) is more than this holds. Accounts of the past (ledger, counters of exits) are not part of it: they begin anew.

    state = take(monitor)                       # right behind the mark's exit
    other.handle(Restored(state, sha256), now)  # its cell has just become ready
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from hypervisor.abi.records import Event
from hypervisor.abi.time import NEVER
from hypervisor.abi.translations import Translations
from hypervisor.core.bus import PhysicalDevice
from hypervisor.core.cell import RUNNABLE
from hypervisor.core.interrupt_line import LineState
from hypervisor.core.policies.ranked import RankedPolicy, Turn

if TYPE_CHECKING:
    from hypervisor.core.monitor import Monitor

COUNTERS = ("time", "value", "stalls", "cycles", "insns", "interrupts")
"""Of the vCPU."""
CORE = ("time", "busy", "idle", "switches", "switch_cycles", "left")
LINE = ("level", "latched", "masked")


def refusal(monitor: Monitor) -> str:
    """What is under way that a snapshot does not hold, for people; "" if nothing is."""
    vcpu, policy = monitor.cells[0].vcpu, monitor.scheduler._policy
    under_way = {
        "more than one cell": len(monitor.cells) > 1,
        "more than one core": len(monitor.scheduler.cores) > 1,
        "a policy other than fixed_priority and round_robin": not isinstance(policy, RankedPolicy) or policy._changes,
        "a timer of the monitor": len(monitor.heartbeats) + len(monitor.alarms) > 0,
        "an injected fault": monitor.faults is not None or vcpu.slowness > 1,
        "a planned death": vcpu.kill_at < NEVER,
        "a call without an answer, or a cell that is held": vcpu.pending is not None or vcpu.state is not RUNNABLE,
    }
    return next((what for what, present in under_way.items() if present), "")


def take(monitor: Monitor) -> dict[str, Any]:
    """The state. Requires: `refusal` has nothing, and the cell's vCPU has just stopped at a mark."""
    vcpu, core, policy = monitor.cells[0].vcpu, monitor.scheduler.cores[0], monitor.scheduler._policy
    assert isinstance(policy, RankedPolicy)
    turn = policy._turns[0]
    owned = monitor.bus.owned_by(0)
    return {
        "now": monitor.now,
        "vcpu": {name: getattr(vcpu, name) for name in COUNTERS},
        "due": vcpu.due,
        "translations": list(vcpu.translations),
        "events": [[event.time, int(event.kind), event.payload] for event in vcpu.events],
        "core": {name: getattr(core, name) for name in CORE},
        "turn": [turn.serial, turn.left, policy._serial],
        "devices": {entry.name: dataclasses.asdict(_state(entry)) for entry in owned},
        "lines": {
            str(entry.line): [monitor.interrupts.state(entry.line).name, *_line(monitor, entry.line)]
            for entry in owned
            if entry.line is not None
        },
    }


def put(monitor: Monitor, state: Mapping[str, Any], known_by: str) -> None:
    """Go on from there. Requires: a fresh monitor of the same board and cell, which has just become ready.

    Raises:
        ValueError, KeyError, TypeError: it was another board's, or none.
    """
    cell = monitor.cells[0]
    vcpu, core, policy = cell.vcpu, monitor.scheduler.cores[0], monitor.scheduler._policy
    assert isinstance(policy, RankedPolicy)
    monitor.now = int(state["now"])
    for name in COUNTERS:
        setattr(vcpu, name, int(state["vcpu"][name]))
    vcpu.due = None if state["due"] is None else int(state["due"])
    vcpu.translations = Translations(*map(int, state["translations"]))
    vcpu.events[:] = [Event(int(time), int(kind), b"" + payload) for time, kind, payload in state["events"]]
    for name in CORE:
        setattr(core, name, type(getattr(core, name))(state["core"][name]))
    core.last = 0
    serial, left, following = map(int, state["turn"])
    policy._turns[0], policy._serial = Turn(serial, left), following
    for entry in monitor.bus.owned_by(0):
        _state(entry).put_back(state["devices"][entry.name])
        if entry.line is not None:
            line, (name, *levels) = monitor.interrupts._line(entry.line), state["lines"][str(entry.line)]
            line.state = LineState[name]
            line.level, line.latched, line.masked = map(bool, levels)
    monitor.bus.kick()
    monitor.scheduler.round_end = core.time
    monitor.note("resumed", cell, snapshot=known_by)


def _state(entry: PhysicalDevice) -> Any:
    """Of a device of a real board; the shell refuses boards with others."""
    return cast(Any, entry.device).state


def _line(monitor: Monitor, line: int) -> list[bool]:
    return [getattr(monitor.interrupts._line(line), name) for name in LINE]
