"""The faults of one run: which are armed, where, and what became of each. Pure: it decides, others do.

```python
injector = Injector(record)                      # record(cell, fault, **facts) writes the trace's line
injector.expect("pong", fault)                   # an order was taken
injector.open("pong", fault)                     # its time has come: visits to its point count from here
hit = injector.visit("message", "pong")          # at the point: None, or what strikes this visit
injector.struck("pong", fault)                   # one without a point: it strikes now
injector.waiting()                               # those that never fired
```

Theory: a point in the monitor asks `visit` and does itself what the fault says, for it alone knows how; each fault that strikes
leaves one record, `fault`, from here, so that no point can forget it. Nothing of this exists while no order was given: points
test one attribute (`monitor.faults is not None`) and go on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hypervisor.abi.faults import Armed, Hit, Value, Watched

Record = Callable[..., None]
"""(cell, fault, **facts): write down that a fault strikes."""
RECORDS_LIMIT = 64
"""Records of one fault in the trace; one that strikes at every visit would fill it. The account counts all."""


@dataclass(slots=True)
class Fate:
    """What became of an order: how often it has struck, the cell that it is for ("" the host)."""

    cell: str
    fault: Armed
    fired: int = 0


class Injector:
    """All orders of a run. `record` is told of each fault that strikes."""

    def __init__(self, record: Record) -> None:
        self.fates: list[Fate] = []
        """Every order, in the order in which they came."""
        self._record = record
        self._watched: dict[str, Watched] = {}

    def expect(self, cell: str, fault: Armed) -> None:
        """An order was taken."""
        self.fates.append(Fate(cell, fault))

    def open(self, cell: str, fault: Armed) -> None:
        """Visits of the cell to the fault's point count from now on."""
        self._watched.setdefault(cell, Watched(cell)).arm(fault)

    def close(self, cell: str, fault: Armed) -> None:
        """It is over, struck or not."""
        if cell in self._watched:
            self._watched[cell].disarm(fault)

    def visit(self, point: str, cell: str, **facts: Value) -> Hit | None:
        """A cell comes to a point: what strikes there now. `facts` go into the record."""
        watched = self._watched.get(cell)
        hit = watched.visit(point) if watched else None
        if hit is not None:
            self.struck(cell, hit.fault, point=point, visit=hit.visit, **facts)
        return hit

    def struck(self, cell: str, fault: Armed, **facts: Value) -> None:
        """It strikes now: count it, and write it down. One that a cell counts says so through here as well."""
        fate = self.fates[self.number(fault)]
        fate.fired += 1
        if fate.fired <= RECORDS_LIMIT:
            self._record(cell, fault, **facts)

    def number(self, fault: Armed) -> int:
        """The place of an order among all, from 0. Requires: it was expected."""
        return next(place for place, fate in enumerate(self.fates) if fate.fault is fault)

    def known(self, cell: str, number: int) -> Armed | None:
        """The order with this number, if it is for that cell."""
        if 0 <= number < len(self.fates) and self.fates[number].cell == cell:
            return self.fates[number].fault
        return None

    def waiting(self) -> list[Fate]:
        """Those that have not struck: not activated."""
        return [fate for fate in self.fates if not fate.fired]
