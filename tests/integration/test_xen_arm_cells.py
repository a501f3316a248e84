"""Unmodified kernels as Xen guests, each in its process: a hostile one beside a witness, and Debian's own."""

from __future__ import annotations

import re
from typing import Any

import pytest

from hypervisor.api import Run
from hypervisor.core.cell import CellState
from tests.support.live import Live

LINKS = pytest.mark.parametrize("link", ["shm", "zmq"])


def witness(port):
    """Is talked to by nobody, and counts."""
    channel = port.connections.channels["hostile"]
    for _ in range(20):
        port.work(100_000)
        assert channel.try_receive() is None
    port.print("well at", port.now)


def attacked(live: Live, do: str, link: str = "shm") -> Run:
    table: dict[str, Any] = {
        "name": "attacked",
        "board": "beagle",
        "flavour": "xen",
        "cells": {
            "hostile": {"image": "hostile_xen", "args": f"do={do}", "ram": "256KiB", "on_crash": "destroy"},
            "witness": {"guest": f"{__name__}:witness"},
        },
        "channels": [{"between": ["hostile", "witness"], "class": "message"}],
    }
    run = live(table, link=link)
    run.until("100ms")
    run.monitor.check_invariants()
    assert run.console("witness").startswith(b"well at")
    assert run.monitor.cells[1].state is CellState.SHUT_DOWN
    return run


@pytest.mark.slow
def test_fourteen_thousand_wrong_hypercalls_are_all_answered_and_a_witness_hears_of_none(live: Live) -> None:
    run = attacked(live, "calls")
    found = re.fullmatch(rb"refused (\d+), served (\d+), impossible 0\s*", run.console("hostile"))
    assert found and int(found[1]) > 14_000
    assert run.monitor.cells[0].state is CellState.SHUT_DOWN


@pytest.mark.slow
def test_a_store_ring_that_says_the_impossible_is_given_up(live: Live) -> None:
    run = attacked(live, "rings")
    assert run.console("hostile").strip().endswith(b"store 2")
    assert any("store ring" in what for what, *_ in run.monitor.cells[0].account.refusals)


@pytest.mark.slow
@pytest.mark.parametrize("do", ["user", "other"])
def test_what_is_no_hypercall_is_an_undefined_instruction(live: Live, do: str) -> None:
    run = attacked(live, do)
    assert b"undefined instruction" in run.console("hostile")
    assert run.monitor.cells[0].why == "status 129"
