"""What the monitor orders the shell to do: effects, named in the imperative."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypervisor.abi import records


@dataclass(frozen=True, slots=True)
class ResumeVcpu:
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
class TraceRecord:
    """Something that belongs in the trace beside exits: `kind` and its fields."""

    time: int
    kind: str
    cell: str
    fields: dict[str, int | str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rest:
    """Nothing runs now. `why`: "reached" (the stop time), "finished" (every cell ended), "asleep" (waiting for input)."""

    time: int
    why: str


Effect = ResumeVcpu | StrikeVcpu | StartCell | KillCell | ShowOutput | TraceRecord | Rest
