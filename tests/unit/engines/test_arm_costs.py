"""The class of an instruction by its bits (the engine, in C) against its class by its name (Capstone)."""

from __future__ import annotations

import random

import pytest
from cells.engines.native._native import ffi, lib

from cells.engines.arm import COST_CLASSES
from tests.support.arm import DISTINCT, assemble
from tests.support.arm_costs import classes_of, disassemble, is_ordinary

COST = ffi.new("uint32_t[9]", [DISTINCT[name] for name in COST_CLASSES])


def _expected(code: bytes, *, thumb: bool) -> int | None:
    """Cycles by name; None for what has none, or none that counts."""
    insn = disassemble(code, 0, thumb=thumb)
    if insn is None or insn.size != len(code) or not is_ordinary(insn, thumb=thumb):
        return None
    return sum(DISTINCT[name] for name in classes_of(insn))


def _arm(word: int) -> tuple[int | None, int]:
    return _expected(word.to_bytes(4, "little"), thumb=False), lib.native_cost_arm(COST, word)


def _thumb(first: int, second: int | None = None) -> tuple[int | None, int]:
    code = first.to_bytes(2, "little") + (b"" if second is None else second.to_bytes(2, "little"))
    return _expected(code, thumb=True), lib.native_cost_thumb(COST, first, second or 0, second is not None)


@pytest.mark.slow
@pytest.mark.parametrize("condition", [0xE, 0x1, 0xF])
def test_random_arm_words_cost_what_their_names_say(condition: int) -> None:
    words = random.Random(condition)
    pairs = [(word, *_arm(word)) for word in (words.getrandbits(28) | condition << 28 for _ in range(6_000))]
    known = [(hex(word), by_name, by_bits) for word, by_name, by_bits in pairs if by_name is not None]
    assert len(known) > 1_000
    assert [entry for entry in known if entry[1] != entry[2]] == []


@pytest.mark.slow
def test_narrow_thumb_instructions_cost_what_their_names_say() -> None:
    pairs = [(half, *_thumb(half)) for half in range(0, 0xE800, 3)]
    known = [(hex(half), by_name, by_bits) for half, by_name, by_bits in pairs if by_name is not None]
    assert len(known) > 17_000
    assert [entry for entry in known if entry[1] != entry[2]] == []


@pytest.mark.slow
def test_random_wide_thumb_instructions_cost_what_their_names_say() -> None:
    words = random.Random(2)
    picks = [(words.randrange(0xE800, 0x10000), words.getrandbits(16)) for _ in range(15_000)]
    pairs = [((hex(first), hex(second)), *_thumb(first, second)) for first, second in picks]
    known = [entry for entry in pairs if entry[1] is not None]
    assert len(known) > 3_000
    assert [entry for entry in known if entry[1] != entry[2]] == []


@pytest.mark.parametrize(
    ("source", "classes"),
    [
        ("mov r0, r1", "alu"),
        ("mul r0, r1, r2", "multiply"),
        ("smlabb r0, r1, r2, r3", "multiply"),
        ("ldr r0, [r1]", "load"),
        ("ldr pc, [r1]", "load branch"),
        ("strh r0, [r1]", "store"),
        ("swp r0, r1, [r2]", "load store"),
        ("ldm r0, {r1, r2, pc}", "load_multiple_per_register " * 3 + "branch"),
        ("stmdb sp!, {r1, r2}", "store_multiple_per_register " * 2),
        ("ldrd r0, r1, [r2]", "load_multiple_per_register " * 2),
        ("movs pc, lr", "branch"),
        ("bx lr", "branch"),
        ("mcr p15, 0, r0, c7, c10, 4", "coprocessor"),
        ("vadd.f32 s0, s1, s2", "coprocessor"),
        ("vldmia r0, {d0, d1}", "load_multiple_per_register " * 4),
        ("svc #1", "alu"),
    ],
)
def test_an_arm_instruction_is_of_its_class(source: str, classes: str) -> None:
    word = int.from_bytes(assemble(source), "little")
    assert lib.native_cost_arm(COST, word) == sum(DISTINCT[name] for name in classes.split())


@pytest.mark.parametrize(
    ("source", "classes"),
    [
        ("push {r0, r1, lr}", "store_multiple_per_register " * 3),
        ("pop {r0, pc}", "load_multiple_per_register " * 2 + "branch"),
        ("bl . + 64", "branch"),
        ("cbz r0, . + 8", "branch"),
        ("tbb [r0, r1]", "load branch"),
        ("ldr.w pc, [r0, #4]", "load branch"),
        ("smull r0, r1, r2, r3", "multiply"),
        ("it eq", "alu"),
    ],
)
def test_a_thumb_instruction_is_of_its_class(source: str, classes: str) -> None:
    code = assemble(source, thumb=True)
    first, second = (int.from_bytes(code[at : at + 2], "little") for at in (0, 2))
    assert lib.native_cost_thumb(COST, first, second, len(code) == 4) == sum(DISTINCT[name] for name in classes.split())
