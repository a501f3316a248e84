"""Waiting for several files, and sockets, by calls of a process without a CPU."""

from __future__ import annotations

import struct

import pytest

from cells.personalities.arm import errno as e
from tests.support.linux_process import HZ, begin, fake_process, go_on, invoke

OUT, DATA, SET = 0x2000, 0x1000, 0x3000
STREAM, DATAGRAM, SEQUENCE, NONBLOCK = 1, 2, 5, 0o4000
IN, WRITE, HANGUP, INVALID = 1, 4, 16, 32
EDGE, ONCE = 1 << 31, 1 << 30


@pytest.fixture
def process():  # type: ignore[no-untyped-def]
    return fake_process()


def pipe(process) -> tuple[int, int]:  # type: ignore[no-untyped-def]
    invoke(process, "pipe", OUT)
    return struct.unpack("<ii", process.space.read(OUT, 8))  # type: ignore[return-value]


def pair(process, kind: int = STREAM) -> tuple[int, int]:  # type: ignore[no-untyped-def]
    assert invoke(process, "socketpair", 1, kind, 0, OUT) == 0
    return struct.unpack("<ii", process.space.read(OUT, 8))  # type: ignore[return-value]


def put(process, descriptor: int, data: bytes) -> int:  # type: ignore[no-untyped-def]
    process.space.put(DATA, data)
    return invoke(process, "write", descriptor, DATA, len(data))


def get(process, descriptor: int, size: int = 100) -> bytes:  # type: ignore[no-untyped-def]
    return process.space.read(OUT, invoke(process, "read", descriptor, OUT, size))


def polled(process, *asked: tuple[int, int]) -> None:  # type: ignore[no-untyped-def]
    process.space.put(SET, b"".join(struct.pack("<iHH", file, events, 0xFFFF) for file, events in asked))


def found(process, count: int) -> list[int]:  # type: ignore[no-untyped-def]
    return [struct.unpack_from("<H", process.space.memory, SET + 8 * i + 6)[0] for i in range(count)]


def address(process, name: bytes, at: int = 0x500) -> tuple[int, int]:  # type: ignore[no-untyped-def]
    process.space.put(at, struct.pack("<H", 1) + name)
    return at, 2 + len(name)


# ---- poll, select, epoll


def test_poll_tells_each_file_its_state(process) -> None:  # type: ignore[no-untyped-def]
    reader, writer = pipe(process)
    polled(process, (reader, IN), (writer, WRITE), (55, IN), (-1, IN))
    assert invoke(process, "poll", SET, 4, 0) == 2
    assert found(process, 4) == [0, WRITE, INVALID, 0]
    put(process, writer, b"x")
    invoke(process, "close", writer)
    polled(process, (reader, IN))
    assert invoke(process, "poll", SET, 1, -1) == 1
    assert found(process, 1) == [IN | HANGUP]


def test_poll_sleeps_until_one_is_ready_or_the_time_comes(process) -> None:  # type: ignore[no-untyped-def]
    reader, writer = pipe(process)
    polled(process, (reader, IN))
    sleeping, wait = begin(process, "poll", SET, 1, 30)
    assert wait.until == 30 * HZ // 1000
    assert go_on(sleeping) is None
    put(process, writer, b"x")
    assert go_on(sleeping) == 1
    get(process, reader)
    sleeping, wait = begin(process, "poll", SET, 1, 30)
    process.kernel.time = wait.until
    assert go_on(sleeping) == 0


def test_select_tells_sets_and_the_time_that_is_left(process) -> None:  # type: ignore[no-untyped-def]
    reader, writer = pipe(process)
    process.space.put(SET, struct.pack("<II", 1 << reader, 1 << writer))
    process.space.put(DATA + 64, struct.pack("<ii", 2, 0))
    sleeping, _ = begin(process, "_newselect", 2, SET, 0, 0, DATA + 64)
    process.kernel.time = HZ // 2
    put(process, writer, b"x")
    assert go_on(sleeping) == 1
    assert struct.unpack("<ii", process.space.read(DATA + 64, 8)) == (1, 500_000)
    assert struct.unpack("<I", process.space.read(SET, 4)) == (1 << reader,)
    process.space.put(SET, struct.pack("<I", 1 << 30))
    assert invoke(process, "_newselect", 31, SET, 0, 0, 0) == -e.EBADF


