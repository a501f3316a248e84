"""The front door `arm`: hypercalls of unmodified ARMv7 kernels, and what a domain builder makes for them.

Theory: such a kernel has its CPU to itself, all modes and its MMU; its interrupt controller and timers are its cell's own. What
it cannot do alone it asks for by `HVC`: each is an exit, with the registers on which a walk of its tables depends. The answer is
in r0, and bytes come with it only when the byte that stands for its upcall has moved. Everything behind the door (events,
grants, store) is what all other domains use.

    door.exception(cell, record)         # an exit EXCEPTION with trap TRAP_HVC -> r0
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from hypervisor.abi.hypercalls import XEN_CALLS
from hypervisor.abi.memory import PAGE
from hypervisor.abi.records import Exit
from hypervisor.abi.status import Status
from hypervisor.abi.xen import UPCALL_PENDING, Errno, Param
from hypervisor.abi.xen_arm import CALL, RESERVED, UPCALL, layout
from hypervisor.core.cell import Cell
from hypervisor.core.errors import Refused
from hypervisor.core.xen.domain_calls import refresh_runstate
from hypervisor.core.xen.domains import Domain
from hypervisor.core.xen.errors import XenError
from hypervisor.core.xen.requests import POINTER_IS_THIRD, Request
from hypervisor.core.xen.virtual_memory import Registers, Tables, VirtualArguments

if TYPE_CHECKING:
    from hypervisor.core.xen.hypervisor import XenHypervisor

WORD = 0xFFFF_FFFF


class ArmDoor:
    """All domains that come in here. `kernels`: cell index -> whether the builder makes their rings (an image makes its own)."""

    def __init__(self, xen: XenHypervisor, kernels: Mapping[int, bool]) -> None:
        self._xen, self._kernels = xen, kernels
        self._upcalls: dict[int, int] = {}

    def serves(self, cell: Cell) -> bool:
        """Whether the cell's kernel comes in here."""
        return cell.index in self._kernels

    def builds(self, cell: Cell) -> bool:
        """Whether the domain builder makes its rings."""
        return self._kernels.get(cell.index, False)

    def reserved(self, cell: Cell) -> int:
        """Bytes at the end of a cell's RAM that are no memory to its kernel."""
        return RESERVED if self.builds(cell) else 0

    def born(self, domain: Domain) -> None:
        """A domain begins a life: its rings are where its parameters say, and the store listens at one of them."""
        self._upcalls.pop(domain.domid, None)
        if self.builds(domain.cell) and domain.cell.params.pages:  # on another host it has no memory to share
            made = layout(self._xen.monitor.frames.base, domain.cell.params.ram)
            domain.params[Param.CONSOLE_PFN] = made.console // PAGE
            domain.params[Param.STORE_PFN] = made.store // PAGE
            self._xen.daemon.open(domain, made.store)
            self._xen.consoles.open(domain, made.console)

    def exception(self, cell: Cell, record: Exit) -> int:
        """Serve one call; what goes into r0.

        Raises:
            Refused: the cell has no such kernel, or says what no CPU says.
        """
        if not self.serves(cell):
            raise Refused(Status.WRONG_STATE, "a hypercall by HVC from a cell without the door for it")
        if len(record.data) != CALL.size:
            raise Refused(Status.BAD_ARGUMENT, "not the registers of a CPU")
        self._xen.monitor.spend(cell, "hypercall", self._xen.monitor.costs.hypercall)
        domain = self._xen.domains.of(cell)
        r0, r1, r2, _, _, number, *registers = CALL.unpack(record.data)
        tables = Tables(Registers(*registers), lambda address: self._word(cell, address))
        pointer = r2 if XEN_CALLS + number in POINTER_IS_THIRD else r1
        arguments = VirtualArguments(self._xen.memory, cell, pointer, tables)
        request = Request(self._xen, domain, r0, r1, r2, arguments, record.deadline)
        value = self._xen.perform(XEN_CALLS + number, request)
        if domain.alive:
            self._after(domain)
        return value & WORD

    def _after(self, domain: Domain) -> None:
        """What a call leaves to be told."""
        refresh_runstate(self._xen, domain)
        place = domain.shared_info if domain.vcpu_info is None else domain.vcpu_info
        if place is not None and self._upcalls.get(domain.domid) != place:
            self._upcalls[domain.domid] = place
            self._xen.monitor.reply(domain.cell, UPCALL.pack(place + UPCALL_PENDING))

    def _word(self, cell: Cell, address: int) -> int:
        """A word of a page table."""
        return int.from_bytes(self._xen.memory.read(cell, address, 4), "little")


def unknown(number: int) -> XenError:
    """What a call is told that nobody serves."""
    return XenError(Errno.ENOSYS, f"hypercall {number - XEN_CALLS}")
