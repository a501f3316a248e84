"""Unmodified Debian kernels with disks and networks from driver cells that die: nothing is lost, and the host's tools agree."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from hypervisor.api import Run
from hypervisor.core.cell import CellState
from tests.support.debians import MKE2FS, is_clean, need_disk_tools, need_guests
from tests.support.live import Live

pytestmark = [pytest.mark.slow, pytest.mark.long]

CHANNEL = {"between": ["linux", "storage"], "class": "block"}
STORAGE = {"domain": "block", "devices": ["disk0"], "priority": 5, "on_crash": "restart", "max_restarts": 99}


@pytest.fixture(autouse=True)
def guests() -> None:
    need_disk_tools()
    need_guests("debian:armmp", "debian:drivers", "debian:armhf")


def kernel(command: str, *, ram: str = "128MiB") -> dict[str, Any]:
    """A cell with Debian's kernel that runs a command and goes off."""
    words = f'quiet cellvisor.modules=xen_blkfront,xen_netfront,ext4 cellvisor.run="{command}"'
    return {"kernel": "debian:armmp", "initrd": "debian:drivers", "append": words, "ram": ram}


def until_off(run: Run, cell: str, limit: str) -> bytes:
    """Till the cell has powered off; its console."""
    end, step = run.cycles(limit), run.cycles("100ms")
    while run.state(cell) is not CellState.SHUT_DOWN:
        assert run.now < end, run.console(cell)[-500:]
        run.until(run.now + step)
    return run.console(cell)


def test_a_storage_domain_killed_at_each_stage_of_the_load_costs_no_byte(live: Live, tmp_path: Path) -> None:
    tree, image = tmp_path / "tree", tmp_path / "disk.img"
    tree.mkdir()
    (tree / "big").write_bytes(bytes(range(256)) * 8192)
    subprocess.run([MKE2FS, "-q", "-t", "ext4", "-d", str(tree), str(image), "32M"], check=True)
    command = (
        "until [ -b /dev/xvda ]; do usleep 10000; done; mount -t ext4 /dev/xvda /root; echo begin; "
        "for i in 1 2 3; do cp /root/big /root/c$i; sync; done; echo 3 > /proc/sys/vm/drop_caches; "
        "md5sum /root/big /root/c*; umount /root"
    )
    table = {
        "name": "killed",
        "board": "beagle",
        "flavour": "xen",
        "cells": {"linux": kernel(command), "storage": STORAGE},
        "disks": [{"name": "disk0", "file": str(image)}],
        "channels": [CHANNEL],
    }
    run = live(table)
    while b"begin" not in run.console("linux"):
        assert run.now < run.cycles("30s"), run.console("linux")[-500:]
        run.until(run.now + run.cycles("20ms"))
    while run.cell("storage").account.restarts < 12:
        run.until(run.now + run.cycles("23ms"))
        run.kill("storage")
    sums = re.findall(rb"([0-9a-f]{32})  /root/(\w+)", until_off(run, "linux", "60s"))
    assert [name for _, name in sums] == [b"big", b"c1", b"c2", b"c3"]
    assert len({digest for digest, _ in sums}) == 1
    assert b"I/O error" not in run.console("linux")
    assert run.monitor.ledger.counted("linux", "retried"), "the account says what was asked again"
    run.monitor.check_invariants()
    run.close()
    assert is_clean(image)


def test_debian_starts_from_its_disk_runs_python_and_leaves_a_clean_file_system(live: Live, tmp_path: Path) -> None:
    command = "python3 -c 'print(6 * 7 * 1000)'; cat /etc/debian_version > /root/note; mount | grep xvda"
    cell = kernel(command) | {
        "append": f'quiet cellvisor.modules=drivers cellvisor.root=disk cellvisor.run="{command}"'
    }
    table = {
        "name": "debian",
        "board": "beagle",
        "flavour": "xen",
        "cells": {"linux": cell, "storage": STORAGE},
        "disks": [{"name": "disk0", "file": "debian:armhf"}],
        "channels": [CHANNEL],
    }
    run = live(table, out=tmp_path / "run")
    said = until_off(run, "linux", "60s")
    assert b"42000" in said
    assert b"/dev/xvda on / type ext4 (rw" in said
    run.close()
    assert is_clean(tmp_path / "run" / "disks" / "disk0.img")


def test_two_kernels_send_a_file_over_tcp_through_a_switch_that_dies(live: Live) -> None:
    receive = "ifconfig eth0 10.0.0.1 up; nc -l -p 5000 > got; md5sum got"
    send = "ifconfig eth0 10.0.0.2 up; md5sum /bin/busybox; until nc 10.0.0.1 5000 < /bin/busybox; do sleep 1; done"
    table = {
        "name": "talk",
        "board": "beagle",
        "flavour": "xen",
        "cells": {
            "receiver": kernel(receive, ram="96MiB"),
            "sender": kernel(send, ram="96MiB"),
            "netdom": {"domain": "net", "priority": 5, "on_crash": "restart", "max_restarts": 99},
        },
        "channels": [{"between": [cell, "netdom"], "class": "net"} for cell in ("receiver", "sender")],
    }
    run = live(table)
    while b"busybox" not in run.console("sender").partition(b"cellvisor: run")[2]:
        assert run.now < run.cycles("40s"), run.console("sender")[-500:]
        run.until(run.now + run.cycles("50ms"))
    run.until(run.now + run.cycles("20ms"))
    run.kill("netdom")
    sent = re.search(rb"([0-9a-f]{32})  /bin/busybox", until_off(run, "sender", "120s"))
    got = re.search(rb"([0-9a-f]{32})  got", until_off(run, "receiver", "120s"))
    assert sent
    assert got
    assert sent[1] == got[1]
    assert run.cell("netdom").account.restarts == 1
    run.monitor.check_invariants()
