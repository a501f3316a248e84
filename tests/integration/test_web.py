"""A running topology on a page: what it shows, what it does, whom it refuses, and how it ends."""

from __future__ import annotations

import json
import re
import select
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from hypervisor.shell import runtime_dir
from hypervisor.shell.client import Client
from hypervisor.shell.web.http import CLIENTS
from hypervisor.shell.web.server import BURST, POINTS
from tests.support.files import read_png
from tests.support.live import until
from tests.support.patience import PATIENCE_S
from tests.support.session import COMMAND, cellvisor, displaying, environment
from tests.support.web import Answer, ask, events, raw

pytestmark = pytest.mark.slow

URL = re.compile(r"http://127\.0\.0\.1:(\d+)/([\w-]{20,})/")


class Page(NamedTuple):
    """A page that is served: its process, its place, and the directory of its run."""

    process: subprocess.Popen[str]
    port: int
    token: str
    house: Path

    def get(self, place: str, **headers: str) -> Answer:
        return ask(self.port, "GET", f"/{self.token}/{place}", headers=headers)

    def post(self, place: str, what: Any, **headers: str) -> Answer:
        return ask(self.port, "POST", f"/{self.token}/{place}", what, headers=headers)

    def frame(self, seen: int = 0) -> Answer:
        return self.get(f"frame?display=lcd0&seen={seen}")

    def events(self) -> Any:
        return events(self.port, f"/{self.token}/events")


@pytest.fixture(scope="module")
def house() -> Iterator[Path]:
    with displaying() as place:
        yield place


