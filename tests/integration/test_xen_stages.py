"""A back end killed at every exit of its life: while it connects, serves, and lets go of a front end in an unmodified kernel.

Each life of the driver domain ends at its n-th exit to the monitor, n = 1, 2, 3, ...: whatever it does by hypercalls is cut there
once. What stages that were is taken from the trace. The guest writes all the while, or closes and connects again.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from hypervisor.abi.faults import Armed
from hypervisor.api import Run
from hypervisor.core.cell import CellState
from tests.support.debians import PROMPT, Debians, advance, asked, is_clean, until_it_says
from tests.support.live import Live

pytestmark = [pytest.mark.slow, pytest.mark.long]

LINKS = pytest.mark.parametrize("link", ["shm", "zmq"])
BACK: dict[str, Any] = {"priority": 5, "on_crash": "restart", "max_restarts": 999}
STAGES = {
    "store": "it looks for its front end and says how far it is",
    "map": "it maps",
    "notify": "it binds and rings",
}
"""Kinds of records of which one at least stands between the births and the deaths."""


@pytest.fixture
def debians(tmp_path: Path) -> Debians:
    return Debians(tmp_path)


def dies_at(run: Run, cell: str, visit: int) -> None:
    """The cell begins anew, and that life ends at its `visit`-th exit."""
    lives = run.cell(cell).account.restarts
    run.inject(cell, Armed("perish", point="core.exit", visit=visit))
    end = run.now + run.cycles("3s")
    while run.cell(cell).account.restarts == lives:
        assert run.now < end, f"{cell} has not come to its exit {visit}"
        advance(run, "1ms")
    run.monitor.check_invariants()


def stages(directory: Path, cell: str) -> list[set[str]]:
    """Of each life of a cell: what is said of it in the trace."""
    lives: list[set[str]] = []
    with (directory / "trace.jsonl").open() as trace:
        for line in trace:
            record = json.loads(line)
            if record.get("cell") == cell:
                if record["k"] == "start":
                    lives.append(set())
                lives[-1].add(record["k"])
    return lives


WRITES = (
    "until [ -b /dev/xvda ]; do usleep 10000; done; mount /dev/xvda /root; echo beg''in; i=0; while [ ! -e /tmp/stop ]; do "
    "i=$((i+1)); dd if=/root/big of=/root/c$((i%4)) bs=64k 2>/dev/null; sync; echo 3 > /proc/sys/vm/drop_caches; done &"
)


@LINKS
def test_a_storage_domain_dies_at_each_exit_of_its_life_and_no_byte_is_lost(
    live: Live, debians: Debians, link: str, tmp_path: Path
) -> None:
    image = debians.ext4("disk.img", {"big": bytes(range(256)) * 2048})
    cells = {
        "linux": debians.kernel("cellvisor.modules=xen_blkfront,ext4"),
        "storage": BACK | {"domain": "block", "devices": ["disk0"]},
    }
    table = debians.table(cells, ("block", "linux", "storage"), disks={"disk0": str(image)})
    run = live(table, link=link, out=tmp_path / "run")
    until_it_says(run, "linux", PROMPT)
    run.type_text("linux", WRITES + "\n")
    until_it_says(run, "linux", b"begin")
    deaths = range(1, 61)
    for visit in deaths:
        dies_at(run, "storage", visit)
    asked(run, "linux", "touch /tmp/stop; wait; sync; echo 3 > /proc/sys/vm/drop_caches")
    said = asked(run, "linux", "md5sum /root/big /root/c0 /root/c1 /root/c2 /root/c3; umount /root")
    sums = re.findall(r"([0-9a-f]{32})  /root/(\w+)", said)
    assert [name for _, name in sums] == ["big", "c0", "c1", "c2", "c3"]
    assert len({digest for digest, _ in sums}) == 1
    assert b"I/O error" not in run.console("linux")
    assert run.cell("storage").account.restarts == len(deaths)
    retried = run.cell("linux").account.metrics["retried"]
    assert 0 < retried[3] <= len(deaths)
    run.close()
    assert is_clean(image)
    lives = stages(tmp_path / "run", "storage")
    assert all(any(kind in life for life in lives) for kind in STAGES)
    assert any("map" not in life for life in lives), "some died before they had mapped anything"


@LINKS
def test_a_net_domain_dies_at_each_exit_while_the_front_end_connects_and_closes(
    live: Live, debians: Debians, link: str
) -> None:
    cells = {
        "linux": debians.kernel("cellvisor.modules=xen_netfront"),
        "other": debians.kernel("cellvisor.modules=xen_netfront", run="ifconfig eth0 10.0.0.2 up; sleep 99999"),
        "netdom": BACK | {"domain": "net"},
    }
    run = live(debians.table(cells, ("net", "linux", "netdom"), ("net", "other", "netdom")), link=link)
    until_it_says(run, "linux", PROMPT)
    until_it_says(run, "other", b"cellvisor: run")
    talk = "ifconfig eth0 10.0.0.1 up; until ping -c 1 10.0.0.2 > /dev/null; do true; done; echo con''nected"
    again = f"modprobe -r xen_netfront; modprobe xen_netfront; until [ -e /sys/class/net/eth0 ]; do usleep 10000; done; {talk}"
    asked(run, "linux", talk)
    asked(run, "linux", "(while true; do ping -q -c 9 -i 0.01 10.0.0.2 > /dev/null 2>&1 || usleep 10000; done) & true")
    for number, visit in enumerate(range(1, 80, 3)):
        run.type_text("linux", again + "\n")
        advance(run, f"{number % 7}ms")
        dies_at(run, "netdom", visit)
        until_it_says(run, "linux", b"connected", number + 2)
    assert run.state("other") is not CellState.SHUT_DOWN
    assert "0% packet loss" in asked(run, "linux", "ping -c 3 10.0.0.2")


@LINKS
def test_a_storage_domain_dies_at_each_exit_while_a_disk_is_taken_away(live: Live, debians: Debians, link: str) -> None:
    """The guest's driver lets go of the disk (closing, closed); then the toolstack attaches it anew."""
    image = debians.ext4("disk.img", {"big": b"content"})
    cells = {
        "linux": debians.kernel("cellvisor.modules=xen_blkfront,ext4"),
        "storage": BACK | {"domain": "block", "devices": ["disk0"]},
    }
    run = live(debians.table(cells, ("block", "linux", "storage"), disks={"disk0": str(image)}), link=link)
    until_it_says(run, "linux", PROMPT)
    hypervisor: Any = run.monitor.mechanism
    (device,) = hypervisor.toolstack.devices
    lets_go = "echo vbd-51712 > /sys/bus/xen/drivers/vbd/unbind"
    for visit in range(1, 15):
        asked(
            run, "linux", "until [ -b /dev/xvda ]; do usleep 10000; done; mount -t ext4 /dev/xvda /root; umount /root"
        )
        run.inject("storage", Armed("perish", point="core.exit", visit=visit))
        asked(run, "linux", lets_go)
        advance(run, "20ms")
        hypervisor.store.remove(0, device.front_path)
        hypervisor.daemon.catch_up()
        advance(run, "20ms")
        hypervisor.toolstack._front(device, 1)
        hypervisor.daemon.catch_up()
        run.monitor.check_invariants()
    assert "content" in asked(run, "linux", "until mount -t ext4 /dev/xvda /root; do usleep 10000; done; cat /root/big")
    asked(run, "linux", "umount /root")
    assert run.cell("storage").account.restarts > 5
    run.close()
    assert is_clean(image)
