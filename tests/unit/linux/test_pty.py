"""Pseudo-terminals: what is typed at one end is read at the other, with all that a terminal does, and both ends may go."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from cells.personalities.arm import errno as e
from cells.personalities.linux.pty import PTYS
from tests.support.linux_process import begin, fake_process, go_on, invoke, path

OUT, READ_WRITE, NO_TERMINAL = 0x2000, 2, 0o400
TCGETS, TCSETS, SCTTY, GET_GROUP, SET_GROUP, GET_WINDOW, SET_WINDOW = (
    0x5401,
    0x5402,
    0x540E,
    0x540F,
    0x5410,
    0x5413,
    0x5414,
)
GET_NUMBER, SET_LOCK, OPEN_PEER = 0x80045430, 0x40045431, 0x5441
SIGHUP, SIGINT, SIGWINCH = 1, 2, 28


@pytest.fixture
def process() -> Any:
    return fake_process()


def master_of(process: Any) -> int:
    descriptor = invoke(process, "open", path(process, b"/dev/ptmx"), READ_WRITE | NO_TERMINAL)
    process.space.put(OUT, bytes(4))
    assert invoke(process, "ioctl", descriptor, SET_LOCK, OUT) == 0
    assert isinstance(descriptor, int)
    return descriptor


def a_pair(process: Any, flags: int = READ_WRITE) -> tuple[int, int]:
    master = master_of(process)
    assert invoke(process, "ioctl", master, GET_NUMBER, OUT) == 0
    (number,) = struct.unpack("<I", process.space.read(OUT, 4))
    terminal = invoke(process, "open", path(process, b"/dev/pts/%d" % number), flags)
    assert terminal >= 0, e.NAMES[-terminal]
    return master, terminal


def put(process: Any, descriptor: int, data: bytes) -> int:
    process.space.put(OUT, data)
    done = invoke(process, "write", descriptor, OUT, len(data))
    assert isinstance(done, int)
    return done


def get(process: Any, descriptor: int) -> bytes | int:
    size = invoke(process, "read", descriptor, OUT, 1000)
    return process.space.read(OUT, size) if size >= 0 else size  # type: ignore[no-any-return]


def test_keys_become_lines_and_echo_and_words_get_their_returns(process: Any) -> None:
    master, terminal = a_pair(process)
    assert put(process, master, b"lx\x7fs\r") == 5
    assert get(process, terminal) == b"ls\n"
    assert put(process, terminal, b"a\nb\n") == 4
    assert get(process, master) == b"lx\b \bs\r\na\r\nb\r\n"
    sleeping, _ = begin(process, "read", master, OUT, 100)
    put(process, terminal, b"more")
    assert go_on(sleeping) == 4


def test_a_terminal_is_a_terminal_with_its_own_number_and_window(process: Any) -> None:
    master, terminal = a_pair(process)
    assert invoke(process, "ioctl", terminal, TCGETS, OUT) == invoke(process, "ioctl", master, TCGETS, OUT) == 0
    assert invoke(process, "fstat64", terminal, OUT) == 0
    status = process.space.read(OUT, 104)
    assert struct.unpack_from("<I", status, 16)[0] == 0o020620
    assert struct.unpack_from("<Q", status, 32)[0] == 136 << 8
    process.kernel.ptys.terminals[0].foreground = 1
    process.space.put(OUT, struct.pack("<4H", 40, 100, 0, 0))
    assert invoke(process, "ioctl", master, SET_WINDOW, OUT) == 0
    assert process.signals.sent == [SIGWINCH]
    assert invoke(process, "ioctl", terminal, GET_WINDOW, OUT + 100) == 0
    assert process.space.read(OUT + 100, 4) == struct.pack("<2H", 40, 100)


def test_a_locked_terminal_cannot_be_opened_and_one_that_is_gone_is_not_there(process: Any) -> None:
    master = invoke(process, "open", path(process, b"/dev/ptmx"), READ_WRITE)
    assert invoke(process, "open", path(process, b"/dev/pts/0"), READ_WRITE) == -e.EIO
    assert invoke(process, "close", master) == 0
    assert invoke(process, "open", path(process, b"/dev/pts/0"), READ_WRITE) == -e.ENOENT
    assert invoke(process, "open", path(process, b"/dev/pts/x"), READ_WRITE) == -e.ENOENT


def test_the_master_hands_out_its_terminal_without_a_name(process: Any) -> None:
    master = master_of(process)
    terminal = invoke(process, "ioctl", master, OPEN_PEER, READ_WRITE | NO_TERMINAL)
    put(process, master, b"x\r")
    assert get(process, terminal) == b"x\n"


def test_a_session_without_a_terminal_gets_it_and_keys_are_signals_to_its_foreground(process: Any) -> None:
    process.kernel.console.session = 0
    process.pid = process.leader = process.group = process.session = 1
    master, terminal = a_pair(process)
    assert process.terminal is process.kernel.ptys.terminals[0]
    own = invoke(process, "open", path(process, b"/dev/tty"), READ_WRITE)
    put(process, master, b"\x03")
    assert process.signals.sent == [SIGINT]
    assert invoke(process, "ioctl", own, GET_GROUP, OUT) == 0
    assert struct.unpack("<i", process.space.read(OUT, 4)) == (1,)
    assert get(process, master) == b"^C"
    assert terminal != own


def test_when_the_master_goes_the_terminal_is_hung_up(process: Any) -> None:
    master, terminal = a_pair(process)
    of = process.kernel.ptys.terminals[0]
    of.session = of.foreground = 1
    sleeping, _ = begin(process, "read", terminal, OUT, 10)
    assert invoke(process, "close", master) == 0
    assert process.signals.sent[0] == SIGHUP
    assert go_on(sleeping) == 0
    assert put(process, terminal, b"x") == -e.EIO
    assert process.kernel.ptys.terminals == {}


def test_when_the_last_has_closed_the_terminal_the_master_reads_what_is_left_and_then_an_error(process: Any) -> None:
    master, terminal = a_pair(process)
    put(process, terminal, b"last")
    assert invoke(process, "close", terminal) == 0
    assert get(process, master) == b"last"
    assert get(process, master) == -e.EIO
    again = invoke(process, "open", path(process, b"/dev/pts/0"), READ_WRITE)
    put(process, again, b"x")
    assert get(process, master) == b"x"


def test_both_directions_are_bounded(process: Any) -> None:
    master, terminal = a_pair(process)
    process.space.put(OUT, b"x" * 4000)
    while isinstance(invoke(process, "write", terminal, OUT, 4000), int):
        assert len(process.kernel.ptys.terminals[0].words) < 20_000
    for _ in range(10):
        if not isinstance(invoke(process, "write", master, OUT, 4000), int):
            break
    assert process.kernel.ptys.terminals[0].typed_ahead <= 4096


def test_there_are_so_many_and_no_more(process: Any) -> None:
    opened = [invoke(process, "open", path(process, b"/dev/ptmx"), READ_WRITE) for _ in range(PTYS + 1)]
    assert opened[-1] == -e.ENOSPC
    assert min(opened[:-1]) >= 0
