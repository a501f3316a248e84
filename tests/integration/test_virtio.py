"""Virtual devices of kernels that are no guests of ours: a hostile driver beside a witness, and Debian's own drivers."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cells.split.block.front import BlockDevice
from hypervisor.api import Run
from hypervisor.core.cell import CellState
from tests.support.live import Live

LINKS = pytest.mark.parametrize("link", ["shm", "zmq"])


def witness(port):
    """Writes its own part of the disk, and reads it until the crook is done."""
    disk = BlockDevice(port.connections, "storage", port)
    mine = bytes(range(256)) * 16
    disk.write(0, mine)
    for _ in range(20):
        port.sleep("1ms")
        assert disk.read(0, len(mine) // disk.sector_size) == mine
    port.print("mine is mine")


def attacked(do: str = "crimes") -> dict[str, Any]:
    crook = {"image": "hostile_virtio", "virtio": True, "args": f"do={do}", "ram": "256KiB", "priority": 5}
    cells = {
        "crook": crook,
        "witness": {"guest": f"{__name__}:witness", "priority": 5},
        "storage": {"domain": "block", "priority": 6, "on_crash": "restart"},
    }
    channels = [{"between": [name, "storage"], "class": "block"} for name in ("crook", "witness")]
    return {"name": "attacked", "board": "beagle", "flavour": "okl4", "cells": cells, "channels": channels}


@pytest.mark.slow
def test_every_crime_of_a_virtio_driver_costs_it_its_device_and_nobody_else_anything(live: Live) -> None:
    hashes = set()
    for link in ("shm", "zmq", "shm"):
        run = live(attacked(), link=link)
        run.until("60ms")
        said = run.console("crook").decode()
        assert "unnoticed: 0" in said
        assert said.count("needs a reset") > 25
        assert "a decent request after it" not in said
        assert "nothing was written later" in said
        assert run.console("witness") == b"mine is mine\n"
        assert run.monitor.cells[0].state is CellState.SHUT_DOWN
        run.monitor.check_invariants()
        hashes.add(run.trace.digest())
    assert len(hashes) == 1, "same run, same trace, over both transports"


@pytest.mark.slow
def test_traps_and_virtual_interrupts_are_charged_by_their_names(live: Live) -> None:
    run = live(attacked("speed"))
    run.until("60ms")
    ledger, costs = run.monitor.ledger, run.monitor.costs
    raised = ledger.counted("crook", "virq")
    assert raised == 101, "one for each request, and one for the first"
    assert ledger.cycles("crook", "virq") == raised * costs.virq
    exits = run.cell("crook").account.exits
    traps = exits["read"] + exits["write"]
    assert ledger.cycles("crook", "device_exit") == traps * costs.device_exit


@pytest.mark.slow
def test_whoever_dies_meanwhile_the_driver_reads_on(live: Live) -> None:
    table = attacked("speed")
    table["cells"]["crook"] |= {"on_crash": "restart", "args": "do=speed times=200"}
    run = live(table)
    run.plan_kill("storage", "600us")
    run.until("1200us")
    assert run.console("crook") == b"", "it is in the middle of it"
    run.kill("crook")
    run.until("60ms")
    assert run.console("crook") == b"read 200 times, 0 failed\r\n"
    assert (run.cell("storage").account.restarts, run.cell("crook").account.restarts) == (1, 1)
    assert run.cell("crook").account.metrics["retried"][0] == 1, "the account says what was asked again"


def two_drivers(link: str, live: Live, cores: int) -> str:
    """Two kernels' drivers on one domain that dies; the hash of the trace."""
    table = attacked()
    facts = {"image": "hostile_virtio", "virtio": True, "ram": "256KiB", "priority": 5}
    table["cells"] = {
        "one": {**facts, "args": "do=speed times=60 bytes=16384"},
        "other": {**facts, "args": "do=speed times=40 bytes=8192"},
        "storage": {"domain": "block", "priority": 6, "on_crash": "restart"},
    }
    table["channels"] = [{"between": [name, "storage"], "class": "block"} for name in ("one", "other")]
    run = live(table, link=link, overrides=[f"board.cores={cores}"])
    run.plan_kill("storage", "2ms")
    run.until("400ms")
    assert [run.console(name) for name in ("one", "other")] == [
        b"read 60 times, 0 failed\r\n",
        b"read 40 times, 0 failed\r\n",
    ]
    assert run.cell("storage").account.restarts == 1
    run.monitor.check_invariants()
    run.close()
    return run.trace_hash


