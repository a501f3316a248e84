"""inotify: what happens to files is told in order to whoever watches, in Linux's layout, and takes bounded room."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from cells.personalities.arm import errno as e
from cells.personalities.linux import inotify
from tests.support.linux_process import begin, fake_process, go_on, invoke, path

OUT, DATA, CREATE_FLAG, READ_WRITE, NONBLOCK = 0x2000, 0x1000, 0o100, 2, 0o4000
ALL = 0xFFF
NAMES = {
    1: "access", 2: "modify", 4: "attrib", 8: "close_write", 0x10: "close", 0x20: "open", 0x40: "from", 0x80: "to",
    0x100: "create", 0x200: "delete", 0x400: "delete_self", 0x800: "move_self", 0x4000: "overflow", 0x8000: "ignored",
}  # fmt: skip


@pytest.fixture
def process() -> Any:
    return fake_process()


def call(process: Any, name: str, *arguments: Any) -> int:
    at, words = 0x100, []
    for argument in arguments:
        words.append(path(process, argument, at) if isinstance(argument, bytes) else argument)
        at += 0x200 * isinstance(argument, bytes)
    result = invoke(process, name, *words)
    assert isinstance(result, int)
    return result


def make(process: Any, name: bytes, data: bytes = b"") -> None:
    descriptor = call(process, "open", name, CREATE_FLAG | READ_WRITE, 0o666)
    process.space.put(DATA, data)
    if data:
        call(process, "write", descriptor, DATA, len(data))
    call(process, "close", descriptor)


def heard(process: Any, watcher: int) -> list[tuple[Any, ...]]:
    """(watch, what, name) of all that waits; directories have a slash; moves a cookie."""
    size = invoke(process, "read", watcher, OUT, 8000)
    if size == -e.EAGAIN:
        return []
    data, at, found = process.space.read(OUT, size), 0, []
    while at < size:
        number, mask, cookie, length = struct.unpack_from("<iIII", data, at)
        at += 16 + length
        name = data[at - length : at].rstrip(b"\0").decode() + "/" * bool(mask & 0x4000_0000)
        found.append((number, NAMES[mask & 0xFFFF], name, *[cookie] * bool(cookie)))
    return found


def test_a_directory_tells_of_its_files_by_name_and_a_file_of_itself(process: Any) -> None:
    call(process, "mkdir", b"/d", 0o777)
    watcher = call(process, "inotify_init1", NONBLOCK)
    assert call(process, "inotify_add_watch", watcher, b"/d", ALL) == 1
    make(process, b"/d/f", b"data")
    assert heard(process, watcher) == [(1, what, "f") for what in ("create", "open", "modify", "close_write")]
    assert call(process, "inotify_add_watch", watcher, b"/d/f", 4 | 0x400) == 2
    call(process, "chmod", b"/d/f", 0o600)
    call(process, "mkdir", b"/d/sub", 0o777)
    call(process, "unlink", b"/d/f")
    assert heard(process, watcher) == [
        (1, "attrib", "f"),
        (2, "attrib", ""),
        (1, "create", "sub/"),
        (1, "delete", "f"),
        (2, "attrib", ""),
        (2, "delete_self", ""),
        (2, "ignored", ""),
    ]


def test_both_halves_of_a_move_have_one_cookie(process: Any) -> None:
    for name in (b"/a", b"/b"):
        call(process, "mkdir", name, 0o777)
    make(process, b"/a/f")
    watcher = call(process, "inotify_init1", NONBLOCK)
    numbers = [call(process, "inotify_add_watch", watcher, name, ALL) for name in (b"/a", b"/b", b"/a/f")]
    call(process, "rename", b"/a/f", b"/b/g")
    assert heard(process, watcher) == [(1, "from", "f", 1), (2, "to", "g", 1), (3, "move_self", "")]
    assert numbers == [1, 2, 3]
    make(process, b"/b/g", b"x")
    assert (2, "modify", "g") in heard(process, watcher)


def test_a_reader_waits_and_an_event_that_repeats_itself_comes_once(process: Any) -> None:
    make(process, b"/f")
    watcher = call(process, "inotify_init")
    call(process, "inotify_add_watch", watcher, b"/f", 2)
    sleeping, _ = begin(process, "read", watcher, OUT, 100)
    descriptor = call(process, "open", b"/f", READ_WRITE)
    for _ in range(5):
        call(process, "write", descriptor, DATA, 1)
    assert go_on(sleeping) == 16


def test_masks_can_be_changed_added_to_and_used_once(process: Any) -> None:
    make(process, b"/f")
    watcher = call(process, "inotify_init1", NONBLOCK)
    assert call(process, "inotify_add_watch", watcher, b"/f", 2) == 1
    assert call(process, "inotify_add_watch", watcher, b"/f", 0x20 | inotify.MASK_ADD) == 1
    assert call(process, "inotify_add_watch", watcher, b"/f", 0x20 | inotify.MASK_CREATE) == -e.EEXIST
    make(process, b"/f", b"x")
    assert [what for _, what, _ in heard(process, watcher)] == ["open", "modify"]
    call(process, "inotify_add_watch", watcher, b"/f", 0x20 | inotify.ONE_SHOT)
    make(process, b"/f")
    make(process, b"/f")
    assert [what for _, what, _ in heard(process, watcher)] == ["open", "ignored"]


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("inotify_init1", (1,), e.EINVAL),
        ("inotify_add_watch", (0, b"/f", 0), e.EINVAL),
        ("inotify_add_watch", (0, b"/none", ALL), e.ENOENT),
        ("inotify_add_watch", (0, b"/f", ALL | 0x0100_0000), e.ENOTDIR),
        ("inotify_add_watch", (9, b"/f", ALL), e.EBADF),
        ("inotify_add_watch", (1, b"/f", ALL), e.EINVAL),
        ("inotify_rm_watch", (0, 7), e.EINVAL),
    ],
)
def test_what_makes_no_sense_is_refused(process: Any, name: str, arguments: tuple[Any, ...], expected: int) -> None:
    assert call(process, "inotify_init") == 0
    assert call(process, "open", b"/f", CREATE_FLAG | READ_WRITE, 0o666) == 1
    assert call(process, name, *arguments) == -expected


def test_too_many_events_are_one_that_says_so_and_watches_are_bounded(process: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(inotify, "QUEUED", 8)
    watcher = call(process, "inotify_init1", NONBLOCK)
    call(process, "inotify_add_watch", watcher, b"/", 0x100)
    for number in range(20):
        make(process, b"/%d" % number)
    found = heard(process, watcher)
    assert len(found) == 9
    assert found[-1] == (-1, "overflow", "")
    process.kernel.vfs.watches.limit = 2
    assert call(process, "inotify_add_watch", watcher, b"/1", ALL) == 2
    assert call(process, "inotify_add_watch", watcher, b"/2", ALL) == -e.ENOSPC
    assert call(process, "inotify_rm_watch", watcher, 2) == 0
    assert heard(process, watcher) == [(2, "ignored", "")]
    call(process, "close", watcher)
    assert process.kernel.vfs.watches.now == 0
