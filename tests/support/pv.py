"""A paravirtual kernel without a CPU: its exceptions as exits, straight into the monitor's door.

lab = PvLab()
kernel = lab.kernel
kernel.hypercall(PvCall.TRAP_TABLE, VECTORS)      # r0 of the answer
state = kernel.trap(Trap.SWI, 0)                  # by whoever runs, where the last state left it
"""

from __future__ import annotations

from typing import Any, NamedTuple

from hypervisor.abi.memory import PAGE
from hypervisor.abi.pv import (
    FRAME,
    KERNEL_MODE,
    PSR_IRQ,
    STATE,
    TRAP,
    UPDATE,
    USER_MODE,
    Pte,
    PvCall,
    TableFormat,
    Trap,
)
from hypervisor.abi.records import EventKind, Exit, ExitKind
from hypervisor.abi.xen import Errno
from hypervisor.core.exits import EXITS
from tests.support.xen import BASE, PAGES, RawGuest, XenLab

VECTORS = BASE + 4 * PAGE
STACK = BASE + 6 * PAGE
"""The kernel's stack grows down from here."""
BATCH = BASE + 7 * PAGE
ENTRY = BASE + 0x8000
L1 = BASE + PAGES * PAGE - 0x4000
"""Where the domain builder puts the first-level table of a domain of this size."""
USER_CODE = 0x0001_0000


class State(NamedTuple):
    """Where the monitor lets the CPU go on."""

    pc: int
    psr: int
    sp: int
    lr: int
    r0: int
    r1: int
    base: int
    access: int
    flush: int
    rest: tuple[int, ...] = (0,) * 11
    """r2..r12."""

    @classmethod
    def unpack(cls, data: bytes) -> State:
        """The monitor's answer."""
        base, access, flush, *core = STATE.unpack(data)
        *r, sp, lr, pc, psr = core
        return cls(pc, psr, sp, lr, r[0], r[1], base, access, flush, tuple(r[2:]))


class PvLab(XenLab):
    """A domain `kernel` whose kernel is paravirtual, and one `other` that is not."""

    def __init__(
        self, layout: TableFormat = TableFormat.MODERN, *, on_crash: str = "destroy", **wiring: dict[int, Any]
    ) -> None:
        params = {"kernel": {"on_crash": on_crash}, "dom0": {"on_crash": on_crash}}
        super().__init__("dom0", "kernel", "other", paravirtual={1: layout}, params=params, wiring=wiring)
        self.kernel = PvKernel(self, self.guests["kernel"])

    @property
    def own(self):  # type: ignore[no-untyped-def]
        return self.xen.pv.domains[1]


class PvKernel:
    """One CPU. `state`: where it is."""

    def __init__(self, lab: PvLab, guest: RawGuest) -> None:
        self.lab, self.guest, self.cell = lab, guest, guest.cell
        self.state = State(ENTRY, USER_MODE, 0, 0, 0, 0, 0, 0, 0)
        self.words: tuple[int, ...] = ()

    def trap(
        self, trap: int, immediate: int = 0, *registers: int, far: int = 0, fsr: int = 0, r12: int = 0
    ) -> State | None:
        """An exception where it is; None if there is no answer (it waits, or has ended)."""
        r = [*registers, *[0] * (12 - len(registers)), r12]
        at = self.state
        data = TRAP.pack(trap, immediate, far, fsr, *r, at.sp, at.lr, at.pc, at.psr)
        return self.exit(data)

    def exit(self, data: bytes) -> State | None:
        EXITS[ExitKind.EXCEPTION](self.lab.monitor, self.cell, Exit(0, ExitKind.EXCEPTION, 0, 0, 0, data=data))
        self.lab.settle()
        answers = [event for event in self.cell.vcpu.events if event.kind == EventKind.ANSWER]
        self.cell.vcpu.events[:] = [event for event in self.cell.vcpu.events if event.kind != EventKind.ANSWER]
        if not answers:
            return None
        self.state = State.unpack(answers[0].payload)
        self.words = STATE.unpack(answers[0].payload)
        return self.state

    def boot(self) -> PvKernel:
        """Started, with vectors and a stack."""
        assert self.trap(Trap.START) is not None
        assert self.hypercall(PvCall.TRAP_TABLE, VECTORS) == 0
        self.state = self.state._replace(sp=STACK)
        return self

    def hypercall(self, call: int, *registers: int, r12: int = 0) -> int:
        """r0, as a signed number."""
        state = self.trap(Trap.SWI, call, *registers, r12=r12)
        assert state is not None
        return state.r0 - (1 << 32) if state.r0 >> 31 else state.r0

    def go(self, pc: int, *, mode: int = USER_MODE, sp: int = 0x2000, psr: int = 0) -> int:
        """Return from exception to there; 0, or what the refusal was."""
        self.guest.poke(self.state.sp - FRAME.size, FRAME.pack(psr | mode, pc, sp, 0))
        self.state = self.state._replace(sp=self.state.sp - FRAME.size)
        state = self.trap(Trap.SWI, PvCall.RETURN)
        assert state is not None
        return 0 if state.pc == pc else state.r0 - (1 << 32)

    def frame(self) -> tuple[int, int, int, int]:
        """VSPSR, pc, sp, lr on the kernel's stack."""
        vspsr, pc, sp, lr = FRAME.unpack(self.guest.peek(self.state.sp, FRAME.size))
        return vspsr, pc, sp, lr

    def update(self, *updates: tuple[int, int], at: int = BATCH) -> int:
        """A batch of page-table updates."""
        self.guest.poke(BATCH, b"".join(UPDATE.pack(*update) for update in updates))
        return self.hypercall(PvCall.MMU_UPDATE, at, len(updates))

    def empty(self, number: int) -> int:
        """A page that nothing maps: the builder has mapped it writable."""
        page = self.guest.page(number)
        assert self.update((self.l2_slot(page), 0)) == 1
        return page

    def l2_slot(self, address: int) -> int:
        """The entry for an address of the kernel, in the second-level table of the builder."""
        return L1 - PAGE + (address - BASE) // PAGE * 4


KERNEL_PSR = KERNEL_MODE | PSR_IRQ
RW = Pte.PRESENT | Pte.WRITE
RO = Pte.PRESENT
EPERM, EINVAL, EBUSY, EFAULT, E2BIG, ENOSYS = (
    -Errno.EPERM,
    -Errno.EINVAL,
    -Errno.EBUSY,
    -Errno.EFAULT,
    -Errno.E2BIG,
    -Errno.ENOSYS,
)
