"""The virtual CPU of a paravirtual kernel: two logical modes in user mode, banked registers, and what happens between them.

```python
cpu = PvCpu(step, stack)
cpu.leave(trap)                                  # t10 or t20: the monitor has it
context = cpu.upcall(context, Trap.SWI)          # VSPSR on the kernel's stack, its vector next
cpu.enter()                                      # t01 (or t02, if it goes on as a user process)
```

Theory (the survey's Figs. 5 and 6): the CPU's only unprivileged mode serves both the kernel and its processes, so the monitor
remembers which of the two runs. A transition has the survey's name: t10 from the kernel into the monitor, t20 from a user
process, t01 back into the kernel by upcall or return, t02 into a user process by return from exception. What the CPU would
bank by mode is banked here: a stack pointer for each mode, VSPSR and VSP of the last exception, VFAR and VFSR of the last
abort.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple, Protocol

from hypervisor.abi.pv import (
    FRAME,
    KERNEL_ACCESS,
    KERNEL_MODE,
    MODE_MASK,
    PSR_FREE,
    PSR_IRQ,
    PSR_THUMB,
    USER_ACCESS,
    USER_MODE,
    Trap,
)
from hypervisor.abi.xen import Errno
from hypervisor.core.xen.errors import XenError

PSR_KEPT = PSR_FREE | PSR_THUMB


class Mode(IntEnum):
    """The logical modes, as they stand in a VSPSR."""

    USER = USER_MODE
    KERNEL = KERNEL_MODE


ACCESS = {Mode.USER: USER_ACCESS, Mode.KERNEL: KERNEL_ACCESS}
"""Domain access by mode: a user process cannot reach its kernel's memory."""
LEAVING = {Mode.KERNEL: "t10", Mode.USER: "t20"}
ENTERING = {Mode.KERNEL: "t01", Mode.USER: "t02"}


class Context(NamedTuple):
    """Where a vCPU is: what an exception interrupts, and what a transition goes on with."""

    pc: int
    psr: int
    sp: int
    lr: int
    r0: int = 0
    r1: int = 0
    rest: tuple[int, ...] = (0,) * 11
    """r2..r12: a transition leaves them as they were."""


class GuestCrashed(Exception):  # noqa: N818  a verdict about the guest
    """The kernel cannot be told of an exception: the end of the domain."""


class Stack(Protocol):
    """The kernel's memory by virtual address."""

    def load(self, address: int, length: int) -> bytes:
        """Raises:
        XenError: it is not mapped.
        """
        ...

    def push(self, address: int, data: bytes) -> None:
        """Raises:
        XenError: it is not mapped writable.
        """
        ...


Step = Callable[..., None]
"""(operation, **facts): what is written into the trace and charged."""


@dataclass(slots=True)
class PvCpu:
    """One virtual CPU. `masked`: interrupts are held back, the I bit of the virtual PSR; `vectors` None: no upcalls yet."""

    step: Step
    stack: Stack
    mode: Mode = Mode.KERNEL
    masked: bool = True
    vectors: int | None = None
    banked_sp: dict[Mode, int] = field(default_factory=lambda: dict.fromkeys(Mode, 0))
    vspsr: int = 0
    vsp: int = 0
    vfar: int = 0
    vfsr: int = 0

    # ---- transitions

    def leave(self, trap: Trap) -> None:
        """An exception: into the monitor."""
        self.step(LEAVING[self.mode], why=trap.name.lower())

    def enter(self, why: str) -> None:
        """Out of the monitor, into the mode that is next."""
        self.step(ENTERING[self.mode], why=why)

    def upcall(self, at: Context, trap: Trap) -> Context:
        """Hand an exception to the kernel: what was interrupted goes on its stack, and it goes on at its vector.

        Raises:
            GuestCrashed: it has no vectors, or no stack to take the frame.
        """
        if self.vectors is None:
            raise GuestCrashed(f"{trap.name} at {at.pc:#x} before the kernel has registered its vectors")
        self.vspsr, self.vsp = self._virtual_psr(at.psr), at.sp
        self.banked_sp[self.mode] = at.sp
        top = self.banked_sp[Mode.KERNEL] - FRAME.size
        try:
            self.stack.push(top, FRAME.pack(self.vspsr, at.pc, at.sp, at.lr))
        except XenError as error:
            raise GuestCrashed(f"{trap.name} at {at.pc:#x}: no frame on the kernel's stack: {error.why}") from None
        self.step("upcall", vector=trap.name.lower(), vspsr=self.vspsr, pc=at.pc)
        self.mode, self.masked = Mode.KERNEL, True
        return at._replace(pc=self.vectors + 4 * trap, psr=USER_MODE, sp=top)

    def come_back(self, at: Context) -> Context:
        """Return from exception: go on with what the frame on the kernel's stack says.

        Raises:
            XenError: there is none, or it asks for a mode that a guest cannot have.
        """
        psr, pc, sp, lr = FRAME.unpack(self.stack.load(at.sp, FRAME.size))
        mode = psr & MODE_MASK
        if mode not in iter(Mode):
            raise XenError(
                Errno.EPERM, f"a PSR of mode {mode:#x}: a guest has two logical modes, and none that is privileged"
            )
        self.mode = Mode(mode)
        if self.mode is Mode.USER:
            self.banked_sp[Mode.KERNEL] = at.sp + FRAME.size
        self.masked = self.mode is Mode.KERNEL and bool(psr & PSR_IRQ)
        return at._replace(pc=pc, psr=real_psr(psr), sp=sp, lr=lr)

    def note_fault(self, address: int, status: int) -> None:
        """Keep what the fault registers say: the kernel cannot read those of the CPU."""
        self.vfar, self.vfsr = address, status

    @property
    def access(self) -> int:
        """What the CPU's domain access register has to hold in the mode that is next."""
        return ACCESS[self.mode]

    def _virtual_psr(self, psr: int) -> int:
        return psr & PSR_KEPT | self.mode | (PSR_IRQ if self.masked else 0)


def real_psr(psr: int) -> int:
    """The CPU's own status for a virtual one: user mode, whatever it says."""
    return psr & PSR_KEPT | USER_MODE
