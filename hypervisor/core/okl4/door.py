"""The microvisor's front door: exits of a paravirtual kernel and its processes come in here, and who goes on with what goes out.

Theory: an exit EXCEPTION says why the CPU left user mode; whether that was the kernel or its process is known here alone
(vcpu.py). An svc of the kernel is a hypercall. What a process comes to is either the microvisor's own affair, a miss of the
virtual TLB (vmmu.py), and the process goes on; or it ends the kernel's RUN. What things cost stands in flavours/okl4.py; each
step here is one of the trace:

    hypercall     into the microvisor by a call of the kernel, and out again, wherever to
    exception     a process's registers stored, the kernel's loaded
    space_switch  another address space; with cache_flush, tlb_flush if its tag is one that another had (core/fass.py)
    vtlb          a miss: the guest's table walked; `unmap` for each entry that made room
    tlb_flush     a space forgotten as a whole
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from hypervisor.abi.hypercalls import HYPERCALL_BASE
from hypervisor.abi.memory import KERNEL_HYPERCALLS, KERNEL_WINDOW, PAGE, WINDOW_BASE, WINDOW_SIZE
from hypervisor.abi.okl4_door import BLOCK, NO_ALARM, Access, DoorCall, Why
from hypervisor.abi.pv import L1_SIZE, STATE, TableFormat, Trap
from hypervisor.abi.records import EventKind, Exit
from hypervisor.abi.status import Status
from hypervisor.abi.time import NEVER
from hypervisor.core.cell import Cell
from hypervisor.core.deprivileged import PC, PSR, Crashed, Told, blame, real_psr
from hypervisor.core.errors import Refused, require
from hypervisor.core.fass import Entry, Fass
from hypervisor.core.injected import refused
from hypervisor.core.lives import fail
from hypervisor.core.okl4.vcpu import WORD, Return, VirtualCpu, returned
from hypervisor.core.okl4.vmmu import BLOCKS, VirtualMmu
from hypervisor.core.spaces import KernelHalf, TablePool

if TYPE_CHECKING:
    from hypervisor.core.monitor import Monitor
    from hypervisor.core.wiring import Wiring

RESERVED = BLOCKS * L1_SIZE
"""Bytes at the end of RAM for real tables."""
ALARM_SOURCE = 0
"""Who rings when it is time: no slot of the kernel's."""
ABORTS = (Trap.PREFETCH_ABORT, Trap.DATA_ABORT)


class GuestFrames:
    """A cell's memory as its virtual MMU knows it: RAM below what is reserved, and the window."""

    def __init__(self, monitor: Monitor, cell: Cell) -> None:
        self._monitor, self._cell = monitor, cell
        self.base = monitor.memory.ram_base
        self.end = (self.base + cell.params.ram - RESERVED) & -L1_SIZE
        """Of what the guest may use; behind it lie the tables."""

    def holds(self, address: int, size: int) -> bool:
        """Whether that is the guest's RAM, and not reserved."""
        return self.base <= address and address + size <= self.end

    def word(self, address: int) -> int:
        """A word of RAM."""
        return int.from_bytes(self._monitor.memory.read(self._cell, address, 4), "little")

    def may_map(self, page: int, *, writable: bool) -> bool:
        """RAM as the guest likes; of the window, what is mapped there now."""
        if self.holds(page, PAGE):
            return True
        found = self._monitor.memory.segment_at(self._cell, page)
        if found is None or not WINDOW_BASE <= page < WINDOW_BASE + WINDOW_SIZE:
            return False
        here = [m for m in self._monitor.memory.mappings(found[0]) if m.cell == self._cell.index]
        return any(m.address <= page < m.end and (m.writable or not writable) for m in here)

    def write(self, address: int, data: bytes) -> None:
        """Change RAM, also what is reserved."""
        self._monitor.memory.write(self._cell, address, data)


