"""A cell that joins over TCP from another directory: the same trace, noticed when it dies, and only with its own ticket."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import zmq

from hypervisor import launch
from hypervisor.abi.messages import pack
from hypervisor.abi.records import Exit, ExitKind
from hypervisor.abi.time import NEVER
from hypervisor.api import Run
from tests.support.guests import testimony as what_a_witness_says
from tests.support.live import ROOT, Live, alone, cells, gone, until
from tests.support.patience import PATIENCE_S

pytestmark = pytest.mark.slow

TOPOLOGY: dict[str, Any] = {
    "name": "far",
    "board": "arm926",
    "cells": {
        "far": {"guest": "python"},
        "image": {"image": "ticker", "args": "ticks=30"},
        "near": {"guest": "python"},
    },
}


def worker(port: Any) -> None:
    for number in range(20):
        port.work(100_000)
        port.print(port.name, number)
        port.sleep("1ms")


GUESTS = {"far": worker, "near": worker}
Joined = tuple[Run, subprocess.Popen[str]]


@pytest.fixture
def joined(tmp_path: Path) -> Iterator[Callable[[str], Joined]]:
    """Launches the topology with one cell that joins by `cellvisor cell` from an empty directory."""
    started: list[Any] = []

    def start(cell: str) -> Joined:
        elsewhere, ticket = tmp_path / "elsewhere", tmp_path / "a.ticket"
        elsewhere.mkdir()
        found: list[subprocess.Popen[str]] = []

        def join(where: str) -> None:
            command = [sys.executable, "-m", "hypervisor.cli", "cell", "--connect", where, "--ticket", str(ticket)]
            environment = {**os.environ, "PYTHONPATH": str(ROOT)}
            found.append(
                subprocess.Popen(command, cwd=elsewhere, env=environment, text=True, stderr=subprocess.DEVNULL)
            )

        where = f"tcp://127.0.0.1:{20_000 + os.getpid() % 20_000}"
        waiting = threading.Thread(
            target=lambda: until(lambda: ticket.exists() and ticket.stat().st_size > 0) and join(where)
        )
        waiting.start()
        run = launch(TOPOLOGY, guests=GUESTS, remote=[cell], listen=where, ticket=ticket)
        waiting.join()
        started.extend([run, found[0]])
        return run, found[0]

    yield start
    for thing in started:
        thing.close() if isinstance(thing, Run) else thing.wait(PATIENCE_S)


def local() -> tuple[str, bytes]:
    with launch(TOPOLOGY, guests=GUESTS) as run:
        run.until("50ms")
        return run.trace_hash, run.console("far")


@pytest.mark.parametrize("cell", ["far", "image"])
def test_a_remote_cell_gives_the_trace_of_a_local_one(joined: Callable[[str], Joined], cell: str):
    run, process = joined(cell)
    assert run.until("50ms").why == "finished"
    assert (run.trace_hash, run.console("far")) == local()
    run.close()
    assert process.wait(PATIENCE_S) == 0


def test_the_death_of_a_remote_cell_is_noticed_and_the_others_go_on(joined: Callable[[str], Joined]):
    run, process = joined("far")
    run.until("5ms")
    for child in psutil.Process(process.pid).children(recursive=True):
        child.send_signal(signal.SIGKILL)
    process.wait(PATIENCE_S)
    assert until(lambda: run.until(run.now + run.cycles("1ms")).why != "" and run.state("far") == "failed")
    assert run.until("90ms").why == "finished"
    assert run.cell("far").why == "killed"
    assert run.state("near") == "shut down"


def test_the_end_of_the_monitor_ends_the_remote_cell(joined: Callable[[str], Joined]):
    run, process = joined("far")
    run.until("5ms")
    run._hub.close()  # type: ignore[union-attr]  as far as the cell can see, the monitor is gone
    assert process.wait(PATIENCE_S) in (0, 1)
    run._hub = None


def test_a_ticket_that_is_none_or_is_somebody_elses_opens_nothing(tmp_path: Path):
    ticket = tmp_path / "b.ticket"
    for text in ("{}", "hello", json.dumps({"cell": "x"})):
        ticket.write_text(text)
        command = [
            sys.executable,
            "-m",
            "hypervisor.cli",
            "cell",
            "--connect",
            "tcp://127.0.0.1:9",
            "--ticket",
            str(ticket),
        ]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert "is not a ticket of a cellvisor run" in done.stderr
        assert len(done.stderr.splitlines()) == 1


# By the command on both sides: the monitor says where to join.


class Far:
    """Cells that join, each as a process of its own in an empty directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.processes: list[subprocess.Popen[str]] = []

    def join(self, endpoint: str, ticket: Path) -> subprocess.Popen[str]:
        options = ["cell", "--connect", endpoint, "--ticket", str(ticket)]
        self.processes.append(alone("hypervisor.cli", *options, cwd=self.directory, stderr=subprocess.STDOUT))
        return self.processes[-1]

    def join_when_asked(self, endpoint: str, *tickets: Path) -> threading.Thread:
        """From another thread, since a launch waits for its cells."""

        def wait() -> None:
            for ticket in tickets:
                until(lambda ticket=ticket: ticket.exists() and ticket.stat().st_size > 0)  # type: ignore[misc]
                self.join(endpoint, ticket)

        thread = threading.Thread(target=wait)
        thread.start()
        return thread


