"""Debian's unmodified armmp kernel as a Xen guest, and as the driver domain of another one: each in its process, in lock step."""

from __future__ import annotations

import hashlib
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from hypervisor.api import Run
from hypervisor.core.cell import CellState
from hypervisor.core.xen import XenHypervisor
from hypervisor.shell.guests import GuestMissing, resolve
from tests.support.live import ROOT, Live

pytestmark = [pytest.mark.slow, pytest.mark.long]

STEP, LIMIT = "100ms", "40s"
PROMPT = b"# "


@pytest.fixture(autouse=True)
def guests() -> None:
    try:
        for name in ("debian:armmp", "debian:busybox", "debian:drivers"):
            resolve(name, None if name == "debian:armmp" else "armhf")
    except GuestMissing as missing:
        pytest.skip(str(missing))


def domu(append: str = "") -> dict[str, Any]:
    """A kernel alone, with nothing but its console."""
    linux = {"kernel": "debian:armmp", "initrd": "debian:busybox", "append": append, "ram": "64MiB"}
    return {"name": "domu", "board": "beagle", "flavour": "xen", "cells": {"linux": linux}}


def until_it_says(run: Run, cell: str, text: bytes) -> None:
    """Go on until something stands on a console."""
    end, step = run.cycles(LIMIT), run.cycles(STEP)
    while text not in run.console(cell):
        assert run.now < end, run.console(cell)[-500:]
        assert run.until(run.now + step).why != "finished", run.cell(cell).why


def asked(run: Run, cell: str, command: str) -> bytes:
    """Type a command at a shell; what it says."""
    begin = len(run.console(cell))
    mark = b"done-%d" % begin
    run.type_text(cell, f"{command}; echo do''ne-{begin}\n")
    until_it_says(run, cell, mark)
    return run.console(cell)[begin:]


def test_a_kernel_boots_as_a_domu_reboots_hears_of_requests_and_powers_off(live: Live) -> None:
    run = live(domu())
    until_it_says(run, "linux", PROMPT)
    assert b"Xen 4.17 support found" in run.console("linux")
    assert b"Grant tables using version 1 layout" in run.console("linux")
    assert b"\nxen" in asked(run, "linux", "cat /sys/hypervisor/type").replace(b"\r", b"")
    assert re.search(rb"GIC-0 +31 Level +events", asked(run, "linux", "cat /proc/interrupts"))
    mechanism = run.monitor.mechanism
    assert isinstance(mechanism, XenHypervisor)
    control = "/local/domain/1/control/shutdown"
    assert mechanism.ask(run.cell("linux"), "shutdown") == ""
    assert mechanism.store.read(0, control) == b"poweroff"
    run.until(run.now + run.cycles("500ms"))
    assert mechanism.store.read(0, control) == b"", "the kernel has taken the request"
    run.type_text("linux", "reboot -f\n")
    while not run.cell("linux").account.restarts:
        run.until(run.now + run.cycles(STEP))
    seen = run.console("linux").count(b"Booting Linux")
    run.until(run.now + run.cycles("4s"))
    assert run.console("linux").count(b"Booting Linux") == seen + 1
    run.monitor.check_invariants()


def test_power_off_is_the_end_of_the_domain(live: Live) -> None:
    run = live(domu('cellvisor.run="poweroff -f"'))
    assert run.until(LIMIT).why == "finished"
    assert run.state("linux") is CellState.SHUT_DOWN
    assert b"reboot: Power down" in run.console("linux")


def served(live: Live, directory: Path, link: str) -> tuple[str, str]:
    """The content of a disk that goes through two unmodified kernels and a driver cell: as read back, and the run's hash."""
    table = tomllib.loads((ROOT / "boards/topologies/xen_driver_domain.toml").read_text())
    table["disks"][0] |= {"file": str(directory / f"{link}.img"), "copy": False}
    run = live(table, link=link)
    until_it_says(run, "linux", PROMPT)
    until_it_says(run, "driver", b"serving")
    asked(
        run,
        "linux",
        "while [ ! -b /dev/xvda ]; do usleep 10000; done; dd if=/bin/busybox of=/dev/xvda bs=64k count=8; sync",
    )
    said = asked(run, "linux", "echo 3 > /proc/sys/vm/drop_caches; dd if=/dev/xvda bs=64k count=8 | md5sum")
    run.monitor.check_invariants()
    found = re.search(rb"([0-9a-f]{32})", said)
    assert found, said
    return found[1].decode(), run.trace_hash


def test_a_second_kernel_is_the_driver_domain_and_both_links_tell_one_story(live: Live, tmp_path: Path) -> None:
    found = {link: served(live, tmp_path, link) for link in ("shm", "zmq")}
    assert found["shm"] == found["zmq"]
    for link in found:
        assert hashlib.md5((tmp_path / f"{link}.img").read_bytes()[: 8 << 16]).hexdigest() == found[link][0]