class Guest:
    """A life of a cell whose kernel came in by this door: its virtual CPU and MMU."""

    def __init__(self, monitor: Monitor, cell: Cell, wiring: Wiring) -> None:
        self.monitor, self.cell = monitor, cell
        self.frames = GuestFrames(monitor, cell)
        self.cpu = VirtualCpu()
        self.layout = TableFormat(wiring.paravirtual[cell.index])
        self.virtual_base = wiring.virtual_bases.get(cell.index, 0)
        self.fass = Fass(wiring.fass) if wiring.fass else None
        self._entries = wiring.vtlb
        self._mmu: VirtualMmu | None = None
        self._alarm: int | None = None

    @property
    def mmu(self) -> VirtualMmu:
        """Raises:
        Refused: the CPU has not been started.
        """
        if self._mmu is None:
            raise Refused(Status.WRONG_STATE, "an exception of a CPU that was not started")
        return self._mmu

    @property
    def started(self) -> bool:
        """Whether its first instruction has been let run."""
        return self._mmu is not None

    def step(self, operation: str, /, *, times: int = 1, **facts: int | str) -> None:
        """A step of the mechanism on behalf of this cell."""
        self.monitor.step(self.cell, operation, times=times, **facts)

    def build(self) -> None:
        """The address space of the kernel alone: its RAM, the window, the hypercall page.

        Raises:
            Refused: the memory is too small.
        """
        frames, own = self.frames, self.virtual_base
        size = frames.end - frames.base
        require(size > 0, Status.NO_ROOM, f"RAM of {self.cell.params.ram:#x} bytes has no room for page tables")
        pool = TablePool(frames.write, frames.end, RESERVED)
        kernel = KernelHalf(pool, self.layout)
        kernel.map(own or frames.base, frames.base, size)
        kernel.map(KERNEL_WINDOW if own else WINDOW_BASE, WINDOW_BASE, WINDOW_SIZE)
        kernel.map(KERNEL_HYPERCALLS if own else HYPERCALL_BASE, HYPERCALL_BASE, PAGE)
        pool.starved = partial(refused, self.monitor, self.cell, "core.tables")
        self._mmu = VirtualMmu(frames, pool, self.layout, kernel, self._entries)

    def block(self, virtual: int) -> int:
        """Where the kernel has the registers of a process, physically.

        Raises:
            Refused: not in its RAM.
        """
        physical = virtual - (self.virtual_base or self.frames.base) + self.frames.base
        sound = virtual % 4 == 0 and self.frames.holds(physical, BLOCK.size)
        require(sound, Status.BAD_ARGUMENT, f"no registers of a process can lie at {virtual:#x}")
        return physical

    # ---- the alarm

    def set_alarm(self, time: int) -> None:
        """An interrupt at this time and at no other."""
        self.drop_alarm()
        if time < NEVER:
            self._alarm = self.monitor.alarms.at(time, self._time_is_up)
            self.monitor.rounds.heed_timers()

    def drop_alarm(self) -> None:
        """None any more."""
        if self._alarm is not None:
            self.monitor.alarms.cancel(self._alarm)
            self._alarm = None

    def _time_is_up(self) -> None:
        self._alarm = None
        self.monitor.ring(self.cell, ALARM_SOURCE, 1)

    # ---- who goes on

    def go_on(self, core: tuple[int, ...]) -> None:
        """With these registers: the kernel or its process, as the virtual CPU says."""
        flush, self.mmu.stale = self.mmu.stale, False
        state = (self.mmu.base, self.cpu.access, flush, *core[:PSR], real_psr(core[PSR]))
        self.monitor.reply(self.cell, STATE.pack(*(word & WORD for word in state)))

    def tell(self, core: tuple[int, ...], what: Return) -> None:
        """The kernel's RUN is over: the process's registers go to their place."""
        operation = "virq" if what.why is Why.INTERRUPT else "exception"
        facts = {"address": what.address} if what.why is Why.FAULT else {}
        self.step(operation, why=what.why.name.lower(), **facts)
        try:
            self.frames.write(self.cpu.block, BLOCK.pack(*core))
        except Refused as refusal:
            raise Crashed(f"no place for the registers of its process: {refusal.why}") from None
        self.go_on(self.cpu.come_back(what))

    def switch(self, root: int) -> None:
        """Into an address space.

        Raises:
            Refused: it can be none.
        """
        before = self.mmu.current
        for gone in self.mmu.enter(root):
            self._leave(gone)
        if before == root:
            return
        entry = self.fass.enter(root) if self.fass else Entry(0)
        self.step("space_switch", root=root, **({"domain": entry.domain} if self.fass else {}))
        if entry.cache_flush:
            self.step("cache_flush", domain=entry.domain)
        if entry.tlb_flush:
            self.step("tlb_flush", domain=entry.domain)

    def forget(self, root: int) -> None:
        """A space as a whole."""
        if self.mmu.forget_space(root):
            self._leave(root)

    def _leave(self, root: int) -> None:
        """Its tag is free. A CPU with identifiers forgets what it knows under that; others do when they give it to somebody."""
        if self.fass:
            self.fass.leave(root)
        else:
            self.step("tlb_flush", root=root)


