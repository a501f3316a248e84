"""Floods: what counts as a promise that was not kept."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from benchmarks.floods import EACH, INTERFACES, PERIOD_US, TASK_US, Flood, Witness, apart, main, problems
from hypervisor.core.cell import Wake
from hypervisor.shell.topology import load

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


def test_a_flood_of_proper_messages_is_to_be_as_large_but_for_what_waits_for_a_person() -> None:
    few = replace(FLOOD, sent={**SENT, "interface 3": ROUNDS * EACH - 1})
    assert len(problems(FLOOD, few, SECONDS)) == 1
    assert problems(FLOOD, replace(FLOOD, sent={**SENT, "input proper": 32}), SECONDS) == []
    assert problems(FLOOD, replace(FLOOD, sent={}), SECONDS) == [f"0 interfaces, not {INTERFACES}"]


def test_the_task_becomes_due_at_every_microsecond_of_a_round() -> None:
    assert math.gcd(TASK_US, PERIOD_US) == 1
    cells = {cell.name: cell for cell in load("floods").cells}
    assert f"period_us={TASK_US} " in str(cells["rt"].args)
    assert f"{PERIOD_US}us" in cells["flooder"].args


def test_the_worst_wake_up_is_told_from_the_exit_before_it_was_due_until_it_came() -> None:
    records = [
        {"t": 10, "k": "exit", "cell": "early", "why": "wait"},
        {"t": 90, "k": "exit", "cell": "flooder", "why": "hypercall", "call": 32},
        {"t": 90, "k": "channel", "cell": "flooder", "cycles": 151},
        {"t": 90, "k": "refused", "cell": "flooder"},
        {"t": 160, "k": "switch", "cell": "rt"},
        {"t": 161, "k": "exit", "cell": "rt", "why": "wait"},
    ]
    lines = b"".join(json.dumps(record).encode() + b"\n" for record in records)
    seen: list[Wake] = []
    witness = Witness(lambda: seen[-1] if seen else None)
    witness.hear(lines[:200])
    assert witness.story == ""
    seen.append(Wake(60, 100, "flooder", "hypercall"))
    witness.hear(lines[200:])
    witness.hear(b"")
    assert witness.story == "flooder: hypercall 32, channel 151, refused, switch to rt"


@pytest.mark.parametrize(
    "wrong",
    [["--flavours", "native"], ["--flavours", "l4,zen"], ["--seconds", "-1"], ["--seconds", "x"], ["--jobs", "0"]],
)
def test_what_makes_no_sense_is_refused_in_one_line(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(wrong)
    assert caught.value.code == 2
    assert wrong[1].rpartition(",")[2] in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("flavour", ["l4", "xen", "okl4"])
def test_a_flood_of_a_fifth_of_a_second_is_of_the_size_that_is_promised_and_harms_nobody(flavour: str) -> None:
    flood = apart(flavour, "0.2", "malformed")
    assert problems(flood, flood, 0.2) == []
