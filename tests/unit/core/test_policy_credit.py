"""Credit: what an accounting makes of those who ran, who goes first, and how a cap stops one."""

from __future__ import annotations

import pytest

from hypervisor.core.errors import InvariantBroken
from hypervisor.core.policies import Credit, Idle, Run, VcpuParams, make_policy
from hypervisor.core.policies.credit import Account
from tests.support.invariants import Watch
from tests.support.one_core import Happening, run_one_core, used
from tests.support.scripted import Bench, ScriptedVcpu

FREE: frozenset[int] = frozenset()
SLICE, PERIOD = 100, 300
A, B = VcpuParams(0, "a"), VcpuParams(1, "b")


@pytest.fixture
def policy(watch: Watch) -> Credit:
    return watch(Credit(SLICE))


def with_(policy: Credit, *vcpus: VcpuParams, awake: bool = True) -> Credit:
    for params in vcpus:
        policy.add(params)
        if awake:
            policy.wake(params.vcpu, 0)
    return policy


def test_who_wakes_in_credit_goes_before_who_runs_already(policy: Credit) -> None:
    with_(policy, A)
    policy.charge(0, 0, 0, 100)
    policy.add(B)
    assert policy.preempts(waker=1, running=0, core=0, now=150)
    policy.wake(1, 150)
    assert policy.pick(0, 150, FREE) == Run(1, 200)


def test_a_boost_is_over_at_the_end_of_a_slice_at_which_it_still_runs(policy: Credit) -> None:
    with_(policy, A)
    assert policy.pick(0, 50, FREE) == Run(0, 100), "it is looked at again there"
    policy.charge(0, 0, 50, 100)
    policy.add(B)
    assert policy.preempts(waker=1, running=0, core=0, now=120)
    policy.wake(1, 120)
    policy.wake(0, 120)
    assert policy.pick(0, 120, FREE).until == 200


def test_a_boost_outlives_a_short_run(policy: Credit) -> None:
    with_(policy, A)
    policy.charge(0, 0, 10, 60)
    policy.add(B)
    assert not policy.preempts(waker=1, running=0, core=0, now=70), "they are equals"


def test_who_owes_runs_only_when_nobody_else_wants_to(policy: Credit) -> None:
    with_(policy, A, B)
    policy.charge(0, 0, 0, 299)
    policy.charge(1, 0, 299, 300)  # both have run, and each earns 150
    assert policy.pick(0, 300, FREE) == Run(1, 399)
    policy.charge(1, 0, 300, 399)
    assert policy.pick(0, 399, FREE) == Run(1, 499), "again and again"
    policy.block(1, 399)
    assert policy.pick(0, 399, FREE) == Run(0, 499)


def test_who_owes_is_not_boosted(policy: Credit) -> None:
    with_(policy, A, B)
    for start in (0, 300, 600):
        policy.charge(1, 0, start, start + 1)
        policy.charge(0, 0, start + 1, start + 300)
    policy.block(0, 900)
    assert not policy.preempts(waker=0, running=1, core=0, now=905)


def test_a_debt_is_forgiven_above_a_period_but_not_under_a_cap(policy: Credit) -> None:
    with_(policy, A, VcpuParams(1, "capped", cap=10))
    for vcpu in (0, 1):
        policy.charge(vcpu, 0, 0, 0)
        policy._accounts = {**policy._accounts, vcpu: Account(credit=-900, active=True)}
    policy.charge(0, 0, 300, 300)
    assert policy._at(300)[0].credit == -PERIOD
    assert policy._at(300)[1].credit == -870


def test_one_above_its_cap_is_parked_even_while_the_core_idles(policy: Credit) -> None:
    with_(policy, VcpuParams(0, "capped", cap=10))
    policy.charge(0, 0, 0, 300)
    assert policy.pick(0, 300, FREE) == Idle(600)
    assert policy.pick(0, 2_699, FREE) == Idle(2_700)
    assert policy.pick(0, 3_000, FREE) == Run(0, 3_100), "300 cycles are ten periods of 30"


def test_one_that_is_parked_stays_so_until_it_owes_nothing(policy: Credit) -> None:
    with_(policy, VcpuParams(0, "capped", cap=50))
    policy.charge(0, 0, 0, 300)
    policy.charge(0, 0, 300, 310)
    assert policy.pick(0, 310, FREE) == Run(0, 400), "150 behind is not more than the cap's 150"
    policy.charge(0, 0, 310, 400)
    assert policy.pick(0, 600, FREE) == Run(0, 700)
    policy.charge(0, 0, 600, 900)
    assert policy.pick(0, 900, FREE) == Idle(1_200), "250 behind"
    assert policy.pick(0, 1_200, FREE) == Idle(1_500), "100 behind would not park it, but do not free it either"
    assert policy.pick(0, 1_500, FREE).until > 1_500
    assert isinstance(policy.pick(0, 1_500, FREE), Run)


