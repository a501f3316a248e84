"""Domains: what the hypervisor knows of each cell, by domid.

```python
domains = Domains(monitor.cells, wiring)
domains.of(cell).domid, domains.alive(caller, domid)
```

Who is Dom0: the cell called "dom0"; if none is, the first one in the topology that serves as a back end and never asks as a
front end (a driver domain, as Dom0 is on a plain Xen); if none does, the first cell. The others get 1, 2, ... in the order of
the topology. A cell that is started again keeps its domid, so that the paths of the store stay what they were. Further driver
domains need no privilege: the store's permissions give them their part. An unmodified kernel is a DomU always; where there is
nobody else, nobody is Dom0, and the hypervisor does its work.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from hypervisor.abi.xen import DOMID_SELF, Errno, PortState
from hypervisor.core.cell import Cell
from hypervisor.core.wiring import Wiring
from hypervisor.core.xen.errors import XenError

DOM0 = "dom0"
"""A cell of this name is Dom0."""
MESSAGE = "message"
"""The class of channels without a front and a back end."""


@dataclass(slots=True)
class Port:
    """One end of an event channel. `remote`: the domain at the other end, or the one that may bind; `handler`: the hypervisor is
    the other end and does this at each `send`.
    """

    state: PortState
    remote: int = 0
    remote_port: int = 0
    virq: int = 0
    handler: Callable[[], None] | None = None


@dataclass(slots=True)
class Mapping:
    """A grant that this domain has mapped: a handle's content. `granter` None: that domain is gone, and the page with it."""

    granter: int | None
    reference: int
    address: int
    writable: bool


@dataclass(slots=True)
class Domain:
    """A domain's state in the hypervisor; all of it begins anew with each life of the cell.

    Addresses are guest physical, in the domain's own memory. `early`: ports that became pending before there was a page to
    say so. `waits_for`: the ports of a `poll` in which it waits. `table_pages`: its page tables, if its kernel is paravirtual.
    `timer`: its single-shot timer among the monitor's alarms. `runstate`: pieces (address, size) of where it wants its runstate,
    last written at `runstate_written`. `given_up`: frames of its own memory that it has given back (memory_calls.py).
    """

    cell: Cell
    domid: int
    alive: bool = False
    shared_info: int | None = None
    vcpu_info: int | None = None
    runstate: tuple[tuple[int, int], ...] = ()
    runstate_written: int = 0
    given_up: set[int] = field(default_factory=set)
    early: set[int] = field(default_factory=set)
    ports: dict[int, Port] = field(default_factory=dict)
    virqs: dict[int, int] = field(default_factory=dict)
    params: dict[int, int] = field(default_factory=dict)
    grant_frames: dict[int, int] = field(default_factory=dict)
    handles: dict[int, Mapping] = field(default_factory=dict)
    next_handle: int = 1
    waits_for: frozenset[int] = frozenset()
    timer: int | None = None
    table_pages: Callable[[], set[int]] = set

    @property
    def name(self) -> str:
        """The cell's name."""
        return self.cell.name

    @property
    def privileged(self) -> bool:
        """Whether it is Dom0."""
        return self.domid == 0

    def hypervisor_pages(self) -> set[int]:
        """Its pages that the hypervisor writes: they can be given to nobody."""
        places = (self.shared_info, self.vcpu_info)
        return (
            {place & ~0xFFF for place in places if place is not None}
            | set(self.grant_frames.values())
            | self.table_pages()
        )


class Domains:
    """All domains of a board, by domid and by cell."""

    def __init__(self, cells: Sequence[Cell], wiring: Wiring) -> None:
        self._domids = assign(cells, wiring)
        self.kernels = wiring.hvc_kernels
        """Cells whose kernels have a CPU to themselves, and translate its code."""
        self._domains = {domid: Domain(cells[index], domid) for index, domid in self._domids.items()}

    def domid(self, index: int) -> int:
        """The domid of a cell, by its index."""
        return self._domids[index]

    def of(self, cell: Cell) -> Domain:
        """The domain of a cell."""
        return self._domains[self._domids[cell.index]]

    def all(self) -> list[Domain]:
        """Every domain, by domid."""
        return [self._domains[domid] for domid in sorted(self._domains)]

    def born(self, cell: Cell) -> Domain:
        """The cell begins a life: a fresh domain."""
        domid = self._domids[cell.index]
        self._domains[domid] = Domain(cell, domid, alive=True)
        return self._domains[domid]

    @property
    def dom0(self) -> Domain | None:
        """Dom0, None if nobody is."""
        return self._domains.get(0)

    def by_number(self, domid: int) -> Domain:
        """The domain of a domid that the hypervisor itself has kept."""
        return self._domains[domid]

    def known(self, caller: Domain, domid: int) -> Domain:
        """The domain that `domid` means to the caller, alive or not.

        Raises:
            XenError: ESRCH, there is none.
        """
        domain = caller if domid == DOMID_SELF else self._domains.get(domid)
        if domain is None:
            raise XenError(Errno.ESRCH, f"there is no domain {domid}")
        return domain

    def live(self, caller: Domain, domid: int) -> Domain:
        """The same, if it is alive.

        Raises:
            XenError: ESRCH, there is none or it is dead.
        """
        domain = self.known(caller, domid)
        if not domain.alive:
            raise XenError(Errno.ESRCH, f"domain {domid} is not alive")
        return domain

    def own(self, caller: Domain, domid: int) -> Domain:
        """The same, if it is the caller itself, or anybody for Dom0.

        Raises:
            XenError: ESRCH, EPERM.
        """
        domain = self.live(caller, domid)
        if domain is not caller and not caller.privileged:
            raise XenError(Errno.EPERM, f"domain {domain.domid} is not the caller's to change")
        return domain


def assign(cells: Sequence[Cell], wiring: Wiring) -> dict[int, int]:
    """Cell index -> domid, by the rule at the top of this file."""
    drivers = [channel for channel in wiring.channels if channel.kind != MESSAGE]
    serving, asking = {channel.back for channel in drivers}, {channel.front for channel in drivers}
    able = [cell for cell in cells if not wiring.hvc_kernels.get(cell.index)]
    named = [cell.index for cell in able if cell.name == DOM0]
    servers = [cell.index for cell in able if cell.index in serving - asking]
    first = (named + servers + [cell.index for cell in able])[:1]
    order = first + [cell.index for cell in cells if cell.index not in first]
    return {index: domid for domid, index in enumerate(order, start=0 if first else 1)}
