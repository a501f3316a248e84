"""The virtual CPU that a paravirtual kernel has under the microvisor: the kernel, or one of its processes, and the way between.

```python
cpu = VirtualCpu()
core = cpu.run(kernel_core, block)             # svc #RUN: the kernel's registers are kept
block, core = cpu.come_back(Return(Why.SYSTEM_CALL))     # the kernel goes on behind its svc, with r0..r2
cpu.keep(told)                                 # an interrupt while the kernel runs
```

Theory: both run in user mode, and which of the two that is nobody knows but the microvisor. An interrupt comes to the kernel
only where it asked for one: it ends a RUN or a WAIT, and is kept while the kernel runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from hypervisor.abi.okl4_door import Access, Why
from hypervisor.abi.pv import DOMAIN_KERNEL, USER_ACCESS, Trap
from hypervisor.core.deprivileged import PC, Told
from hypervisor.core.errors import InvariantBroken

KERNEL_ONLY = 1 << 2 * DOMAIN_KERNEL
"""Domain access of the kernel: it does not reach its processes by their addresses, whether the virtual TLB has them or not."""
WORD = 0xFFFF_FFFF

STATUS_MASK = 0x40F
"""Of a fault status: the code (DDI 0406C, B3.13.3; bit 10 is 0 up to ARMv5)."""
ALIGNMENT = frozenset({0b00001, 0b00011})
"""Codes of an alignment fault; the second is the older CPUs' (DDI 0100I, B4.6.1)."""
DEBUG = 0b00010
"""Code of BKPT."""
PERMISSION = frozenset({0b01101, 0b01111})
WRITES = 1 << 11
"""WnR of a data abort (ARMv6 on)."""


class Return(NamedTuple):
    """What a RUN returns in r0 to r2."""

    why: Why
    address: int = 0
    access: int = 0


@dataclass(slots=True)
class VirtualCpu:
    """One virtual CPU. `kernel`: the registers of a kernel whose process runs; None while it runs itself."""

    kernel: tuple[int, ...] | None = None
    block: int = 0
    """Where the registers of the process belong, physically."""
    pending: bool = False
    """An interrupt that the kernel has not been told of."""
    woken_at: int | None = None
    """pc behind a WAIT that an interrupt has ended: the vCPU reports the same interrupt there."""

    @property
    def access(self) -> int:
        """For the domain access register of the CPU."""
        return KERNEL_ONLY if self.kernel is None else USER_ACCESS

    def run(self, kernel: tuple[int, ...], block: int) -> None:
        """The kernel lets a process run. Requires: it runs itself."""
        if self.kernel is not None:
            raise InvariantBroken("vcpu: a kernel whose process runs has made a call")
        self.kernel, self.block = kernel, block

    def come_back(self, what: Return) -> tuple[int, ...]:
        """The kernel goes on with these registers. Requires: its process runs."""
        if self.kernel is None:
            raise InvariantBroken("vcpu: no process runs")
        kernel, self.kernel = self.kernel, None
        return (what.why, what.address, what.access, *kernel[3:])

    def keep(self, told: Told) -> bool:
        """An interrupt came while the kernel runs: it is kept, unless the kernel was woken by it just now; whether it is."""
        known, self.woken_at = told.registers[PC] == self.woken_at, None
        self.pending |= not known
        return not known

    def take_pending(self) -> bool:
        """Whether there is an interrupt to tell the kernel of, which is done herewith."""
        pending, self.pending = self.pending, False
        return pending


def returned(told: Told, *, tells: bool) -> Return:
    """What the kernel is told of an exception of its process. `tells`: the CPU says whether it stored or loaded."""
    if told.trap is Trap.PREFETCH_ABORT:
        if told.status & STATUS_MASK == DEBUG:
            return Return(Why.UNDEFINED)
        return Return(Why.FAULT, told.address, Access.EXECUTE)
    if told.trap is Trap.DATA_ABORT:
        why = Why.ALIGNMENT if told.status & STATUS_MASK in ALIGNMENT else Why.FAULT
        return Return(why, told.address, _wanted(told.status, tells))
    return Return(SIMPLE[told.trap])


SIMPLE = {Trap.SWI: Why.SYSTEM_CALL, Trap.UNDEFINED: Why.UNDEFINED, Trap.IRQ: Why.INTERRUPT}


def _wanted(status: int, tells: bool) -> Access:
    """A page that may not be written is readable: who was not permitted stored."""
    if status & WRITES or status & STATUS_MASK in PERMISSION:
        return Access.WRITE
    return Access.READ if tells else Access(0)
