"""The board's physical devices, put on the monitor's bus: models from devices/, places and owners from board and topology."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from devices import MODELS, Wiring
from hypervisor.core.bus import PhysicalDevice
from hypervisor.core.cell import Cell
from hypervisor.core.monitor import Monitor
from hypervisor.shell.topology import Topology

Output = Callable[[str, Cell, bytes], None]
"""(device, owner, bytes): what a physical UART sends."""


def attach_devices(monitor: Monitor, topology: Topology, output: Output) -> None:
    """Make every physical device of the board, give it to its owner, and route its interrupt there."""
    owners = {name: index for index, cell in enumerate(topology.cells) for name in cell.devices}
    for spec in topology.board.physical:
        owner = owners.get(spec.name)
        wiring = Wiring(
            clock=lambda: monitor.now,
            hz=topology.board.clock_hz,
            irq=partial(monitor.set_line, spec.line) if spec.line is not None else lambda level: None,
            transmit=partial(output, spec.name, monitor.cells[owner]) if owner is not None else lambda data: None,
        )
        device = MODELS[spec.model](wiring, **spec.params)
        if owner is not None and spec.line is not None:
            monitor.interrupts.route(spec.line, owner)
        monitor.bus.attach(
            PhysicalDevice(spec.name, spec.base, spec.size, device, owner=owner, line=spec.line, cell_line=spec.irq)
        )
