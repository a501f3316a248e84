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
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from hypervisor.abi.faults import Draws
from hypervisor.abi.records import Exit
from hypervisor.abi.status import Status
from hypervisor.abi.xen import Call, Errno, Param, Virq
from hypervisor.abi.xen_arm import TRAP_HVC
from hypervisor.core import trust
from hypervisor.core.cell import Cell
from hypervisor.core.errors import Refused, require_none
from hypervisor.core.mechanism import CallWords, Handler, Mechanism, Reach
from hypervisor.core.wiring import Wiring
from hypervisor.core.xen import crimes, domain_calls, event_calls, grant_calls, memory_calls, pv_calls
from hypervisor.core.xen.access import AccessControl
from hypervisor.core.xen.arm_door import ArmDoor, unknown
from hypervisor.core.xen.boot_memory import BootMemory
from hypervisor.core.xen.consoles import Consoles
from hypervisor.core.xen.domains import Domain, Domains
from hypervisor.core.xen.errors import StoreError, XenError
from hypervisor.core.xen.event_channels import EventChannels
from hypervisor.core.xen.grant_tables import GrantTables
from hypervisor.core.xen.guard import Guard
from hypervisor.core.xen.guest_memory import Arguments, DomainPage, GuestMemory
from hypervisor.core.xen.policy import Policy
from hypervisor.core.xen.pv_door import PvDoor
from hypervisor.core.xen.requests import POINTER_IS_THIRD, Answer, Request
from hypervisor.core.xen.ring_keeper import RingKeeper
from hypervisor.core.xen.store_daemon import StoreDaemon
from hypervisor.core.xen.store_ring import Page
from hypervisor.core.xen.toolstack import HOME, Toolstack

if TYPE_CHECKING:
    from hypervisor.core.monitor import Monitor

NS = 1_000_000_000
CONTROL = {"shutdown": "poweroff", "reboot": "reboot"}
"""What an operator asks for -> the word for it in control/shutdown."""

