"""Event channels, 2-level: one-bit messages between domains, held in pages of the receivers.

```python
port = channels.alloc_unbound(front, front.domid, back.domid)
channels.send(back, channels.bind_interdomain(back, front.domid, port))     # front: pending bit, selector, upcall
```

Theory: a port is pending (a bit in shared_info), unless masked its word is selected (a bit in vcpu_info), and the first
selected word raises the upcall. What is pending already stays pending once; a receiver that has not yet looked is not told
again. An end that closes, or whose domain dies, leaves the other one unbound for the same domain: it can come back and bind
again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypervisor.abi.xen import (
    DOMID_SELF,
    EVTCHN_MASK,
    EVTCHN_PENDING,
    GLOBAL_VIRQS,
    PENDING_SEL,
    PORTS,
    UPCALL_PENDING,
    VIRQS,
    WORD_BITS,
    Errno,
    PortState,
)
from hypervisor.core.cell import BLOCKED
from hypervisor.core.injected import refused
from hypervisor.core.xen.domains import Domain, Domains, Port
from hypervisor.core.xen.errors import XenError
from hypervisor.core.xen.guest_memory import GuestMemory

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypervisor.core.monitor import Monitor
    from hypervisor.core.xen.guard import Guard


class EventChannels:
    """The ports of all domains. Methods raise `XenError`, and then nothing has changed."""

    def __init__(self, monitor: Monitor, domains: Domains, memory: GuestMemory, guard: Guard) -> None:
        self._monitor, self._domains, self._memory, self._guard = monitor, domains, memory, guard

    # ---- binding

    def alloc_unbound(self, caller: Domain, domid: int, remote: int) -> int:
        """A port of `domid` that domain `remote` may bind."""
        domain = self._domains.own(caller, domid)
        other = self._domains.known(caller, remote)
        self._guard.check(domain, other, "event_channel")
        return self._new(domain, Port(PortState.UNBOUND, remote=other.domid))

    def bind_interdomain(self, caller: Domain, remote: int, remote_port: int) -> int:
        """Join a port that was left unbound for the caller; its local port, pending at once: a `send` may have been missed."""
        other = self._domains.live(caller, remote)
        there = other.ports.get(remote_port)
        if there is None or there.state is not PortState.UNBOUND or there.remote not in (caller.domid, DOMID_SELF):
            raise XenError(Errno.EINVAL, f"port {remote_port} of domain {other.domid} is not open to {caller.domid}")
        self._guard.check(caller, other, "event_channel")
        number = self._new(caller, Port(PortState.INTERDOMAIN, other.domid, remote_port))
        there.state, there.remote, there.remote_port = PortState.INTERDOMAIN, caller.domid, number
        self.pend(caller, number)
        return number

    def bind_virq(self, caller: Domain, virq: int, vcpu: int) -> int:
        """A port for a virtual interrupt."""
        if virq >= VIRQS:
            raise XenError(Errno.EINVAL, f"no virtual interrupt {virq}")
        if virq in GLOBAL_VIRQS and not caller.privileged:
            raise XenError(Errno.EPERM, f"virtual interrupt {virq} belongs to Dom0")
        self._only_vcpu(vcpu)
        if virq in caller.virqs:
            raise XenError(Errno.EEXIST, f"virtual interrupt {virq} is bound to port {caller.virqs[virq]}")
        caller.virqs[virq] = number = self._new(caller, Port(PortState.VIRQ, virq=virq))
        return number

    def bind_ipi(self, caller: Domain, vcpu: int) -> int:
        """A port from the domain to itself."""
        self._only_vcpu(vcpu)
        return self._new(caller, Port(PortState.IPI))

    def bind_vcpu(self, caller: Domain, number: int, vcpu: int) -> None:
        """Which vCPU a port interrupts: there is one."""
        self._only_vcpu(vcpu)
        self._port(caller, number)

    def serve(self, domain: Domain, handler: Callable[[], None]) -> int:
        """A port of a domain whose other end is the hypervisor itself, which does `handler` at each `send`."""
        return self._new(domain, Port(PortState.INTERDOMAIN, handler=handler))

    def close(self, caller: Domain, number: int) -> None:
        """The port is free again; the other end is unbound."""
        port = self._port(caller, number)
        del caller.ports[number]
        caller.virqs = {virq: bound for virq, bound in caller.virqs.items() if bound != number}
        caller.early.discard(number)
        if port.state is PortState.INTERDOMAIN and port.handler is None:
            there = self._domains.by_number(port.remote).ports[port.remote_port]
            there.state, there.remote, there.remote_port = PortState.UNBOUND, caller.domid, 0
        if caller.alive and caller.shared_info is not None:
            self._clear(caller, caller.shared_info + EVTCHN_PENDING, number)

    def reset(self, caller: Domain, domid: int) -> None:
        """Close every port but those of the hypervisor."""
        domain = self._domains.own(caller, domid)
        for number in [n for n, port in domain.ports.items() if port.handler is None]:
            self.close(domain, number)

    # ---- sending and receiving

    def peer(self, caller: Domain, number: int) -> str:
        """Whom a `send` to this port reaches."""
        port = self._port(caller, number)
        if port.state is PortState.IPI:
            return caller.name
        if port.state is not PortState.INTERDOMAIN:
            return ""
        return self._domains.by_number(port.remote).name if port.handler is None else "(hypervisor)"

    def send(self, caller: Domain, number: int) -> None:
        """Make the other end pending. A port that nobody has bound swallows it, as the real one."""
        port = self._port(caller, number)
        if port.state is PortState.IPI:
            self.pend(caller, number)
        elif port.state is PortState.INTERDOMAIN and port.handler is not None:
            port.handler()
        elif port.state is PortState.INTERDOMAIN:
            self.pend(self._domains.by_number(port.remote), port.remote_port)
        elif port.state is not PortState.UNBOUND:
            raise XenError(Errno.EINVAL, f"port {number} is for receiving")

    def raise_virq(self, domain: Domain, virq: int) -> None:
        """A virtual interrupt, to who has bound it."""
        if domain.alive and virq in domain.virqs:
            self.pend(domain, domain.virqs[virq])

    def status(self, caller: Domain, domid: int, number: int) -> Port:
        """What a port is; a free one is closed."""
        domain = self._domains.own(caller, domid)
        if not 0 < number < PORTS:
            raise XenError(Errno.EINVAL, f"no port {number}")
        return domain.ports.get(number, Port(PortState.CLOSED))

    def unmask(self, caller: Domain, number: int) -> None:
        """Clear the mask bit; what is pending behind it raises the upcall now."""
        self._port(caller, number)
        if caller.shared_info is None:
            raise XenError(Errno.EINVAL, "the domain has no shared_info page")
        self._clear(caller, caller.shared_info + EVTCHN_MASK, number)
        if self.pending(caller, number):
            self._select(caller, number)

    def pend(self, domain: Domain, number: int) -> None:
        """A port becomes pending. A guest that has given its page away hurts itself alone."""
        if domain.shared_info is None:
            domain.early.add(number)
            return
        try:
            if self._set(domain, domain.shared_info + EVTCHN_PENDING, number):
                return
            if not self._test(domain, domain.shared_info + EVTCHN_MASK, number):
                self._select(domain, number)
        except XenError as error:
            self._monitor.refused(domain.cell, "event", str(error))
            return
        self._wake_poller(domain, number)

    def pending(self, domain: Domain, number: int) -> bool:
        """Whether the port's bit is set."""
        if domain.shared_info is None:
            return number in domain.early
        return self._test(domain, domain.shared_info + EVTCHN_PENDING, number)

    def deliverable(self, domain: Domain) -> bool:
        """Whether the upcall is due: what a `block` waits for."""
        if domain.shared_info is None:
            return bool(domain.early)
        return bool(self._memory.read(domain.cell, _vcpu_info(domain) + UPCALL_PENDING, 1)[0])

    def mark_all(self, domain: Domain) -> None:
        """Select every word and raise the upcall: nothing can have been missed when vcpu_info moves."""
        self._memory.set_word(domain.cell, _vcpu_info(domain) + PENDING_SEL, (1 << WORD_BITS) - 1)
        self._upcall(domain, 0)

    def page_given(self, domain: Domain) -> None:
        """The domain has a shared_info page now: what became pending before it moves there."""
        early, domain.early = sorted(domain.early), set()
        for number in early:
            self.pend(domain, number)

    def domain_ended(self, domain: Domain) -> None:
        """Everything that the domain had bound is free, and the other ends are unbound."""
        for number in list(domain.ports):
            self.close(domain, number)

    def problems(self) -> list[str]:
        """What contradicts itself: ends that do not know each other, ports of the dead."""
        return [
            f"xen: port {number} of {domain.name}: {why}"
            for domain in self._domains.all()
            for number, port in domain.ports.items()
            if (why := self._problem(domain, number, port))
        ]

    def _problem(self, domain: Domain, number: int, port: Port) -> str:
        if not domain.alive:
            return "belongs to a dead domain"
        if port.state is PortState.VIRQ and domain.virqs.get(port.virq) != number:
            return "is not what its virtual interrupt is bound to"
        if port.state is not PortState.INTERDOMAIN or port.handler is not None:
            return ""
        there = self._domains.by_number(port.remote).ports.get(port.remote_port)
        if there is None or (there.state, there.remote, there.remote_port) != (port.state, domain.domid, number):
            return f"the other end is {there}"
        return ""

    # ---- bits

    def _new(self, domain: Domain, port: Port) -> int:
        number = next((n for n in range(1, PORTS) if n not in domain.ports), None)
        if number is None or (port.handler is None and refused(self._monitor, domain.cell, "core.capability")):
            raise XenError(Errno.ENOSPC, f"all {PORTS} ports of domain {domain.domid} are taken")
        domain.ports[number] = port
        return number

    @staticmethod
    def _port(domain: Domain, number: int) -> Port:
        port = domain.ports.get(number)
        if port is None:
            raise XenError(Errno.EINVAL, f"no port {number}")
        return port

    @staticmethod
    def _only_vcpu(vcpu: int) -> None:
        if vcpu:
            raise XenError(Errno.ENOENT, f"no vCPU {vcpu}")

    def _select(self, domain: Domain, number: int) -> None:
        """The port's word is selected; if it was not before, the upcall is raised."""
        at, bit = _vcpu_info(domain) + PENDING_SEL, 1 << number // WORD_BITS
        selected = self._memory.word(domain.cell, at)
        if not selected & bit:
            self._memory.set_word(domain.cell, at, selected | bit)
            self._upcall(domain, number)

    def _upcall(self, domain: Domain, number: int) -> None:
        """Tell the vCPU, unless it was told already and has not looked yet. That ends a `block`, too."""
        at = _vcpu_info(domain)
        pending, masked = self._memory.read(domain.cell, at + UPCALL_PENDING, 2)
        if not pending:
            self._memory.write(domain.cell, at + UPCALL_PENDING, b"\1")
            if not masked:
                self._monitor.ring(domain.cell, number, 1)

    def _wake_poller(self, domain: Domain, number: int) -> None:
        """A `poll` for this port is over; the port may be masked. One whose time is over has its answer when it has a core."""
        vcpu = domain.cell.vcpu
        if number in domain.waits_for and vcpu.pending is not None and vcpu.state is BLOCKED:
            domain.waits_for = frozenset()
            self._monitor.answer(domain.cell, 0)

    def _test(self, domain: Domain, base: int, number: int) -> bool:
        return bool(self._memory.word(domain.cell, _word(base, number)) >> number % WORD_BITS & 1)

    def _set(self, domain: Domain, base: int, number: int) -> bool:
        """Set a bit; whether it was set already."""
        at, bit = _word(base, number), 1 << number % WORD_BITS
        word = self._memory.word(domain.cell, at)
        self._memory.set_word(domain.cell, at, word | bit)
        return bool(word & bit)

    def _clear(self, domain: Domain, base: int, number: int) -> None:
        at = _word(base, number)
        word = self._memory.word(domain.cell, at)
        self._memory.set_word(domain.cell, at, word & ~(1 << number % WORD_BITS))


def _word(base: int, number: int) -> int:
    return base + number // WORD_BITS * 8


def _vcpu_info(domain: Domain) -> int:
    """Where the vCPU's words are: in the page of its own, or at the start of shared_info."""
    place = domain.shared_info if domain.vcpu_info is None else domain.vcpu_info
    if place is None:
        raise XenError(Errno.EINVAL, "the domain has no shared_info page")
    return place
