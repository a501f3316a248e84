"""The engine's counts against counting one instruction at a time, over programs made up by hypothesis.

In real life a wrong count moves every timer interrupt that follows, and a run is no longer the one that was promised.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cells.engines.arm import COST_CLASSES, Stop
from tests.support.arm import DISTINCT, WAIT_WORD, Bench, InstructionCount, page_table

SEVERAL = settings(max_examples=20, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
MAPPED, ABSENT = 0x4000_9000, 0x4000_A000
"""Virtual pages for data: r8 points into the first, r9 into the second, which faults."""

CODE = 0x4000_2000
LOW = st.sampled_from(["r0", "r1", "r2", "r3", "r4", "r5"])
CONDITION = st.sampled_from(["eq", "ne", "cs", "cc", "mi", "pl", "hi", "ls", "ge", "lt", "gt", "le"])


def _forms(*templates: str) -> st.SearchStrategy[str]:
    """Instructions from templates: {a} {b} {c} low registers, {n} a byte, {o} a word's offset."""
    return st.builds(
        lambda template, a, b, c, n: template.format(a=a, b=b, c=c, n=n, o=n % 16 * 4),
        *(st.sampled_from(templates), LOW, LOW, LOW, st.integers(0, 255)),
    )


ARM_ATOMS = _forms(
    *(
        "add {a}, {b}, {c}",
        "subs {a}, {b}, {c}",
        "eors {a}, {b}, #{n}",
        "mov {a}, #{n}",
        "cmp {a}, #{n}",
        "movcs {a}, {b}",
    ),
    *(
        "mul {a}, {b}, {c}",
        "ldr {a}, [r8, #{o}]",
        "strb {a}, [r8, #{o}]",
        "ldmia r8, {{r0-r3}}",
        "stmia r8, {{r0, r1, r4}}",
    ),
    *(
        "mrs {a}, cpsr",
        "bl sub",
        "svc #{n}",
        "udf #3",
        "ldrne r6, [r9]",
        "ldr r6, [r9]",
        "str r6, [r9]",
        "ldmia r9, {{r0, r1}}",
    ),
)
THUMB_FORMS = (
    *(
        "adds {a}, {b}, {c}",
        "subs {a}, {b}, {c}",
        "eors {a}, {b}",
        "movs {a}, #{n}",
        "cmp {a}, #{n}",
        "muls {a}, {b}, {a}",
    ),
    *("ldr {a}, [r6, #{o}]", "strb {a}, [r6, #4]", "push {{r0, r1}}", "pop {{r0, r1}}", "ldm r6!, {{r0}}; subs r6, #4"),
    *("bl sub", "svc #{n}", "udf #3", "ldr r5, [r7]", "str r5, [r7]"),
)
THUMB_ATOMS = _forms(*THUMB_FORMS)
WIDE_ATOMS = _forms(
    *THUMB_FORMS,
    *("add.w {a}, r8, #{n}", "movw {a}, #{n}", "ldr.w {a}, [r6, #{o}]", "ldrd r0, r1, [r6]", "smull r0, r1, {a}, {b}"),
)


@st.composite
def _program(draw: st.DrawFn, atoms: st.SearchStrategy[str], start: str, count_down: str) -> str:
    """Straight pieces, loops and conditional skips over pieces, one after the other."""
    parts: list[str] = []
    for index in range(draw(st.integers(1, 5))):
        body = "; ".join(draw(st.lists(atoms, min_size=1, max_size=6)))
        kind = draw(st.sampled_from(["plain", "loop", "skip"]))
        if kind == "loop":
            times = draw(st.integers(1, 6))
            body = f"{start.format(times)}; again{index}: {body}; {count_down}; bne again{index}"
        elif kind == "skip":
            body = f"b{draw(CONDITION)} over{index}; {body}; over{index}:"
        parts.append(body)
    return "; ".join(parts)


ARM_PROGRAMS = _program(ARM_ATOMS, "mov r7, #{}", "subs r7, r7, #1")
_THUMB_LOOP = ("movs r4, #{}; mov r10, r4", "mov r4, r10; subs r4, #1; mov r10, r4")
THUMB_PROGRAMS = _program(THUMB_ATOMS, *_THUMB_LOOP)
WIDE_PROGRAMS = _program(WIDE_ATOMS, *_THUMB_LOOP)


def _bench(model: str, source: str, *, thumb: bool) -> Bench:
    """The program at CODE in supervisor mode with the MMU on; a pointer to a data page, another to a missing one."""
    bench = Bench(model, DISTINCT)
    bench.vectors(abort_skips=6 if thumb else 4)
    end = bench.load(0x2000, f"{source}; b done; sub: {'bx lr' if thumb else 'mov pc, lr'}; done: nop", thumb=thumb)
    if thumb:
        end = bench.load(end, "bx pc; nop" if end % 4 == 0 else "nop; bx pc; nop", thumb=True)
    bench.load(end, bench.wait.lstrip("; "))
    bench.thumb = range(CODE, CODE - 0x2000 + end) if thumb else range(0)
    bench.engine.reset(CODE | thumb)
    page_table(bench, faults=(0x0A,))
    bench.engine.write_register("SP", 0x4000_F000)
    for name, value in (("R6" if thumb else "R8", MAPPED), ("R7" if thumb else "R9", ABSENT)):
        bench.engine.write_register(name, value)
    return bench


