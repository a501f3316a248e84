"""What paravirtual devices cost the host: an unmodified kernel's disk and network by Xen's rings, served by driver cells.

The kernel is Debian's armmp, the back ends are Python cells: one with a file of the host, one a gateway that answers pings. The
guest's `dd` goes past its page cache (`iflag=direct`, or `conv=fsync`). Host time is from the command's line to its end, the
guest's own work included. With `--probe DIR` (DIR has `xen/xenboard.py`, or that itself) the same commands run in the probe in
turns with ours: one process without monitor, sandbox and a device's time, its back ends called from within the guest's calls.
Virtual time stands beside as `..._modelled`: what the model makes of it, not what the host took.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import unicorn

from benchmarks.host.boots import LIMIT, MARKER, STEP
from benchmarks.host.figure import Figure, Setting, Unavailable, ratios
from benchmarks.samples import Sample
from hypervisor import launch
from hypervisor.api import Run
from hypervisor.shell.guests import GuestMissing, resolve
from hypervisor.shell.topology import Topology, TopologyError, load

PEER = "10.0.0.1"
"""Who answers pings, here and in the probe."""
WAYS = {
    "read": ("block", "MiB/s", "dd if=/dev/xvda of=/dev/null bs=64k count={blocks} iflag=direct"),
    "write": ("block", "MiB/s", "dd if=/dev/zero of=/dev/xvda bs=64k count={blocks} conv=fsync"),
    "ping": ("net", "frames/s", f"ping -q -i 0.001 -s 1400 -c {{pings}} {PEER}"),
}
"""What is timed: metric, unit, command. A ping is two frames of 1442 bytes."""
MIB, PINGS, QUICK = 16, 1000, 4
"""How much, and by what a quick run divides it."""
READY = f"while [ ! -b /dev/xvda ]; do usleep 10000; done; ifconfig eth0 10.0.0.2 up; ping -c 1 {PEER}"
PROBE, LIBRARY = "xenboard.py", "armsys2"
PROBE_SECONDS = 600


class Done(NamedTuple):
    """One command: host seconds, and seconds of virtual time."""

    seconds: float
    modelled: float


def run(setting: Setting) -> Iterator[Sample]:
    """One boot for each round, and all commands in it; by turns with the probe, if there is one."""
    share = QUICK if setting.quick else 1
    commands = {name: text.format(blocks=MIB * 16 // share, pings=PINGS // share) for name, (*_, text) in WAYS.items()}
    variants: dict[str, Callable[[], dict[str, Done]]] = {"cells": partial(_in_cells, _topology(), commands)}
    if setting.probe is not None:
        variants["probe"] = partial(_in_probe, _prepared(setting), commands)
    found = setting.in_turns(variants)
    for name, (metric, unit, _) in WAYS.items():
        amount = (MIB if metric == "block" else 2 * PINGS) / share
        rates = {who: [amount / each[name].seconds for each in rounds] for who, rounds in found.items()}
        for who, values in rates.items():
            yield setting.sample("xen_pv", metric, unit, values, way=name, system=who)
        if "probe" in rates:
            yield setting.sample(
                "xen_pv", f"{metric}_to_probe", "ratio", ratios(rates["cells"], rates["probe"]), way=name
            )
        modelled = tuple(amount / each[name].modelled for each in found["cells"])
        yield Sample(
            "xen_pv", f"{metric}_modelled", unit, {"kind": "modelled", "flavour": "xen", "way": name}, modelled
        )


# ---- in cells


def _topology() -> Topology:
    append = "cells.linux.append=quiet cellvisor.modules=xen_blkfront,xen_netfront"
    try:
        return load("xen_domu", overrides=[append, f"cells.netdom.network.address={PEER}/24"])
    except TopologyError as error:
        raise Unavailable(f"run scripts/fetch_guests first ({error})") from None


def _in_cells(topology: Topology, commands: dict[str, str]) -> dict[str, Done]:
    with launch(topology) as run_:
        _until(run_, MARKER)
        _typed(run_, READY)
        return {name: _typed(run_, command) for name, command in commands.items()}


def _typed(run_: Run, command: str) -> Done:
    """A command at the shell, to its end. Looked for in steps of a millisecond, which the figure contains."""
    mark = b"done-%d" % len(run_.console("linux"))
    began, start = time.perf_counter(), run_.now
    run_.type_text("linux", f"{command} 2> /dev/null; echo do''{mark[2:].decode()}\n")
    _until(run_, mark, "1ms")
    return Done(time.perf_counter() - began, (run_.now - start) / run_.topology.board.clock_hz)


def _until(run_: Run, text: bytes, step: str = STEP) -> None:
    end = run_.now + run_.cycles(LIMIT)
    while text not in run_.console("linux"):
        if run_.now >= end:
            raise RuntimeError(f"the kernel has not said {text!r} after {LIMIT} of virtual time")
        run_.until(run_.now + run_.cycles(step))


# ---- in the probe


def _prepared(setting: Setting) -> Path:
    """A copy of the probe with its C part built, as it is not ours to write into."""
    assert setting.probe is not None
    folder = next((each for each in (setting.probe, setting.probe / "xen") if (each / PROBE).is_file()), None)
    if folder is None:
        raise Unavailable(f"there is no {PROBE} in {setting.probe}")
    place = setting.scratch / "probe_xen"
    shutil.copytree(folder, place, dirs_exist_ok=True)
    place.chmod(0o755)
    build = ["gcc", "-O2", "-shared", "-fPIC", "-o", f"{LIBRARY}.so", f"{LIBRARY}.c"]
    done = subprocess.run(build, cwd=place, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unavailable(f"the probe's C part cannot be built: {done.stderr[-200:]}")
    return place


def _in_probe(place: Path, commands: dict[str, str]) -> dict[str, Done]:
    """The same commands in the probe; what it says is read as it comes."""
    try:
        kernel, initrd = (resolve(name, None).path for name in ("debian:armmp", "debian:drivers"))
    except GuestMissing as missing:
        raise Unavailable(str(missing)) from None
    disk = place / "disk.img"
    disk.write_bytes(bytes(MIB << 20))
    typed = [READY, *(f"{each} 2> /dev/null" for each in commands.values())]
    lines = "\n".join(f"{each}; echo do''ne-{number}" for number, each in enumerate(typed)) + "\necho DONE''-MARK"
    options = {"kernel": kernel, "initrd": initrd, "dts": "xen.dts", "cpu": "CORTEX_A15", "disk": disk, "cmds": lines}
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    more = [
        "--chooks",
        "--cpt",
        "--net",
        "--bootargs",
        "console=hvc0 quiet cellvisor.modules=xen_blkfront,xen_netfront",
    ]
    command = [sys.executable, PROBE, *words, *more, "--secs", str(PROBE_SECONDS)]
    library = Path(unicorn.__file__).parent / "lib" / "libunicorn.so.2"  # its C part is linked to nothing
    environment = os.environ | {"UC_IGNORE_REG_BREAK": "1", "LD_PRELOAD": str(library)}
    with subprocess.Popen(command, cwd=place, env=environment, stdout=subprocess.PIPE) as process:
        at = _moments(process, len(typed))
        process.terminate()
    return {name: Done(at[number + 1] - at[number], 0.0) for number, name in enumerate(commands)}


def _moments(process: subprocess.Popen[bytes], count: int) -> list[float]:
    """When each of the first commands was over."""
    assert process.stdout is not None
    said, at = b"", list[float]()
    while len(at) < count:
        piece = os.read(process.stdout.fileno(), 4096)
        if not piece:
            raise Unavailable(f"the probe ended: {said[-300:].decode(errors='replace')}")
        said += piece
        while len(at) < count and re.search(rb"[\r\n]done-%d\r" % len(at), said):
            at.append(time.perf_counter())
    return at


FIGURE = Figure("xen_pv", "paravirtual disk and network of an unmodified kernel, served by driver cells", (), run)
