"""Messages: bounded in size and depth, and never more than a refusal for a peer that sends garbage."""

from __future__ import annotations

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hypervisor.abi.messages import DEPTH_LIMIT, MESSAGE_LIMIT, BadMessage, pack, unpack
from hypervisor.abi.ticket import PIECE, Ticket, assemble, pieces


def nested(levels: int) -> list:
    message: list = []
    for _ in range(levels - 1):
        message = [message]
    return message


def test_a_message_comes_out_as_it_went_in():
    message = {"verb": "type", "data": b"ls\n", "n": [1, -1, 1 << 63]}
    assert unpack(pack(message)) == message


def test_a_message_may_be_as_deep_as_the_limit_and_no_deeper():
    assert unpack(pack(nested(DEPTH_LIMIT))) == nested(DEPTH_LIMIT)
    with pytest.raises(BadMessage, match="nested deeper"):
        unpack(msgpack.packb(nested(DEPTH_LIMIT + 1)))


def test_a_message_that_is_too_long_is_refused_unread():
    with pytest.raises(BadMessage, match="at most"):
        unpack(bytes(MESSAGE_LIMIT + 1))


def test_an_array_that_only_claims_to_be_huge_is_refused():
    with pytest.raises(BadMessage):
        unpack(b"\xdd\xff\xff\xff\xff")


def test_a_message_of_a_thousand_levels_is_refused():
    with pytest.raises(BadMessage):
        unpack(b"\x91" * 1000 + b"\xc0")


@given(st.binary(max_size=200))
def test_garbage_is_a_message_or_a_bad_message(garbage):
    try:
        unpack(garbage)
    except BadMessage:
        return


@given(st.binary(max_size=100))
def test_an_order_travels_in_pieces(data):
    order = {"settings": {"a": 1}, "guest": data * 20_000}
    messages = list(pieces(order))
    assert all(len(message) <= PIECE for message in messages)
    assert assemble(iter(messages).__next__) == order


def test_a_damaged_order_is_refused():
    messages = list(pieces({"guest": b"x" * 100}))
    messages[1] = messages[1].replace(b"xxxx", b"xxyx", 1)
    with pytest.raises(ValueError, match="damaged on its way"):
        assemble(iter(messages).__next__)


def test_a_ticket_survives_its_file_and_anything_else_is_refused():
    ticket = Ticket("ui", "server", "public", "secret")
    assert Ticket.from_json(ticket.to_json()) == ticket
    for text in ("", "{}", "[]", '{"cell": "ui"}', "null"):
        with pytest.raises(ValueError, match="is not a ticket"):
            Ticket.from_json(text)
