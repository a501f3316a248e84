"""What a paravirtual kernel may ask for at its door: `CALLS` is the table, every one `(domain, entry, exit) -> Context`.

Raises, all of them: XenError or Refused, and then nothing has changed (of a batch: nothing more).
"""

from __future__ import annotations

from collections.abc import Callable

from hypervisor.abi.hypercalls import XEN_CALLS, Hypercall
from hypervisor.abi.memory import PAGE
from hypervisor.abi.pv import (
    BATCH_LIMIT,
    DATA_LIMIT,
    L1_PAGES,
    UPDATE,
    VMM_BASE,
    FaultRegister,
    MmuOp,
    PvCall,
)
from hypervisor.abi.records import Exit
from hypervisor.abi.xen import Call, Errno
from hypervisor.core.xen.errors import XenError
from hypervisor.core.xen.paging import FrameType
from hypervisor.core.xen.pv import Context
from hypervisor.core.xen.pv_door import WORD, Entry, PvCallHandler, PvDomain
from hypervisor.core.xen.requests import POINTER_IS_THIRD

FAMILIES = frozenset(int(call) for call in Call)
LAST_BASIC = Hypercall.IRQ_EOI
"""The last of the calls that every flavour has."""


def _value(entry: Entry, value: int) -> Context:
    return entry.at._replace(r0=value & WORD)


def _aligned(address: int) -> int:
    if address % 4:
        raise XenError(Errno.EINVAL, f"{address:#x} is not aligned")
    return address


# ---- the CPU


def trap_table(own: PvDomain, entry: Entry, record: Exit) -> Context:
    """Where exceptions enter the kernel."""
    address = _aligned(entry.registers[0])
    if address >= VMM_BASE:
        raise XenError(Errno.EINVAL, f"vectors at {address:#x}: that is the monitor's")
    own.cpu.vectors = address
    return _value(entry, 0)


def come_back(own: PvDomain, entry: Entry, record: Exit) -> Context:
    """Return from exception."""
    return own.cpu.come_back(entry.at)


def fault(own: PvDomain, entry: Entry, record: Exit) -> Context:
    """The virtual fault registers."""
    values = {FaultRegister.VFSR: own.cpu.vfsr, FaultRegister.VFAR: own.cpu.vfar}
    if entry.registers[0] not in values:
        raise XenError(Errno.EINVAL, f"no fault register {entry.registers[0]}")
    return _value(entry, values[FaultRegister(entry.registers[0])])


def mask(own: PvDomain, entry: Entry, record: Exit) -> Context:
    """Hold virtual interrupts back, or let them in; as it was before."""
    before, own.cpu.masked = own.cpu.masked, bool(entry.registers[0])
    return _value(entry, before)


# ---- memory


def mmu_update(own: PvDomain, entry: Entry, record: Exit) -> Context:
    """A batch of changes to page tables, each validated; r1 is how many were done."""
    address, count = entry.registers[:2]
    if count > BATCH_LIMIT:
        raise XenError(Errno.E2BIG, f"{count} updates in a batch: {BATCH_LIMIT} is the most")
    batch = own.memory.load(_aligned(address), count * UPDATE.size)
    done = 0
    try:
        for at, value in UPDATE.iter_unpack(batch):
            own.tables.update(at, value)
            done += 1
    except XenError as error:
        own.xen.monitor.refused(own.domain.cell, "pv mmu_update", f"update {done}: {error}")
        return entry.at._replace(r0=-error.errno & WORD, r1=done)
    finally:
        if done:
            own.step("page_table", times=done, updates=done)
    return entry.at._replace(r0=done, r1=done)


def mmu(own: PvDomain, entry: Entry, record: Exit) -> Context:
    """Whole tables, and the TLB."""
    operation, address = entry.registers[:2]
    act = MMU.get(operation)
    if act is None:
        raise XenError(Errno.ENOSYS, f"no operation {operation}")
    act(own, address)
    return _value(entry, 0)


def _pin(own: PvDomain, kind: FrameType, address: int) -> None:
    own.tables.pin(kind, address)
    own.step("page_table", times=L1_PAGES if kind is FrameType.L1 else 1, pinned=kind.name, address=address)


def _unpin(own: PvDomain, address: int) -> None:
    own.tables.unpin(address)
    own.step("page_table", unpinned=address)


def _new_base(own: PvDomain, address: int) -> None:
    before = own.tables.base
    own.tables.new_base(address)
    own.step("page_table", base=address)
    if own.translations and before != address:
        own.translations.new_space()


def _flush(own: PvDomain, address: int) -> None:
    own.tables.stale = True
    own.step("tlb_flush")
    if own.translations:
        own.translations.flushed()


MMU: dict[int, Callable[[PvDomain, int], None]] = {
    MmuOp.PIN_L1: lambda own, address: _pin(own, FrameType.L1, address),
    MmuOp.PIN_L2: lambda own, address: _pin(own, FrameType.L2, address),
    MmuOp.UNPIN: _unpin,
    MmuOp.NEW_BASE: _new_base,
    MmuOp.FLUSH_TLB: _flush,
    MmuOp.FLUSH_PAGE: _flush,
}

# ---- calls of others


def xen(own: PvDomain, entry: Entry, record: Exit) -> Context:
    """A hypercall of the real interface; its pointer is a virtual address (pointers inside structures are physical)."""
    number = XEN_CALLS + entry.registers[12]
    call = own.xen.monitor.calls.get(number) if number in FAMILIES else None
    if call is None:
        raise XenError(Errno.ENOSYS, f"no hypercall {entry.registers[12]}")
    words = list(entry.registers[:3])
    place = 2 if number in POINTER_IS_THIRD else 1
    if words[place]:
        words[place] = own.memory.physical(words[place])
    asked = record._replace(a0=number, a1=words[0], a2=words[1], a3=words[2], data=b"")
    return _value(entry, call(own.xen.monitor, own.domain.cell, asked))


def basic(own: PvDomain, entry: Entry, record: Exit) -> Context:
    """A call that every flavour has; r1 is the high half of its value."""
    r0, r1, r2, data, length = entry.registers[:5]
    number = entry.registers[12]
    call = own.xen.monitor.calls.get(number) if 0 < number <= LAST_BASIC else None
    if call is None:
        raise XenError(Errno.ENOSYS, f"no call {number}")
    if length > min(DATA_LIMIT, PAGE):
        raise XenError(Errno.E2BIG, f"{length} bytes with a call")
    content = own.memory.load(data, length) if length else b""
    asked = record._replace(a0=number, a1=r0, a2=r1, a3=r2, data=content)
    value = call(own.xen.monitor, own.domain.cell, asked)
    if content:
        own.xen.monitor.note("call", own.domain.cell, call=number, value=r1, data=content.decode("latin-1"))
    return entry.at._replace(r0=value & WORD, r1=value >> 32 & WORD)


CALLS: dict[int, PvCallHandler] = {
    PvCall.XEN: xen,
    PvCall.TRAP_TABLE: trap_table,
    PvCall.RETURN: come_back,
    PvCall.MMU_UPDATE: mmu_update,
    PvCall.MMU: mmu,
    PvCall.FAULT: fault,
    PvCall.MASK: mask,
    PvCall.BASIC: basic,
}
