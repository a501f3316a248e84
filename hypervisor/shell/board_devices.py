"""The board's physical devices, put on the monitor's bus: models from devices/, places and owners from board and topology.

Here their wires end: interrupt lines at the monitor's controller, a UART's bytes at the console of its owner, a bus
master's reads and writes in its owner's memory (what the owner could not reach, its device cannot), frames in cables.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from boards import DeviceSpec
from devices import MODELS, Cable, DmaError, Nic, Wiring
from hypervisor.abi.records import EventKind
from hypervisor.core.bus import PhysicalDevice
from hypervisor.core.cell import Cell
from hypervisor.core.errors import Refused
from hypervisor.core.mishaps import dma_address
from hypervisor.core.monitor import Monitor
from hypervisor.shell.device_memory import DeviceMemories
from hypervisor.shell.topology import Topology
from hypervisor.shell.virtual_devices import attach_virtual


def _nothing(*_what: object) -> None:
    """Nobody looks."""


@dataclass(frozen=True)
class Outside:
    """Who takes what devices give off.

    `output(device, owner, bytes)`: what a physical UART sends. `frame(device, cycle, frame)`: what passed a network
    device, either way. `notice(device, what)`: a display goes "on" or "off".
    """

    output: Callable[[str, Cell, bytes], None] = _nothing
    frame: Callable[[str, int, bytes], None] = _nothing
    notice: Callable[[str, str], None] = _nothing


def attach_devices(
    monitor: Monitor, topology: Topology, outside: Outside, shown: DeviceMemories | None = None
) -> dict[str, Socket]:
    """Make every physical device of the board, give it to its owner, route its interrupt there; then plug the cables in.

    Cables to other boards are plugged into the sockets that are returned, by device. `shown` gets the content of those that
    their owners can read as memory; without it, every read is an exit.
    """
    owners = {name: index for index, cell in enumerate(topology.cells) for name in cell.devices}
    sockets: dict[str, Socket] = {}
    for spec in topology.board.physical:
        owner = owners.get(spec.name)
        cell = None if owner is None else monitor.cells[owner]
        sockets[spec.name] = socket = Socket(monitor, spec.name, cell, outside)
        device = MODELS[spec.model](_wiring(monitor, topology, spec, cell, outside, socket), **spec.params)
        socket.device = device
        if owner is not None and spec.line is not None:
            monitor.interrupts.route(spec.line, owner)
        monitor.bus.attach(
            PhysicalDevice(
                spec.name,
                spec.base,
                spec.size,
                device,
                owner=owner,
                line=spec.line,
                cell_line=spec.irq,
                receive=None if isinstance(device, Nic) else getattr(device, "receive", None),
                shown=shown.add(cell, spec.base, device) if shown is not None and cell is not None else None,
            )
        )
    attach_virtual(monitor, topology)
    for cable in topology.cables:
        if cable.to:
            continue
        _plug(monitor, topology.board.clock_hz, cable.latency, *(sockets[name] for name in cable.between))
    return sockets


def _wiring(
    monitor: Monitor, topology: Topology, spec: DeviceSpec, cell: Cell | None, outside: Outside, socket: Socket
) -> Wiring:
    """The wires of one device. One that nobody owns does nothing and leads nowhere."""
    hz = topology.board.clock_hz
    if cell is None:
        return Wiring(clock=lambda: monitor.now, hz=hz)
    memory = OwnersMemory(monitor, cell, spec.name, cached=topology.cells[cell.index].kind != "guest")
    return Wiring(
        clock=lambda: monitor.now,
        hz=hz,
        irq=partial(monitor.set_line, spec.line) if spec.line is not None else _nothing,
        kick=monitor.bus.kick,
        transmit=partial(outside.output, spec.name, cell),
        send=socket.send,
        notice=partial(outside.notice, spec.name),
        dma_read=memory.read,
        dma_write=memory.write,
    )


@dataclass(frozen=True)
class OwnersMemory:
    """A bus master's way into its owner's memory. `cached`: the owner's CPU may hold translations of what it ran there."""

    monitor: Monitor
    cell: Cell
    device: str
    cached: bool

    def read(self, address: int, length: int) -> bytes:
        """Raises:
        DmaError: the owner has no such memory.
        """
        if self.monitor.faults is not None:
            address = dma_address(self.monitor, self.cell, self.device, address, length)
        try:
            return self.monitor.memory.read(self.cell, address, length)
        except Refused as refusal:
            self._refused(address, refusal)
            raise DmaError(str(refusal)) from None

    def write(self, address: int, data: bytes) -> None:
        """Raises:
        DmaError: the owner has no such memory, or may only read it.
        """
        if self.monitor.faults is not None:
            address = dma_address(self.monitor, self.cell, self.device, address, len(data))
        try:
            self.monitor.memory.write(self.cell, address, data)
        except Refused as refusal:
            self._refused(address, refusal)
            raise DmaError(str(refusal)) from None
        if self.cached:
            self.monitor.post(self.cell, EventKind.DMA, struct.pack("<QQ", address, len(data)))

    def _refused(self, address: int, refusal: Refused) -> None:
        self.monitor.refused(self.cell, f"{self.device} at {address:#x}", str(refusal))


class Socket:
    """Where a cable can be put into a network device. Every frame that passes is shown, and stands in the trace."""

    def __init__(self, monitor: Monitor, name: str, cell: Cell | None, outside: Outside) -> None:
        self.device: Any = None
        self._monitor, self._name, self._cell, self._outside = monitor, name, cell, outside
        self._cable: Callable[[int, bytes], None] = _nothing

    def plug(self, cable: Callable[[int, bytes], None]) -> None:
        """A cable is put in; `cable` takes what the device sends."""
        self._cable = cable
        self.device.plug(True)

    def send(self, cycle: int, frame: bytes) -> None:
        """The device has sent a frame."""
        self._show("out", cycle, frame)
        self._cable(cycle, frame)

    def deliver(self, cycle: int, frame: bytes) -> None:
        """A frame arrives."""
        self._show("in", cycle, frame)
        self.device.receive(frame)

    def _show(self, way: str, cycle: int, frame: bytes) -> None:
        self._outside.frame(self._name, cycle, frame)
        if self._cell is not None:
            self._monitor.note(
                "frame", self._cell, device=self._name, way=way, bytes=len(frame), crc=zlib.crc32(frame), cycle=cycle
            )


def _plug(monitor: Monitor, hz: int, latency: int, first: Socket, second: Socket) -> None:
    """Join two devices. The cable is on the bus as they are, since it acts by itself; nobody can address it."""
    wiring = Wiring(clock=lambda: monitor.now, hz=hz, kick=monitor.bus.kick)
    cable = Cable(wiring, latency=latency, deliver=(first.deliver, second.deliver))
    monitor.bus.attach(PhysicalDevice("cable", 0, 0, cable))
    first.plug(partial(cable.send, 0))
    second.plug(partial(cable.send, 1))
