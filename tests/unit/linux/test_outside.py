"""/dev/picture and /dev/account: what leaves the cell, and what a program is told when it may not."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from cells.personalities.arm.errno import EINVAL, ENOSPC, Errno
from cells.personalities.linux.attached.outside import SIZE, AccountDevice, PictureDevice
from cells.personalities.linux.file import WRITE_ONLY, File
from cells.personalities.linux.inode import Inode
from cells.port import RefusedError
from hypervisor.abi.hypercalls import Hypercall
from hypervisor.abi.records import DATA_LIMIT
from hypervisor.abi.status import Status


class Monitor:
    """A port that keeps its calls; `refuses`: what it answers instead."""

    def __init__(self, refuses: int = 0) -> None:
        self.calls: list[tuple[int, int, int, bytes]] = []
        self.refuses = refuses

    def hypercall(self, number: int, first: int, second: int, data: bytes) -> int:
        if self.refuses:
            raise RefusedError("picture", self.refuses)
        self.calls.append((number, first, second, data))
        return 0


def opened(kind: Any, monitor: Monitor) -> File:
    kernel = SimpleNamespace(port=monitor)
    file: File = kind(kernel).open(None, Inode(SimpleNamespace(number=lambda: 1, now=lambda: 0), 0o20666), WRITE_ONLY)
    return file


def test_a_picture_leaves_in_parts_that_follow_each_other() -> None:
    monitor = Monitor()
    file = opened(PictureDevice, monitor)
    screen = bytes(range(256)) * (SIZE // 256)
    assert [file.write(None, screen[:65536]), file.write(None, screen[65536:])] == [65536, SIZE - 65536]
    assert {call[:2] for call in monitor.calls} == {(Hypercall.PICTURE, 320 | 240 << 16)}
    assert [call[2] for call in monitor.calls] == list(range(0, SIZE, DATA_LIMIT))
    assert b"".join(call[3] for call in monitor.calls) == screen


def test_a_picture_ends_where_the_next_one_begins() -> None:
    monitor = Monitor()
    file = opened(PictureDevice, monitor)
    assert file.write(None, bytes(SIZE + 10)) == SIZE
    assert file.write(None, bytes(10)) == 10
    assert monitor.calls[-1][2] == 0


@pytest.mark.parametrize(("status", "error"), [(Status.NO_ROOM, ENOSPC), (Status.BAD_ARGUMENT, EINVAL)])
def test_what_the_monitor_refuses_is_an_error(status: Status, error: int) -> None:
    with pytest.raises(Errno) as caught:
        opened(PictureDevice, Monitor(status)).write(None, bytes(100))
    assert caught.value.code == error


def test_a_figure_is_a_name_and_a_number() -> None:
    monitor = Monitor()
    assert opened(AccountDevice, monitor).write(None, b"frames 25\n") == 10
    assert monitor.calls == [(Hypercall.REPORT, 0, 25, b"frames")]


@pytest.mark.parametrize(
    "line", [b"", b"frames", b"frames -1", b" 1", b"a 1 2", b"a 9223372036854775808", b"a" * 70 + b" 1"]
)
def test_what_is_no_figure_is_refused(line: bytes) -> None:
    monitor = Monitor()
    with pytest.raises(Errno) as caught:
        opened(AccountDevice, monitor).write(None, line)
    assert (caught.value.code, monitor.calls) == (EINVAL, [])


def test_nothing_comes_out_of_them() -> None:
    assert opened(PictureDevice, Monitor()).read(None, 10) == b""
