"""What Xen's schedulers promise, over time, on one core: shares follow weights, caps hold, nobody starves, deadlines are met.

The reference models say that the policies do what they say; this says that what they say is worth having.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hypervisor.core.policies import Credit, EarliestDeadline, VcpuParams
from tests.support.one_core import Happening, Stretch, run_one_core, used

SLICE = 40
PERIOD = 3 * SLICE
END = 60 * PERIOD
SLACK = 3 * PERIOD
"""Credit is bounded by a period either way, and a turn may be under way."""
MODEL = settings(max_examples=30, deadline=None, derandomize=True)

weights = st.lists(st.sampled_from([64, 128, 256, 512, 1024]), min_size=1, max_size=5)
caps = st.sampled_from([0, 5, 20, 50, 100])
happenings = st.builds(
    Happening, st.integers(0, END), st.sampled_from(["wake", "wake", "block", "yield"]), st.integers(0, 4)
)
scripts = st.lists(happenings, max_size=60)
overshoots = st.lists(st.integers(0, 9), min_size=1, max_size=4)


def credit(vcpus: Sequence[VcpuParams], script: Sequence[Happening], late: Sequence[int] = (0,)) -> list[Stretch]:
    policy = Credit(SLICE)
    for params in vcpus:
        policy.add(params)
    return run_one_core(policy, script, END, late)


def awake(vcpus: Sequence[VcpuParams]) -> list[Happening]:
    return [Happening(0, "wake", params.vcpu) for params in vcpus]


@pytest.mark.slow
@MODEL
@given(weights, overshoots)
def test_shares_follow_weights_whatever_the_lateness_of_stops(given_weights: list[int], late: list[int]) -> None:
    vcpus = [VcpuParams(n, f"c{n}", weight=weight) for n, weight in enumerate(given_weights)]
    stretches = credit(vcpus, awake(vcpus), late)
    for params in vcpus:
        share = END * params.weight / sum(given_weights)
        assert abs(used(stretches, params.vcpu, 0, END) - share) <= SLACK


@pytest.mark.slow
@MODEL
@given(weights, st.lists(caps, min_size=5, max_size=5), scripts, overshoots)
def test_caps_hold_whatever_anybody_does(
    given_weights: list[int], given_caps: list[int], script: list[Happening], late: list[int]
) -> None:
    vcpus = [VcpuParams(n, f"c{n}", weight=w, cap=c) for n, (w, c) in enumerate(zip(given_weights, given_caps))]  # noqa: B905
    script = [*awake(vcpus), *(happening for happening in script if happening.vcpu < len(vcpus))]
    stretches = credit(vcpus, script, late)
    for params in vcpus:
        if params.cap:
            for start in range(0, END, 5 * PERIOD):
                most = Fraction(params.cap, 100) * (END - start) + SLACK
                assert used(stretches, params.vcpu, start, END) <= most


@pytest.mark.slow
@MODEL
@given(weights, st.integers(0, 4), st.integers(1, 60), st.integers(1, 60))
def test_who_has_something_to_do_is_never_starved_by_sleepers_that_are_boosted(
    given_weights: list[int], sleepers: int, work: int, sleep: int
) -> None:
    busy = [VcpuParams(n, f"c{n}", weight=weight) for n, weight in enumerate(given_weights)]
    nappers = [VcpuParams(10 + n, f"s{n}") for n in range(sleepers)]
    naps = [
        Happening(start + at, what, params.vcpu)  # type: ignore[arg-type]
        for start in range(0, END, work + sleep)
        for params in nappers
        for at, what in ((0, "wake"), (work, "block"))
    ]
    stretches = credit([*busy, *nappers], [*awake(busy), *naps])
    total = sum(params.weight for params in (*busy, *nappers))
    for params in busy:
        assert used(stretches, params.vcpu, 0, END) >= END * params.weight / total - SLACK


@pytest.mark.slow
@MODEL
@given(weights, st.lists(caps, min_size=5, max_size=5), scripts)
def test_the_core_never_idles_while_one_without_a_cap_wants_it(
    given_weights: list[int], given_caps: list[int], script: list[Happening]
) -> None:
    vcpus = [VcpuParams(n, f"c{n}", weight=w, cap=c) for n, (w, c) in enumerate(zip(given_weights, given_caps))]  # noqa: B905
    free = VcpuParams(9, "free")
    script = [happening for happening in script if happening.vcpu < len(vcpus)]
    stretches = credit([*vcpus, free], [*awake([*vcpus, free]), *script])
    assert sum(stretch.end - stretch.start for stretch in stretches) == END


# ---- earliest deadline first

HORIZON = 400
pairs = st.tuples(st.integers(1, 30), st.integers(1, 30)).map(sorted).map(tuple)
reserved = st.lists(pairs, min_size=1, max_size=4)
early = st.lists(
    st.builds(
        Happening, st.integers(0, HORIZON), st.sampled_from(["wake", "wake", "block", "yield"]), st.integers(1, 5)
    ),
    max_size=40,
)


def fitting(reservations: Sequence[Sequence[int]]) -> list[VcpuParams]:
    """As many as fit on one core; the last is cut to what is left, so that the core is often promised whole."""
    taken: list[VcpuParams] = []
    load = Fraction(0)
    for budget, period in reservations:
        room = next((b for b in range(budget, 0, -1) if load + Fraction(b, period) <= 1), 0)
        if room:
            taken.append(VcpuParams(len(taken), f"c{len(taken)}", budget=room, period=period))
            load += Fraction(room, period)
    assume(taken)
    return taken


def edf(vcpus: Sequence[VcpuParams], slice_cycles: int, script: Sequence[Happening]) -> list[Stretch]:
    policy = EarliestDeadline(slice_cycles)
    for params in vcpus:
        policy.add(params)
    return run_one_core(policy, script, HORIZON)


@pytest.mark.slow
@MODEL
@given(reserved, st.integers(0, 2), st.integers(1, 40))
def test_deadlines_are_met_while_no_more_than_the_core_is_promised(
    reservations: list[tuple[int, int]], idlers: int, slice_cycles: int
) -> None:
    vcpus = fitting(reservations)
    idle = [VcpuParams(len(vcpus) + n, f"i{n}") for n in range(idlers)]
    stretches = edf([*vcpus, *idle], slice_cycles, awake([*vcpus, *idle]))
    for params in vcpus:
        for start in range(0, HORIZON - params.period + 1, params.period):
            assert used(stretches, params.vcpu, start, start + params.period) >= params.budget


@pytest.mark.slow
@MODEL
@given(reserved, st.integers(0, 2), st.integers(1, 40), early)
def test_the_deadlines_of_one_are_met_however_the_others_wake_block_and_yield(
    reservations: list[tuple[int, int]], idlers: int, slice_cycles: int, script: list[Happening]
) -> None:
    vcpus = fitting(reservations)
    idle = [VcpuParams(len(vcpus) + n, f"i{n}") for n in range(idlers)]
    known = [happening for happening in script if happening.vcpu < len(vcpus) + idlers]
    stretches = edf([*vcpus, *idle], slice_cycles, [*awake([*vcpus, *idle]), *known])
    steady = vcpus[0]
    for start in range(0, HORIZON - steady.period + 1, steady.period):
        assert used(stretches, steady.vcpu, start, start + steady.period) >= steady.budget


@pytest.mark.slow
@MODEL
@given(reserved, st.integers(1, 40), early)
def test_the_core_idles_only_when_nobody_wants_it(
    reservations: list[tuple[int, int]], slice_cycles: int, script: list[Happening]
) -> None:
    vcpus = fitting(reservations)
    known = [happening for happening in script if happening.vcpu < len(vcpus)]
    stretches = edf(vcpus, slice_cycles, [*awake(vcpus), *known])
    assert sum(stretch.end - stretch.start for stretch in stretches) == HORIZON, "the first one always wants it"
