"""The console: lines, keys, raw mode, and who may use it."""

from __future__ import annotations

import struct

import pytest

from cells.personalities.arm import errno as e
from cells.personalities.linux.discipline import ECHO, ICANON, MODES, TOSTOP, VMIN, VTIME
from cells.personalities.linux.streams import Streams
from cells.personalities.linux.tty import SIGTTIN, SIGTTOU
from tests.support.linux_process import HZ, begin, fake_kernel, fake_process, go_on, invoke

OUT, DATA = 0x2000, 0x1000
TCGETS, TCSETS, TIOCGPGRP, TIOCSPGRP, TIOCGWINSZ, FIONREAD = 0x5401, 0x5402, 0x540F, 0x5410, 0x5413, 0x541B


@pytest.fixture
def process():  # type: ignore[no-untyped-def]
    made = fake_process()
    made.kernel.console.session = made.kernel.console.foreground = 1
    made.files = Streams(made.kernel).files()
    return made


def typed(process, data: bytes) -> bytes:  # type: ignore[no-untyped-def]
    """What is echoed."""
    del process.kernel.printed[:]
    process.kernel.console.typed(data)
    return bytes(process.kernel.printed)


def get(process, size: int = 100) -> bytes | int:  # type: ignore[no-untyped-def]
    outcome = invoke(process, "read", 0, OUT, size)
    return process.space.read(OUT, outcome) if outcome >= 0 else outcome


def change(process, *, clear: int = 0, put: int = 0, least: int = 1, tenths: int = 0) -> None:  # type: ignore[no-untyped-def]
    invoke(process, "ioctl", 0, TCGETS, OUT)
    i, o, c, local, line, keys = MODES.unpack(process.space.read(OUT, MODES.size))
    keys = bytearray(keys)
    keys[VMIN], keys[VTIME] = least, tenths
    process.space.put(OUT, MODES.pack(i, o, c, local & ~clear | put, line, bytes(keys)))
    assert invoke(process, "ioctl", 0, TCSETS, OUT) == 0


@pytest.mark.parametrize(
    ("keys", "line", "echo"),
    [
        (b"ls\r", b"ls\n", b"ls\r\n"),
        (b"lx\x7fs\r", b"ls\n", b"lx\b \bs\r\n"),
        (b"a b\x17c\r", b"a c\n", b"a b\b \bc\r\n"),
        (b"abc\x15d\r", b"d\n", b"abc\b \b\b \b\b \bd\r\n"),
        (b"\xc3\xa4\x7fx\r", b"x\n", b"\xc3\xa4\b \bx\r\n"),
        (b"\x16\x03\r", b"\x03\n", b"^C\r\n"),
        (b"\x01\r", b"\x01\n", b"^A\r\n"),
        (b"abc\x04", b"abc", b"abc"),
        (b"\x04", b"", b""),
    ],
)
def test_a_line_can_be_edited_until_it_ends(process, keys: bytes, line: bytes, echo: bytes) -> None:  # type: ignore[no-untyped-def]
    assert typed(process, keys) == echo
    assert get(process) == line


def test_a_read_takes_one_line_and_what_is_too_long_in_pieces(process) -> None:  # type: ignore[no-untyped-def]
    typed(process, b"first\rsecond\r")
    assert [get(process, 3), get(process), get(process)] == [b"fir", b"st\n", b"second\n"]
    typed(process, b"abc\x04")
    assert get(process, 3) == b"abc"
    sleeping, _ = begin(process, "read", 0, OUT, 9)
    assert go_on(sleeping) is None


@pytest.mark.parametrize(("key", "signal"), [(b"\x03", 2), (b"\x1c", 3), (b"\x1a", 20)])
def test_keys_that_are_signals_go_to_the_foreground_only(process, key: bytes, signal: int) -> None:  # type: ignore[no-untyped-def]
    other = fake_process(process.kernel, 2, 2)
    typed(process, b"lost" + key)
    assert (process.signals.sent, other.signals.sent) == ([signal], [])
    assert process.kernel.console.available() == 0


