"""Message channels of the microvisor: bounded, asynchronous, rung at the right moments, and what a death leaves of them."""

from __future__ import annotations

import pytest

from hypervisor.abi.bells import ARRIVED, ROOM
from hypervisor.abi.hypercalls import Hypercall
from hypervisor.abi.status import Status
from hypervisor.abi.time import NEVER
from hypervisor.core.costs import Costs
from hypervisor.core.wiring import MESSAGE_DEPTH
from tests.support.talkers import call, channel, peers, receive, records, rings, send, talk

PIPE = channel("pipe", 0, 1)
FIRST = {"a": {"priority": 9}}
"""The front end runs until it waits."""


def test_messages_come_out_as_they_went_in():
    seen = []

    def sender(vcpu):
        for message in (b"one", b"", b"x" * 1024):
            assert (yield from send(vcpu, 1, message)) == Status.OK

    def reader(vcpu):
        while not seen or isinstance(seen[-1], bytes):
            seen.append((yield from receive(vcpu, 1)))

    talk({"a": sender, "b": reader}, PIPE, params=FIRST).until(NEVER)
    assert seen == [b"one", b"", b"x" * 1024, Status.PEER_GONE]


def test_an_empty_channel_says_so_at_once():
    seen = []

    def reader(vcpu):
        seen.append((yield from receive(vcpu, 1)))

    def idle(vcpu):
        yield from vcpu.wait(1_000)

    talk({"a": reader, "b": idle}, PIPE, params=FIRST).until(NEVER)
    assert seen == [Status.EMPTY]


def test_a_full_channel_refuses_and_loses_nothing():
    answers, seen = [], []

    def sender(vcpu):
        while len(answers) < MESSAGE_DEPTH + 3:
            answers.append((yield from send(vcpu, 1, bytes([len(answers)]))))

    def reader(vcpu):
        while isinstance(message := (yield from receive(vcpu, 1)), bytes):
            seen.append(message)

    talk({"a": sender, "b": reader}, PIPE, params=FIRST).until(NEVER)
    assert answers == [Status.OK] * MESSAGE_DEPTH + [Status.FULL] * 3
    assert seen == [bytes([number]) for number in range(MESSAGE_DEPTH)]


def test_the_reader_of_a_full_channel_rings_the_sender_once_there_is_room():
    heard = []

    def sender(vcpu):
        while (yield from send(vcpu, 1, b"more")) == Status.OK:
            pass
        peers(vcpu)
        yield from vcpu.wait(NEVER)
        heard.extend(rings(vcpu))
        assert (yield from send(vcpu, 1, b"again")) == Status.OK

    def reader(vcpu):
        yield from receive(vcpu, 1)
        yield from receive(vcpu, 1)  # it was not full any more
        vcpu.events.clear()
        yield from vcpu.wait(10_000)

    talk({"a": sender, "b": reader}, PIPE, params=FIRST).until(NEVER)
    assert heard == [(1, ROOM)]


def test_the_receiver_is_rung_once_for_all_that_came_while_it_did_not_run():
    heard = []

    def sender(vcpu):
        for _ in range(5):
            yield from send(vcpu, 1, b"x")
        yield from vcpu.wait(1_000)

    def reader(vcpu):
        yield from vcpu.work(1)
        heard.extend(rings(vcpu))

    talk({"a": sender, "b": reader}, PIPE, params=FIRST).until(NEVER)
    assert heard == [(1, ARRIVED)]


def test_the_answer_tells_how_many_messages_are_left():
    left = []

    def sender(vcpu):
        for _ in range(3):
            yield from send(vcpu, 1, b"abc")

    def reader(vcpu):
        while len(left) < 3:
            left.append((yield from call(vcpu, Hypercall.CHANNEL_RECEIVE, 1)))

    talk({"a": sender, "b": reader}, PIPE, params=FIRST).until(NEVER)
    assert left == [2 << 32 | 3, 1 << 32 | 3, 3]


def test_rights_of_the_topology_are_rights_of_the_slots():
    answers = {}

    def script(name):
        def both(vcpu):
            sent = yield from send(vcpu, 1, b"x")
            answers[name] = (sent, (yield from receive(vcpu, 1)))
            yield from vcpu.work(100)

        return both

    one_way = channel("pipe", 0, 1, front_rights=frozenset({"send"}), back_rights=frozenset({"receive"}))
    talk({"a": script("a"), "b": script("b")}, one_way, params=FIRST).until(NEVER)
    assert answers == {"a": (Status.OK, Status.RIGHTS), "b": (Status.RIGHTS, b"x")}


def test_a_cell_that_can_share_no_memory_has_message_channels_all_the_same():
    seen = []

    def sender(vcpu):
        yield from send(vcpu, 1, b"far")

    def reader(vcpu):
        seen.append((yield from receive(vcpu, 1)))

    talk({"a": sender, "b": reader}, PIPE, params={"a": {"priority": 9}, "b": {"pages": False}}).until(NEVER)
    assert seen == [b"far"]


