"""The hypervisor: domains with event channels, grants and the store; every call goes through its real number.

```python
monitor = Monitor(cells, policy, costs=..., frames=..., mechanism=XenHypervisor, wiring=wiring)
monitor.calls[Call.EVENT_CHANNEL](monitor, cell, record)
```

Theory: nothing connects two domains but what both have agreed to: one leaves a port unbound for the other, one grants the
other a page, and they find each other's numbers in the store. The hypervisor keeps the accounts. Here it is the store's
daemon and the toolstack as well, which on a real Xen live in Dom0; what they do costs the domain that asked, as if it had
waited for Dom0.

Calls: a1 the operation, a2 and a3 its arguments; a pointer is a guest physical address, or the structure comes with the call
(guest_memory.py). Answers are >= 0 or a negative errno.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hypervisor.abi.memory import PAGE
from hypervisor.abi.records import Exit
from hypervisor.abi.xen import Call, Errno, Param, Virq
from hypervisor.core import trust
from hypervisor.core.cell import Cell
from hypervisor.core.errors import require_none
from hypervisor.core.mechanism import Handler, Mechanism, Reach
from hypervisor.core.wiring import Wiring
from hypervisor.core.xen import domain_calls, event_calls, grant_calls, pv_calls
from hypervisor.core.xen.access import AccessControl
from hypervisor.core.xen.domains import Domain, Domains
from hypervisor.core.xen.errors import XenError
from hypervisor.core.xen.event_channels import EventChannels
from hypervisor.core.xen.grant_tables import GrantTables
from hypervisor.core.xen.guard import Guard
from hypervisor.core.xen.guest_memory import Arguments, GuestMemory
from hypervisor.core.xen.policy import Policy
from hypervisor.core.xen.pv_door import PvDoor
from hypervisor.core.xen.requests import POINTER_IS_THIRD, Answer, Request
from hypervisor.core.xen.store import Store
from hypervisor.core.xen.store_ring import StoreRing
from hypervisor.core.xen.toolstack import Toolstack

if TYPE_CHECKING:
    from hypervisor.core.monitor import Monitor

NS = 1_000_000_000

FAMILIES: dict[Call, Mapping[int, Answer]] = {
    Call.MEMORY: domain_calls.MEMORY,
    Call.VERSION: domain_calls.VERSIONS,
    Call.CONSOLE_IO: domain_calls.CONSOLE,
    Call.GRANT_TABLE: grant_calls.OPERATIONS,
    Call.VM_ASSIST: domain_calls.ASSIST,
    Call.VCPU: domain_calls.VCPU,
    Call.SCHED: domain_calls.SCHED,
    Call.EVENT_CHANNEL: event_calls.OPERATIONS,
    Call.HVM: domain_calls.HVM,
}
"""Call -> operation -> who answers it."""


class XenHypervisor(Mechanism):
    """Event channels, grant tables, the store."""

    def __init__(self, monitor: Monitor, wiring: Wiring) -> None:
        super().__init__(monitor, wiring)
        self.hz = wiring.hz
        """Cycles of a second, for the system time."""
        self.access = AccessControl(monitor, Policy.parse(wiring.policy))
        guard = Guard(self.access)
        self.domains = Domains(monitor.cells, wiring)
        self.memory = GuestMemory(monitor)
        self.channels = EventChannels(monitor, self.domains, self.memory, guard)
        self.grants = GrantTables(monitor, self.domains, self.memory, guard)
        self.store = Store(self._watch_fired)
        self.toolstack = Toolstack(self.store, self.domains, wiring)
        self._rings: dict[int, StoreRing] = {}
        self._shared = _Shared(monitor, wiring)
        self.pv = PvDoor(self, wiring.paravirtual, pv_calls.CALLS)

    def calls(self) -> Mapping[int, Handler]:
        """Every family of the interface that is served."""
        return {call: self._handler(call, operations) for call, operations in FAMILIES.items()}

    def boot_info(self, cell: Cell) -> dict[str, Any]:
        """What a toolstack tells a domain: its number, its devices' paths in the store, memory shared from boot on."""
        domain = self.domains.of(cell)
        told = {part: self.toolstack.describe(domain, part) for part in ("channels", "links")}
        shared = self._shared.describe(cell)
        return (
            {"domid": domain.domid, **told, "shared": shared}
            if any((*told.values(), shared, self.pv.serves(cell)))
            else {}
        )

    def reserved(self, cell: Cell) -> int:
        """What the domain builder needs."""
        return self.pv.reserved(cell)

    # ---- time

    def ns(self, cycles: int) -> int:
        """System time."""
        return cycles * NS // self.hz

    def cycles(self, ns: int) -> int:
        """The inverse of `ns`, rounded up."""
        return -(-ns * self.hz // NS)

    # ---- lives

    def refusal_to_start(self, cell: Cell) -> str:
        """The policy's."""
        return self.access.refusal_to_start(cell)

    def cell_ready(self, cell: Cell) -> None:
        """A domain is born: two ports are bound for it, its home is in the store, who watches learns of it."""
        domain = self.domains.born(cell)
        self.pv.born(domain)
        domain.params[Param.STORE_EVTCHN] = self.channels.serve(domain, lambda: self._kick(domain))
        domain.params[Param.CONSOLE_EVTCHN] = self.channels.serve(domain, lambda: None)
        self.toolstack.born(domain)
        self.store.announce("@introduceDomain")
        self._flush()

    def cell_ended(self, cell: Cell) -> None:
        """A domain is gone: with it all its ports, grants, mappings, watches and nodes; who watches learns of it."""
        self.access.ended(cell)
        domain = self.domains.of(cell)
        if not domain.alive:
            return
        domain.alive = False
        self.pv.ended(domain)
        domain_calls.forget_timer(self, domain)
        self.channels.domain_ended(domain)
        self.grants.domain_ended(domain)
        self._rings.pop(domain.domid, None)
        self.store.reset_watches(domain.domid)
        self.toolstack.ended(domain)
        self.store.announce("@releaseDomain")
        self._flush()
        self.channels.raise_virq(self.domains.by_number(0), Virq.DOM_EXC)

    # ---- the store

    def open_store(self, domain: Domain, page: int) -> None:
        """The domain has said where its ring is."""
        name = domain.name

        def on_request(request: str, path: str) -> None:
            self.monitor.step(domain.cell, "store", request=request, path=path)

        self._rings[domain.domid] = StoreRing(domain.domid, self.store, _RingPage(self, domain, page), on_request)
        self.monitor.note("store_ring", domain.cell, domain=name, page=page)

    def _kick(self, domain: Domain) -> None:
        """The domain rang at its store port."""
        ring = self._rings.get(domain.domid)
        if ring is not None and not ring.broken:
            self._serve(domain, ring, requests=True)
            self._flush()

    def _flush(self) -> None:
        """Hand over what changes of the store mean to those who watch."""
        for domid, ring in sorted(self._rings.items()):
            self._serve(self.domains.by_number(domid), ring, requests=False)

    def _serve(self, domain: Domain, ring: StoreRing, *, requests: bool) -> None:
        if ring.broken:
            return
        try:
            moved = ring.serve(requests=requests)
        except XenError as error:  # its page is gone
            ring.broken = str(error)
            moved = False
        if ring.broken:
            self.monitor.refused(domain.cell, "store ring", ring.broken)
        if moved:
            self.channels.pend(domain, domain.params[Param.STORE_EVTCHN])

    def _watch_fired(self, domid: int, watched: str, path: str, token: str) -> None:
        ring = self._rings.get(domid)
        if ring is not None:
            ring.event(watched, path, token)

    # ---- calls

    def _handler(self, call: Call, operations: Mapping[int, Answer]) -> Handler:
        def serve(monitor: Monitor, cell: Cell, record: Exit) -> int:
            pointer = record.a3 if call in POINTER_IS_THIRD else record.a2
            arguments = Arguments(self.memory, cell, pointer, record.data)
            request = Request(self, self.domains.of(cell), record.a1, record.a2, record.a3, arguments)
            answer = operations.get(record.a1)
            try:
                if answer is None:
                    raise XenError(Errno.ENOSYS, f"operation {record.a1}")
                if call is Call.VCPU and record.a2:
                    raise XenError(Errno.ENOENT, f"no vCPU {record.a2}")
                value = answer(request)
            except XenError as error:
                monitor.refused(cell, f"{call.name.lower()} {record.a1}", str(error))
                return -error.errno
            if arguments.changed:
                monitor.reply(cell, bytes(arguments.inline))
            return value

        return serve

    def exception(self, cell: Cell, record: Exit) -> int:
        """A paravirtual vCPU left user mode."""
        return self.pv.exception(cell, record)

    def typed(self, cell: Cell) -> None:
        """The console's port is pending."""
        domain = self.domains.of(cell)
        if domain.alive:
            self.channels.pend(domain, domain.params[Param.CONSOLE_EVTCHN])

    # ---- questions

    def reach(self) -> list[Reach]:
        """Event channels that are bound, grants that are mapped, memory that was shared at boot."""
        edges = []
        for domain in self.domains.all():
            for number, port in domain.ports.items():
                if port.remote_port:
                    edges.append(Reach(domain.name, self.domains.by_number(port.remote).name, f"port {number}", "send"))
            for reference, user, writable in self.grants.in_use(domain):
                rights = "read+write" if writable else "read"
                edges.append(Reach(self.domains.by_number(user).name, domain.name, f"grant {reference}", rights))
        return edges + self._shared.reach()

    def trust_rules(self) -> tuple[trust.Rule, ...]:
        """Dom0 builds every domain, and with it the store and its permissions are at home."""
        dom0 = self.domains.by_number(0).name
        return (
            *trust.COMMON,
            trust.partners("it may stop reading the ring of {channel}"),
            trust.everyone(dom0, trust.Hold.WHOLE, "it is Dom0: it builds the domains and keeps the store"),
        )

    def check_invariants(self) -> None:
        """Ports in pairs, pins as handles, nodes as counted, timers of the living."""
        self.access.check_invariants()
        timers = [
            f"xen: {each.name} is dead and has a timer"
            for each in self.domains.all()
            if each.timer is not None and not each.alive
        ]
        parts = (self.channels, self.grants, self.store, self.pv)
        require_none([*timers, *(problem for part in parts for problem in part.problems())])


class _RingPage:
    """The page of a store ring, in its domain's memory."""

    def __init__(self, xen: XenHypervisor, domain: Domain, address: int) -> None:
        self._xen, self._domain, self._address = xen, domain, address

    def read(self, offset: int, length: int) -> bytes:
        return self._xen.memory.read(self._domain.cell, self._address + offset, length)

    def write(self, offset: int, data: bytes) -> None:
        self._xen.memory.write(self._domain.cell, self._address + offset, data)


class _Shared:
    """Memory of several domains from boot on, as Xen on ARM has it by its device tree ("xen,shared-mem")."""

    def __init__(self, monitor: Monitor, wiring: Wiring) -> None:
        self._monitor, self._wiring = monitor, wiring
        self._told: dict[int, list[dict[str, Any]]] = {}
        for memory in wiring.shared:
            pages = -(-memory.size // PAGE)
            segment = monitor.memory.create(f"shared {memory.name}", pages, "shared at boot")
            for index, writable in sorted(memory.cells.items()):
                cell = monitor.cells[index]
                address = monitor.memory.map(segment, 0, pages, cell, writable=writable, permanent=True)
                told = {"name": memory.name, "address": address, "size": pages * PAGE, "writable": writable}
                self._told.setdefault(index, []).append(told)

    def describe(self, cell: Cell) -> list[dict[str, Any]]:
        return self._told.get(cell.index, [])

    def reach(self) -> list[Reach]:
        names = [cell.name for cell in self._monitor.cells]
        return [
            Reach(names[index], memory.name, "shared memory", "read+write" if writable else "read")
            for memory in self._wiring.shared
            for index, writable in sorted(memory.cells.items())
        ]
