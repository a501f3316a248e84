"""The life of a cell's process: build the guest, connect, close the sandbox, say hello, run.

What is needed later is made before the sandbox closes: engine, mappings, sockets, imports. The first exit (HELLO) tells the
monitor how the sandbox turned out; after the last one (FAULT, SHUTDOWN) the process waits to be ended.
"""

from __future__ import annotations

import importlib
import mmap
import os
import signal
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from cells import kernel, sandbox
from cells.engines.python_program import PythonProgram
from cells.fault import GuestFault
from cells.links import Link, ShmLink, ZmqLink, connect
from cells.lockstep import Lockstep
from cells.machine.machine import Machine, MachineSpec
from cells.order import CellOrder, unpickle_guest
from hypervisor.abi.messages import pack
from hypervisor.abi.records import DATA_LIMIT, ExitKind


class Guest(Protocol):
    """What runs in a cell."""

    def run(self, world: Lockstep) -> None:
        """Run until there is nothing more to run."""
        ...


def cell_main(order: CellOrder, fds: Mapping[str, int]) -> None:
    """The entry of a local cell's process; does not return.

    `fds`: "page" for the shm transport, "ram" for a machine's memory.
    """
    settings: Mapping[str, Any] = order.settings
    if settings.get("small"):
        kernel.prctl(kernel.PR_SET_THP_DISABLE, 1)  # a huge page here and there would double what a small cell takes
    guest = build_guest(order, fds.get("ram"))
    link: Link
    if settings["link"]["transport"] == "shm":
        link = ShmLink(fds["page"])
        link.adopt()
    else:
        link = ZmqLink(connect(**settings["link"]["address"]))
    serve(order, guest, Lockstep(link))


def serve(order: CellOrder, guest: Guest, world: Lockstep) -> None:
    """Close the sandbox, say hello, and run the guest; does not return."""
    memory = _own_memory() if order.settings.get("measure") else 0
    report = sandbox.enter(order.sandbox)
    hello = pack({"lacking": list(report.lacking), "memory": memory})
    world.exit(ExitKind.HELLO, 0, data=hello[:DATA_LIMIT])
    _run(guest, world)
    while True:
        signal.pause()  # the monitor ends this process


def _run(guest: Guest, world: Lockstep) -> None:
    try:
        guest.run(world)
    except GuestFault as fault:
        arguments = (fault.code, fault.pc, fault.address, 0)
        world.exit(ExitKind.FAULT, world.start, arguments=arguments, data=str(fault).encode()[:DATA_LIMIT])
    except Exception as error:  # a device model that a hostile guest has upset, for example
        where = traceback.extract_tb(error.__traceback__)[-1]
        text = f"{type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})"
        world.exit(ExitKind.FAULT, world.start, arguments=(2, 0, 0, 0), data=text.encode()[:DATA_LIMIT])


def build_guest(order: CellOrder, ram: int | None) -> Guest:
    """The guest that the order describes. `ram`: descriptor of a machine's memory."""
    settings: Mapping[str, Any] = order.settings
    if settings["kind"] == "python":
        return _python_program(order)
    spec = MachineSpec(**settings["machine"])
    memory = mmap.mmap(ram if ram is not None else -1, spec.ram_size)
    if ram is not None:
        os.close(ram)
    for address, content in settings.get("segments", ()):
        memory[address - spec.ram_base : address - spec.ram_base + len(content)] = content
    return Machine(spec, memory)


def _python_program(order: CellOrder) -> PythonProgram:
    settings: Mapping[str, Any] = order.settings
    if order.guest:
        main = unpickle_guest(order.guest)
    else:
        if settings.get("directory"):
            sys.path.append(settings["directory"])
        module, _, function = settings["program"].partition(":")
        main = getattr(importlib.import_module(module), function)
    boot = settings.get("boot")
    return PythonProgram(main, settings["args"], name=order.name, hz=settings["hz"], seed=settings["seed"], boot=boot)


def _own_memory() -> int:
    """Proportional set size of this process in bytes; only it may look, and only before the sandbox closes."""
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0
