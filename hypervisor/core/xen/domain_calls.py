"""What a domain asks about itself: its parameters, vCPU, time and end; xen_version and the console beside.

Theory: system time is the board's virtual time in ns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypervisor.abi.memory import PAGE
from hypervisor.abi.records import EventKind
from hypervisor.abi.time import NEVER
from hypervisor.abi.xen import (
    EXTRA_VERSION,
    FEATURE_INFO,
    HVM_PARAM,
    POINTER,
    POLL,
    PORT,
    REGISTER_VCPU_INFO,
    RUNSTATE,
    RUNSTATE_UPDATE_FLAG,
    SHUTDOWN,
    SINGLESHOT,
    SINGLESHOT_FUTURE,
    VCPU_INFO,
    VERSION,
    ConsoleOp,
    Errno,
    Feature,
    HvmOp,
    Param,
    SchedOp,
    ShutdownReason,
    VcpuOp,
    VersionOp,
    Virq,
)
from hypervisor.core import effects as do
from hypervisor.core.lives import again, fail, shut_down
from hypervisor.core.xen.errors import XenError
from hypervisor.core.xen.requests import Answer, Request

if TYPE_CHECKING:
    from hypervisor.core.xen.domains import Domain
    from hypervisor.core.xen.hypervisor import XenHypervisor

POLL_LIMIT = 128
"""Ports of one poll (public/sched.h allows as many)."""
RUNSTATE_HZ = 1000
"""How often in a second a registered runstate is written again, if the domain calls so often."""
CONSOLE_LIMIT = 4096
"""Bytes of one console write."""

# ---- hvm_op


def set_param(request: Request) -> int:
    """Of the parameters a domain sets where its rings are, once, as the domain builder would have done for it."""
    dom, index, value = request.arguments.read(HVM_PARAM)
    domain = request.xen.domains.own(request.domain, dom)
    if index not in (Param.STORE_PFN, Param.CONSOLE_PFN, Param.CALLBACK_IRQ):
        raise XenError(Errno.EINVAL, f"parameter {index}")
    if index == Param.STORE_PFN:
        if domain.params.get(index):
            raise XenError(Errno.EEXIST, "the store's ring has its page")
        request.xen.daemon.open(domain, request.xen.memory.own_page(domain.cell, value))
    domain.params[index] = value
    return 0


def get_param(request: Request) -> int:
    """A parameter; one that was never set is 0."""
    dom, index, _ = request.arguments.take(HVM_PARAM)
    domain = request.xen.domains.own(request.domain, dom)
    if index > max(Param):
        raise XenError(Errno.EINVAL, f"parameter {index}")
    request.arguments.write(HVM_PARAM, dom, index, domain.params.get(index, 0))
    return 0


HVM: dict[int, Answer] = {HvmOp.SET_PARAM: set_param, HvmOp.GET_PARAM: get_param}

# ---- vcpu_op: `second` is the vCPU


def register_vcpu_info(request: Request) -> int:
    """The vCPU's words move out of shared_info. Everything is marked pending, so that nothing is missed."""
    frame, offset = request.arguments.read(REGISTER_VCPU_INFO)
    domain = request.domain
    if domain.vcpu_info is not None or domain.shared_info is None:
        raise XenError(Errno.EINVAL, "vcpu_info moves once, and shared_info comes first")
    if offset % 8 or offset > PAGE - VCPU_INFO.size:
        raise XenError(Errno.EINVAL, f"vcpu_info at {offset:#x} of a page")
    address = request.xen.memory.own_page(domain.cell, frame) + offset
    content = request.xen.memory.read(domain.cell, domain.shared_info, VCPU_INFO.size)
    request.xen.memory.write(domain.cell, address, bytes(1) + content[1:])
    domain.vcpu_info = address
    request.xen.channels.mark_all(domain)
    return 0


def register_runstate(request: Request) -> int:
    """Where the guest wants to be told how its time was spent: as it is now."""
    (address,) = request.arguments.read(POINTER)
    place = request.arguments.at(address)
    place.write_bytes(0, _runstate(request.xen, request.domain))
    request.domain.runstate = tuple(place.writable(0, RUNSTATE.size))
    request.domain.runstate_written = request.xen.monitor.now
    return 0


