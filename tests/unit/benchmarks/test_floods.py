"""Floods: what counts as a promise that was not kept."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.floods import EACH, INTERFACES, PERIOD_US, Flood, apart, problems

ROUNDS = 625
SECONDS = ROUNDS * PERIOD_US / 1e6
SENT = {f"interface {number}": ROUNDS * EACH for number in range(INTERFACES)}
FLOOD = Flood(latency=1_200, skipped=0, sent=SENT, dead={}, host_seconds=1.0, hz=600_000_000)


def test_the_same_latency_to_a_tick_is_no_move() -> None:
    assert problems(FLOOD, FLOOD, SECONDS) == []
    assert problems(replace(FLOOD, latency=1_800), FLOOD, SECONDS) == []
    assert problems(FLOOD, replace(FLOOD, latency=9_000), SECONDS) == []
    [moved] = problems(replace(FLOOD, latency=1_801), FLOOD, SECONDS)
    assert moved == "rt: at worst 1801 cycles late, and 1200 without malformed messages"


def test_a_flood_that_is_too_small_a_tick_that_is_skipped_and_a_death_are_told() -> None:
    assert len(problems(replace(FLOOD, sent={**SENT, "interface 3": ROUNDS * EACH - 1}), FLOOD, SECONDS)) == 1
    assert problems(replace(FLOOD, sent={}), FLOOD, SECONDS) == [f"0 interfaces, not {INTERFACES}"]
    assert problems(replace(FLOOD, skipped=2), FLOOD, SECONDS) == ["rt skipped 2 ticks"]
    assert problems(replace(FLOOD, dead={"lcd": "killed"}), FLOOD, SECONDS) == ["lcd died: killed"]


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("flavour", ["l4", "xen", "okl4"])
def test_a_flood_of_a_fifth_of_a_second_is_of_the_size_that_is_promised_and_harms_nobody(flavour: str) -> None:
    flood = apart(flavour, "0.2", "malformed")
    assert problems(flood, flood, 0.2) == []
