"""mmap, mprotect, mremap and their kind, called as a program calls them, on a process that never runs."""

from __future__ import annotations

import pytest

from cells.personalities.arm.errno import EACCES, EEXIST, EFAULT, EINVAL, ENOMEM, Errno
from cells.personalities.arm.regions import READ, WRITE
from cells.personalities.linux import sys_memory as calls
from cells.personalities.linux.process import Process
from hypervisor.abi.pv import PAGE
from tests.support.linux import LinuxBench, archive, program

ANONYMOUS, SHARED, FIXED, NO_REPLACE = 0x22, 0x21, 0x10, 0x10_0000
NONE = 0xFFFF_FFFF


@pytest.fixture
def process() -> Process:
    return LinuxBench(archive({"p": program("nop")}), ["/p"]).kernel.first


def mapped(process: Process, pages: int, flags: int = ANONYMOUS, at: int = 0) -> int:
    return calls.sys_mmap2(process, at, pages * PAGE, READ | WRITE, flags, NONE, 0)


def code(error: pytest.ExceptionInfo[Errno]) -> int:
    return error.value.code


def test_a_mapping_grows_where_there_is_room_and_keeps_what_it_has(process: Process) -> None:
    at = mapped(process, 1)
    process.space.write(at, b"kept")
    assert calls.sys_mremap(process, at, PAGE, 3 * PAGE, 0, 0) == at
    process.space.write(at + 2 * PAGE, b"new")
    assert process.space.read(at, 4) == b"kept"


def test_it_moves_if_it_may(process: Process) -> None:
    at = mapped(process, 1)
    mapped(process, 1, ANONYMOUS | FIXED, at + PAGE)
    process.space.write(at, b"kept")
    with pytest.raises(Errno) as error:
        calls.sys_mremap(process, at, PAGE, 2 * PAGE, 0, 0)
    assert code(error) == ENOMEM
    new = calls.sys_mremap(process, at, PAGE, 2 * PAGE, calls.MREMAP_MAYMOVE, 0)
    assert new != at
    assert process.space.read(new, 4) == b"kept"
    with pytest.raises(Errno) as error:
        process.space.read(at, 1)
    assert code(error) == EFAULT


def test_shared_memory_is_the_same_in_a_fork(process: Process) -> None:
    at = mapped(process, 2, SHARED)
    child = process.space.fork()
    child.write(at + PAGE, b"from the child")
    assert process.space.read(at + PAGE, 14) == b"from the child"


def test_pages_that_are_not_needed_are_empty_again(process: Process) -> None:
    at = mapped(process, 2)
    process.space.write(at, b"x" * 2 * PAGE)
    calls.sys_madvise(process, at, PAGE, calls.DONT_NEED)
    assert process.space.read(at, 2 * PAGE) == bytes(PAGE) + b"x" * PAGE


@pytest.mark.parametrize(
    ("address", "size", "flags", "wanted"),
    [
        (1, PAGE, ANONYMOUS | FIXED, EINVAL),
        (0, PAGE, ANONYMOUS | FIXED, ENOMEM),
        (0xC000_0000, PAGE, ANONYMOUS | FIXED, ENOMEM),
        (0, 0, ANONYMOUS, EINVAL),
        (0, PAGE, 0x20, EINVAL),
        (0, 0xFFFF_E001, ANONYMOUS, ENOMEM),
        (0, 0xC000_0000, ANONYMOUS, ENOMEM),
        (0x10000, PAGE, ANONYMOUS | NO_REPLACE, EEXIST),
    ],
)
def test_what_cannot_be_mapped(process: Process, address: int, size: int, flags: int, wanted: int) -> None:
    before = list(process.space.regions)
    with pytest.raises(Errno) as error:
        calls.sys_mmap2(process, address, size, READ | WRITE, flags, NONE, 0)
    assert code(error) == wanted
    assert process.space.regions == before


def test_rights_are_changed_for_all_or_none(process: Process) -> None:
    at = mapped(process, 2)
    with pytest.raises(Errno) as error:
        calls.sys_mprotect(process, at, 3 * PAGE, READ)
    assert code(error) == ENOMEM
    process.space.write(at, b"still writable")
    calls.sys_mprotect(process, at, PAGE, READ)
    with pytest.raises(Errno) as error:
        process.space.write(at, b"no")
    assert code(error) == EFAULT
    process.space.write(at + PAGE, b"yes")


def test_a_mapping_that_may_not_become_writable_does_not(process: Process) -> None:
    at = 0x5000_0000
    process.space.map(at, at + PAGE, READ, may=READ)
    with pytest.raises(Errno) as error:
        calls.sys_mprotect(process, at, PAGE, READ | WRITE)
    assert code(error) == EACCES


def test_the_heap_grows_and_shrinks_and_comes_back_empty(process: Process) -> None:
    start = calls.sys_brk(process, 0)
    assert calls.sys_brk(process, start + 10_000) == start + 10_000
    process.space.write(start + 9_000, b"heap")
    assert calls.sys_brk(process, start) == start
    assert calls.sys_brk(process, start + 10_000) == start + 10_000
    assert process.space.read(start + 9_000, 4) == bytes(4)
    assert calls.sys_brk(process, 5) == start + 10_000
