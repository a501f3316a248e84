"""Rendezvous, call and reply, timeouts, order, death and deadlock under the microkernel, with scripted cells."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from hypervisor.abi.l4 import ANY, NIL, REPLY, STRANGER, Item, ItemKind, Label, Message
from hypervisor.abi.records import Exit, ExitKind
from hypervisor.abi.status import Status
from hypervisor.abi.time import NEVER
from hypervisor.core.costs import Costs
from hypervisor.core.l4.ipc import BACKSTOP
from tests.support.l4_cells import Got, channel, hear, ipc, meet, peers, records, send, words
from tests.support.scripted import ScriptedVcpu

Steps = Iterator[Exit]


def test_a_sender_waits_until_its_receiver_receives() -> None:
    log: list[Any] = []

    def sender(vcpu: ScriptedVcpu) -> Steps:
        log.append((yield from send(vcpu, b"hello")).status)
        log.append(("sent", vcpu.time))

    def receiver(vcpu: ScriptedVcpu) -> Steps:
        yield from vcpu.work(5_000)
        got = yield from hear(vcpu, 1)
        log.append((got.who, got.message.label, got.text))

    bench = meet({"a": sender, "b": receiver}, channel("pipe", 0, 1))
    assert bench.until(NEVER) == "finished"
    assert (1, Label.USER, b"hello") in log
    assert ("sent", log[-1][1]) == log[-1]
    assert log[-1][1] >= 5_000


def test_a_receiver_waits_until_its_sender_sends() -> None:
    heard: list[Got] = []

    def sender(vcpu: ScriptedVcpu) -> Steps:
        yield from vcpu.work(5_000)
        yield from send(vcpu, b"late")

    def receiver(vcpu: ScriptedVcpu) -> Steps:
        heard.append((yield from hear(vcpu)))

    bench = meet({"a": sender, "b": receiver}, channel("pipe", 0, 1))
    assert bench.until(NEVER) == "finished"
    assert [got.text for got in heard] == [b"late"]


def test_a_call_comes_back_with_the_reply_and_the_server_goes_on_to_the_next() -> None:
    answers: dict[str, int] = {}

    def client(name: str, number: int) -> Any:
        def script(vcpu: ScriptedVcpu) -> Steps:
            for _ in range(3):
                got = yield from ipc(vcpu, 1, 1, words(number))
                answers[name] = got.message.words[0]
                number_ = got.message.words[0]
                assert number_ == number + 100

        return script

    def server(vcpu: ScriptedVcpu) -> Steps:
        got = yield from hear(vcpu)
        for _ in range(5):
            got = yield from ipc(vcpu, REPLY, ANY, words(got.message.words[0] + 100))
        yield from ipc(vcpu, REPLY, message=words(got.message.words[0] + 100))

    scripts = {"a": client("a", 1), "b": client("b", 2), "server": server}
    bench = meet(scripts, channel("a", 0, 2), channel("b", 1, 2))
    assert bench.until(NEVER) == "finished"
    assert answers == {"a": 101, "b": 102}
    assert len(records(bench, "ipc")) == 12


def test_senders_are_heard_by_priority_and_then_in_the_order_of_their_coming() -> None:
    heard: list[bytes] = []

    def sender(vcpu: ScriptedVcpu, name: bytes) -> Steps:
        yield from send(vcpu, name)

    def receiver(vcpu: ScriptedVcpu) -> Steps:
        yield from vcpu.wait(10_000)
        first = yield from hear(vcpu)
        second = yield from hear(vcpu)
        third = yield from hear(vcpu)
        heard.extend(got.text for got in (first, second, third))

    scripts = {name: lambda vcpu, name=name: sender(vcpu, name.encode()) for name in ("low", "first", "urgent")}
    wires = [channel(name, number, 3) for number, name in enumerate(scripts)]
    params = {"low": {"priority": 1}, "first": {"priority": 1}, "urgent": {"priority": 5}}
    bench = meet({**scripts, "hub": receiver}, *wires, params=params)
    bench.until(NEVER)
    assert heard == [b"urgent", b"low", b"first"]


def test_timeouts_end_both_phases_and_say_which() -> None:
    got: list[Any] = []

    def impatient(vcpu: ScriptedVcpu) -> Steps:
        got.append((yield from send(vcpu, b"x", timeout=0)).status)
        got.append((yield from send(vcpu, b"x", timeout=512)).status)
        began = vcpu.time
        got.append((yield from hear(vcpu, 1, timeout=0)).status)
        got.append((yield from hear(vcpu, 1, timeout=1_024)).status)
        assert 1_024 <= vcpu.time - began < 1_100
        got.append((yield from hear(vcpu, ANY, timeout=1_024)).status)

    def deaf(vcpu: ScriptedVcpu) -> Steps:
        yield from vcpu.wait(1_000_000)

    bench = meet({"a": impatient, "b": deaf}, channel("pipe", 0, 1))
    bench.until(NEVER)
    assert got == [Status.TIMEOUT, Status.TIMEOUT, Status.EMPTY, Status.EMPTY, Status.EMPTY]


def test_a_message_that_came_too_late_is_not_lost_but_waits() -> None:
    got: list[Any] = []

    def receiver(vcpu: ScriptedVcpu) -> Steps:
        got.append((yield from hear(vcpu, timeout=1_024)).status)
        got.append((yield from hear(vcpu)).text)

    def sender(vcpu: ScriptedVcpu) -> Steps:
        yield from vcpu.wait(200)
        yield from vcpu.work(3_000)  # past the other's end of time, for it is the more urgent one
        yield from send(vcpu, b"late")

    params = {"b": {"priority": 9}}
    bench = meet({"a": receiver, "b": sender}, channel("pipe", 0, 1), params=params, slice_cycles=100_000)
    bench.until(NEVER)
    assert got == [Status.EMPTY, b"late"]


def test_who_waits_for_the_dead_is_told_and_who_knew_them_gets_an_event() -> None:
    got: dict[str, Any] = {}

    def waits(vcpu: ScriptedVcpu) -> Steps:
        got["receiver"] = (yield from hear(vcpu, 1)).status
        got["events"] = peers(vcpu)
        got["send"] = (yield from send(vcpu, b"?")).status

    def sends(vcpu: ScriptedVcpu) -> Steps:
        got["sender"] = (yield from send(vcpu, b"x")).status

    def dies(vcpu: ScriptedVcpu) -> Steps:
        yield from vcpu.work(2_000)
        yield vcpu.exit(ExitKind.FAULT)

    bench = meet({"a": waits, "b": sends, "c": dies}, channel("x", 0, 2), channel("y", 1, 2))
    bench.until(NEVER)
    assert got == {
        "receiver": Status.PEER_GONE,
        "events": [(1, 0)],
        "send": Status.PEER_GONE,
        "sender": Status.PEER_GONE,
    }


def test_an_open_receive_ends_when_anything_happens() -> None:
    got: list[Any] = []

    def waits(vcpu: ScriptedVcpu) -> Steps:
        got.append(((yield from hear(vcpu)), peers(vcpu)))

    def dies(vcpu: ScriptedVcpu) -> Steps:
        yield from vcpu.work(2_000)

    bench = meet({"a": waits, "b": dies}, channel("x", 0, 1))
    assert bench.until(NEVER) == "finished"
    assert got == [(Got(0, NIL), [(1, 0)])]


def test_a_reply_to_nobody_is_refused_and_a_caller_can_be_answered_once() -> None:
    got: list[Any] = []

    def client(vcpu: ScriptedVcpu) -> Steps:
        got.append((yield from ipc(vcpu, 1, 1, words(1))).message.words)
        yield from vcpu.wait(vcpu.time + 10_000)

    def server(vcpu: ScriptedVcpu) -> Steps:
        got.append((yield from ipc(vcpu, REPLY, message=words(0))).status)
        yield from hear(vcpu)
        got.append((yield from ipc(vcpu, REPLY, message=words(2))).status)
        got.append((yield from ipc(vcpu, REPLY, message=words(3))).status)

    bench = meet({"a": client, "b": server}, channel("x", 0, 1))
    bench.until(NEVER)
    assert sorted(map(str, got)) == sorted(map(str, [Status.WRONG_STATE.value, 0, Status.WRONG_STATE.value, (2,)]))


def test_an_endpoint_granted_in_a_message_can_be_called_by_a_stranger_and_goes_with_its_giver() -> None:
    got: list[Any] = []

    def broker(vcpu: ScriptedVcpu) -> Steps:  # slot 1: the server, slot 2: the client
        item = Item(ItemKind.CAPABILITY, 1, rights=4 | 16)
        got.append((yield from send(vcpu, b"", 2, items=(item,))).status)
        yield from vcpu.wait(vcpu.time + 20_000)

    def server(vcpu: ScriptedVcpu) -> Steps:
        heard = yield from hear(vcpu)
        got.append((heard.who, heard.text))
        yield from vcpu.wait(NEVER)

    def client(vcpu: ScriptedVcpu) -> Steps:
        heard = yield from hear(vcpu)
        (item,) = heard.message.items
        assert item.kind is ItemKind.CAPABILITY
        got.append((yield from send(vcpu, b"hi", item.address)).status)
        yield from vcpu.wait(NEVER)
        got.append((yield from send(vcpu, b"hi", item.address)).status)

    scripts = {"broker": broker, "server": server, "client": client}
    bench = meet(scripts, channel("s", 0, 1), channel("c", 0, 2))
    bench.until(NEVER)
    assert got == [0, 0, (STRANGER, b"hi"), Status.NO_SUCH_SLOT]


def test_a_deadlock_without_timeouts_is_reported_with_both_stories_and_ended_by_the_backstop() -> None:
    got: dict[str, int] = {}

    def sends(name: str) -> Any:
        def script(vcpu: ScriptedVcpu) -> Steps:
            got[name] = (yield from send(vcpu, b"after you")).status
            if got[name]:
                got[name + " then"] = (yield from hear(vcpu)).status

        return script

    bench = meet({"a": sends("a"), "b": sends("b")}, channel("pipe", 0, 1))
    assert bench.until(NEVER) == "finished"
    story, same = [record["cause"] for record in records(bench, "deadlock")]
    assert story == same
    assert "a sends to b since" in story
    assert "b sends to a since" in story
    assert sorted(got.values()) == [Status.TIMEOUT, 0, 0]
    assert bench.loop.monitor.now >= BACKSTOP


def test_a_deadlock_with_a_timeout_is_reported_and_ends_by_it() -> None:
    got: dict[str, int] = {}

    def sends(name: str, timeout: int) -> Any:
        def script(vcpu: ScriptedVcpu) -> Steps:
            got[name] = (yield from hear(vcpu, 1, timeout)).status

        return script

    bench = meet({"a": sends("a", 1_024), "b": sends("b", NEVER)}, channel("pipe", 0, 1))
    bench.until(NEVER)
    assert len(records(bench, "deadlock")) == 2
    assert got == {"a": Status.EMPTY, "b": Status.PEER_GONE}


@pytest.mark.parametrize(
    ("then", "order"), [(NIL, ["server", "other", "client"]), (ANY, ["server", "client", "other"])]
)
def test_who_sends_and_then_waits_leaves_the_rest_of_the_slice_to_the_partner(then: int, order: list[str]) -> None:
    ran: list[str] = []

    def client(vcpu: ScriptedVcpu) -> Steps:
        yield from vcpu.work(100)
        yield from ipc(vcpu, 1, 1, words(1))
        ran.append("client")

    def server(vcpu: ScriptedVcpu) -> Steps:
        yield from hear(vcpu)
        yield from vcpu.work(100)
        ran.append("server")
        yield from ipc(vcpu, REPLY, then, words(1))

    def other(vcpu: ScriptedVcpu) -> Steps:
        yield from vcpu.work(50)
        ran.append("other")

    scripts = {"server": server, "client": client, "other": other}
    bench = meet(scripts, channel("x", 1, 0), policy="round_robin")
    bench.until(NEVER)
    assert ran == order


def test_a_server_of_low_priority_serves_an_urgent_caller_before_who_is_in_between() -> None:
    ran: list[str] = []

    def client(vcpu: ScriptedVcpu) -> Steps:
        yield from vcpu.wait(200)
        yield from ipc(vcpu, 1, 1, words(1))
        ran.append("client")

    def server(vcpu: ScriptedVcpu) -> Steps:
        yield from hear(vcpu)
        yield from vcpu.work(500)
        ran.append("server")
        yield from ipc(vcpu, REPLY, ANY, words(1))

    def between(vcpu: ScriptedVcpu) -> Steps:
        yield from vcpu.wait(100)
        yield from vcpu.work(5_000)
        ran.append("between")

    scripts = {"server": server, "between": between, "client": client}
    params = {"client": {"priority": 9}, "between": {"priority": 5}, "server": {"priority": 1}}
    bench = meet(scripts, channel("x", 2, 0), params=params, slice_cycles=10_000)
    bench.until(NEVER)
    assert ran == ["server", "client", "between"]


def test_every_step_of_an_ipc_has_a_price_and_a_record() -> None:
    def client(vcpu: ScriptedVcpu) -> Steps:
        yield from ipc(vcpu, 1, message=Message(Label.USER, (1, 2, 3, 4, 5, 6), string=b"12345"))

    def server(vcpu: ScriptedVcpu) -> Steps:
        yield from hear(vcpu)

    costs = Costs(operations={"capability": 1, "ipc": 10, "ipc_word": 100, "copy": 1_000})
    bench = meet({"server": server, "client": client}, channel("x", 1, 0), costs=costs)
    bench.until(NEVER)
    ledger = bench.monitor.ledger
    assert ledger.cycles("client", "ipc") == 10
    assert ledger.cycles("client", "ipc_word") == 200
    assert ledger.cycles("client", "copy") == 2_000
    assert [record["cycles"] for record in records(bench, "ipc_word")] == [200]
