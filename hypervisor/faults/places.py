"""Where an action can strike, and which combinations of action, place and cell there are in a device. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from hypervisor.faults.actions import ACTIONS, Action, Order
from hypervisor.faults.plan import Device
from hypervisor.faults.points import POINTS, is_compiled_in

TIME = "a time"
"""The place of a fault that strikes at no point."""
HOST = "host"
"""The victim of a fault that strikes no cell."""


NEEDS = {
    "message": "message",
    "ipc": "message",
    "core.quota": "message",
    "ring.put": "split",
    "core.bell": "split",
    "core.grant": "split",
    "block.io": "block",
    "core.line": "device",
    "core.dma": "device",
}
"""Places -> what a cell must have to come there."""
ACTION_NEEDS = {"storm": "device", "stick_register": "device", "bad_block": "block", "lose_store": "domain 0"}
"""Likewise for actions that strike at a time."""


class Combination(NamedTuple):
    """An action at a place in a cell."""

    action: str
    place: str
    victim: str


def places(action: Action) -> list[str]:
    """Where an action can strike: at a time, at records of the trace, at points in the code."""
    if action.points:
        return list(action.points)
    if not action.guests:
        return [TIME]
    injected = Order.INJECT in action.orders
    fit = [each.name for each in POINTS.values() if not each.actions and (injected or not is_compiled_in(each.name))]
    return [TIME, *fit]


def place_of(action: str, point: str) -> str:
    """Where a fault of a campaign strikes."""
    return point or ACTIONS[action].point or TIME


def combinations(device: Device) -> Iterator[Combination]:
    """Every action at every place where it makes sense, in every cell where it does."""
    kinds = device.kinds or ("",) * len(device.cells)
    traits = dict(zip(device.cells, device.traits, strict=True)) if device.traits else {}
    for action in ACTIONS.values():
        cells = [cell for cell, kind in zip(device.cells, kinds, strict=True) if not kind or kind in action.guests]
        for place in places(action):
            needed = {NEEDS.get(place, ""), ACTION_NEEDS.get(action.name, "")} - {""}
            for cell in cells if action.guests else (HOST,):
                if cell not in traits or needed <= traits[cell]:
                    yield Combination(action.name, place, cell)
