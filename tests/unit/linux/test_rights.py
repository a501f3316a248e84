"""Permissions: who may read, write, search, change and signal what."""

from __future__ import annotations

from typing import Any

import pytest

from cells.personalities.arm import errno as e
from cells.personalities.linux.rights import EXECUTE, READ, WRITE, may, may_signal
from hypervisor.shell.guests.initramfs import Entry, newc
from tests.support.linux import LinuxBench, program
from tests.support.linux_process import fake_process, invoke, path

CREATE, EXCLUSIVE, READ_WRITE = 0o100, 0o200, 2
USER, TEAM, OTHER_USER, OTHER_TEAM = 1000, 100, 1001, 101


@pytest.fixture
def process() -> Any:
    return fake_process()


def become(process: Any, user: int = USER, team: int = TEAM, groups: tuple[int, ...] = ()) -> None:
    process.user, process.team, process.groups = [user] * 3, [team] * 3, groups


def make(process: Any, name: bytes, mode: int, user: int = 0, team: int = 0) -> Any:
    """A file, made by root."""
    before, process.user = process.user, [0] * 3
    assert invoke(process, "open", path(process, name), CREATE | READ_WRITE, 0o666) >= 0
    inode = process.kernel.vfs.find(name)
    inode.mode, inode.user, inode.team = 0o100000 | mode, user, team
    process.user = before
    return inode


def folder(process: Any, name: bytes, mode: int, user: int = 0) -> Any:
    before, process.user = process.user, [0] * 3
    assert invoke(process, "mkdir", path(process, name), 0o777) == 0
    inode = process.kernel.vfs.find(name)
    inode.mode, inode.user = 0o040000 | mode, user
    process.user = before
    return inode


@pytest.mark.parametrize(
    ("mode", "user", "team", "allowed"),
    [
        (0o640, USER, TEAM, READ | WRITE),
        (0o640, OTHER_USER, TEAM, READ),
        (0o640, OTHER_USER, OTHER_TEAM, 0),
        (0o604, OTHER_USER, OTHER_TEAM, READ),
        (0o077, USER, TEAM, 0),
        (0o707, OTHER_USER, TEAM, 0),
        (0o751, OTHER_USER, 7, READ | EXECUTE),
    ],
)
def test_the_first_class_that_fits_decides(process: Any, mode: int, user: int, team: int, allowed: int) -> None:
    inode = make(process, b"/f", mode, user, team)
    become(process, groups=(7,))
    assert {right for right in (READ, WRITE, EXECUTE) if may(process, inode, right)} == {
        right for right in (READ, WRITE, EXECUTE) if allowed & right
    }


def test_root_may_all_but_execute_what_nobody_may(process: Any) -> None:
    inode = make(process, b"/f", 0)
    assert may(process, inode, READ | WRITE)
    assert not may(process, inode, EXECUTE)
    inode.mode |= 1
    assert may(process, inode, EXECUTE)


def test_opening_asks_for_what_is_going_to_be_done(process: Any) -> None:
    make(process, b"/f", 0o644)
    become(process)
    assert invoke(process, "open", path(process, b"/f"), 0) >= 0
    assert invoke(process, "open", path(process, b"/f"), 1) == -e.EACCES
    assert invoke(process, "open", path(process, b"/f"), 0o1000) == -e.EACCES
    assert invoke(process, "open", path(process, b"/f"), CREATE | EXCLUSIVE) == -e.EEXIST


def test_a_file_is_cut_and_a_socket_reached_by_who_may_write_them(process: Any) -> None:
    make(process, b"/f", 0o644)
    folder(process, b"/t", 0o777)
    name = b"\x01\0/t/sock\0"
    process.space.put(0x800, name)
    server, client = (invoke(process, "socket", 1, 1, 0) for _ in range(2))
    assert invoke(process, "bind", server, 0x800, len(name)) == 0
    assert invoke(process, "listen", server, 5) == 0
    become(process)
    assert invoke(process, "truncate", path(process, b"/f"), 0) == -e.EACCES
    assert invoke(process, "connect", client, 0x800, len(name)) == -e.EACCES
    process.kernel.vfs.find(b"/t/sock").mode |= 0o002
    assert invoke(process, "connect", client, 0x800, len(name)) == 0


def test_the_way_leads_only_through_directories_that_may_be_searched(process: Any) -> None:
    folder(process, b"/closed", 0o700)
    make(process, b"/closed/f", 0o666)
    become(process)
    assert invoke(process, "open", path(process, b"/closed/f"), 0) == -e.EACCES
    assert invoke(process, "stat64", path(process, b"/closed/f"), 0x2000) == -e.EACCES
    assert invoke(process, "chdir", path(process, b"/closed")) == -e.EACCES


def test_names_come_and_go_where_the_directory_may_be_written(process: Any) -> None:
    make(process, b"/f", 0o666, USER)
    folder(process, b"/mine", 0o755, USER)
    become(process)
    for name in ("unlink", "mkdir", "rmdir"):
        at = path(process, b"/f" if name == "unlink" else b"/d")
        assert invoke(process, name, at, 0o777) == (-e.ENOENT if name == "rmdir" else -e.EACCES)
    assert invoke(process, "open", path(process, b"/new"), CREATE, 0o666) == -e.EACCES
    assert invoke(process, "rename", path(process, b"/f"), path(process, b"/mine/f", 0x200)) == -e.EACCES
    assert invoke(process, "open", path(process, b"/mine/new"), CREATE, 0o666) >= 0
    made = process.kernel.vfs.find(b"/mine/new")
    assert (made.user, made.team) == (USER, TEAM)
    assert invoke(process, "unlink", path(process, b"/mine/new")) == 0


