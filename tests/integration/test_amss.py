"""The baseband in its cell, under every architecture: its call against partners that are slow, silent, greedy, or die."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from typing import Any

import pytest

from cells.port import Port
from cells.programs.phone.messages import Kind, Message
from hypervisor.api import Run
from hypervisor.shell.topology.sources import topologies

pytestmark = pytest.mark.slow
Live = Callable[..., Run]
FLAVOURS = ("okl4", "l4", "xen")


def picks_up(port: Port) -> Any:
    """Waits until the phone rings, and answers."""
    channel = port.connections.channels["amss"]
    while Message.unpack(channel.receive()).kind != Kind.RINGING:
        pass
    channel.send(Message(Kind.ANSWER).pack())
    return channel


def silent(port: Port) -> None:
    """Never listens again."""
    picks_up(port)
    port.sleep("1h")


def greedy(port: Port) -> None:
    """Computes for ever."""
    picks_up(port)
    while True:
        port.work(10_000_000)


def floods(port: Port) -> None:
    """Sends as fast as it can, and never listens."""
    channel = picks_up(port)
    for number in range(1500):
        channel.try_send(Message(Kind.HELLO).pack() if number % 2 else port.random.randbytes(number % 65))
    port.sleep("1h")


def dies(port: Port) -> None:
    """Ends in the middle of the call."""
    picks_up(port)
    port.sleep("300ms")
    raise RuntimeError("in the middle of a call")


def drowns(port: Port) -> None:
    """Sends from the start, and never stops to listen."""
    channel = port.connections.channels["amss"]
    for number in range(100_000):
        channel.try_send(Message(Kind.HELLO).pack() if number % 2 else port.random.randbytes(number % 65))
        port.work(60_000)


def phone(partner: Callable[[Port], None]) -> dict[str, Any]:
    cells = tomllib.loads((topologies() / "phone.toml").read_text())["cells"]
    amss = {**cells["amss"], "args": ["call=100ms:+4989123456:1000ms"]}
    return {
        "name": "baseband",
        "board": "evoke_qa4",
        "cells": {
            "amss": amss,
            "keystore": cells["keystore"],
            "linux": {"guest": "python", "priority": 5, "ram": "1MiB"},
        },
        "channels": [{"between": ["amss", other], "class": "message"} for other in ("keystore", "linux")],
    }


@pytest.mark.parametrize(
    ("flavour", "partner"),
    [*((flavour, floods) for flavour in FLAVOURS), ("l4", silent), ("l4", greedy), ("xen", dies)],
)
def test_no_partner_costs_a_frame_of_voice_or_a_deadline(
    live: Live, flavour: str, partner: Callable[[Port], None]
) -> None:
    run = live(phone(partner), flavour=flavour, guests={"linux": partner})
    run.until("1300ms")
    told = {name: metric.last for name, metric in run.summary().cells["amss"].metrics.items()}
    assert told["voice_sent"] == pytest.approx((1100 - 472) / 20, abs=3)
    assert (told["voice_lost"], told["deadlines_missed"], told["calls"]) == (0, 0, 1)
    assert f"call ended (there): {told['voice_sent']} frames, 0 lost" in run.console("amss").decode()


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_the_keystore_is_heard_through_any_noise(live: Live, flavour: str) -> None:
    run = live(phone(drowns), flavour=flavour, guests={"linux": drowns})
    run.until("1150ms")
    cells = run.summary().cells
    assert cells["keystore"].metrics["ok"].last == 1
    assert b"call ended (missed)" in run.console("amss"), "it rang, so that the network believed the answer"
    assert cells["amss"].metrics["deadlines_missed"].last == 0
