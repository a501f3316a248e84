"""What the engine's CPUs do on exceptions, model by model, against the ARM Architecture Reference Manuals.

Every vector holds a wait, so a program that causes an exception stops in its handler, and the state on entry can be seen.
"""

from __future__ import annotations

import mmap
from dataclasses import dataclass

import pytest

from cells.engines.arm import Stop
from tests.support.arm import V7, WAIT_WORD, Bench, assemble, page_table

MODELS = ("926", "PXA255", "1136", "1176", *V7)
MODERN = ("1136", "1176", *V7)
"""ARMv6 and later: CPSR.A, IFAR, status bits of writes."""
SECURE = ("1176", *V7)
"""With security extensions: VBAR, SMC."""

UNDEFINED, SUPERVISOR, PREFETCH, DATA, IRQ, FIQ = 0x04, 0x08, 0x0C, 0x10, 0x18, 0x1C
MODE = {UNDEFINED: 0x1B, SUPERVISOR: 0x13, PREFETCH: 0x17, DATA: 0x17, IRQ: 0x12, FIQ: 0x11}
HOLE = 0x3000_0000
"""No RAM and no device is here."""
CODE = 0x1000
CPSR_I, CPSR_F, CPSR_A, CPSR_T = 0x80, 0x40, 0x100, 0x20


@dataclass
class Entry:
    """State in a handler."""

    vector: int
    cpsr: int
    spsr: int
    link: int


class Trap(Bench):
    """A bench on which each exception ends in a wait."""

    def __init__(self, model: str) -> None:
        super().__init__(model)
        for vector in range(0, 0x20, 4):
            self.poke(vector, self.wait_word)

    @property
    def wait_word(self) -> int:
        return 0xE320F003 if self.model in V7 else WAIT_WORD

    def entry(self, *, waited: bool = True) -> Entry:
        read = self.engine.read_register
        return Entry((self.engine.pc - (4 if waited else 0)) & 0xFFFF, read("CPSR"), read("SPSR"), read("LR"))

    def interrupted(self) -> Entry:
        """Run to the interrupt that is pending, and no further (a wait would not wait while its line is up)."""
        while self.engine.interrupts == 0:
            assert self.run(limit=self.engine.cycles + 1) is Stop.LIMIT
        return self.entry(waited=False)

    def cause(self, source: str, *, thumb: bool = False, cpsr: int = 0xD3) -> Entry:
        """Run the source at CODE with r4 = HOLE to its exception."""
        self.load(CODE, source, thumb=thumb)
        self.engine.reset(CODE | thumb)
        self.engine.write_register("CPSR", cpsr | (CPSR_T if thumb else 0))
        self.engine.write_register("R4", HOLE)
        self.engine.write_register("PC", CODE | thumb)
        self.finish()
        return self.entry()

    def register(self, crn: int, opc2: int) -> int:
        value = self.engine.read_cp15(crn, 0, 0, opc2)
        assert value is not None
        return value


CAUSES = [
    # source, Thumb, vector, LR - address of the instruction
    ("svc #5", False, SUPERVISOR, 4),
    ("svc #5", True, SUPERVISOR, 2),
    ("udf #5", False, UNDEFINED, 4),
    ("udf #5", True, UNDEFINED, 2),
    ("bkpt #5", False, PREFETCH, 4),
    ("bkpt #5", True, PREFETCH, 4),
    ("ldr r0, [r4]", False, DATA, 8),
    ("ldr r0, [r4]", True, DATA, 8),
    ("ldmia r4, {r0, r1, r2}", False, DATA, 8),
    ("mcr p7, 0, r0, c0, c0, 0", False, UNDEFINED, 4),
]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("source", "thumb", "vector", "link"), CAUSES)
def test_an_instruction_enters_its_vector(model: str, source: str, thumb: bool, vector: int, link: int) -> None:
    trap = Trap(model)
    seen = trap.cause(f"nop; {source}", thumb=thumb, cpsr=0xA000_0010)
    masks = CPSR_I | (CPSR_A if model in MODERN and vector in {PREFETCH, DATA} else 0)
    assert seen == Entry(
        vector,
        0xA000_0000 | MODE[vector] | masks,
        0xA000_0010 | (CPSR_T if thumb else 0),
        CODE + (2 if thumb else 4) + link,
    )


