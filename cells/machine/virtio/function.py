"""What kind of device stands behind the registers (mmio.py): the base of disks, networks, consoles and input devices.

A subclass says what it is, takes chains from its queues when it is notified, and gives them back when its driver domain has
answered. To follow a chain takes time, so that a driver cannot have more looked at than it has time for.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from typing import TYPE_CHECKING

from cells.machine.virtio.queue import Chain
from cells.split.ends import TIMELESS, Clock
from devices.device import NEVER

if TYPE_CHECKING:
    from cells.flavours import Link
    from cells.machine.virtio.mmio import Mmio

DESCRIPTOR_CYCLES = 20
"""To read a descriptor and to check it: of the order of the instructions of a small C device. Assumed."""


def alive(chains: deque[Chain]) -> deque[Chain]:
    """Those whose queue has not been reset."""
    return deque(chain for chain in chains if chain.live)


class Function(ABC):
    """`ident`: the device's number (5); `queues`: most descriptors of each of its queues."""

    ident: int
    queues: tuple[int, ...]

    def __init__(self, mmio: Mmio) -> None:
        self._mmio = mmio
        self._clock: Clock = TIMELESS

    def attach(self, link: Link, clock: Clock, patience: int) -> None:
        """The link to its driver domain is there. `patience`: cycles for which it waits when that is gone, 0 for ever."""
        self._clock = clock

    @abstractmethod
    def features(self) -> int:
        """What it offers, beside VERSION_1."""

    @abstractmethod
    def config(self) -> bytes:
        """The configuration space, as it is now."""

    def configure(self, offset: int, value: int) -> None:  # noqa: B027  most devices have nothing to be written
        """The driver writes a word there."""

    @abstractmethod
    def notified(self, index: int) -> None:
        """The driver rang for a queue.

        Raises:
            DriverError: what is in it makes no sense.
        """

    @abstractmethod
    def progress(self) -> None:
        """The driver domain may have answered, have come or have gone."""

    @abstractmethod
    def forget(self) -> None:
        """A queue was reset: chains that do not live any more are of no use."""

    def deadline(self) -> int:
        """When it acts by itself."""
        return NEVER

    def expire(self) -> None:  # noqa: B027  as `configure`
        """That time has come."""

    def _take(self, index: int) -> Chain | None:
        """The next chain of this queue.

        Raises:
            DriverError: what stands there makes no sense.
        """
        chain = self._mmio.queues[index].take()
        if chain is not None:
            self._clock.work(DESCRIPTOR_CYCLES * chain.descriptors)
        return chain

    def _give_back(self, index: int, chain: Chain, written: int) -> None:
        """A chain of this queue is done; the driver is interrupted if it wants to be."""
        if self._mmio.queues[index].give_back(chain, written):
            self._mmio.interrupt()
