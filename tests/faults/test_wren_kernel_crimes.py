"""A paravirtual kernel that dies in the middle of what it does: its account is clean, the others do not notice, it starts again.

Batched updates of page tables are many hypercalls' worth of work in one. The death is planned for times at which such a batch is
being applied, found in the trace of an undisturbed run, or is a kill -9 at a moment of the host's.
"""

from __future__ import annotations

import functools
import os
import signal
import tempfile
from pathlib import Path
from typing import Any

import pytest

from hypervisor import launch
from hypervisor.api import Run
from hypervisor.core.cell import CellState
from hypervisor.core.xen import XenHypervisor
from hypervisor.shell.trace import read_trace
from tests.support import wren
from tests.support.live import Live

pytestmark = pytest.mark.slow

FLAVOURS = ("xen", "l4", "okl4")
WORK = "/bin/bench,fork_exec,20"
LONG_WORK = "/bin/bench,fork_exec,5000"
UNTIL = "400ms"
Batch = tuple[int, int, int]
"""When it was begun, how long it takes, how many updates it has."""


def table(work: str = WORK, **more: Any) -> dict[str, Any]:
    """A kernel that makes and destroys address spaces; a Python guest and a kernel beside it."""
    cells = {
        "wren": wren.table(work, "arm926", **more)["cells"]["wren"] | {"ram": "8MiB"},
        "other": wren.table("/bin/bench,pipe,40", "arm926")["cells"]["wren"] | {"ram": "8MiB"},
        "witness": {"guest": "cells.programs.counter:main"},
    }
    scheduler = {"policy": "round_robin", "slice": "1ms"}
    return {"name": "crimes", "board": "arm926", "scheduler": scheduler, "cells": cells}


@functools.cache
def batches() -> tuple[Batch, ...]:
    """All batches of the kernel in a run in which nobody dies."""
    with tempfile.TemporaryDirectory() as directory:
        with launch(table(), flavour="xen", out=Path(directory) / "run") as run:
            run.until(UNTIL)
        records = list(read_trace(Path(directory) / "run" / "trace.jsonl"))
    found = [r for r in records if r["k"] == "page_table" and r["cell"] == "wren" and "updates" in r]
    assert len(found) > 20
    return tuple((r["t"], r["cycles"], r["updates"]) for r in found)


@functools.cache
def undisturbed(flavour: str) -> tuple[bytes, bytes]:
    """What the others say."""
    with launch(table(), flavour=flavour) as run:
        run.until(UNTIL)
        return said_by_others(run)


def said_by_others(run: Run) -> tuple[bytes, bytes]:
    return run.console("other"), run.console("witness")


def account_is_clean(run: Run) -> None:
    """Nothing of a dead kernel is left: no frames, tables, ports, timers."""
    run.monitor.check_invariants()
    assert run.state("wren") == CellState.FAILED
    assert run.monitor.frames.segments("wren") == ()
    mechanism = run.monitor.mechanism
    assert isinstance(mechanism, XenHypervisor)
    cell = run.cell("wren")
    assert cell.index not in mechanism.pv.domains
    domain = mechanism.domains.of(cell)
    assert (domain.alive, domain.ports, domain.handles, domain.timer) == (False, {}, {}, None)


def strike(live: Live, time: int, **more: Any) -> Run:
    run = live(table(**more), flavour="xen")
    run.plan_kill("wren", time)
    run.until(UNTIL)
    return run


@pytest.mark.parametrize("which", ["first", "largest", "middle", "last"])
def test_a_kernel_that_dies_in_the_middle_of_a_batch_leaves_a_clean_account(live: Live, which: str) -> None:
    found = batches()
    time, cycles, updates = {
        "first": found[0],
        "largest": max(found, key=lambda batch: batch[2]),
        "middle": found[len(found) // 2],
        "last": found[-1],
    }[which]
    assert updates
    run = strike(live, time + cycles // 2)
    account_is_clean(run)
    assert said_by_others(run) == undisturbed("xen")
    assert run.cell("wren").why == "killed"


@pytest.mark.parametrize("offset", [-1, 0, 1])
def test_neither_does_one_that_dies_just_before_or_behind_it(live: Live, offset: int) -> None:
    time, *_ = max(batches(), key=lambda batch: batch[2])
    run = strike(live, time + offset)
    account_is_clean(run)
    assert said_by_others(run) == undisturbed("xen")


def test_it_starts_again_with_tables_of_its_own_and_does_its_work(live: Live) -> None:
    time, cycles, _ = batches()[len(batches()) // 2]
    run = strike(live, time + cycles // 2, on_crash="restart")
    said = wren.finish(run, "wren").decode()
    assert run.cell("wren").account.restarts == 1
    assert said.count("init: begin") == 2
    assert "fork_exec: 20 times" in said
    assert "init: end, worst 0" in said


def test_a_planned_death_in_a_batch_is_the_same_over_both_transports(live: Live) -> None:
    time, cycles, _ = batches()[-1]
    hashes = set()
    for link in ("shm", "zmq"):
        run = live(table(on_crash="restart"), flavour="xen", link=link)
        run.plan_kill("wren", time + cycles // 2)
        run.until(UNTIL)
        hashes.add(run.trace_hash)
    assert len(hashes) == 1


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize("time", ["7ms", "40ms", "133ms"])
def test_kill_9_of_the_kernel_harms_itself_alone(live: Live, flavour: str, time: str) -> None:
    run = live(table(LONG_WORK), flavour=flavour)
    run.until(time)
    process = run.hosts[run.cell("wren").index].process
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    run.until(UNTIL)
    run.monitor.check_invariants()
    assert run.state("wren") == CellState.FAILED
    assert run.monitor.frames.segments("wren") == ()
    assert said_by_others(run)[1] == undisturbed(flavour)[1]
    assert run.console("other").startswith(b"init: begin")


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_kill_9_again_and_again_and_it_works_in_its_last_life(live: Live, flavour: str) -> None:
    run = live(table(on_crash="restart", max_restarts=9), flavour=flavour)
    for _ in range(5):
        run.until(run.now + run.cycles("9ms"))
        process = run.hosts[run.cell("wren").index].process
        assert process is not None
        os.kill(process.pid, signal.SIGKILL)
    said = wren.finish(run, "wren").decode()
    assert run.cell("wren").account.restarts == 5
    assert "fork_exec: 20 times" in said
    assert "init: end, worst 0" in said


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_kernel_with_next_to_no_memory_comes_to_an_end_of_its_own(live: Live, flavour: str) -> None:
    small = wren.table("/bin/processes")["cells"]["wren"] | {"ram": "768KiB"}
    cells = {"small": small, "witness": {"guest": "cells.programs.counter:main"}}
    run = live({"name": "small", "board": "arm926", "cells": cells}, flavour=flavour)
    run.until(UNTIL)
    run.monitor.check_invariants()
    assert run.state("small") == "shut down"
    assert b"init: begin" in run.console("small")
    assert run.console("witness") == undisturbed(flavour)[1]
