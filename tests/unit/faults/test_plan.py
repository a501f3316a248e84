"""A campaign's expansion: deterministic, ordered, each injection with an id of its own."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hypervisor.faults import ACTIONS, ANY, Device, Fault, Plan, expand

CELLS = ("client", "storage")
HZ = 1_000_000
DEVICE = Device("one", 1, "digest", CELLS, HZ, duration=HZ)

faults = st.builds(
    Fault,
    action=st.sampled_from(sorted(ACTIONS)),
    cell=st.sampled_from([ANY, *CELLS]),
    at=st.sampled_from(["", "1us", "50ms"]),
    within=st.sampled_from([None, ("1ms", "2ms"), ("10us", "900ms")]),
    count=st.integers(1, 4),
    probability=st.sampled_from([0.0, 0.001, 0.5, 1.0]),
    times=st.integers(1, 3),
)
devices = st.builds(
    Device,
    st.sampled_from(["one", "two"]),
    st.integers(0, 2**64 - 1),
    st.sampled_from(["a", "b"]),
    st.just(CELLS),
    st.sampled_from([HZ, 600_000_000]),
    st.integers(1, 10**9),
)


def ids(plan: Plan, *more: Device) -> list[str]:
    return [injection.id for injection in expand(plan, [DEVICE, *more])]


@given(st.lists(faults, min_size=1, max_size=4), st.lists(devices, min_size=1, max_size=3))
def test_the_same_campaign_gives_the_same_injections_each_once(lines: list[Fault], where: list[Device]) -> None:
    plan = Plan("t", tuple(lines))
    found = expand(plan, where)
    assert found == expand(plan, where)
    assert len({injection.id for injection in found}) == len(found)
    for injection in found:
        assert injection.cell in (CELLS if ACTIONS[injection.action].guests else ("",))
        assert (injection.at is None) == (not injection.steps)
        assert list(injection.steps) == sorted(injection.steps, key=lambda step: step.at)
        assert all(step.at >= (injection.at or 0) for step in injection.steps)


@given(st.integers(0, 2**64 - 1), st.sampled_from([("1ms", "2ms"), ("10us", "900ms"), ("3us", "4us")]))
def test_random_times_lie_in_their_window(seed: int, within: tuple[str, str]) -> None:
    device = dataclasses.replace(DEVICE, seed=seed)
    found = expand(Plan("t", (Fault("kill", ANY, within=within, count=5),)), [device])
    low, high = {"1ms": (1000, 2000), "10us": (10, 900_000), "3us": (3, 4)}[within[0]]
    assert found
    assert all(injection.at is not None and low <= injection.at < high for injection in found)


@given(st.lists(faults, max_size=3), faults)
def test_a_line_at_the_end_changes_no_injection_before_it(lines: list[Fault], more: Fault) -> None:
    before, after = ids(Plan("t", tuple(lines))), ids(Plan("t", (*lines, more)))
    assert after[: len(before)] == before


@pytest.mark.parametrize("change", [{"digest": "other"}, {"seed": 2}, {"flavour": "two"}, {"duration": 5}])
def test_another_device_gives_other_ids(change: dict[str, object]) -> None:
    plan = Plan("t", (Fault("kill", ANY, at="5us"),))
    other = dataclasses.replace(DEVICE, **change)  # type: ignore[arg-type]
    assert not set(ids(plan)) & {injection.id for injection in expand(plan, [other])}


def test_an_id_is_the_same_on_every_host_and_day() -> None:
    assert ids(Plan("t", (Fault("kill", "client", at="5us"),))) == ["062517e4745d932d"]


def test_every_cell_in_turn() -> None:
    found = expand(Plan("t", (Fault("kill", ANY, at="5us"),)), [DEVICE])
    assert [(injection.cell, injection.at) for injection in found] == [("client", 5), ("storage", 5)]


def test_a_pause_ends_after_its_hold_and_comes_again() -> None:
    [injection] = expand(Plan("t", (Fault("pause", "client", at="1ms", hold="2ms", times=2, every="10ms"),)), [DEVICE])
    assert [(step.at, step.order) for step in injection.steps] == [
        (1_000, "pause"),
        (3_000, "unpause"),
        (11_000, "pause"),
        (13_000, "unpause"),
    ]


def test_a_probability_is_that_of_each_millisecond() -> None:
    devices = [dataclasses.replace(DEVICE, seed=seed) for seed in range(400)]
    found = expand(Plan("t", (Fault("kill", "client", within=("1us", "10ms"), probability=0.1),)), devices)
    never = sum(injection.at is None for injection in found)
    assert pytest.approx(never / len(found), abs=0.08) == 0.9**10
    assert all(injection.at is None or injection.at < 10_000 for injection in found)


def test_a_point_is_found_later_and_its_steps_count_from_there() -> None:
    [injection] = expand(Plan("t", (Fault("pause", "client", point="exit", visit=3, hold="2ms"),)), [DEVICE])
    assert (injection.at, injection.point, injection.visit) == (None, "exit", 3)
    assert [step.at for step in injection.begun_at(700).steps] == [700, 2700]
    assert injection.begun_at(700).id == injection.id
    assert injection.begun_at(None).steps == ()


def test_noise_comes_from_the_seed() -> None:
    def typed(seed: int) -> str:
        device = dataclasses.replace(DEVICE, seed=seed)
        return expand(Plan("t", (Fault("noise", "client", at="1us"),)), [device])[0].steps[0].data

    assert typed(1) == typed(1) != typed(2)
    assert len(bytes.fromhex(typed(1))) == 64