def _check(model: str, source: str, *, thumb: bool) -> None:
    plain, watched, stepped = (_bench(model, source, thumb=thumb) for _ in range(3))
    one_by_one = InstructionCount(watched)
    plain.finish()
    watched.finish()
    exceptions = sum(getattr(plain.engine.vcpu, name) for name in ("svc", "undef", "data_aborts"))
    assert plain.engine.insns == watched.engine.insns == len(one_by_one)
    assert plain.engine.cycles == one_by_one.cycles(DISTINCT, exceptions, plain.thumb)
    while stepped.run(limit=stepped.engine.cycles + 1) is Stop.LIMIT:
        pass
    assert stepped.state() == plain.state()


@pytest.mark.slow
@pytest.mark.parametrize("model", ["926", "1176", "CORTEX_A9"])
@SEVERAL
@given(source=ARM_PROGRAMS)
def test_arm_programs_count_as_instruction_by_instruction(model: str, source: str) -> None:
    _check(model, source, thumb=False)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["926", "1176", "CORTEX_A9"])
@SEVERAL
@given(source=THUMB_PROGRAMS)
def test_thumb_programs_count_as_instruction_by_instruction(model: str, source: str) -> None:
    _check(model, source, thumb=True)


@pytest.mark.slow
@SEVERAL
@given(source=WIDE_PROGRAMS)
def test_thumb_2_programs_count_as_instruction_by_instruction(source: str) -> None:
    _check("CORTEX_A9", source, thumb=True)


def test_the_part_of_a_block_behind_an_abort_is_not_counted() -> None:
    bench = _bench("926", "mov r0, #1; ldr r1, [r9]; mul r2, r0, r0; ldr r3, [r8]", thumb=False)
    bench.finish()
    classes = ("alu", "load", "exception", "branch", "multiply", "load", "branch", "alu", "coprocessor")
    assert bench.engine.cycles == sum(DISTINCT[name] for name in classes)
    assert bench.engine.vcpu.data_aborts == 1


def test_an_instruction_of_which_the_condition_fails_counts_in_both_states() -> None:
    arm = _bench("CORTEX_A9", "cmp r0, r0; addne r1, r1, #1; ldrne r6, [r9]; mov r2, #1", thumb=False)
    thumb = _bench("CORTEX_A9", "cmp r0, r0; itt ne; addne r1, r1, #1; ldrne r5, [r7]; movs r2, #1", thumb=True)
    arm.finish()
    thumb.finish()
    assert arm.engine.insns == 7
    assert thumb.engine.insns == 9


def test_an_it_block_runs_the_same_in_one_go_and_stopped_before_each_block() -> None:
    # svceq ends a block inside the IT block: the rest of the conditions must outlive a stop there.
    source = "movs r0, #0; cmp r0, #0; ittet eq; moveq r1, #1; svceq #1; movne r2, #2; moveq r3, #3; nop"
    whole, stepped = (_bench("CORTEX_A9", source, thumb=True) for _ in range(2))
    whole.finish()
    runs = 0
    while stepped.run(limit=stepped.engine.cycles + 1) is Stop.LIMIT:
        runs += 1
    assert runs >= 3
    assert stepped.state() == whole.state()
    assert [whole.engine.read_register(f"R{n}") for n in (1, 2, 3)] == [1, 0, 3]


@pytest.mark.parametrize(("offset", "instructions"), [(0x3F8, 1), (0x3FE, 2)])
def test_a_bl_before_thumb_2_is_one_instruction_unless_a_page_ends_inside_it(offset: int, instructions: int) -> None:
    bench = _bench("926", "nop", thumb=True)
    bench.load(0x2000 + offset, "bl #0x2408", thumb=True)
    bench.load(0x2408, "bx pc; nop", thumb=True)
    bench.poke(0x240C, WAIT_WORD)
    watched = InstructionCount(bench)
    bench.engine.write_register("PC", CODE + offset | 1)
    bench.finish()
    assert bench.engine.read_register("LR") == CODE + offset + 4 | 1
    assert len(watched) == bench.engine.insns == instructions + 2


def test_a_block_longer_than_the_translator_takes_is_counted_in_pieces() -> None:
    bench = Bench("CORTEX_A9")
    code = bench.load(0x1000, "; ".join(["add r0, r0, #1"] * 900))
    bench.load(code, "wfi")
    watched = InstructionCount(bench)
    bench.run(0x1000)
    assert bench.engine.read_register("R0") == 900
    assert bench.engine.insns == len(watched) == 901


def test_cycles_are_the_sum_of_the_classes() -> None:
    bench = Bench("926", DISTINCT)
    bench.load(
        0x1000,
        "mov r0, #0x8000; mul r1, r0, r0; ldr r2, [r0]; str r2, [r0]; ldmia r0, {r3-r6}; stmia r0, {r3-r5}; b next;"
        " next: mrc p15, 0, r1, c1, c0, 0; svc #0; ldr pc, [r0, #64]; done:" + bench.wait,
    )
    bench.poke(0x8040, 0x1028)
    bench.run(0x1000)
    expected = {"alu": 2, "multiply": 1, "load": 2, "store": 1, "load_multiple_per_register": 4}
    expected |= {"store_multiple_per_register": 3, "branch": 3, "coprocessor": 2, "exception": 1}
    assert bench.engine.cycles == sum(DISTINCT[name] * expected[name] for name in COST_CLASSES)
