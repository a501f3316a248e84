"""What a kernel's cell has of virtual devices, and what the monitor sees of its power key."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from boards import load_board
from hypervisor.abi.hypercalls import HYPERCALL_BASE, Hypercall
from hypervisor.abi.virtual import DRIVER_OK, STATUS
from hypervisor.shell.virtual_devices import POWER, Window, virtual_devices, virtual_nodes


def topology(channels: int, kind: str = "kernel") -> tuple[Any, Any]:
    """A cell with so many disks."""
    cell = SimpleNamespace(name="linux", virtio=True, kind=kind)
    made = [SimpleNamespace(front=0, back=1, kind="block", name=f"disk{number}") for number in range(channels)]
    facts = {"board": load_board("beagle"), "flavour": "okl4", "cells": [cell]}
    return SimpleNamespace(**facts, wiring=SimpleNamespace(channels=made)), cell


def kinds(channels: int, kind: str = "kernel") -> list[str]:
    return [device.kind for device in virtual_devices(*topology(channels, kind))]


@pytest.mark.parametrize("channels", [1, 15])
def test_a_kernel_with_virtual_devices_has_a_power_key_as_well(channels: int) -> None:
    assert kinds(channels) == ["block"] * channels + [POWER]
    devices = virtual_devices(*topology(channels))
    assert len({device.base for device in devices}) == len({device.irq for device in devices}) == channels + 1


def test_there_is_no_key_without_room_without_devices_or_for_an_image() -> None:
    assert kinds(16) == ["block"] * 16
    assert kinds(0) == []
    assert kinds(1, "image") == ["block"]


def test_the_device_tree_says_how_the_kernel_powers_off_and_begins_anew() -> None:
    nodes = {node.name: node.properties for node in virtual_nodes(*topology(1), {})}
    page = nodes[f"hypercalls@{HYPERCALL_BASE:x}"]
    for name, call in (("poweroff", Hypercall.SHUTDOWN), ("reboot", Hypercall.REBOOT)):
        assert nodes[name]["regmap"] == page["phandle"]
        assert (nodes[name]["offset"], nodes[name]["value"]) == (0, call)


def test_the_monitor_knows_whether_a_driver_is_ready_and_forgets_it_with_the_cell() -> None:
    window = Window(None, None, "virtual.power_key", 63)  # type: ignore[arg-type]
    window.write(STATUS, 4, 3)
    assert not window.ready
    window.write(STATUS, 4, 3 | DRIVER_OK)
    assert window.ready
    window.reset()
    assert not window.ready
