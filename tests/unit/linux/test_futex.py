"""Futexes: who sleeps at a word, who is woken, and that nothing stays behind. Time and memory are made up."""

from __future__ import annotations

import struct
from types import SimpleNamespace
from typing import Any

import pytest

from cells.personalities.arm.errno import EAGAIN, EINVAL, ENOSYS, ETIMEDOUT, Errno
from cells.personalities.arm.wait import Wait
from cells.personalities.linux.sys_thread import (
    ALL,
    CMP_REQUEUE,
    MOST_KEPT,
    PRIVATE,
    REQUEUE,
    WAIT,
    WAIT_BITSET,
    WAKE,
    WAKE_BITSET,
    WAKE_OP,
    sys_futex,
    sys_set_robust_list,
    sys_set_tid_address,
    thread_ended,
)

WORD, OTHER, TIME = 0x1000, 0x1004, 0x1100
LOCK_PI = 6
HZ = 1_000_000


class Thread:
    """What a futex needs of a thread."""

    def __init__(self, kernel: Any, space: Any) -> None:
        self.kernel, self.space = kernel, space
        self.queues: tuple[Any, ...] = ()
        self.clear_child_tid = self.robust_list = 0
        self.pid = 7
        self.awake = False

    def wake(self) -> None:
        for queue in self.queues:
            queue.sleepers.pop(self, None)
        self.queues, self.awake = (), True

    def sleep(self, call: Any) -> int:
        """Begin a call that sleeps; until when."""
        wait: Wait = next(call)
        self.queues, self.awake = wait.queues, False
        for queue in wait.queues:
            queue.sleepers[self] = None
        return wait.until


class Space:
    """A page at 0x1000, physically at 0x8000."""

    def __init__(self) -> None:
        self.bytes = bytearray(4096)

    def page(self, virtual: int, _access: int) -> int:
        assert virtual == 0x1000
        return 0x8000

    def read(self, address: int, size: int) -> bytes:
        return bytes(self.bytes[address - 0x1000 :][:size])

    def write(self, address: int, data: bytes) -> None:
        self.bytes[address - 0x1000 : address - 0x1000 + len(data)] = data


@pytest.fixture
def threads() -> list[Thread]:
    kernel = SimpleNamespace(futexes={}, hz=HZ, time=0)
    kernel.now = lambda: kernel.time
    space = Space()
    return [Thread(kernel, space) for _ in range(4)]


def futex(thread: Thread, *a: int) -> Any:
    return sys_futex(thread, *a, *[0] * (6 - len(a)))


def result(call: Any) -> int:
    with pytest.raises(StopIteration) as end:
        next(call)
    value: int = end.value.value
    return value


@pytest.mark.parametrize("flag", [0, PRIVATE])
@pytest.mark.parametrize(("wait", "wake"), [(WAIT, WAKE), (WAIT_BITSET, WAKE_BITSET)])
def test_the_first_sleepers_are_woken_in_their_order(threads: list[Thread], flag: int, wait: int, wake: int) -> None:
    calls = [futex(thread, WORD, wait | flag, 0, 0, 0, ALL) for thread in threads[:3]]
    for thread, call in zip(threads, calls, strict=False):
        thread.sleep(call)
    assert futex(threads[3], WORD, wake | flag, 2, 0, 0, ALL) == 2
    assert [thread.awake for thread in threads[:3]] == [True, True, False]
    assert result(calls[0]) == 0
    assert futex(threads[3], WORD, wake | flag, 5, 0, 0, ALL) == 1
    assert [result(call) for call in calls[1:]] == [0, 0]
    assert not threads[0].kernel.futexes


def test_who_sleeps_for_another_value_does_not(threads: list[Thread]) -> None:
    with pytest.raises(Errno) as told:
        next(futex(threads[0], WORD, WAIT, 1))
    assert told.value.code == EAGAIN
    assert not threads[0].kernel.futexes


def test_a_private_word_and_a_shared_one_are_two(threads: list[Thread]) -> None:
    threads[0].sleep(futex(threads[0], WORD, WAIT | PRIVATE, 0))
    assert futex(threads[1], WORD, WAKE, 1) == 0
    assert futex(threads[1], WORD, WAKE | PRIVATE, 1) == 1


@pytest.mark.parametrize(("operation", "until"), [(WAIT, 500 + 2 * HZ + 3), (WAIT_BITSET, 2 * HZ + 3)])
def test_time_is_from_now_on_or_a_point(threads: list[Thread], operation: int, until: int) -> None:
    kernel = threads[0].kernel
    kernel.time = 500
    threads[0].space.write(TIME, struct.pack("<2i", 2, 3000))
    call = futex(threads[0], WORD, operation, 0, TIME, 0, ALL)
    assert threads[0].sleep(call) == until
    kernel.time = until
    threads[0].wake()
    with pytest.raises(Errno) as told:
        next(call)
    assert told.value.code == ETIMEDOUT
    assert not kernel.futexes


