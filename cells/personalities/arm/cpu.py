"""The CPU of the personality: one ARM engine in user mode, which enters one address space or another.

    cpu = Cpu(spec, ram)
    cpu.enter(space.base, process.core, process.thread_pointer)
    if cpu.run() == EXCEPTION:          # before `cpu.vcpu.limit` cycles
        *arguments, _, number = cpu.call()
        cpu.answer(result)

Theory: an exception ends the run and enters nothing (engines/arm.py, deprivilege). Registers stay in the CPU between runs of the
same process: a system call needs eight of them and changes one, so that `read` and `write` of all are seldom needed. What is
done for each call is one function of C (`vcpu_run_calls`): the last answer, the run, and the registers of the next call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from struct import Struct
from typing import NamedTuple

from cells.engines.arm import ArmEngine, Stop, Trap
from cells.engines.counting import Tally
from cells.engines.faults import Patient, suffer
from cells.engines.native._native import ffi, lib
from cells.fault import GuestFault
from cells.memory import CellMemory
from cells.personalities.arm.frames import Frames, Tables, divide
from cells.personalities.arm.spec import ArmSpec
from hypervisor.abi.descriptors import page_descriptor, table_descriptor
from hypervisor.abi.memory import WINDOW_BASE, WINDOW_SIZE
from hypervisor.abi.pv import CORE, PAGE, SECTION, USER_ACCESS, TableFormat

PSR_KEPT = 0xF80F_0220 | 0x0600_FC00
"""What a program may set of its status by a signal's frame: flags, Q, GE, E, IT and the state."""
USER_MODE = 0x10
EXCEPTION = int(Stop.EXCEPTION)
_MARK = int(Stop.MARK)
_FAULTS = (int(Stop.FAULT), int(Stop.HVC))
_CALL = Struct("8I")
NO_ANSWER = -1
ALL_ONES = (1 << 64) - 1


class Helpers(NamedTuple):
    """A page of the personality's own code that every space has, to read and execute: where, its content, and the offset in it
    of the word that `Cpu.set_thread_pointer` writes."""

    address: int
    content: bytes
    thread_word: int = 0


