"""What a reservation promises, over time, on one core: never more than the budget, and all of it for who wants it.

The reference model says that the policy does what it says; this says that what it says is worth having.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from hypervisor.core.policies import Reservation, VcpuParams
from tests.support.one_core import Happening, Stretch, run_one_core, runnable_stretches, used

END = 240
MODEL = settings(max_examples=150, deadline=None, derandomize=True)

servers = st.tuples(st.integers(1, 30), st.integers(1, 30)).map(sorted).map(tuple)
reserved = st.lists(servers, min_size=1, max_size=4)
background = st.integers(0, 2)
slices = st.integers(1, 40)
happenings = st.builds(
    Happening, st.integers(0, END), st.sampled_from(["wake", "wake", "block", "yield"]), st.integers(0, 5)
)
scripts = st.lists(happenings, max_size=25)


def cells(reservations: Sequence[Sequence[int]], idlers: int) -> list[VcpuParams]:
    pairs = [tuple(pair) for pair in reservations] + [(0, 0)] * idlers
    return [VcpuParams(n, f"cell{n}", budget=budget, period=period) for n, (budget, period) in enumerate(pairs)]


def play(
    vcpus: Sequence[VcpuParams], slice_cycles: int, script: Sequence[Happening], overshoots: Sequence[int] = (0,)
) -> list[Stretch]:
    policy = Reservation(slice_cycles)
    for params in vcpus:
        policy.add(params)
    return run_one_core(policy, script, END, overshoots)


def known(script: Sequence[Happening], vcpus: Sequence[VcpuParams]) -> list[Happening]:
    """The script, with everybody awake from the start (many blocks follow), for the vCPUs that there are."""
    awake = [Happening(0, "wake", params.vcpu) for params in vcpus]
    return awake + [happening for happening in script if happening.vcpu < len(vcpus)]


def periods(params: VcpuParams) -> Iterator[tuple[int, int]]:
    return ((start, start + params.period) for start in range(0, END - params.period + 1, params.period))


def is_runnable_throughout(script: Sequence[Happening], vcpu: int, start: int, end: int) -> bool:
    """Runnable from start to end, and never yielding on the way."""
    yields = any(what == "yield" and who == vcpu and start <= time < end for time, what, who in script)
    return not yields and any(since <= start and end <= until for since, until in runnable_stretches(script, vcpu, END))


@pytest.mark.slow
@MODEL
@given(reserved, background, slices, scripts, st.lists(st.integers(0, 9), min_size=1, max_size=4))
def test_nobody_gets_more_than_its_budget_and_one_overshoot_in_a_period(
    reservations: list[tuple[int, int]], idlers: int, slice_cycles: int, script: list[Happening], overshoots: list[int]
) -> None:
    vcpus = cells(reservations, idlers)
    stretches = play(vcpus, slice_cycles, known(script, vcpus), overshoots)
    for params in vcpus[: len(reservations)]:
        for start, end in periods(params):
            assert used(stretches, params.vcpu, start, end) <= params.budget + max(overshoots)


@pytest.mark.slow
@MODEL
@example([(1, 27), (1, 2)], 1, 4, [Happening(0, "block", 1), Happening(209, "wake", 1)])
@given(reserved, background, slices, scripts)
def test_who_is_runnable_throughout_a_period_gets_its_whole_budget_unless_too_much_was_promised(
    reservations: list[tuple[int, int]], idlers: int, slice_cycles: int, script: list[Happening]
) -> None:
    vcpus = cells(fitting(reservations), idlers)
    script = known(script, vcpus)
    stretches = play(vcpus, slice_cycles, script)
    for params in vcpus:
        if params.budget:
            for start, end in periods(params):
                if is_runnable_throughout(script, params.vcpu, start, end):
                    assert used(stretches, params.vcpu, start, end) == params.budget


def fitting(reservations: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """As many as fit on one core; the last is cut to what is left, so that the core is often promised whole."""
    taken: list[tuple[int, int]] = []
    for budget, period in reservations:
        room = next((b for b in range(budget, 0, -1) if share([*taken, (b, period)]) <= 1), 0)
        if room:
            taken.append((room, period))
    assume(taken)
    return taken


def share(reservations: Sequence[tuple[int, int]]) -> Fraction:
    """The part of the core that is promised."""
    return sum((Fraction(budget, period) for budget, period in reservations), Fraction(0))


@pytest.mark.slow
@MODEL
@given(reserved, slices, scripts)
def test_the_core_never_idles_while_somebody_in_the_background_wants_it(
    reservations: list[tuple[int, int]], slice_cycles: int, script: list[Happening]
) -> None:
    vcpus = cells(reservations, 1)
    idler = len(reservations)
    script = [happening for happening in known(script, vcpus) if happening.vcpu != idler]
    stretches = play(vcpus, slice_cycles, [*script, Happening(0, "wake", idler)])
    assert sum(stretch.end - stretch.start for stretch in stretches) == END


@pytest.mark.slow
@MODEL
@given(reserved, background, slices, scripts)
def test_nobody_runs_while_it_is_blocked(
    reservations: list[tuple[int, int]], idlers: int, slice_cycles: int, script: list[Happening]
) -> None:
    vcpus = cells(reservations, idlers)
    script = known(script, vcpus)
    ordered = sorted(script, key=lambda happening: happening.time)
    for stretch in play(vcpus, slice_cycles, script):
        inside = [
            s for s in runnable_stretches(ordered, stretch.vcpu, END) if s[0] <= stretch.start <= stretch.end <= s[1]
        ]
        assert inside, stretch