def refresh_runstate(xen: XenHypervisor, domain: Domain) -> None:
    """Bring what the guest sees of its runstate up to date, unless that was done a moment ago."""
    now = xen.monitor.now
    if not domain.runstate or now - domain.runstate_written < xen.hz // RUNSTATE_HZ:
        return
    domain.runstate_written, data = now, _runstate(xen, domain)
    try:
        for address, size in domain.runstate:
            xen.memory.write(domain.cell, address, data[:size])
            data = data[size:]
    except XenError as error:
        domain.runstate = ()
        xen.monitor.refused(domain.cell, "runstate", str(error))


def runstate(request: Request) -> int:
    """How the vCPU's time was spent."""
    request.arguments.write_bytes(0, _runstate(request.xen, request.domain))
    return 0


def _runstate(xen: XenHypervisor, domain: Domain) -> bytes:
    """Running now, since its last exit; what it did not run it was blocked, as far as anybody kept count."""
    now, ran = domain.cell.vcpu.time, domain.cell.account.ran
    running, blocked = xen.ns(ran), xen.ns(max(now - ran, 0))
    return RUNSTATE.pack(0, xen.ns(now), running, 0, blocked, 0)


def nothing_to_stop(request: Request) -> int:
    """There is no periodic timer: guests of today use the single-shot one, or their CPU's."""
    return 0


def set_timer(request: Request) -> int:
    """VIRQ_TIMER at a system time, once. A later call takes the place of an earlier one."""
    time, flags = request.arguments.read(SINGLESHOT)
    xen, domain = request.xen, request.domain
    due = xen.cycles(time)
    if flags & SINGLESHOT_FUTURE and due < xen.monitor.now:
        raise XenError(Errno.ETIME, f"{time} ns have passed")
    forget_timer(xen, domain)
    if due < NEVER:
        domain.timer = xen.monitor.alarms.at(due, lambda: _timer_due(xen, domain))
        xen.monitor.rounds.heed_timers()
    return 0


def stop_timer(request: Request) -> int:
    """No VIRQ_TIMER until it is set again."""
    forget_timer(request.xen, request.domain)
    return 0


def forget_timer(xen: XenHypervisor, domain: Domain) -> None:
    """What was set is due no more."""
    if domain.timer is not None:
        xen.monitor.alarms.cancel(domain.timer)
        domain.timer = None


def _timer_due(xen: XenHypervisor, domain: Domain) -> None:
    domain.timer = None
    xen.channels.raise_virq(domain, Virq.TIMER)


def is_up(request: Request) -> int:
    """It is the one that asks."""
    return 1


VCPU: dict[int, Answer] = {
    VcpuOp.IS_UP: is_up,
    VcpuOp.GET_RUNSTATE_INFO: runstate,
    VcpuOp.REGISTER_RUNSTATE: register_runstate,
    VcpuOp.STOP_PERIODIC_TIMER: nothing_to_stop,
    VcpuOp.SET_SINGLESHOT_TIMER: set_timer,
    VcpuOp.STOP_SINGLESHOT_TIMER: stop_timer,
    VcpuOp.REGISTER_VCPU_INFO: register_vcpu_info,
}

# ---- sched_op


def give_way(request: Request) -> int:
    """yield: others may run."""
    request.xen.monitor.scheduler.give_way(request.domain.cell.vcpu, request.xen.monitor.now)
    return 0


def block(request: Request) -> int:
    """Sleep until an event is there."""
    if request.xen.channels.deliverable(request.domain):
        return 0
    return request.xen.monitor.suspend(request.domain.cell, "block", request.deadline, _zero, interrupted=_zero)


def poll(request: Request) -> int:
    """Sleep until one of some ports is pending, whether masked or not, or until a time."""
    pointer, count, timeout = request.arguments.read(POLL)
    if count > POLL_LIMIT:
        raise XenError(Errno.EINVAL, f"{count} ports")
    domain, ports = request.domain, request.arguments.at(pointer)
    numbers = [number for (number,) in PORT.iter_unpack(ports.read_bytes(0, count * PORT.size))]
    if any(number not in domain.ports for number in numbers):
        raise XenError(Errno.EINVAL, "one of the ports is none")
    if any(request.xen.channels.pending(domain, number) for number in numbers):
        return 0
    domain.waits_for = frozenset(numbers)

    def over() -> int:
        domain.waits_for = frozenset()
        return 0

    until = min(request.xen.cycles(timeout) if timeout else NEVER, request.deadline)
    return request.xen.monitor.suspend(domain.cell, "poll", until, over, interrupted=over)


def shutdown(request: Request) -> int:
    """The domain's own end."""
    (reason,) = request.arguments.read(SHUTDOWN)
    if reason not in ENDS:
        raise XenError(Errno.EINVAL, f"no reason {reason}")
    ENDS[reason](request)
    return 0


