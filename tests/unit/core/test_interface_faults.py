"""Injected faults of interfaces, where the monitor passes what goes through them: messages, bells, calls in a cell's name."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hypervisor.abi.faults import Armed, Draws
from hypervisor.abi.hypercalls import Hypercall
from hypervisor.abi.l4 import Item, ItemKind
from hypervisor.abi.memory import PAGE, READ, WINDOW_BASE
from hypervisor.abi.records import Event, EventKind, Exit, ExitKind
from hypervisor.abi.status import Status
from hypervisor.abi.time import NEVER
from hypervisor.core import events as on
from hypervisor.core import mishaps
from hypervisor.core.cell import CellState
from hypervisor.core.delivery import level
from hypervisor.core.xen import crimes
from hypervisor.shell.inputs import Input, InputKind
from tests.support import l4_cells, talkers
from tests.support.l4_cells import meet
from tests.support.scripted import Bench, ScriptedVcpu
from tests.support.talkers import channel, records, talk
from tests.support.xen import XenLab

TEXTS = [b"one.", b"two.", b"three", b"four"]
ARRIVES = {
    "drop_message": [b"one.", b"three", b"four"],
    "duplicate_message": [b"one.", b"two.", b"two.", b"three", b"four"],
    "reorder_message": [b"one.", b"three", b"two.", b"four"],
    "corrupt_message": [b"one.", b"uwo.", b"three", b"four"],
    "cut_message": [b"one.", b"tw", b"three", b"four"],
}
SAYS = {"corrupt_message": {"bit": 0}, "cut_message": {"length": 2}}
PAUSE = 5_000
Steps = Iterator[Exit]


def inject(bench: Bench, cell: str, fault: Armed) -> Bench:
    bench.loop.take(Input(bench.loop.step, 0, InputKind.INJECT, cell, fault.to_text()))
    return bench


def strike(action: str, visit: int = 1, **values: int) -> Armed:
    return Armed(action, point="message", visit=visit, values=values)


# okl4


def over_a_channel(fault: Armed) -> tuple[Bench, list[tuple[int, bytes]]]:
    """What a reader gets, and when, of a sender that is told each time that all is well."""
    got: list[tuple[int, bytes]] = []

    def sender(vcpu: ScriptedVcpu) -> Steps:
        for text in TEXTS:
            assert (yield from talkers.send(vcpu, 1, text)) == Status.OK
            yield from l4_cells.pause(vcpu, PAUSE)
        yield from l4_cells.pause(vcpu, 8 * PAUSE)

    def reader(vcpu: ScriptedVcpu) -> Steps:
        while vcpu.time < 10 * PAUSE:
            message = yield from talkers.receive(vcpu, 1)
            if isinstance(message, bytes):
                got.append((vcpu.time, message))
            else:
                yield from l4_cells.pause(vcpu, PAUSE // 5)

    bench = inject(talk({"a": sender, "b": reader}, channel("pipe", 0, 1)), "a", fault)
    bench.until(12 * PAUSE)
    bench.monitor.check_invariants()
    return bench, got


@pytest.mark.parametrize("action", ARRIVES)
def test_a_message_of_a_channel_is_lost_doubled_swapped_or_damaged_and_its_sender_is_told_that_it_went(action):
    bench, got = over_a_channel(strike(action, 2, **SAYS.get(action, {})))
    assert [text for _, text in got] == ARRIVES[action]
    (record,) = records(bench, "fault")
    assert (record["action"], record["cell"], record["visit"], record["bytes"]) == (action, "a", 2, 4)


def test_a_delayed_message_comes_when_its_time_is_over_and_the_next_is_not_held_up():
    _, got = over_a_channel(strike("delay_message", 2, delay=2 * PAUSE))
    assert [text for _, text in got] == [b"one.", b"three", b"two.", b"four"]
    assert {text: time for time, text in got}[b"two."] >= 3 * PAUSE


def test_a_message_that_waits_for_the_next_goes_with_its_sender():
    world = talkers.Direct(["a", "b"], channel("pipe", 0, 1))
    world.monitor.handle(on.FaultOrdered(0, strike("reorder_message")), 0)
    world.monitor.rounds._fire_timers(0)
    assert world.call("a", Hypercall.CHANNEL_SEND, 1, data=b"kept") == Status.OK
    world.kill("a")
    assert world.receive("b", 1) == Status.PEER_GONE
    assert not world.monitor.mechanism.connections.all[0].behind  # type: ignore[attr-defined]


# l4


def by_ipc(fault: Armed, ask: bool = False) -> tuple[Bench, list[tuple[int, bytes]], list[Any]]:
    got: list[tuple[int, bytes]] = []
    told: list[Any] = []

    def sender(vcpu: ScriptedVcpu) -> Steps:
        for text in TEXTS:
            message = l4_cells.Message(l4_cells.l4.Label.USER, string=text)
            answer = yield from l4_cells.ipc(vcpu, 1, 1 if ask else 0, message, receive=2 * PAUSE)
            told.append(answer.status or answer.text)
            yield from vcpu.work(PAUSE)
        yield from vcpu.work(20 * PAUSE)

    def receiver(vcpu: ScriptedVcpu) -> Steps:
        while vcpu.time < 10 * PAUSE:
            heard = yield from l4_cells.hear(vcpu, timeout=4 * PAUSE)
            if heard.status:
                continue
            got.append((vcpu.time, heard.text))
            if ask:
                reply = l4_cells.Message(l4_cells.l4.Label.USER, string=heard.text.upper())
                yield from l4_cells.ipc(vcpu, l4_cells.l4.REPLY, 0, reply, send=0)

    bench = inject(meet({"a": sender, "b": receiver}, channel("pipe", 0, 1)), "a", fault)
    bench.until(20 * PAUSE)
    bench.monitor.check_invariants()
    return bench, got, told


@pytest.mark.parametrize("action", ARRIVES)
def test_a_message_of_an_ipc_is_lost_doubled_swapped_or_damaged_and_its_sender_is_told_that_it_went(action):
    bench, got, told = by_ipc(strike(action, 2, **SAYS.get(action, {})))
    assert [text for _, text in got] == ARRIVES[action]
    assert told[:4] == [b""] * 4
    assert len(records(bench, "fault")) == 1


def test_a_call_whose_question_is_lost_ends_by_its_timeout_and_the_next_one_is_answered():
    _, _, told = by_ipc(strike("drop_message", 2), ask=True)
    assert told == [b"ONE.", Status.EMPTY, b"THREE", b"FOUR"]


def test_a_call_whose_question_is_late_is_answered_as_long_as_the_caller_waits():
    _, got, told = by_ipc(strike("delay_message", 2, delay=PAUSE), ask=True)
    assert told == [b"ONE.", b"TWO.", b"THREE", b"FOUR"]
    assert got[1][0] - got[0][0] >= 2 * PAUSE


def test_nothing_of_a_message_on_its_way_outlives_its_sender_or_its_receiver():
    for victim in ("a", "b"):
        bench, _, _ = by_ipc(strike("delay_message", 4, delay=8 * PAUSE))
        bench.loop.take(Input(bench.loop.step, bench.monitor.now, InputKind.KILL, victim))
        assert not bench.monitor.mechanism.ipc.late.waiting  # type: ignore[attr-defined]
        bench.until(60 * PAUSE)
        bench.monitor.check_invariants()


@pytest.mark.parametrize("action", ["duplicate_message", "delay_message", "corrupt_message", "cut_message"])
def test_a_pagers_answer_that_is_doubled_or_late_answers_no_later_fault(action):
    """What comes too often goes nowhere; what comes late is waited for."""
    log: list[int] = []

    def faults(vcpu: ScriptedVcpu) -> Steps:
        for number in range(3):
            status = yield from talkers.call(vcpu, Hypercall.PAGE_FAULT, WINDOW_BASE + number * PAGE, READ, 0)
            log.extend([status])
        yield from vcpu.work(PAUSE)

    def pager(vcpu: ScriptedVcpu) -> Steps:
        got = yield from l4_cells.hear(vcpu)
        for page in range(3):
            item = Item(ItemKind.MAP, page * PAGE, 1, READ)
            reply = l4_cells.Message(l4_cells.l4.Label.USER, (0x55,), (item,))
            got = yield from l4_cells.ipc(vcpu, l4_cells.l4.REPLY, 0, reply, send=0)
            got = yield from l4_cells.hear(vcpu, timeout=20 * PAUSE)
        assert got.who == l4_cells.NIL, "nobody asks once more"

    params = {"a": {"ram": 16 * PAGE}, "pager": {"ram": 16 * PAGE}}
    bench = meet({"a": faults, "pager": pager}, pagers={0: 1}, params=params)
    inject(bench, "pager", strike(action, 2, delay=PAUSE))
    bench.until(100 * PAUSE)
    bench.monitor.check_invariants()
    assert log == [0, 0, 0]
    assert not bench.monitor.mechanism.ipc.late.waiting  # type: ignore[attr-defined]


# Calls in a cell's name


def calls_of(bench: Bench, kind: str, cell: str) -> list[dict[str, Any]]:
    return [record for record in records(bench, kind) if record["cell"] == cell]


def a_caller(make: Callable[..., Bench], action: str, **values: int) -> tuple[Bench, list[int], list[tuple[int, int]]]:
    answers: list[int] = []
    heard: list[tuple[int, int]] = []

    def caller(vcpu: ScriptedVcpu) -> Steps:
        for _ in range(3):
            answers.append((yield from talkers.call(vcpu, Hypercall.TIME)))
            yield from vcpu.work(100)
        yield from vcpu.work(PAUSE)

    def partner(vcpu: ScriptedVcpu) -> Steps:
        yield from vcpu.wait(50 * PAUSE)
        heard.extend(talkers.rings(vcpu))
        yield from vcpu.work(PAUSE)

    bench = make({"a": caller, "b": partner}, channel("pipe", 0, 1), channel("link", 0, 1, kind="console"))
    bench = inject(bench, "a", Armed(action, point="core.call", visit=2, values=values))
    bench.until(100 * PAUSE)
    bench.monitor.check_invariants()
    return bench, answers, heard


@pytest.mark.parametrize("make", [talk, meet])
def test_every_forged_call_is_refused_and_the_callers_own_is_answered(make):
    bench, answers, heard = a_caller(make, "forge_call")
    assert len(answers) == 3
    assert min(answers) >= 0
    refused = calls_of(bench, "refused", "a")
    names = {record["why"].partition(":")[0] for record in refused}
    assert len(refused) >= 8
    assert names <= {"NO_SUCH_SLOT", "BAD_ARGUMENT", "NOT_YOURS", "DENIED", "RIGHTS"}
    assert heard == []
    assert bench.cell("b").state is CellState.SHUT_DOWN


@pytest.mark.parametrize("make", [talk, meet])
def test_a_flood_costs_its_caller_and_gives_its_partner_one_bell(make):
    calm, _, _ = a_caller(make, "replay_call")
    bench, answers, heard = a_caller(make, "flood_calls", calls=400)
    assert len(answers) == 3
    assert len(heard) <= 2
    assert bench.cell("b").vcpu.events == []
    assert len(calls_of(bench, "notify", "a")) > 100 > len(calls_of(calm, "notify", "a"))
    assert len(calls_of(bench, "fault", "a")) == len(calls_of(calm, "fault", "a")) == 1


@pytest.mark.parametrize("draw", range(4))
def test_no_port_and_no_grant_that_a_domain_was_not_given_does_anything_for_it(draw):
    lab = XenLab("a", "b", "c")
    lab["a"].set_up_events()
    domain = lab.xen.domains.of(lab["a"].cell)
    calls = crimes.forged(domain, lab.xen.domains, Draws(draw))
    for call, a1, a2, a3, data in calls:
        record = Exit(0, ExitKind.HYPERCALL, 0, 0, NEVER, call, a1, a2, a3, data=data)
        mishaps.in_its_name(lab.monitor, lab["a"].cell, record)
    assert len(lab.kinds("refused")) == len(calls) == 5
    assert not [event for event in lab["a"].cell.vcpu.events if event.kind == EventKind.ANSWER]
    lab.monitor.check_invariants()


def test_a_replayed_call_leaves_no_answer_behind_for_the_caller():
    bench, answers, _ = a_caller(talk, "replay_call")
    assert len(answers) == 3
    assert not [event for event in bench.cell("a").vcpu.events if event.kind == EventKind.ANSWER]


def test_a_call_that_waits_is_made_in_nobodys_name():
    def sleeper(vcpu: ScriptedVcpu) -> Steps:
        yield from talkers.call(vcpu, Hypercall.YIELD)
        yield from vcpu.work(10)

    bench = inject(talk({"a": sleeper}), "a", Armed("replay_call", point="core.call"))
    assert bench.until(NEVER) == "finished"
    assert len(records(bench, "fault")) == 1


@pytest.mark.parametrize("make", [talk, meet])
def test_a_bell_that_is_lost_was_rung_as_far_as_the_ringer_knows(make):
    told: list[int] = []
    heard: list[int] = []

    def rings(vcpu: ScriptedVcpu) -> Steps:
        slot = bell[0]
        for bit in (1, 2):
            answer = yield from talkers.call(vcpu, Hypercall.NOTIFY, slot, bit)
            told.extend([answer])
        yield from vcpu.work(10 * PAUSE)

    def hears(vcpu: ScriptedVcpu) -> Steps:
        yield from vcpu.wait(5 * PAUSE)
        heard.extend(bits for _, bits in talkers.rings(vcpu))
        yield from vcpu.work(PAUSE)

    bell = [0]
    bench = make({"a": rings, "b": hears}, channel("link", 0, 1, kind="console"))
    (link,) = bench.monitor.mechanism.boot_info(bench.cell("a"))["links"]
    bell[0] = link.get("bell", link["slot"])
    inject(bench, "a", Armed("lose_bell", point="core.bell"))
    bench.until(20 * PAUSE)
    assert told == [Status.OK] * 2
    assert heard == [2]


def test_changes_of_a_line_that_nobody_takes_are_merged():
    waiting: list[Event] = []
    for number in range(1000):
        level(waiting, Event(number, EventKind.LINE, struct.pack("<IB", 7, number % 2 == 0)))
        level(waiting, Event(number, EventKind.LINE, struct.pack("<IB", 8, True)))
    told = [struct.unpack("<IB", event.payload) for event in waiting]
    assert [entry for entry in told if entry[0] == 8] == [(8, 1)]
    assert [up for line, up in told if line == 7] in ([1, 0], [1, 0, 1, 0], [1, 0, 0])
    assert told[-1] == (7, 0)
