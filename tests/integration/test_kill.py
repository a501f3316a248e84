"""kill -9 of a cell's process, at a moment that nobody chose: said at once, stamped, repeatable, and the others go on."""

from __future__ import annotations

import functools
import json
import os
import random
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from hypervisor.api import Run
from hypervisor.core.cell import CellState
from hypervisor.shell.trace import read_trace
from tests.support.guests import testimony as what_a_witness_says
from tests.support.live import Live, advance, cells, until

pytestmark = pytest.mark.slow

END = "60ms"
BOARD = cells(hog="hog", other="hog", sleeper="sleeper", listener="listener") | {
    "scheduler": {"policy": "round_robin", "slice": "1ms"}
}


def pid(run: Run, cell: str) -> int:
    process = run.hosts[run.cell(cell).index].process
    assert process is not None
    return process.pid


def kill_meanwhile(run: Run, cell: str, time: int) -> threading.Thread:
    """Kill the cell's process from another thread, some time after the run has reached `time`."""
    victim = pid(run, cell)

    def strike() -> None:
        until(lambda: run.now >= time)
        os.kill(victim, signal.SIGKILL)

    thread = threading.Thread(target=strike)
    thread.start()
    return thread


def crash(run: Run, cell: str, end: str, time: int) -> None:
    thread = kill_meanwhile(run, cell, time)
    run.until(end)
    thread.join()
    assert deaths(run, cell) or until(functools.partial(_noticed, run, cell, 0))
    run.close()


def deaths(run: Run, cell: str) -> list[tuple[int, str]]:
    """(virtual time, why) of each death that is in the trace."""
    run.trace.flush()
    assert run.directory is not None
    return [(r["t"], r["why"]) for r in read_trace(run.directory.trace) if r["k"] == "dead" and r["cell"] == cell]


def recorded(directory: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (directory / "inputs.jsonl").read_text().splitlines()]