def test_both_ends_learn_that_the_other_is_there():
    seen = {}

    def script(name):
        def look(vcpu):
            yield from vcpu.work(1)
            seen[name] = peers(vcpu)
            yield from vcpu.wait(1_000)

        return look

    talk({"a": script("a"), "b": script("b")}, PIPE).until(NEVER)
    assert seen == {"a": [(1, 1)], "b": [(1, 1)]}


def test_what_a_dead_cell_sent_is_delivered_and_what_was_for_it_is_dropped_and_accounted_for():
    seen, gone = [], []

    def victim(vcpu):
        yield from send(vcpu, 1, b"last words")
        yield from vcpu.work(5_000)

    def friend(vcpu):
        yield from send(vcpu, 1, b"for")
        yield from send(vcpu, 1, b"nobody")
        vcpu.events.clear()
        yield from vcpu.wait(50_000)
        gone.extend(peers(vcpu))
        seen.append((yield from receive(vcpu, 1)))
        seen.append((yield from receive(vcpu, 1)))
        seen.append((yield from send(vcpu, 1, b"hello?")))

    bench = talk({"a": victim, "b": friend}, PIPE, params=FIRST, policy="round_robin", die_at={"a": 3_000})
    bench.until(NEVER)
    assert gone == [(1, 0)]
    assert seen == [b"last words", Status.PEER_GONE, Status.PEER_GONE]
    (dropped,) = records(bench, "dropped")
    assert (dropped["cell"], dropped["cause"], dropped["messages"], dropped["bytes"]) == ("a", "pipe", 2, 9)


def test_a_partner_that_is_restarted_is_announced_as_gone_and_there_again():
    heard = []

    def victim(vcpu):
        yield from vcpu.work(9_000)

    def friend(vcpu):
        yield from vcpu.work(20_000)
        heard.extend(peers(vcpu))

    restart = {"a": {"on_crash": "restart", "priority": 9}}
    talk({"a": victim, "b": friend}, PIPE, params=restart, die_at={"a": 3_000}).until(NEVER)
    assert heard == [(1, 1), (1, 0), (1, 1), (1, 0)]


def test_each_thing_that_a_message_needs_is_a_step_with_its_price():
    def sender(vcpu):
        yield from send(vcpu, 1, b"12345")

    def reader(vcpu):
        yield from receive(vcpu, 1)

    prices = {"capability": 3, "channel": 70, "copy": 2, "notify": 500}
    bench = talk({"a": sender, "b": reader}, PIPE, params=FIRST, costs=Costs(hypercall=11, operations=prices))
    bench.until(NEVER)
    ledger = bench.monitor.ledger
    spent = {cause: ledger.cycles("a", cause) for cause in ("hypercall", *prices)}
    assert spent == {"hypercall": 11, "capability": 3, "channel": 70, "copy": 4, "notify": 500}
    assert ledger.cycles("b", "copy") == 4
    assert ledger.cycles("b", "notify") == 0
    assert [(r["cell"], r["what"]) for r in records(bench, "channel")] == [("a", "put"), ("b", "take")]


def test_the_tables_are_fixed_before_a_guest_runs():
    answers = []

    def script(vcpu):
        for number, *arguments in ((16, 1, 4), (17, 1, 9), (18, 1), (19, 1), (20, 1), (20, 2)):
            answers.append((yield from call(vcpu, number, *arguments)))

    def idle(vcpu):
        yield from vcpu.work(1)

    talk({"a": script, "b": idle}, PIPE, params=FIRST).until(NEVER)
    assert answers == [*[Status.DENIED] * 4, 1 << 32 | 12, Status.NO_SUCH_SLOT]


def test_the_graph_has_an_edge_per_capability():
    def idle(vcpu):
        yield from vcpu.work(1)

    one_way = channel("way", 1, 2, front_rights=frozenset({"send"}), back_rights=frozenset({"receive"}))
    bench = talk({"a": idle, "b": idle, "c": idle}, PIPE, one_way)
    assert [tuple(edge) for edge in bench.monitor.mechanism.reach()] == [
        ("a", "b", "channel pipe", "send+receive"),
        ("b", "a", "channel pipe", "send+receive"),
        ("b", "c", "channel way", "send"),
        ("c", "b", "channel way", "receive"),
    ]


@pytest.mark.parametrize("cores", [1, 2])
def test_a_ping_pong_ends_the_same_way_on_one_core_and_on_two(cores):
    score = []

    def player(name, serves):
        def script(vcpu):
            if serves:
                yield from send(vcpu, 1, b"0")
            while True:
                message = yield from receive(vcpu, 1)
                if isinstance(message, bytes):
                    number = int(message)
                    score.append((name, number))
                    yield from send(vcpu, 1, str(number + 1).encode())
                    if number >= 9:
                        return
                elif message == Status.PEER_GONE:
                    return
                else:
                    vcpu.events.clear()
                    yield from vcpu.wait(NEVER)

        return script

    bench = talk({"a": player("a", True), "b": player("b", False)}, PIPE, cores=cores)
    bench.until(NEVER)
    assert [number for _, number in score[:10]] == list(range(10))
