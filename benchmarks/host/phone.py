"""The phone: from the command's start to its menu, and frames of an applet for each second of the host, under each flavour.

A start is a process of its own, measured until it has printed that the menu is there; frames are those that Linux's program was
told of and had flushed to the panel, counted over virtual seconds in which an applet moves and nothing else happens.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from benchmarks.host.figure import Figure, Setting, Target
from benchmarks.samples import Sample
from hypervisor import launch
from hypervisor.api import Run

FLAVOURS = ("okl4", "l4", "xen")
MENU = b"ui: menu at"
SECONDS = 60
PLACES = {"bounce": (53, 60), "film": (160, 60)}
"""Applets and where their icons are."""
BEGIN, VIRTUAL_S = 1100, 4
"""Virtual milliseconds after which frames are counted, and for how many seconds."""


class Frames(NamedTuple):
    """Shown in a second of the host, and in one of virtual time."""

    host: float
    virtual: float


def run(setting: Setting) -> Iterator[Sample]:
    """All by turns."""
    starts: dict[str, Callable[[], float]] = {name: partial(_to_menu, name) for name in FLAVOURS}
    for flavour, seconds in setting.in_turns(starts).items():
        yield setting.sample("phone", "menu", "s", seconds, flavour=flavour)
    shows = {
        f"{applet} {name}": partial(_frames, applet, name, 1 if setting.quick else VIRTUAL_S)
        for applet in PLACES
        for name in FLAVOURS
    }
    for what, found in setting.in_turns(shows).items():
        applet, _, flavour = what.partition(" ")
        where = {"applet": applet, "flavour": flavour}
        yield setting.sample("phone", "frames_per_host_second", "1/s", [one.host for one in found], **where)
        modelled = {"kind": "modelled", **where}
        yield Sample("phone", "frames_per_virtual_second", "1/s", modelled, (found[0].virtual,))


def _to_menu(flavour: str) -> float:
    """Host seconds from the command's start to the line that says so."""
    command = [sys.executable, "-u", "-m", "hypervisor.cli", "run", "phone", "--flavour", flavour]
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if MENU in line:
                return time.perf_counter() - began
        raise RuntimeError(f"the phone ended without a menu under {flavour}")
    finally:
        process.terminate()
        process.stdout.close()
        process.wait(SECONDS)


def _frames(applet: str, flavour: str, seconds: int) -> Frames:
    """The program reports its frames at each full second; the host's time is that of the seconds between two such reports."""
    x, y = PLACES[applet]
    script = f"inputs=[{{at = '100ms', touch = [{x}, {y}]}}]"
    with launch("phone", flavour=flavour, overrides=[script]) as phone:
        phone.until(f"{BEGIN}ms")
        first, began = _count(phone), time.perf_counter()
        phone.until(f"{BEGIN + 1000 * seconds}ms")
        frames, took = _count(phone) - first, time.perf_counter() - began
    return Frames(frames / took, frames / seconds)


def _count(phone: Run) -> int:
    return phone.cell("linux").account.metrics["frames"][0]


FIGURE = Figure(
    "phone",
    "the phone from its start to the menu, and an applet's frames",
    tuple(Target("menu", "<=", 3.0, f"s from the start to the menu, {name}", {"flavour": name}) for name in FLAVOURS),
    run,
)
