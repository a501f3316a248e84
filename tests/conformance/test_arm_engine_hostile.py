"""Guests that execute anything: the run ends at its limit, time goes forward, and two runs are the same."""

from __future__ import annotations

import random

import pytest

from cells.engines.arm import Stop
from tests.support.arm import DISTINCT, Bench, assemble

MODELS = ("926", "1176", "CORTEX_A9")
BUDGET = 20_000


def _noise(model: str, seed: int) -> Bench:
    """Random words in RAM but for the handlers, random registers, mode and state; for a third an interrupt pending."""
    source = random.Random(seed)
    bench = Bench(model, DISTINCT)
    bench.ram[:] = source.randbytes(0x4000) * (len(bench.ram) // 0x4000)
    bench.vectors()
    thumb = source.random() < 0.5
    bench.engine.reset(0x8000 | thumb)
    for number in range(13):
        bench.engine.write_register(
            f"R{number}", source.choice([source.getrandbits(32), source.randrange(0x10_0000), 0x8000])
        )
    bench.engine.write_register("CPSR", source.choice([0x10, 0x13, 0x1F, 0xD3, 0x11]) | (0x20 if thumb else 0))
    bench.engine.set_irq(source.random() < 0.3)
    return bench


def _spend(bench: Bench, step: int) -> list[tuple[Stop, int]]:
    """Run to the end of the budget in steps, past waits and calls."""
    ends = []
    while bench.engine.cycles < BUDGET:
        before = bench.engine.cycles
        stop = bench.run(limit=min(before + step, BUDGET))
        ends.append((stop, bench.engine.cycles))
        assert bench.engine.cycles >= before
        if stop is Stop.FAULT or (stop is Stop.WFI and bench.engine.cycles == before):
            break
    return ends


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("seed", range(40))
def test_random_code_stays_within_its_budget_and_repeats_itself(model: str, seed: int) -> None:
    first, second = _noise(model, seed), _noise(model, seed)
    assert _spend(first, 3000) == _spend(second, 3000)
    assert first.engine.cycles < BUDGET + 10_000
    assert first.state() == second.state()


def test_a_guest_that_rewrites_its_running_block_cannot_turn_its_clock_back() -> None:
    """The block is priced as it was, the part before the abort as it is now, which is more than the whole was."""
    bench = Bench("926", DISTINCT)
    costly = int.from_bytes(assemble("ldmia r0, {r0-r12}"), "little")
    bench.poke(0x2000, costly)
    bench.load(0x1000, "mov r8, #0x1000; ldr r1, [r7]; str r1, [r8]; ldr r2, [r9]; mov r3, #3" + bench.wait)
    bench.engine.reset(0x1000)
    bench.engine.write_register("R7", 0x2000)
    bench.engine.write_register("R9", 0x3000_0000)
    bench.finish()
    assert bench.engine.vcpu.data_aborts == 1
    assert 20 < bench.engine.cycles < 500
    assert bench.engine.insns < 20
