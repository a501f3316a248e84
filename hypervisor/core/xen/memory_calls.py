"""memory_op: where pages of the hypervisor's appear, and how many pages a domain has.

Theory: the pages that a real hypervisor shares with a domain are pages of the domain's own memory here, filled in place. In the
same way a page that a domain gives up (its balloon grows) stays where it is, emptied: until it is taken back it can be named by
nobody, neither granted nor given up again. What it may be used for meanwhile is a foreign page that is mapped there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from hypervisor.abi.memory import PAGE
from hypervisor.abi.xen import (
    ADD_TO_PHYSMAP,
    ADD_TO_PHYSMAP_BATCH,
    BATCH_ERROR,
    MEMOP_MASK,
    MEMOP_START,
    PFN,
    REMOVE_FROM_PHYSMAP,
    RESERVATION,
    WALL,
    WALLCLOCK,
    Errno,
    MapSpace,
    MemoryOp,
)
from hypervisor.core.xen.domains import Domain
from hypervisor.core.xen.errors import GrantError, XenError
from hypervisor.core.xen.requests import Answer, Request

EXTENTS_LIMIT = 512
"""Extents of one call; a real hypervisor lets others run in between, here the caller calls again for the rest."""
ORDER_LIMIT = 9
"""Pages of an extent, as a power of two, that a domain may ask for (Xen's default for domains without devices: 2 MiB)."""


def add_to_physmap(request: Request) -> int:
    """A page of the hypervisor's appears at a frame of the domain's own."""
    dom, _, space, index, frame = request.arguments.read(ADD_TO_PHYSMAP)
    _add(request, request.xen.domains.own(request.domain, dom), space, index, frame)
    return 0


def add_to_physmap_batch(request: Request) -> int:
    """The same for several, each with an error of its own."""
    dom, space, size, _, indices, frames, errors = request.arguments.read(ADD_TO_PHYSMAP_BATCH)
    domain = request.xen.domains.own(request.domain, dom)
    if size > EXTENTS_LIMIT:
        raise XenError(Errno.E2BIG, f"{size} pages in one call")
    at = request.arguments.at
    for number in range(size):
        (index,), (frame,) = (at(array).read(PFN, number * PFN.size) for array in (indices, frames))
        error = 0
        try:
            _add(request, domain, space, index, frame)
        except XenError as refusal:
            error = -refusal.errno
        at(errors).write(BATCH_ERROR, error, offset=number * BATCH_ERROR.size)
    return 0


def _add(request: Request, domain: Domain, space: int, index: int, frame: int) -> None:
    if space == MapSpace.GRANT_TABLE:
        request.xen.grants.entries.place_frame(domain, index, frame)
    elif space == MapSpace.SHARED_INFO and not index:
        _place_shared_info(request, domain, frame)
    elif space == MapSpace.GMFN_FOREIGN:
        raise XenError(Errno.EPERM, "pages of others come by grants")
    else:
        raise XenError(Errno.ENOSYS, f"add_to_physmap of space {space}, index {index}")


def _place_shared_info(request: Request, domain: Domain, frame: int) -> None:
    memory = request.xen.memory
    address = memory.own_page(domain.cell, frame)
    content = bytes(PAGE)
    if domain.shared_info is not None:
        content = memory.read(domain.cell, domain.shared_info, PAGE)
    memory.write(domain.cell, address, content)
    memory.write(domain.cell, address + WALLCLOCK, WALL.pack(2, 0, 0, 0))
    domain.shared_info = address
    request.xen.channels.page_given(domain)


def remove_from_physmap(request: Request) -> int:
    """One page is given up."""
    dom, frame = request.arguments.read(REMOVE_FROM_PHYSMAP)
    domain = request.xen.domains.own(request.domain, dom)
    if not _give_up(request, domain, frame):
        raise XenError(Errno.EINVAL, f"frame {frame:#x} cannot be given up")
    return 0


def decrease_reservation(request: Request) -> int:
    """Pages are given up; how many extents."""
    return _extents(request, _give_up)


def populate_physmap(request: Request) -> int:
    """Pages are taken back; how many extents."""
    return _extents(request, _take_back)


def increase_reservation(request: Request) -> int:
    """Pages without a frame to put them at: a domain whose memory has one translation has no use for any, and gets none."""
    _reservation(request)
    return 0


Change = Callable[[Request, Domain, int], bool]
"""(request, domain, frame) -> whether it was done."""


def _extents(request: Request, change: Change) -> int:
    """Go through the extents, from where the operation's upper bits say; how many are done, the first that is not ends it."""
    pointer, count, order, domain = _reservation(request)
    done = request.operation >> MEMOP_START
    if done > count or count - done > EXTENTS_LIMIT:
        raise XenError(Errno.EINVAL, f"extents {done} to {count}")
    frames = request.arguments.at(pointer)
    for number in range(done, count):
        (first,) = frames.read(PFN, number * PFN.size)
        if not all(change(request, domain, frame) for frame in _pages(first, order)):
            return number
    return int(count)


def _reservation(request: Request) -> tuple[int, int, int, Domain]:
    """The structure: where the frames' numbers are, how many extents, their order, whose."""
    pointer, count, order, _, dom = request.arguments.read(RESERVATION)
    domain = request.xen.domains.own(request.domain, dom)
    if order > ORDER_LIMIT:
        raise XenError(Errno.EPERM, f"extents of 2^{order} pages")
    return pointer, count, order, domain


def _pages(first: int, order: int) -> Iterator[int]:
    yield from range(first, first + (1 << order))


def _give_up(request: Request, domain: Domain, frame: int) -> bool:
    """The page is empty, and its frame is nobody's."""
    xen = request.xen
    try:
        address = xen.grants.entries.plain(domain, frame)
    except GrantError:
        return False
    if xen.monitor.memory.segment_at(domain.cell, address) is not None:
        return False
    xen.memory.write(domain.cell, address, bytes(PAGE))
    domain.given_up.add(frame)
    return True


def _take_back(request: Request, domain: Domain, frame: int) -> bool:
    """Its frame is the domain's again, if nothing else is there now."""
    there = request.xen.monitor.memory.segment_at(domain.cell, frame * PAGE) if frame in domain.given_up else None
    if frame not in domain.given_up or there is not None:
        return False
    domain.given_up.discard(frame)
    return True


def current_reservation(request: Request) -> int:
    """Pages that the domain has."""
    domain = _asked(request)
    return domain.cell.params.ram // PAGE - len(domain.given_up)


def maximum_reservation(request: Request) -> int:
    """Pages that it can have."""
    return _asked(request).cell.params.ram // PAGE


def maximum_gpfn(request: Request) -> int:
    """The last frame of its memory."""
    return (request.xen.monitor.frames.base + _asked(request).cell.params.ram) // PAGE - 1


def _asked(request: Request) -> Domain:
    """Whom the structure, a domid alone, is about."""
    return request.domain


def operation(number: int) -> int:
    """Without the extent at which a call that was cut short goes on."""
    return number & MEMOP_MASK


MEMORY: dict[int, Answer] = {
    MemoryOp.INCREASE_RESERVATION: increase_reservation,
    MemoryOp.DECREASE_RESERVATION: decrease_reservation,
    MemoryOp.CURRENT_RESERVATION: current_reservation,
    MemoryOp.MAXIMUM_RESERVATION: maximum_reservation,
    MemoryOp.POPULATE_PHYSMAP: populate_physmap,
    MemoryOp.ADD_TO_PHYSMAP: add_to_physmap,
    MemoryOp.MAXIMUM_GPFN: maximum_gpfn,
    MemoryOp.REMOVE_FROM_PHYSMAP: remove_from_physmap,
    MemoryOp.ADD_TO_PHYSMAP_BATCH: add_to_physmap_batch,
}
"""memory_map is for x86 alone: ENOSYS, as on a real Xen on ARM."""
