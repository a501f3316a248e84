"""Hypercalls about the caller's own capabilities: `a1` is a slot of its table; hypervisor/abi/hypercalls.py has the rest.

    handlers = calls(Authority(static=False))        # for a mechanism's `calls()`

Each served call is one step "capability" with `what` was done; a refused one changes nothing and leaves a refusal in the trace.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from hypervisor.abi.hypercalls import Hypercall
from hypervisor.abi.records import Exit
from hypervisor.abi.status import Status
from hypervisor.core.capabilities import Authority
from hypervisor.core.cell import Cell

if TYPE_CHECKING:
    from hypervisor.core.monitor import Monitor

Handler = Callable[["Monitor", Cell, Exit], int]
Operation = Callable[[Authority, int, Exit], int]
"""(authority, caller's index, record) -> result."""


def mint(authority: Authority, cell: int, record: Exit) -> int:
    """CAP_MINT: a new slot with fewer rights."""
    return authority.mint(cell, record.a1, record.a2)


def move(authority: Authority, cell: int, record: Exit) -> int:
    """CAP_MOVE: to a free slot."""
    authority.move(cell, record.a1, record.a2)
    return Status.OK


def revoke(authority: Authority, cell: int, record: Exit) -> int:
    """CAP_REVOKE: how many derived ones went."""
    return authority.revoke(cell, record.a1)


def delete(authority: Authority, cell: int, record: Exit) -> int:
    """CAP_DELETE: the slot is free."""
    authority.delete(cell, record.a1)
    return Status.OK


def identify(authority: Authority, cell: int, record: Exit) -> int:
    """CAP_IDENTIFY: kind << 32 | rights."""
    capability = authority.identify(cell, record.a1)
    return capability.kind << 32 | capability.rights


OPERATIONS: dict[Hypercall, Operation] = {
    Hypercall.CAP_MINT: mint,
    Hypercall.CAP_MOVE: move,
    Hypercall.CAP_REVOKE: revoke,
    Hypercall.CAP_DELETE: delete,
    Hypercall.CAP_IDENTIFY: identify,
}


def calls(authority: Authority) -> dict[int, Handler]:
    """The handlers of all of them, on these tables."""
    return {number: _served(authority, operation) for number, operation in OPERATIONS.items()}


def _served(authority: Authority, operation: Operation) -> Handler:
    def handler(monitor: Monitor, cell: Cell, record: Exit) -> int:
        result = operation(authority, cell.index, record)
        gone = {"derived": result} if operation is revoke else {}
        monitor.step(cell, "capability", what=operation.__name__, slot=record.a1, **gone)
        return result

    return handler
