"""Any words in any call of any interface: an answer or the applet's end, never an error of the personality."""

from __future__ import annotations

import struct
from contextlib import suppress
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cells.personalities.brew.arm_module import HEAP, OBJECTS, STACK_TOP, TOLD, ArmModule
from cells.personalities.brew.codes import ClassId, Code, Font, Mode
from cells.personalities.brew.crime import Crime
from cells.personalities.brew.method import methods_of
from tests.support.brew import BrewBench

ROGUE = 0x01CE0004
PLACES = (
    0,
    1,
    4,
    0x0010_0000,
    TOLD,
    TOLD + 4093,
    OBJECTS,
    OBJECTS + 64,
    OBJECTS + 128,
    HEAP,
    HEAP + 4095,
    STACK_TOP - 4,
)
NUMBERS = (16, 100, 320, 0x7FFF, 0x8000, 0xFFFF, 65536, 1 << 20, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFE, 0xFFFF_FFFF)
words = st.sampled_from([*PLACES, *NUMBERS, *map(int, ClassId), *map(int, Mode), *map(int, Font)]) | st.integers(
    0, 2**32 - 1
)


def module_with_one_of_each() -> tuple[BrewBench, ArmModule]:
    bench = BrewBench(["rogue"], modules=["rogue"], ram=8 << 20)
    bench.run(0.01)
    number = bench.kernel.gate.names.index("IShell_QueryClass")
    bench.later(bench.system.send, ROGUE, Code.USER, number, 0)
    bench.run(0.02)
    module = cast(ArmModule, bench.system.modules["rogue"])
    assert len({type(each) for each in module.objects}) >= 10
    return bench, module


calls = st.tuples(st.integers(0, 63), st.integers(0, 31), st.lists(words, min_size=8, max_size=8))


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.lists(calls, min_size=1, max_size=60), st.binary(min_size=64, max_size=64))
def test_any_call_is_answered_or_ends_the_applet(sequence: list[tuple[int, int, list[int]]], memory: bytes) -> None:
    bench, module = module_with_one_of_each()
    gate, frames = bench.kernel.gate, module.space.memory.frames
    module.space.write(HEAP, memory)
    bench.system.current = bench.system.applets[0]
    bench.world.end = 1 << 60
    for which, place, (*registers, a, b, c, d) in sequence:
        held = list(module.objects)
        if not held:
            break
        this = held[which % len(held)]
        rows = methods_of(type(this))
        row = rows[place % len(rows)]
        number = gate.names.index(f"{type(this).NAME}_{row.name}")
        stack = STACK_TOP - 4096
        module.space.write(stack, struct.pack("<8I", a, b, c, d, a, b, c, d))
        _, function = gate.behind(0xFFFF_0000 + 8 * number + 4) or (0, None)
        assert function is not None
        core = [this.address, *registers[:3], *[0] * 9, stack, 0, 0]
        with suppress(Crime):
            assert 0 <= function(module, core) <= 0xFFFF_FFFF
    bench.system.current = None
    bench.later(bench.system.close, 0)
    bench.run(bench.kernel.port.time / 10**8 + 1)
    assert frames.total == frames.free + 1  # the gate's
