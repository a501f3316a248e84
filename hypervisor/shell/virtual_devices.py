"""Virtual devices of unmodified kernels: which a cell has, what its device tree says of them, and the monitor's side of each.

Theory: under a flavour with virtual devices, each channel of class block, net, ... whose front is a kernel's cell is a virtio
device of that kernel (cells/machine/virtio). The board says where there is room for their registers and which inputs of the
interrupt controller are free. To the monitor such a device is a page of this cell that traps: what is behind it is in the cell.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from boards import TreeNode
from cells.split.display.protocol import HEIGHT, PICTURE, STRIDE, WIDTH
from hypervisor.abi.hypercalls import HYPERCALL_BASE, Hypercall
from hypervisor.abi.info_page import HypercallPage
from hypervisor.abi.memory import PAGE
from hypervisor.abi.time import NEVER
from hypervisor.abi.virtual import DRIVER_OK, RAISE, STATUS, WINDOW
from hypervisor.core.bus import PhysicalDevice
from hypervisor.core.cell import Cell
from hypervisor.core.monitor import Monitor
from hypervisor.core.wiring import ChannelParams
from hypervisor.flavours import FLAVOURS
from hypervisor.shell.topology import CellSpec, Topology

CLASSES = ("block", "net", "console", "input", "display")
"""Classes of channels that a kernel finds: as virtio devices, a display as a simple frame buffer."""
SCREEN = "display"
POWER = "power"
"""The power key, which every kernel with virtual devices has as well if there is room: `cellvisor shutdown` presses it."""
_PAGE_HANDLE = 0x7001
"""By which the device tree's power switch names the hypercall page; the boards' trees number theirs from 1 on."""
_SPI, _LEVEL_HIGH = 32, 4
"""The first shared input of a GIC, and the flag of a line that is active high (Linux, bindings of arm,gic)."""


class VirtualDevice(NamedTuple):
    """One: the channel behind it, its registers, and its input of the cell's interrupt controller."""

    kind: str
    channel: str
    base: int
    irq: int
    height: int = 0
    """Lines of a display: the panel is divided among its driver domain's front ends."""

    @property
    def name(self) -> str:
        """Its name in traces and capabilities."""
        return f"virtual.{self.channel}"


def virtual_devices(topology: Topology, cell: CellSpec) -> list[VirtualDevice]:
    """Those of a cell, in the order of its channels; none if its kernel is told of its channels in another way."""
    room = topology.board.virtual
    if room is None or not cell.virtio or not FLAVOURS[topology.flavour].virtual_devices:
        return []
    index = next(number for number, other in enumerate(topology.cells) if other.name == cell.name)
    fronts = [channel for channel in topology.wiring.channels if channel.front == index and channel.kind in CLASSES]
    devices = [
        VirtualDevice(
            channel.kind, channel.name, room.base + WINDOW * place, room.irq + place, _height(topology, channel)
        )
        for place, channel in enumerate(fronts)
    ]
    if devices and cell.kind == "kernel" and len(devices) < room.most:
        last = room.most - 1
        devices.append(VirtualDevice(POWER, "power_key", room.base + WINDOW * last, room.irq + last))
    return devices


def _height(topology: Topology, channel: ChannelParams) -> int:
    """Lines of the panel that a display's front end gets; 0 for other channels."""
    sharing = [other for other in topology.wiring.channels if (other.back, other.kind) == (channel.back, SCREEN)]
    return HEIGHT // len(sharing) if channel.kind == SCREEN else 0


