"""Boots of Debian kernels to the shell's marker, in cells: shared by the figures."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.host.figure import Unavailable
from hypervisor import launch
from hypervisor.shell.topology import Topology, TopologyError, load

MARKER = b"cellvisor: shell ready"
"""What our /init says (boards/guests/init)."""
PROBE_SCRIPT = "board_q.py"
STEP = "50ms"
"""Virtual time between two looks at the consoles."""
LIMIT = "60s"
"""Virtual time after which a boot has failed: one takes about 5 s."""


class Boot(NamedTuple):
    """How a boot went: host seconds of starting the cells and of running, instructions and exits of all cells."""

    start_seconds: float
    seconds: float
    instructions: int
    exits: int

    @property
    def mips(self) -> float:
        """Instructions per host microsecond while it ran."""
        return self.instructions / self.seconds / 1e6


def linux(
    count: int = 1, *, cores: int = 1, slice_: str = "10ms", flavour: str | None = None, vtlb: int | None = None
) -> Topology:
    """Some Debian marvell kernels on an arm926. `vtlb`: entries of the virtual TLB, where the flavour has one.

    Raises:
        Unavailable: the kernel has not been fetched.
    """
    cell = {"kernel": "debian:marvell", "initrd": "debian:busybox", "ram": "64MiB", "count": count}
    description: dict[str, Any] = {
        "name": "boots",
        "board": "arm926",
        "scheduler": {"policy": "round_robin", "slice": slice_},
        "cells": {"linux": cell},
    }
    try:
        more = [f"vtlb.entries={vtlb}"] if vtlb is not None else []
        return load(description, overrides=[f"board.cores={cores}", *more], flavour=flavour)
    except TopologyError as error:
        raise Unavailable(f"run scripts/fetch_guests first ({error})") from None


def boot_in_cells(topology: Topology) -> Boot:
    """Boot every cell to the marker under the monitor, sandboxed as always."""
    began = time.perf_counter()
    with launch(topology) as run:
        started = time.perf_counter()
        end, step = run.cycles(LIMIT), run.cycles(STEP)
        for until in range(step, end, step):
            run.until(until)
            if all(MARKER in run.console(cell.name) for cell in topology.cells):
                break
        else:
            raise RuntimeError(f"no shell after {LIMIT} of virtual time")
        accounts = [cell.account for cell in run.monitor.cells]
        return Boot(
            started - began,
            time.perf_counter() - started,
            sum(account.insns for account in accounts),
            sum(sum(account.exits.values()) for account in accounts),
        )


def boot_probe(folder: Path, topology: Topology) -> float:
    """Host seconds of a boot in the probe, a program outside of this project: from the start of its process to its end."""
    cell = topology.cells[0]
    options = ["--kw", "--cpu", "926", "--chooks", "--entry", "0x2000000", "--dts", "board_kw.dts"]
    images = ["--kernel", str(cell.path), "--initrd", str(cell.initrd_path)]
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, PROBE_SCRIPT, *options, *images], cwd=folder, capture_output=True, check=False
    )
    if done.returncode or MARKER not in done.stdout:
        raise Unavailable(f"the probe in {folder} does not boot: {done.stderr.decode(errors='replace')[-200:]}")
    return time.perf_counter() - began
