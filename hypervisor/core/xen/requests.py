"""What a call is, for those who answer it: the caller, the operation, its arguments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hypervisor.abi.time import NEVER
from hypervisor.abi.xen import Call
from hypervisor.core.xen.domains import Domain
from hypervisor.core.xen.guest_memory import Arguments

if TYPE_CHECKING:
    from hypervisor.core.xen.hypervisor import XenHypervisor


@dataclass(frozen=True, slots=True)
class Request:
    """A call being served. `operation`, `second`, `third`: its words; `arguments`: the structure that one of them points to;
    `deadline`: when the vCPU has to run again by itself, though it waits in the call (a timer of its own is due).
    """

    xen: XenHypervisor
    domain: Domain
    operation: int
    second: int
    third: int
    arguments: Arguments
    deadline: int = NEVER


POINTER_IS_THIRD = frozenset({Call.VCPU, Call.CONSOLE_IO})
"""Calls whose second argument is a number, and the third the pointer."""

Answer = Callable[[Request], int]
"""Returns the call's value; raises `XenError` for an honest no."""
