"""Injected faults in real cells: each leaves its record, does what it says, and is the same over both links and at a replay."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from hypervisor import launch
from hypervisor.abi.faults import Armed
from hypervisor.shell.cellhost import Patience
from hypervisor.shell.files import WriteFailed
from hypervisor.shell.rerun import rerun
from tests.support.session import cellvisor

pytestmark = pytest.mark.slow

FEWER = ("cells.ping.args=['pong', 20, 32]",)
US = 600
"""Cycles of a microsecond on the board of `ping`."""
BUDGETED = {
    "name": "budgeted",
    "board": "arm926",
    "scheduler": {"policy": "reservation"},
    "cells": {
        "hog": {"image": "hog", "budget": "1ms", "period": "4ms", "heartbeat": "6ms"},
        "counter": {"guest": "cells.programs.counter:main", "budget": "1ms", "period": "4ms"},
    },
}


class Case(NamedTuple):
    """A topology, its victim, the fault, and how the victim ended: one of `states`, for a reason with `why` in it."""

    topology: str
    flavour: str
    cell: str
    fault: Armed
    states: tuple[str, ...]
    why: str = ""


def at(action: str, time: int, **values: int) -> Armed:
    return Armed(action, at=time, draw=9, values=values)


def point(action: str, where: str, visit: int = 1, **values: int) -> Armed:
    return Armed(action, point=where, visit=visit, draw=9, values=values)


DONE, DEAD, ANY = ("shut down",), ("failed", "shut down"), ("running", "blocked", "failed", "shut down")
BUSY = 500_000
"""A cycle at which wren starts its first programs."""
CASES = {
    "nothing": Case("ping", "okl4", "pong", at("nothing", 100 * US), DONE, "status 0"),
    "slow": Case("ping", "okl4", "pong", at("slow", 100 * US, factor=20), DONE, "status 0"),
    "exception": Case("ping", "okl4", "pong", at("exception", 100 * US), DEAD, "InjectedError: injected"),
    "loop in Python": Case("ping", "okl4", "pong", at("loop", 100 * US), DEAD, "backstop: spins without end"),
    "hog": Case("ping", "xen", "pong", at("hog", 100 * US), DEAD, "MemoryError"),
    "flip_ram in Python": Case("ping", "xen", "pong", at("flip_ram", 100 * US, offset=0), ANY),
    "flip_message": Case("ping", "okl4", "ping", point("flip_message", "core.reply", 3), ANY),
    "no_quota": Case("ping", "okl4", "ping", point("no_quota", "core.quota", 5), DONE, "status 0"),
    "no_slots": Case("ping", "xen", "ping", point("no_slots", "core.capability"), DEAD, "status -28"),
    "no_grants": Case("ping", "xen", "pong", point("no_grants", "core.grant"), ANY),
    "no_descriptors": Case("storage", "l4", "storage", point("no_descriptors", "host.pages"), ANY),
    "no_tables": Case("wren", "l4", "wren", point("no_frames", "core.tables", 2), DEAD),
    "flip_register": Case("wren", "xen", "wren", at("flip_register", BUSY, register=13, bit=20), ANY),
    "flip_ram": Case("wren", "native", "wren", at("flip_ram", BUSY), ANY),
    "flip_table": Case("wren", "okl4", "wren", at("flip_table", BUSY), ANY),
    "wild_jump": Case("wren", "l4", "wren", at("wild_jump", BUSY), DEAD),
    "wild_jump of a task": Case("tasks", "okl4", "rt", at("wild_jump", BUSY), ANY),
    "stack_overflow": Case("wren", "okl4", "wren", at("stack_overflow", BUSY), DEAD),
    "loop": Case("wren", "xen", "wren", at("loop", BUSY), ANY),
}


def records(run_directory: Path) -> list[dict[str, Any]]:
    lines = (run_directory / "trace.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines if '"k":"fault"' in line]


@pytest.mark.parametrize("name", CASES)
def test_a_fault_does_what_it_says_over_both_links_and_at_its_replay(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    out = tmp_path / "run"
    patience = Patience(0.3)
    fewer = FEWER if case.topology == "ping" else ()
    with launch(
        case.topology, flavour=case.flavour, duration="8ms", out=out, overrides=fewer, patience=patience
    ) as run:
        run.inject(case.cell, case.fault)
        run.until("8ms")
        assert str(run.state(case.cell)) in case.states
        assert case.why in run.cell(case.cell).why
        assert run.monitor.faults is not None
        assert run.monitor.faults.waiting() == []
        run.monitor.check_invariants()
    (record,) = records(out)
    assert (record["cell"], record["action"], record["cause"]) == (case.cell, case.fault.action, "injected")
    assert record.get("point", "") == case.fault.point
    again = rerun(out, link="zmq")
    assert (again.difference, again.whole) == (None, True)
    assert again.sha256 == run.trace_hash


def test_a_loop_takes_no_more_than_its_budget_and_a_missed_heartbeat_ends_it() -> None:
    with launch(BUDGETED, duration="20ms") as run:
        run.inject("hog", Armed("loop", at=1_000_000))
        run.until("5ms")
        assert run.cell("hog").account.ran <= run.cycles("2.1ms")
        run.until("20ms")
        assert run.cell("hog").why == "heartbeat missed"
        assert str(run.state("counter")) in ("running", "blocked")


def test_a_full_disk_ends_a_run_with_one_line_and_status_1(tmp_path: Path) -> None:
    out = tmp_path / "run"
    run = launch("ping", duration="8ms", out=out)
    with pytest.raises(WriteFailed, match="no space left on device"), run:
        run.inject("", Armed("full_disk", at=100 * US, values={"room": 3000}))
        run.until("8ms")
    assert not (out / "summary.json").exists()
    kept = (out / "trace.jsonl").read_text()
    assert kept.endswith("\n")
    assert [json.loads(line) for line in kept.splitlines()]
    assert rerun(out).difference is None


def test_a_disk_that_is_full_from_the_first_byte_keeps_no_file_open(tmp_path: Path) -> None:
    out = tmp_path / "run"
    run = launch("tasks", duration="2ms", out=out)
    with pytest.raises(WriteFailed, match="no space left on device"), run:
        run.inject("", Armed("full_disk", at=100 * US))
        run.until("2ms")
    opened = [entry.resolve() for entry in Path("/proc/self/fd").iterdir()]
    assert not [path for path in opened if path.is_relative_to(out)]


def test_short_writes_and_signals_change_nothing(tmp_path: Path) -> None:
    with launch("ping", duration="8ms", out=tmp_path / "run") as run:
        run.inject("", Armed("short_writes", at=100 * US))
        run.inject("", Armed("signal_storm", at=100 * US, values={"every": 100}))
        run.until("8ms")
        assert str(run.state("ping")) == "shut down"
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["cells"]["ping"]["state"] == "shut down"
    assert rerun(tmp_path / "run").difference is None


def test_a_restart_without_descriptors_fails_like_one_that_has_none(tmp_path: Path) -> None:
    with launch("ping", duration="8ms", overrides=["cells.pong.on_crash='restart'"]) as run:
        run.inject("pong", point("no_descriptors", "host.start"))
        run.until("100us")
        run.kill("pong")
        run.until("8ms")
        trace = run.trace_hash
        account = run.cell("pong").account
        run.monitor.check_invariants()
    assert account.restarts == 2
    assert trace


def test_the_command_line_lists_what_can_be_injected(tmp_path: Path) -> None:
    listed = json.loads(cellvisor("inject", "--list", "--json", place=tmp_path).stdout)
    assert {"flip_register", "no_frames", "full_disk", "slow"} <= {action["name"] for action in listed["actions"]}
    assert {"core.exit", "core.frames", "host.start"} <= {each["name"] for each in listed["points"]}