def the_same_three_times(
    live: Live, directory: Path, table: Any, victim: str, end: str, link: str = "shm", **options: Any
) -> None:
    """A crash, its replay over the other transport, and a death planned for its time leave one trace."""
    other = {"shm": "zmq", "zmq": "shm"}[link]
    first = live(table, out=directory / "crash", link=link, **options)
    crash(first, victim, end, random.randrange(first.cycles(end) // 4, first.cycles(end) * 3 // 4))
    inputs = recorded(directory / "crash")
    (died,) = [taken for taken in inputs if taken["kind"] == "died"]
    again = live(table, out=directory / "replay", link=other, replay=directory / "crash/inputs.jsonl", **options)
    again.run()
    planned = live(table, out=directory / "planned", link=other, **options)
    planned.plan_kill(victim, died["t"])
    for stop in [taken["data"] for taken in inputs if taken["kind"] == "until"]:
        planned.until(int(stop))
    for run in (again, planned):
        run.close()
    trace = (directory / "crash/trace.jsonl").read_bytes()
    assert (directory / "replay/trace.jsonl").read_bytes() == trace
    assert (directory / "planned/trace.jsonl").read_bytes() == trace
    for cell in first.topology.cells:
        assert planned.console(cell.name) == again.console(cell.name) == first.console(cell.name)


@pytest.mark.parametrize(("link", "on_crash"), [("shm", "restart"), ("zmq", "destroy")])
@pytest.mark.parametrize("victim", ["hog", "sleeper", "listener"])
@pytest.mark.parametrize("cores", [1, 2])
def test_a_crash_its_replay_and_a_planned_death_leave_one_trace(
    live: Live, tmp_path: Path, cores: int, victim: str, link: str, on_crash: str
) -> None:
    overrides = [f"board.cores={cores}", f"cells.{victim}.on_crash={on_crash}"]
    the_same_three_times(live, tmp_path, BOARD, victim, END, link=link, overrides=overrides)


@pytest.mark.parametrize(("link", "cores"), [("shm", 1), ("zmq", 2)])
def test_so_they_do_if_it_waits_before_it_is_started_again(live: Live, tmp_path: Path, link: str, cores: int) -> None:
    overrides = [f"board.cores={cores}", "cells.hog.on_crash=restart", "cells.hog.back_off=3ms"]
    the_same_three_times(live, tmp_path, BOARD, "hog", END, link=link, overrides=overrides)


@pytest.mark.parametrize("victim", ["ticker", "hog", "counter"])
@pytest.mark.parametrize("cores", [1, 2])
def test_so_they_do_for_arm_code(live: Live, tmp_path: Path, cores: int, victim: str) -> None:
    the_same_three_times(live, tmp_path, "ticker", victim, END, overrides=[f"board.cores={cores}"])


@pytest.mark.guests
@pytest.mark.parametrize("cores", [1, 2])
def test_so_they_do_for_a_kernel(live: Live, tmp_path: Path, cores: int) -> None:
    the_same_three_times(live, tmp_path, "rtos_and_linux", "linux", "100ms", overrides=[f"board.cores={cores}"])


# What a policy does.


@pytest.mark.parametrize("link", ["shm", "zmq"])
def test_a_killed_cell_is_named_with_the_time_and_the_others_go_on(live: Live, tmp_path: Path, link: str) -> None:
    run = live(cells(victim="hog", witness="witness"), link=link, out=tmp_path / "out")
    crash(run, "victim", "200ms", run.cycles("2ms"))
    assert run.state("victim") is CellState.FAILED
    assert run.cell("victim").why == "killed"
    ((time, why),) = deaths(run, "victim")
    assert why == "killed"
    assert run.cycles("2ms") <= time <= run.now
    assert run.console("witness") == what_a_witness_says()
    assert run.state("witness") is CellState.SHUT_DOWN


def kill_and_go_on(run: Run, cell: str, times: int) -> None:
    """Kill it so many times, each time it has been started again; and see that each is noticed."""
    for count in range(1, times + 1):
        os.kill(pid(run, cell), signal.SIGKILL)
        assert until(functools.partial(_noticed, run, cell, len(deaths(run, cell)))), f"death {count}"


def _noticed(run: Run, cell: str, before: int) -> bool:
    advance(run, "1ms")
    return len(deaths(run, cell)) > before


def test_a_cell_is_restarted_as_often_as_its_policy_allows(live: Live, tmp_path: Path) -> None:
    table = cells(victim={"guest": "listener", "on_crash": "restart", "max_restarts": 2}, other="hog")
    run = live(table, out=tmp_path / "out")
    run.until("2ms")
    kill_and_go_on(run, "victim", 2)
    advance(run, "30ms")
    assert run.state("victim") is CellState.BLOCKED
    assert run.cell("victim").account.restarts == 2
    run.type_text("victim", "still there?\n")
    advance(run, "30ms")
    assert run.console("victim").endswith(b"listening\nheard still there?\n")


def test_after_its_last_restart_a_cell_is_destroyed(live: Live, tmp_path: Path) -> None:
    table = cells(victim={"guest": "listener", "on_crash": "restart", "max_restarts": 2}, other="hog")
    run = live(table, out=tmp_path / "out")
    run.until("2ms")
    kill_and_go_on(run, "victim", 3)
    assert run.state("victim") is CellState.FAILED
    assert run.cell("victim").why == "killed; gave up after 2 restarts"
    hogged = run.console("other")
    advance(run, "20ms")
    assert len(run.console("other")) > len(hogged)


@pytest.mark.parametrize("on_crash", ["destroy", "preserve"])
def test_the_memory_of_a_dead_cell_is_kept_only_if_its_policy_says_so(
    live: Live, tmp_path: Path, on_crash: str
) -> None:
    hog = {"image": "hog", "ram": "1MiB", "on_crash": on_crash}
    run = live({"name": "one", "board": "arm926", "cells": {"hog": hog}}, out=tmp_path / "out")
    run.until("5ms")
    kill_and_go_on(run, "hog", 1)
    assert run.state("hog") is CellState.FAILED
    memory = run.memory("hog")
    assert (memory is not None) == (on_crash == "preserve")
    if memory is not None:
        assert any(memory[0x8000:0x9000])  # its code
        memory.close()


def test_killing_every_cell_ends_the_run(live: Live, tmp_path: Path) -> None:
    run = live(BOARD, out=tmp_path / "out")
    run.until("5ms")
    for cell in ("hog", "other", "sleeper", "listener"):
        os.kill(pid(run, cell), signal.SIGKILL)
    assert until(lambda: advance(run, "1ms").why == "finished")
    assert {run.cell(name).why for name in ("hog", "other", "sleeper", "listener")} == {"killed"}


@pytest.mark.parametrize("link", ["shm", "zmq"])
@pytest.mark.parametrize("cores", [1, 2])
def test_a_sleeping_cells_death_is_noticed_while_it_sleeps(live: Live, tmp_path: Path, cores: int, link: str) -> None:
    run = live(BOARD, link=link, out=tmp_path / "out", overrides=[f"board.cores={cores}"])
    run.until("2ms")
    kill_and_go_on(run, "listener", 1)
    assert run.cell("listener").why == "killed"
