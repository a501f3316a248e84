"""A client of a page that says exactly what a test wants, right or wrong.

answer = ask(port, "GET", "/TOKEN/frame?display=lcd0&seen=0")
answer.status, answer.headers["x-serial"], answer.body
raw(port, b"...")               # everything that comes back until the connection ends
"""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from tests.support.patience import PATIENCE_S


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


def ask(
    port: int,
    method: str,
    place: str,
    what: Any = None,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
) -> Answer:
    """One request; `what` as JSON. `headers` in place of those that a browser would send."""
    said = {"Content-Type": "application/json"} if what is not None else {}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        content = json.dumps(what).encode() if what is not None else body
        connection.request(method, place, content, {**said, **(headers or {})})
        response = connection.getresponse()
        return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
    finally:
        connection.close()


def raw(port: int, data: bytes) -> bytes:
    """What is answered to these bytes, to the end."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as connection:
        connection.sendall(data)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
        return answer


@contextmanager
def events(port: int, place: str) -> Iterator[Iterator[tuple[str, Any]]]:
    """Server-sent events, one after another (HTML standard, 9.2.6, as far as ours go)."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        connection.request("GET", place)
        response = connection.getresponse()
        assert response.status == 200, response.read()
        assert response.getheader("content-type") == "text/event-stream"

        def each() -> Iterator[tuple[str, Any]]:
            kind = ""
            while line := response.readline().decode():
                name, _, value = line.rstrip("\n").partition(": ")
                if name == "event":
                    kind = value
                elif name == "data":
                    yield kind, json.loads(value)

        try:
            yield each()
        finally:
            response.close()
    finally:
        connection.close()
