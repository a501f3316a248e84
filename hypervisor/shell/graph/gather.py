"""What the graph shows: gathered from a monitor that is made for each flavour and never started.

```python
picture = gather("storage")
picture.edges            # Reach(cell="client", target="storage", by="notification ...", rights="send+receive"), ...
picture.trust[flavour]   # {"client": [Trust(...), ...], ...}, or the reason why that flavour cannot carry the topology
```
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from hypervisor.core.mechanism import Reach
from hypervisor.core.monitor import Monitor
from hypervisor.core.trust import Trust, closure
from hypervisor.core.wiring import LINK_PAGES
from hypervisor.flavours import FLAVOURS
from hypervisor.shell.board_devices import Outside, attach_devices
from hypervisor.shell.graph.size import Size, trusted_core
from hypervisor.shell.plans import build_monitor
from hypervisor.shell.topology import Topology, TopologyError, load

ONCE = "once connected"


class NodeKind(StrEnum):
    """What can be reached."""

    CELL = "cell"
    DEVICE = "device"
    MEMORY = "memory"


class Node(NamedTuple):
    """Something in the graph. `detail`: what runs in a cell, which model a device is."""

    name: str
    kind: NodeKind
    detail: str = ""


class CoreSize(NamedTuple):
    """The trusted core under a flavour: lines of ours, and what the survey says of the real one."""

    flavour: str
    title: str
    ours: Size
    survey: str


@dataclass(frozen=True)
class Picture:
    """Everything that is shown. `above`: pairs of nodes of which the first asks and the second serves."""

    topology: str
    flavour: str
    title: str
    nodes: tuple[Node, ...]
    edges: tuple[Reach, ...]
    above: tuple[tuple[str, str], ...]
    trust: Mapping[str, Mapping[str, Sequence[Trust]] | str]
    sizes: tuple[CoreSize, ...]

    @property
    def cells(self) -> list[str]:
        """The cells' names."""
        return [node.name for node in self.nodes if node.kind is NodeKind.CELL]


def gather(
    name: str | Path | Mapping[str, Any], *, flavour: str | None = None, overrides: Sequence[str] = (), **asked: Any
) -> Picture:
    """The graph of a topology under one flavour, and whom its cells must trust under each.

    Raises:
        TopologyError: with every problem of the topology under this flavour.
    """
    topology = load(name, flavour=flavour, overrides=overrides, **asked)
    monitor = _made(topology)
    reached = monitor.mechanism.reach()
    edges = [*reached, *_owned(monitor, reached), *_disks(topology), *_hoped_for(monitor, reached)]
    sizes = (CoreSize(f.name, f.title, trusted_core(f), f.survey_size) for f in FLAVOURS.values())
    return Picture(
        topology.name,
        topology.flavour,
        FLAVOURS[topology.flavour].title,
        tuple(_nodes(topology, edges)),
        tuple(edges),
        tuple(dict.fromkeys(_above(monitor, edges))),
        {other: _trust(name, other, topology, overrides, asked) for other in FLAVOURS},
        tuple(sizes),
    )


def _made(topology: Topology) -> Monitor:
    """Its monitor with the board's devices, before anything starts."""
    monitor = build_monitor(topology)
    attach_devices(monitor, topology, Outside())
    return monitor


def _trust(
    name: str | Path | Mapping[str, Any],
    flavour: str,
    chosen: Topology,
    overrides: Sequence[str],
    asked: Mapping[str, Any],
) -> Mapping[str, Sequence[Trust]] | str:
    """Whom each cell must trust under a flavour, or why that cannot carry the topology."""
    try:
        topology = chosen if flavour == chosen.flavour else load(name, flavour=flavour, overrides=overrides, **asked)
    except TopologyError as error:
        return error.problems[0].why
    monitor = _made(topology)
    return closure({cell.name: monitor.mechanism.trusts(cell) for cell in monitor.cells})


def _owned(monitor: Monitor, reached: Sequence[Reach]) -> Iterator[Reach]:
    """Devices and shared memory of which the mechanism says nothing: they are given at boot under every architecture."""
    known = {(edge.cell, edge.target) for edge in reached}
    for entry in monitor.bus.devices:
        if entry.owner is not None and (monitor.cells[entry.owner].name, entry.name) not in known:
            yield Reach(monitor.cells[entry.owner].name, entry.name, "owner", "read+write")
    said = {edge.target.removeprefix("shared ") for edge in reached}
    for memory in monitor.mechanism.wiring.shared:
        for index, writable in sorted(memory.cells.items()):
            if memory.name not in said:
                rights = "read+write" if writable else "read"
                yield Reach(monitor.cells[index].name, memory.name, "shared memory", rights)


def _disks(topology: Topology) -> Iterator[Reach]:
    """Files of the host: no part of the monitor, and mapped by their owners under every architecture."""
    for cell in topology.cells:
        for disk in topology.disks_of(cell):
            yield Reach(cell.name, disk.name, "owner", "read+write" if disk.write else "read")


def _hoped_for(monitor: Monitor, reached: Sequence[Reach]) -> Iterator[Reach]:
    """Channels that the architecture makes only when the cells run."""
    pairs = {frozenset((edge.cell, edge.target)) for edge in reached}
    for channel in monitor.mechanism.wiring.channels:
        front, back = (monitor.cells[index].name for index in (channel.front, channel.back))
        if frozenset((front, back)) not in pairs:
            by = f"{channel.kind} channel {channel.name}, {ONCE}"
            yield Reach(front, back, by, "+".join(sorted(channel.front_rights, reverse=True)))
            yield Reach(back, front, by, "+".join(sorted(channel.back_rights, reverse=True)))


def _nodes(topology: Topology, edges: Sequence[Reach]) -> Iterator[Node]:
    for cell in topology.cells:
        what = f"{cell.domain} driver" if cell.domain else f"{cell.kind} {cell.source}"
        yield Node(cell.name, NodeKind.CELL, what)
    cells = {cell.name for cell in topology.cells}
    devices = {device.name: device.model for device in topology.board.physical}
    devices |= {disk.name: f"disk {disk.source}" for disk in topology.disks}
    for target in dict.fromkeys(edge.target for edge in edges):
        if target not in cells:
            kind = NodeKind.DEVICE if target in devices else NodeKind.MEMORY
            yield Node(target, kind, devices.get(target, "shared memory"))


def _above(monitor: Monitor, edges: Sequence[Reach]) -> Iterator[tuple[str, str]]:
    """Clients above servers, pagers below their clients, devices and memory below all who use them."""
    names = [cell.name for cell in monitor.cells]
    wiring = monitor.mechanism.wiring
    for channel in sorted(wiring.channels, key=lambda channel: channel.kind not in LINK_PAGES):
        yield names[channel.front], names[channel.back]
    for client, pager in wiring.pagers.items():
        yield names[client], names[pager]
    for edge in edges:
        if edge.target not in names:
            yield edge.cell, edge.target
