"""Locks of files: between processes, between open files, and their end."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from cells.personalities.arm import errno as e
from tests.support.linux_process import begin, fake_process, go_on, invoke, path

READ, WRITE, NONE = 0, 1, 2
GET, SET, SET_AND_WAIT, OF_FILE = 12, 13, 14, 24
FLOCK = struct.Struct("<hh4xqqi4x")
AT = 0x800


@pytest.fixture
def two() -> tuple[Any, Any]:
    """Two processes with the same file as descriptor 0."""
    first = fake_process()
    second = fake_process(first.kernel, 2)
    for process in (first, second):
        assert invoke(process, "open", path(process, b"/f"), 0o102, 0o666) == 0
    return first, second


def lock(process: Any, kind: int, start: int = 0, size: int = 0, request: int = SET, descriptor: int = 0) -> Any:
    process.space.put(AT, FLOCK.pack(kind, 0, start, size, 0))
    return invoke(process, "fcntl64", descriptor, request, AT)


def asked(process: Any, kind: int, start: int = 0, size: int = 0) -> tuple[int, ...]:
    assert lock(process, kind, start, size, GET) == 0
    return FLOCK.unpack(process.space.read(AT, FLOCK.size))


def test_an_exclusive_part_is_one_processs(two: tuple[Any, Any]) -> None:
    first, second = two
    assert lock(first, WRITE, 10, 10) == 0
    assert lock(second, WRITE, 0, 10) == 0
    assert lock(second, READ, 19, 1) == -e.EAGAIN
    assert lock(second, WRITE, 20, 5) == 0
    assert asked(second, READ, 5, 10) == (WRITE, 0, 10, 10, 1)
    assert asked(first, READ, 10, 10)[0] == NONE


def test_shared_ones_are_beside_each_other(two: tuple[Any, Any]) -> None:
    first, second = two
    assert lock(first, READ) == 0
    assert lock(second, READ) == 0
    assert lock(second, WRITE) == -e.EAGAIN
    assert lock(first, NONE) == 0
    assert lock(second, WRITE) == 0


def test_a_part_in_the_middle_can_be_given_back(two: tuple[Any, Any]) -> None:
    first, second = two
    assert lock(first, WRITE, 0, 30) == 0
    assert lock(first, NONE, 10, 10) == 0
    assert lock(second, WRITE, 10, 10) == 0
    assert lock(second, WRITE, 9, 1) == -e.EAGAIN
    assert lock(second, WRITE, 20, 1) == -e.EAGAIN


def test_who_waits_goes_on_when_any_descriptor_of_the_file_is_closed(two: tuple[Any, Any]) -> None:
    first, second = two
    assert lock(first, WRITE) == 0
    assert invoke(first, "open", path(first, b"/f"), 0) == 1
    sleeping, wait = begin_lock(second)
    assert wait.queues
    assert go_on(sleeping) is None
    assert invoke(first, "close", 1) == 0
    assert go_on(sleeping) == 0
    assert lock(first, READ) == -e.EAGAIN


def begin_lock(process: Any) -> Any:
    process.space.put(AT, FLOCK.pack(WRITE, 0, 0, 0, 0))
    return begin(process, "fcntl64", 0, SET_AND_WAIT, AT)


def test_who_would_wait_for_who_waits_for_it_is_told(two: tuple[Any, Any]) -> None:
    first, second = two
    assert lock(first, WRITE, 0, 1) == 0
    assert lock(second, WRITE, 1, 1) == 0
    assert lock(first, WRITE, 1, 1, SET_AND_WAIT) is not None
    first.space.put(AT, FLOCK.pack(WRITE, 0, 1, 1, 0))
    begin(first, "fcntl64", 0, SET_AND_WAIT, AT)
    assert lock(second, WRITE, 0, 1, SET_AND_WAIT) == -e.EDEADLK


def test_who_has_given_up_waiting_is_in_nobodys_way(two: tuple[Any, Any]) -> None:
    first, second = two
    lock(first, WRITE, 0, 1)
    lock(second, WRITE, 1, 1)
    first.space.put(AT, FLOCK.pack(WRITE, 0, 1, 1, 0))
    sleeping, _ = begin(first, "fcntl64", 0, SET_AND_WAIT, AT)
    sleeping.close()
    assert lock(second, WRITE, 0, 1) == -e.EAGAIN
    second.space.put(AT, FLOCK.pack(WRITE, 0, 0, 1, 0))
    sleeping, _ = begin(second, "fcntl64", 0, SET_AND_WAIT, AT)
    assert lock(first, NONE) == 0
    assert go_on(sleeping) == 0


def test_locks_count_among_all_that_the_kernel_holds(two: tuple[Any, Any]) -> None:
    process = two[0]
    held = process.kernel.vfs.held
    before = held.now
    for number in range(10):
        lock(process, WRITE, 2 * number, 1)
    assert held.now > before
    held.limit = held.now
    assert lock(process, WRITE, 100, 1) == -e.ENOLCK
    invoke(process, "close", 0)
    assert held.now == before


def test_locks_of_an_open_file_end_with_it(two: tuple[Any, Any]) -> None:
    first, second = two
    assert lock(first, WRITE, request=SET + OF_FILE) == 0
    assert invoke(first, "dup", 0) == 1
    assert lock(second, WRITE, request=SET + OF_FILE) == -e.EAGAIN
    assert lock(first, READ) == -e.EAGAIN
    invoke(first, "close", 0)
    assert lock(second, READ) == -e.EAGAIN
    invoke(first, "close", 1)
    assert lock(second, READ) == 0


def test_flock_is_the_open_files_and_does_not_meet_records(two: tuple[Any, Any]) -> None:
    first, second = two
    assert invoke(first, "flock", 0, 2) == 0
    assert lock(second, WRITE) == 0
    assert invoke(second, "flock", 0, 2 | 4) == -e.EAGAIN
    assert invoke(second, "flock", 0, 1 | 4) == -e.EAGAIN
    sleeping, _ = begin(second, "flock", 0, 2)
    assert invoke(first, "flock", 0, 8) == 0
    assert go_on(sleeping) == 0


@pytest.mark.parametrize(
    ("kind", "whence", "start", "size", "code"),
    [(3, 0, 0, 0, e.EINVAL), (READ, 3, 0, 0, e.EINVAL), (READ, 0, -1, 0, e.EINVAL), (READ, 0, 1, -2, e.EINVAL)],
)
def test_what_is_no_lock_is_told(
    two: tuple[Any, Any], kind: int, whence: int, start: int, size: int, code: int
) -> None:
    process = two[0]
    process.space.put(AT, FLOCK.pack(kind, whence, start, size, 0))
    assert invoke(process, "fcntl64", 0, SET, AT) == -code


def test_a_lock_needs_a_file_that_is_open_for_it(two: tuple[Any, Any]) -> None:
    process = two[0]
    assert invoke(process, "open", path(process, b"/f"), 0) == 1
    assert lock(process, WRITE, descriptor=1) == -e.EBADF
    assert lock(process, READ, descriptor=1) == 0


def test_a_file_has_so_many_locks_and_no_more(two: tuple[Any, Any]) -> None:
    process = two[0]
    results = [lock(process, WRITE, 2 * number, 1) for number in range(300)]
    assert results[:256] == [0] * 256
    assert results[256:] == [-e.ENOLCK] * 44
