"""The cell's side of the microvisor: it waits outside, asks only when the answer may have changed, and tells of ends."""

from __future__ import annotations

import pytest

from cells.port import RefusedError
from hypervisor.abi.hypercalls import Hypercall
from hypervisor.abi.memory import PAGE
from hypervisor.abi.status import Status
from hypervisor.core.wiring import MESSAGE_DEPTH, SharedParams
from tests.support.direct_port import DirectPort, StuckError
from tests.support.talkers import Direct, channel

RECEIVE = Hypercall.CHANNEL_RECEIVE


@pytest.fixture
def world():
    again = {"on_crash": "restart"}
    return Direct(["a", "b"], channel("pipe", 0, 1), channel("disk", 0, 1, "block"), b=again)


@pytest.fixture
def ports(world):
    ports = DirectPort(world, "a"), DirectPort(world, "b")
    for port in ports:
        port.hear()
    return ports


def refusal(status: Status):
    return pytest.raises(RefusedError, match=f"status {status.value}$")


def test_a_program_finds_what_it_has_by_its_partner(ports):
    a, b = ports
    assert list(a.connections.channels) == list(a.connections.links) == ["b"]
    assert (a.connections.channels["b"].name, b.connections.channels["a"].peer) == ("pipe", "a")


def test_two_channels_to_one_partner_are_found_by_their_names():
    world = Direct(["a", "b", "c"], channel("one", 0, 1), channel("two", 0, 1), channel("other", 0, 2))
    assert list(DirectPort(world, "a").connections.channels) == ["one", "two", "c"]


def test_receive_sleeps_until_a_message_is_there(ports):
    a, b = ports
    sender, reader = a.connections.channels["b"], b.connections.channels["a"]
    b.others = [lambda: None, lambda: sender.send(b"late")]
    assert reader.receive() == b"late"


def test_a_sender_sleeps_until_there_is_room(ports):
    a, b = ports
    sender, reader = a.connections.channels["b"], b.connections.channels["a"]
    for number in range(MESSAGE_DEPTH):
        assert sender.try_send(bytes([number]))
    assert not sender.try_send(b"no")
    a.others = [reader.try_receive]
    sender.send(b"last")
    assert [reader.receive() for _ in range(MESSAGE_DEPTH)][-1] == b"last"


def test_the_monitor_is_asked_only_when_the_answer_may_have_changed(ports):
    a, b = ports
    sender, reader = a.connections.channels["b"], b.connections.channels["a"]
    for _ in range(5):
        assert reader.try_receive() is None
    assert b.calls.count(RECEIVE) == 1
    sender.send(b"x")
    b.hear()
    assert (reader.try_receive(), reader.try_receive()) == (b"x", None)
    assert b.calls.count(RECEIVE) == 2
    while sender.try_send(b"y"):
        pass
    asked = len(a.calls)
    assert not sender.try_send(b"z")
    assert len(a.calls) == asked


def test_messages_that_came_together_are_all_found(ports):
    a, b = ports
    sender, reader = a.connections.channels["b"], b.connections.channels["a"]
    for number in range(5):
        sender.send(bytes([number]))
    assert [reader.receive() for _ in range(5)] == [bytes([number]) for number in range(5)]
    assert reader.try_receive() is None


def test_waiting_ends_at_its_time(ports):
    a, _ = ports
    with refusal(Status.TIMEOUT):
        a.connections.channels["b"].receive(until=500)
    assert a.now == 500


def test_waiting_for_nobody_is_for_ever(ports):
    with pytest.raises(StuckError):
        ports[0].connections.channels["b"].receive()


def test_a_message_that_is_too_long_never_leaves_the_cell(ports):
    a, _ = ports
    with refusal(Status.TOO_LONG):
        a.connections.channels["b"].send(bytes(1025))
    assert a.calls == []


def test_a_partner_that_has_ended_is_told_of_after_its_last_message(world, ports):
    a, b = ports
    b.connections.channels["a"].send(b"goodbye")
    channel = a.connections.channels["b"]
    for _ in range(4):
        world.kill("b")
    assert channel.receive() == b"goodbye"
    with refusal(Status.PEER_GONE):
        channel.receive()
    with refusal(Status.PEER_GONE):
        channel.send(b"x")
    assert channel.try_receive() is None
    assert not channel.try_send(b"x")


def test_a_sender_that_waited_for_room_goes_on_when_its_partner_begins_a_new_life(world, ports):
    a, _ = ports
    sender = a.connections.channels["b"]
    while sender.try_send(b"old"):
        pass
    a.others = [lambda: world.kill("b")]
    sender.send(b"new")
    assert DirectPort(world, "b").connections.channels["a"].receive() == b"new"


def test_a_link_connects_rings_and_connects_again(world, ports):
    a, b = ports
    front, back = a.connections.links["b"], b.connections.links["a"]
    assert (front.role, back.role, front.kind) == ("front", "back", "block")
    assert (front.connected, front.generation, back.connected) == (True, 1, True)
    front.memory[0:4] = b"work"
    front.notify()
    b.hear()
    assert back.rung and bytes(back.memory[0:4]) == b"work"
    world.kill("b")
    a.hear()
    assert (front.connected, front.generation) == (True, 2)
    assert bytes(front.memory[0:4]) == b"work"


def test_ringing_a_partner_that_has_ended_is_no_trouble(world, ports):
    a, _ = ports
    for _ in range(4):
        world.kill("b")
    a.hear()
    link = a.connections.links["b"]
    link.notify()
    assert (link.connected, link.generation) == (False, 4)


def test_shared_memory_is_found_by_its_name_and_is_read_only_where_it_is():
    world = Direct(["a", "b"], SharedParams("board", PAGE, {0: True, 1: False}))
    a, b = DirectPort(world, "a"), DirectPort(world, "b")
    a.connections.shared["board"][0:3] = b"abc"
    assert bytes(b.connections.shared["board"][0:3]) == b"abc"
    assert b.connections.shared["board"].readonly