def test_ppoll_blocks_other_signals_while_it_waits(process) -> None:  # type: ignore[no-untyped-def]
    process.space.put(DATA, struct.pack("<Q", 0xF0) + struct.pack("<ii", 0, 0))
    assert invoke(process, "ppoll", 0, 0, DATA + 8, DATA, 8) == 0
    assert process.signals.masks == [0xF0, None]
    assert invoke(process, "ppoll", 0, 0, 0, DATA, 4) == -e.EINVAL


def epoll(process, file: int, events: int) -> int:  # type: ignore[no-untyped-def]
    made = invoke(process, "epoll_create1", 0)
    process.space.put(DATA, struct.pack("<IIQ", events, 0, 0x1122334455667788))
    assert invoke(process, "epoll_ctl", made, 1, file, DATA) == 0
    return int(made)


def ready(process, made: int) -> list[int]:  # type: ignore[no-untyped-def]
    count = invoke(process, "epoll_wait", made, SET, 8, 0)
    events = [struct.unpack_from("<IIQ", process.space.memory, SET + 16 * i) for i in range(count)]
    assert all(data == 0x1122334455667788 for _, _, data in events)
    return [event for event, _, _ in events]


@pytest.mark.parametrize(
    ("events", "told"),
    [(IN, [[IN], [IN], [IN]]), (IN | EDGE, [[IN], [], [IN]]), (IN | ONCE, [[IN], [], []])],
)
def test_epoll_tells_by_level_by_edge_or_once(process, events: int, told: list[list[int]]) -> None:  # type: ignore[no-untyped-def]
    reader, writer = pipe(process)
    made = epoll(process, reader, events)
    assert ready(process, made) == []
    put(process, writer, b"x")
    heard = [ready(process, made), ready(process, made)]
    put(process, writer, b"y")
    assert [*heard, ready(process, made)] == told


def test_epoll_wakes_forgets_what_is_closed_and_watches_no_circle(process) -> None:  # type: ignore[no-untyped-def]
    reader, writer = pipe(process)
    made = epoll(process, reader, IN)
    sleeping, _ = begin(process, "epoll_wait", made, SET, 8, -1)
    put(process, writer, b"x")
    assert go_on(sleeping) == 1
    outer = epoll(process, made, IN)
    assert invoke(process, "epoll_ctl", made, 1, outer, DATA) == -e.ELOOP
    assert invoke(process, "epoll_ctl", made, 1, reader, DATA) == -e.EEXIST
    invoke(process, "close", reader)
    assert ready(process, made) == []


# ---- sockets


def test_a_stream_has_no_borders_and_messages_have(process) -> None:  # type: ignore[no-untyped-def]
    for kind, expected in ((STREAM, [b"onetwo"]), (SEQUENCE, [b"one", b"two"]), (DATAGRAM, [b"one", b"two"])):
        one, other = pair(process, kind)
        put(process, one, b"one")
        put(process, one, b"two")
        assert [get(process, other) for _ in expected] == expected


def test_shutdown_ends_one_way_and_the_other_goes_on(process) -> None:  # type: ignore[no-untyped-def]
    one, other = pair(process)
    assert invoke(process, "shutdown", one, 1) == 0
    assert get(process, other) == b""
    put(process, other, b"x")
    assert get(process, one) == b"x"
    assert put(process, one, b"x") == -e.EPIPE
    assert process.signals.sent == [13]
    process.space.put(DATA, b"x")
    assert invoke(process, "send", one, DATA, 1, 0x4000) == -e.EPIPE
    assert process.signals.sent == [13]


@pytest.mark.parametrize("name", [b"/sock\0", b"\0hidden"])
def test_a_client_finds_a_server_by_its_name(process, name: bytes) -> None:  # type: ignore[no-untyped-def]
    server, client = (invoke(process, "socket", 1, STREAM, 0) for _ in range(2))
    assert invoke(process, "connect", client, *address(process, name)) in (-e.ECONNREFUSED, -e.ENOENT)
    assert invoke(process, "bind", server, *address(process, name)) == 0
    assert invoke(process, "bind", client, *address(process, name)) == -e.EADDRINUSE
    assert invoke(process, "connect", client, *address(process, name)) == -e.ECONNREFUSED
    assert invoke(process, "listen", server, 1) == 0
    sleeping, _ = begin(process, "accept4", server, 0, 0, 0)
    assert invoke(process, "connect", client, *address(process, name)) == 0
    accepted = go_on(sleeping)
    assert accepted is not None
    put(process, client, b"hello")
    assert get(process, accepted) == b"hello"
    process.space.put(OUT, struct.pack("<I", 110))
    assert invoke(process, "getpeername", client, OUT + 8, OUT) == 0
    assert process.space.read(OUT + 10, len(name)) == name
    invoke(process, "close", server)
    assert (
        invoke(process, "connect", invoke(process, "socket", 1, STREAM, 0), *address(process, name)) == -e.ECONNREFUSED
    )