# ---- calls of the kernel


def run(guest: Guest, told: Told, record: Exit) -> None:
    """RUN: a process goes on, or at once an interrupt that came before."""
    block, root = guest.block(told.registers[0]), told.registers[1]
    core = BLOCK.unpack(guest.monitor.memory.read(guest.cell, block, BLOCK.size))
    guest.switch(root)
    guest.cpu.run(told.registers, block)
    if guest.cpu.take_pending():
        guest.tell(core, Return(Why.INTERRUPT))
    else:
        guest.go_on(core)


def flush_page(guest: Guest, told: Told, record: Exit) -> None:
    """FLUSH_PAGE."""
    if guest.mmu.forget_page(told.registers[0], told.registers[1]):
        guest.step("unmap", root=told.registers[0], address=told.registers[1])
    _answer(guest, told)


def flush_space(guest: Guest, told: Told, record: Exit) -> None:
    """FLUSH_SPACE."""
    guest.forget(told.registers[0])
    _answer(guest, told)


def alarm(guest: Guest, told: Told, record: Exit) -> None:
    """ALARM."""
    time = told.registers[1] << 32 | told.registers[0]
    guest.set_alarm(NEVER if time == NO_ALARM else time)
    _answer(guest, told)


def wait(guest: Guest, told: Told, record: Exit) -> None:
    """WAIT: the answer is that something happened, perhaps already, or that the vCPU knows when."""
    if guest.cpu.take_pending():
        guest.step("virq", why="end of a wait")
        _answer(guest, told)
        return
    guest.cpu.woken_at = told.registers[PC]
    if any(event.kind == EventKind.NOTIFY for event in guest.cell.vcpu.events):
        _answer(guest, told)
    else:
        guest.monitor.suspend(guest.cell, "okl4 wait", record.deadline, lambda: Status.OK, lambda: Status.OK)


def _answer(guest: Guest, told: Told) -> None:
    guest.go_on((Status.OK, *told.registers[1:]))


CALLS: dict[int, Callable[[Guest, Told, Exit], None]] = {
    DoorCall.RUN: run,
    DoorCall.FLUSH_PAGE: flush_page,
    DoorCall.FLUSH_SPACE: flush_space,
    DoorCall.ALARM: alarm,
    DoorCall.WAIT: wait,
}