def _power_off(request: Request) -> None:
    shut_down(request.xen.monitor, request.domain.cell, 0)


def _reboot(request: Request) -> None:
    again(request.xen.monitor, request.domain.cell, "rebooted by itself")


def _crash(request: Request) -> None:
    fail(request.xen.monitor, request.domain.cell, "the guest says that it has crashed")


ENDS = {
    ShutdownReason.POWEROFF: _power_off,
    ShutdownReason.REBOOT: _reboot,
    ShutdownReason.CRASH: _crash,
    ShutdownReason.WATCHDOG: _crash,
}
SCHED: dict[int, Answer] = {
    SchedOp.YIELD: give_way,
    SchedOp.BLOCK: block,
    SchedOp.SHUTDOWN: shutdown,
    SchedOp.POLL: poll,
}


def _zero() -> int:
    return 0


# ---- xen_version, console_io, vm_assist


def version(request: Request) -> int:
    """Major and minor."""
    return VERSION[0] << 16 | VERSION[1]


def features(request: Request) -> int:
    """What a guest may rely on."""
    index, _ = request.arguments.take(FEATURE_INFO)
    if index:
        raise XenError(Errno.EINVAL, f"no features {index}")
    own = FEATURES | {Feature.DOM0} if request.domain.privileged else FEATURES
    request.arguments.write(FEATURE_INFO, index, sum(1 << bit for bit in own))
    return 0


def guest_handle(request: Request) -> int:
    """The domain's UUID: the same in every run, and no two of a board's are."""
    request.arguments.write_bytes(0, bytes(12) + request.domain.domid.to_bytes(4, "big"))
    return 0


def text(content: bytes, size: int) -> Answer:
    """A call that fills in a string."""

    def answer(request: Request) -> int:
        request.arguments.write_bytes(0, content.ljust(size, b"\0"))
        return 0

    return answer


FEATURES = frozenset({Feature.WRITABLE_PAGE_TABLES, Feature.AUTO_TRANSLATED_PHYSMAP, Feature.MEMORY_OP_VNODE_SUPPORTED})
VERSIONS: dict[int, Answer] = {
    VersionOp.VERSION: version,
    VersionOp.EXTRAVERSION: text(EXTRA_VERSION, 16),
    VersionOp.COMPILE_INFO: text(b"", 144),
    VersionOp.CAPABILITIES: text(b"xen-3.0-armv7l ", 1024),
    VersionOp.CHANGESET: text(b"", 64),
    VersionOp.PLATFORM_PARAMETERS: text(b"", 8),
    VersionOp.GET_FEATURES: features,
    VersionOp.PAGESIZE: lambda request: PAGE,
    VersionOp.GUEST_HANDLE: guest_handle,
    VersionOp.COMMANDLINE: text(b"", 1024),
}


def console_write(request: Request) -> int:
    """Bytes to the domain's console; `second` says how many."""
    if request.second > CONSOLE_LIMIT:
        raise XenError(Errno.E2BIG, f"{request.second} bytes for the console")
    data = request.arguments.read_bytes(0, request.second)
    request.domain.cell.account.output += len(data)
    request.xen.monitor.emit(do.ShowOutput(request.domain.cell.index, data))
    return 0


def console_read(request: Request) -> int:
    """Bytes typed at it; how many."""
    kept, size = request.domain.cell.typed, min(request.second, CONSOLE_LIMIT)
    if kept:
        data = bytes(kept[:size])
        request.arguments.write_bytes(0, data)
        del kept[:size]
        return len(data)
    events = request.domain.cell.vcpu.events
    typed = next((event for event in events if event.kind == EventKind.CONSOLE), None)
    if typed is None:
        return 0
    data, left = typed.payload[:size], typed.payload[size:]
    request.arguments.write_bytes(0, data)
    place = events.index(typed)
    events[place : place + 1] = [typed._replace(payload=left)] if left else []
    return len(data)


CONSOLE: dict[int, Answer] = {ConsoleOp.WRITE: console_write, ConsoleOp.READ: console_read}


def vm_assist(request: Request) -> int:
    """`second` is the assist; ARM has one."""
    if request.second != RUNSTATE_UPDATE_FLAG:
        raise XenError(Errno.EINVAL, f"vm_assist {request.second}")
    return 0


ASSIST: dict[int, Answer] = {0: vm_assist, 1: vm_assist}
