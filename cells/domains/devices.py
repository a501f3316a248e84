"""The physical devices that a driver domain owns, as it is told at its start."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from cells.flavours.names import by_peer
from cells.port import Port


class Owned(NamedTuple):
    """One device: its registers lie at `base`; `line` is its interrupt, None if it has none."""

    name: str
    base: int
    size: int
    line: int | None
    model: str


def owned(port: Port) -> list[Owned]:
    """All of them, in the order of the topology."""
    return [Owned(name, **facts) for name, facts in port.boot.get("devices", {}).items()]


def first(port: Port, models: Collection[str]) -> Owned | None:
    """The first device that is one of these models."""
    return next((device for device in owned(port) if device.model in models), None)


def ends(port: Port) -> list[tuple[str, str]]:
    """Name and class of each link of which this cell is the back end, in the order of the topology."""
    return [
        (name, told["kind"]) for name, told in by_peer(port.boot.get("links", ())).items() if told["role"] == "back"
    ]
