"""A network with a gateway, in real processes: addresses, a server of this host, the record of what it said, and deaths."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cells.port import Port
from hypervisor.api import Run
from tests.support.live import Live
from tests.support.patience import PATIENCE_S
from tests.support.tcp_client import client_of

pytestmark = pytest.mark.slow

SENT = bytes(range(256)) * 20


def ask(port: Port) -> int:
    """Get an address, be refused where nobody listens, ask a server, and say what came."""
    client = client_of(port)
    port.print(f"address {client.address:#x}, echo {client.ping(b'abc')!r}, nobody {client.connect(8081, 40001)}")
    assert client.connect(8080)
    client.say(SENT)
    client.segment(17)
    client.number += 1
    heard = client.hear(1 << 20)
    port.print(f"heard {len(heard)} {heard == SENT[::-1]} {client.ended}")
    return 0


def hold(port: Port) -> int:
    """Open a connection, and hear how it ends."""
    client = client_of(port)
    assert client.connect(8080)
    client.say(b"x")
    port.report("open", 1)
    while not client.reset:
        client.segment(16)
        found = client._receive()
        if found is not None and found[12:14] == b"\x08\0":
            client.reset = bool(found[47] & 4)
        port.sleep("1ms")
    port.print("reset")
    return 0


class Server(threading.Thread):
    """Answers with what it got, turned round; `ended` is set when a connection is over."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.ended = threading.Event()
        self.served = 0

    def run(self) -> None:
        while True:
            try:
                peer, _ = self.socket.accept()
            except OSError:
                return
            with peer:
                got = b""
                while piece := peer.recv(4096):
                    got += piece
                peer.sendall(got[::-1])
            self.served += 1
            self.ended.set()

    def close(self) -> None:
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.join()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    server.start()
    yield server
    server.close()


def topology(server: Server) -> dict[str, Any]:
    port = server.socket.getsockname()[1]
    network = {
        "address": "10.0.2.2/24",
        "dhcp": ["10.0.2.15", "10.0.2.30"],
        "forward": {"8080": f"127.0.0.1:{port}", "8081": "127.0.0.1:1"},
    }
    cells = {
        "alice": {"guest": "python"},
        "netdom": {"domain": "net", "priority": 5, "on_crash": "restart", "network": network},
    }
    channels = [{"between": ["alice", "netdom"], "class": "net"}]
    return {"name": "usernet", "board": "beagle", "cells": cells, "channels": channels, "for": "10s"}


def said(run: Run) -> bytes:
    run.run()
    return run.console("alice")


@pytest.mark.parametrize(("flavour", "link"), [("okl4", "shm"), ("l4", "zmq"), ("xen", "shm")])
def test_a_guest_asks_a_server_of_the_host_and_a_replay_needs_none(
    live: Live, tmp_path: Path, server: Server, flavour: str, link: str
) -> None:
    given = topology(server)
    out = tmp_path / "run"
    run = live(given, guests={"alice": ask}, flavour=flavour, link=link, out=out)
    expected = b"address 0xa00020f, echo b'abc', nobody False\nheard 5120 True True\n"
    assert said(run) == expected
    assert server.served == 1
    other = "zmq" if link == "shm" else "shm"
    again = live(given, guests={"alice": ask}, flavour=flavour, link=other, replay=out / "inputs.jsonl")
    assert said(again) == expected
    assert again.trace_hash == run.trace_hash
    assert server.served == 1, "in a replay nothing goes out"


def test_a_dead_gateway_leaves_no_stream_and_its_successor_knows_no_connection(
    live: Live, tmp_path: Path, server: Server
) -> None:
    given = topology(server)
    run = live(given, guests={"alice": hold}, out=tmp_path / "run")
    while "open" not in run.cell("alice").account.metrics:
        run.until(run.now + run.cycles("1ms"))
    assert len(run.cell("netdom").streams) == 1
    assert not server.ended.is_set()
    run.kill("netdom")
    assert not run.cell("netdom").streams
    assert server.ended.wait(PATIENCE_S)
    assert said(run) == b"reset\n"
    again = live(given, guests={"alice": hold}, replay=tmp_path / "run" / "inputs.jsonl")
    assert said(again) == b"reset\n"
    assert again.trace_hash == run.trace_hash
    assert server.served == 1