def test_who_sleeps_long_saves_no_more_than_half_a_period_and_earns_nothing(policy: Credit) -> None:
    with_(policy, A, B)
    policy.charge(0, 0, 0, 1)
    policy.block(0, 1)
    policy.charge(1, 0, 1, 2)
    far = policy._at(30_000)
    assert not far[0].active
    assert 0 <= far[0].credit <= PERIOD
    assert policy._at(30_000_000) == far


def test_asking_for_the_far_future_changes_nothing(policy: Credit) -> None:
    with_(policy, A, B)
    policy.charge(0, 0, 0, 100)
    policy.pick(0, 3_000, FREE)
    policy.preempts(waker=1, running=0, core=0, now=9_000)
    assert policy._number == 0
    assert policy.pick(0, 100, FREE) == Run(1, 200)


def test_nobody_earns_more_than_one_core_gives_and_the_rest_goes_to_the_others(policy: Credit) -> None:
    policy.cores = 2
    heavy, light, lighter = (
        VcpuParams(0, "h", weight=10_000),
        VcpuParams(1, "l", weight=3),
        VcpuParams(2, "x", weight=1),
    )
    assert policy._earnings([heavy, light, lighter]) == {0: 300, 1: 225, 2: 75}
    assert policy._earnings([heavy]) == {0: 300}
    assert policy._earnings([VcpuParams(3, "c", cap=10), heavy, light]) == {3: 30, 0: 300, 1: 270}
    assert policy._earnings([]) == {}


def test_accounts_that_cannot_be_are_found() -> None:
    broken = with_(Credit(SLICE), A)
    broken._accounts = {0: Account(credit=301, parked=True)}
    with pytest.raises(InvariantBroken) as found:
        broken.check_invariants()
    assert found.value.story == (
        "credit: vCPU 0 has 301 in a period of 300",
        "credit: vCPU 0 is parked without a cap",
    )
    broken._accounts = {}
    with pytest.raises(InvariantBroken, match=r"^credit: vCPU 0 and its account do not match$"):
        broken.check_invariants()


@pytest.mark.parametrize(("weight", "cap"), [(0, 0), (1, -1), (1, 101)])
def test_a_weight_or_cap_that_makes_no_sense_is_refused(weight: int, cap: int) -> None:
    with pytest.raises(ValueError, match=f"a weight of {weight} and a cap of {cap} percent"):
        VcpuParams(0, "a", weight=weight, cap=cap)


def test_a_guest_that_mostly_waits_answers_at_once_beside_hogs(watch: Watch) -> None:
    policy = with_(watch(Credit(SLICE)), A, B)
    policy.add(VcpuParams(2, "ui"))
    script = []
    for wake in range(1_000, 30_000, 500):  # 20 of 500 cycles: far below its third
        script += [Happening(wake, "wake", 2), Happening(wake + 20, "block", 2)]
    stretches = run_one_core(policy, script, 30_000)
    assert [s.start for s in stretches if s.vcpu == 2] == list(range(1_000, 30_000, 500))


def test_a_guest_that_abuses_the_boost_gets_its_share_and_no_more(watch: Watch) -> None:
    policy = with_(watch(Credit(SLICE)), A)
    policy.add(VcpuParams(1, "thief"))
    script = []
    for wake in range(
        0, 30_000, 100
    ):  # naps for 5 cycles at the end of each slice, so that it is never found running there
        script += [Happening(wake, "wake", 1), Happening(wake + 95, "block", 1)]
    stretches = run_one_core(policy, script, 30_000)
    assert used(stretches, 0, 0, 30_000) >= 15_000 - PERIOD


def hog(vcpu: ScriptedVcpu):  # type: ignore[no-untyped-def]
    while True:
        yield from vcpu.work(1 << 30)


@pytest.mark.parametrize(
    ("weights", "shares"),
    [
        ((256, 256, 256, 256), (0.5, 0.5, 0.5, 0.5)),
        ((512, 256, 256), (1.0, 0.5, 0.5)),
        ((4_000, 256, 256), (1.0, 0.5, 0.5)),
    ],
)
def test_on_two_cores_shares_are_those_of_the_board(weights: tuple[int, ...], shares: tuple[float, ...]) -> None:
    end = 120_000
    params = {f"c{n}": {"weight": weight} for n, weight in enumerate(weights)}
    policy = make_policy("credit", slice_cycles=1_000, cores=2, grain=16)
    bench = Bench(dict.fromkeys(params, hog), policy=policy, cores=2, params=params, quantum=100, latency=100)
    bench.until(end)
    for name, share in zip(params, shares, strict=True):
        assert abs(bench.cell(name).account.ran - share * end) <= 3 * 3_000, name


def test_on_two_cores_a_cap_holds() -> None:
    policy = make_policy("credit", slice_cycles=1_000, cores=2, grain=16)
    params: dict[str, dict[str, int]] = {"capped": {"cap": 20}, "free": {}}
    bench = Bench(dict.fromkeys(params, hog), policy=policy, cores=2, params=params, quantum=100, latency=100)
    bench.until(120_000)
    assert 0.2 * 120_000 - 3_000 <= bench.cell("capped").account.ran <= 0.2 * 120_000 + 3_000
    assert bench.cell("free").account.ran >= 119_000
