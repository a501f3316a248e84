"""What injected faults do to an ARM guest: its registers, memory, page table, program counter and stack. No process is needed."""

from __future__ import annotations

import pytest

from cells.engines.arm import Stop
from cells.engines.faults import DEEDS, PAGE, REGISTERS, Patient, suffer
from hypervisor.abi.faults import Armed
from tests.support.arm import Bench, page_table

CODE = 0x1000
COUNT = "loop: add r0, r0, #1; b loop"


def patient(bench: Bench) -> Patient:
    return Patient(bench.engine, bench.ram, 0)


def harm(bench: Bench, action: str, draw: int = 1, **values: int) -> None:
    DEEDS[action](patient(bench), Armed(action, draw=draw, values=values))


def counting(model: str = "926") -> Bench:
    bench = Bench(model)
    bench.load(CODE, COUNT)
    bench.run(CODE, limit=200)
    return bench


@pytest.mark.parametrize("number", range(15))
def test_a_register_has_a_bit_flipped_and_nothing_else_changes(number: int) -> None:
    bench = counting()
    before = bench.engine.registers()
    harm(bench, "flip_register", register=number, bit=31)
    after = bench.engine.registers()
    name = REGISTERS[number].lower()
    assert after.pop(name) == before.pop(name) ^ 1 << 31
    assert after == before


def test_the_program_counter_stays_aligned_and_in_its_state() -> None:
    bench = counting()
    pc = bench.engine.pc
    harm(bench, "flip_register", register=15, bit=1)
    assert bench.engine.pc == pc
    harm(bench, "flip_register", register=15, bit=12)
    assert bench.engine.pc == pc ^ 1 << 12


def test_of_the_status_only_flags_are_flipped() -> None:
    bench = counting()
    before = bench.engine.cpsr
    for bit in range(32):
        harm(bench, "flip_register", register=16, bit=bit)
        assert (bench.engine.cpsr ^ before) & 0x0FFF_FFFF == 0


def test_what_is_left_out_follows_from_the_draw() -> None:
    def after(draw: int) -> dict[str, int]:
        bench = counting()
        harm(bench, "flip_register", draw=draw)
        return bench.engine.registers()

    assert after(3) == after(3)
    assert len({tuple(after(draw).values()) for draw in range(8)}) > 4


def test_a_bit_of_memory_that_holds_code_changes_what_runs() -> None:
    bench = counting()
    harm(bench, "flip_ram", offset=CODE, bit=1)  # add r0, r0, #1 becomes add r0, r0, #3
    before = bench.engine.read_register("R0")
    bench.run(limit=bench.engine.cycles + 3)
    counted = bench.engine.read_register("R0") - before
    assert counted and counted % 3 == 0


def test_a_wild_jump_goes_where_it_says() -> None:
    bench = counting()
    harm(bench, "wild_jump", address=0x1234_5678)
    assert bench.engine.pc == 0x1234_5678


@pytest.mark.parametrize("thumb", [False, True])
def test_a_loop_holds_the_program_and_lets_time_pass(thumb: bool) -> None:
    bench = Bench("CORTEX_A9")
    bench.load(CODE, "loop: adds r0, r0, #1; b loop", thumb=thumb)
    bench.run(CODE | thumb, limit=200)
    harm(bench, "loop")
    pc, counted, cycles = bench.engine.pc, bench.engine.read_register("R0"), bench.engine.cycles
    assert bench.run(limit=cycles + 500) is Stop.LIMIT
    assert (bench.engine.pc, bench.engine.read_register("R0")) == (pc, counted)
    assert bench.engine.cycles >= cycles + 500


def test_a_stack_is_used_up_to_the_end_of_the_memory_below_it() -> None:
    bench = counting()
    bench.engine.write_register("SP", 0x8_1234)
    harm(bench, "stack_overflow")
    assert bench.engine.read_register("SP") == 0  # the MMU is off: all memory from the stack down lies in one piece


def test_a_table_entry_is_flipped_where_the_mmu_looks() -> None:
    bench = Bench("CORTEX_A9")
    bench.load(CODE, COUNT)
    bench.run(CODE, limit=200)
    page_table(bench)
    bench.run(limit=400)
    table = bench.engine.read_cp15(2, 0, 0, 0)
    assert table is not None
    before = bytes(bench.ram)
    harm(bench, "flip_table", bit=20)
    changed = [at for at in range(len(before)) if before[at] != bench.ram[at]]
    assert len(changed) == 1
    assert (table & ~0x3FFF) <= changed[0] < (table & ~0x3FFF) + 0x4000


def test_without_an_mmu_there_is_no_table_to_flip() -> None:
    bench = counting()
    before = bytes(bench.ram)
    harm(bench, "flip_table")
    assert bytes(bench.ram) == before


def test_faults_that_came_are_done_in_order_once() -> None:
    bench = counting()
    waiting = [Armed("flip_register", values={"register": 3, "bit": bit}).to_event(0) for bit in (0, 4)]
    waiting.append(Armed("drop_entry", point="ring.put").to_event(1))  # for another kind of guest
    suffer(patient(bench), waiting)
    assert bench.engine.read_register("R3") == 0x11
    assert waiting == []


def test_memory_ends_where_it_ends() -> None:
    bench = counting()
    who = patient(bench)
    assert who.holds(len(bench.ram) - PAGE, PAGE)
    assert not who.holds(len(bench.ram) - PAGE + 1, PAGE)
    assert not Patient(bench.engine, bench.ram, 0x8000_0000).holds(0, 4)
