"""What kind of device stands behind the registers (mmio.py): the base of disks, networks, consoles and input devices.

A subclass says what it is, takes chains from its queues when it is notified, and gives them back when its driver domain has
answered. To follow a chain takes time, so that a driver cannot have more looked at than it has time for.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from typing import TYPE_CHECKING

from cells.machine.virtio.queue import Chain
from cells.split.asking import Asking
from cells.split.ends import RETRY, TIMELESS, TRIES, Clock
from devices.device import NEVER

if TYPE_CHECKING:
    from cells.flavours import Link
    from cells.machine.virtio.mmio import Mmio

DESCRIPTOR_CYCLES = 20
"""To read a descriptor and to check it: of the order of the instructions of a small C device. Assumed."""


def alive(chains: deque[Chain]) -> deque[Chain]:
    """Those whose queue has not been reset."""
    return deque(chain for chain in chains if chain.live)


class Watch:
    """Rings a driver domain again whose answer is late, as `FrontEnd` does (cells/split/ends.py): a bell may be lost."""

    def __init__(self, asking: Asking, mmio: Mmio) -> None:
        self._asking, self._mmio = asking, mmio
        self._seen = (0, 0)
        self._tries = 0
        self.due = NEVER

    def look(self) -> None:
        """Something may have been asked or answered."""
        seen = self._asking.outstanding, self._asking.heard
        if seen != self._seen:
            self._seen, self._tries = seen, 0
            self.due = self._mmio.now() + RETRY if seen[0] else NEVER
            self._mmio.kick()

    def expire(self) -> None:
        """Ring, if it is time."""
        if self._mmio.now() < self.due:
            return
        self._asking.again()
        self._tries += 1
        self.due = self._mmio.now() + (RETRY << self._tries) if self._tries < TRIES else NEVER


class Function(ABC):
    """`ident`: the device's number (5); `queues`: most descriptors of each of its queues."""

    ident: int
    queues: tuple[int, ...]

    def __init__(self, mmio: Mmio) -> None:
        self._mmio = mmio
        self._clock: Clock = TIMELESS
        self._watches: list[Watch] = []

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

    def unanswered(self) -> int:
        """Requests at the driver domain that have to be asked again when it dies."""
        return 0

    def deadline(self) -> int:
        """When it acts by itself."""
        return min((watch.due for watch in self._watches), default=NEVER)

    def expire(self) -> None:
        """That time has come."""
        for watch in self._watches:
            watch.expire()

    def _watch(self, asking: Asking) -> None:
        """Its requests are answered by themselves, sooner or later: a late answer is asked for."""
        self._watches.append(Watch(asking, self._mmio))

    def _look(self) -> None:
        """Something may have been asked or answered."""
        for watch in self._watches:
            watch.look()

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