@pytest.mark.parametrize("model", MODELS)
def test_a_jump_to_nowhere_is_a_prefetch_abort_there(model: str) -> None:
    trap = Trap(model)
    seen = trap.cause("bx r4")
    assert (seen.vector, seen.link) == (PREFETCH, HOLE + 4)
    assert trap.register(5, 1) == 0x8
    if model in MODERN:
        assert trap.register(6, 2) == HOLE
    assert trap.engine.insns == 2


@pytest.mark.parametrize("model", SECURE)
def test_smc_is_undefined_for_there_is_no_monitor(model: str) -> None:
    seen = Trap(model).cause("nop; .word 0xe1600070")
    assert (seen.vector, seen.link) == (UNDEFINED, CODE + 8)


@pytest.mark.parametrize("model", MODELS)
def test_a_breakpoint_has_the_status_of_a_debug_event(model: str) -> None:
    trap = Trap(model)
    trap.cause("bkpt #1")
    assert trap.register(5, 1) == 2


@pytest.mark.parametrize("model", MODELS)
def test_high_vectors_are_used_when_sctlr_says_so(model: str) -> None:
    trap = Trap(model)
    high = mmap.mmap(-1, 0x10000)
    high[8:12] = trap.wait_word.to_bytes(4, "little")
    trap.engine.map_ram(0xFFFF_0000, high, 0x10000)
    trap.cause("mrc p15, 0, r0, c1, c0, 0; orr r0, r0, #0x2000; mcr p15, 0, r0, c1, c0, 0; svc #0")
    assert trap.engine.pc == 0xFFFF_000C


@pytest.mark.parametrize("model", MODELS)
def test_the_vector_base_register_moves_the_vectors_where_it_exists(model: str) -> None:
    trap = Trap(model)
    trap.poke(0x2008, trap.wait_word)
    seen = trap.cause("mov r0, #0x2000; mcr p15, 0, r0, c12, c0, 0; svc #0")
    assert seen.vector == (0x2008 if model in SECURE else UNDEFINED)


@pytest.mark.parametrize("model", V7)
def test_sctlr_chooses_state_and_byte_order_of_handlers(model: str) -> None:
    trap = Trap(model)
    trap.load(SUPERVISOR, "wfi", thumb=True)
    trap.cause("mrc p15, 0, r0, c1, c0, 0; orr r0, r0, #0x42000000; mcr p15, 0, r0, c1, c0, 0; svc #0")
    assert trap.engine.cpsr & (CPSR_T | 0x200) == CPSR_T | 0x200
    assert trap.engine.pc == SUPERVISOR + 2


@pytest.mark.parametrize("model", MODELS)
def test_a_handler_returns_to_user_mode_with_the_users_stack(model: str) -> None:
    trap = Trap(model)
    trap.load(SUPERVISOR, "movs pc, lr")
    trap.load(CODE, "mov sp, #0x100; svc #1; mov r1, sp; mrs r2, cpsr; udf #1")
    trap.engine.reset(CODE)
    trap.engine.write_register("SP", 0x900)
    trap.engine.write_register("CPSR", 0x10)
    trap.finish()
    assert trap.engine.vcpu.svc == 1
    assert [trap.engine.read_register(f"R{n}") for n in (1, 2)] == [0x100, 0x10]
    assert (trap.entry().vector, trap.entry().spsr) == (UNDEFINED, 0x10)


# ---- what the fault registers say