def test_in_a_sticky_directory_only_owners_take_names_away(process: Any) -> None:
    folder(process, b"/t", 0o1777)
    make(process, b"/t/theirs", 0o666, OTHER_USER)
    make(process, b"/t/mine", 0o600, USER)
    become(process)
    assert invoke(process, "unlink", path(process, b"/t/theirs")) == -e.EPERM
    assert invoke(process, "rename", path(process, b"/t/mine"), path(process, b"/t/theirs", 0x200)) == -e.EPERM
    assert invoke(process, "unlink", path(process, b"/t/mine")) == 0


def test_modes_owners_and_times_are_the_owners_to_change(process: Any) -> None:
    make(process, b"/theirs", 0o666, OTHER_USER)
    mine = make(process, b"/mine", 0o755, USER, TEAM)
    become(process, groups=(7,))
    assert invoke(process, "chmod", path(process, b"/theirs"), 0o777) == -e.EPERM
    assert invoke(process, "chown32", path(process, b"/theirs"), USER, -1) == -e.EPERM
    assert invoke(process, "chown32", path(process, b"/mine"), OTHER_USER, -1) == -e.EPERM
    assert invoke(process, "chown32", path(process, b"/mine"), -1, 8) == -e.EPERM
    assert invoke(process, "chmod", path(process, b"/mine"), 0o4755) == 0
    assert invoke(process, "chown32", path(process, b"/mine"), -1, 7) == 0
    assert (mine.mode & 0o7777, mine.team) == (0o755, 7)
    process.space.put(0x800, bytes(16))
    assert invoke(process, "utimensat", -100, path(process, b"/theirs"), 0x800, 0) == -e.EPERM
    assert invoke(process, "utimensat", -100, path(process, b"/theirs"), 0, 0) == 0


def test_access_asks_with_the_real_ids(process: Any) -> None:
    make(process, b"/f", 0o600)
    process.user, process.team = [USER, 0, 0], [TEAM, 0, 0]
    assert invoke(process, "access", path(process, b"/f"), READ) == -e.EACCES
    assert invoke(process, "faccessat2", -100, path(process, b"/f"), READ, 0x200) == 0
    assert invoke(process, "open", path(process, b"/f"), 0) >= 0


def test_only_root_makes_devices_and_changes_the_root(process: Any) -> None:
    folder(process, b"/d", 0o777)
    become(process)
    assert invoke(process, "mknod", path(process, b"/d/null"), 0o020666, 0x103) == -e.EPERM
    assert invoke(process, "mknod", path(process, b"/d/fifo"), 0o010666, 0) == 0
    assert invoke(process, "chroot", path(process, b"/d")) == -e.EPERM


def test_nothing_is_above_a_root_of_ones_own(process: Any) -> None:
    folder(process, b"/jail", 0o755)
    make(process, b"/jail/inside", 0o644)
    make(process, b"/outside", 0o644)
    assert invoke(process, "chroot", path(process, b"/jail")) == 0
    assert invoke(process, "chdir", path(process, b"/")) == 0
    assert invoke(process, "getcwd", 0x2000, 100) == 2
    for name in (b"/inside", b"../inside", b"/../../inside", b"inside"):
        assert invoke(process, "open", path(process, name), 0) >= 0
    for name in (b"/outside", b"../outside", b"/jail/inside"):
        assert invoke(process, "open", path(process, name), 0) == -e.ENOENT


def test_signals_go_to_ones_own_processes(process: Any) -> None:
    other = fake_process(process.kernel, 2, 2, 2)
    other.user = [OTHER_USER, 0, OTHER_USER]
    become(process)
    assert invoke(process, "kill", 2, 15) == -e.EPERM
    assert invoke(process, "kill", 2, 0) == -e.EPERM
    assert may_signal(process, process, 15)
    other.user = [OTHER_USER, 0, USER]
    assert invoke(process, "kill", 2, 15) == 0
    other.user, other.session = [OTHER_USER] * 3, process.session
    assert not may_signal(process, other, 15)
    assert may_signal(process, other, 18)


FIRST = """
mov r0, #1000; mov r7, #213; svc #0
adr r0, name; mov r1, #0; mov r2, #0; mov r7, #11; svc #0
rsb r0, r0, #0; mov r7, #1; svc #0
name: .asciz "/s"
"""
SECOND = "mov r7, #201; svc #0; add r0, r0, #7; mov r7, #1; svc #0"


@pytest.mark.parametrize(("mode", "status"), [(0o4755, 7), (0o755, (1000 + 7) & 0xFF), (0o4700, e.EACCES)])
def test_a_program_may_have_its_owners_rights(mode: int, status: int) -> None:
    """The first process gives up root, and becomes a program of root's that ends with its effective user and 7."""
    files = [Entry("p", 0o100755, program(FIRST)), Entry("s", 0o100000 | mode, program(SECOND))]
    assert LinuxBench(newc(files), ["/p"]).run() == status