@pytest.fixture
def far(tmp_path: Path) -> Iterator[Far]:
    (tmp_path / "elsewhere").mkdir()
    joined = Far(tmp_path / "elsewhere")
    yield joined
    for process in joined.processes:
        process.communicate(timeout=PATIENCE_S)


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{probe.getsockname()[1]}"


def test_a_remote_cell_that_dies_while_it_sleeps_is_noticed(live: Live, far: Far, tmp_path: Path) -> None:
    endpoint, ticket = free_port(), tmp_path / "sleeper.ticket"
    thread = far.join_when_asked(endpoint, ticket)
    run = live(cells(sleeper="listener", hog="hog"), remote=["sleeper"], listen=endpoint, ticket=ticket)
    thread.join()
    run.until("30ms")
    assert run.console("sleeper") == b"listening\n"
    (cell,) = psutil.Process(far.processes[0].pid).children(recursive=True)[1:]
    cell.kill()
    assert until(lambda: run.until(run.now + run.cycles("1ms")).why != "" and run.state("sleeper") == "failed")
    assert run.cell("sleeper").why == "killed"
    assert run.state("hog") == "running"


@pytest.mark.parametrize("flavour", ["l4", "okl4"])
def test_a_channel_leads_to_another_host_too(live: Live, far: Far, tmp_path: Path, flavour: str) -> None:
    endpoint, ticket = free_port(), tmp_path / "pong.ticket"
    thread = far.join_when_asked(endpoint, ticket)
    with live("ping", flavour=flavour, remote=["pong"], listen=endpoint, ticket=ticket) as run:
        thread.join()
        assert run.run().why == "finished"
        assert run.console("ping").endswith(b"checksum 24d036cc\n")
        assert run.trace_hash == live.hash("ping", flavour=flavour)


def test_a_ticket_of_another_run_opens_nothing_and_the_right_one_does(live: Live, far: Far, tmp_path: Path) -> None:
    endpoint, ticket = free_port(), tmp_path / "cell.ticket"

    def join() -> None:
        until(lambda: ticket.exists() and ticket.stat().st_size > 0)
        public, secret = zmq.curve_keypair()
        forged = json.loads(ticket.read_text()) | {"public_key": public.decode(), "secret_key": secret.decode()}
        (tmp_path / "forged.ticket").write_text(json.dumps(forged))
        wrong = far.join(endpoint, tmp_path / "forged.ticket")
        said.append((wrong.communicate()[0], wrong.returncode))
        far.join(endpoint, ticket)

    said: list[tuple[str, int]] = []
    thread = threading.Thread(target=join)
    thread.start()
    run = live(cells(cell="witness"), remote=["cell"], listen=endpoint, ticket=ticket)
    thread.join()
    assert run.until("100ms").why == "finished"
    assert run.console("cell") == what_a_witness_says()
    ((text, status),) = said
    assert status == 1
    assert text.splitlines() == [f"cellvisor: {endpoint}: {endpoint} does not accept this cell's key"]


