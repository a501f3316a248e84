"""Cells that talk: what a message, a hypercall, a granted page, a frame and a block cost on the host, and in virtual cycles.

Host figures are of whole runs by `launch`, from the first message to the last. What one message costs in virtual cycles under
each flavour is modelled: it comes from the ledger, cause by cause, and is the same on every host.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

from benchmarks.host.figure import Figure, Setting, Target, on_cpus, ratios, two_cpus
from benchmarks.samples import Sample
from hypervisor import launch
from hypervisor.flavours import FLAVOURS

TALKATIVE = tuple(name for name, flavour in FLAVOURS.items() if flavour.most_cells != 1)
ROUNDS, QUICK_ROUNDS = 3000, 200
COPIES, COPY_BYTES = 400, 256 << 10
BLOCK_KIB, FRAMES = 256, 2000
BOARD = "beagle"


class Took(NamedTuple):
    """Host seconds of the part that counts, how many things were done in it, and the virtual cycles by cause."""

    seconds: float
    times: int
    cycles: dict[str, int]


def run(setting: Setting) -> Iterator[Sample]:
    """Messages, hypercalls, copies, frames, blocks."""
    with on_cpus(two_cpus()[0]):  # one modelled core: the monitor and the cells take turns
        yield from _round_trips(setting)
        yield from _hypercalls(setting)
        yield from _copies(setting)
        yield from _drivers(setting)


def _round_trips(setting: Setting) -> Iterator[Sample]:
    times = QUICK_ROUNDS if setting.quick else ROUNDS
    variants: dict[str, Callable[[], Took]] = {
        f"{kind}, {flavour}, {link}": partial(_timed, _ping(kind, times), flavour, link, times)
        for flavour in TALKATIVE
        for kind, link in (("python", "shm"), ("python", "zmq"), ("arm", "shm"))
    }
    for name, found in setting.in_turns(variants).items():
        kind, flavour, link = name.split(", ")
        dimensions = {"guests": kind, "flavour": flavour, "link": link}
        micros = [one.seconds / one.times * 1e6 for one in found]
        yield setting.sample("connections", "round_trip", "us", micros, **dimensions)
        if link == "shm":
            for cause, cycles in found[0].cycles.items():
                where = {"kind": "modelled", "cause": cause, **dimensions}
                yield Sample("connections", "round_trip_cycles", "cycles", where, (cycles / found[0].times,))


_PAIRS: dict[str, Callable[[int], dict[str, Any]]] = {
    "python": lambda times: {
        "ping": {"guest": "cells.programs.ping:ping", "args": ["pong", times, 16]},
        "pong": {"guest": "cells.programs.ping:pong"},
    },
    "arm": lambda times: {
        "ping": {"image": "pinger", "args": f"peer=pong times={times} size=16"},
        "pong": {"image": "pinger", "args": "peer=ping echo=1"},
    },
}


def _ping(kind: str, times: int) -> dict[str, Any]:
    channels = [{"between": ["ping", "pong"], "class": "message"}]
    return {"name": "ping", "board": BOARD, "cells": _PAIRS[kind](times), "channels": channels}


def _timed(description: dict[str, Any], flavour: str, link: str, times: int, watched: str = "ping") -> Took:
    """Run until the watched cell is done."""
    with launch(description, flavour=flavour, link=link) as run_:
        run_.until(run_.cycles("1us"))  # everybody stands
        began, cycles = time.perf_counter(), run_.cycles("100ms")
        while not run_.cell(watched).ended:
            if run_.until(run_.now + cycles).why == "finished":
                break
        seconds = time.perf_counter() - began
        if str(run_.state(watched)) != "shut down":
            raise RuntimeError(f"{watched} {run_.state(watched)} under {flavour}: {run_.cell(watched).why}")
        ledger = run_.monitor.ledger
        causes = {cause: ledger.total(cause) for cause in ledger.causes if cause != "idle"}
    return Took(seconds, times, {cause: spent for cause, spent in causes.items() if spent})


def _hypercalls(setting: Setting) -> Iterator[Sample]:
    times = QUICK_ROUNDS if setting.quick else 4 * ROUNDS
    cell = {"guest": "cells.programs.stories:hypercaller", "args": [times]}
    description = {"name": "calls", "board": BOARD, "cells": {"guest": cell}}
    found = setting.in_turns({"hypercalls": partial(_timed, description, TALKATIVE[0], "shm", times, "guest")})
    yield setting.sample("connections", "hypercalls", "1/s", [one.times / one.seconds for one in found["hypercalls"]])


def _copies(setting: Setting) -> Iterator[Sample]:
    copies = 40 if setting.quick else COPIES
    found = setting.in_turns(
        {"granted": partial(_copy_speed, copies, granted=True), "own": partial(_copy_speed, copies, granted=False)}
    )
    for name, speeds in found.items():
        yield setting.sample("connections", "copy", "MB/s", speeds, memory=name)
    yield setting.sample("connections", "granted_to_memcpy", "ratio", ratios(found["granted"], found["own"]))


def _copy_speed(copies: int, *, granted: bool) -> float:
    """MB/s of copying into memory that two cells share, or into the cell's own, timed by the run: nothing else happens in it."""
    half = COPY_BYTES // 2
    shared = [{"name": "buffer", "size": f"{COPY_BYTES // 1024}KiB", "cells": {"a": "rw", "b": "rw"}}]
    guests: dict[str, Callable[..., Any]] = {
        "a": partial(_copier, copies=copies, granted=granted, half=half),
        "b": _sleeper,
    }
    cells = {name: {"guest": "python", "ram": "2MiB"} for name in guests}
    description = {"name": "copy", "board": BOARD, "cells": cells, "shared": shared}
    with launch(description, guests=guests) as run_:
        run_.until("1ms")
        began = time.perf_counter()
        run_.until("10ms")
        seconds = time.perf_counter() - began
        if run_.console("a") != b"done\n":
            raise RuntimeError(f"the copy did not end: {run_.cell('a').why}")
    return copies * half / seconds / 1e6


