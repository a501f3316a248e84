"""The page's HTTP: what it takes, what it refuses, and what it bounds."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Iterator

import pytest

from hypervisor.shell.web import http
from hypervisor.shell.web.http import BODY, CLIENTS, HEAD, HttpError, HttpServer, Reply, Request
from tests.support.live import until
from tests.support.web import ask, raw


class Served:
    """A server that says what it was asked, in a thread of its own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.server = HttpServer(self._answer)
        self.asked: list[Request] = []
        self.port = self.loop.run_until_complete(self.server.start(0))
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()

    async def _answer(self, request: Request) -> Reply:
        self.asked.append(request)
        if request.path == "/stream":
            return Reply(stream=self._endless(), trusted=True)
        if request.path == "/no":
            raise HttpError(403, "not you")
        return Reply(body=request.body or request.path.encode(), trusted=request.path == "/trusted")

    async def _endless(self) -> AsyncIterator[bytes]:
        while True:
            yield bytes(1 << 16)

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self.server.stop(), self.loop).result(10)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


@pytest.fixture
def served() -> Iterator[Served]:
    served = Served()
    yield served
    served.stop()


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer else 0


def test_requests_come_one_after_another_on_one_connection(served: Served) -> None:
    answer = raw(
        served.port,
        b"GET /a%20b?x=1&y=%31 HTTP/1.1\r\nHost: h\r\n\r\n"
        b"POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nConnection: close\r\n\r\nxyz",
    )
    assert answer.count(b"HTTP/1.1 200 OK") == 2
    assert answer.count(b"\r\nContent-Type: text/plain; charset=utf-8\r\n") == 2
    assert answer.endswith(b"\r\n\r\nxyz")
    first, second = served.asked
    assert (first.method, first.path, first.query, first.headers["host"]) == ("GET", "/a b", {"x": "1", "y": "1"}, "h")
    assert (second.method, second.body) == ("POST", b"xyz")


def test_an_error_says_why_and_ends_the_connection(served: Served) -> None:
    answer = raw(served.port, b"GET /no HTTP/1.1\r\n\r\nGET /a HTTP/1.1\r\n\r\n")
    assert status(answer) == 403
    assert answer.endswith(b"\r\n\r\nnot you\n")
    assert answer.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize(
    ("request_", "wanted"),
    [
        (b"GET / HTTP/2.0\r\n\r\n", 400),
        (b"GET http://elsewhere/ HTTP/1.1\r\n\r\n", 400),
        (b"G@T / HTTP/1.1\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost : h\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n", 400),
        (b"GET /?" + b"&".join(b"%d=1" % n for n in range(20)) + b" HTTP/1.1\r\n\r\n", 400),
        (b"GET /" + bytes(HEAD) + b" HTTP/1.1\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * HEAD + b"\r\n", 431),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 1x\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (BODY + 1), 413),
        (b"POST / HTTP/1.1\r\nContent-Length: " + b"9" * 400 + b"\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 411),
    ],
)
def test_what_is_wrong_or_too_much_is_refused(served: Served, request_: bytes, wanted: int) -> None:
    try:
        assert status(raw(served.port, request_)) == wanted
    except ConnectionResetError:
        assert wanted == 431, "what was not read is thrown away with the connection"
    assert served.asked == []
    assert ask(served.port, "GET", "/after").body == b"/after"


def test_the_largest_body_is_taken(served: Served) -> None:
    assert len(ask(served.port, "POST", "/", body=bytes(BODY)).body) == BODY


def test_who_does_not_finish_a_request_is_cut_off(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "PATIENCE_S", 0.05)
    for begun in (b"GET / HT", b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nabc", b""):
        assert raw(served.port, begun) == b""
    assert served.asked == []


def test_who_does_not_read_is_cut_off(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "SLOW_S", 0.05)
    with socket.create_connection(("127.0.0.1", served.port)) as connection:
        connection.sendall(b"GET /stream HTTP/1.1\r\n\r\n")
        assert until(lambda: len(served.asked) == 1)
        assert until(lambda: not served.server._clients)
    assert ask(served.port, "GET", "/after").status == 200


def test_strangers_make_room_for_those_who_know_the_token(served: Served) -> None:
    port = served.port
    with socket.create_connection(("127.0.0.1", port)) as friend:
        friend.sendall(b"GET /trusted HTTP/1.1\r\n\r\n")
        assert friend.recv(4096).startswith(b"HTTP/1.1 200")
        strangers = [socket.create_connection(("127.0.0.1", port)) for _ in range(3 * CLIENTS)]
        assert until(lambda: len(served.server._clients) == CLIENTS)
        assert ask(port, "GET", "/late").body == b"/late"
        friend.sendall(b"GET /trusted HTTP/1.1\r\n\r\n")
        assert friend.recv(4096).startswith(b"HTTP/1.1 200")
        for stranger in strangers:
            stranger.close()
    assert until(lambda: not served.server._clients)
