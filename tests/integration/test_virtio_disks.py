"""Unmodified Debian kernels with virtio devices whose files and driver domains go wrong: errors stay where they belong."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from hypervisor.api import Run
from hypervisor.core.cell import CellState
from hypervisor.shell.inputs import InputKind
from tests.support.debians import MKE2FS, is_clean, need_disk_tools, need_guests
from tests.support.live import Live

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.guests]

MODULES = "virtio_mmio,virtio_blk,virtio_net,virtio_input,evdev,ext4"
DOMAIN = {"priority": 6, "on_crash": "restart", "max_restarts": 99}
MIB = 1 << 20


@pytest.fixture(autouse=True)
def guests() -> None:
    need_disk_tools()
    need_guests("debian:armmp", "debian:drivers", "debian:armhf")


def kernel(command: str, words: str = f"cellvisor.modules={MODULES}") -> dict[str, Any]:
    """A cell with Debian's kernel that runs a command and goes off."""
    append = f'quiet {words} cellvisor.run="{command}"'
    return {"kernel": "debian:armmp", "initrd": "debian:drivers", "append": append, "ram": "96MiB", "priority": 5}


def device(
    cells: dict[str, Any], disks: list[dict[str, Any]], channels: list[tuple[str, str, str]], **more: Any
) -> dict[str, Any]:
    """A topology under okl4. Nobody counts translations, which takes time."""
    joined = [
        {"name": f"link{place}", "between": [front, back], "class": kind}
        for place, (front, back, kind) in enumerate(channels)
    ]
    facts = {"name": "virtio", "board": "beagle", "flavour": "okl4", "vtlb": {"entries": 0}, "for": "300s"}
    return {**facts, "cells": cells, "disks": disks, "channels": joined, **more}


def ext4(path: Path, size: str = "8M", tree: Path | None = None) -> Path:
    """A file system with what is in a directory; the same content gives the same bytes."""
    name = "00000000-0000-4000-8000-000000000001"
    options = [
        "-q",
        "-t",
        "ext4",
        "-U",
        name,
        "-E",
        f"hash_seed={name},lazy_itable_init=0",
        *(["-d", str(tree)] if tree else []),
    ]
    times = {
        "E2FSPROGS_FAKE_TIME": "1700000000",
        "SOURCE_DATE_EPOCH": "1700000000",
        "PATH": "/usr/sbin:/sbin:/usr/bin:/bin",
    }
    subprocess.run([MKE2FS, *options, str(path), size], check=True, env=times)
    return path


def until(run: Run, cell: str, words: bytes, limit: str = "60s", step: str = "20ms") -> None:
    """Till a console says these words."""
    end = run.now + run.cycles(limit)
    while words not in run.console(cell):
        assert run.now < end, run.console(cell)[-800:]
        run.until(run.now + run.cycles(step))


def until_off(run: Run, cell: str, limit: str = "120s") -> str:
    """Till the cell has powered off; its console."""
    end = run.now + run.cycles(limit)
    while run.state(cell) is not CellState.SHUT_DOWN:
        assert run.now < end, run.console(cell)[-800:]
        run.until(run.now + run.cycles("50ms"))
    return run.console(cell).decode()


