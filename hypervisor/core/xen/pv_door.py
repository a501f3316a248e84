"""The front door `pv`: exceptions of paravirtual vCPUs come in here, hypercalls among them, and where to go on goes out.

Theory: an exit EXCEPTION says why the CPU left user mode. The mode that the monitor remembers decides what it means: an `svc` of
the kernel is a hypercall, everything else is handed to the kernel by upcall. Before the vCPU goes on, a virtual interrupt that is
due and not held back is handed on too. What the vCPU's process says of itself is believed of itself alone: modes, tables and
stacks are known here, and addresses are looked up in the tables that were validated here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from hypervisor.abi.pv import (
    L1_SIZE,
    L2_SIZE,
    PAGE,
    SECTION,
    STATE,
    TRAP,
    Pte,
    PvCall,
    TableFormat,
    Trap,
)
from hypervisor.abi.records import Exit
from hypervisor.abi.status import Status
from hypervisor.core.cell import Cell
from hypervisor.core.deprivileged import Told, blame
from hypervisor.core.errors import Refused
from hypervisor.core.lives import fail
from hypervisor.core.xen.domains import Domain
from hypervisor.core.xen.errors import XenError
from hypervisor.core.xen.paging import FrameType, PageTables
from hypervisor.core.xen.pv import Context, GuestCrashed, Mode, PvCpu, real_psr
from hypervisor.core.xen.pv_memory import DomainFrames, VirtualMemory
from hypervisor.core.xen.translation_costs import TranslationCosts

if TYPE_CHECKING:
    from hypervisor.core.xen.hypervisor import XenHypervisor

WORD = 0xFFFF_FFFF


class Entry(NamedTuple):
    """What an exit EXCEPTION says."""

    trap: Trap
    immediate: int
    at: Context
    fault_address: int
    fault_status: int
    registers: tuple[int, ...]
    """r0..r12."""

    @classmethod
    def unpack(cls, data: bytes) -> Entry:
        """Raises:
        Refused: no honest vCPU says that.
        """
        if len(data) != TRAP.size:
            raise Refused(Status.BAD_ARGUMENT, f"an exception of {len(data)} bytes")
        trap, immediate, far, fsr, *core = TRAP.unpack(data)
        if trap not in iter(Trap):
            raise Refused(Status.BAD_ARGUMENT, f"no exception {trap}")
        *registers, sp, lr, pc, psr = core
        at = Context(pc, psr, sp, lr, registers[0], registers[1], tuple(registers[2:]))
        return cls(Trap(trap), immediate, at, far, fsr, tuple(registers))


class PvDomain:
    """A domain whose kernel came in by this door: its virtual CPU, its page tables, its memory by virtual address."""

    def __init__(self, xen: XenHypervisor, domain: Domain, layout: TableFormat) -> None:
        self.xen, self.domain = xen, domain
        self._frames = DomainFrames(xen.monitor, domain)
        self.tables = PageTables(self._frames, layout)
        self.memory = VirtualMemory(xen.monitor, domain.cell, self.tables)
        self.cpu = PvCpu(self.step, self.memory)
        params = xen.wiring.tlbs.get(domain.cell.index)
        self.translations = TranslationCosts(params, self.step) if params else None
        self.waits = False
        """In a call; that it came back from it is known at its next exception only."""

    def step(self, operation: str, /, *, times: int = 1, **facts: int | str) -> None:
        """A step of the mechanism on behalf of this domain."""
        self.xen.monitor.step(self.domain.cell, operation, times=times, **facts)

    def build(self) -> int:
        """What a domain builder does: an address space in which all memory of the domain lies from its virtual base on, for the
        kernel alone; the tables themselves, in its last pages, read-only. The address of the first-level table.

        Raises:
            XenError: the memory is too small, or something lies where the tables go.
        """
        base, size = self.xen.monitor.frames.base, self.domain.cell.params.ram
        up = self.xen.wiring.virtual_bases.get(self.domain.cell.index, base) - base
        sections = _sections(base + up, size)
        l2, l1 = table_places(base, size, len(sections))
        self.tables.pin(FrameType.L1, l1)
        for page in range(l2, l1, PAGE):
            self.tables.pin(FrameType.L2, page)
        with self._frames.whole_pages():
            for number, section in enumerate(sections):
                self.tables.update(l1 + section // SECTION * 4, l2 + number * L2_SIZE | Pte.PRESENT)
            for page in range(base, base + size, PAGE):
                rights = Pte.PRESENT if self.tables.is_table(page) else Pte.PRESENT | Pte.WRITE
                self.tables.update(l2 + (page + up - sections.start) // PAGE * 4, page | rights)
        self.tables.new_base(l1)
        return l1


def _sections(virtual: int, size: int) -> range:
    """The virtual addresses of the MiB that memory of such a size lies in."""
    return range(virtual & -SECTION, virtual + size, SECTION)


def table_places(base: int, size: int, sections: int) -> tuple[int, int]:
    """Where the domain builder puts the tables of a domain: second-level tables, then the first-level one, at the end."""
    l1 = (base + size - L1_SIZE) & -L1_SIZE
    return l1 - -(-sections * L2_SIZE // PAGE) * PAGE, l1


PvCallHandler = Callable[[PvDomain, Entry, Exit], Context]
"""(caller, what its CPU says, the exit) -> where it goes on; raises `XenError` or `Refused` for an honest no."""


class PvDoor:
    """All paravirtual domains of a board. `formats`: the table format of the CPU of each cell that comes in here, by index;
    `calls`: what their kernels may ask for (pv_calls.py).
    """

    def __init__(self, xen: XenHypervisor, formats: Mapping[int, int], calls: Mapping[int, PvCallHandler]) -> None:
        self._xen = xen
        self._calls = calls
        self._formats = formats
        self.domains: dict[int, PvDomain] = {}
        xen.memory.forbids = self.forbids

    def serves(self, cell: Cell) -> bool:
        """Whether the cell's kernel comes in here."""
        return cell.index in self._formats

    def reserved(self, cell: Cell) -> int:
        """Bytes at the end of a cell's memory that the domain builder fills with tables."""
        if not self.serves(cell):
            return 0
        base, size = self._xen.monitor.frames.base, cell.params.ram
        virtual = self._xen.wiring.virtual_bases.get(cell.index, base)
        return base + size - table_places(base, size, len(_sections(virtual, size)))[0]

    def born(self, domain: Domain) -> None:
        """A domain begins a life; if it is one of ours, with nothing but an empty CPU."""
        if self.serves(domain.cell):
            layout = TableFormat(self._formats[domain.cell.index])
            self.domains[domain.cell.index] = own = PvDomain(self._xen, domain, layout)
            domain.table_pages = own.tables.table_pages

    def ended(self, domain: Domain) -> None:
        """It is gone, and its memory with it: there are no tables any more."""
        self.domains.pop(domain.cell.index, None)

    def forbids(self, cell: Cell, address: int, length: int) -> bool:
        """Whether the monitor must not write there on a guest's word: into a page table."""
        own = self.domains.get(cell.index)
        if own is None:
            return False
        return any(own.tables.is_table(page) for page in range(address & -PAGE, address + max(length, 1), PAGE))

    def exception(self, cell: Cell, record: Exit) -> int:
        """Serve one exit.

        Raises:
            Refused: the cell is not paravirtual, or says what no CPU says.
        """
        own = self.domains.get(cell.index)
        if own is None:
            raise Refused(Status.WRONG_STATE, "an exception of a cell that is not paravirtual")
        entry = Entry.unpack(record.data)
        try:
            self._serve(own, entry, record)
        except GuestCrashed as crash:
            told = Told.unpack(record.data)
            kernel = own.cpu.mode is Mode.KERNEL
            why = blame(self._xen.monitor, cell, told.trap, told.registers) if kernel else ""
            fail(self._xen.monitor, cell, f"guest fault: {crash}{why}")
        return Status.OK

    def problems(self) -> list[str]:
        """What contradicts itself."""
        return [problem for own in self.domains.values() for problem in own.tables.problems()]

    # ---- one exception

    def _serve(self, own: PvDomain, entry: Entry, record: Exit) -> None:
        if entry.trap is Trap.START:
            self._go_on(own, self._start(own, entry), "start")
            return
        if own.waits:
            own.waits = False
            own.cpu.enter("return")
        own.cpu.leave(entry.trap)
        if own.translations:
            own.translations.into_hypervisor()
        if entry.trap is Trap.SWI and own.cpu.mode is Mode.KERNEL:
            context = self._hypercall(own, entry, record)
            if self.domains.get(own.domain.cell.index) is not own or own.domain.cell.vcpu.pending is not None:
                own.waits = True
                return  # it has ended, or waits in the call
            self._go_on(own, context, "return")
        elif entry.trap is Trap.IRQ:
            self._go_on(own, entry.at, "return")
        else:
            if entry.trap in (Trap.PREFETCH_ABORT, Trap.DATA_ABORT):
                own.cpu.note_fault(entry.fault_address, entry.fault_status)
            self._go_on(own, own.cpu.upcall(entry.at, entry.trap), "upcall")

    @staticmethod
    def _start(own: PvDomain, entry: Entry) -> Context:
        """The first instruction: an address space is there, and r0 says where its first-level table is."""
        if own.tables.base is not None:
            raise GuestCrashed("its CPU was started twice")
        try:
            return entry.at._replace(r0=own.build())
        except XenError as error:
            raise GuestCrashed(f"there is no room for its page tables: {error.why}") from None

    def _hypercall(self, own: PvDomain, entry: Entry, record: Exit) -> Context:
        """A call of the kernel; its value is in r0 (and r1)."""
        call = self._calls.get(entry.immediate)
        name = PvCall(entry.immediate).name.lower() if call else f"call {entry.immediate}"
        try:
            if call is None:
                raise Refused(Status.UNKNOWN_CALL, f"svc #{entry.immediate} of the kernel is no hypercall")
            return call(own, entry, record)
        except XenError as error:
            self._xen.monitor.refused(own.domain.cell, f"pv {name}", str(error))
            return entry.at._replace(r0=-error.errno & WORD)
        except Refused as refusal:
            self._xen.monitor.refused(own.domain.cell, f"pv {name}", str(refusal))
            return entry.at._replace(r0=refusal.status & WORD)

    def _go_on(self, own: PvDomain, context: Context, why: str) -> None:
        """Into the guest: by an upcall if an interrupt is due."""
        if self._interrupt_due(own):
            context, why = own.cpu.upcall(context, Trap.IRQ), "upcall"
        if why != "start":
            own.cpu.enter(why)
        if own.translations:
            own.translations.into_guest(own.tables.user_pages())
        flush, own.tables.stale = own.tables.stale, False
        core = (context.r0, context.r1, *context.rest, context.sp, context.lr, context.pc, real_psr(context.psr))
        words = (own.tables.base or 0, own.cpu.access, flush, *core)
        state = STATE.pack(*(word & WORD for word in words))
        self._xen.monitor.reply(own.domain.cell, state)

    def _interrupt_due(self, own: PvDomain) -> bool:
        if own.cpu.masked or own.cpu.vectors is None or own.domain.shared_info is None:
            return False
        try:
            return self._xen.channels.deliverable(own.domain)
        except XenError:  # its page is gone
            return False
