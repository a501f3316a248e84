"""Physical devices of the board: one owner each, reached by exits, with interrupts routed by the monitor.

The bus knows addresses and owners; what a device does is its model's business (devices/). Offsets given to a model are
relative to its base.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from hypervisor.abi.status import Status
from hypervisor.abi.time import NEVER
from hypervisor.core.errors import Refused


class Registers(Protocol):
    """A device's register bank."""

    def read(self, offset: int, size: int) -> int:
        """The register's value."""
        ...

    def write(self, offset: int, size: int, value: int) -> None:
        """Store into the register."""
        ...

    def write_many(self, offset: int, size: int, data: bytes) -> None:
        """Store into registers one after another."""
        ...


class Device(Protocol):
    """What the bus needs of a device model."""

    @property
    def registers(self) -> Registers:
        """Its registers."""
        ...

    def deadline(self) -> int:
        """When it acts by itself, in cycles."""
        ...

    def advance(self) -> None:
        """Bring it up to the present."""
        ...

    def reset(self) -> None:
        """Back to how it was when it was switched on."""
        ...


@dataclass(slots=True)
class PhysicalDevice:
    """A device on the bus: `base`, `size` in bytes, `owner` a cell's index or None, `line` its interrupt line.

    `receive` takes what reaches it from outside, as the movements of a hand, if it is of that kind. `shown` brings what the owner
    sees of it as memory up to date; False: it must ask the device. `stuck`: registers that read as a value whatever happens, by
    offset, by an injected fault.
    """

    name: str
    base: int
    size: int
    device: Device
    owner: int | None = None
    line: int | None = None
    cell_line: int | None = None
    receive: Callable[[bytes], None] | None = None
    shown: Callable[[], bool] | None = None
    stuck: Mapping[int, int] | None = None


class Bus:
    """The board's physical devices by address. A device `kick`s when its deadline may have come nearer."""

    def __init__(self) -> None:
        self.devices: list[PhysicalDevice] = []
        self._due: int | None = None
        """The earliest deadline, None when it has to be looked for: this is asked at every exit."""

    def attach(self, device: PhysicalDevice) -> None:
        """Put a device on the bus. The schema has checked that nothing overlaps."""
        self.devices.append(device)
        self.kick()

    def kick(self) -> None:
        """A deadline may have come nearer."""
        self._due = None

    def find(self, cell: int, address: int) -> PhysicalDevice:
        """The device at `address`, if `cell` owns it: each cell may have virtual ones of its own at one place.

        Raises:
            Refused: there is none, or it is another cell's.
        """
        others = None
        for device in self.devices:
            if device.base <= address < device.base + device.size:
                if device.owner == cell:
                    return device
                others = device
        if others is not None:
            raise Refused(Status.NOT_YOURS, f"{others.name} belongs to another cell")
        raise Refused(Status.BAD_ARGUMENT, f"no device at {address:#x}")

    def deadline(self) -> int:
        """When the first device acts by itself."""
        if self._due is None:
            self._due = min((entry.device.deadline() for entry in self.devices), default=NEVER)
        return self._due

    def advance(self) -> None:
        """Bring every device up to the present."""
        for entry in self.devices:
            entry.device.advance()
        self.kick()

    def owned_by(self, cell: int) -> list[PhysicalDevice]:
        """A cell's devices."""
        return [entry for entry in self.devices if entry.owner == cell]