def test_raw_mode_gives_keys_at_once_and_can_give_up(process) -> None:  # type: ignore[no-untyped-def]
    change(process, clear=ICANON | ECHO)
    assert typed(process, b"x") == b""
    assert get(process) == b"x"
    change(process, clear=ICANON, least=0, tenths=5)
    sleeping, wait = begin(process, "read", 0, OUT, 9)
    assert wait.until == HZ // 2
    process.kernel.time = wait.until
    assert go_on(sleeping) == 0
    change(process, clear=ICANON, least=0)
    assert get(process) == b""


def test_output_waits_between_stop_and_start(process) -> None:  # type: ignore[no-untyped-def]
    typed(process, b"\x13")
    sleeping, _ = begin(process, "write", 1, DATA, 3)
    assert go_on(sleeping) is None
    typed(process, b"\x11")
    assert go_on(sleeping) == 3


def test_a_reader_in_the_background_is_stopped_and_goes_on_in_the_foreground(process) -> None:  # type: ignore[no-untyped-def]
    shell, typed_line = process, b"line\n"
    job = fake_process(process.kernel, 2, 2)
    job.parent, job.files = shell, shell.files.fork()
    typed(shell, b"line\r")
    sleeping, wait = begin(job, "read", 0, OUT, 9)
    assert (job.signals.sent, wait.queues, shell.signals.sent) == ([SIGTTIN], (), [])
    shell.space.put(DATA, struct.pack("<i", 2))
    assert invoke(shell, "ioctl", 0, TIOCSPGRP, DATA) == 0
    assert go_on(sleeping) == len(typed_line)


def test_who_cannot_be_stopped_gets_an_error(process) -> None:  # type: ignore[no-untyped-def]
    orphan = fake_process(process.kernel, 2, 2)
    orphan.files = process.files.fork()
    assert get(orphan) == -e.EIO
    orphan.parent = process
    orphan.signals.ignored = {SIGTTIN, SIGTTOU}
    assert get(orphan) == -e.EIO
    change(process, put=TOSTOP)
    assert invoke(orphan, "write", 1, DATA, 1) == 1
    orphan.signals.ignored = set()
    begin(orphan, "write", 1, DATA, 1)
    assert orphan.signals.sent == [SIGTTOU]


def test_a_terminal_is_left_with_its_sessions_leader(process) -> None:  # type: ignore[no-untyped-def]
    console = process.kernel.console
    console.leader_gone(1)
    assert process.signals.sent == [1, 18]
    assert invoke(process, "ioctl", 0, TIOCGPGRP, OUT) == -e.ENOTTY
    leader = fake_process(process.kernel, 5, 5, 5)
    assert invoke(leader, "open", _path(leader), 2) == 0
    assert (console.session, console.foreground) == (5, 5)


def _path(process) -> int:  # type: ignore[no-untyped-def]
    process.space.put(0x100, b"/dev/console\0")
    return 0x100


def test_a_size_and_what_waits_can_be_asked_for(process) -> None:  # type: ignore[no-untyped-def]
    typed(process, b"12\r3")
    assert invoke(process, "ioctl", 0, FIONREAD, OUT) == 0
    assert process.space.read(OUT, 4) == struct.pack("<i", 3)
    assert invoke(process, "ioctl", 0, TIOCGWINSZ, OUT) == 0
    assert process.space.read(OUT, 4) == struct.pack("<HH", 24, 80)
    assert invoke(process, "ioctl", 0, 0x5499, OUT) == -e.ENOTTY


def test_endless_typing_is_bounded(process) -> None:  # type: ignore[no-untyped-def]
    typed(process, b"x" * 10_000 + b"\r")
    got = get(process, 20_000)
    assert isinstance(got, bytes)
    assert len(got) == 4096
    assert got[-1:] == b"\n"


def test_no_person_no_echo() -> None:
    kernel = fake_kernel()
    quiet = type(kernel.console)(kernel, 0, 0)
    quiet.typed(b"x\r")
    quiet.put(b"a\n")
    assert kernel.printed == b"a\n"


def test_a_window_that_changes_is_told_to_the_foreground_once(process) -> None:  # type: ignore[no-untyped-def]
    for _ in range(2):
        process.kernel.console.resize(struct.pack("<HH", 50, 132))
    assert process.signals.sent == [28]  # SIGWINCH
    assert invoke(process, "ioctl", 0, TIOCGWINSZ, OUT) == 0
    assert struct.unpack("<4H", process.space.read(OUT, 8)) == (50, 132, 0, 0)
