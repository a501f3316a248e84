"""Frames and page tables of the personality: each has one owner or counted users, and comes back empty."""

from __future__ import annotations

import pytest

from cells.personalities.arm.errno import Errno
from cells.personalities.arm.frames import OutOfMemory, divide
from cells.personalities.arm.reach import Memory
from cells.personalities.arm.regions import READ, WRITE
from cells.personalities.arm.space import Space
from hypervisor.abi.memory import WINDOW_BASE
from hypervisor.abi.pv import L1_SIZE, L2_SIZE, PAGE, TableFormat

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


class Borrowed:
    """Pages of somebody else, as an inode's."""

    def __init__(self, first: int, pages: int) -> None:
        self.first, self.size = first, pages * PAGE

    def page(self, index: int, _writable: bool = False) -> int:
        return self.first + index * PAGE


def test_pages_of_others_are_mapped_as_they_are_and_copied_for_who_maps_them_for_himself() -> None:
    frames, tables = divide(bytearray(SIZE), BASE, SIZE, BASE + PAGE)
    theirs = bytearray(2 * PAGE)
    for number in range(2):
        frames.adopt(WINDOW_BASE + number * PAGE, memoryview(theirs)[number * PAGE : (number + 1) * PAGE])
    space = Space(Memory(frames, tables, TableFormat.LEGACY))
    pages = Borrowed(WINDOW_BASE, 2)
    space.map(0x10000, 0x12000, READ | WRITE, shared=True, inode=pages)
    space.map(0x20000, 0x22000, READ | WRITE, inode=pages)
    child = space.fork()
    space.write(0x10FFF, b"ab")
    assert bytes(theirs[PAGE - 1 : PAGE + 1]) == b"ab"
    assert child.read(0x10FFF, 2) == child.read(0x20FFF, 2) == b"ab"
    child.write(0x20000, b"own")
    assert (space.read(0x20000, 3), bytes(theirs[:3])) == (bytes(3), bytes(3))
    for each in (space, child):
        each.destroy()
    assert [frames.users(WINDOW_BASE + number * PAGE) for number in range(2)] == [1, 1]
    assert frames.free == frames.total


def test_a_page_that_others_let_us_only_read_is_not_written_by_the_kernel_either() -> None:
    frames, tables = divide(bytearray(SIZE), BASE, SIZE, BASE + PAGE)
    frames.adopt(WINDOW_BASE, memoryview(bytes(PAGE)))
    space = Space(Memory(frames, tables, TableFormat.LEGACY))
    space.map(0x10000, 0x11000, READ | WRITE, shared=True, inode=Borrowed(WINDOW_BASE, 1))
    assert space.read(0x10000, 4) == bytes(4)
    with pytest.raises(Errno, match="EFAULT"):
        space.write(0x10000, b"x")
