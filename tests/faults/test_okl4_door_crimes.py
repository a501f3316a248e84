"""Crimes of a kernel without privileges under the microvisor: refused, its process's fault, or the end of its cell alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hypervisor.abi.memory import PAGE, WINDOW_BASE
from hypervisor.abi.okl4_door import BLOCK, ROOT_SIZE, USER_END, DoorCall, Why
from hypervisor.abi.pv import TRAP, Pte, Trap
from hypervisor.abi.records import Exit, ExitKind
from hypervisor.abi.status import Status
from hypervisor.core.cell import CellState
from hypervisor.core.exits import EXITS
from hypervisor.core.okl4.door import RESERVED
from tests.support.okl4_door import (
    BASE,
    FAULT,
    FRAME,
    RAM,
    READ,
    REGISTERS,
    RO,
    ROOT,
    RW,
    TABLE,
    VIRTUAL,
    DoorLab,
    Kernel,
)

CODE = 0x8000
USABLE = RAM - RESERVED
LAST = BASE + USABLE
"""The first address that is reserved."""
PRIVILEGED = sorted({*range(0x20)} - {0x10})


@pytest.fixture
def lab() -> Iterator[DoorLab]:
    lab = DoorLab()
    yield lab
    lab.settle()
    lab.monitor.check_invariants()
    assert lab.other.state is not CellState.FAILED


@pytest.fixture
def kernel(lab: DoorLab) -> Kernel:
    return lab.kernel.boot()


def tables_of(kernel: Kernel) -> bytes:
    return kernel.peek(LAST, RESERVED)


# ---- RUN


@pytest.mark.parametrize(
    "at",
    [
        pytest.param(0, id="null"),
        pytest.param(CODE, id="a process's address"),
        pytest.param(VIRTUAL - 4, id="before its RAM"),
        pytest.param(VIRTUAL + USABLE, id="in the tables"),
        pytest.param(VIRTUAL + USABLE - BLOCK.size + 4, id="reaching into the tables"),
        pytest.param(VIRTUAL + RAM, id="behind its RAM"),
        pytest.param(0xE000_0000, id="in the window"),
        pytest.param(0xE200_0000, id="in the hypercall page"),
        pytest.param(0xFFFF_FFFC, id="at the end of the world"),
        pytest.param(REGISTERS + 1, id="unaligned"),
        pytest.param(REGISTERS + 2, id="half aligned"),
    ],
)
def test_registers_of_a_process_lie_in_ram_of_the_kernel_or_nowhere(kernel: Kernel, at: int) -> None:
    before = tables_of(kernel)
    assert kernel.call(DoorCall.RUN, at, ROOT) == Status.BAD_ARGUMENT
    assert kernel.state.in_kernel and tables_of(kernel) == before


@pytest.mark.parametrize(
    "root",
    [
        pytest.param(0, id="null"),
        pytest.param(BASE - PAGE, id="before its RAM"),
        pytest.param(LAST, id="in the tables"),
        pytest.param(LAST - ROOT_SIZE + PAGE, id="reaching into the tables"),
        pytest.param(BASE + RAM, id="behind its RAM"),
        pytest.param(WINDOW_BASE, id="in the window"),
        pytest.param(0xFFFF_F000, id="at the end of the world"),
        pytest.param(ROOT + 4, id="unaligned"),
        pytest.param(VIRTUAL, id="a virtual address"),
    ],
)
def test_a_page_table_lies_in_ram_of_the_guest_or_nowhere(lab: DoorLab, kernel: Kernel, root: int) -> None:
    assert kernel.call(DoorCall.RUN, REGISTERS, root) == Status.BAD_ARGUMENT
    assert kernel.state.in_kernel and lab.counted("space_switch") == 0
    for flush in (DoorCall.FLUSH_PAGE, DoorCall.FLUSH_SPACE):
        assert kernel.call(flush, root, CODE) == 0, "nothing is known of it"


@pytest.mark.parametrize("mode", PRIVILEGED)
def test_a_privileged_psr_is_not_to_be_had(kernel: Kernel, mode: int) -> None:
    assert kernel.run(ROOT, *(0,) * 16, mode | 0xFFFF_FFE0) == 0
    psr = kernel.state.core[16]
    assert psr & 0x1F == 0x10
    assert not psr & 0x1C0, "A, I, F"
    assert not psr & 0x0100_0000, "J"


def test_a_run_in_a_run_is_a_system_call(lab: DoorLab, kernel: Kernel) -> None:
    kernel.run()
    kernel.trap(Trap.SWI, DoorCall.RUN, REGISTERS, ROOT)
    assert kernel.told() == (Why.SYSTEM_CALL, 0, 0)
    assert lab.counted("hypercall") == 1


@pytest.mark.parametrize("immediate", [0, *range(6, 10), 0xFF, 0xFF_FFFF])
def test_a_call_that_there_is_not_is_refused(kernel: Kernel, immediate: int) -> None:
    assert kernel.call(immediate) == Status.UNKNOWN_CALL


def test_alarms_do_not_pile_up(lab: DoorLab, kernel: Kernel) -> None:
    for n in range(1000):
        kernel.call(DoorCall.ALARM, n, 0xFFFF)
    assert len(lab.monitor.alarms) == 1


# ---- page tables

FOREIGN = [
    pytest.param(0, id="null"),
    pytest.param(BASE - PAGE, id="before its RAM"),
    pytest.param(LAST, id="the first of the tables"),
    pytest.param(BASE + RAM - PAGE, id="the last of the tables"),
    pytest.param(BASE + RAM, id="behind its RAM"),
    pytest.param(WINDOW_BASE, id="the window, with nothing in it"),
    pytest.param(0x3F00_0000, id="the hypercall page"),
    pytest.param(0xFFFF_F000, id="the last page"),
]


@pytest.mark.parametrize("frame", FOREIGN)
@pytest.mark.parametrize("flags", [RO, RW])
def test_a_page_that_is_not_the_guests_is_its_processs_fault(
    lab: DoorLab, kernel: Kernel, frame: int, flags: int
) -> None:
    before = tables_of(kernel)
    kernel.map(ROOT, CODE, frame, flags)
    kernel.run()
    mapped = tables_of(kernel)
    assert kernel.touch(CODE) == (FAULT, CODE, READ)
    assert len(lab.kinds("refused")) == 1 and len(lab.mmu) == 0
    assert tables_of(kernel) == mapped != before


@pytest.mark.parametrize("table", FOREIGN)
def test_a_table_that_is_not_the_guests_is_its_processs_fault(lab: DoorLab, kernel: Kernel, table: int) -> None:
    kernel.word(ROOT, table | RO)
    kernel.run()
    assert kernel.touch(CODE) == (FAULT, CODE, READ)
    assert len(lab.kinds("refused")) == 1


@pytest.mark.parametrize("flag", [8, 0x10, 0x100, 0x200])
def test_bits_that_mean_nothing_are_refused(lab: DoorLab, kernel: Kernel, flag: int) -> None:
    kernel.map(ROOT, CODE, FRAME, RW | flag)
    kernel.run()
    assert kernel.touch(CODE) == (FAULT, CODE, READ)
    kernel.map(ROOT, CODE, FRAME, RW)
    kernel.word(ROOT, TABLE | RO | flag)
    kernel.run()
    assert kernel.touch(CODE) == (FAULT, CODE, READ)
    assert len(lab.kinds("refused")) == 2


def test_a_table_that_leads_to_itself_is_two_levels_deep_all_the_same(lab: DoorLab, kernel: Kernel) -> None:
    kernel.word(ROOT, ROOT | RO)
    kernel.run()
    assert kernel.touch(0) == "miss"  # entry 0 is a table of 256 words, and its own first page
    found = kernel.see(0)
    assert found is not None and found.address == ROOT and not found.writable
    assert kernel.touch(PAGE) == (FAULT, PAGE, READ)
    assert lab.counted("vtlb") == 1


def test_a_process_may_write_its_own_table_if_its_kernel_is_so_careless_and_gains_nothing(
    lab: DoorLab, kernel: Kernel
) -> None:
    kernel.map(ROOT, CODE, ROOT, RW)
    kernel.run()
    assert kernel.touch(CODE, store=True) == "miss"
    kernel.word(ROOT + 4, LAST | RO)  # what the process stores there
    assert kernel.touch(1 << 20) == (FAULT, 1 << 20, READ)
    assert len(lab.kinds("refused")) == 1


@pytest.mark.parametrize("virtual", [USER_END, VIRTUAL + 0x8000, 0xE000_0000, 0xE200_0000, 0xFFFF_F000])
def test_the_kernels_half_takes_no_entry_of_a_table(lab: DoorLab, kernel: Kernel, virtual: int) -> None:
    kernel.word(ROOT + (virtual >> 20) * 4, TABLE | RO)  # behind its table, if it were longer
    kernel.word(TABLE + (virtual >> 12 & 255) * 4, FRAME | RW)
    kernel.run()
    assert kernel.touch(virtual, fsr=0xB) == (FAULT, virtual, READ)
    assert len(lab.mmu) == 0


def test_tables_are_never_mapped_to_anybody(kernel: Kernel) -> None:
    for n, page in enumerate(range(LAST - PAGE, BASE + RAM + PAGE, PAGE)):
        kernel.map(ROOT, CODE + n * PAGE, page, RW | Pte.USER)
    kernel.run()
    reached = []
    for n in range((RESERVED + 2 * PAGE) // PAGE):
        if kernel.touch(CODE + n * PAGE, store=True) == "miss":
            reached.append(n)
        else:
            kernel.run()
    assert reached == [0], "the last page in front of them"


def test_a_flood_of_misses_keeps_to_its_entries() -> None:
    lab = DoorLab(vtlb=8)
    kernel = lab.kernel.boot()
    for n in range(200):
        kernel.map(ROOT, CODE + n * PAGE, FRAME, RW)
    kernel.run()
    for n in range(200):
        kernel.touch(CODE + n * PAGE)
        assert len(lab.mmu) <= 8
    lab.monitor.check_invariants()


# ---- the vCPU itself lies


def test_a_cpu_that_starts_twice_ends_its_cell(lab: DoorLab, kernel: Kernel) -> None:
    kernel.trap(Trap.START)
    assert lab.cell.ended and "started twice" in lab.cell.why


@pytest.mark.parametrize("trap", [Trap.SWI, Trap.DATA_ABORT, Trap.IRQ, Trap.UNDEFINED])
def test_a_cpu_that_never_started_has_no_exceptions(lab: DoorLab, trap: Trap) -> None:
    lab.kernel.trap(trap, DoorCall.RUN, REGISTERS, ROOT)
    assert lab.cell.ended


@pytest.mark.parametrize("data", [b"", b"\0" * (TRAP.size - 1), b"\0" * (TRAP.size + 1), b"\xff" * TRAP.size])
def test_an_exception_that_is_none_ends_its_cell(lab: DoorLab, kernel: Kernel, data: bytes) -> None:
    kernel.exit(data)
    assert lab.cell.ended and lab.cell.why.startswith("protocol")


@pytest.mark.parametrize("trap", [5, 7, 8, 0xFFFF_FFFF])
def test_an_exception_that_there_is_not_ends_its_cell(lab: DoorLab, kernel: Kernel, trap: int) -> None:
    kernel.trap(trap)
    assert lab.cell.ended


def test_a_cell_that_is_not_paravirtual_has_no_exceptions() -> None:
    lab = DoorLab()
    data = TRAP.pack(Trap.START, 0, 0, 0, *(0,) * 17)
    EXITS[ExitKind.EXCEPTION](lab.monitor, lab.other, Exit(0, ExitKind.EXCEPTION, 0, 0, 0, data=data))
    lab.settle()
    assert lab.other.ended and not lab.cell.ended
    lab.monitor.check_invariants()


@pytest.mark.parametrize("trap", [Trap.PREFETCH_ABORT, Trap.DATA_ABORT, Trap.UNDEFINED])
def test_a_kernel_that_faults_ends_with_its_cell_and_nobody_elses(lab: DoorLab, kernel: Kernel, trap: Trap) -> None:
    kernel.trap(trap, far=4, fsr=5)
    assert lab.cell.ended and lab.cell.why.startswith("guest fault: the kernel came to")
    assert not lab.other.ended


def test_aborts_that_never_were_change_nothing_but_what_they_find(kernel: Kernel) -> None:
    kernel.map(ROOT, CODE, FRAME, RW)
    kernel.run()
    for far in (0, 3, VIRTUAL, 0xFFFF_FFFF, LAST):
        kernel.trap(Trap.DATA_ABORT, far=far, fsr=0xFFFF_FFFF)
        assert kernel.told()[0] is FAULT
        kernel.run()
    assert kernel.touch(CODE) == "miss"


def test_a_small_memory_ends_the_cell_before_its_first_instruction() -> None:
    lab = DoorLab(ram=RESERVED)
    lab.kernel.trap(Trap.START)
    assert lab.cell.ended and "no room for its page tables" in lab.cell.why
