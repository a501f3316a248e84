"""Transfers: picked up where they stopped, started over when wrong, given up with one clear line."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from hypervisor.shell.guests.download import TRIES, download, read
from hypervisor.shell.guests.errors import FetchError, NotThereError
from hypervisor.shell.guests.hashes import Expected

CONTENT = bytes(range(256)) * 800
WHOLE = Expected(hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))


@dataclass
class Server:
    """What it serves, how it fails, and what it was asked."""

    url: str = ""
    content: bytes = CONTENT
    breaks_after: list[int] = field(default_factory=list)  # bytes sent before the connection is cut, per answer
    ranges: bool = True
    asked: list[str | None] = field(default_factory=list)

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        wanted = request.headers["Range"]
        self.asked.append(wanted)
        if request.path != "/file":
            request.send_error(404)
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.ranges else 0
        if start >= len(self.content):
            request.send_error(416)
            return
        body = self.content[start:]
        request.send_response(206 if start else 200)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body[: self.breaks_after.pop(0)] if self.breaks_after else body)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.answer(self)

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        state.url = f"http://127.0.0.1:{http.server_port}/file"
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield state
        http.shutdown()
        thread.join()


def test_a_transfer_that_breaks_is_picked_up_where_it_stopped(server: Server, notes: Any, tmp_path: Path) -> None:
    server.breaks_after = [100_000, 50_000]
    path = download(server.url, tmp_path / "f", WHOLE, notes, "file")
    assert path.read_bytes() == CONTENT
    assert server.asked == [None, "bytes=100000-", "bytes=150000-"]
    assert notes.transfers == [("file", 0), ("file", 100_000), ("file", 150_000)]


def test_a_server_that_knows_no_ranges_is_read_from_the_start(server: Server, notes: Any, tmp_path: Path) -> None:
    server.ranges = False
    (tmp_path / "f.part").write_bytes(CONTENT[:1000])
    assert download(server.url, tmp_path / "f", WHOLE, notes, "file").read_bytes() == CONTENT
    assert notes.transfers == [("file", 0)]


def test_what_is_left_of_another_file_is_thrown_away(server: Server, notes: Any, tmp_path: Path) -> None:
    (tmp_path / "f.part").write_bytes(b"?" * 1000)
    assert download(server.url, tmp_path / "f", WHOLE, notes, "file").read_bytes() == CONTENT
    assert server.asked == ["bytes=1000-", None]


@pytest.mark.parametrize("rest", [len(CONTENT), len(CONTENT) + 5])
def test_a_rest_that_is_too_long_is_thrown_away(server: Server, notes: Any, tmp_path: Path, rest: int) -> None:
    (tmp_path / "f.part").write_bytes(b"?" * rest)
    assert download(server.url, tmp_path / "f", WHOLE, notes, "file").read_bytes() == CONTENT
    assert server.asked == [None]


def test_a_file_that_is_there_is_not_asked_for(server: Server, notes: Any, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(CONTENT)
    download(server.url, tmp_path / "f", WHOLE, notes, "file")
    assert server.asked == []


def test_a_damaged_file_that_is_there_is_fetched_again(server: Server, notes: Any, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"!" + CONTENT[1:])
    assert download(server.url, tmp_path / "f", WHOLE, notes, "file").read_bytes() == CONTENT


def test_a_wrong_hash_is_refused_and_leaves_nothing(server: Server, notes: Any, tmp_path: Path) -> None:
    server.content = b"!" + CONTENT[1:]
    with pytest.raises(FetchError, match=rf"/file: its SHA-256 is not {WHOLE.sha256}, which the signed index gives$"):
        download(server.url, tmp_path / "f", WHOLE, notes, "file")
    assert list(tmp_path.iterdir()) == []


def test_a_file_without_end_is_read_no_further_than_its_size(server: Server, notes: Any, tmp_path: Path) -> None:
    server.content = CONTENT + b"more"
    assert download(server.url, tmp_path / "f", WHOLE, notes, "file").read_bytes() == CONTENT


def test_a_transfer_that_never_ends_well_is_given_up_and_kept(server: Server, notes: Any, tmp_path: Path) -> None:
    server.breaks_after = [10] * TRIES
    with pytest.raises(FetchError, match=rf"the transfer ended after 40 of {len(CONTENT)} bytes$"):
        download(server.url, tmp_path / "f", WHOLE, notes, "file")
    assert (tmp_path / "f.part").read_bytes() == CONTENT[:40]


def test_a_file_that_the_server_has_not_is_asked_for_once(server: Server, notes: Any, tmp_path: Path) -> None:
    with pytest.raises(NotThereError, match=r"/other: 404 Not Found$"):
        download(server.url.replace("/file", "/other"), tmp_path / "f", WHOLE, notes, "file")
    assert len(server.asked) == 1


def test_a_missing_file_of_a_local_mirror_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotThereError, match=r"/absent: .*No such file"):
        read((tmp_path / "absent").as_uri(), 10)


def test_a_small_file_has_a_limit(server: Server) -> None:
    with pytest.raises(FetchError, match=r"larger than 100 bytes$"):
        read(server.url, 100)


def test_nobody_at_the_address_is_one_clear_line(server: Server) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(FetchError, match=rf"^http://127\.0\.0\.1:{port}/x: .*refused$"):
        read(f"http://127.0.0.1:{port}/x", 10)
