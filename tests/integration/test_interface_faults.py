"""Injected faults of interfaces and devices in real runs: the same over both links and again, and who talks gets through."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hypervisor.abi.faults import Armed
from hypervisor.api import Run
from hypervisor.shell.rerun import rerun
from tests.support.live import Live

pytestmark = pytest.mark.slow

TOPOLOGY: dict[str, Any] = {
    "name": "talkers",
    "board": "beagle",
    "for": "400ms",
    "cells": {
        "ping": {"guest": "cells.programs.ping:ping", "args": ["pong", 20, 48], "priority": 6},
        "pong": {"guest": "cells.programs.ping:pong", "priority": 6},
        "client": {"guest": "cells.programs.copy_file:main", "args": [4], "ram": "1MiB", "priority": 5},
        "storage": {"domain": "block", "ram": "1MiB", "priority": 4, "on_crash": "restart"},
    },
    "channels": [
        {"between": ["ping", "pong"], "class": "message"},
        {"between": ["client", "storage"], "class": "block"},
    ],
}
MESSAGE = ("corrupt", "drop", "cut", "duplicate", "reorder", "delay")
ENTRY = ("lie", "drop", "duplicate", "reorder", "delay")


def each(cell: str, kind: str, point: str, whats: tuple[str, ...], first: int, step: int) -> list[tuple[str, Armed]]:
    """One after another, with room in between to recover."""
    visits = range(first, first + step * len(whats), step)
    return [
        (cell, Armed(f"{what}_{kind}", point=point, visit=at, draw=at)) for at, what in zip(visits, whats, strict=True)
    ]


FAULTS = [
    *each("ping", "message", "message", MESSAGE, 2, 4),
    *each("pong", "message", "message", MESSAGE, 4, 4),
    *each("client", "entry", "ring.put", ENTRY, 2, 3),
    *each("storage", "entry", "ring.put", ENTRY, 3, 3),
    ("client", Armed("lose_bell", point="core.bell", visit=4)),
    ("storage", Armed("lose_bell", point="core.bell", visit=4)),
    ("client", Armed("forge_call", point="core.call", visit=9)),
    ("storage", Armed("flood_calls", point="core.call", visit=9, values={"calls": 200})),
    ("ping", Armed("replay_call", point="core.call", visit=30)),
]


def a_run(live: Live, out: Path, flavour: str, link: str) -> Run:
    run = live(TOPOLOGY, flavour=flavour, link=link, out=out)
    for cell, fault in FAULTS:
        run.inject(cell, fault)
    run.until(run.cycles("400ms"))
    run.monitor.check_invariants()
    return run


def struck(out: Path) -> list[tuple[str, str]]:
    lines = (out / "trace.jsonl").read_bytes().splitlines()
    found = [json.loads(line) for line in lines if b'"k":"fault"' in line]
    return [(record["cell"], record["action"]) for record in found]


@pytest.mark.parametrize("flavour", ["okl4", "l4", "xen"])
def test_every_fault_of_an_interface_strikes_and_all_come_to_their_ends_over_both_links(live: Live, tmp_path, flavour):
    traces = []
    for link in ("shm", "zmq"):
        run = a_run(live, tmp_path / link, flavour, link)
        assert b"20 round trips of 48 bytes" in run.console("ping")
        assert b"copied 4 KiB" in run.console("client")
        assert run.monitor.faults is not None
        assert [fate.fault.action for fate in run.monitor.faults.waiting()] == []
        run.close()
        traces.append((tmp_path / link / "trace.jsonl").read_bytes())
    assert traces[0] == traces[1]
    if flavour == "okl4":
        assert rerun(tmp_path / "shm", link="zmq").difference is None
    assert sorted(struck(tmp_path / "shm")) == sorted((cell, fault.action) for cell, fault in FAULTS)


def test_a_flash_disk_and_its_driver_survive_what_its_device_does(live: Live, tmp_path):
    """A lost interrupt, a storm, a sector that fails, a block that goes bad: the client is told, and the next one served."""
    cells = {
        "client": {**TOPOLOGY["cells"]["client"], "on_crash": "restart"},
        "storage": {**TOPOLOGY["cells"]["storage"], "devices": ["flash0"]},
    }
    topology = {**TOPOLOGY, "for": "20s", "cells": cells, "channels": TOPOLOGY["channels"][1:]}
    run = live(topology, out=tmp_path / "run")
    run.inject("storage", Armed("lose_interrupt", point="core.line"))
    run.inject("storage", Armed("storm", at=run.cycles("200ms")))
    run.inject("storage", Armed("bad_sector", point="block.io", visit=4))
    run.inject("storage", Armed("bad_block", at=run.cycles("1500ms")))
    run.until(run.cycles("20s"))
    run.monitor.check_invariants()
    summary = run.summary()
    assert b"copied 4 KiB" in run.console("client")
    assert summary.cells["storage"].restarts == 0
    assert summary.cells["client"].restarts >= 1
    assert len(struck(tmp_path / "run")) >= 3


def test_a_network_device_that_reaches_into_foreign_memory_is_refused_and_the_talk_goes_on(live: Live, tmp_path):
    run = live("net", out=tmp_path / "run", overrides=["cells.alice.args=[20, 200]"])
    run.inject("netdom", Armed("foreign_dma", point="core.dma"))
    run.until(run.cycles("200ms"))
    run.monitor.check_invariants()
    refused = [what for what, _ in run.cell("netdom").account.refusals]
    assert [what for what in refused if what.startswith("nic")] == ["nic0 at N"]
    assert b"20" in run.console("alice")