FAULTS = [
    # descriptor of the section at 0x0050_0000, access, status
    (0x0000_0000, "ldr", 0x5),
    (0x0050_0032, "ldr", 0x19),  # domain 1: no access
    (0x0050_0012, "ldr", 0xD),  # no permission
    (0x0050_0012, "str", 0xD),
]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("descriptor", "access", "status"), FAULTS)
def test_a_data_abort_leaves_status_and_address(model: str, descriptor: int, access: str, status: int) -> None:
    trap = Trap(model)
    trap.load(CODE, f"{access} r0, [r5, #4]")
    trap.engine.reset(CODE)
    page_table(trap)
    trap.poke(0x4000 + 4 * 5, descriptor & ~(0x10 if model in V7 else 0))
    trap.engine.write_register("R5", 0x0050_0120)
    trap.finish()
    write = 0x800 if access == "str" and model in MODERN else 0
    assert (trap.entry().vector, trap.register(5, 0), trap.register(6, 0)) == (DATA, status | write, 0x0050_0124)


@pytest.mark.parametrize("model", MODELS)
def test_a_fetch_from_an_absent_page_leaves_status_and_address(model: str) -> None:
    trap = Trap(model)
    trap.load(CODE, "bx r5")
    trap.engine.reset(CODE)
    page_table(trap, faults=(0x10,))
    trap.engine.write_register("R5", 0x4001_0008)
    trap.finish()
    assert (trap.entry().vector, trap.entry().link, trap.register(5, 1)) == (PREFETCH, 0x4001_000C, 0x7)
    if model in MODERN:
        assert trap.register(6, 2) == 0x4001_0008


def test_the_fault_address_of_a_process_with_an_fcse_number_is_the_modified_one() -> None:
    trap = Trap("926")
    trap.load(
        CODE, "mov r0, #0x06000000; mcr p15, 0, r0, c13, c0, 0; mov r1, #0x00500000; b next; next: ldr r2, [r1, #4]"
    )
    trap.engine.reset(CODE)
    page_table(trap)
    for megabyte in (
        0,
        5,
    ):  # process 3 sees its pages at 0x0600_0000 and up; its vectors and code are there, its data is not
        trap.poke(0x4000 + 4 * (0x60 + megabyte), 0xC12 if megabyte == 0 else 0)
    trap.finish()
    assert (trap.entry().vector, trap.register(6, 0)) == (DATA, 0x0650_0004)


# ---- reads and writes where nothing answers


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("offset", [0, 0x123, -8])
def test_a_read_from_nowhere_is_an_external_abort_with_its_virtual_address(model: str, offset: int) -> None:
    trap = Trap(model)
    trap.load(CODE, f"ldrb r0, [r5, #{offset}]")
    trap.engine.reset(CODE)
    page_table(trap)
    trap.poke(0x4000 + 4 * 0x7FF, HOLE - 0x10_0000 | (0xC02 if model in V7 else 0xC12))
    trap.poke(0x4000 + 4 * 0x800, HOLE | (0xC02 if model in V7 else 0xC12))
    trap.engine.write_register("R5", 0x8000_0000)
    trap.finish()
    assert (trap.entry().vector, trap.register(5, 0)) == (DATA, 0x8)
    assert trap.register(6, 0) == 0x8000_0000 + offset
    assert trap.engine.insns == 2


def test_the_registers_of_a_read_from_nowhere_are_as_before() -> None:
    trap = Trap("926")
    trap.cause("mov r0, #1; mov r1, #2; ldmia r4!, {r0, r1, r2}; mov r0, #9")
    assert [trap.engine.read_register(f"R{n}") for n in (0, 1, 4)] == [1, 2, HOLE]


@pytest.mark.parametrize("model", ["926", "PXA255"])
def test_before_armv6_a_write_to_nowhere_aborts_at_the_end_of_its_block(model: str) -> None:
    trap = Trap(model)
    seen = trap.cause("str r0, [r4]; mov r1, #1; b next; next: mov r2, #2")
    assert (seen.vector, seen.link, trap.register(5, 0)) == (DATA, CODE + 12 + 8, 0x8)
    assert [trap.engine.read_register(f"R{n}") for n in (1, 2)] == [1, 0]