def test_the_death_of_the_monitor_ends_the_remote_cell(far: Far, place: Path) -> None:
    (place / "far.toml").write_text(
        'name = "far"\nboard = "arm926"\n[cells.far]\nguest = "tests.support.guests:hog"\n'
        '[cells.near]\nguest = "tests.support.guests:listener"\n'
    )
    options = ["run", "far.toml", "--for", "9000s", "--remote", "far", "--ticket", "far.ticket"]
    monitor = alone("hypervisor.cli", *options, cwd=place, env={"XDG_RUNTIME_DIR": str(place)}, stderr=subprocess.PIPE)
    with monitor:
        assert monitor.stderr is not None
        endpoint = re.findall(r"--connect (\S+) --ticket", monitor.stderr.readline())[0]
        command = far.join(endpoint, place / "far.ticket")
        assert until(lambda: [*place.glob("cellvisor-*/address.json")] != [])
        family = psutil.Process(command.pid)
        pidfds = [os.pidfd_open(process.pid) for process in (family, *family.children(recursive=True))]
        assert len(pidfds) == 3  # the command, its zygote, the cell
        monitor.kill()
        assert gone(pidfds)
        for pidfd in pidfds:
            os.close(pidfd)
        assert until(lambda: not [*place.glob("cellvisor-*")])


class Thief:
    """Somebody with a cell's ticket and a program of his own. `routing_id`: what he calls himself, b"" for nothing."""

    def __init__(self, ticket: Path, endpoint: str, routing_id: bytes) -> None:
        stolen = json.loads(ticket.read_text())
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.linger = 1000
        if routing_id:
            self._socket.routing_id = routing_id
        self._socket.curve_serverkey = stolen["server_key"].encode()
        self._socket.curve_publickey = stolen["public_key"].encode()
        self._socket.curve_secretkey = stolen["secret_key"].encode()
        self._told = self._socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED)
        self._socket.connect(endpoint)

    def is_in(self) -> bool:
        """Whether the monitor's socket has accepted the key."""
        return bool(self._told.poll(0))

    def say(self, message: bytes) -> None:
        """Send it, to the last byte, and hang up."""
        for _ in range(3):
            self._socket.send(message)
        self._socket.disable_monitor()
        self._told.close(0)
        self._socket.close()
        self._context.term()  # waits for `linger` at most


@pytest.mark.parametrize("disguised", [False, True], ids=["in its own name", "in the other's name"])
def test_who_has_the_ticket_of_one_cell_cannot_speak_for_another(
    live: Live, far: Far, tmp_path: Path, disguised: bool
) -> None:
    endpoint, tickets = free_port(), [tmp_path / f"cell-{name}.ticket" for name in "ab"]
    thread = far.join_when_asked(endpoint, *tickets)
    table = cells(a="listener", b="listener", witness="witness")
    with live(table, remote=["a", "b"], listen=endpoint, ticket=tmp_path / "cell.ticket") as run:
        thread.join()
        run.until("20ms")
        hub = run._hub
        assert hub is not None
        a, b = (hub._peers[name] for name in "ab")
        assert b.routing_id
        thief = Thief(tickets[0], endpoint, b.routing_id if disguised else b"")
        assert until(lambda: hub.pump(5) or thief.is_in())
        thief.say(pack(Exit(run.cell("b").vcpu.seq + 1, ExitKind.SHUTDOWN, run.now + 1000, 0, NEVER)))
        until(lambda: hub.pump(5) or bool(a.inbox or b.inbox), 0.3)
        assert not b.inbox
        assert bool(a.inbox) is not disguised
        for name in "ab":
            run.type_text(name, "hello\n")
        run.until("100ms")
        assert (run.state("b"), run.console("b")) == ("shut down", b"listening\nheard hello\n")
        assert run.console("witness") == what_a_witness_says()
        assert run.state("a") == ("shut down" if disguised else "failed")
