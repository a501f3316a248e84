"""A de-privileged CPU: user mode with the MMU on, every exception to whoever runs it, and tables that only the monitor makes.

The tables are those of direct paging (hypervisor/core/xen/paging.py), as this CPU reads them.
"""

from __future__ import annotations

import pytest

from cells.engines.arm import Stop
from hypervisor.abi.pv import KERNEL_ACCESS, PAGE, USER_ACCESS, Pte, TableFormat, Trap
from hypervisor.core.xen.paging import FrameType, PageTables
from tests.support.arm import V7, Bench

MODELS = ("926", "PXA255", "1136", "1176", *V7)
RAM = 1 << 20
L1, L2 = 0xF_C000, 0xF_B000
CODE, DATA, KERNEL, UNMAPPED = 0x1000, 0x2000, 0x3000, 0x9000
USER = 0x0010_0000
"""Where the pages are that user processes reach: the same ones, 1 MiB up."""
READ_ONLY_STATUS, DOMAIN_STATUS, TRANSLATION_STATUS, SECTION_STATUS = 0xF, 0xB, 0x7, 0x5
STATUS = 0x40F
"""The code of a fault, without the domain and whether it was a write (DDI 0406C, B3.13.3)."""
RW, RO = Pte.PRESENT | Pte.WRITE, Pte.PRESENT


