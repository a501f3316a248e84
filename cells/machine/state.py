"""What a machine is between two blocks, as plain data: what json and msgpack carry, and what a fresh machine goes on from.

Theory: the CPU's registers by the engine's snapshot, devices by their state (which is all that they have), the hypercall page,
and what has come from outside and is not due yet. RAM is the monitor's. Translated code and what the TLB holds are not in it:
they change nothing that a guest may rely on.

    packed = pack(take(machine, world))          # at a mark, in one process
    put(other, unpack(packed))                   # in another one, whose RAM has the same content
"""

from __future__ import annotations

import dataclasses
import mmap
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cells.machine.hypercall_page import Happened
from hypervisor.abi.messages import MESSAGE_LIMIT, pack, unpack
from hypervisor.abi.records import OUTPUT_LIMIT, Event

if TYPE_CHECKING:
    from cells.lockstep import Lockstep
    from cells.machine.machine import Machine

LENGTH = 4
"""Bytes that say how long what follows is."""
KEPT_SIZE = LENGTH + MESSAGE_LIMIT
"""Bytes of memory through which a machine hands its state to the monitor."""


class Keeper:
    """Where a machine leaves its state for the monitor: memory of both, written at a mark, before the exit that tells of it."""

    def __init__(self, mark: int, memory: Any) -> None:
        self.mark = mark
        self._memory = memory

    def keep(self, machine: Machine, world: Lockstep) -> None:
        """Leave the state there; nothing if it is too long for a message."""
        packed = pack(take(machine, world))
        if len(packed) <= MESSAGE_LIMIT:
            self._memory[LENGTH : LENGTH + len(packed)] = packed
            self._memory[:LENGTH] = len(packed).to_bytes(LENGTH, "little")


def equip(machine: Machine, settings: Mapping[str, Any], fds: Mapping[str, int]) -> None:
    """What an order says of a machine's state: where to leave it ("kept"), from which to go on.

    Raises:
        ValueError: as `put`.
    """
    if "kept" in fds:
        machine.keeper = Keeper(settings["keep"]["mark"], mmap.mmap(fds["kept"], KEPT_SIZE))
        os.close(fds["kept"])
    if "resume" in settings:
        put(machine, unpack(settings["resume"]))


def take(machine: Machine, world: Lockstep) -> dict[str, Any]:
    """The state. Requires: the CPU stands between two blocks, and no access is under way."""
    page = machine.hypercalls
    return {
        "cpu": machine.engine.snapshot(),
        "devices": {name: dataclasses.asdict(device.state) for name, device in machine.bus.devices.items()},
        "page": {
            "low": page._low,
            "high": page._high,
            "result": page._result,
            "length": page._length,
            "data": bytes(page._data),
            "events": [list(event) for event in page.events],
        },
        "output": bytes(machine._output[OUTPUT_LIMIT:]),  # the mark's exit carries the rest
        "waiting": machine._waiting,
        "events": [list(event) for event in world.waiting()],
    }


def put(machine: Machine, state: Mapping[str, Any]) -> None:
    """Have a machine that has not run go on from there. RAM and devices are those of the machine that the state was taken of.

    Raises:
        ValueError: it was another machine: another CPU, other devices.
    """
    if state["devices"].keys() != machine.bus.devices.keys():
        raise ValueError(
            f"the snapshot has devices {', '.join(state['devices'])}, not {', '.join(machine.bus.devices)}"
        )
    machine.engine.restore(state["cpu"])
    for name, fields in state["devices"].items():
        machine.bus.devices[name].state.put_back(fields)
    machine.bus.kick()
    page, told = machine.hypercalls, state["page"]
    page._low, page._high = list(told["low"]), list(told["high"])
    page._result, page._length = told["result"], told["length"]
    page._data[:] = told["data"]
    page.events.extend(Happened(*event) for event in told["events"])
    machine._output[:] = state["output"]
    machine._waiting = state["waiting"]
    machine.restored = [Event(*event) for event in state["events"]]
