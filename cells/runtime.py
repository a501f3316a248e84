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
from typing import Any, NamedTuple, Protocol

from cells import kernel, sandbox
from cells.device_memory import NO_DEVICE_MEMORY, DeviceMemory
from cells.disks import NO_DISKS, Disk, open_disks
from cells.engines.python_program import PythonProgram
from cells.fault import GuestFault
from cells.links import Link, ShmLink, ZmqLink, connect
from cells.lockstep import Lockstep
from cells.machine.machine import Machine, MachineSpec
from cells.machine.pv import PvMachine
from cells.machine.state import equip
from cells.machine.xen import XenMachine
from cells.memory import CellMemory
from cells.order import CellOrder, unpickle_guest
from cells.post import PostedLink
from hypervisor.abi.messages import pack
from hypervisor.abi.records import DATA_LIMIT, ExitKind

HANDSHAKE_MS = 30_000
"""How long the monitor may take to answer a socket: it may be waiting for other cells first."""


class Guest(Protocol):
    """What runs in a cell."""

    def run(self, world: Lockstep) -> None:
        """Run until there is nothing more to run."""
        ...


def cell_main(order: CellOrder, fds: Mapping[str, int]) -> None:
    """The entry of a local cell's process; does not return.

    `fds`: "page" for the shm transport, "ram" for memory of its own, "pages" for the socket through which pages of others come,
    the content of devices that can be read as memory, the files of disks, and "kept" for a machine's state.
    """
    settings: Mapping[str, Any] = order.settings
    if settings.get("small"):
        kernel.prctl(kernel.PR_SET_THP_DISABLE, 1)  # a huge page here and there would double what a small cell takes
    memory = take_memory(settings, fds)
    disks = open_disks(settings.get("disks", ()), fds)
    guest = build_guest(order, memory, DeviceMemory(settings.get("device_memory", ()), fds), disks)
    if isinstance(guest, Machine):
        equip(guest, settings, fds)
    world = Lockstep(_connect(settings, fds))
    if memory is not None and memory.shared is not None:
        world.memory = memory.shared.take
    serve(order, guest, world)


def _connect(settings: Mapping[str, Any], fds: Mapping[str, int]) -> Link:
    """The world switch, and the socket if that or a message channel needs one."""
    address, posted = settings["link"].get("address"), settings.get("posted")
    socket = ZmqLink(connect(**address, patience_ms=HANDSHAKE_MS)) if address else None
    link: Link | None = socket
    if "page" in fds:
        link = page = ShmLink(fds["page"])
        page.adopt()
        if socket is not None:
            socket.introduce()
    assert link is not None, "neither a page nor an address"
    return PostedLink(link, socket, posted) if posted and socket is not None else link


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


class Ram(NamedTuple):
    """A cell's own memory, and what it shares if it is connected to others."""

    own: mmap.mmap
    shared: CellMemory | None


def take_memory(settings: Mapping[str, Any], fds: Mapping[str, int]) -> Ram | None:
    """The memory that the order speaks of: from the monitor, or made here; None for a cell without any."""
    place: Mapping[str, int] | None = settings.get("memory")
    if place is None:
        return None
    ram = mmap.mmap(fds.get("ram", -1), place["size"])
    if "ram" in fds:
        os.close(fds["ram"])
    return Ram(ram, CellMemory(ram, place["base"], fds["pages"]) if "pages" in fds else None)


def build_guest(
    order: CellOrder,
    memory: Ram | None,
    devices: DeviceMemory = NO_DEVICE_MEMORY,
    disks: Mapping[str, Disk] = NO_DISKS,
) -> Guest:
    """The guest that the order describes, in this memory."""
    settings: Mapping[str, Any] = order.settings
    if settings["kind"] == "python":
        return _python_program(order, memory.shared if memory is not None else None, devices, disks)
    assert memory is not None, "a machine has memory"
    base = settings["memory"]["base"]
    for address, content in settings.get("segments", ()):
        memory.own[address - base : address - base + len(content)] = content
    if settings["kind"] == "personality":
        return _personality(settings, memory)
    spec = MachineSpec(**settings["machine"])
    machine = _kind_of(spec)(spec, memory.own, memory.shared)
    machine.devices = devices
    return machine


def _kind_of(spec: MachineSpec) -> type[Machine]:
    """What its kernel may expect of the CPU."""
    if spec.paravirtual:
        return PvMachine
    return XenMachine if spec.door else Machine


def _personality(settings: Mapping[str, Any], memory: Ram) -> Guest:
    """A small kernel in Python that runs ARM programs. Imported here: other cells do without."""
    if settings.get("directory"):
        sys.path.append(settings["directory"])
    guest: Guest = importlib.import_module(settings["personality"]).build(settings["spec"], memory.own, memory.shared)
    return guest


def _python_program(
    order: CellOrder, memory: CellMemory | None, devices: DeviceMemory, disks: Mapping[str, Disk]
) -> PythonProgram:
    settings: Mapping[str, Any] = order.settings
    if order.guest:
        main = unpickle_guest(order.guest)
    else:
        if settings.get("directory"):
            sys.path.append(settings["directory"])
        module, _, function = settings["program"].partition(":")
        main = getattr(importlib.import_module(module), function)
    facts: dict[str, Any] = {key: settings.get(key) for key in ("hz", "seed", "boot")}
    return PythonProgram(main, settings["args"], name=order.name, memory=memory, devices=devices, disks=disks, **facts)


def _own_memory() -> int:
    """Proportional set size of this process in bytes; only it may look, and only before the sandbox closes."""
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0