class Cpu:
    """The engine, and the tables of the page that all spaces have."""

    def __init__(self, spec: ArmSpec, ram: object, shared: CellMemory | None = None) -> None:
        """`shared`: the window in which pages of other cells come and go; processes can be given them."""
        self.engine = ArmEngine(spec.unicorn_model, spec.cycles, code_buffer=spec.code_buffer)
        self.vcpu = self.engine.vcpu
        self.engine.map_ram(spec.ram_base, ram, spec.ram_size)
        if shared is not None:
            self.engine.map_window(WINDOW_BASE, shared.window, WINDOW_SIZE)
            shared.on_change = self.engine.change_window
        self.tally = Tally(self.engine, spec.counting) if spec.counting is not None else None
        self.on_mark: Callable[[int, int, bytes], None] = _ignore
        """Who hears of marks: identity, turns, counts."""
        self.engine.reset(spec.ram_base)
        self.engine.warm_up()
        self.engine.deprivilege()
        self.vcpu.quick = int(shared is None)  # its tables lead to RAM and nowhere else
        self.layout = TableFormat(spec.layout)
        self._has_thread_register = spec.architecture[:2] != "v5" and self.engine.read_cp15(13, 0, 0, 3) is not None
        self.tells_stores = spec.architecture[:2] != "v5"
        """Whether the status of an abort says that it was a store."""
        self._core = ffi.new(f"uint32_t[{CORE}]")
        self._registers = ffi.buffer(self._core)
        self._answer = NO_ANSWER
        self._has_all = True
        self.call_charge = 0
        """Cycles that each system call takes."""
        self._open = ffi.new("uint64_t[2]", [ALL_ONES, 0])
        self._base = 0
        self._stale = False
        self._patient, self._faults = Patient(self.engine, ram, spec.ram_base), list[bytes]()

    def share(self, spec: ArmSpec, ram: object, helpers: Helpers) -> tuple[Frames, Tables, dict[int, int]]:
        """The RAM divided, and the words of the first level that every space has: the page of helpers."""
        frames, tables = divide(ram, spec.ram_base, spec.own_size, spec.ram_base + PAGE)  # type: ignore[arg-type]
        frames.written = self.engine.dma_written
        page = frames.take()
        frames.fill(page, helpers.content)
        table = tables.second_level()
        index = helpers.address % SECTION // PAGE
        tables.words[tables.index(table) + index] = page_descriptor(self.layout, page, writable=False)
        self._thread_word = (page + helpers.thread_word - spec.ram_base) >> 2
        self._words = tables.words
        return frames, tables, {helpers.address // SECTION: table_descriptor(self.layout, table, user=True)}

    # ---- time

    @property
    def cycles(self) -> int:
        """Cycles run and charged so far."""
        return self.vcpu.cycles  # type: ignore[no-any-return]

    def charge(self, cycles: int) -> None:
        """The kernel takes time as well."""
        self.vcpu.cycles += cycles

    # ---- processes

    def stale(self) -> None:
        """Tables have changed so that the TLB may be wrong."""
        self._stale = True

    def enter(self, base: int, core: Sequence[int], thread_pointer: int) -> None:
        """Go on as this process."""
        self.set_thread_pointer(thread_pointer)
        if base != self._base:
            self._base = base
            self.engine.enter_space(base, USER_ACCESS)
        lib.vcpu_write_exclusive(self.vcpu, self._open)
        self.write(core)

    def set_thread_pointer(self, pointer: int) -> None:
        """For the program that runs now: where its threads' data is."""
        self._words[self._thread_word] = pointer
        if self._has_thread_register:
            self.engine.write_cp15(13, 0, 0, 3, pointer)

    def write(self, core: Sequence[int]) -> None:
        """All registers; of the status only what a program may have."""
        self._answer, self._has_all = NO_ANSWER, True
        self._core[0:CORE] = core
        self._core[CORE - 1] = core[CORE - 1] & PSR_KEPT | USER_MODE
        lib.vcpu_write_core(self.vcpu, self._core)

    def read(self) -> list[int]:
        """All registers, as they were when the last run ended; r0 as it was answered since."""
        if not self._has_all:
            lib.vcpu_read_core(self.vcpu, self._core)
            self._has_all = True
            if self._answer != NO_ANSWER:
                self._core[0] = self._answer
        registers: list[int] = ffi.unpack(self._core, CORE)
        return registers

    def run(self) -> int:
        """Run as whoever was entered, until an exception (`EXCEPTION`) or the limit.

        Raises:
            GuestFault: the engine cannot go on.
        """
        vcpu = self.vcpu
        if self._stale:
            self._settle()
        self._has_all = False
        stop: int = lib.vcpu_run_calls(vcpu, self._core, self._answer, self.call_charge)
        self._answer = NO_ANSWER
        if stop == _MARK and self.tally is not None:
            self.on_mark(*self.engine.mark, self.tally.packed())
        if stop in _FAULTS:
            code, pc, address, text = self.engine.fault()
            raise GuestFault(code, pc, address, text)
        return stop

    def _settle(self) -> None:
        """What was put off until the CPU runs again."""
        self._stale = False
        lib.vcpu_flush_tlb(self.vcpu)
        if self._faults:
            if self._answer != NO_ANSWER:
                self.engine.write_register("R0", self._answer & 0xFFFF_FFFF)
                self._answer = NO_ANSWER
            suffer(self._patient, self._faults)

    def suffer(self, faults: list[bytes]) -> None:
        """Injected faults (cells/engines/faults.py): they strike who runs next."""
        self._faults += faults
        faults.clear()
        self._stale = True

    def call(self) -> tuple[int, ...]:
        """r0..r7: a system call's arguments, something, and its number."""
        return _CALL.unpack_from(self._registers)

    def answer(self, word: int) -> None:
        """r0, of who is in the CPU."""
        self._answer = word
        if self._has_all:
            self._core[0] = word

    def trap(self) -> Trap:
        """The exception that ended the run."""
        return self.engine.trap()


def _ignore(_identity: int, _times: int, _counts: bytes) -> None:
    """Nobody wants to hear of marks."""
