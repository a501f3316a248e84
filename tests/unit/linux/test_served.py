"""Views of the host's directories in a Linux-like cell: looked into when somebody asks, read-only for user 0 too."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest

from cells.personalities.arm import errno as e
from cells.personalities.linux import served
from tests.support.linux_process import fake_process, invoke, path
from tests.support.served import DirectFiles

CREATE, READ_WRITE, WRITE_ONLY, TRUNCATE, HERE = 0o100, 2, 1, 0o1000, -100
OUT, DATA = 0x2000, 0x1000


@pytest.fixture
def host(tmp_path: Path) -> Path:
    (tmp_path / "sub" / "deep").mkdir(parents=True)
    (tmp_path / "a.txt").write_text("hello")
    (tmp_path / "sub" / "tool").write_bytes(b"t" * 10_000)
    (tmp_path / "sub" / "tool").chmod(0o755)
    (tmp_path / "link").symlink_to("sub/tool")
    (tmp_path / "out").symlink_to("/etc/passwd")
    return tmp_path


@pytest.fixture
def process(host: Path) -> Any:
    process = fake_process()
    kernel = process.kernel
    kernel.port = DirectFiles({(0, 0): host})
    kernel.vfs.volumes.append(served.mount(kernel, b"/mnt/host", 0))
    return process


def call(process: Any, name: str, *arguments: Any) -> int:
    """Bytes among the arguments are paths."""
    at, words = 0x100, []
    for argument in arguments:
        words.append(path(process, argument, at) if isinstance(argument, bytes) else argument)
        at += 0x200 * isinstance(argument, bytes)
    result = invoke(process, name, *words)
    assert isinstance(result, int)
    return result


def text(process: Any, name: bytes) -> bytes:
    descriptor = call(process, "open", name, 0)
    assert descriptor >= 0, e.NAMES[-descriptor]
    found = b""
    while (size := invoke(process, "read", descriptor, OUT, 3000)) > 0:
        found += process.space.read(OUT, size)
    return found


def status(process: Any, name: bytes, function: str = "stat64") -> tuple[int, ...]:
    """Device, mode, size, number."""
    assert call(process, function, name, OUT) == 0
    data = process.space.read(OUT, 104)
    return (
        struct.unpack_from("<Q", data)[0],
        struct.unpack_from("<I", data, 16)[0],
        struct.unpack_from("<q", data, 48)[0],
        struct.unpack_from("<Q", data, 96)[0],
    )


def test_names_attributes_and_bytes_are_the_hosts(process: Any) -> None:
    assert text(process, b"/mnt/host/a.txt") == b"hello"
    assert text(process, b"/mnt/host/link") == b"t" * 10_000
    assert status(process, b"/mnt/host/sub/tool")[:3] == (2, 0o100555, 10_000)
    assert status(process, b"/mnt/host/a.txt")[1] == 0o100444
    assert status(process, b"/mnt/host/link", "lstat64")[1] == 0o120777
    assert status(process, b"/mnt/host")[1] == 0o040555
    assert call(process, "readlink", b"/mnt/host/link", OUT, 100) == 8
    assert call(process, "open", b"/mnt/host/out", 0) == -e.EACCES
    assert call(process, "open", b"/mnt/host/none", 0) == -e.ENOENT
    assert call(process, "open", b"/mnt/host/a.txt/x", 0) == -e.ENOTDIR


def test_nothing_is_asked_for_before_somebody_looks(process: Any) -> None:
    assert process.kernel.port.calls == 0
    status(process, b"/mnt/host/sub/tool")
    assert process.kernel.port.calls == 2


def test_a_directory_lists_its_names_with_the_numbers_that_stat_tells(process: Any) -> None:
    descriptor = call(process, "open", b"/mnt/host", 0)
    size = invoke(process, "getdents64", descriptor, OUT, 4000)
    data, at, found = process.space.read(OUT, size), 0, {}
    while at < size:
        number, _, length, kind = struct.unpack_from("<QqHB", data, at)
        found[data[at + 19 : at + length].split(b"\0")[0]] = number, kind
        at += length
    assert set(found) == {b".", b"..", b"a.txt", b"link", b"out", b"sub"}
    assert found[b"sub"] == (status(process, b"/mnt/host/sub")[3], 4)


def test_the_way_up_and_the_working_directory_are_right(process: Any) -> None:
    assert call(process, "chdir", b"/mnt/host/sub/deep") == 0
    assert call(process, "getcwd", OUT, 100) > 0
    assert process.space.read(OUT, 100).split(b"\0")[0] == b"/mnt/host/sub/deep"
    assert text(process, b"../../a.txt") == b"hello"
    assert call(process, "chdir", b"../../../..") == 0
    assert process.directory is process.kernel.vfs.root


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("open", (b"/mnt/host/a.txt", WRITE_ONLY), e.EROFS),
        ("open", (b"/mnt/host/a.txt", TRUNCATE), e.EROFS),
        ("open", (b"/mnt/host/new", CREATE | READ_WRITE, 0o666), e.EROFS),
        ("mkdir", (b"/mnt/host/new", 0o777), e.EROFS),
        ("mkdir", (b"/mnt/host/sub", 0o777), e.EEXIST),
        ("mknod", (b"/mnt/host/new", 0o010644, 0), e.EROFS),
        ("symlink", (b"x", b"/mnt/host/new"), e.EROFS),
        ("link", (b"/mnt/host/a.txt", b"/mnt/host/new"), e.EROFS),
        ("link", (b"/mnt/host/a.txt", b"/new"), e.EXDEV),
        ("unlink", (b"/mnt/host/a.txt",), e.EROFS),
        ("unlink", (b"/mnt/host/none",), e.EROFS),
        ("rmdir", (b"/mnt/host/sub",), e.EROFS),
        ("rmdir", (b"/mnt/host",), e.EBUSY),
        ("rename", (b"/mnt/host/a.txt", b"/mnt/host/b"), e.EROFS),
        ("rename", (b"/mnt/host/a.txt", b"/b"), e.EXDEV),
        ("rename", (b"/mnt/host", b"/b"), e.EBUSY),
        ("chmod", (b"/mnt/host/a.txt", 0o777), e.EROFS),
        ("chown32", (b"/mnt/host/a.txt", 1, 1), e.EROFS),
        ("utimensat", (HERE, b"/mnt/host/a.txt", 0, 0), e.EROFS),
        ("truncate", (b"/mnt/host/a.txt", 0), e.EROFS),
        ("access", (b"/mnt/host/a.txt", 2), e.EROFS),
        ("access", (b"/mnt/host/a.txt", 4), 0),
        ("access", (b"/mnt/host/a.txt", 1), e.EACCES),
        ("access", (b"/mnt/host/sub/tool", 1), 0),
    ],
)
def test_nobody_writes_there_user_0_neither(process: Any, name: str, arguments: tuple[Any, ...], expected: int) -> None:
    assert call(process, name, *arguments) == -expected


def test_the_file_system_says_that_it_is_read_only(process: Any) -> None:
    assert call(process, "statfs64", b"/mnt/host/sub", 84, OUT) == 0
    assert struct.unpack("<II5Q9I", process.space.read(OUT, 84))[11] & 1
    assert b"host /mnt/host fuse.host ro," in text(process, b"/proc/self/mounts")
    assert b"/mnt/host ro," in text(process, b"/proc/self/mountinfo")


def test_a_page_that_a_program_maps_is_the_hosts_and_can_be_given_back(process: Any) -> None:
    file = process.kernel.vfs.find(b"/mnt/host/sub/tool")
    frames = process.kernel.frames
    before = frames.free
    page = file.page(2)
    assert bytes(frames.view(page)) == (b"t" * (10_000 - 8192)).ljust(4096, b"\0")
    assert frames.free == before - 1
    assert file.read(8190, 100) == b"t" * 100
    assert process.kernel.vfs.reclaim()
    assert frames.free == before


def test_a_file_that_changes_on_the_host_is_an_io_error(process: Any, host: Path) -> None:
    assert text(process, b"/mnt/host/a.txt") == b"hello"
    process.kernel.vfs.find(b"/mnt/host/sub/tool")
    (host / "sub" / "tool").write_bytes(b"another size")
    descriptor = call(process, "open", b"/mnt/host/sub/tool", 0)
    assert invoke(process, "read", descriptor, OUT, 100) == -e.EIO
    assert len(process.kernel.port.lines) == 1


def test_what_is_kept_of_a_large_directory_is_bounded_and_numbers_stay(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(served, "INODES", 10)
    for number in range(50):
        (tmp_path / str(number)).touch()
    process = fake_process()
    process.kernel.port = DirectFiles({(0, 0): tmp_path})
    view = served.mount(process.kernel, b"/mnt", 0)
    first = [status(process, b"/mnt/%d" % number)[3] for number in range(50)]
    assert len(view._inodes) <= 10
    assert [status(process, b"/mnt/%d" % number)[3] for number in range(50)] == first
