"""Whom a cell must trust: rules that read it off who is connected to whom, each finding with its reason.

Theory: a cell's trusted computing base is everyone who could break it. How far depends on the hold that the other has:

- `WHOLE`: it can read and change the cell itself, its memory and registers (who answers its page faults, who builds it);
- `DATA`: it can read, change or lose what the cell hands to it or takes from it (the driver of its disk, who writes its shared
  memory), unless the cell protects that by itself, as by encryption;
- `SERVICE`: it can keep the cell waiting and do no more (the partner of a conversation).

What a hold is worth depends on the architecture, so that each mechanism lists its rules (`Mechanism.trust_rules`): the common
ones, and what only it has. A hold goes on: whoever holds my driver holds my data too. `closure` adds these, and by which way.

```python
class Hypervisor(Mechanism):
    def trust_rules(self):
        return (*trust.COMMON, trust.partners("..."), trust.everyone("dom0", Hold.WHOLE, "it builds every domain"))
```

The monitor itself is trusted by everybody under every flavour: its size is another figure (shell/trusted_core.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

from hypervisor.core.wiring import LINK_PAGES, Wiring

if TYPE_CHECKING:
    from hypervisor.core.mechanism import Reach


class Hold(IntEnum):
    """How far the other can break a cell; a larger one includes the smaller."""

    SERVICE = 1
    DATA = 2
    WHOLE = 3


class Trust(NamedTuple):
    """`cell` must trust `on`. `through`: the cells by which an indirect hold comes, the nearest first."""

    cell: str
    on: str
    hold: Hold
    why: str
    through: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ground:
    """What the rules look at: the cells by index, who is to be connected, and who reaches whom by which right."""

    names: Sequence[str]
    wiring: Wiring
    reach: Sequence[Reach] = ()


Rule = Callable[[Ground, int], Iterable[Trust]]
"""Of a cell, by index: whom it must trust, according to this rule."""


def drivers(ground: Ground, cell: int) -> Iterator[Trust]:
    """A front end and the back end that has its device. Not the other way round: a back end checks what its clients write."""
    for channel in ground.wiring.of(cell):
        if channel.kind in LINK_PAGES and channel.front == cell:
            why = f"its {channel.kind} device is behind it: all it reads and writes there goes through {channel.name}"
            yield Trust(ground.names[cell], ground.names[channel.back], Hold.DATA, why)


def sharers(ground: Ground, cell: int) -> Iterator[Trust]:
    """Whoever may write memory that the cell shares."""
    for memory in ground.wiring.shared:
        for other, writes in memory.cells.items():
            if cell in memory.cells and other != cell and writes:
                why = f"it may write the shared memory {memory.name}"
                yield Trust(ground.names[cell], ground.names[other], Hold.DATA, why)


def controllers(ground: Ground, cell: int) -> Iterator[Trust]:
    """Whoever has a right to control the cell itself."""
    name = ground.names[cell]
    for edge in ground.reach:
        if edge.target == name and edge.cell != name and "control" in edge.rights.split("+"):
            yield Trust(name, edge.cell, Hold.WHOLE, f"it controls it by {edge.by}")


COMMON: tuple[Rule, ...] = (drivers, sharers, controllers)
"""What holds under every architecture."""


def partners(why: str) -> Rule:
    """The other ends of the cell's message channels. `why`: what a bad partner can do there; {channel} is its name."""

    def rule(ground: Ground, cell: int) -> Iterator[Trust]:
        for channel in ground.wiring.of(cell):
            if channel.kind not in LINK_PAGES:
                other = ground.names[channel.other(cell)]
                yield Trust(ground.names[cell], other, Hold.SERVICE, why.format(channel=channel.name))

    return rule


def pagers(why: str) -> Rule:
    """The cell that answers this one's faults; its own pager comes in by `closure`."""

    def rule(ground: Ground, cell: int) -> Iterator[Trust]:
        if cell in ground.wiring.pagers:
            yield Trust(ground.names[cell], ground.names[ground.wiring.pagers[cell]], Hold.WHOLE, why)

    return rule


def everyone(on: str, hold: Hold, why: str) -> Rule:
    """All cells trust `on`: a cell's name, or something that is no cell."""

    def rule(ground: Ground, cell: int) -> Iterator[Trust]:
        if ground.names[cell] != on:
            yield Trust(ground.names[cell], on, hold, why)

    return rule


def judge(ground: Ground, cell: int, rules: Iterable[Rule]) -> list[Trust]:
    """What the rules find about one cell: the widest hold for each other, with all reasons for it."""
    found: dict[str, Trust] = {}
    for trust in (trust for rule in rules for trust in rule(ground, cell)):
        known = found.get(trust.on)
        if known is None or trust.hold > known.hold:
            found[trust.on] = trust
        elif trust.hold == known.hold and trust.why not in known.why:
            found[trust.on] = known._replace(why=f"{known.why}; {trust.why}")
    return list(found.values())


def closure(direct: Mapping[str, Sequence[Trust]]) -> dict[str, list[Trust]]:
    """Direct trust of each cell, with what follows from it.

    Who holds all of my driver holds what my driver holds of me; who holds the data that my driver keeps for me holds them as
    data. A partner who can only keep me waiting hands nothing on.
    """
    return {cell: _closure_of(cell, direct) for cell in direct}


def _closure_of(cell: str, direct: Mapping[str, Sequence[Trust]]) -> list[Trust]:
    held: dict[str, Trust] = {}
    waiting = list(direct[cell])
    while waiting:
        trust = waiting.pop(0)  # the nearest first, so that of equal holds the shortest way stays
        known = held.get(trust.on)
        if trust.on == cell or (known is not None and known.hold >= trust.hold):
            continue
        held[trust.on] = trust
        for further in direct.get(trust.on, ()):
            hold = min(trust.hold, further.hold)
            if hold >= Hold.DATA:
                waiting.append(Trust(cell, further.on, hold, further.why, (*trust.through, trust.on)))
    return sorted(held.values(), key=lambda trust: (-trust.hold, len(trust.through)))