def serve(place: Path, *options: str) -> Page:
    command = [*COMMAND, "screen", "--web", *options]
    process = subprocess.Popen(command, cwd=place, env=environment(place), stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert select.select([process.stdout], [], [], PATIENCE_S)[0]
    found = URL.fullmatch(process.stdout.readline().strip())
    process.stdout.close()
    assert found
    return Page(process, int(found[1]), found[2], place)


@pytest.fixture(scope="module")
def page(house: Path) -> Iterator[Page]:
    page = serve(house)
    try:
        yield page
    finally:
        page.process.send_signal(signal.SIGINT)
        assert page.process.wait(PATIENCE_S) == 0
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", page.port))


def test_the_page_loads_nothing_from_elsewhere(page: Page) -> None:
    for place, kind in [("", "text/html"), ("page.css", "text/css"), ("page.js", "text/javascript")]:
        answer = page.get(place)
        assert (answer.status, answer.headers["content-type"]) == (200, f"{kind}; charset=utf-8")
        assert not re.search(rb"""(?:https?:)?//[\w.-]+\.\w""", answer.body)
        assert answer.headers["content-security-policy"].startswith("default-src 'none'; ")
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert (answer.headers["cache-control"], answer.headers["referrer-policy"]) == ("no-store", "no-referrer")
        assert (answer.headers["x-content-type-options"], answer.headers["x-frame-options"]) == ("nosniff", "DENY")


def test_the_picture_is_that_of_the_display(page: Page, tmp_path: Path) -> None:
    done = cellvisor("screenshot", "now.png", place=page.house)
    assert done.returncode == 0
    answer = page.frame()
    assert (answer.status, answer.headers["content-type"]) == (200, "image/png")
    (tmp_path / "a.png").write_bytes(answer.body)
    assert read_png(tmp_path / "a.png") == read_png(page.house / "now.png")


def test_a_touch_changes_the_picture_that_somebody_waits_for(page: Page, tmp_path: Path) -> None:
    serial = int(page.frame().headers["x-serial"])
    answers: list[Answer] = []
    waiting = threading.Thread(target=lambda: answers.append(page.frame(serial)))
    waiting.start()
    down, up = [2048, 2048, 1], [2048, 2048, 0]
    assert page.post("touch", {"device": "touch0", "points": [down, up]}).status == 204
    waiting.join()
    assert (answers[0].status, int(answers[0].headers["x-serial"])) == (200, serial + 1)
    (tmp_path / "a.png").write_bytes(answers[0].body)
    assert read_png(tmp_path / "a.png").pixel(165, 125) != (0, 0, 0)


def test_states_and_consoles_come_as_events(page: Page) -> None:
    with page.events() as stream:
        kind, first = next(stream)
        assert kind == "displays"
        assert (first["displays"][0]["name"], first["touches"]) == ("lcd0", ["touch0"])
        kind, status = next(stream)
        assert (kind, status["name"], [cell["name"] for cell in status["cells"]]) == (
            "status", "display", ["painter", "lcd", "touch"],
        )  # fmt: skip
        whole = {what["cell"]: what["text"] for _, what in (next(stream), next(stream), next(stream))}
        assert "painted 4 squares on 320 x 240 pixels\n" in whole["painter"]
        page.post("touch", {"device": "touch0", "points": [[1024, 1024, 1], [1024, 1024, 0]]})
        text = ""
        for kind, what in islice(stream, 100):  # a state comes twice a second: not for ever
            assert kind in ("status", "console")
            text += what["text"] if kind == "console" else ""
            if "touched at 80, 60\n" in text:
                break
        assert "touched at 80, 60\n" in text


def test_cells_are_held_killed_and_started_anew(page: Page) -> None:
    def order(verb: str, cell: str) -> Any:
        return json.loads(page.post("order", {"verb": verb, "cell": cell}).body)

    assert order("pause", "touch")["state"] == "paused"
    assert order("unpause", "touch")["state"] in ("blocked", "running")
    assert order("kill", "lcd")["why"] in ("", "killed")
    assert order("restart", "lcd")["state"] in ("blocked", "running")
    nonsense = page.post("order", {"verb": "kill", "cell": "lcb"})
    assert (nonsense.status, nonsense.body) == (400, b'no cell is called "lcb"; did you mean lcd?\n')


def test_text_is_typed_at_a_console(page: Page) -> None:
    assert page.post("type", {"cell": "painter", "data": "hello\n"}).status == 204
    assert page.post("type", {"cell": "painter", "data": "x" * 2000}).status == 400
    assert page.post("type", {"cell": "nobody", "data": "x"}).status == 400


def test_a_pen_is_lifted_when_the_last_page_goes(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(page.house))
    touches: list[str] = []
    with Client(runtime_dir.running()[0]) as client:
        client.follow("trace")
        with page.events() as stream:
            next(stream)
            page.post("touch", {"device": "touch0", "points": [[77, 78, 1]]})

        def lifted() -> bool:
            for _, lines in client.news():
                records = [json.loads(line) for line in lines.splitlines() if b'"what":"touch"' in line]
                touches.extend(record["data"] for record in records)
            return touches[-2:] == ["touch0 77 78 1", "touch0 77 78 0"]

        assert until(lifted)


# ---- who is refused


def test_without_the_token_there_is_nothing(page: Page) -> None:
    wrong = page.token[:-1] + ("A" if page.token[-1] != "A" else "B")
    for token in ("", "x", wrong, page.token.lower() + "x", "%00", "é"):
        for place in ("", "frame?display=lcd0", "events", "page.js"):
            answer = raw(
                page.port,
                f"GET /{token}/{place} HTTP/1.1\r\nHost: 127.0.0.1:{page.port}\r\nConnection: close\r\n\r\n".encode(),
            )
            assert answer.startswith(b"HTTP/1.1 404 ")
    assert ask(page.port, "POST", f"/{wrong}/order", {"verb": "kill", "cell": "painter"}).status == 404


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:80"},
        {"Host": "127.0.0.1"},
        {"Host": "0.0.0.0:{port}"},
        {"Host": "127.0.0.1.evil.example:{port}"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "https://127.0.0.1:{port}"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_another_page_is_refused_even_with_the_token(page: Page, headers: dict[str, str]) -> None:
    said = {name: value.format(port=page.port) for name, value in headers.items()}
    assert page.get("frame?display=lcd0", **said).status == 403
    assert page.post("touch", {"device": "touch0", "points": [[1, 1, 1]]}, **said).status == 403


def test_its_own_page_and_a_link_that_is_followed_are_not_refused(page: Page) -> None:
    own = {"Origin": f"http://127.0.0.1:{page.port}", "Sec-Fetch-Site": "same-origin"}
    assert page.post("type", {"cell": "painter", "data": " "}, **own).status == 204
    assert page.get("", **{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}).status == 200
    assert page.get("", Host=f"localhost:{page.port}").status == 200


def test_a_form_of_another_page_cannot_be_a_request(page: Page) -> None:
    what = json.dumps({"device": "touch0", "points": [[1, 1, 1]]})
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""):
        answer = ask(page.port, "POST", f"/{page.token}/touch", headers={"Content-Type": kind}, body=what.encode())
        assert answer.status == 415
    assert ask(page.port, "OPTIONS", f"/{page.token}/touch").status == 405


@pytest.mark.parametrize(
    "what",
    [
        [],
        {},
        {"device": "touch0"},
        {"device": "touch0", "points": []},
        {"device": "touch0", "points": [[1, 2, 1]] * (POINTS + 1)},
        {"device": "touch0", "points": [[1, 2]]},
        {"device": "touch0", "points": [[1.5, 2, 1]]},
        {"device": "touch0", "points": [["1", 2, 1]]},
        {"device": "touch0", "points": [[-1, 2, 1]]},
        {"device": "touch0", "points": [[1, 4096, 1]]},
        {"device": "touch0", "points": [[1, 1 << 62, 1]]},
        {"device": "touch0", "points": [[1, 1 << 64, 1]]},
        {"device": "\ud800", "points": [[1, 2, 1]]},
        {"device": "lcd0", "points": [[1, 2, 1]]},
        {"device": ["touch0"], "points": [[1, 2, 1]]},
    ],
)
def test_what_is_no_touch_is_refused(page: Page, what: Any) -> None:
    assert page.post("touch", what).status == 400


def test_other_nonsense_is_refused(page: Page) -> None:
    for place, status in [
        ("frame?display=lcd7", 400),
        ("frame?display=lcd0&seen=x", 400),
        ("frame", 400),
        ("etc", 404),
    ]:
        assert page.get(place).status == status
    assert page.get("../../../etc/passwd").status == 404
    assert page.get("touch").status == 405
    for body in (b"", b"{", b"[" * 10000, b"\xff", b'"text"'):
        answer = ask(page.port, "POST", f"/{page.token}/order", headers={"Content-Type": "application/json"}, body=body)
        assert answer.status == 400
    assert page.post("order", {"verb": "status", "cell": "painter"}).status == 400
    assert page.frame().status == 200


def test_a_flood_of_touches_is_thinned_out_before_it_reaches_the_run(page: Page) -> None:
    touch = {"device": "touch0", "points": [[n, n, 1] for n in range(POINTS)]}
    statuses: set[int] = set()

    def flooded() -> bool:
        """All at once: what is allowed grows while one waits for the other on a busy host."""
        many = 2 * int(BURST) // POINTS
        with ThreadPoolExecutor(many) as pool:
            statuses.update(answer.status for answer in pool.map(lambda _: page.post("touch", touch), range(many)))
        return 429 in statuses

    assert until(flooded)
    assert statuses == {204, 429}
    assert until(lambda: page.post("touch", {"device": "touch0", "points": [[1, 1, 0]]}).status == 204)


def test_readers_that_do_not_read_and_floods_of_connections_stop_neither_page_nor_run(page: Page) -> None:
    with ExitStack() as stack:
        for n in range(3 * CLIENTS):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", page.port)))
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            place = ("events", "frame?display=lcd0", "")[n % 3]
            token = page.token if n < 12 else "guessed"
            connection.sendall(f"GET /{token}/{place} HTTP/1.1\r\nHost: 127.0.0.1:{page.port}\r\n\r\n".encode())
        assert page.frame().status == 200
        assert cellvisor("list", place=page.house).stdout.startswith("display ")
    assert page.frame().status == 200


# ---- the end


def test_the_page_ends_with_its_run_and_says_so(place: Path) -> None:
    command = [*COMMAND, "run", "display", "--pace", "1", "--for", "1000s"]
    process = subprocess.Popen(command, cwd=place, env=environment(place), stdout=subprocess.DEVNULL)
    assert until(lambda: bool(list(place.glob("cellvisor-*/address.json"))))
    page = serve(place)
    with page.events() as stream:
        next(stream)
        process.kill()
        process.wait()
        assert "end" in [kind for kind, _ in islice(stream, 100)]
    assert page.process.wait(PATIENCE_S) == 0
    assert until(lambda: not list(place.glob("cellvisor-*")))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_run_with_a_page_takes_it_along_however_it_ends(place: Path, number: signal.Signals) -> None:
    command = [*COMMAND, "run", "display", "--web", "--for", "1000s"]
    process = subprocess.Popen(
        command, cwd=place, env=environment(place), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    assert select.select([process.stderr], [], [], PATIENCE_S)[0]
    found = URL.search(process.stderr.readline())
    assert found
    port = int(found[1])
    assert ask(port, "GET", f"/{found[2]}/frame?display=lcd0&seen=0").status == 200
    process.send_signal(number)
    assert process.wait(PATIENCE_S) == (128 + number if number == signal.SIGTERM else -number)
    process.stderr.close()

    def closed() -> bool:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            return True
        return False

    assert until(closed)
    assert until(lambda: not list(place.glob("cellvisor-*")))


def test_a_port_that_is_taken_is_said_in_one_line(place: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        began = time.monotonic()
        done = cellvisor("run", "display", "--web", "--port", port, "--for", "1000s", place=place)
        assert done.returncode == 2
        assert done.stderr.splitlines() == [
            f"cellvisor: --port {port}: address already in use",
            "cellvisor: --web: the page could not be served",
        ]
        assert time.monotonic() - began < 20
    assert list(place.glob("cellvisor-*")) == []
