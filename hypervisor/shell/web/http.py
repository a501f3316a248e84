"""Just enough of HTTP/1.1 (RFC 9112) for one page on this host, with a bound on everything that a client can do.

A request has a head of at most `HEAD` bytes, a body of at most `BODY`, and must be there within `PATIENCE_S`; an answer must be
taken within `SLOW_S`. At most `CLIENTS` connections are open; when there is one more, the oldest one that has not shown the
token is closed, so that strangers cannot keep the page from its user.

    server = HttpServer(answer)                     # async def answer(request) -> Reply
    port = await server.start(0)
    await server.stop()
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote

HEAD, BODY = 8 << 10, 16 << 10
CLIENTS = 48
PATIENCE_S, SLOW_S = 10.0, 10.0
ADDRESS = "127.0.0.1"
"""Nobody else's computer may look."""
_WORDS = {
    200: "OK",
    204: "No Content",
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    410: "Gone",
    411: "Length Required",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


class Request(NamedTuple):
    """What a client wants. `path` without the query; names of headers in small letters."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    """What it gets. `stream`: pieces as they come, after which the connection ends. `trusted`: it has shown the token."""

    status: int = 200
    body: bytes = b""
    kind: str = "text/plain; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)
    stream: AsyncIterator[bytes] | None = None
    trusted: bool = False


class HttpError(Exception):
    """A request that is not served."""

    def __init__(self, status: int, why: str = "") -> None:
        super().__init__(why or _WORDS[status])
        self.status = status


Answer = Callable[[Request], Awaitable[Reply]]


class HttpServer:
    """Serves one page to the browsers of this host."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._server: asyncio.Server | None = None
        self._clients: dict[asyncio.Task[None], _Client] = {}
        """Oldest first."""

    async def start(self, port: int) -> int:
        """Listen; returns the port.

        Raises:
            OSError: the port is taken.
        """
        self._server = await asyncio.start_server(self._accept, ADDRESS, port, limit=HEAD, backlog=CLIENTS)
        number: int = self._server.sockets[0].getsockname()[1]
        return number

    async def stop(self) -> None:
        """Close everything."""
        assert self._server is not None
        self._server.close()
        clients = dict(self._clients)
        for task in clients:
            task.cancel()
        await asyncio.gather(*clients, return_exceptions=True)
        closing = (client.writer.wait_closed() for client in clients.values())
        await asyncio.gather(*closing, return_exceptions=True)
        await self._server.wait_closed()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._clients) >= CLIENTS:
            strangers = [task for task, client in self._clients.items() if not client.trusted]
            if not strangers:
                writer.transport.abort()
                return
            strangers[0].cancel()
            self._ended(strangers[0])
        task = asyncio.create_task(self._serve(reader, writer))
        self._clients[task] = _Client(writer)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        client = self._clients.pop(task, None)
        if client is None:
            return
        if client.writer.transport.get_write_buffer_size():
            client.writer.transport.abort()  # what is still unsent belongs to somebody who does not read: not waited for
        else:
            client.writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, request after request."""
        try:
            while await self._once(reader, writer):
                pass
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            pass  # it went away, or is too slow

    def _client(self) -> _Client | None:
        task = asyncio.current_task()
        return self._clients.get(task) if task is not None else None

    async def _once(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request; False when the connection is to end."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                request = await read_request(reader)
            if request is None:
                return False
            reply = await self._answer(request)
        except HttpError as error:
            await _send(writer, Reply(error.status, f"{error}\n".encode()), last=True)
            return False
        if reply.trusted and (client := self._client()) is not None:
            client.trusted = True
        last = reply.stream is not None or request.headers.get("connection", "").lower() == "close"
        await _send(writer, reply, last=last)
        return not last


@dataclass
class _Client:
    """A connection, and whether it has shown the token."""

    writer: asyncio.StreamWriter
    trusted: bool = False


async def read_request(reader: asyncio.StreamReader) -> Request | None:
    """The next request; None when the client has said all.

    Raises:
        HttpError: it is none, or too large.
        OSError, IncompleteReadError: the client is gone.
    """
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError:
        raise HttpError(431) from None
    except asyncio.IncompleteReadError as error:
        if not error.partial:
            return None
        raise
    first, *lines = head.decode("latin-1")[:-4].split("\r\n")
    method, _, rest = first.partition(" ")
    target, _, version = rest.rpartition(" ")
    if version not in ("HTTP/1.1", "HTTP/1.0") or not target.startswith("/") or not method.isalpha():
        raise HttpError(400)
    headers = _headers(lines)
    path, _, query = target.partition("?")
    try:
        asked = dict(parse_qsl(query, max_num_fields=8))
    except ValueError:
        raise HttpError(400) from None
    return Request(method, unquote(path), asked, headers, await _body(reader, headers))


def _headers(lines: list[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip() or name.lower() in headers:
            raise HttpError(400)  # a name that comes twice is a way to be understood differently by two readers
        headers[name.lower()] = value.strip()
    return headers


async def _body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    if "transfer-encoding" in headers:
        raise HttpError(411)
    length = headers.get("content-length", "0")
    if not (length.isascii() and length.isdecimal()):
        raise HttpError(400)
    if len(length) > len(str(BODY)) or int(length) > BODY:
        raise HttpError(413)
    return await reader.readexactly(int(length))


async def _send(writer: asyncio.StreamWriter, reply: Reply, *, last: bool) -> None:
    """Raises:
    OSError, TimeoutError: it is not taken.
    """
    lines = [f"HTTP/1.1 {reply.status} {_WORDS[reply.status]}"]
    if reply.status != 204:
        lines.append(f"Content-Type: {reply.kind}")
    if reply.stream is None:
        lines.append(f"Content-Length: {len(reply.body)}")
    lines += [f"{name}: {value}" for name, value in reply.headers.items()]
    lines.append(f"Connection: {'close' if last else 'keep-alive'}")
    await _put(writer, "\r\n".join([*lines, "", ""]).encode("latin-1") + reply.body)
    if reply.stream is not None:
        try:
            async for piece in reply.stream:
                await _put(writer, piece)
        finally:
            with suppress(AttributeError):
                await reply.stream.aclose()  # type: ignore[attr-defined]


async def _put(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(data)
    async with asyncio.timeout(SLOW_S):
        await writer.drain()
