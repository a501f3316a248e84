"""What the real Xen interface costs the host: a DomU's boot against the same kernel's native one, and hypercalls per second.

The kernel is Debian's armmp with one initramfs; as a guest of xen it has its console in a ring, and each hypercall is an exit
to the monitor. The calls are counted with an image that asks for xen_version and does nothing else.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from typing import Any

from benchmarks.host.boots import boot_in_cells
from benchmarks.host.figure import Figure, Setting, Target, Unavailable, ratios
from benchmarks.samples import Sample
from hypervisor import launch
from hypervisor.shell.topology import Topology, TopologyError, load

NATIVE, GUEST = "native", "xen"
CALLS, QUICK_CALLS = 20_000, 2_000


def run(setting: Setting) -> Iterator[Sample]:
    """Boots by turns, then the calls."""
    topologies = {flavour: _linux(flavour) for flavour in (NATIVE, GUEST)}
    found = setting.in_turns({name: partial(boot_in_cells, topology) for name, topology in topologies.items()})
    totals = {name: [boot.start_seconds + boot.seconds for boot in boots] for name, boots in found.items()}
    for name, values in totals.items():
        yield setting.sample("xen_boot", "prompt", "s", values, flavour=name)
        yield setting.sample("xen_boot", "mips", "MIPS", [boot.mips for boot in found[name]], flavour=name)
    yield setting.sample("xen_boot", "prompt_to_native", "ratio", ratios(totals[GUEST], totals[NATIVE]))
    times = QUICK_CALLS if setting.quick else CALLS
    rates = setting.in_turns({"calls": partial(_calls, times)})["calls"]
    yield setting.sample("xen_boot", "hypercalls", "1/s", rates, times=times)


def _linux(flavour: str) -> Topology:
    cell = {"kernel": "debian:armmp", "initrd": "debian:busybox", "ram": "64MiB"}
    try:
        return load({"name": "boots", "board": "beagle", "cells": {"linux": cell}}, flavour=flavour)
    except TopologyError as error:
        raise Unavailable(f"run scripts/fetch_guests first ({error})") from None


def _calls(times: int) -> float:
    """Hypercalls per host second, from the first exit to the last."""
    cells: dict[str, Any] = {
        "caller": {"image": "hostile_xen", "args": f"do=speed times={times}", "ram": "256KiB"},
        "other": {"image": "hello", "ram": "256KiB"},
    }
    channels = [{"between": ["caller", "other"], "class": "message"}]
    with launch({"name": "calls", "board": "beagle", "cells": cells, "channels": channels}, flavour=GUEST) as run_:
        began = time.perf_counter()
        run_.run()
        seconds = time.perf_counter() - began
        if b"served" not in run_.console("caller"):
            raise RuntimeError(f"the caller {run_.cell('caller').why}")
        return times / seconds


FIGURE = Figure(
    "xen_boot",
    "an unmodified kernel as a Xen guest against the same one native",
    (Target("prompt_to_native", "<=", 1.15, "host time to the shell, as a guest of xen / native"),),
    run,
)
