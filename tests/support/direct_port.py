"""A port for the cell's side of the microvisor without a process: each call is served at once by the mechanism itself.

world = Direct(["a", "b"], channel("pipe", 0, 1))
a, b = (DirectPort(world, name) for name in ("a", "b"))
b.others = [lambda: ...]           # what the rest of the world does while b waits, one per wait
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cells.flavours import Connections
from cells.flavours.okl4 import connect
from cells.port import RefusedError
from hypervisor.abi.memory import PAGE
from hypervisor.abi.records import EventKind
from hypervisor.abi.time import NEVER
from tests.support.talkers import Direct


class StuckError(AssertionError):
    """It would wait for ever."""


class _Views:
    """`port.memory`: the page that an address lies in is enough here."""

    def __init__(self, world: Direct, name: str) -> None:
        self._world, self._name = world, name

    def view(self, address: int, length: int) -> memoryview:
        view = self._world.memory.views[self._world.cell(self._name).index][address // PAGE]
        whole = memoryview(view.content)[view.offset :][:length]
        return whole if view.writable else whole.toreadonly()


class DirectPort:
    """What `cells.flavours.okl4` uses of a port."""

    def __init__(self, world: Direct, name: str) -> None:
        self.name = name
        self.now = 0
        self.calls: list[int] = []
        self.others: list[Callable[[], object]] = []
        self.boot: Mapping[str, Any] = world.monitor.mechanism.boot_info(world.cell(name))
        self.memory = _Views(world, name)
        self.on_notify: Callable[[int, int], None] = lambda source, bits: None
        self.on_peer: Callable[[int, int], None] = lambda source, there: None
        self._world = world
        self.connections: Connections = connect(self)  # type: ignore[arg-type]

    def call(self, number: int, *arguments: int, data: bytes = b"") -> tuple[int, bytes]:
        self.calls.append(number)
        result = self._world.call(self.name, number, *arguments, data=data)
        if result < 0:
            raise RefusedError(f"hypercall {number}", result)
        answers = self._world.take(self.name, EventKind.ANSWER)
        return result, answers[0] if answers else b""

    def hypercall(self, number: int, *arguments: int, data: bytes = b"") -> int:
        return self.call(number, *arguments, data=data)[0]

    def wait(self, until: int = NEVER) -> None:
        if self.hear():
            return
        if self.others:
            self.others.pop(0)()
        elif until == NEVER:
            raise StuckError(f"{self.name} waits for ever")
        else:
            self.now = until
        self.hear()

    def hear(self) -> bool:
        """Take what has happened."""
        peers, rings = self._world.peers(self.name), self._world.rings(self.name)
        for peer in peers:
            self.on_peer(*peer)
        for ring in rings:
            self.on_notify(*ring)
        return bool(peers or rings)
