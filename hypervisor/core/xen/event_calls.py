"""event_channel_op: structures in, structures out; what they mean is in event_channels.py."""

from __future__ import annotations

from hypervisor.abi.xen import (
    ALLOC_UNBOUND,
    BIND_INTERDOMAIN,
    BIND_IPI,
    BIND_VCPU,
    BIND_VIRQ,
    PORT,
    RESET,
    STATUS,
    STATUS_VIRQ,
    EvtchnOp,
    PortState,
)
from hypervisor.core import mishaps
from hypervisor.core.xen.requests import Answer, Request


def alloc_unbound(request: Request) -> int:
    """A port that another domain may bind."""
    dom, remote, _ = request.arguments.take(ALLOC_UNBOUND)
    port = request.xen.channels.alloc_unbound(request.domain, dom, remote)
    _note(request, "alloc_unbound", port, remote)
    request.arguments.write(ALLOC_UNBOUND, dom, remote, port)
    return 0


def bind_interdomain(request: Request) -> int:
    """A port joined to another domain's."""
    remote, remote_port, _ = request.arguments.take(BIND_INTERDOMAIN)
    port = request.xen.channels.bind_interdomain(request.domain, remote, remote_port)
    _note(request, "bind_interdomain", port, remote)
    request.arguments.write(BIND_INTERDOMAIN, remote, remote_port, port)
    return 0


def bind_virq(request: Request) -> int:
    """A port for a virtual interrupt."""
    virq, vcpu, _ = request.arguments.take(BIND_VIRQ)
    request.arguments.write(BIND_VIRQ, virq, vcpu, request.xen.channels.bind_virq(request.domain, virq, vcpu))
    return 0


def bind_ipi(request: Request) -> int:
    """A port to oneself."""
    vcpu, _ = request.arguments.take(BIND_IPI)
    request.arguments.write(BIND_IPI, vcpu, request.xen.channels.bind_ipi(request.domain, vcpu))
    return 0


def bind_vcpu(request: Request) -> int:
    """The vCPU that a port interrupts."""
    request.xen.channels.bind_vcpu(request.domain, *request.arguments.read(BIND_VCPU))
    return 0


def close(request: Request) -> int:
    """The port is free."""
    (port,) = request.arguments.read(PORT)
    request.xen.channels.close(request.domain, port)
    request.xen.monitor.note("close", request.domain.cell, port=port)
    return 0


def send(request: Request) -> int:
    """The other end is pending. The step is the hypervisor's work for it, wherever it leads."""
    (port,) = request.arguments.read(PORT)
    to = request.xen.channels.peer(request.domain, port)
    monitor, cell = request.xen.monitor, request.domain.cell
    monitor.step(cell, "notify", port=port, to=to)
    partner = bool(to) and not to.startswith("(")
    if monitor.faults is None or not partner or not mishaps.bell_is_lost(monitor, cell, to):
        request.xen.channels.send(request.domain, port)
    return 0


def status(request: Request) -> int:
    """What a port is."""
    dom, number, *_ = request.arguments.read(STATUS)
    port = request.xen.channels.status(request.domain, dom, number)
    if port.state is PortState.VIRQ:
        request.arguments.write(STATUS_VIRQ, dom, number, port.state, 0, port.virq)
    else:
        request.arguments.write(STATUS, dom, number, port.state, 0, port.remote, port.remote_port)
    return 0


def unmask(request: Request) -> int:
    """The port may interrupt."""
    (port,) = request.arguments.read(PORT)
    request.xen.channels.unmask(request.domain, port)
    return 0


def reset(request: Request) -> int:
    """Close all."""
    (dom,) = request.arguments.read(RESET)
    request.xen.channels.reset(request.domain, dom)
    return 0


def _note(request: Request, how: str, port: int, remote: int) -> None:
    other = request.xen.domains.known(request.domain, remote)
    request.xen.monitor.note("bind", request.domain.cell, how=how, port=port, peer=other.name)


OPERATIONS: dict[int, Answer] = {
    EvtchnOp.BIND_INTERDOMAIN: bind_interdomain,
    EvtchnOp.BIND_VIRQ: bind_virq,
    EvtchnOp.CLOSE: close,
    EvtchnOp.SEND: send,
    EvtchnOp.STATUS: status,
    EvtchnOp.ALLOC_UNBOUND: alloc_unbound,
    EvtchnOp.BIND_IPI: bind_ipi,
    EvtchnOp.BIND_VCPU: bind_vcpu,
    EvtchnOp.UNMASK: unmask,
    EvtchnOp.RESET: reset,
}
"""Physical interrupts are the monitor's own business. A guest that asks for FIFO events (init_control) is told ENOSYS, and takes
the 2-level ones."""
