"""The ring of a message channel, both ends, and what each believes of the other."""

from __future__ import annotations

from struct import pack_into, unpack_from

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cells.xen.ring import CONSUMED, DATA, PRODUCED, SIZE, BrokenRingError, Receiver, Sender

LIMIT = 1024


@pytest.fixture
def page() -> memoryview:
    return memoryview(bytearray(4096))


@pytest.fixture
def ends(page: memoryview) -> tuple[Sender, Receiver]:
    receiver = Receiver(page, LIMIT)
    return Sender(page), receiver


def test_messages_come_out_whole_and_in_order(ends):
    sender, receiver = ends
    for message in (b"one", b"", b"three" * 100):
        assert sender.put(message)[0]
    assert [receiver.take() for _ in range(4)] == [b"one", b"", b"three" * 100, None]


def test_the_receiver_is_rung_for_the_first_of_several_messages_only(ends):
    sender, receiver = ends
    assert [sender.put(b"x") for _ in range(3)] == [(True, True), (True, False), (True, False)]
    while receiver.take() is not None:
        pass
    assert sender.put(b"x") == (True, True)


def test_a_full_ring_refuses_and_the_sender_is_rung_once_when_there_is_room(ends):
    sender, receiver = ends
    while sender.put(bytes(LIMIT))[0]:
        pass
    assert receiver.take() == bytes(LIMIT)
    assert receiver.sender_waits()
    assert not receiver.sender_waits()
    assert sender.put(bytes(LIMIT))[0]


def test_a_ring_can_be_filled_to_the_last_byte(ends):
    sender, receiver = ends
    for length in (LIMIT, LIMIT, LIMIT, SIZE - 3 * (LIMIT + 4) - 4):
        assert sender.put(bytes(length))[0]
    assert not sender.put(b"")[0]
    assert len(receiver.take() or b"") == LIMIT


@given(st.lists(st.one_of(st.binary(max_size=LIMIT), st.none()), max_size=60))
def test_any_order_of_puts_and_takes_loses_nothing(steps):
    page = memoryview(bytearray(4096))
    receiver, sender = Receiver(page, LIMIT), Sender(page)
    waiting: list[bytes] = []
    for step in steps:
        if step is None:
            assert receiver.take() == (waiting.pop(0) if waiting else None)
        elif sender.put(step)[0]:
            waiting.append(step)
    assert [receiver.take() for _ in waiting] == waiting
    assert receiver.take() is None


def test_a_new_sender_goes_on_where_the_last_one_stopped(page, ends):
    sender, receiver = ends
    sender.put(b"from the dead")
    Sender(page).put(b"from the living")
    assert [receiver.take(), receiver.take()] == [b"from the dead", b"from the living"]


def test_a_message_that_was_not_finished_was_never_sent(page, ends):
    _, receiver = ends
    page[DATA : DATA + 8] = b"\4\0\0\0half"
    assert receiver.take() is None


@pytest.mark.parametrize("index", [SIZE + 1, 2 * SIZE, (1 << 32) - 1])
def test_an_impossible_index_is_not_believed_by_the_receiver(page, ends, index):
    pack_into("<I", page, PRODUCED, index)
    with pytest.raises(BrokenRingError):
        ends[1].take()


@pytest.mark.parametrize("index", [1, SIZE - 1, 2 * SIZE, (1 << 32) - 1])
def test_an_impossible_index_is_not_believed_by_the_sender(page, ends, index):
    pack_into("<I", page, CONSUMED, index)
    with pytest.raises(BrokenRingError):
        ends[0].put(b"x")


@pytest.mark.parametrize("length", [LIMIT + 1, 5, (1 << 32) - 1])
def test_an_impossible_length_is_not_believed(page, ends, length):
    sender, receiver = ends
    sender.put(b"four")
    pack_into("<I", page, DATA, length)
    with pytest.raises(BrokenRingError):
        receiver.take()


def test_the_receiver_does_not_care_what_is_written_over_its_own_index(page, ends):
    sender, receiver = ends
    sender.put(b"one")
    receiver.take()
    pack_into("<I", page, CONSUMED, 4000)
    assert receiver.take() is None
    pack_into("<I", page, CONSUMED, 7)
    sender.put(b"two")
    assert receiver.take() == b"two"
    assert unpack_from("<I", page, CONSUMED)[0] == 14
