"""statx, copy_file_range, memfd_create, limits and what /proc tells of them."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from cells.personalities.arm import errno as e
from tests.support.linux import LinuxBench, archive, program
from tests.support.linux_process import fake_process, invoke, path

DATA, OUT, HERE = 0x1000, 0x2000, -100
READ_WRITE_CREATE = 0o102


@pytest.fixture
def process() -> Any:
    return fake_process()


def made(process: Any, name: bytes, content: bytes = b"") -> int:
    descriptor = int(invoke(process, "open", path(process, name), READ_WRITE_CREATE, 0o644))
    process.space.put(DATA, content)
    assert invoke(process, "write", descriptor, DATA, len(content)) == len(content)
    return descriptor


def content(process: Any, name: bytes) -> bytes:
    inode = process.kernel.vfs.find(name)
    return bytes(inode.read(0, inode.size))


def text(process: Any, name: bytes) -> str:
    descriptor = invoke(process, "open", path(process, name), 0)
    return str(process.space.read(OUT, invoke(process, "read", descriptor, OUT, 4000)).decode())


def test_statx_tells_what_stat_tells(process: Any) -> None:
    made(process, b"/f", b"x" * 5000)
    inode = process.kernel.vfs.find(b"/f")
    inode.user, inode.team, inode.modified = 7, 8, 12_000_000_034
    assert invoke(process, "statx", HERE, path(process, b"/f"), 0, 0x7FF, OUT) == 0
    told = process.space.read(OUT, 256)
    mask, block, _, links, user, team, mode, _, number, size, blocks, _ = struct.unpack_from("<IIQIIIHHQQQQ", told)
    assert (mask, block, links, user, team, mode) == (0x7FF, 4096, 1, 7, 8, 0o100644)
    assert (number, size, blocks) == (inode.inode_number, 5000, 16)
    assert struct.unpack_from("<qI", told, 112) == (12, 34)
    assert told[80:96] == bytes(16)


def test_statx_of_a_device_a_link_and_a_descriptor(process: Any) -> None:
    assert invoke(process, "statx", HERE, path(process, b"/dev/null"), 0, 0, OUT) == 0
    assert struct.unpack_from("<IIII", process.space.read(OUT, 256), 128) == (1, 3, 0, 1)
    invoke(process, "symlink", path(process, b"nowhere"), path(process, b"/l", 0x200))
    assert invoke(process, "statx", HERE, path(process, b"/l"), 0, 0, OUT) == -e.ENOENT
    assert invoke(process, "statx", HERE, path(process, b"/l"), 0x100, 0, OUT) == 0
    descriptor = made(process, b"/f")
    assert invoke(process, "statx", descriptor, path(process, b""), 0x1000, 0, OUT) == 0


@pytest.mark.parametrize(("flags", "mask"), [(0x6000, 0), (1, 0), (0, 0x8000_0000)])
def test_statx_refuses_what_it_does_not_know(process: Any, flags: int, mask: int) -> None:
    assert invoke(process, "statx", HERE, path(process, b"/"), flags, mask, OUT) == -e.EINVAL


def test_a_range_is_copied_from_offset_to_offset(process: Any) -> None:
    source, target = made(process, b"/a", b"0123456789"), made(process, b"/b", b"xx")
    invoke(process, "lseek", source, 2, 0)
    assert invoke(process, "copy_file_range", source, 0, target, 0, 4, 0) == 4
    assert content(process, b"/b") == b"xx2345"
    process.space.put(0x300, struct.pack("<qq", 8, 0))
    assert invoke(process, "copy_file_range", source, 0x300, target, 0x308, 100, 0) == 2
    assert content(process, b"/b") == b"892345"
    assert struct.unpack("<qq", process.space.read(0x300, 16)) == (10, 2)
    assert invoke(process, "lseek", source, 0, 1) == 6


def test_a_range_is_not_copied_onto_itself_nor_to_what_is_no_file(process: Any) -> None:
    both = made(process, b"/a", b"0123456789")
    process.space.put(0x300, struct.pack("<qq", 0, 4))
    assert invoke(process, "copy_file_range", both, 0x300, both, 0x308, 5, 0) == -e.EINVAL
    assert invoke(process, "copy_file_range", both, 0x300, both, 0x308, 4, 0) == 4
    assert content(process, b"/a") == b"0123012389"
    null = invoke(process, "open", path(process, b"/dev/null"), 2)
    assert invoke(process, "copy_file_range", both, 0x300, null, 0, 5, 0) == -e.EINVAL
    assert invoke(process, "copy_file_range", both, 0x300, both, 0x308, 1, 1) == -e.EINVAL


def test_a_file_in_memory_has_no_name_in_the_tree(process: Any) -> None:
    descriptor = invoke(process, "memfd_create", path(process, b"mine"), 1)
    assert descriptor in process.files.closing
    process.space.put(DATA, b"held")
    assert invoke(process, "write", descriptor, DATA, 4) == 4
    link = path(process, b"/proc/self/fd/%d" % descriptor)
    assert process.space.read(OUT, invoke(process, "readlink", link, OUT, 99)) == b"/memfd:mine (deleted)"
    assert invoke(process, "memfd_create", path(process, b"x" * 250), 0) == -e.ENAMETOOLONG
    assert invoke(process, "memfd_create", path(process, b"x"), 4) == -e.EINVAL


def test_limits_are_kept_told_and_lifted_by_root_only(process: Any) -> None:
    process.space.put(DATA, struct.pack("<2I", 64, 128))
    assert invoke(process, "setrlimit", 7, DATA) == 0
    assert process.files.limit == 64
    assert "Max open files            64                   128                  files" in text(
        process, b"/proc/self/limits"
    )
    process.user = [1000] * 3
    process.space.put(DATA, struct.pack("<2I", 64, 129))
    assert invoke(process, "setrlimit", 7, DATA) == -e.EPERM
    process.space.put(DATA, struct.pack("<2I", 129, 128))
    assert invoke(process, "setrlimit", 7, DATA) == -e.EINVAL


def test_how_far_the_stack_may_grow_is_its_spaces(process: Any) -> None:
    process.space.put(DATA, struct.pack("<2Q", 1 << 16, 1 << 20))
    assert invoke(process, "prlimit64", 0, 3, DATA, OUT) == 0
    assert struct.unpack("<2Q", process.space.read(OUT, 16)) == (8 << 20, (1 << 64) - 1)
    assert process.space.stack_limit == 1 << 16


def test_threads_and_descriptors_of_a_process_are_in_its_directory(process: Any) -> None:
    thread = fake_process(process.kernel, 5)
    thread.leader = 1
    directory = process.kernel.vfs.find(b"/proc/1/task")
    assert [name for name, _ in directory.names()] == [b"1", b"5"]
    assert "Pid:\t5" in text(process, b"/proc/1/task/5/status")
    descriptor = made(process, b"/f", b"abc")
    assert text(process, b"/proc/self/fdinfo/%d" % descriptor).startswith("pos:\t3\nflags:\t0")


DEEP = """
mov r0, #3; adr r1, limit; mov r7, #75; svc #0
mov r2, sp; ldr r3, depth; sub r2, r2, r3; str r0, [r2]
mov r7, #1; svc #0
limit: .word 0x80000, 0x80000
depth: .word {depth}
"""


@pytest.mark.parametrize(("depth", "status"), [(0x70000, 0), (0x90000, 128 + 11)])
def test_a_stack_ends_where_its_limit_is(depth: int, status: int) -> None:
    assert LinuxBench(archive({"p": program(DEEP.format(depth=depth))}), ["/p"]).run() == status
