"""Who speaks to the monitor's sockets by hand harms himself: the monitor goes on, others say what they say without him."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq

from hypervisor.core.cell import CellState
from hypervisor.shell.cellhost import Patience
from hypervisor.shell.links import door
from hypervisor.shell.links.zmq import FEEL_EACH_S, HANDSHAKE_MS, ZmqHub
from tests.support import hostile, raw_talk
from tests.support.guests import testimony as what_a_witness_says
from tests.support.live import Live, until

pytestmark = pytest.mark.slow

WITNESS = {"guest": "tests.support.guests:witness"}
SHORT = Patience(backstop=0.4, hello=30.0)
CULPRITS: dict[str, tuple[str, list[object]]] = {
    **{f"says_{number}": ("raw_talk:speaks_by_hand", [what]) for number, what in enumerate(raw_talk.SAID)},
    "hangs_up": ("raw_talk:hangs_up", []),
    "dies": ("hostile:dies_by", [40]),
}
"""Each in a cell of its own, all in one run."""


def judged(live: Live, culprits: dict[str, tuple[str, list[object]]], link: str) -> Any:
    """A run of culprits beside a witness, who was not disturbed."""
    cells = {name: {"guest": f"tests.support.{guest}", "args": args} for name, (guest, args) in culprits.items()}
    table = {"name": "court", "board": "arm926", "cells": {**cells, "witness": WITNESS}}
    run = live(table, patience=SHORT, link=link)
    run.until("900ms")
    run.monitor.check_invariants()
    assert run.console("witness") == what_a_witness_says()
    assert run.cell("witness").why == "status 7"
    for name in culprits:
        assert run.console(name).startswith(hostile.HONEST)
        assert run.state(name) is CellState.FAILED, name
    return run


def test_cells_that_speak_by_hand_on_their_own_connections_end_them_and_nobody_elses(live: Live) -> None:
    run = judged(live, CULPRITS, "zmq")
    ends = {name: run.cell(name).why for name in CULPRITS}
    assert ends.pop("dies") == "process ended: killed by signal 40"
    assert ends.pop("hangs_up").startswith(("protocol: gave up its link", "process ended: ", "guest fault: "))
    assert set(ends.values()) == {"protocol: gave up its link", "backstop: sleeps without end"}
    assert all(run.console(name) == hostile.HONEST for name in ends)


def test_a_cell_that_dies_by_a_signal_without_a_name_is_told_by_its_number(live: Live) -> None:
    run = judged(live, {"dies": CULPRITS["dies"]}, "shm")
    assert run.cell("dies").why == "process ended: killed by signal 40"


# From outside, at a port that is open for cells of other hosts.


@pytest.fixture
def hub(place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ZmqHub]:
    """With a door to the outside, and room for few whom nobody knows."""
    monkeypatch.setattr(door, "STRANGERS", 20)
    hub = ZmqHub(f"ipc://{place}/cells")
    yield hub
    hub.close()


def greet(hub: ZmqHub, endpoint: str, name: str, keys: tuple[bytes, bytes]) -> Any:
    """A cell connects with a key and says hello, while the hub is looked at."""
    context = zmq.Context.instance()
    socket = context.socket(zmq.DEALER)
    socket.linger, socket.curve_serverkey = 0, hub.public_key
    socket.curve_publickey, socket.curve_secretkey = keys
    socket.connect(endpoint)
    socket.send(b"hello")
    assert until(lambda: bool(hub.pump(10) or hub.mail(name) or hub._peers[name].inbox))
    return socket


SAYINGS = {
    "say nothing": b"",
    "talk nonsense": b"GET / HTTP/1.1\r\n\r\n",
    "stop in the greeting": raw_talk.GREETING[:40],
}


@pytest.mark.parametrize("saying", list(SAYINGS))
def test_a_crowd_without_keys_is_kept_out_and_the_cells_go_on(hub: ZmqHub, saying: str) -> None:
    endpoint = hub.listen("tcp://127.0.0.1:*")
    keys = hub.admit("a")
    with greet(hub, endpoint, "a", keys) as socket:
        assert hub.receive("a", 10**9) == b"hello"
        with raw_talk.Strangers(endpoint) as strangers:
            strangers.come(60, SAYINGS[saying])
            if saying != "talk nonsense":  # such are thrown out at once
                assert until(lambda: bool(hub.pump(1) or hub.doors.shut))
                assert strangers.come(1) == 0
                strangers.drip(10)
            socket.send(b"still here")
            assert hub.receive("a", 10**9) == b"still here"
            hub.send("a", b"good")
            assert next(filter(None, iter(socket.recv, None))) == b"good"  # empty: it is felt for
        assert until(lambda: bool(hub.pump(1) or (not hub.doors.shut and len(hub.doors.inside) <= 1)))
        more = hub.admit("b")
        with greet(hub, endpoint, "b", more):
            assert hub.receive("b", 10**9) == b"hello"


def test_a_storm_of_strangers_who_come_and_go_does_not_fill_a_cells_queue(hub: ZmqHub) -> None:
    endpoint = hub.listen("tcp://127.0.0.1:*")
    with greet(hub, endpoint, "a", hub.admit("a")) as socket:
        began = time.monotonic()
        for _ in range(30):
            with raw_talk.Strangers(endpoint) as strangers:
                strangers.come(10)
            for _ in range(20):
                hub.pump(0)
        hub.post("a", b"a letter")
        felt, (more, seconds) = 0, (True, time.monotonic() - began)
        while more:
            felt += 1
            more = socket.recv() != b"a letter"
        assert felt < 10 + seconds / FEEL_EACH_S


def test_a_stolen_public_key_opens_nothing_and_a_key_of_ones_own_neither(hub: ZmqHub) -> None:
    endpoint = hub.listen("tcp://127.0.0.1:*")
    public, _secret = hub.admit("a")
    own_public, own_secret = zmq.curve_keypair()
    for keys in ((public, own_secret), (own_public, own_secret)):
        context = zmq.Context.instance()
        with context.socket(zmq.DEALER) as socket:
            socket.linger, socket.curve_serverkey = 0, hub.public_key
            socket.curve_publickey, socket.curve_secretkey = keys
            failed = socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_FAILED_AUTH | zmq.EVENT_DISCONNECTED)
            socket.connect(endpoint)
            socket.send(b"I am a")
            assert until(lambda failed=failed: bool(hub.pump(10) or failed.poll(0)))
            socket.disable_monitor()
            failed.close(0)
    assert not hub.knows("a")
    assert not hub.mail("a")


def test_a_cell_with_a_key_speaks_for_itself_whatever_it_calls_itself(hub: ZmqHub) -> None:
    endpoint = hub.listen("tcp://127.0.0.1:*")
    honest, thief = hub.admit("honest"), hub.admit("thief")
    with greet(hub, endpoint, "honest", honest) as socket:
        name = hub._peers["honest"].routing_id
        context = zmq.Context.instance()
        with context.socket(zmq.DEALER) as other:
            other.linger, other.curve_serverkey = 0, hub.public_key
            other.curve_publickey, other.curve_secretkey = thief
            other.routing_id = b"honest"
            other.connect(endpoint)
            other.send(b"I am honest")
            assert until(lambda: bool(hub.pump(10) or hub._peers["thief"].inbox))
            hub.send("honest", b"a secret")
            assert socket.recv() == b"a secret"
            assert other.poll(50) == 0
        assert hub._peers["honest"].routing_id == name
        assert [bytes(message) for message in hub._peers["honest"].inbox] == [b"hello"]


def test_the_handshake_has_an_end(hub: ZmqHub) -> None:
    assert hub._router.handshake_ivl == HANDSHAKE_MS
    hub._router.handshake_ivl = 100
    endpoint = hub.listen("tcp://127.0.0.1:*")
    with raw_talk.Strangers(endpoint) as strangers:
        assert strangers.come(5, raw_talk.GREETING[:30]) == 5
        assert until(lambda: bool(hub.pump(10) or hub.doors.inside))
        assert until(lambda: bool(hub.pump(10) or not hub.doors.inside))
