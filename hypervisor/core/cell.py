"""What the monitor knows of a cell and of its vCPU. Data only: the monitor and the scheduler change it, nobody else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from hypervisor.abi.records import Event, Resume
from hypervisor.abi.redirection import NO_REDIRECTIONS, Redirections
from hypervisor.abi.time import NEVER
from hypervisor.abi.translations import NO_TRANSLATIONS, Translations
from hypervisor.core.refusals import Refusals


class CellState(StrEnum):
    """States of a cell. Running and blocked are what its vCPU does at the moment."""

    STARTING = "starting"
    RUNNING = "running"
    BLOCKED = "blocked"
    PAUSED = "paused"
    FAILED = "failed"
    SHUT_DOWN = "shut down"


class VcpuState(StrEnum):
    """ABSENT: no process. RUNNABLE: wants a core. RUNNING: has one. BLOCKED: waits for its deadline or an event."""

    ABSENT = "absent"
    RUNNABLE = "runnable"
    RUNNING = "running"
    BLOCKED = "blocked"


ABSENT, RUNNABLE, RUNNING, BLOCKED = VcpuState
"""The same by name: to look one up in the enumeration takes longer than what it is asked for, several times at every exit."""


@dataclass(frozen=True, slots=True)
class CellParams:
    """How a topology describes a cell. Times in cycles, `ram` in bytes, `heartbeat` 0 for none.

    `back_off`: how long it waits before it is started again, twice as long each time up to `back_off_limit`;
    `restart_window`: for how long a restart counts, 0 for ever.

    `ports`: how many ports of the host it may have streams to.

    `digest`: what its programs are known by in the trace, so that no two programs share one.
    """

    name: str
    ram: int
    cores: tuple[int, ...]
    priority: int = 0
    budget: int = 0
    period: int = 0
    weight: int = 256
    cap: int = 0
    on_crash: str = "destroy"
    max_restarts: int = 3
    heartbeat: int = 0
    back_off: int = 0
    back_off_limit: int = 0
    restart_window: int = 0
    digest: str = ""
    label: str = ""
    ports: int = 0
    counting: tuple[str, ...] = ()
    """Names of what its vCPU counts (abi/counts.py), in the order of a mark; none: it does not count."""
    pages: bool = True
    """False for a cell on another host: it can be given no shared page."""


@dataclass(slots=True)
class Pending:
    """A hypercall without an answer yet: its vCPU waits in it. `what`: for people; `expire`: the answer when its time is up."""

    what: str
    expire: Callable[[], int]
    interrupted: Callable[[], int] | None = None
    """The answer when anything else happens to the vCPU meanwhile; None: that waits."""


@dataclass(slots=True)
class Vcpu:
    """One virtual CPU. `wake`: when it becomes runnable by itself; `due`: since when it has waited for a core after a wait."""

    index: int
    cores: tuple[int, ...]
    state: VcpuState = ABSENT
    time: int = 0
    wake: int = NEVER
    due: int | None = None
    seq: int = 0
    value: int = 0
    core: int = 0
    events: list[Event] = field(default_factory=list)
    inflight: Resume | None = None
    kill_at: int = NEVER
    kill_why: str = ""
    pending: Pending | None = None
    """While it waits inside a hypercall, only that call's answer or end of time wakes it."""
    debts: dict[tuple[str, int], int] = field(default_factory=dict)
    """Cycles of the monitor's work for it that were put off, by cause and how many are done at a time (scheduler.py)."""
    stalls: int = 0
    """Exits in a row that took no time."""
    slowness: int = 1
    """What each of its cycles costs, by an injected fault (core/injected.py)."""
    cycles: int = 0
    insns: int = 0
    interrupts: int = 0
    translations: Translations = NO_TRANSLATIONS
    redirections: Redirections = NO_REDIRECTIONS


class Wake(NamedTuple):
    """A wake-up: `late` cycles after `due`; `before`: the cell that had the core, "" if none, and for what it `left` it."""

    late: int
    due: int
    before: str
    left: str


@dataclass(slots=True)
class CellAccount:
    """Counters of a cell over all its lives. Cycles, counts; `latencies`: wake-to-run latency in cycles -> how often.

    `latest`: the first of the worst of them.
    """

    ran: int = 0
    insns: int = 0
    interrupts: int = 0
    switches: int = 0
    exits: Counter[str] = field(default_factory=Counter)
    latencies: Counter[int] = field(default_factory=Counter)
    latest: Wake | None = None
    metrics: dict[str, list[int]] = field(default_factory=dict)
    refusals: Refusals = field(default_factory=Counter)
    output: int = 0
    restarts: int = 0
    pictures: int = 0
    marks: int = 0


_ENDED = (CellState.FAILED, CellState.SHUT_DOWN)


@dataclass(slots=True)
class Cell:
    """A cell: its description, its state, its vCPU and its account."""

    index: int
    params: CellParams
    vcpu: Vcpu
    state: CellState = CellState.STARTING
    why: str = ""
    paused: bool = False
    heartbeat: int | None = None
    """Its timer, while one is expected."""
    comeback: int | None = None
    """Its timer, while it waits to be started again."""
    crashes: list[int] = field(default_factory=list)
    """When its policy has started it again, as far as that still counts."""
    segment: int | None = None
    typed: bytearray = field(default_factory=bytearray)
    """What was typed at a kernel that has no UART, until it asks for it."""
    drawn: bytearray = field(default_factory=bytearray)
    """What has come of a picture so far."""
    streams: set[int] = field(default_factory=set)
    """Its streams to the host that are open (core/calls/streams.py)."""
    on_stop: Callable[[], None] | None = None
    """Who looks on whenever its vCPU has stopped: a mechanism that must see what it wrote into shared memory."""
    account: CellAccount = field(default_factory=CellAccount)

    name: str = field(init=False)
    """Its name in the topology."""

    def __post_init__(self) -> None:
        self.name = self.params.name

    @property
    def ended(self) -> bool:
        """True when it will never run again by itself."""
        return self.state in _ENDED

    def shown_state(self) -> CellState:
        """The state that people see: what its vCPU does, if it is up."""
        if self.ended or self.state is CellState.STARTING:
            return self.state
        if self.paused:
            return CellState.PAUSED
        return CellState.BLOCKED if self.vcpu.state is VcpuState.BLOCKED else CellState.RUNNING
