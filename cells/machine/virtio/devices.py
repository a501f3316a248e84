"""The virtual devices of one machine: made from plain data, placed on its bus, and kept in touch with their driver domains.

Theory: a kernel that nobody wrote for this monitor finds its channels as virtio devices. Each has a page of registers, which
the board has kept free, and an input of the cell's interrupt controller. Queues are walked here, in the guest's own process;
requests leave by the front ends that all cells use (cells/split). So a driver domain cannot tell such a guest from another.

An access to a register is an exit at its address: the monitor knows the page as a virtual device of this cell, charges what its
flavour takes for a trap, and writes it down. An interrupt is a store at `RAISE` in that page, where the guest has no register.

```python
virtual = VirtualDevices(spec.virtual, memory, engine, leave)   # before the sandbox closes
virtual.place(bus, now, controller.line)
virtual.begin(world)                                        # from here on they talk
```
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from cells.flavours import Link
from cells.machine.hypercall_page import Happened
from cells.machine.port import Leave, MachinePort
from cells.machine.virtio.block import Block
from cells.machine.virtio.console import Console
from cells.machine.virtio.framebuffer import FrameBuffer
from cells.machine.virtio.function import Function
from cells.machine.virtio.input import Input
from cells.machine.virtio.mmio import Mmio
from cells.machine.virtio.net import Net
from cells.machine.virtio.power import PowerKey
from cells.machine.virtio.ram import GuestRam
from cells.port import RefusedError
from hypervisor.abi.records import ExitKind
from hypervisor.abi.virtual import POWER_KEY, RAISE, WINDOW

if TYPE_CHECKING:
    from cells.lockstep import Lockstep
    from cells.memory import CellMemory
    from devices.bus import Bus

POWER = "power"
"""The power key: the monitor itself presses it."""
FUNCTIONS: dict[str, Callable[[Mmio], Function]] = {
    "block": Block,
    "net": Net,
    "console": Console,
    "input": Input,
    POWER: PowerKey,
}
"""Class of a channel -> what its front end is to a kernel; and the key that has no channel."""
RETRIED = "retried"
"""The figure in the account: requests that were asked again of a driver domain's next life."""
SCREEN = "display"
"""This one is no virtio device: pixels in shared memory (framebuffer.py)."""


class Gate:
    """A device's way to the monitor: `base` is where its registers lie."""

    def __init__(self, base: int, leave: Leave, now: Callable[[], int], kick: Callable[[], None]) -> None:
        self._base, self._leave, self.now, self.kick = base, leave, now, kick

    def trap(self, offset: int, size: int, value: int | None) -> None:
        """See `Host`. What lies from `RAISE` on is not the guest's."""
        at = self._base + min(offset, RAISE - 4)
        if value is None or offset >= RAISE:
            self._leave(ExitKind.READ, (at, size, 0, 0))
        else:
            self._leave(ExitKind.WRITE, (at, size, value, 0))

    def interrupt(self) -> None:
        """See `Host`."""
        self._leave(ExitKind.WRITE, (self._base + RAISE, 4, 1, 0))


class VirtualDevices:
    """Those of one cell. `told`: name, hz, seed, boot, patience, and `devices`: class, link (its name), base and input of each
    (of a screen its height, too; the power key has no link)."""

    def __init__(self, told: Mapping[str, Any], ram: GuestRam, shared: CellMemory, vcpu: Any, leave: Leave) -> None:
        self._told: Sequence[Mapping[str, Any]] = told["devices"]
        self._ram, self._leave = ram, leave
        self._patience: int = told["patience"]
        facts = {key: told[key] for key in ("name", "hz", "seed", "boot")}
        self.port = MachinePort(vcpu, leave, memory=shared, **facts)
        self.all: list[Mmio] = []
        self._talking: list[Function | FrameBuffer] = []
        self._power: PowerKey | None = None
        self._pressed = 0
        self._links: list[Link] = []
        self._known: list[int] = []
        """Of each link the generation that was seen last."""
        self.rung = False
        """A driver domain has something to say."""
        self._slots = frozenset(link["slot"] for link in told["boot"]["links"])

    def place(self, bus: Bus, clock: Callable[[], int], line: Callable[[int], Callable[[bool], None]]) -> None:
        """Put the registers on the machine's bus; `line(number)` is an input of its interrupt controller."""
        for told in self._told:
            if told["class"] == SCREEN:
                screen = FrameBuffer(clock, self.port.hz, told["height"])
                bus.place(told["name"], told["base"], WINDOW, screen)
                self._talking.append(screen)
                continue
            gate = Gate(told["base"], self._leave, clock, bus.kick)
            mmio = Mmio(FUNCTIONS[told["class"]], self._ram, gate, line(told["irq"]))
            bus.place(told["name"], told["base"], WINDOW, mmio)
            self.all.append(mmio)
            if isinstance(mmio.function, PowerKey):
                self._power = mmio.function
            else:
                self._talking.append(mmio.function)

    def begin(self, world: Lockstep) -> None:
        """Time begins: the links are there."""
        self.port.begin(world)
        links = {link.name: link for link in self.port.connections.links.values()}
        self._links = [links[told["link"]] for told in self._told if told["class"] != POWER]
        self._known = [0] * len(self._links)
        for link, function in zip(self._links, self._talking, strict=True):
            function.attach(link, self.port, self._patience)
        if self._power is not None:
            self._power.begin(self.port)
        self.progress()

    def take(self, happened: Happened) -> bool:
        """Hear of a notification, or of a partner's coming or going; False if it is about something else."""
        if happened.source == POWER_KEY:
            self._pressed |= happened.bits
            self.rung = True
            return True
        if happened.source not in self._slots:
            return False
        self.port.heard(*happened)
        self.rung = True
        return True

    def progress(self) -> None:
        """Hear what driver domains say; what has to be asked again of one that came back goes into the account."""
        self.rung = False
        self._press()
        for place, (link, function) in enumerate(zip(self._links, self._talking, strict=True)):
            if link.generation != self._known[place]:
                came_back, self._known[place] = self._known[place] > 0, link.generation
                if came_back and (again := function.unanswered()):
                    with suppress(RefusedError):  # the guest has filled the account itself
                        self.port.report(RETRIED, again)
            function.progress()

    def _press(self) -> None:
        """The operator's power key."""
        pressed, self._pressed = self._pressed, 0
        if pressed and self._power is not None:
            self._power.press(pressed)
            self._power.progress()
