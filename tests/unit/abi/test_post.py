"""Letters and announcements: which calls have them, and what a peer may send instead of one."""

from __future__ import annotations

import pytest

from hypervisor.abi import l4
from hypervisor.abi.hypercalls import Hypercall
from hypervisor.abi.l4 import Label, Message
from hypervisor.abi.messages import DEPTH_LIMIT, BadMessage, pack
from hypervisor.abi.post import announce, announced, comes_by_post, fits, goes_by_post, letter, opened
from hypervisor.abi.records import DATA_LIMIT

SLOTS = frozenset({1, 4})
LONG = Message(Label.CHANNEL, string=b"x" * 300)
SHORT = Message(Label.CHANNEL, (1, 2, 3))


@pytest.mark.parametrize("data", [b"", b"hello", bytes(DATA_LIMIT)])
def test_a_letter_brings_what_was_announced(data: bytes):
    seq, came = opened(letter(1 << 40, data))
    assert seq == 1 << 40
    fits(announced(announce(data)), came)


def deep(levels: int) -> object:
    return [deep(levels - 1)] if levels else 0


@pytest.mark.parametrize(
    ("packed", "why"),
    [
        (b"", "not a message"),
        (b"\x91" * 4000 + b"\xc0", "not a message"),
        (pack(deep(DEPTH_LIMIT + 1)), "nested deeper than"),
        (pack(7), "no letter"),
        (pack([1]), "no letter"),
        (pack([b"x", b"y"]), "no letter"),
        (pack([1, "text"]), "no letter"),
        (pack([1, b"data", 2]), "no letter"),
    ],
)
def test_what_is_no_letter_is_told_so(packed: bytes, why: str):
    with pytest.raises(BadMessage, match=why):
        opened(packed)


@pytest.mark.parametrize("said", [b"", b"hello", announce(b"x") + b"\0"])
def test_bytes_in_place_of_an_announcement_announce_nothing(said: bytes):
    with pytest.raises(BadMessage, match="not announced"):
        announced(said)


def test_more_than_a_message_has_cannot_be_announced():
    with pytest.raises(BadMessage, match=f"at most {DATA_LIMIT}"):
        announced(announce(bytes(DATA_LIMIT + 1)))


@pytest.mark.parametrize(
    ("came", "why"), [(b"hell", "5 bytes and sent 4"), (b"hello!", "sent 6"), (b"jello", "wrong checksum")]
)
def test_a_letter_other_than_the_announced_one_does_not_fit(came: bytes, why: str):
    with pytest.raises(BadMessage, match=why):
        fits(announced(announce(b"hello")), came)


def test_calls_of_a_bounded_channel_are_told_by_their_slot():
    assert goes_by_post(SLOTS, Hypercall.CHANNEL_SEND, 4, 0)
    assert not goes_by_post(SLOTS, Hypercall.CHANNEL_SEND, 2, 0)
    assert not goes_by_post(SLOTS, Hypercall.CHANNEL_RECEIVE, 4, 0)
    assert comes_by_post(SLOTS, Hypercall.CHANNEL_RECEIVE, 1, 9)
    assert not comes_by_post(SLOTS, Hypercall.CHANNEL_SEND, 1, 9)


@pytest.mark.parametrize(("message", "by_post"), [(LONG, True), (SHORT, False)], ids=["string", "registers"])
def test_an_ipc_in_registers_rides_in_the_world_switch(message: Message, by_post: bool):
    to = l4.pack_partners(4, l4.ANY)
    assert goes_by_post(SLOTS, Hypercall.IPC, to, message.tag) is by_post
    assert comes_by_post(SLOTS, Hypercall.IPC, to, l4.pack_answer(1, message.tag)) is by_post


@pytest.mark.parametrize("partner", [l4.NIL, l4.REPLY, 2])
def test_an_ipc_with_somebody_else_rides_in_the_world_switch(partner: int):
    assert not goes_by_post(SLOTS, Hypercall.IPC, l4.pack_partners(partner, 4), LONG.tag)
    assert not comes_by_post(SLOTS, Hypercall.IPC, l4.pack_partners(4, 4), l4.pack_answer(partner, LONG.tag))


@pytest.mark.parametrize("call", [Hypercall.REPORT, 0, (1 << 64) - 1])
def test_no_other_call_has_letters(call: int):
    assert not goes_by_post(SLOTS, call, 1, 1)
    assert not comes_by_post(SLOTS, call, 1, 1)