FAMILIES: dict[Call, Mapping[int, Answer]] = {
    Call.MEMORY: memory_calls.MEMORY,
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
        self.daemon = StoreDaemon(self)
        self.store = self.daemon.store
        self.toolstack = Toolstack(self.store, self.domains, wiring)
        self.keeper = RingKeeper(self)
        self.consoles = Consoles(self)
        self._shared = BootMemory(monitor, wiring)
        self.pv = PvDoor(self, wiring.paravirtual, pv_calls.CALLS)
        self.arm = ArmDoor(self, wiring.hvc_kernels)

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
            if any((*told.values(), shared, self.pv.serves(cell), self.arm.builds(cell)))
            else {}
        )

    def reserved(self, cell: Cell) -> int:
        """What the domain builder needs."""
        return self.pv.reserved(cell) or self.arm.reserved(cell)

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
        domain.params[Param.STORE_EVTCHN] = self.channels.serve(domain, lambda: self.daemon.rung(domain))
        domain.params[Param.CONSOLE_EVTCHN] = self.channels.serve(domain, lambda: self.consoles.rung(domain))
        self.arm.born(domain)
        self.toolstack.born(domain)
        self.store.announce("@introduceDomain")
        self.daemon.catch_up()
        self.daemon.born(domain)

    def cell_ended(self, cell: Cell) -> None:
        """A domain is gone: with it all its ports, grants, mappings, watches and nodes; who watches learns of it."""
        self.access.ended(cell)
        domain = self.domains.of(cell)
        if not domain.alive:
            return
        domain.alive = False
        self.pv.ended(domain)
        domain_calls.forget_timer(self, domain)
        self.keeper.ended(domain)
        self.channels.domain_ended(domain)
        self.grants.domain_ended(domain)
        self.daemon.ended(domain)
        self.consoles.ended(domain)
        self.store.reset_watches(domain.domid)
        self.toolstack.ended(domain)
        self.store.announce("@releaseDomain")
        self.daemon.catch_up()
        if self.domains.dom0 is not None:
            self.channels.raise_virq(self.domains.dom0, Virq.DOM_EXC)

    def page(self, domain: Domain, address: int) -> Page:
        """A page of a domain's, to read and to write as far as the domain might."""
        return DomainPage(self.memory, domain.cell, address)

    # ---- the store and the consoles

    def lose_store(self) -> None:
        """See `StoreDaemon.lose`."""
        self.daemon.lose()

    def find_store(self) -> None:
        """See `StoreDaemon.find`."""
        self.daemon.find()

    def takes_typed(self, cell: Cell) -> bool:
        """Whether it has no UART: its console is a ring, or it asks."""
        return super().takes_typed(cell) or self.consoles.has(self.domains.of(cell))

    def typed(self, cell: Cell) -> None:
        """The console's port is pending."""
        domain = self.domains.of(cell)
        if domain.alive:
            self.consoles.typed(domain)

    def deaf(self, cell: Cell, verb: str) -> str:
        """A kernel says in the store what it understands (control/feature-...)."""
        domain, word = self.domains.of(cell), CONTROL[verb]
        told = domain.alive and self.store.exists(f"{HOME}/{domain.domid}/control/feature-{word}")
        return "" if told else f"{cell.name} has not said that it understands {word}"

    def ask(self, cell: Cell, verb: str) -> str:
        """By the node that kernels watch."""
        if why := self.deaf(cell, verb):
            return why
        self.store.write(0, f"{HOME}/{self.domains.of(cell).domid}/control/shutdown", CONTROL[verb].encode())
        self.daemon.catch_up()
        return ""

    # ---- the operator's view

    def number(self, cell: Cell) -> int:
        """Its domain's."""
        return self.domains.of(cell).domid

    def look_into_store(self, path: str) -> tuple[bytes, tuple[str, ...]]:
        """As Dom0 sees it."""
        try:
            return self.store.read(0, path), self.store.directory(0, path)
        except StoreError as error:
            raise Refused(Status.NO_SUCH_SLOT, f"{path}: {error}") from None

    def write_into_store(self, path: str, value: bytes) -> None:
        """As Dom0 would."""
        with suppress(StoreError):
            self.store.write(0, path, value)
        self.daemon.catch_up()

    # ---- calls

    def _handler(self, call: Call, operations: Mapping[int, Answer]) -> Handler:
        def serve(monitor: Monitor, cell: Cell, record: Exit) -> int:
            pointer = record.a3 if call in POINTER_IS_THIRD else record.a2
            arguments = Arguments(self.memory, cell, pointer, record.data)
            request = Request(self, self.domains.of(cell), record.a1, record.a2, record.a3, arguments)
            value = self.perform(call, request)
            if arguments.changed and value >= 0:
                monitor.reply(cell, bytes(arguments.inline))
            return value

        return serve

    def perform(self, number: int, request: Request) -> int:
        """Serve a call of a family, by any door: its value, or a negative errno."""
        operations = FAMILIES.get(number, {})  # type: ignore[call-overload]
        operation = memory_calls.operation(request.operation) if number == Call.MEMORY else request.operation
        answer = operations.get(operation)
        try:
            if answer is None:
                raise unknown(number) if not operations else XenError(Errno.ENOSYS, f"operation {operation}")
            if number == Call.VCPU and request.second:
                raise XenError(Errno.ENOENT, f"no vCPU {request.second}")
            value: int = answer(request)
        except XenError as error:
            what = f"{Call(number).name.lower()} {request.operation}" if operations else "xen call"
            self.monitor.refused(request.domain.cell, what, str(error))
            return -error.errno
        return value

    def exception(self, cell: Cell, record: Exit) -> int:
        """A paravirtual vCPU left user mode, or one that has all modes called."""
        door = self.arm if record.a0 == TRAP_HVC else self.pv
        return door.exception(cell, record)

    # ---- injected faults

    cell_points = frozenset({"message"})  # a message is in a granted page before the hypervisor hears of it

    def forged(self, cell: Cell, draws: Draws) -> list[CallWords]:
        """See crimes.py."""
        return [*super().forged(cell, draws), *crimes.forged(self.domains.of(cell), self.domains, draws)]

    def pestering(self, cell: Cell) -> list[CallWords]:
        """See crimes.py."""
        return crimes.pestering(self.domains.of(cell))

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
        rules = (*trust.COMMON, trust.partners("it may stop reading the ring of {channel}"))
        dom0 = self.domains.dom0
        if dom0 is None:  # the monitor does all of its work
            return rules
        why = "it is Dom0: it builds the domains and keeps the store"
        return (*rules, trust.everyone(dom0.name, trust.Hold.WHOLE, why))

    def holdings(self) -> Mapping[str, int]:
        """Event channels, grants in use, watches and transactions, rings of the store, timers."""
        domains = [domain for domain in self.domains.all() if not domain.alive]
        return {
            "event channels": sum(len(domain.ports) for domain in domains),
            "mapped grants": sum(len(domain.handles) for domain in domains),
            "grants in use": sum(len(list(self.grants.in_use(domain))) for domain in self.domains.all()),
            "store watches and transactions": self.store.watched(),
            "store rings": self.daemon.served,
            "domain timers": sum(domain.timer is not None for domain in domains),
        }

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
