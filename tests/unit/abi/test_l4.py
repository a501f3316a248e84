"""The wire of the l4 flavour: what is packed comes back, and what is no message is refused by name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hypervisor.abi.l4 import (
    ITEMS_LIMIT,
    REGISTERS,
    BadIpc,
    Item,
    ItemKind,
    Message,
    pack_answer,
    pack_partners,
    pack_timeout,
    pack_timeouts,
    unpack_answer,
    unpack_partners,
    unpack_timeout,
    unpack_timeouts,
)
from hypervisor.abi.status import Status, from_word, to_word
from hypervisor.abi.time import NEVER

WORDS = st.integers(0, (1 << 32) - 1)
SLOTS = st.integers(0, 0xFFFF)
ITEMS = st.builds(
    Item,
    st.sampled_from(ItemKind),
    st.integers(0, (1 << 20) - 1).map(lambda page: page << 12),
    st.integers(1, 0xFFFF),
    st.integers(0, 0xFF),
)
MESSAGES = st.builds(
    Message,
    st.integers(0, (1 << 15) - 1),
    st.lists(WORDS, max_size=REGISTERS - 8).map(tuple),
    st.lists(ITEMS, max_size=4).map(tuple),
    st.binary(max_size=700),
)


@given(MESSAGES)
def test_a_message_comes_back_as_it_was(message: Message) -> None:
    assert Message.unpack(message.tag, message.data) == message
    assert 0 <= message.tag < 1 << 31


@given(SLOTS, MESSAGES)
def test_an_answer_names_sender_and_tag_and_is_never_taken_for_a_refusal(who: int, message: Message) -> None:
    answer = pack_answer(who, message.tag)
    assert unpack_answer(answer) == (who, message.tag)
    assert from_word(to_word(answer)) == answer


@given(SLOTS, SLOTS)
def test_both_partners_fit_into_a_word(to: int, source: int) -> None:
    assert unpack_partners(pack_partners(to, source)) == (to, source)


@given(st.integers(0, NEVER))
def test_a_timeout_is_rounded_down_by_less_than_two_parts_in_a_thousand(cycles: int) -> None:
    back = unpack_timeout(pack_timeout(cycles))
    assert back == NEVER if cycles == NEVER else 0 <= cycles - back <= cycles / 512
    assert pack_timeout(cycles) < 1 << 16


def test_zero_and_never_are_timeouts_of_their_own() -> None:
    assert unpack_timeouts(pack_timeouts(0, NEVER)) == (0, NEVER)
    assert unpack_timeouts(pack_timeouts(NEVER, 0)) == (NEVER, 0)
    assert unpack_timeouts(0) == (NEVER, NEVER)


@given(st.integers(0, (1 << 64) - 1), st.binary(max_size=1024))
def test_any_tag_with_any_bytes_is_a_message_or_refused(tag: int, data: bytes) -> None:
    try:
        message = Message.unpack(tag, data)
    except BadIpc as bad:
        assert bad.status in (Status.BAD_ARGUMENT, Status.TOO_LONG)
    else:
        assert message.data == data
        assert message.registers <= REGISTERS


@pytest.mark.parametrize(
    ("tag", "data", "status"),
    [
        (63 | 2 << 6, bytes(260), Status.TOO_LONG),
        (5, bytes(16), Status.BAD_ARGUMENT),
        (1 << 12, b"", Status.BAD_ARGUMENT),
        (0, b"more", Status.BAD_ARGUMENT),
        (1 << 6, bytes(4), Status.BAD_ARGUMENT),
        (1 << 31, b"", Status.BAD_ARGUMENT),
        (2 << 13, b"", Status.BAD_ARGUMENT),
        (2 << 6, b"\x01\0\0\0\x01\x11\0\0", Status.BAD_ARGUMENT),
        (2 << 6, b"\0\x10\0\0\x01\x01\0\0", Status.BAD_ARGUMENT),
        (2 << 6, b"\0\x10\0\0\x01\x1f\0\0", Status.BAD_ARGUMENT),
    ],
    ids=[
        "too many",
        "announced words",
        "announced string",
        "unannounced",
        "half an item",
        "tag",
        "flags",
        "odd address",
        "no pages",
        "kind",
    ],
)
def test_what_is_announced_must_be_there_and_fit(tag: int, data: bytes, status: Status) -> None:
    with pytest.raises(BadIpc) as refused:
        Message.unpack(tag, data)
    assert refused.value.status is status


def test_as_many_items_fit_as_registers_hold() -> None:
    items = tuple(Item(ItemKind.MAP, 0x1000 * n) for n in range(ITEMS_LIMIT))
    assert Message(items=items).registers == 62
