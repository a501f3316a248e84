"""Message channels on ZeroMQ and in shared memory: the same runs to the last byte of the trace, with real cells, near and far."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from cells.links import ZmqLink, connect
from hypervisor.abi.post import letter
from hypervisor.api import Run
from hypervisor.core.cell import CellState
from hypervisor.shell.links.zmq import ZmqHub
from tests.integration.test_remote_cell import Far, free_port
from tests.support.live import Live, until
from tests.support.patience import PATIENCE_S

pytestmark = pytest.mark.slow

TRANSPORTS = ("shm", "zmq")
FLAVOURS = pytest.mark.parametrize("flavour", ["l4", "okl4", "xen"])
ROUNDS = 12
LONG = 512
"""Bytes that no flavour carries in registers."""


def ping(transport: str | None, length: int = LONG, rounds: int = ROUNDS) -> dict[str, Any]:
    """Two cells, one channel."""
    channel = {"between": ["ping", "pong"], "class": "message"}
    cells = {
        "ping": {"guest": "cells.programs.ping:ping", "args": ["pong", rounds, length], "priority": 5},
        "pong": {"guest": "cells.programs.ping:pong", "priority": 5},
    }
    channels = [channel if transport is None else {**channel, "transport": transport}]
    return {"name": "posted", "board": "arm926", "for": "400ms", "cells": cells, "channels": channels}


@pytest.fixture
def letters(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How many letters went out, by the cell that got them."""
    count: Counter[str] = Counter()
    post = ZmqHub.post

    def counted(hub: ZmqHub, name: str, message: bytes) -> None:
        count[name] += 1
        post(hub, name, message)

    monkeypatch.setattr(ZmqHub, "post", counted)
    return count


def seen(run: Run) -> tuple[str, bytes, list[str]]:
    return run.trace_hash, run.console("ping"), [cell.why for cell in run.monitor.cells]


@FLAVOURS
def test_the_trace_is_the_same_over_either_transport_and_either_link(live: Live, flavour: str) -> None:
    found = []
    for transport in TRANSPORTS:
        for link in TRANSPORTS:
            run = live(ping(transport), flavour=flavour, link=link)
            assert run.run().why == "finished"
            found.append(seen(run))
    assert b"12 round trips of 512 bytes" in found[0][1]
    assert found == found[:1] * 4


@pytest.mark.parametrize("transport", [None, "zmq"])
@pytest.mark.parametrize("flavour", ["l4", "okl4"])
def test_messages_are_posted_unless_it_is_said_otherwise(
    live: Live, letters: Counter[str], flavour: str, transport: str | None
) -> None:
    live(ping(transport), flavour=flavour).run()
    assert letters == {"ping": ROUNDS, "pong": ROUNDS + 1}  # and the end


@FLAVOURS
def test_nothing_is_posted_by_request(live: Live, letters: Counter[str], flavour: str) -> None:
    run = live(ping("shm"), flavour=flavour)
    run.run()
    assert (letters, run._hub) == ({}, None)


def test_an_ipc_in_registers_rides_in_the_world_switch(live: Live, letters: Counter[str]) -> None:
    run = live(ping("zmq", length=60), flavour="l4")
    run.run()
    assert b"12 round trips" in run.console("ping")
    assert letters == {"pong": 1}  # the end, which is no whole words


@pytest.mark.parametrize("flavour", ["l4", "okl4"])
def test_a_cell_without_such_a_channel_has_no_socket(live: Live, flavour: str) -> None:
    table = ping("zmq")
    table["cells"]["alone"] = {"guest": "tests.support.guests:sleeper"}
    run = live(table, flavour=flavour)
    threads = []
    for host in run.hosts:
        assert host.process is not None
        threads.append(psutil.Process(host.process.pid).num_threads())
    assert threads[2] == 1
    assert min(threads[:2]) > 1


@pytest.mark.parametrize("flavour", ["l4", "okl4"])
def test_the_death_of_an_end_at_its_time_looks_the_same_over_either_transport(live: Live, flavour: str) -> None:
    found = []
    for transport in TRANSPORTS:
        run = live(ping(transport, rounds=500), flavour=flavour)
        run.plan_kill("pong", "300us")
        run.run()
        run.monitor.check_invariants()
        assert (run.state("pong"), run.cell("pong").why) == (CellState.FAILED, "killed")
        found.append(seen(run))
    assert found[0] == found[1]
    assert found[0][1] == b""


