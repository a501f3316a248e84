"""`image = "wren"`: the kernel for the flavour of the run, its RAM disk, and what it and the monitor are told of its memory."""

from __future__ import annotations

from typing import Any

import pytest

from cells.wren import FLAVOURS, IMAGES
from hypervisor.abi.info_page import FlavourNumber, read_info_page
from hypervisor.abi.pv import TableFormat
from hypervisor.shell.plans import build_monitor, plan_cells
from hypervisor.shell.topology import Topology, check, load

RAM = 0x4000_0000
SIZE = 16 << 20
DEPRIVILEGED = [flavour for flavour in FLAVOURS if FlavourNumber[flavour.upper()]]


def table(board: str = "beagle", **more: Any) -> dict[str, Any]:
    return {"name": "t", "board": board, "for": "1s", "cells": {"k": {"image": "wren", "ram": "16MiB", **more}}}


def told(topology: Topology) -> dict[str, int | str]:
    """The kernel's info page."""
    (plan,) = plan_cells(topology, build_monitor(topology), link="shm", sandbox=False, measure=False)
    return read_info_page(dict(plan.segments)[0])


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_the_image_is_the_one_for_the_flavour(flavour: str) -> None:
    topology = load(table(initrd="wren"), flavour=flavour)
    (cell,) = topology.cells
    assert (cell.path, cell.initrd_path) == (IMAGES / f"wren.{flavour}.elf", IMAGES / "initramfs.cpio")
    assert cell.paravirtual == (flavour in DEPRIVILEGED)
    assert {"cells.k.image", "cells.k.initrd"} <= set(topology.hashes)


@pytest.mark.parametrize(("board", "layout"), [("beagle", TableFormat.MODERN), ("arm926", TableFormat.LEGACY)])
@pytest.mark.parametrize("flavour", DEPRIVILEGED)
def test_the_monitor_knows_its_table_format_and_its_virtual_base(flavour: str, board: str, layout: TableFormat) -> None:
    wiring = build_monitor(load(table(board), flavour=flavour)).mechanism.wiring
    assert (wiring.paravirtual, wiring.virtual_bases) == ({0: layout}, {0: 0xC000_0000})


@pytest.mark.parametrize("flavour", DEPRIVILEGED)
def test_memory_ends_where_the_monitors_page_tables_begin(flavour: str) -> None:
    topology = load(table(initrd="wren"), flavour=flavour)
    monitor = build_monitor(topology)
    page, kept = told(topology), monitor.mechanism.reserved(monitor.cells[0])
    assert 0 < kept < SIZE
    assert page["memory_end"] == RAM + SIZE - kept
    assert page["virtual_base"] == 0xC000_0000
    disk = IMAGES / "initramfs.cpio"
    assert page["initrd_size"] == disk.stat().st_size
    assert int(page["initrd_base"]) % 4096 == 0


def test_with_all_privileges_memory_ends_where_ram_does() -> None:
    page = told(load(table(), flavour=FLAVOURS[0]))
    assert (page["memory_end"], page["initrd_size"]) == (RAM + SIZE, 0)


@pytest.mark.parametrize("flavour", DEPRIVILEGED)
def test_the_native_image_without_privileges_finds_its_ram_where_it_is(flavour: str) -> None:
    topology = load(table(image="wren.native", paravirtual=True), flavour=flavour)
    wiring = build_monitor(topology).mechanism.wiring
    assert (list(wiring.paravirtual), wiring.virtual_bases) == ([0], {})


def test_a_cell_with_too_little_ram_for_it_is_told() -> None:
    (problem,) = check(table(ram="64KiB"), flavour=FLAVOURS[0])
    assert (problem.key, "RAM too small: needs at least" in problem.why) == ("cells.k.image", True)
