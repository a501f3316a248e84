"""Injected faults in a Python guest's process, and points inside of a cell.

```python
if port.faults is not None:                      # None while no order has come: one test
    hit = port.faults.visit("ring.put")          # None, or what strikes this visit; the monitor has been told
```

An order comes with a resume, at an exact cycle (`Lockstep.faults`). One with a point waits there; another is done at once, by
`DEEDS`: what makes sense where there are no registers. ARM guests: cells/engines/faults.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from hypervisor.abi.faults import Armed, Hit, Watched
from hypervisor.abi.hypercalls import Hypercall

if TYPE_CHECKING:
    from cells.port import Port

HOG_STEP, HOG_LIMIT = 16 << 20, 1 << 30
"""Bytes that a hog takes at once, and at most: without a sandbox nobody else would stop it."""


class InjectedError(Exception):
    """What a call of the port raises because a campaign wants it so."""


class CellFaults:
    """Faults that wait at points of this cell."""

    def __init__(self, port: Port) -> None:
        self._port = port
        self._watched = Watched()
        self._numbers: list[tuple[int, Armed]] = []

    def arm(self, number: int, fault: Armed) -> None:
        """Let one wait."""
        self._numbers.append((number, fault))
        self._watched.arm(fault)

    def visit(self, point: str) -> Hit | None:
        """The program comes to a point."""
        hit = self._watched.visit(point)
        if hit is not None:
            number = next(number for number, fault in self._numbers if fault is hit.fault)
            self._port.hypercall(Hypercall.FAULTED, number, hit.visit)
        return hit


def _exception(port: Port, fault: Armed) -> None:
    raise InjectedError("injected")


def _loop(port: Port, fault: Armed) -> None:
    """Spin outside of all time: the backstop ends it."""
    while True:
        pass


def _hog(port: Port, fault: Armed) -> None:
    """Take memory until there is no more: the program is told as Python tells it."""
    taken: list[bytearray] = []
    while len(taken) * HOG_STEP < HOG_LIMIT:
        try:
            taken.append(bytearray(HOG_STEP))
        except MemoryError:
            break
    taken.clear()  # what is left is needed to say so
    raise MemoryError


def _flip_ram(port: Port, fault: Armed) -> None:
    """A bit of the memory that it shares pages from; a program without any has nothing that could be flipped."""
    if port.has_memory:
        memory = port.memory
        offset = fault.drawn("offset", memory.size) % memory.size
        memory.view(memory.base + offset, 1)[0] ^= 1 << fault.drawn("bit", 8) % 8


DEEDS: dict[str, Callable[[Port, Armed], None]] = {
    "flip_ram": _flip_ram,
    "hog": _hog,
    "loop": _loop,
    "exception": _exception,
}


def arm_points(port: Port, waiting: list[bytes]) -> None:
    """Let those wait that have points; the others stay in the list."""
    rest: list[bytes] = []
    for payload in waiting:
        number, fault = Armed.from_event(payload)
        if fault.point:
            port.faults = port.faults or CellFaults(port)
            port.faults.arm(number, fault)
        else:
            rest.append(payload)
    waiting[:] = rest


def take_faults(port: Port, waiting: list[bytes]) -> None:
    """Do what came with a resume, and be rid of it.

    Raises:
        InjectedError, MemoryError: that is what came.
    """
    arm_points(port, waiting)
    payloads, waiting[:] = waiting[:], []
    for payload in payloads:
        _, fault = Armed.from_event(payload)
        if fault.action in DEEDS:
            DEEDS[fault.action](port, fault)
