"""Random programs with modelled caches: they count what a second model counts, whatever cuts the run; nothing else changes."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from cells.engines.arm import Stop
from tests.support.arm import Bench
from tests.support.caches import DATA, OPS, ROUTINE_CODE, Op, Reference, Shape, counted, scripted
from tests.support.translations import results

NAMES = [name for name in (*OPS, *OPS, *ROUTINE_CODE) if name != "wait"]
BEFORE_V7 = ("flush", "flush_if", "clean", "drop", "drop_both", "switch", "walk")
"""What ARMv7 has not, or does as often as its own registers say."""


@st.composite
def cases(draw: st.DrawFn) -> tuple[str, list[Op], Shape]:
    """A CPU, a program and a pair of caches."""
    model = draw(st.sampled_from(("926", "PXA255", "1176", "CORTEX_A9")))
    names = [name for name in NAMES if model != "CORTEX_A9" or name not in BEFORE_V7]
    script = draw(st.lists(st.tuples(st.sampled_from(names), st.integers(0, 11)), min_size=1, max_size=50))
    small = st.integers(0, 2)
    sizes = [draw(st.sampled_from(choice)) for choice in ((128, 256, 512), (16, 32, 64), (1, 2))]
    flags = [draw(st.integers(0, 1)) for _ in ("random", "write_allocate")]
    return model, script, Shape(*sizes, *flags, draw(small), draw(small))


def cut(bench: Bench, chance: random.Random) -> None:
    """Run it in short pieces; between them translated code and what the emulator's TLB holds may be lost."""
    engine = bench.engine
    while True:
        engine.vcpu.limit = engine.cycles + chance.randrange(1, 40)
        if engine.run() is Stop.WFI:
            return
        if chance.random() < 0.2:
            engine.flush()
        if chance.random() < 0.2:
            engine.translate(DATA)


@settings(max_examples=40, deadline=None)
@given(cases())
def test_it_counts_what_a_second_model_counts(case: tuple[str, list[Op], Shape]) -> None:
    model, script, shape = case
    bench = scripted(model, script, shape)
    bench.finish()
    assert counted(bench) == Reference(shape).run(script)


@settings(max_examples=20, deadline=None)
@given(cases(), st.randoms(use_true_random=False))
def test_slices_and_lost_code_leave_no_trace_in_it(case: tuple[str, list[Op], Shape], chance: random.Random) -> None:
    model, script, shape = case
    whole, pieces = scripted(model, script, shape), scripted(model, script, shape)
    whole.finish()
    cut(pieces, chance)
    assert pieces.engine.counts() == whole.engine.counts()
    assert results(pieces) == results(whole)


@settings(max_examples=20, deadline=None)
@given(cases())
def test_nothing_changes_but_time_and_that_by_what_was_charged(case: tuple[str, list[Op], Shape]) -> None:
    model, script, shape = case
    with_caches, without = scripted(model, script, shape), scripted(model, script, None)
    with_caches.finish()
    without.finish()
    assert results(with_caches) == results(without)
    charged = with_caches.engine.counts()["memory_cycles"]
    assert with_caches.engine.cycles == without.engine.cycles + charged