class Door:
    """All cells of a board whose kernels come in here."""

    def __init__(self, monitor: Monitor, wiring: Wiring) -> None:
        self._monitor, self._wiring = monitor, wiring
        self.guests: dict[int, Guest] = {}

    def reserved(self, cell: Cell) -> int:
        """Bytes at the end of the cell's RAM that its virtual MMU keeps."""
        if cell.index not in self._wiring.paravirtual:
            return 0
        frames = GuestFrames(self._monitor, cell)
        return frames.base + cell.params.ram - frames.end

    def born(self, cell: Cell) -> None:
        """A life begins, with nothing but an empty CPU."""
        if cell.index in self._wiring.paravirtual:
            self.guests[cell.index] = Guest(self._monitor, cell, self._wiring)

    def ended(self, cell: Cell) -> None:
        """It is gone, and its memory with it."""
        guest = self.guests.pop(cell.index, None)
        if guest is not None:
            guest.drop_alarm()

    def exception(self, cell: Cell, record: Exit) -> int:
        """Serve one exit.

        Raises:
            Refused: the cell has no such kernel, or says what no CPU says.
        """
        guest = self.guests.get(cell.index)
        if guest is None:
            raise Refused(Status.WRONG_STATE, "an exception of a cell that is not paravirtual")
        told = Told.unpack(record.data)
        try:
            self._serve(guest, told, record)
        except Crashed as crash:
            fail(self._monitor, cell, f"guest fault: {crash}{blame(self._monitor, cell, told.trap, told.registers)}")
        return Status.OK

    def problems(self) -> list[str]:
        """What contradicts itself."""
        found = [problem for guest in self.guests.values() if guest.started for problem in guest.mmu.problems()]
        dead = [cell.name for cell in self._monitor.cells if cell.ended and cell.index in self.guests]
        return found + [f"okl4: {name} has ended and still has a virtual CPU" for name in dead]

    # ---- one exception

    def _serve(self, guest: Guest, told: Told, record: Exit) -> None:
        if told.trap is Trap.START:
            self._start(guest, told)
        elif told.trap is Trap.IRQ and guest.cpu.kernel is None:
            if not guest.cpu.keep(told):
                guest.step("virq", why="end of a wait")
            guest.go_on(told.registers)
        elif guest.cpu.kernel is None:
            self._of_the_kernel(guest, told, record)
        else:
            self._of_a_process(guest, told)

    @staticmethod
    def _start(guest: Guest, told: Told) -> None:
        if guest.started:
            raise Crashed("its CPU was started twice")
        try:
            guest.build()
        except Refused as refusal:
            raise Crashed(f"there is no room for its page tables: {refusal.why}") from None
        guest.go_on(told.registers)

    def _of_the_kernel(self, guest: Guest, told: Told, record: Exit) -> None:
        guest.cpu.woken_at = None
        if told.trap is not Trap.SWI:
            raise Crashed(f"the kernel came to {told.story()}")
        call = CALLS.get(told.immediate)
        name = DoorCall(told.immediate).name.lower() if call else f"svc {told.immediate}"
        guest.step("hypercall", call=name)
        try:
            if call is None:
                raise Refused(Status.UNKNOWN_CALL, f"svc #{told.immediate} of the kernel is no hypercall")
            call(guest, told, record)
        except Refused as refusal:
            self._monitor.refused(guest.cell, f"okl4 {name}", str(refusal))
            guest.go_on((refusal.status, *told.registers[1:]))

    def _of_a_process(self, guest: Guest, told: Told) -> None:
        what = returned(told, tells=guest.layout is TableFormat.MODERN)
        if told.trap in ABORTS and what.why is Why.FAULT and self._mended(guest, what):
            guest.go_on(told.registers)
        else:
            guest.tell(told.registers, what)

    def _mended(self, guest: Guest, what: Return) -> bool:
        """Whether that was a miss of the virtual TLB, and no more."""
        try:
            fill = guest.mmu.resolve(what.address)
        except Refused as refusal:
            self._monitor.refused(guest.cell, "okl4 page table", refusal.why)
            return False
        if fill is None:
            return False
        guest.step("vtlb", address=what.address & -PAGE, writable=int(fill.page.writable))
        for _, virtual in fill.evicted:
            guest.step("unmap", address=virtual, why="evicted")
        return fill.page.writable or what.access != Access.WRITE
