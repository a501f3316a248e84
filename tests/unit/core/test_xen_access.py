"""The policy at the monitor's doors: what is asked, what it costs, what is written down, what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from typing import Any

import pytest

from hypervisor.abi.records import Exit
from hypervisor.abi.status import Status, from_word
from hypervisor.abi.time import NEVER
from hypervisor.core.bus import PhysicalDevice
from hypervisor.core.cell import CellState
from hypervisor.core.costs import Costs
from hypervisor.core.errors import InvariantBroken
from hypervisor.core.events import OperatorAsked
from hypervisor.core.xen.policy import Policy
from tests.support.guarded import SHARE, Guarded
from tests.support.scripted import Bench, ScriptedVcpu

Steps = Generator[Exit, None, None]

POLICY = Policy.of(
    {
        "labels": {
            "work_t": {"types": ["work"], "walls": ["office"]},
            "play_t": {"types": ["play"], "walls": ["games"]},
            "mail_t": {"types": ["work"]},
            "storage_t": {"types": ["work", "play", "flash"]},
        },
        "conflicts": {"work_or_play": ["office", "games"]},
        "devices": {"flash0": ["flash"]},
    }
)
EVENT_CHANNEL, GRANT = 0, 1


def sharing(*asked: tuple[int, int], answers: list[int]) -> Callable[[ScriptedVcpu], Steps]:
    """A guest that asks for each (other cell, operation) and keeps what it is told."""

    def script(vcpu: ScriptedVcpu) -> Steps:
        for other, operation in asked:
            answers.append(from_word((yield from vcpu.call(SHARE, other, operation))))

    return script


def idle(vcpu: ScriptedVcpu) -> Steps:
    yield from vcpu.wait(NEVER)


def bench(
    scripts: dict[str, Callable[[ScriptedVcpu], Steps]], labels: list[str], policy: Policy | None = POLICY
) -> Bench:
    params = {name: {"label": label} for name, label in zip(scripts, labels, strict=True)}
    costs = Costs(operations={"policy": 50})
    return Bench(scripts, mechanism=Guarded.under(policy), params=params, costs=costs)


def records(it: Bench, *kinds: str) -> list[dict[str, Any]]:
    """The trace's records of these kinds. To be asked once, at the end."""
    chunks: list[bytes] = []
    it.trace.on_chunk.append(chunks.append)
    it.trace.flush()
    lines = [json.loads(line) for line in b"".join(chunks).splitlines()]
    return [line for line in lines if line["k"] in kinds]


def test_an_allowed_call_goes_on_and_is_a_step_with_its_cost() -> None:
    answers: list[int] = []
    it = bench({"storage": idle, "office": sharing((0, GRANT), answers=answers)}, ["storage_t", "work_t"])
    it.until(10_000)
    assert answers == [Status.OK]
    assert it.monitor.ledger.cycles("office", "policy") == 50
    asked = records(it, "policy", "denied")[-1]
    assert (asked["k"], asked["cell"], asked["cycles"], asked["other"]) == ("policy", "office", 50, "storage")
    assert (asked["subject"], asked["object"], asked["operation"], asked["allowed"]) == (
        "work_t",
        "storage_t",
        "grant",
        1,
    )
    assert asked["rule"] == "type enforcement: work_t and storage_t share work"


@pytest.mark.parametrize(("operation", "word"), [(EVENT_CHANNEL, "event_channel"), (GRANT, "grant")])
def test_a_denied_call_is_refused_and_written_down_and_the_guest_goes_on(operation: int, word: str) -> None:
    answers: list[int] = []
    asked = sharing((0, operation), (1, operation), answers=answers)
    it = bench({"game": idle, "storage": idle, "chat": asked}, ["play_t", "storage_t", "mail_t"])
    it.until(10_000)
    assert answers == [Status.DENIED, Status.OK]
    assert it.monitor.ledger.cycles("chat", "policy") == 100, "an answer costs the same whatever it is"
    (denied,) = records(it, "denied")
    assert {key: denied[key] for key in ("cell", "subject", "object", "operation", "rule")} == {
        "cell": "chat",
        "subject": "mail_t",
        "object": "play_t",
        "operation": word,
        "rule": "type enforcement: no type in common (mail_t has work, play_t has play)",
    }


def test_without_a_policy_nothing_is_asked_and_nothing_costs_anything() -> None:
    answers: list[int] = []
    it = bench({"a": sharing((1, GRANT), answers=answers), "b": idle}, ["", ""], policy=None)
    it.until(10_000)
    assert answers == [0]
    assert it.monitor.ledger.counted("a", "policy") == 0


def test_a_rival_of_one_that_runs_does_not_start_and_its_end_says_why() -> None:
    it = bench({"office": idle, "games": idle}, ["work_t", "play_t"])
    games = it.cell("games")
    assert games.state is CellState.FAILED
    assert games.why == (
        "refused by the policy: cell_creation: "
        "Chinese wall work_or_play: games of play_t conflicts with office of work_t, which runs"
    )
    assert it.hosts["games"].lives == 0
    assert it.cell("office").state is CellState.RUNNING
    assert it.until(10_000) in ("asleep", "reached")


@pytest.mark.parametrize("label", ["", "stranger_t"])
def test_a_cell_whose_label_the_policy_does_not_know_does_not_start(label: str) -> None:
    it = bench({"stranger": idle}, [label])
    assert it.cell("stranger").why == f'refused by the policy: cell_creation: no such label: "{label}"'


def test_a_refused_cell_holds_no_memory() -> None:
    it = bench({"office": idle, "games": idle}, ["work_t", "play_t"])
    assert it.monitor.frames.segments("games") == ()


def test_two_rivals_that_are_there_all_the_same_are_our_mistake() -> None:
    it = bench({"office": idle, "games": idle}, ["work_t", "play_t"])
    mechanism = it.monitor.mechanism
    assert isinstance(mechanism, Guarded)
    mechanism.access._there[1] = "play_t"
    with pytest.raises(InvariantBroken, match=r"^policy: 0 \(work_t\) and 1 \(play_t\) are both there$"):
        it.monitor.check_invariants()


class FlashStub:
    """A device that never does anything."""

    registers: Any = None

    def deadline(self) -> int:
        return NEVER

    def advance(self) -> None:
        pass

    def reset(self) -> None:
        pass


@pytest.mark.parametrize(("label", "starts"), [("storage_t", True), ("mail_t", False)])
def test_a_cell_with_a_device_that_it_may_not_have_does_not_start(label: str, starts: bool) -> None:
    it = bench({"holder": idle}, [label])
    it.monitor.bus.attach(PhysicalDevice("flash0", 0x1000, 0x1000, FlashStub(), owner=0))
    it.monitor.handle(OperatorAsked("restart", 0), it.monitor.now)
    holder = it.cell("holder")
    assert holder.ended is not starts
    if not starts:
        rule = "type enforcement: no type in common (mail_t has work, flash0 has flash)"
        assert holder.why == f"refused by the policy: device_assignment: {rule}"
