"""What every door for kernels without privileges has in common: what an exit EXCEPTION says, and what user mode may have.

>>> hex(real_psr(0xF000_00D3))
'0xf0000010'
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from hypervisor.abi.pv import CORE, PSR_FREE, PSR_THUMB, TRAP, USER_MODE, Trap
from hypervisor.abi.sensitive import find_arm
from hypervisor.abi.status import Status
from hypervisor.core.errors import Refused

if TYPE_CHECKING:
    from hypervisor.core.cell import Cell
    from hypervisor.core.monitor import Monitor

PC, PSR = CORE - 2, CORE - 1
"""Their places among the registers."""


class Crashed(Exception):  # noqa: N818  a verdict about the guest
    """The kernel itself came to an exception that nobody can be told of: the end of the cell."""


class Told(NamedTuple):
    """What an exit EXCEPTION says. `registers`: r0..r12, sp, lr, pc, psr."""

    trap: Trap
    immediate: int
    address: int
    status: int
    registers: tuple[int, ...]

    @classmethod
    def unpack(cls, data: bytes) -> Told:
        """Raises:
        Refused: no honest vCPU says that.
        """
        if len(data) != TRAP.size:
            raise Refused(Status.BAD_ARGUMENT, f"an exception of {len(data)} bytes")
        trap, immediate, address, status, *core = TRAP.unpack(data)
        if trap not in iter(Trap):
            raise Refused(Status.BAD_ARGUMENT, f"no exception {trap}")
        return cls(Trap(trap), immediate, address, status, tuple(core))

    def story(self) -> str:
        """For people."""
        where = f" (address {self.address:#x})" if self.trap in (Trap.DATA_ABORT, Trap.PREFETCH_ABORT) else ""
        return f"{self.trap.name.lower()} at {self.registers[PC]:#x}{where}"


def blame(monitor: Monitor, cell: Cell, trap: Trap, registers: Sequence[int]) -> str:
    """What is to be added to the story of a kernel's end: which privileged instruction it was, "" if it was none.

    The instruction is read from the cell's RAM, where the kernel's address says that it is.
    """
    if trap is not Trap.UNDEFINED or registers[PSR] & PSR_THUMB:
        return ""
    memory = monitor.memory
    offset = registers[PC] - monitor.mechanism.wiring.virtual_bases.get(cell.index, memory.ram_base)
    try:
        word = int.from_bytes(memory.read(cell, memory.ram_base + offset, 4), "little")
    except Refused:
        return ""
    rule = find_arm(word)
    return (
        f": {word:#010x} is {rule.name}, which needs privileges (cellvisor check IMAGE lists such instructions)"
        if rule
        else ""
    )


def real_psr(psr: int) -> int:
    """The CPU's own status for one that a guest asks for: user mode, interrupts open, whatever it says."""
    return psr & (PSR_FREE | PSR_THUMB) | USER_MODE