def asks_again(port):
    """Asks until it is answered, whatever becomes of the other end."""
    from cells.port import RefusedError

    channel = port.connections.channels["pong"]
    repeated = 0
    for number in range(100):
        question = b"%d" % number * 100
        port.sleep("100us")
        while True:
            try:
                channel.send(question)
                if channel.receive(port.now + port.cycles("2ms")) == question[::-1]:
                    break
            except RefusedError:
                repeated += 1
                port.sleep("100us")
    port.print("all answered,", "some again" if repeated else "each at once")


@pytest.mark.parametrize("link", TRANSPORTS)
@pytest.mark.parametrize("flavour", ["l4", "okl4"])
def test_who_is_killed_on_the_host_comes_back_with_a_new_socket(live: Live, flavour: str, link: str) -> None:
    table = ping("zmq")
    table["cells"]["ping"], table["cells"]["pong"]["on_crash"] = {"guest": "python", "priority": 5}, "restart"
    run = live(table, flavour=flavour, link=link, guests={"ping": asks_again})
    run.until("5ms")
    process = run.hosts[1].process
    assert process is not None
    assert not run.console("ping")
    process.kill()
    run.run()
    run.monitor.check_invariants()
    assert run.cell("pong").account.restarts
    assert run.console("ping").startswith(b"all answered, ")  # that one was lost depends on when the host tells of it


def test_an_image_posts_as_a_python_guest_does(live: Live) -> None:
    found = []
    for transport in TRANSPORTS:
        table = ping(transport)
        table["cells"]["ping"] = {"image": "pinger", "args": "peer=pong times=12 size=512", "priority": 5}
        run = live(table, flavour="okl4")
        run.run()
        found.append(seen(run))
    assert found[0] == found[1]
    assert b"checksum" in found[0][1]


@pytest.fixture
def far(tmp_path: Path) -> Iterator[Far]:
    (tmp_path / "elsewhere").mkdir()
    joined = Far(tmp_path / "elsewhere")
    yield joined
    for process in joined.processes:
        process.communicate(timeout=PATIENCE_S)


@pytest.mark.parametrize("flavour", ["l4", "okl4"])
def test_a_cell_on_another_host_posts_on_its_one_socket(
    live: Live, far: Far, letters: Counter[str], tmp_path: Path, flavour: str
) -> None:
    endpoint, ticket = free_port(), tmp_path / "pong.ticket"
    thread = far.join_when_asked(endpoint, ticket)
    with live(ping("zmq"), flavour=flavour, remote=["pong"], listen=endpoint, ticket=ticket) as run:
        thread.join()
        assert run.run().why == "finished"
        assert letters["pong"] >= ROUNDS
        found = seen(run)
    assert found[0] == live.hash(ping("shm"), flavour=flavour)
    assert b"12 round trips of 512 bytes" in found[1]


# The socket itself.


@pytest.fixture
def hub() -> Iterator[ZmqHub]:
    made = ZmqHub(f"ipc://@cellvisor-post-{time.monotonic_ns()}")
    yield made
    made.close()


def join(hub: ZmqHub, name: str, *, felt: bool) -> Any:
    """A cell's socket, in this process."""
    public, secret = hub.admit(name, felt=felt)
    made: list[Any] = []
    thread = threading.Thread(target=lambda: made.append(connect(hub.endpoint, hub.public_key, public, secret)))
    thread.start()
    assert until(lambda: hub.pump(5) or not thread.is_alive())
    ZmqLink(made[0]).introduce()
    assert until(lambda: hub.pump(5) or hub.knows(name))
    return made[0]


def test_a_cell_that_reads_nothing_does_not_hold_the_monitor(hub: ZmqHub) -> None:
    socket = join(hub, "deaf", felt=False)
    with pytest.raises(BlockingIOError):
        for number in range(20_000):
            hub.post("deaf", letter(number, bytes(1024)))
    socket.context.destroy(0)


def test_a_cell_that_seldom_reads_is_not_felt_for_when_others_hang_up(hub: ZmqHub) -> None:
    quiet = join(hub, "quiet", felt=False)
    loud = join(hub, "loud", felt=True)
    loud.context.destroy(0)
    assert until(lambda: hub.pump(5) or hub.dead("loud"))
    assert not hub.dead("quiet")
    hub.post("quiet", letter(1, b"hello"))
    assert ZmqLink(quiet).letter() == letter(1, b"hello")
    quiet.context.destroy(0)
