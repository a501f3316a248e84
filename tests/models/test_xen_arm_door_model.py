"""A hostile kernel at the front door `arm`: whatever it says in whatever registers, it gets a word back; others see nothing."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from hypervisor.abi.memory import PAGE, WINDOW_BASE
from hypervisor.abi.xen import GRANT_ENTRY, WALLCLOCK, Gtf
from hypervisor.core.cell import VcpuState
from tests.support.arm_guest import DATA, KERNEL_VA, LAST, MISSING, READ_ONLY, WRITABLE, ArmGuest, arm_lab
from tests.support.xen import BASE, FREE, GRANT_FRAME, PAGES, SHARED_INFO, XenLab

NUMBERS = (12, 17, 18, 20, 21, 24, 29, 32, 34)
numbers = st.one_of(st.sampled_from(NUMBERS), st.integers(0, 40), st.just(0xFFFF_FFFF))
operations = st.one_of(st.integers(0, 24), st.integers(0, 0xFFFF_FFFF))
small = st.sampled_from((0, 1, 2, 3, 4, 8, 9, 63, 512, 1023, 0x7FF0, 0xFFFF))
frames = st.sampled_from(
    [BASE // PAGE + n for n in (0, 1, 16, DATA, FREE, 31, 32, 48, 49, 63, 64)] + [WINDOW_BASE // PAGE, 0]
)
pointers = st.sampled_from(
    (WRITABLE, WRITABLE + 8, WRITABLE + PAGE - 4, READ_ONLY, LAST + 4090, MISSING, KERNEL_VA, 0, 0xFFFF_FFFF)
)
halves = st.one_of(small, st.integers(0, 0xFFFF)).map(lambda value: value.to_bytes(2, "little"))
words = st.one_of(small, pointers, st.integers(0, 0xFFFF_FFFF)).map(lambda value: value.to_bytes(4, "little"))
doubles = st.one_of(frames, pointers, st.integers(0, (1 << 64) - 1)).map(lambda value: value.to_bytes(8, "little"))
structures = st.lists(st.one_of(halves, words, doubles), max_size=8).map(b"".join)
calls = st.tuples(numbers, operations, structures, pointers, st.one_of(small, pointers))


def the_others(lab: XenLab) -> list[bytes]:
    """All memory that is not the hostile kernel's to change: not the driver domain's events, nor its grant's flags of use."""
    images = [bytearray(lab[name].peek(BASE, PAGES * PAGE)) for name in ("back", "witness")]
    for start, size in ((SHARED_INFO * PAGE, WALLCLOCK), (GRANT_FRAME * PAGE + GRANT_ENTRY.size * 9, 2)):
        images[0][start : start + size] = bytes(size)
    return [bytes(image) for image in images]


def prepared() -> tuple[XenLab, ArmGuest]:
    """The driver domain grants the kernel a page to read, the witness grants a page to the driver domain alone."""
    lab, linux = arm_lab()
    lab["back"].set_up_grants()
    lab["back"].set_up_events()
    lab["back"].grant(9, Gtf.PERMIT_ACCESS | Gtf.READONLY, linux.raw.domid, lab["back"].frame(FREE))
    lab["witness"].set_up_grants()
    lab["witness"].set_up_events()
    lab["witness"].grant(9, Gtf.PERMIT_ACCESS, lab["back"].domid, lab["witness"].frame(FREE))
    lab["witness"].poke(lab["witness"].page(FREE), b"witness")
    return lab, linux


def awake(lab: XenLab, linux: ArmGuest) -> None:
    """It may have put itself to sleep, or have ended."""
    vcpu = linux.raw.cell.vcpu
    if linux.raw.cell.ended or not lab.xen.domains.of(linux.raw.cell).alive:
        lab.ready("linux")
        linux._tables()
    elif vcpu.state is VcpuState.BLOCKED:
        vcpu.pending = None
        lab.monitor.scheduler.wake(vcpu, lab.monitor.now)


@settings(max_examples=120, deadline=None)
@given(script=st.lists(calls, min_size=1, max_size=12), entry=st.tuples(halves, halves, words))
def test_no_call_of_a_hostile_kernel_reaches_anybody_else(script, entry):
    lab, linux = prepared()
    before = the_others(lab)
    for number, operation, structure, pointer, third in script:
        linux.raw.poke(linux.raw.page(FREE) + GRANT_ENTRY.size * 9, b"".join(entry))
        linux.put(structure[:512])
        assert -(1 << 31) <= linux.hvc(number, operation, pointer, third, third, third) < 1 << 31
        awake(lab, linux)
        lab.monitor.check_invariants()
    assert the_others(lab) == before


@settings(max_examples=60, deadline=None)
@given(
    descriptor=st.integers(0, 0xFFFF_FFFF),
    second=st.integers(0, 0xFFFF_FFFF),
    registers=st.tuples(*[st.integers(0, 0xFFFF_FFFF)] * 5),
    address=st.integers(0, 0xFFFF_FFFF),
)
def test_no_table_and_no_register_makes_a_walk_leave_the_kernels_own_memory(descriptor, second, registers, address):
    lab, linux = prepared()
    before = the_others(lab)
    linux.first(address & 0xFFF0_0000, descriptor)
    linux.raw.poke(linux.raw.page(20) + (address >> 12 & 0xFF) * 4, second.to_bytes(4, "little"))
    for chosen in (None, registers):
        if chosen:
            linux.sctlr, linux.ttbcr, linux.ttbr0, linux.ttbr1, linux.dacr = chosen
        for number, operation in ((32, 6), (17, 3), (34, 1)):
            assert linux.hvc(number, operation, address) <= 0
    assert the_others(lab) == before
