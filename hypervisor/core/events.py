"""What the shell tells the monitor: events, named in the past tense. Each says which cell (by index) it is about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from hypervisor.abi.faults import Armed
from hypervisor.abi.records import Exit


@dataclass(frozen=True, slots=True)
class CellReady:
    """The cell's process stands and its vCPU waits for its first resume."""

    cell: int


class VcpuExited(NamedTuple):
    """The cell's vCPU stopped; the shell has checked the record."""

    cell: int
    exit: Exit


@dataclass(frozen=True, slots=True)
class CellDied:
    """The cell's process ended without the monitor's order, broke the protocol, or hung (`why`)."""

    cell: int
    why: str


@dataclass(frozen=True, slots=True)
class Typed:
    """Somebody typed at the cell's console."""

    cell: int
    data: bytes


@dataclass(frozen=True, slots=True)
class WindowChanged:
    """Who sits at the cell's console has so many rows and columns now."""

    cell: int
    rows: int
    columns: int


@dataclass(frozen=True, slots=True)
class InputEnded:
    """Nobody will type at the cell's console any more."""

    cell: int


@dataclass(frozen=True, slots=True)
class StreamTold:
    """Something happened to a stream of the cell (`News`)."""

    cell: int
    stream: int
    what: int
    data: bytes


@dataclass(frozen=True, slots=True)
class DeviceTouched:
    """Something reached a device of the cell from outside: a hand on a touch screen."""

    cell: int
    device: str
    data: bytes


@dataclass(frozen=True, slots=True)
class OperatorAsked:
    """The operator ordered `verb`: pause, unpause, kill, restart, shutdown or reboot."""

    verb: str
    cell: int


@dataclass(frozen=True, slots=True)
class StoreWritten:
    """The operator wrote into the architecture's store."""

    path: str
    value: bytes


@dataclass(frozen=True, slots=True)
class KillPlanned:
    """The cell is to die, with the reason `why`, when it reaches `time`."""

    cell: int
    time: int
    why: str


@dataclass(frozen=True, slots=True)
class StopSet:
    """The run is to stop when it reaches `time`."""

    time: int


@dataclass(frozen=True, slots=True)
class FaultOrdered:
    """A fault is to be injected into the cell, -1 for the host (core/injected.py)."""

    cell: int
    fault: Armed


@dataclass(frozen=True, slots=True)
class Restored:
    """The board's one cell, just ready, stands where a snapshot was taken: the monitor's part of that (core/snapshot.py), and by
    what it is known.
    """

    state: Mapping[str, Any]
    known_by: str


@dataclass(frozen=True, slots=True)
class Settled:
    """All that happened so far was told: decide who runs next."""


Event = (
    CellReady
    | VcpuExited
    | CellDied
    | Typed
    | WindowChanged
    | InputEnded
    | StreamTold
    | DeviceTouched
    | OperatorAsked
    | StoreWritten
    | KillPlanned
    | StopSet
    | FaultOrdered
    | Restored
    | Settled
)