def test_a_datagram_names_its_sender(process) -> None:  # type: ignore[no-untyped-def]
    one, other = (invoke(process, "socket", 1, DATAGRAM, 0) for _ in range(2))
    invoke(process, "bind", one, *address(process, b"\0one"))
    invoke(process, "bind", other, *address(process, b"\0other"))
    process.space.put(DATA, b"hi")
    assert invoke(process, "sendto", one, DATA, 2, 0, *address(process, b"\0other")) == 2
    process.space.put(SET, struct.pack("<I", 50))
    assert invoke(process, "recvfrom", other, OUT, 1, 0x20, SET + 8, SET) == 2  # MSG_TRUNC: its whole size
    assert process.space.read(SET, 14) == struct.pack("<II", 6, 0)[:8] + b"\1\0\0one"


def test_what_nobody_reads_is_bounded(process) -> None:  # type: ignore[no-untyped-def]
    one, _ = pair(process, STREAM | NONBLOCK)
    total = 0
    while (went := invoke(process, "write", one, 0, 60_000)) > 0:
        total += went
    assert (went, total) == (-e.EAGAIN, 0x1A000)
    messages = pair(process, DATAGRAM | NONBLOCK)
    assert [put(process, messages[0], b"x") for _ in range(300)].count(1) == 256


def test_an_open_file_travels_with_a_message(process) -> None:  # type: ignore[no-untyped-def]
    one, other = pair(process)
    reader, writer = pipe(process)
    process.space.put(DATA, b"!")
    process.space.put(SET, struct.pack("<II", DATA, 1))
    process.space.put(SET + 16, struct.pack("<Iiii", 16, 1, 1, writer))
    process.space.put(SET + 64, struct.pack("<7I", 0, 0, SET, 1, SET + 16, 16, 0))
    assert invoke(process, "sendmsg", one, SET + 64, 0) == 1
    invoke(process, "close", writer)
    process.space.put(SET + 128, struct.pack("<7I", 0, 0, SET, 1, SET + 256, 64, 0))
    assert invoke(process, "recvmsg", other, SET + 128, 0) == 1
    (come,) = struct.unpack("<i", process.space.read(SET + 256 + 12, 4))
    put(process, come, b"by another way")
    assert get(process, reader) == b"by another way"
    invoke(process, "close", come)
    assert get(process, reader) == b""


def test_files_in_a_message_that_nobody_took_are_closed(process) -> None:  # type: ignore[no-untyped-def]
    one, other = pair(process)
    reader, writer = pipe(process)
    process.space.put(SET, struct.pack("<II", DATA, 1))
    process.space.put(SET + 16, struct.pack("<Iiii", 16, 1, 1, writer))
    process.space.put(SET + 64, struct.pack("<7I", 0, 0, SET, 1, SET + 16, 16, 0))
    assert invoke(process, "sendmsg", one, SET + 64, 0) == 1
    for file in (writer, other):
        invoke(process, "close", file)
    assert get(process, reader) == b""


@pytest.mark.parametrize(
    ("call", "arguments", "code"),
    [
        ("socket", (2, STREAM, 0), e.EAFNOSUPPORT),
        ("socket", (1, 3, 0), e.ESOCKTNOSUPPORT),
        ("socket", (1, STREAM, 17), e.EPROTONOSUPPORT),
        ("accept", (0, 0, 0), e.EINVAL),
        ("listen", (0, 1), e.EINVAL),
        ("getpeername", (0, OUT, DATA), e.ENOTCONN),
        ("bind", (0, DATA, 1), e.EINVAL),
        ("recv", (0, OUT, 1, 0), e.EINVAL),
        ("send", (0, OUT, 1, 0), e.ENOTCONN),
        ("setsockopt", (0, 1, 99, DATA, 4), e.ENOPROTOOPT),
        ("shutdown", (0, 3), e.EINVAL),
    ],
)
def test_a_wrong_use_gives_linuxs_error(process, call: str, arguments: tuple[int, ...], code: int) -> None:  # type: ignore[no-untyped-def]
    assert invoke(process, "socket", 1, STREAM, 0) == 0
    assert invoke(process, call, *arguments) == -code
