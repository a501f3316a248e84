"""A disk that is a file of the host, in real processes: what is written stays in it, whoever dies meanwhile."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from hypervisor.api import launch
from hypervisor.shell.topology import load

pytestmark = pytest.mark.slow

KIBIBYTES = 32
CONTENT = random.Random(1).randbytes(KIBIBYTES << 10)
SCRIPT = [{"at": time, "order": "kill", "cell": "storage"} for time in ("2ms", "5ms")]


def run_once(directory: Path, flavour: str, **disk: object) -> str:
    """The client copies its file while its driver domain is killed twice; the hash of the trace."""
    cells = {
        "client": {"guest": "cells.programs.copy_file:main", "args": [KIBIBYTES], "priority": 5},
        "storage": {"domain": "block", "devices": ["disk0"], "priority": 4, "on_crash": "restart"},
    }
    entry = {"name": "disk0", "file": "disk.img", "size": "1MiB"} | disk
    channels = [{"between": ["client", "storage"], "class": "block"}]
    data = {"name": "t", "board": "beagle", "cells": cells, "channels": channels, "disks": [entry], "inputs": SCRIPT}
    with launch(load(data, flavour=flavour, directory=directory)) as run:
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


def test_runs_on_copies_are_the_same_run(tmp_path: Path) -> None:
    hashes = {run_once(tmp_path, "okl4", copy=True) for _ in range(2)}
    assert len(hashes) == 1
    assert not (tmp_path / "disk.img").exists()
