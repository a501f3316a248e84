"""Frames and page tables of the personality: each has one owner or counted users, and comes back empty."""

from __future__ import annotations

import pytest

from cells.personalities.linux.frames import OutOfMemory, divide
from hypervisor.abi.pv import L1_SIZE, L2_SIZE, PAGE

BASE, SIZE = 0x1000_0000, 1 << 20


def test_a_frame_comes_back_empty_when_its_last_user_has_gone() -> None:
    frames, _ = divide(bytearray(SIZE), BASE, SIZE, BASE + PAGE)
    page = frames.take()
    frames.view(page)[:3] = b"abc"
    frames.share(page)
    frames.release(page)
    assert (frames.users(page), frames.free) == (1, frames.total - 1)
    frames.release(page)
    assert (frames.users(page), frames.free) == (0, frames.total)
    assert bytes(frames.view(frames.take())) == bytes(PAGE)


def test_when_none_is_left_the_caches_are_asked_first() -> None:
    frames, _ = divide(bytearray(SIZE), BASE, SIZE, BASE)
    taken = [frames.take() for _ in range(frames.total)]
    with pytest.raises(OutOfMemory):
        frames.take()

    def give() -> bool:
        frames.release(taken.pop())
        return True

    frames.reclaim = give
    assert frames.take() not in taken


def test_who_knows_code_hears_of_frames_that_are_filled() -> None:
    frames, _ = divide(bytearray(SIZE), BASE, SIZE, BASE)
    heard: list[int] = []
    frames.written = lambda address, _size: heard.append(address)
    page = frames.take_any()
    frames.fill(page, b"code")
    assert heard == [page]


def test_tables_are_apart_from_frames_aligned_and_empty() -> None:
    frames, tables = divide(bytearray(SIZE), BASE, SIZE, BASE)
    first, seconds = tables.first_level(), [tables.second_level() for _ in range(17)]
    assert first % L1_SIZE == 0
    assert all(table % L2_SIZE == 0 and table >= frames.end for table in seconds)
    assert len({*seconds}) == 17
    assert not any(first <= table < first + L1_SIZE for table in seconds)
    tables.words[tables.index(seconds[0])] = 7
    before = tables.free
    for table in seconds:
        tables.release(table)
    assert tables.free == before + 2
    fresh = tables.second_level()
    assert not any(tables.words[tables.index(fresh) : tables.index(fresh) + L2_SIZE // 4])


def test_tables_end_too() -> None:
    _, tables = divide(bytearray(SIZE), BASE, SIZE, BASE)
    for _ in range(tables.free):
        tables.first_level()
    with pytest.raises(OutOfMemory):
        tables.second_level()
