"""Faults on this host: injections per minute, how soon a death, a hang and a lost heartbeat are noticed, what the sandbox costs.

Detection is measured from outside: from the signal that the host sends to a cell's process (or from the last word of a cell that
then spins or beats no more) until the monitor's books say that the cell has failed. A cell that spins outside of its engine is
noticed by the backstop, which is chosen far above anything honest (`Patience`): its figure is that choice and what comes on
top. Heartbeats are virtual time: measured is a run at the pace of the wall clock, and their period is part of it. The sandbox's
cost is that of starting cells with and without, in turns.
"""

from __future__ import annotations

import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.host.figure import Figure, Setting, Target
from benchmarks.samples import Sample
from hypervisor import launch
from hypervisor.api import Run
from hypervisor.core.cell import CellState
from hypervisor.shell.campaigns.campaign import load_campaign
from hypervisor.shell.campaigns.runner import Directory, run_campaign
from hypervisor.shell.cellhost import Patience

CAMPAIGN, JOBS = "net_kills", 2
CELLS, QUICK_CELLS = 32, 8
BACKSTOP_S, QUICK_BACKSTOP_S = 10.0, 1.0
HEARTBEAT, NAP, BEATS = "50ms", "20ms", 4
LOOK_S = 0.0002
"""Between two looks at the monitor's books."""
FAR = "100000s"


def run(setting: Setting) -> Iterator[Sample]:
    """All of it."""
    campaign = load_campaign(CAMPAIGN).sample(6 if setting.quick else 1000)
    per_minute = setting.in_turns({"campaign": partial(_campaign, setting, campaign)})["campaign"]
    yield setting.sample("faults", "injections_per_minute", "1/min", per_minute, campaign=CAMPAIGN, jobs=JOBS)
    backstop = QUICK_BACKSTOP_S if setting.quick else BACKSTOP_S
    found = setting.in_turns(
        {
            "kill": partial(_signal, signal.SIGKILL),
            "stop": partial(_signal, signal.SIGSTOP),
            "hang": partial(_after_its_last_word, _spins, backstop),
            "heartbeat": partial(_after_its_last_word, _falls_silent, backstop),
        }
    )
    for what, seconds in found.items():
        more = {"backstop_s": backstop} if what == "hang" else {}
        yield setting.sample("faults", "detection", "ms", [1e3 * one for one in seconds], of=what, **more)
    cells = QUICK_CELLS if setting.quick else CELLS
    started = setting.in_turns({"with": partial(_start, cells, True), "without": partial(_start, cells, False)})
    cost = [1e3 * (a - b) / cells for a, b in zip(started["with"], started["without"], strict=True)]
    yield setting.sample("faults", "sandbox_per_cell", "ms", cost, cells=cells)


def _campaign(setting: Setting, campaign: Any) -> float:
    """Injections per minute, the runs without a fault included."""
    with tempfile.TemporaryDirectory(dir=setting.scratch) as place, ThreadPoolExecutor(JOBS) as pool:
        began = time.perf_counter()
        results = run_campaign(campaign, Directory(Path(place) / "c", campaign), pool)
        return 60 * len(results) / (time.perf_counter() - began)


def _signal(number: int) -> float:
    """Seconds from a signal to a computing cell until it is known to have failed."""
    with launch("many", overrides=["cells.hog.count=2", "cells.hog.args=rounds=0"]) as run_:
        run_.until("10ms")
        process = run_.hosts[0].process
        assert process is not None

        def strike() -> float:
            time.sleep(0.1)  # of the host: the run is well under way
            began = time.perf_counter()
            process.kill(number)
            return began

        return _until_failed(run_, "hog0", partial(run_.until, FAR), strike)


def _until_failed(run_: Run, cell: str, drive: Callable[[], object], strike: Callable[[], float]) -> float:
    """Drive the run beside, strike, and look until the cell has failed; seconds since the time that `strike` says."""
    driver = threading.Thread(target=drive)
    driver.start()
    try:
        began = strike()
        while run_.state(cell) is not CellState.FAILED:
            if not driver.is_alive() and run_.state(cell) is not CellState.FAILED:
                raise RuntimeError(f"the run ended, and {cell} is {run_.state(cell)}")
            time.sleep(LOOK_S)
        return time.perf_counter() - began
    finally:
        run_.interrupt()
        driver.join()


def _falls_silent(port: Any) -> None:
    for _ in range(BEATS):
        port.heartbeat()
        port.sleep(NAP)
    port.heartbeat()
    port.print("last")
    port.wait()


def _spins(port: Any) -> None:
    port.print("last")
    port.sleep(NAP)
    while True:
        pass


def _after_its_last_word(guest: Callable[[Any], None], backstop: float) -> float:
    """Seconds from a cell's last word until it is known to have failed, at the pace of the wall clock."""
    cells = {"a": {"guest": "python", "heartbeat": HEARTBEAT} if guest is _falls_silent else {"guest": "python"}}
    table = {"name": "silent", "board": "arm926", "cells": cells}
    with launch(table, guests={"a": guest}, patience=Patience(backstop=backstop)) as run_:
        said: list[float] = []
        run_.on_output.append(lambda _cell, _data: said.append(time.perf_counter()))

        def strike() -> float:
            while not said:
                time.sleep(LOOK_S)
            return said[0]

        return _until_failed(run_, "a", partial(run_.until_paced, FAR), strike)


def _start(cells: int, sandbox: bool) -> float:
    """Seconds to start so many cells."""
    began = time.perf_counter()
    with launch("many", overrides=[f"cells.hog.count={cells}"], sandbox=sandbox):
        return time.perf_counter() - began


FIGURE = Figure(
    "faults",
    "faults: injections per minute, detection, the sandbox's cost",
    (
        Target("detection", "<=", 50.0, "ms until a death by SIGKILL is known", {"of": "kill"}),
        Target("detection", "<=", 100.0, "ms until a cell that is stopped in its turn is known", {"of": "stop"}),
        Target("detection", "<=", 1e3 * (BACKSTOP_S + 2), "ms until one that spins there is known", {"of": "hang"}),
        Target("detection", "<=", 100.0, "ms from the last of heartbeats each 50 ms", {"of": "heartbeat"}),
        Target("sandbox_per_cell", "<=", 2.0, "ms of a cell's start for its sandbox"),
    ),
    run,
)