@pytest.mark.parametrize("model", MODERN)
def test_from_armv6_on_a_write_to_nowhere_aborts_once_the_guest_lets_it(model: str) -> None:
    trap = Trap(model)
    seen = trap.cause("str r0, [r4]; b next; next: mov r2, #2; cpsie a; mov r3, #3", cpsr=0x1D3)
    assert (seen.vector, seen.link, trap.register(5, 0)) == (DATA, CODE + 16 + 8, 0xC06)
    assert [trap.engine.read_register(f"R{n}") for n in (2, 3)] == [2, 0]


def test_a_vector_that_cannot_be_fetched_does_not_hold_up_the_limit() -> None:
    bench = Bench("926")
    bench.load(CODE, "bx r4")
    bench.engine.reset(CODE)
    page_table(bench)
    bench.poke(0x4000, 0)  # no vectors: the prefetch abort cannot be fetched, again and again
    bench.engine.write_register("PC", 0x4000_1000)
    bench.engine.write_register("R4", HOLE)
    assert bench.run(limit=10_000) is Stop.LIMIT
    assert 10_000 <= bench.engine.cycles < 10_010


# ---- hints and calls


@pytest.mark.parametrize("model", V7)
def test_wfe_and_yield_are_counted_and_passed(model: str) -> None:
    bench = Bench(model)
    bench.load(CODE, "wfe; svc #1; yield; ldr r0, [r1]; udf #1; wfe; b next; next: ldr r0, [r1]; wfe; mov r5, #5; wfi")
    bench.engine.reset(CODE)
    for _ in range(50):  # stop before every block: each stop leaves traces where the hints are told apart
        if bench.run(limit=bench.engine.cycles + 1) is Stop.WFI:
            break
    vcpu = bench.engine.vcpu
    assert (vcpu.yields, vcpu.svc, vcpu.undef, bench.engine.read_register("R5")) == (4, 1, 1, 5)


@pytest.mark.parametrize("model", V7)
@pytest.mark.parametrize(("words", "thumb"), [((0xE14A1B7C,), False), ((0x81BC_F7EA,), True)])
def test_hvc_stops_the_run_with_its_immediate(model: str, words: tuple[int, ...], thumb: bool) -> None:
    bench = Bench(model)
    bench.poke(CODE, *words)
    bench.load(CODE + 4, "movs r0, #1; wfi", thumb=thumb)
    assert bench.run(CODE | thumb) is Stop.HVC
    assert bench.engine.vcpu.hvc == 0xA1BC
    assert (bench.engine.pc, bench.engine.insns) == (CODE + 4, 1)
    bench.finish()
    assert bench.engine.read_register("R0") == 1


@pytest.mark.parametrize("model", V7)
def test_hvc_in_user_mode_is_undefined(model: str) -> None:
    assert Trap(model).cause(".word 0xe1400070", cpsr=0x10).vector == UNDEFINED


@pytest.mark.parametrize("model", ["926", "1176"])
def test_hvc_before_armv7_is_undefined(model: str) -> None:
    assert Trap(model).cause(".word 0xe1400070").vector == UNDEFINED


# ---- interrupts


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("line", "vector"), [("irq", IRQ), ("fiq", FIQ)])
def test_an_interrupt_is_taken_at_the_next_block_with_its_return_address(model: str, line: str, vector: int) -> None:
    trap = Trap(model)
    trap.load(CODE, "mov r0, #1; b next; next: mov r0, #2; b again; again: mov r0, #3" + trap.wait)
    trap.engine.reset(CODE)
    trap.engine.write_register("CPSR", 0x6000_0013)
    assert trap.run(limit=1) is Stop.LIMIT
    getattr(trap.engine, f"set_{line}")(True)
    masks = CPSR_I | (CPSR_F if line == "fiq" else 0) | (CPSR_A if model in MODERN else 0)
    assert trap.interrupted() == Entry(vector, 0x6000_0000 | MODE[vector] | masks, 0x6000_0013, CODE + 8 + 4)
    assert trap.engine.read_register("R0") == 1
    assert trap.engine.interrupts == 1


