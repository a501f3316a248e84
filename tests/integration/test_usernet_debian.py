"""Debian behind the net domain's gateway: an address by DHCP, a large file from a server of this host, and the same by replay."""

from __future__ import annotations

import hashlib
import random
import threading
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from hypervisor.api import Run
from hypervisor.core.cell import CellState
from hypervisor.shell.topology.sources import topologies
from tests.support.debians import need_guests
from tests.support.live import Live

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.guests]

CONTENT = random.Random(1).randbytes(8 << 20)
COMMAND = (
    "ip address show eth0 | grep inet; wget -q -O /root/got http://10.0.2.2/; sync; "
    "echo 3 > /proc/sys/vm/drop_caches; md5sum /root/got"
)


class Page(BaseHTTPRequestHandler):
    """One page, and it is large."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT)

    def log_message(self, *_words: object) -> None:
        """Nobody wants to read it."""


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    need_guests("debian:armmp", "debian:drivers", "debian:armhf")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    yield server
    server.shutdown()
    server.server_close()
    serving.join()


def gateway(port: int) -> dict[str, Any]:
    """The built-in topology with a command of ours, and another server. Nobody counts translations, which takes time."""
    table = tomllib.loads((topologies() / "gateway.toml").read_text())
    words = f'quiet cellvisor.modules=drivers cellvisor.root=disk cellvisor.ip=dhcp cellvisor.run="{COMMAND}"'
    table["cells"]["linux"]["append"] = words
    table["cells"]["netdom"]["network"]["forward"] = {"80": f"127.0.0.1:{port}"}
    return {**table, "vtlb": {"entries": 0}, "for": "60s"}


def said(run: Run) -> str:
    while run.state("linux") is not CellState.SHUT_DOWN:
        assert run.now < run.cycles("60s"), run.console("linux")[-800:]
        run.until(run.now + run.cycles("100ms"))
    return run.console("linux").decode()


def test_debian_gets_an_address_and_a_whole_file_and_a_replay_needs_no_server(
    live: Live, tmp_path: Path, server: ThreadingHTTPServer
) -> None:
    out = tmp_path / "run"
    table = gateway(server.server_address[1])
    run = live(table, out=out)
    heard = said(run)
    assert "inet 10.0.2.15/24" in heard
    assert hashlib.md5(CONTENT).hexdigest() in heard, heard[-800:]
    run.close()
    server.shutdown()
    server.server_close()
    again = live(table, link="zmq", replay=out / "inputs.jsonl")
    assert said(again) == heard
    again.close()
    assert again.trace_hash == run.trace_hash
