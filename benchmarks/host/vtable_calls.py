"""Calls through vtables for each second of the host: an applet in ARM code that does nothing else, and one that draws.

The first is `rogue` in its crime "i", ISHELL_ActiveApplet for ever, until the watchdog closes it. The second is `bounce`, whose
calls are mostly circles. Each in a cell of its own under okl4, whose ledger has the calls as redirected events.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from typing import Any

from benchmarks.host.figure import Figure, Setting
from benchmarks.samples import Sample
from hypervisor import launch
from hypervisor.api import Run

BEGIN = 100
"""Virtual milliseconds until the key is pressed."""
SHOWS = {"empty": ("rogue", "i", 550), "drawing": ("bounce", "", 20_000)}
"""What is called: the applet, the key, and for how many virtual milliseconds it is watched."""


def run(setting: Setting) -> Iterator[Sample]:
    """Both by turns."""
    measures = {what: partial(_rate, *show) for what, show in SHOWS.items()}
    for what, rates in setting.in_turns(measures).items():
        yield setting.sample("vtable_calls", "calls_per_host_second", "1/s", rates, calls=what)


def _rate(applet: str, key: str, milliseconds: int) -> float:
    cell: dict[str, Any] = {"personality": "brew", "modules": [applet], "run": [applet], "ram": "4MiB"}
    with launch({"name": "calls", "board": "evoke_qa4", "flavour": "okl4", "cells": {"brew": cell}}) as it:
        it.until(f"{BEGIN}ms")
        it.type_text("brew", key)
        before, began = _calls(it), time.perf_counter()
        it.until(f"{BEGIN + milliseconds}ms")
        return (_calls(it) - before) / (time.perf_counter() - began)


def _calls(it: Run) -> int:
    return int(it.monitor.ledger.to_dict()["brew"]["counts"].get("redirected_syscall", 0))


FIGURE = Figure("vtable_calls", "calls of an applet through vtables, for each second of the host", (), run)
