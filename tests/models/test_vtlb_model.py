"""Random programs under the virtual TLB: what it counts is what a second model of it counts, and nothing else changes."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cells.engines.arm import Stop
from tests.support.translations import NO_PAGE, STUBS, Op, counts, expected, results, scripted, shape

MODELS = ("926", "PXA255", "1176", "CORTEX_A8", "CORTEX_A9")
SPACES = ("1176", "CORTEX_A8", "CORTEX_A9")
GEOMETRIES = ((1, 1), (2, 2), (8, 2), (16, 1), (32, 32), (64, 2))
"""Entries and ways of the real TLB."""
DATA = st.one_of(st.integers(64, 95), st.sampled_from([NO_PAGE, *STUBS[:4]]))

OPS: dict[str, st.SearchStrategy[int]] = {
    "load": DATA,
    "store": st.one_of(st.integers(64, 95), st.just(NO_PAGE)),
    "far": st.integers(1, 3),
    "closed": st.integers(0, 3),
    "call": st.sampled_from([*STUBS[:8], STUBS[24]]),
    "invalidate": st.integers(64, 71),
    "invalidate_all": st.just(0),
    "not_now": st.just(0),
    "space": st.integers(0, 2),
    "invalidate_space": st.integers(0, 2),
}
_OFTEN = (
    "load",
    "load",
    "load",
    "store",
    "store",
    "call",
    "call",
    "far",
    "closed",
    "invalidate",
    "invalidate_all",
    "not_now",
)


def scripts(model: str) -> st.SearchStrategy[list[Op]]:
    """Programs: accesses above all."""
    names = (*_OFTEN, "space", "space", "invalidate_space") if model in SPACES else _OFTEN
    op = st.sampled_from(names).flatmap(lambda name: OPS[name].map(lambda value: (name, value)))
    return st.lists(op, min_size=1, max_size=80)


@st.composite
def cases(draw: st.DrawFn) -> tuple[str, list[Op], dict[str, int]]:
    """A CPU, a program and two TLBs."""
    model = draw(st.sampled_from(MODELS))
    entries, ways = draw(st.sampled_from(GEOMETRIES))
    asid = int(model in SPACES and draw(st.booleans()))
    room = draw(st.sampled_from([0, 1, 4, 16, 64]))
    made = shape(entries=entries, ways=ways, split=draw(st.integers(0, 1)), asid=asid, virtual_entries=room)
    return model, draw(scripts(model)), made


@settings(max_examples=25, deadline=None)
@given(cases())
def test_every_access_is_counted_as_the_second_model_counts_it(case: tuple[str, list[Op], dict[str, int]]) -> None:
    model, script, tlbs = case
    bench = scripted(model, script, tlbs)
    bench.finish()
    assert counts(bench) == expected(model, script, tlbs)


@settings(max_examples=15, deadline=None)
@given(cases())
def test_results_are_those_without_and_a_larger_one_never_misses_more(
    case: tuple[str, list[Op], dict[str, int]],
) -> None:
    model, script, tlbs = case
    plain = scripted(model, script, None)
    plain.finish()
    misses, looked = [], set()
    for room in (0, 4, 64, 1024):
        bench = scripted(model, script, {**tlbs, "virtual_entries": room})
        bench.finish()
        assert results(bench) == results(plain)
        assert bench.engine.cycles == plain.engine.cycles + counts(bench).cycles
        misses.append(counts(bench).misses)
        looked.add(counts(bench).hits + counts(bench).misses)
    assert misses == sorted(misses, reverse=True)
    assert len(looked) == 1  # the real TLB misses the same


@settings(max_examples=15, deadline=None)
@given(cases(), st.integers(0, 2**32))
def test_slices_lost_code_and_moves_to_another_engine_leave_no_trace(
    case: tuple[str, list[Op], dict[str, int]], seed: int
) -> None:
    model, script, tlbs = case
    whole, bench, chance = scripted(model, script, tlbs), scripted(model, script, tlbs), random.Random(seed)
    whole.finish()
    while bench.run(limit=bench.engine.cycles + chance.randrange(1, 400)) is Stop.LIMIT:
        if chance.random() < 0.1:
            bench.engine.vcpu.flush_at = chance.choice([0, 1 << 24])
        if chance.random() < 0.1:
            bench.engine.translate(0x4004_0000 + 0x1000 * chance.randrange(32))
        if chance.random() < 0.1:
            other = scripted(model, [], tlbs)
            other.ram[:] = bench.ram[:]
            other.engine.restore(json.loads(json.dumps(bench.engine.snapshot())))
            bench = other
    assert bench.state() == whole.state()


def test_the_second_model_is_not_blind() -> None:
    """The programs reach what they are for."""
    script: list[Op] = [("load", 64 + 4 * n) for n in range(4)] * 2
    seen = expected("926", script, shape())
    assert seen.hits and seen.misses
    with pytest.raises(AssertionError):
        assert expected("926", script, shape(virtual_entries=0)) == seen