def test_a_disk_cut_short_and_one_that_nobody_can_write_are_io_errors_and_the_third_knows_nothing(
    live: Live, tmp_path: Path
) -> None:
    broken, good, fixed = tmp_path / "broken.img", ext4(tmp_path / "good.img"), ext4(tmp_path / "fixed.img")
    broken.write_bytes(bytes(range(256)) * (MIB // 32))
    before = fixed.read_bytes()
    command = (
        "mkdir /mnt; mount -t ext4 /dev/vdb /mnt; seq 1 100000 > /mnt/a; sync; md5sum < /mnt/a; "
        "dd if=/dev/vda bs=4096 count=16 skip=1000 of=/dev/null 2>/dev/null && echo whole; echo cut it; "
        "while dd if=/dev/vda bs=4096 count=16 skip=1000 of=/dev/null 2>/dev/null; do "
        "echo 3 > /proc/sys/vm/drop_caches; usleep 5000; done; echo short; "
        "dd if=/dev/zero of=/dev/vda bs=4096 seek=1000 count=1 conv=fsync 2>/dev/null || echo no write; "
        "dd if=/dev/zero of=/dev/vdc bs=4096 count=1 2>/dev/null || echo fixed; cat /sys/block/vdc/ro; "
        "cp /mnt/a /mnt/b; sync; echo 3 > /proc/sys/vm/drop_caches; md5sum < /mnt/b; umount /mnt"
    )
    storage = {"domain": "block", "devices": ["disk0", "disk1", "disk2"], **DOMAIN}
    disks = [
        {"name": "disk0", "file": str(broken)},
        {"name": "disk1", "file": str(good)},
        {"name": "disk2", "file": str(fixed), "write": False},
    ]
    # Several disks of one domain are one for each channel: the kernel finds three.
    run = live(device({"linux": kernel(command), "storage": storage}, disks, [("linux", "storage", "block")] * 3))
    until(run, "linux", b"cut it")
    os.truncate(broken, MIB)
    said = until_off(run, "linux")
    sums = re.findall(r"\b[0-9a-f]{32}\b", said)
    assert len(sums) == 2
    assert sums[0] == sums[1]
    for words in ("whole", "short", "no write", "fixed\r\n1", "I/O error, dev vda"):
        assert words in said, said
    assert "dev vdb" not in said
    assert "status 0" in run.cell("linux").why
    assert b"cut short" in run.console("storage")
    run.monitor.check_invariants()
    run.close()
    assert broken.stat().st_size == MIB
    assert is_clean(good)
    assert fixed.read_bytes() == before


STAGES = ("1900ms", "2900ms", "3000ms", "3100ms")
"""Before the drivers are there, while they find their devices, while the disk is mounted; with 23 ms steps all between."""
SEND = (
    "until [ -b /dev/vda ]; do usleep 10000; done; mount -t ext4 /dev/vda /root; ifconfig eth0 10.0.0.2 up; md5sum < /root/big; "
    "echo begin; until nc 10.0.0.1 5000 < /root/big; do usleep 100000; done; umount /root"
)
RECEIVE = (
    "until [ -b /dev/vda ]; do usleep 10000; done; mount -t ext4 /dev/vda /root; ifconfig eth0 10.0.0.1 up; "
    "nc -l -p 5000 > /root/got; sync; echo 3 > /proc/sys/vm/drop_caches; md5sum < /root/got; umount /root"
)


def talk(directory: Path, **more: Any) -> dict[str, Any]:
    """Two kernels: one sends a file from its disk to the other's."""
    directory.mkdir()
    tree = directory / "tree"
    tree.mkdir()
    (tree / "big").write_bytes(bytes(range(251)) * 8192)
    os.utime(tree / "big", (1_700_000_000, 1_700_000_000))
    os.utime(tree, (1_700_000_000, 1_700_000_000))
    images = ext4(directory / "sender.img", "16M", tree), ext4(directory / "receiver.img", "16M")
    disks = [{"name": f"disk{number}", "file": str(image)} for number, image in enumerate(images)]
    cells = {
        "sender": kernel(SEND),
        "receiver": kernel(RECEIVE),
        "storage": {"domain": "block", "devices": ["disk0", "disk1"], **DOMAIN},
        "netdom": {"domain": "net", **DOMAIN},
    }
    channels = [
        (cell, back, kind)
        for back, kind in (("storage", "block"), ("netdom", "net"))
        for cell in ("sender", "receiver")
    ]
    return device(cells, disks, channels, **more)


def sums_of(run: Run) -> set[str]:
    """What both consoles say."""
    return {
        found
        for cell in ("sender", "receiver")
        for found in re.findall(r"\b[0-9a-f]{32}\b", run.console(cell).decode())
    }


def retried(run: Run) -> int:
    """Requests that had to be asked again, by the account."""
    accounts = [run.cell(cell).account.metrics for cell in ("sender", "receiver")]
    return sum(account["retried"][3] for account in accounts if "retried" in account)


def test_driver_domains_killed_at_every_stage_under_load_cost_no_byte_and_no_difference_between_transports(
    live: Live, tmp_path: Path
) -> None:
    hashes, asked_again = set(), set()
    for link in ("shm", "zmq"):
        run = live(talk(tmp_path / link), link=link)
        for stage in STAGES:  # connect
            run.until(stage)
            for victim in ("storage", "netdom", "storage"):
                run.until(run.now + run.cycles("23ms"))
                run.kill(victim)
        until(run, "sender", b"begin")
        for _ in range(12):  # transfer
            for victim in ("storage", "netdom"):
                run.until(run.now + run.cycles("31ms"))
                run.kill(victim)
        while CellState.SHUT_DOWN not in (run.state("sender"), run.state("receiver")):  # disconnect
            run.until(run.now + run.cycles("97ms"))
            run.kill("storage")
            assert run.now < run.cycles("120s"), (run.console("sender")[-400:], run.console("receiver")[-400:])
        until_off(run, "sender")
        until_off(run, "receiver")
        assert len(sums_of(run)) == 1
        assert all("status 0" in run.cell(cell).why for cell in ("sender", "receiver"))
        assert "I/O error" not in run.console("sender").decode() + run.console("receiver").decode()
        assert retried(run) > 0
        asked_again.add(retried(run))
        run.monitor.check_invariants()
        hashes.add(run.trace.digest())
        run.close()
        assert is_clean(tmp_path / link / "sender.img")
        assert is_clean(tmp_path / link / "receiver.img")
    assert len(hashes) == 1
    assert len(asked_again) == 1


@pytest.mark.parametrize("cores", [1, 2])
def test_two_kernels_that_share_driver_domains_are_the_same_run_each_time_over_both_transports(
    live: Live, tmp_path: Path, cores: int
) -> None:
    hashes = set()
    for number, link in enumerate(("shm", "zmq", "shm")):
        run = live(talk(tmp_path / f"{number}"), link=link, overrides=[f"board.cores={cores}"])
        until_off(run, "sender")
        until_off(run, "receiver")
        assert len(sums_of(run)) == 1
        hashes.add(run.trace.digest())
        run.close()
    assert len(hashes) == 1


def test_an_operator_powers_a_debian_off_and_reboots_it_by_its_power_key(live: Live, tmp_path: Path) -> None:
    words = "cellvisor.modules=drivers cellvisor.root=disk"
    linux = kernel("", words) | {"append": f"quiet {words}"}
    storage = {"domain": "block", "devices": ["disk0"], **DOMAIN}
    disk = [{"name": "disk0", "file": "debian:armhf"}]
    run = live(
        device({"linux": linux, "storage": storage}, disk, [("linux", "storage", "block")]), out=tmp_path / "run"
    )
    run.until("1s")
    assert "no driver for its power key" in run.monitor.mechanism.deaf(run.cell("linux"), "shutdown")
    until(run, "linux", b"~# ")
    run.until(run.now + run.cycles("3s"))
    assert run.console("linux").count(b"shell ready") == 1, "one shell, however long nobody types"
    run.type_text("linux", "echo kept > /root/note; python3 -c 'print(6 * 7 * 1000)'\n")
    until(run, "linux", b"\n42000", "5s")
    order(run, InputKind.REBOOT)
    until(run, "linux", b"Restarting system")
    seen = len(run.console("linux"))
    while b"~# " not in run.console("linux")[seen:]:
        run.until(run.now + run.cycles("50ms"))
    assert run.cell("linux").account.restarts == 1
    run.type_text("linux", "cat /root/note\n")
    until(run, "linux", b"\nkept")
    order(run, InputKind.SHUTDOWN)
    until_off(run, "linux")
    assert run.cell("linux").why == "status 0"
    run.close()
    assert is_clean(tmp_path / "run" / "disks" / "disk0.img")


def order(run: Run, what: InputKind) -> None:
    """As `cellvisor shutdown linux`."""
    assert run.monitor.mechanism.deaf(run.cell("linux"), str(what.value)) == ""
    run._order(what, "linux")