@pytest.mark.parametrize("operation", [REQUEUE, CMP_REQUEUE])
def test_sleepers_are_moved_and_woken_elsewhere(threads: list[Thread], operation: int) -> None:
    calls = [futex(thread, WORD, WAIT, 0) for thread in threads[:3]]
    for thread, call in zip(threads, calls, strict=False):
        thread.sleep(call)
    assert futex(threads[3], WORD, operation, 1, 9, OTHER, 0) == 3
    assert [thread.awake for thread in threads[:3]] == [True, False, False]
    assert futex(threads[3], WORD, WAKE, 9) == 0
    assert futex(threads[3], OTHER, WAKE, 9) == 2
    assert [result(call) for call in calls] == [0, 0, 0]
    assert not threads[0].kernel.futexes


def test_a_moved_sleeper_whose_time_ends_leaves_nothing(threads: list[Thread]) -> None:
    thread = threads[0]
    thread.space.write(TIME, struct.pack("<2i", 1, 0))
    call = futex(thread, WORD, WAIT, 0, TIME)
    until = thread.sleep(call)
    futex(threads[1], WORD, REQUEUE, 0, 9, OTHER)
    thread.kernel.time = until
    thread.wake()
    with pytest.raises(Errno):
        next(call)
    assert futex(threads[1], OTHER, WAKE, 9) == 0
    assert not thread.kernel.futexes


def test_what_is_kept_does_not_grow_with_words_that_were_used_once(threads: list[Thread]) -> None:
    for word in range(0x1000, 0x1000 + 4 * 2 * MOST_KEPT, 4):
        call = futex(threads[0], WORD, WAIT, 0)
        threads[0].sleep(call)
        futex(threads[1], WORD, REQUEUE, 0, 9, word)
        threads[0].wake()  # as at the end of its time
        assert result(call) == 0
    assert len(threads[0].kernel.futexes) <= MOST_KEPT


@pytest.mark.parametrize(
    ("code", "before", "after", "woken"),
    [
        (1 << 28 | 4 << 24 | 1 << 12 | 1, 2, 3, 2),  # add 1; more than 1: both
        (0 << 28 | 4 << 24 | 0 << 12 | 1, 1, 0, 1),  # set 0; not more than 1: the first only
        (8 << 28 | 2 << 28 | 0 << 24 | 4 << 12 | 0, 0, 16, 2),  # set bit 4; equal to 0
        (3 << 28 | 2 << 24 | 3 << 12 | 0xFFF, 7, 4, 1),  # clear 3; less than -1
    ],
)
def test_one_call_changes_a_second_word_and_wakes_who_sleeps_at_both(
    threads: list[Thread], code: int, before: int, after: int, woken: int
) -> None:
    threads[0].space.write(OTHER, before.to_bytes(4, "little"))
    threads[0].sleep(futex(threads[0], WORD, WAIT, 0))
    threads[1].sleep(futex(threads[1], OTHER, WAIT, before))
    assert futex(threads[2], WORD, WAKE_OP, 1, 1, OTHER, code) == woken
    assert threads[0].awake
    assert threads[1].awake == (woken == 2)
    assert int.from_bytes(threads[0].space.read(OTHER, 4), "little") == after


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((WORD + 1, WAIT, 0), EINVAL),
        ((WORD, WAIT_BITSET, 0), EINVAL),
        ((WORD, LOCK_PI, 0), ENOSYS),
        ((WORD, WAKE_OP, 1, 1, OTHER, 5 << 28), ENOSYS),
        ((WORD, CMP_REQUEUE, 0, 0, OTHER, 5), EAGAIN),
    ],
)
def test_what_is_wrong_is_told(threads: list[Thread], arguments: tuple[int, ...], code: int) -> None:
    with pytest.raises(Errno) as told:
        futex(threads[0], *arguments)
    assert told.value.code == code


def test_a_threads_end_is_told_where_it_asked(threads: list[Thread]) -> None:
    ending, joining = threads[:2]
    ending.space.write(WORD, (7).to_bytes(4, "little"))
    assert sys_set_tid_address(ending, WORD) == 7
    call = futex(joining, WORD, WAIT, 7)
    joining.sleep(call)
    thread_ended(ending)
    assert joining.awake
    assert ending.space.read(WORD, 4) == bytes(4)
    thread_ended(ending)
    assert result(call) == 0


def test_a_robust_list_has_one_size(threads: list[Thread]) -> None:
    assert sys_set_robust_list(threads[0], WORD, 12) == 0
    with pytest.raises(Errno):
        sys_set_robust_list(threads[0], WORD, 16)
