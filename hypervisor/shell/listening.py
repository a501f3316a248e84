"""The ears of a run: deaths of cells, and what people do at terminals and sockets, taken between two turns of the loop."""

from __future__ import annotations

import time as host_time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import zmq

from hypervisor.shell.cellhost import CellHost
from hypervisor.shell.flood import FLOODS
from hypervisor.shell.inputs import Input, InputKind
from hypervisor.shell.machinery import Machinery, Options
from hypervisor.shell.processes import Zygote, ZygoteError
from hypervisor.shell.topology import Topology

POLL_S = 0.002
"""How often the world outside is listened to while a run is busy, in host seconds."""

HELD_S = 0.1
"""How long one wait lasts while every cell is paused."""


class Source(Protocol):
    """Where inputs come from: an operator's sockets, a terminal. All sources are waited for at once."""

    @property
    def handles(self) -> Sequence[Any]:
        """What becomes readable when there is something: descriptors and ZeroMQ sockets."""
        ...

    def poll(self) -> list[Input]:
        """What has come; does not wait."""
        ...


class Listening(Machinery):
    """A machinery that hears what happens around it."""

    def __init__(self, topology: Topology, zygote: Zygote, options: Options) -> None:
        self.sources: list[Source] = []
        self.ticks: list[Callable[[], None]] = []
        self._polled = 0.0
        super().__init__(topology, zygote, options)

    def _poll(self) -> list[Input]:
        """What came from outside since the last time: deaths first, then what people did."""
        now = host_time.monotonic()
        if now - self._polled < POLL_S:
            return []
        self._polled = now
        for tick in self.ticks:
            tick()
        taken = [] if self._options.replay else self.listen(0.0)
        while self._held() and not taken and not self.interrupted:
            taken = self.listen(HELD_S)
        if any(one.kind is InputKind.PAUSE for one in taken):
            self._polled = 0.0  # look again before time goes on: it may have been the last cell
        if self.interrupted:
            taken.append(Input(0, 0, InputKind.UNTIL, "", str(self.monitor.now).encode()))
        return taken

    def _held(self) -> bool:
        """True while every cell that lives is paused and somebody can change that: virtual time then stands still."""
        cells = [cell for cell in self.monitor.cells if not cell.ended]
        return bool(cells and self.sources) and all(cell.paused for cell in cells)

    def listen(self, seconds: float) -> list[Input]:
        """What came from outside: deaths first, then what people did. Waits up to so many host seconds for the first."""
        taken = self._come()
        if not taken and seconds > 0:
            poller = zmq.Poller()
            sources = (self.streams, *self.sources)
            for handle in (self.zygote.fileno(), *(handle for source in sources for handle in source.handles)):
                poller.register(handle, zmq.POLLIN)
            poller.poll(int(seconds * 1000) + 1)
            taken = self._come()
        return taken

    def _come(self) -> list[Input]:
        taken = self._deaths()
        if self._hub is not None and (name := self.guard.culprit()) is not None:
            taken.append(Input(0, 0, InputKind.DIED, name, FLOODS.encode()))
        for source in (self.streams, *self.sources):
            taken += source.poll()
        return taken

    def _deaths(self) -> list[Input]:
        try:
            ended = self.zygote.collect()
        except ZygoteError:
            ended = []
        if not ended and not self._options.remote:
            return []
        deaths = []
        for cell, host in zip(self.monitor.cells, self.hosts, strict=True):
            gone = host.process in ended if isinstance(host, CellHost) else host.ended()
            if gone and not cell.ended:
                deaths.append(Input(0, 0, InputKind.DIED, cell.name, host.how_it_ended().encode()))
        return deaths
