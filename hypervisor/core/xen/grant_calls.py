"""grant_table_op: arrays of structures, each with a status of its own; what they mean is in grant_tables.py."""

from __future__ import annotations

from hypervisor.abi.memory import PAGE
from hypervisor.abi.xen import (
    COPY,
    GET_VERSION,
    GRANT_FRAMES,
    MAP_GRANT,
    POINTER,
    QUERY_SIZE,
    SET_VERSION,
    SETUP_TABLE,
    TRANSFER,
    UNMAP_GRANT,
    CopyFlag,
    Errno,
    GrantOp,
    GrantStatus,
)
from hypervisor.core.xen.errors import GrantError, XenError
from hypervisor.core.xen.grant_tables import Place, Wish
from hypervisor.core.xen.requests import Answer, Request

BATCH_LIMIT = 512
"""Operations of one call; the real hypervisor lets others run in between, here the caller does it by calling again."""
NO_FRAME = (1 << 64) - 1


def map_grant_ref(request: Request) -> int:
    """Pages of others appear."""
    raw = [request.arguments.take(MAP_GRANT, n * MAP_GRANT.size) for n in _each(request)]
    wishes = [Wish(domid, reference, host, flags) for host, flags, reference, domid, *_ in raw]
    for number, (wish, result) in enumerate(zip(wishes, request.xen.grants.map(request.domain, wishes), strict=True)):
        handle, address = (0, 0) if isinstance(result, GrantError) else result
        fields = (wish.host, wish.flags, wish.reference, wish.granter, _status(request, result), handle, address)
        request.arguments.write(MAP_GRANT, *fields, offset=number * MAP_GRANT.size)
    return 0


def unmap_grant_ref(request: Request) -> int:
    """Pages of others go back."""
    raw = [request.arguments.take(UNMAP_GRANT, n * UNMAP_GRANT.size) for n in _each(request)]
    results = request.xen.grants.unmap(request.domain, [(handle, host) for host, _, handle, _ in raw])
    for number, ((host, bus, handle, _), result) in enumerate(zip(raw, results, strict=True)):
        fields = (host, bus, handle, _status(request, result))
        request.arguments.write(UNMAP_GRANT, *fields, offset=number * UNMAP_GRANT.size)
    return 0


def copy(request: Request) -> int:
    """Bytes between pages."""
    for number in _each(request):
        *fields, _ = request.arguments.take(COPY, number * COPY.size)
        source, source_dom, source_at, dest, dest_dom, dest_at, length, flags = fields
        ends = (
            Place.of(flags, CopyFlag.SOURCE_REF, source, source_dom, source_at),
            Place.of(flags, CopyFlag.DEST_REF, dest, dest_dom, dest_at),
        )
        result: GrantError | None = None
        try:
            request.xen.grants.copy(request.domain, *ends, length)
        except GrantError as error:
            result = error
        request.arguments.write(COPY, *fields, _status(request, result), offset=number * COPY.size)
    return 0


def transfer(request: Request) -> int:
    """Pages go over for good."""
    for number in _each(request):
        frame, domid, reference, _ = request.arguments.take(TRANSFER, number * TRANSFER.size)
        result: GrantError | None = None
        try:
            request.xen.grants.transfer(request.domain, frame, domid, reference)
        except GrantError as error:
            result = error
        fields = (frame, domid, reference, _status(request, result))
        request.arguments.write(TRANSFER, *fields, offset=number * TRANSFER.size)
    return 0


def setup_table(request: Request) -> int:
    """Where the caller's grant frames are: a frame that it has not placed yet is none."""
    domid, count, _, pointer = request.arguments.read(SETUP_TABLE)
    domain = request.xen.domains.own(request.domain, domid)
    status = GrantStatus.OKAY if count <= GRANT_FRAMES else GrantStatus.GENERAL_ERROR
    for index in range(count if status is GrantStatus.OKAY else 0):
        address = domain.grant_frames.get(index)
        frame = NO_FRAME if address is None else address // PAGE
        request.arguments.at(pointer).write(POINTER, frame, offset=index * POINTER.size)
    request.arguments.write(SETUP_TABLE, domid, count, status, pointer)
    return 0


def query_size(request: Request) -> int:
    """Frames now and at most."""
    domid, *_ = request.arguments.read(QUERY_SIZE)
    domain = request.xen.domains.own(request.domain, domid)
    now = max(1, len(domain.grant_frames))
    request.arguments.write(QUERY_SIZE, domid, now, GRANT_FRAMES, GrantStatus.OKAY)
    return 0


def set_version(request: Request) -> int:
    """Version 1 is what there is."""
    (version,) = request.arguments.read(SET_VERSION)
    if version != 1:
        raise XenError(Errno.ENOSYS if version == 2 else Errno.EINVAL, f"grant tables of version {version}")
    request.arguments.write(SET_VERSION, 1)
    return 0


def get_version(request: Request) -> int:
    """Version 1."""
    domid, _ = request.arguments.read(GET_VERSION)
    request.xen.domains.own(request.domain, domid)
    request.arguments.write(GET_VERSION, domid, 1)
    return 0


def _each(request: Request) -> range:
    """The numbers of the array's structures."""
    if request.third > BATCH_LIMIT:
        raise XenError(Errno.E2BIG, f"{request.third} operations in one call")
    return range(request.third)


def _status(request: Request, result: object) -> int:
    """The status for a structure; a refusal goes into the trace."""
    if not isinstance(result, GrantError):
        return GrantStatus.OKAY
    request.xen.monitor.refused(request.domain.cell, "grant", str(result))
    return result.status


OPERATIONS: dict[int, Answer] = {
    GrantOp.MAP: map_grant_ref,
    GrantOp.UNMAP: unmap_grant_ref,
    GrantOp.SETUP_TABLE: setup_table,
    GrantOp.TRANSFER: transfer,
    GrantOp.COPY: copy,
    GrantOp.QUERY_SIZE: query_size,
    GrantOp.SET_VERSION: set_version,
    GrantOp.GET_VERSION: get_version,
}
