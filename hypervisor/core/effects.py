"""What the monitor orders the shell to do: effects, named in the imperative.

The two that come with every exit are named tuples: a frozen dataclass takes three times as long to make.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from hypervisor.abi import records
from hypervisor.abi.faults import Armed


class ResumeVcpu(NamedTuple):
    """Let the cell's vCPU run with this record."""

    cell: int
    core: int
    record: records.Resume


@dataclass(frozen=True, slots=True)
class StrikeVcpu:
    """Do not let the cell's vCPU run with this record: it is planned to die here. Say `CellDied` at its start, in order."""

    cell: int
    core: int
    record: records.Resume


@dataclass(frozen=True, slots=True)
class StartCell:
    """Make the cell's process and load its memory, then say `CellReady` or `CellDied`."""

    cell: int
    cause: str


@dataclass(frozen=True, slots=True)
class KillCell:
    """End the cell's process; `keep` its memory for inspection."""

    cell: int
    cause: str
    keep: bool = False


@dataclass(frozen=True, slots=True)
class ShowOutput:
    """Console bytes of the cell."""

    cell: int
    data: bytes


@dataclass(frozen=True, slots=True)
class KeepPicture:
    """A picture that the cell took of what it sees: 16 bits a pixel (5:6:5, red highest), little-endian, line by line."""

    cell: int
    width: int
    height: int
    pixels: bytes


@dataclass(frozen=True, slots=True)
class WantInput:
    """A program of the cell waits for standard input, which is a pipe."""

    cell: int


@dataclass(frozen=True, slots=True)
class UseStream:
    """Do something with a stream of the cell to the host (`StreamCall`); `number`: which port, or how many bytes."""

    cell: int
    call: int
    stream: int
    number: int = 0
    data: bytes = b""


class TraceRecord(NamedTuple):
    """Something that belongs in the trace beside exits: `kind` and its fields."""

    time: int
    kind: str
    cell: str
    fields: Mapping[str, int | str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Rest:
    """Nothing runs now. `why`: "reached" (the stop time), "finished" (every cell ended), "asleep" (waiting for input)."""

    time: int
    why: str


@dataclass(frozen=True, slots=True)
class BreakHost:
    """An injected fault of the host: from now on it does what `fault` says."""

    fault: Armed


@dataclass(frozen=True, slots=True)
class MakeSegment:
    """Make a memory segment of `pages` that can be handed over. With `cell`, it takes the place of that cell's own pages at
    `address` (guest physical): their content moves into it, and the cell's view of them must follow (a `MapMemory` comes). With
    `source`, its content is that of another segment from page `offset` on, which goes next.
    """

    segment: int
    pages: int
    cell: int | None = None
    address: int = 0
    source: int | None = None
    offset: int = 0


@dataclass(frozen=True, slots=True)
class MapMemory:
    """Hand `pages` of a segment from page `offset` on over to a cell, to appear at `address`; the vCPU gets a MEMORY event.
    Segment 0: the cell's own memory comes back there.
    """

    cell: int
    address: int
    segment: int
    offset: int
    pages: int
    writable: bool


@dataclass(frozen=True, slots=True)
class UnmapMemory:
    """What the cell had mapped at `address` is no longer its; the vCPU gets a MEMORY event."""

    cell: int
    address: int
    pages: int


@dataclass(frozen=True, slots=True)
class DropSegment:
    """The segment is gone for everybody, also for who does not co-operate: its frames are emptied. With `cell`, the content first
    moves back into that cell's own memory at `address`.
    """

    segment: int
    cell: int | None = None
    address: int = 0


Effect = (
    MakeSegment
    | MapMemory
    | UnmapMemory
    | DropSegment
    | ResumeVcpu
    | StrikeVcpu
    | StartCell
    | KillCell
    | ShowOutput
    | KeepPicture
    | WantInput
    | UseStream
    | TraceRecord
    | BreakHost
    | Rest
)