def virtual_settings(topology: Topology, cell: CellSpec, boot: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the cell makes its devices from (`VirtualDevices`); None for none."""
    devices = virtual_devices(topology, cell)
    if not devices:
        return None
    told = [
        {
            "class": each.kind,
            "link": each.channel,
            "name": each.name,
            "base": each.base,
            "irq": each.irq,
            "height": each.height,
        }
        for each in devices
    ]
    facts = {"name": cell.name, "hz": topology.board.clock_hz, "seed": topology.seed}
    return {**facts, "patience": cell.io_timeout, "boot": boot, "devices": told}


def virtual_nodes(topology: Topology, cell: CellSpec, boot: Mapping[str, Any]) -> list[TreeNode]:
    """What the device tree says of them, and of the power switch. `boot`: what the cell is told of its links."""
    addresses = {link["name"]: link["address"] for link in boot.get("links", ()) if "address" in link}
    devices = virtual_devices(topology, cell)
    found = [_screen(each, addresses[each.channel]) if each.kind == SCREEN else _virtio(each) for each in devices]
    return [*found, *_switch()] if devices else found


def _switch() -> list[TreeNode]:
    """The kernel powers off and reboots by one store into its hypercall page (Linux, bindings power/reset/syscon-*.yaml)."""
    page = {"compatible": "syscon", "reg": [HYPERCALL_BASE, PAGE], "phandle": _PAGE_HANDLE}
    calls = {"poweroff": Hypercall.SHUTDOWN, "reboot": Hypercall.REBOOT}
    return [
        TreeNode(f"hypercalls@{HYPERCALL_BASE:x}", page),
        *(
            TreeNode(
                name,
                {
                    "compatible": f"syscon-{name}",
                    "regmap": _PAGE_HANDLE,
                    "offset": int(HypercallPage.NUMBER),
                    "value": int(call),
                },
            )
            for name, call in calls.items()
        ),
    ]


def _virtio(device: VirtualDevice) -> TreeNode:
    """Linux, Documentation/devicetree/bindings/virtio/mmio.yaml."""
    properties = {"reg": [device.base, WINDOW], "interrupts": [0, device.irq - _SPI, _LEVEL_HIGH]}
    return TreeNode(f"virtio@{device.base:x}", {"compatible": "virtio,mmio", **properties})


def _screen(device: VirtualDevice, address: int) -> TreeNode:
    """Linux, Documentation/devicetree/bindings/display/simple-framebuffer.yaml."""
    size = {"width": WIDTH, "height": device.height, "stride": STRIDE}
    start = address + PICTURE
    properties = {"reg": [start, device.height * STRIDE], **size, "format": "r5g6b5"}
    return TreeNode(f"framebuffer@{start:x}", {"compatible": "simple-framebuffer", **properties})


@dataclass
class Window:
    """The registers of one device, as the monitor has them: an access has been charged and written down when it comes here, and
    the cell knows what it means. A store at `RAISE` is the device's interrupt.
    """

    monitor: Monitor
    cell: Cell
    name: str
    line: int
    ready: bool = False
    """The guest has said that its driver is ready: for the operator, who wants to know whether anybody is there."""

    @property
    def registers(self) -> Window:
        """See `Device`."""
        return self

    def read(self, offset: int, size: int) -> int:
        """The value is the cell's business."""
        return 0

    def write(self, offset: int, size: int, value: int) -> None:
        """Only an interrupt is the monitor's."""
        if offset == RAISE:
            self.monitor.spend(self.cell, "virq", self.monitor.costs.virq)
            self.monitor.ledger.count(self.cell.name, "virq")
            self.monitor.note("irq", self.cell, line=self.line, level=1, cause=self.name)
        elif offset == STATUS:
            self.ready = bool(value & DRIVER_OK)

    def write_many(self, offset: int, size: int, data: bytes) -> None:
        """Nobody stores several registers at once here."""

    def deadline(self) -> int:
        """Nothing happens by itself."""
        return NEVER

    def advance(self) -> None:
        """Time changes nothing."""

    def reset(self) -> None:
        """The device is reset with its cell."""
        self.ready = False


def attach_virtual(monitor: Monitor, topology: Topology) -> None:
    """Put the pages of all virtual devices on the bus, each with the cell that it belongs to."""
    for cell, spec in zip(monitor.cells, topology.cells, strict=True):
        for each in virtual_devices(topology, spec):
            if each.kind == SCREEN:  # memory, which does not trap
                continue
            window = Window(monitor, cell, each.name, each.irq)
            monitor.bus.attach(PhysicalDevice(each.name, each.base, WINDOW, window, owner=cell.index))
            if each.kind == POWER:
                monitor.mechanism.power_keys[cell.index] = window
