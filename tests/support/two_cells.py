"""A client and a server, real cells under one flavour, and programs for them that more than one flavour's tests run.

@pytest.fixture
def pair(live: Live) -> Pair:
    return pairs(live, "okl4")

run = pair(fills, adds, "block", link="zmq")
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypervisor.api import Run
from tests.support.live import Live

ROUNDS = 40
Pair = Callable[..., Run]


def pairs(live: Live, flavour: str) -> Pair:
    """Starts pairs with a channel, and runs them to their end."""

    def start(
        client: Any, server: Any, kind: str = "message", *, more: dict[str, Any] | None = None, **options: Any
    ) -> Run:
        topology = {
            "name": "pair",
            "board": "arm926",
            "for": "500ms",
            "cells": {"client": {"priority": 5}, "server": {"priority": 5, **options.pop("server_table", {})}},
            "channels": [{"between": ["client", "server"], "class": kind}],
            **(more or {}),
        }
        run = live(topology, flavour=flavour, guests={"client": client, "server": server}, **options)
        run.run()
        run.monitor.check_invariants()
        return run

    return start


def asks(port: Any) -> None:
    """A question, its answer, and so on."""
    channel = port.connections.channels["server"]
    for number in range(ROUNDS):
        channel.send(b"question %d" % number)
        assert channel.receive() == b"QUESTION %d" % number
    port.print("all answered")


def fills(port: Any) -> None:
    """A front end that writes its number into shared pages and rings; the back end adds one."""
    link = port.connections.links["server"]
    for number in range(0, 2 * ROUNDS, 2):
        while not link.connected:
            port.connections.wait()
        link.rung = False
        link.memory[8192:8196] = number.to_bytes(4, "little")
        link.notify()
        while not link.rung:
            port.connections.wait()
        assert link.memory[8192:8196] == (number + 1).to_bytes(4, "little")
    port.print("generation", link.generation)


def adds(port: Any) -> None:
    """The back end of `fills`."""
    link = port.connections.links["client"]
    while True:
        while not (link.connected and link.rung):
            port.connections.wait()
        link.rung = False
        number = int.from_bytes(link.memory[8192:8196], "little")
        link.memory[8192:8196] = (number + 1).to_bytes(4, "little")
        link.notify()


def pours(port: Any) -> None:
    """Sends faster than the other reads, and is gone when the last is sent."""
    channel = port.connections.channels["server"]
    for number in range(100):
        channel.send(number.to_bytes(2, "little") * 512)
    port.print("poured")


def writes(port: Any) -> None:
    """Into shared memory."""
    port.connections.shared["board"][0:5] = b"hello"
    port.connections.channels["server"].send(b"look")


def reads(port: Any) -> None:
    """What `writes` has written."""
    port.connections.channels["client"].receive()
    board = port.connections.shared["board"]
    port.print(bytes(board[0:5]).decode(), board.readonly)