class Guest(Bench):
    """Pages at 1, 2, 3 in the kernel's first MiB, and in the user's second."""

    def __init__(self, model: str) -> None:
        super().__init__(model)
        self.ram[:] = bytes(RAM)
        self.tables = PageTables(self, TableFormat.MODERN if model in V7 else TableFormat.LEGACY)
        self.tables.pin(FrameType.L1, L1)
        self.tables.pin(FrameType.L2, L2)
        self.tables.update(L1, L2 | RO)
        self.tables.update(L1 + 4, L2 + 0x400 | RO | Pte.USER)
        for page in (CODE, DATA, KERNEL):
            self.map(page, page | RW)
        self.map(L2, L2 | RO)
        for page in (CODE, DATA):
            self.map(USER + page, page | RW)
        self.tables.new_base(L1)

    def map(self, virtual: int, entry: int) -> None:
        self.tables.update(L2 + virtual // PAGE * 4, entry)

    def start(self, source: str, *, access: int, at: int = CODE, thumb: bool = False) -> Stop:
        self.load(CODE, source, thumb=thumb)
        self.engine.reset(at | thumb)
        self.engine.deprivilege()
        self.engine.write_register("PC", at | thumb)
        self.engine.enter_space(L1, access)
        return self.go()

    def go(self) -> Stop:
        self.engine.vcpu.limit = self.engine.cycles + 100_000
        return self.engine.run()

    # ---- paging.Frames

    def is_own(self, address: int) -> bool:
        return address < RAM

    def is_shared(self, address: int) -> bool:
        return False

    def was_granted(self, address: int, *, writable: bool) -> bool:
        return False

    def is_empty(self, address: int) -> bool:
        return not any(self.ram[address : address + PAGE])

    def store(self, address: int, word: int) -> None:
        self.ram[address : address + 4] = word.to_bytes(4, "little")

    def clear(self, address: int) -> None:
        self.ram[address : address + PAGE] = bytes(PAGE)


@pytest.fixture(params=MODELS)
def guest(request: pytest.FixtureRequest) -> Guest:
    return Guest(request.param)


def trapped(guest: Guest) -> tuple[int, int, int, int]:
    kind, address, status = guest.engine.trap()
    return kind, guest.engine.pc, address, status & STATUS


def test_an_svc_ends_the_run_behind_it_and_enters_nothing(guest: Guest) -> None:
    assert guest.start("mov r0, #5; svc #7; add r0, r0, #1; svc #8", access=KERNEL_ACCESS) is Stop.EXCEPTION
    assert trapped(guest)[:2] == (Trap.SWI, CODE + 8)
    assert guest.engine.cpsr & 0x1F == 0x10
    assert guest.go() is Stop.EXCEPTION
    assert (guest.engine.read_register("R0"), guest.engine.pc) == (6, CODE + 16)
    assert guest.engine.insns == 4


def test_thumb_code_is_left_the_same_way(guest: Guest) -> None:
    assert guest.start("movs r0, #5; svc #7", access=KERNEL_ACCESS, thumb=True) is Stop.EXCEPTION
    assert trapped(guest)[:2] == (Trap.SWI, CODE + 4)
    assert guest.engine.cpsr & 0x20


@pytest.mark.parametrize("source", ["udf #1", "mcr p15, 0, r0, c2, c0, 0", "mcr p15, 0, r0, c3, c0, 0"])
def test_a_privileged_instruction_is_undefined(guest: Guest, source: str) -> None:
    assert guest.start(f"nop; {source}", access=KERNEL_ACCESS) is Stop.EXCEPTION
    assert trapped(guest)[:2] == (Trap.UNDEFINED, CODE + 4)


def test_a_mode_change_does_nothing(guest: Guest) -> None:
    assert guest.start("msr cpsr_c, #0xd3; mrs r1, cpsr; svc #0", access=KERNEL_ACCESS) is Stop.EXCEPTION
    assert guest.engine.read_register("R1") & 0x1F == 0x10
    assert trapped(guest)[0] == Trap.SWI


def test_a_store_into_the_live_page_table_faults(guest: Guest) -> None:
    before = bytes(guest.ram[L2 : L2 + PAGE])
    source = f"ldr r0, =0xffffffff; ldr r1, ={L2:#x}; ldr r2, [r1, #4]; str r0, [r1, #4]; b ."
    assert guest.start(source, access=KERNEL_ACCESS) is Stop.EXCEPTION
    assert trapped(guest) == (Trap.DATA_ABORT, CODE + 12, L2 + 4, READ_ONLY_STATUS)
    assert guest.engine.read_register("R2") == int.from_bytes(before[4:8], "little"), "it may read it"
    assert bytes(guest.ram[L2 : L2 + PAGE]) == before


def test_what_is_not_mapped_faults_for_loads_and_fetches(guest: Guest) -> None:
    assert guest.start(f"mov r1, #{UNMAPPED:#x}; ldr r0, [r1]", access=KERNEL_ACCESS) is Stop.EXCEPTION
    assert trapped(guest) == (Trap.DATA_ABORT, CODE + 4, UNMAPPED, TRANSLATION_STATUS)
    assert guest.start(f"mov r1, #{UNMAPPED:#x}; bx r1", access=KERNEL_ACCESS) is Stop.EXCEPTION
    assert trapped(guest) == (Trap.PREFETCH_ABORT, UNMAPPED, UNMAPPED, TRANSLATION_STATUS)


@pytest.mark.parametrize("offset", [0x000, 0x400, 0x800, 0xFFC])
def test_all_of_a_page_is_as_its_entry_says(guest: Guest, offset: int) -> None:
    assert (
        guest.start(f"ldr r1, ={DATA + offset:#x}; str r1, [r1]; svc #1; b .", access=KERNEL_ACCESS) is Stop.EXCEPTION
    )
    assert trapped(guest)[0] == Trap.SWI
    assert (
        guest.start(f"ldr r1, ={L2 + offset:#x}; ldr r0, [r1]; str r1, [r1]; b .", access=KERNEL_ACCESS)
        is Stop.EXCEPTION
    )
    assert trapped(guest) == (Trap.DATA_ABORT, CODE + 8, L2 + offset, READ_ONLY_STATUS)


def test_a_user_process_does_not_reach_its_kernel(guest: Guest) -> None:
    source = f"mov r1, #{USER:#x}; ldr r0, [r1, #{DATA - 0x1000:#x}]; mov r1, #{KERNEL:#x}; ldr r0, [r1]"
    source = f"ldr r1, ={USER + DATA:#x}; ldr r0, [r1]; ldr r1, ={KERNEL:#x}; ldr r0, [r1]; b ."
    assert guest.start(source, access=USER_ACCESS, at=USER + CODE) is Stop.EXCEPTION
    assert trapped(guest) == (Trap.DATA_ABORT, USER + CODE + 12, KERNEL, DOMAIN_STATUS)


def test_the_same_access_passes_as_soon_as_the_kernels_mode_is_entered(guest: Guest) -> None:
    source = f"ldr r1, ={KERNEL:#x}; ldr r0, [r1]; svc #1; b ."
    guest.ram[KERNEL : KERNEL + 4] = b"abcd"
    assert guest.start(source, access=USER_ACCESS, at=USER + CODE) is Stop.EXCEPTION
    assert trapped(guest)[0] == Trap.DATA_ABORT
    guest.engine.enter_space(L1, KERNEL_ACCESS)
    assert guest.go() is Stop.EXCEPTION
    assert trapped(guest)[0] == Trap.SWI
    assert guest.engine.read_register("R0") == int.from_bytes(b"abcd", "little")
    guest.engine.enter_space(L1, USER_ACCESS)
    guest.engine.write_register("PC", USER + CODE + 4)
    assert guest.go() is Stop.EXCEPTION
    assert trapped(guest) == (Trap.DATA_ABORT, USER + CODE + 4, KERNEL, DOMAIN_STATUS)


def test_a_page_that_was_mapped_after_the_fault_is_there(guest: Guest) -> None:
    source = f"ldr r1, ={UNMAPPED:#x}; mov r0, #1; str r0, [r1]; svc #1; b ."
    assert guest.start(source, access=KERNEL_ACCESS) is Stop.EXCEPTION
    assert trapped(guest)[:2] == (Trap.DATA_ABORT, CODE + 8)
    guest.map(UNMAPPED, 0x5000 | RW)
    assert guest.go() is Stop.EXCEPTION
    assert trapped(guest)[0] == Trap.SWI
    assert guest.ram[0x5000] == 1


def test_a_page_that_is_taken_away_is_gone_after_a_flush(guest: Guest) -> None:
    source = f"ldr r1, ={DATA:#x}; ldr r0, [r1]; svc #1; ldr r0, [r1]; svc #2; b ."
    assert guest.start(source, access=KERNEL_ACCESS) is Stop.EXCEPTION
    guest.map(DATA, 0)
    guest.engine.flush_tlb()
    assert guest.go() is Stop.EXCEPTION
    assert trapped(guest) == (Trap.DATA_ABORT, CODE + 12, DATA, TRANSLATION_STATUS)


def test_other_code_at_the_same_address_is_executed_after_the_map_has_changed(guest: Guest) -> None:
    guest.load(DATA, "mov r0, #2; svc #2; b .")
    assert guest.start("mov r0, #1; svc #1; b .", access=KERNEL_ACCESS) is Stop.EXCEPTION
    guest.map(CODE, DATA | RW)
    guest.engine.flush_tlb()
    guest.engine.write_register("PC", CODE)
    assert guest.go() is Stop.EXCEPTION
    assert guest.engine.read_register("R0") == 2


def test_exceptions_cost_what_they_cost_everywhere(guest: Guest) -> None:
    guest.start("svc #7", access=KERNEL_ACCESS)
    assert guest.engine.cycles == 2, "the instruction and the exception"


def test_a_reset_gives_the_privileges_back(guest: Guest) -> None:
    guest.start("svc #7", access=KERNEL_ACCESS)
    guest.engine.reset(0)
    assert guest.engine.cpsr & 0x1F == 0x13
    assert guest.engine.vcpu.deprivileged == 0