@pytest.mark.slow
def test_two_drivers_on_two_cores_are_the_same_run_over_both_transports(live: Live) -> None:
    assert len({two_drivers(link, live, 2) for link in ("shm", "zmq")}) == 1


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("cores", [1, 2])
def test_ten_runs_over_both_transports_are_one(live: Live, cores: int) -> None:
    assert len({two_drivers(link, live, cores) for link in ("shm", "zmq") * 5}) == 1


# ---- Debian


def debian(commands: str, disk: Path) -> dict[str, Any]:
    """A kernel that runs a line of shell, and has a disk."""
    append = f'quiet cellvisor.modules=virtio_mmio,virtio_blk,ext4 cellvisor.run="{commands}"'
    linux = {"kernel": "debian:armmp", "initrd": "debian:drivers", "append": append, "ram": "96MiB", "priority": 5}
    storage = {"domain": "block", "priority": 6, "ram": "8MiB", "devices": ["disk0"], "on_crash": "restart"}
    return {
        "name": "virtio",
        "board": "beagle",
        "flavour": "okl4",
        "vtlb": {"entries": 0},
        "cells": {"linux": linux, "storage": storage},
        "disks": [{"name": "disk0", "file": str(disk), "size": "8MiB"}],
        "channels": [{"between": ["linux", "storage"], "class": "block"}],
    }


UUID, AT = (
    "00000000-0000-4000-8000-000000000001",
    {"E2FSPROGS_FAKE_TIME": "1700000000", "PATH": "/usr/sbin:/sbin:/usr/bin:/bin"},
)
"""So that both disks are the same."""
COPY = (
    "mkdir /mnt; mount -t ext4 /dev/vda /mnt; seq 1 200000 | head -c 1048576 > /tmp/a; md5sum < /tmp/a; cp /tmp/a /mnt/a; sync;"
    " umount /mnt; mount -t ext4 /dev/vda /mnt; md5sum < /mnt/a; umount /mnt"
)


MIDDLE = 60
"""Calls of the disk's domain by which the file system is mounted, and a part of the file has been written."""


def sums(run: Run) -> list[str]:
    return re.findall(r"\b[0-9a-f]{32}\b", run.console("linux").decode())


@pytest.mark.long
@pytest.mark.guests
@pytest.mark.skipif(not shutil.which("mke2fs"), reason="needs e2fsprogs")
def test_debian_reads_what_it_wrote_though_the_disks_domain_was_killed_in_the_middle(
    live: Live, tmp_path: Path
) -> None:
    hashes = []
    for link in ("shm", "zmq"):
        disk = tmp_path / f"{link}.img"
        subprocess.run(
            ["mke2fs", "-q", "-t", "ext4", "-U", UUID, "-E", f"hash_seed={UUID}", str(disk), "8M"], check=True, env=AT
        )
        run = live(debian(COPY, disk), link=link)
        run.until("2s")
        while run.cell("storage").account.exits["hypercall"] < MIDDLE:
            assert b"ended" not in run.console("linux"), "it was to be killed before"
            run.until(run.now + run.cycles("1ms"))
        run.kill("storage")
        while b"ended" not in run.console("linux"):
            run.until(run.now + run.cycles("100ms"))
        found = sums(run)
        assert len(found) == 2 and found[0] == found[1], run.console("linux").decode()
        assert "status 0" in run.console("linux").decode()
        assert run.cell("storage").account.restarts == 1
        hashes.append(run.trace.digest())
        run.close()
        subprocess.run(["e2fsck", "-f", "-n", str(disk)], check=True)
    assert hashes[0] == hashes[1]


@pytest.mark.long
@pytest.mark.guests
def test_two_debians_on_virtio_disks_send_a_file_over_tcp(live: Live) -> None:
    run = live("two_debians_talk", flavour="okl4", overrides=["vtlb.entries=0"])
    names = ("sender", "receiver")
    while not all(b"ended" in run.console(name) for name in names) and run.now < run.cycles("60s"):
        run.until(run.now + run.cycles("500ms"))
    found = {re.search(rb"\b[0-9a-f]{32}\b", run.console(name)) for name in names}
    assert None not in found, [run.console(name) for name in names]
    assert len({match[0] for match in found if match}) == 1