def _copier(port: Any, *, copies: int, granted: bool, half: int) -> None:
    own = port.memory.view(port.memory.allocate(2 * half // 4096), 2 * half)
    target = port.connections.shared["buffer"] if granted else own
    source = bytes(half)
    port.sleep_until(port.cycles("2ms"))
    for place in range(copies):
        start = (place % 2) * half
        target[start : start + half] = source
    port.print("done")


def _sleeper(port: Any) -> None:
    port.sleep_until(port.cycles("1s"))


def _drivers(setting: Setting) -> Iterator[Sample]:
    kib, frames = (16, 50) if setting.quick else (BLOCK_KIB, FRAMES)
    variants: dict[str, Callable[[], Took]] = {}
    for flavour in TALKATIVE:
        variants[f"net, {flavour}"] = partial(
            _built_in, "net", ["cells.alice.args", [frames, 200]], flavour, frames, "alice"
        )
        variants[f"block, {flavour}"] = partial(
            _built_in, "storage", ["cells.client.args", [kib]], flavour, kib, "client"
        )
    for name, found in setting.in_turns(variants).items():
        kind, flavour = name.split(", ")
        if kind == "net":
            rates = [2 * one.times / one.seconds for one in found]  # there and back
            yield setting.sample("connections", "frames", "1/s", rates, flavour=flavour)
        else:
            rates = [2 * one.times / 1024 / one.seconds for one in found]  # written and copied
            yield setting.sample("connections", "block", "MiB/s", rates, flavour=flavour)


def _built_in(name: str, change: list[Any], flavour: str, times: int, watched: str) -> Took:
    key, value = change
    with launch(name, flavour=flavour, overrides=[f"{key}={value}"]) as run_:
        run_.until(run_.cycles("1us"))
        began = time.perf_counter()
        while not run_.cell(watched).ended and run_.now < run_.cycles("600s"):
            run_.until(run_.now + run_.cycles("100ms"))
        seconds = time.perf_counter() - began
        if str(run_.state(watched)) != "shut down":
            raise RuntimeError(f"{watched} under {flavour}: {run_.state(watched)} {run_.cell(watched).why}")
    return Took(seconds, times, {})


FIGURE = Figure(
    "connections",
    "messages, hypercalls, granted memory, frames and blocks between cells",
    (Target("granted_to_memcpy", ">=", 0.8, "of the speed of copying within own memory, into a granted buffer"),),
    run,
)
