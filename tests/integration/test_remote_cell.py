"""A cell that joins over TCP from another directory: the same trace, noticed when it dies, and only with its own ticket."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from hypervisor import launch
from hypervisor.api import Run
from tests.support.live import ROOT, until

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
        thing.close() if isinstance(thing, Run) else thing.wait(10)


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
    assert process.wait(10) == 0


def test_the_death_of_a_remote_cell_is_noticed_and_the_others_go_on(joined: Callable[[str], Joined]):
    run, process = joined("far")
    run.until("5ms")
    for child in psutil.Process(process.pid).children(recursive=True):
        child.send_signal(signal.SIGKILL)
    process.wait(10)
    assert until(lambda: run.until(run.now + run.cycles("1ms")).why != "" and run.state("far") == "failed")
    assert run.until("90ms").why == "finished"
    assert run.cell("far").why == "killed"
    assert run.state("near") == "shut down"


def test_the_end_of_the_monitor_ends_the_remote_cell(joined: Callable[[str], Joined]):
    run, process = joined("far")
    run.until("5ms")
    run._hub.close()  # type: ignore[union-attr]  as far as the cell can see, the monitor is gone
    assert process.wait(10) in (0, 1)
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
