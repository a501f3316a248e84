"""What virtual devices cost the host: disk requests and network frames by virtio, beside the same by a guest of ours.

Both go to the same driver domain with its content in memory. The virtio driver is an image that does nothing else
(`hostile_virtio`); the guest of ours is a Python program over the same front end, with its requests one after another, too.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

from benchmarks.host.figure import Figure, Setting
from benchmarks.samples import Sample
from cells.split.block.front import BlockDevice
from cells.split.net.front import BROADCAST, NetDevice
from hypervisor import launch

TIMES, QUICK_TIMES = 2_000, 200
SIZES = (4096, 65536)
FRAME = 60
"""Bytes: the shortest frame of a real network, without its checksum."""


class Done(NamedTuple):
    """A run: host seconds, and virtual cycles."""

    seconds: float
    cycles: int


def run(setting: Setting) -> Iterator[Sample]:
    """Requests of each size, and frames, by turns."""
    times = QUICK_TIMES if setting.quick else TIMES
    variants = {f"{way} {size}": partial(_requests, way, times, size) for size in SIZES for way in READERS}
    variants |= {f"{way} frames": partial(_frames, way, times) for way in SENDERS}
    found = setting.in_turns(variants)
    for size in SIZES:
        for way in READERS:
            runs = found[f"{way} {size}"]
            rates = [times * size / (1 << 20) / one.seconds for one in runs]
            yield setting.sample("virtio", "block", "MiB/s", rates, way=way, bytes=size)
            yield _modelled("block_request", runs, times, way=way, bytes=size)
    for way in SENDERS:
        runs = found[f"{way} frames"]
        yield setting.sample("virtio", "frames", "1/s", [times / one.seconds for one in runs], way=way, bytes=FRAME)
        yield _modelled("frame", runs, times, way=way, bytes=FRAME)


def _modelled(metric: str, runs: list[Done], times: int, **dimensions: Any) -> Sample:
    values = tuple(one.cycles / times for one in runs)
    return Sample("virtio", metric, "cycles", {"kind": "modelled", "flavour": "okl4", **dimensions}, values)


def reader(port: Any, times: int, size: int) -> None:
    """Reads as the image does."""
    disk = BlockDevice(port.connections, "storage", port)
    for _ in range(times):
        disk.read(0, size // disk.sector_size)


def sender(port: Any, times: int) -> None:
    """Sends as the image does."""
    net = NetDevice(port.connections, "net", port)
    for _ in range(times):
        net.send(BROADCAST.ljust(FRAME, b"\2"))
    net.flush()


def receiver(port: Any) -> None:
    """Takes what comes."""
    net = NetDevice(port.connections, "net", port)
    while net.receive() is not None:
        pass


def _image(do: str, times: int, size: int) -> dict[str, Any]:
    arguments = f"do={do} times={times} bytes={size}"
    return {"image": "hostile_virtio", "virtio": True, "args": arguments, "ram": "256KiB", "priority": 5}


def _guest(function: str, *arguments: int) -> dict[str, Any]:
    return {"guest": f"{__name__}:{function}", "args": list(arguments), "ram": "1MiB", "priority": 5}


READERS = {
    "virtio": lambda times, size: _image("speed", times, size),
    "guest": lambda times, size: _guest("reader", times, size),
}
SENDERS = {
    "virtio": lambda times: _image("frames", times, FRAME),
    "guest": lambda times: _guest("sender", times),
}
"""Who asks -> its cell."""


def _requests(way: str, times: int, size: int) -> Done:
    cells = {"asks": READERS[way](times, size), "storage": {"domain": "block", "priority": 6, "ram": "2MiB"}}
    return _run({"cells": cells, "channels": [{"between": ["asks", "storage"], "class": "block"}]})


def _frames(way: str, times: int) -> Done:
    cells = {
        "asks": SENDERS[way](times),
        "hears": {**_guest("receiver"), "priority": 7},
        "net": {"domain": "net", "priority": 6, "ram": "1MiB"},
    }
    channels = [{"between": [name, "net"], "class": "net"} for name in ("asks", "hears")]
    return _run({"cells": cells, "channels": channels})


def _run(table: dict[str, Any]) -> Done:
    """Until the one who asks is done."""
    with launch({"name": "virtio", "board": "beagle", "flavour": "okl4", **table}) as run_:
        began = time.perf_counter()
        while not run_.cell("asks").ended:
            run_.until(run_.now + run_.cycles("10ms"))
        seconds = time.perf_counter() - began
        if run_.cell("asks").why not in ("", "status 0"):
            raise RuntimeError(f"the one who asks: {run_.cell('asks').why}")
        ledger = run_.monitor.ledger
        return Done(seconds, sum(ledger.time(name) for name in table["cells"]))


FIGURE = Figure("virtio", "disk requests and frames by virtio, and by a guest of ours", (), run)
