"""What a paravirtual disk costs the host: an unmodified kernel reads and writes one by Xen's rings, a driver cell serves it.

The kernel is Debian's armmp, the back end a Python cell with a file of the host; the guest's `dd` goes past its page cache
(`iflag=direct`, or `conv=fsync`). Host time is from the command's line to its end, the guest's own work included.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

from benchmarks.host.boots import LIMIT, MARKER, STEP
from benchmarks.host.figure import Figure, Setting, Unavailable
from benchmarks.samples import Sample
from hypervisor import launch
from hypervisor.api import Run
from hypervisor.shell.topology import Topology, TopologyError, load

MIB, QUICK_MIB = 16, 4
COMMANDS = {
    "read": "dd if=/dev/xvda of=/dev/null bs=64k count={count} iflag=direct",
    "write": "dd if=/dev/zero of=/dev/xvda bs=64k count={count} conv=fsync",
}
"""What is timed."""


class Done(NamedTuple):
    """One transfer: host seconds, and seconds of virtual time."""

    seconds: float
    modelled: float


def run(setting: Setting) -> Iterator[Sample]:
    """One boot for each round, and all commands in it."""
    size = QUICK_MIB if setting.quick else MIB
    rounds = setting.in_turns({"boot": partial(_transfers, _topology(), size)})["boot"]
    for name in COMMANDS:
        done = [each[name] for each in rounds]
        yield setting.sample("xen_pv", "block", "MiB/s", [size / one.seconds for one in done], way=name)
        dimensions = {"kind": "modelled", "flavour": "xen", "way": name}
        yield Sample("xen_pv", "block_modelled", "MiB/s", dimensions, tuple(size / one.modelled for one in done))


def _topology() -> Topology:
    try:
        return load("xen_domu", overrides=["cells.linux.append=quiet cellvisor.modules=xen_blkfront"])
    except TopologyError as error:
        raise Unavailable(f"run scripts/fetch_guests first ({error})") from None


def _transfers(topology: Topology, size: int) -> dict[str, Done]:
    with launch(topology) as run_:
        _until(run_, MARKER)
        _typed(run_, "while [ ! -b /dev/xvda ]; do usleep 10000; done")
        return {name: _typed(run_, command.format(count=size * 16)) for name, command in COMMANDS.items()}


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


FIGURE = Figure("xen_pv", "a paravirtual disk of an unmodified kernel, served by a driver cell", (), run)
