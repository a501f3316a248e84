"""A disk that is a file of the host, in real processes: what is written stays in it, whoever dies meanwhile."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from hypervisor.api import launch
from hypervisor.shell.topology import load

pytestmark = pytest.mark.slow

KIBIBYTES = 32
CONTENT = random.Random(1).randbytes(KIBIBYTES << 10)
SCRIPT = [{"at": time, "order": "kill", "cell": "storage"} for time in ("2ms", "5ms")]


def table(script: list[dict[str, str]] = SCRIPT, **disk: object) -> dict[str, object]:
    """A client that copies its file, a driver domain with a disk, and what befalls it."""
    cells = {
        "client": {"guest": "cells.programs.copy_file:main", "args": [KIBIBYTES], "priority": 5},
        "storage": {"domain": "block", "devices": ["disk0"], "priority": 4, "on_crash": "restart"},
    }
    entry = {"name": "disk0", "file": "disk.img", "size": "1MiB"} | disk
    channels = [{"between": ["client", "storage"], "class": "block"}]
    return {"name": "t", "board": "beagle", "cells": cells, "channels": channels, "disks": [entry], "inputs": script}


def run_once(directory: Path, flavour: str, link: str = "shm", **disk: object) -> str:
    """The client copies its file while its driver domain is killed twice; the hash of the trace."""
    with launch(load(table(**disk), flavour=flavour, directory=directory), link=link) as run:
        run.until("200ms")
        assert b"copied 32 KiB" in run.console("client")
        assert run.cell("storage").account.restarts == 2
        return run.trace_hash


@pytest.mark.parametrize("flavour", ["okl4", "l4", "xen"])
def test_a_disks_file_holds_both_copies_whoever_was_killed(flavour: str, tmp_path: Path) -> None:
    run_once(tmp_path, flavour)
    content = (tmp_path / "disk.img").read_bytes()
    assert len(content) == 1 << 20
    assert content.count(CONTENT) == 2


def test_runs_on_copies_are_the_same_run_over_both_transports(tmp_path: Path) -> None:
    hashes = {run_once(tmp_path, "okl4", link, copy=True) for link in ("shm", "zmq")}
    assert len(hashes) == 1
    assert not (tmp_path / "disk.img").exists()


def test_a_file_that_is_cut_short_while_it_is_used_costs_its_clients_a_disk_and_nobody_else_anything(
    tmp_path: Path,
) -> None:
    with launch(load(table([]), directory=tmp_path)) as run:
        run.until("2ms")
        os.truncate(tmp_path / "disk.img", 4096)
        run.until("200ms")
        assert "IO_ERROR" in run.cell("client").why
        assert run.cell("storage").account.restarts == 1
        assert b"cut short" in run.console("storage")
        run.monitor.check_invariants()
