"""What a guest may try with a device that it owns: each crime, and what comes of it. A bystander goes on through all of them."""

from __future__ import annotations

from typing import Any

import pytest

from hypervisor.api import Run
from tests.support.live import Live

pytestmark = pytest.mark.slow

RAM = 1 << 20


def bystander(port: Any) -> None:
    while True:
        port.sleep("1ms")
        port.report("ticks", 1)


def run(live: Live, crime: Any, *devices: str, time: str = "20ms") -> Run:
    """A criminal with devices beside a bystander, for a while."""
    cells = {
        "criminal": {"guest": "python", "devices": list(devices), "ram": "1MiB"},
        "bystander": {"guest": "python", "ram": "1MiB", "priority": 9},
    }
    topology = {"name": "test", "board": "beagle", "cells": cells}
    it = live(topology, guests={"criminal": crime, "bystander": bystander})
    it.until(time)
    it.monitor.check_invariants()
    assert it.summary().cells["bystander"].metrics["ticks"].count >= int(time.removesuffix("ms")) - 2
    return it


def frames_of_others(port: Any) -> None:
    """DMA into memory that is not the owner's: below, above and across the end of its own, and at the top of the world."""
    nic = port.boot["devices"]["nic0"]["base"]
    base = 0x4000_0000
    results = []
    for address in (0, base - 64, base + RAM, base + RAM - 10, 0xC000_0000, 0xFFFF_FFFF):
        port.store(nic + 0x404, address)
        port.store(nic + 0x00, 0xA002)
        port.store(nic + 0x04, 0x7F)
        port.store(nic + 0x400, 64 << 16 | 0xE000)
        results.append(port.load(nic + 0x04))
    port.print(results)


def test_dma_from_memory_that_is_not_the_owners_is_an_error_of_the_device(live: Live) -> None:
    it = run(live, frames_of_others, "nic0")
    assert it.console("criminal") == b"[2, 2, 2, 2, 2, 2]\n", "not sent"


def screen_of_others(port: Any) -> None:
    lcd = port.boot["devices"]["lcd0"]["base"]
    for offset, value in ((0x00, 0xFC), (0x04, 0x3FF), (0x10, 0x4000_0000 + RAM), (0x18, 0x80B)):
        port.store(lcd + offset, value)
    port.sleep("1s")


def test_a_picture_of_memory_that_is_not_the_owners_is_black(live: Live) -> None:
    it = run(live, screen_of_others, "lcd0")
    picture = it.picture("lcd0")
    assert (picture.width, picture.height) == (1024, 1024)
    assert not any(picture.pixels)


def stores_too_many(port: Any) -> None:
    """Store-multiple in odd sizes, across the end of a device, and into its registers where there are none."""
    flash, lcd = (port.boot["devices"][name] for name in ("flash0", "lcd0"))
    for address, data, size in (
        (flash["base"] + flash["size"] - 4, bytes(8), 4),
        (flash["base"] + 1, bytes(1024), 4),
        (flash["base"], bytes(1024), 1),
        (lcd["base"], bytes(1024), 4),
        (lcd["base"], bytes(7), 4),
        (lcd["base"], bytes(8), 3),
        (0x1234, bytes(8), 4),
    ):
        port.store_bytes(address, data, size)
    port.print("still here")


def test_store_multiple_reaches_no_further_than_stores(live: Live) -> None:
    it = run(live, stores_too_many, "flash0", "lcd0")
    assert it.console("criminal") == b"still here\n"


def storm(port: Any) -> None:
    """Frames so short, and interrupts so often, that there is always one; never acknowledged, and again."""
    lcd = port.boot["devices"]["lcd0"]["base"]
    for offset, value in ((0x08, 1 << 26), (0x1C, 0xC), (0x18, 0x801)):
        port.store(lcd + offset, value)
    while True:
        port.store(lcd + 0x28, 0xC)


def test_a_storm_of_interrupts_costs_the_one_who_makes_it(live: Live) -> None:
    it = run(live, storm, "lcd0", time="5ms")
    assert it.state("criminal") in ("running", "blocked")


def registers_of_nothing(port: Any) -> None:
    for device in port.boot["devices"].values():
        for offset in [*range(0, 0x100, 4), *range(0x100, device["size"], device["size"] // 16)]:
            for size in (1, 2, 4):
                port.load(device["base"] + offset + 1, size)
                port.store(device["base"] + offset, 0xFFFF_FFFF, size)
                port.store(device["base"] + offset + 3, 0xFFFF_FFFF, size)
    port.print("done")


def test_senseless_accesses_to_every_device_are_harmless(live: Live) -> None:
    devices = ("flash0", "nand0", "lcd0", "touch0", "nic0", "nic1")
    it = run(live, registers_of_nothing, *devices, time="40ms")
    it.until("100ms")
    assert it.console("criminal") == b"done\n"


def endless_jobs(port: Any) -> None:
    """The longest job that there is, into the last page of memory; then away before it has ended."""
    nand = port.boot["devices"]["nand0"]["base"]
    for offset, value in ((0x20, 0x4000_0000 + RAM - 4096), (0x24, 1), (0x30, 0xFFFF), (0x34, 1)):
        port.store(nand + offset, value)


def test_a_job_does_not_outlive_the_cell_that_began_it(live: Live) -> None:
    it = run(live, endless_jobs, "nand0")
    assert it.state("criminal") == "shut down"
    device: Any = next(entry.device for entry in it.monitor.bus.devices if entry.name == "nand0")
    assert device.state.job == 0


def registers_of_another(port: Any) -> None:
    before = port.now
    values = [port.load(0x0909_0000), port.load(0x0904_0000), port.load(0x0700_0000)]
    port.store(0x0909_0000, 0xFFFF_FFFF)
    port.print(values, port.now > before)


def test_a_device_that_the_cell_does_not_own_is_refused(live: Live) -> None:
    it = run(live, registers_of_another, "touch0")
    assert it.console("criminal") == b"[0, 0, 0] True\n"
    device: Any = next(entry.device for entry in it.monitor.bus.devices if entry.name == "nic0")
    assert device.state.mode == 0xA000