@pytest.mark.parametrize("model", MODELS)
def test_fiq_comes_first_and_masks_irq(model: str) -> None:
    trap = Trap(model)
    trap.load(CODE, "nop" + trap.wait)
    trap.engine.reset(CODE)
    trap.engine.write_register("CPSR", 0x13)
    trap.engine.set_irq(True)
    trap.engine.set_fiq(True)
    trap.run(limit=1)
    assert (trap.engine.pc, trap.engine.vcpu.fiqs, trap.engine.vcpu.irqs) == (FIQ, 1, 0)


@pytest.mark.parametrize("model", MODERN)
def test_a_guest_can_unmask_every_interrupt(model: str) -> None:
    bench = Bench(model)
    bench.load(CODE, "cpsie aif; mrs r0, cpsr" + bench.wait)
    bench.run(CODE)
    assert bench.engine.read_register("R0") & (CPSR_A | CPSR_I | CPSR_F) == 0


@pytest.mark.parametrize("model", MODELS)
def test_a_pending_line_waits_until_it_is_unmasked(model: str) -> None:
    trap = Trap(model)
    trap.load(CODE, "mov r0, #1; b next; next: mov r1, #2; msr cpsr_c, #0x53; mov r2, #3" + trap.wait)
    trap.engine.reset(CODE)
    trap.engine.set_irq(True)
    assert trap.interrupted().link == CODE + 16 + 4
    assert [trap.engine.read_register(f"R{n}") for n in (1, 2)] == [2, 0]


@pytest.mark.parametrize("model", MODELS)
def test_a_wait_falls_through_when_a_masked_line_is_pending(model: str) -> None:
    bench = Bench(model)
    bench.load(CODE, f"mov r0, #1{bench.wait}; mov r0, #2{bench.wait}")
    bench.engine.reset(CODE)
    bench.finish()
    assert bench.engine.read_register("R0") == 1
    bench.engine.set_irq(True)
    bench.engine.reset(CODE)
    assert bench.run(limit=bench.engine.cycles + 4) is Stop.LIMIT
    assert bench.engine.read_register("R0") == 2
    assert bench.engine.vcpu.waits == 3


def test_an_interrupt_inside_an_it_block_comes_back_into_it() -> None:
    # In real life: Thumb-2 kernels; svceq ends a block in the middle of the conditions.
    source = "movs r0, #0; ittee eq; moveq r1, #1; svceq #1; movne r2, #2; movne r3, #3; movs r4, #4; wfi"
    for blocks in range(3):  # the last stands before the block that begins inside
        bench = Bench("CORTEX_A9")
        bench.load(CODE, source, thumb=True)
        bench.engine.reset(CODE | 1)
        bench.engine.write_register("CPSR", 0x33)
        bench.engine.write_register("PC", CODE | 1)
        for _ in range(blocks):
            bench.run(limit=bench.engine.cycles + 1)
        bench.engine.set_irq(True)
        while bench.engine.interrupts == 0:
            bench.run(limit=bench.engine.cycles + 1)
        bench.engine.set_irq(False)
        bench.finish()
        assert [bench.engine.read_register(f"R{n}") for n in (1, 2, 3, 4)] == [1, 0, 0, 4]
        assert bench.engine.vcpu.svc == 1


def test_code_in_a_device_is_not_executed() -> None:
    trap = Trap("926")
    trap.engine.map_device(
        HOLE, 0x1000, lambda offset, size: int.from_bytes(assemble("nop"), "little"), lambda *_: None
    )
    assert trap.cause("bx r4").vector == PREFETCH
