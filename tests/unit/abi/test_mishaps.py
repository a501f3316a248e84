"""What can happen to a message on its way."""

from __future__ import annotations

import pytest

from hypervisor.abi.faults import Armed, Draws, Hit
from hypervisor.abi.mishaps import DELAY, MESSAGES, Fate, befalls

LIMIT = 64


def hit(action: str, draw: int = 7, **values: int) -> Hit:
    fault = Armed(action, point="message", draw=draw, values=values)
    return Hit(fault, 1, Draws(draw, 1))


@pytest.mark.parametrize("data", [b"question", b"q", b"x" * LIMIT])
@pytest.mark.parametrize("draw", range(8))
def test_a_corrupted_message_differs_in_one_bit(data, draw):
    (found,) = befalls(hit("corrupt_message", draw), data, LIMIT).now
    assert len(found) == len(data)
    assert (int.from_bytes(found) ^ int.from_bytes(data)).bit_count() == 1


@pytest.mark.parametrize("length", [0, 1, 8, LIMIT])
@pytest.mark.parametrize("draw", range(8))
def test_a_message_that_is_cut_has_another_length_within_the_limit(length, draw):
    (found,) = befalls(hit("cut_message", draw), b"a" * length, LIMIT).now
    assert len(found) != length or length == LIMIT == len(found)
    assert len(found) <= LIMIT
    assert found[: min(length, len(found))] == b"a" * min(length, len(found))


def test_what_a_fault_says_is_not_left_to_chance():
    assert befalls(hit("corrupt_message", bit=9), b"\0\0", LIMIT).now == (b"\0\2",)
    assert befalls(hit("cut_message", length=3), b"question", LIMIT).now == (b"que",)
    assert befalls(hit("delay_message", delay=5), b"x", LIMIT) == Fate((), b"x", 5)


def test_a_message_is_dropped_doubled_delayed_or_put_behind_the_next():
    assert befalls(hit("drop_message"), b"x", LIMIT) == Fate(())
    assert befalls(hit("duplicate_message"), b"x", LIMIT) == Fate((b"x", b"x"))
    assert befalls(hit("delay_message"), b"x", LIMIT) == Fate((), b"x", DELAY)
    assert befalls(hit("reorder_message"), b"x", LIMIT) == Fate((), b"x", 0)


@pytest.mark.parametrize("action", MESSAGES)
def test_the_same_order_does_the_same_again(action):
    assert befalls(hit(action), b"question", LIMIT) == befalls(hit(action), b"question", LIMIT)


def test_nothing_is_there_to_be_corrupted_in_an_empty_message():
    assert befalls(hit("corrupt_message"), b"", LIMIT).now == (b"",)
