"""Capabilities: one table per cell, and one forest of derivations over all of them.

Theory: a capability names an object and what its holder may do with it; a cell names a slot of its own table and nothing else,
so that it can reach only what it was given. What is minted or granted is *derived*: it hangs below its origin with no more
rights, and goes when the origin goes, in whatever table it lies. Moving changes the slot, not the place in the forest. Static
tables are fixed by `seal` at the end of boot: afterwards they can be looked up, not changed.

>>> authority = Authority(static=False)
>>> slot = authority.give(0, Kind.CHANNEL, "pipe", Right.SEND | Right.RECEIVE | Right.GRANT)
>>> lent = authority.grant(0, slot, 1, Right.SEND)
>>> authority.look(1, lent, Kind.CHANNEL, Right.SEND).target
'pipe'
>>> authority.revoke(0, slot), authority.listing(1)
(1, {})
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field, replace
from enum import IntEnum, IntFlag

from hypervisor.abi.status import Status
from hypervisor.core.errors import Refused, require_none

SLOTS = 256
"""Slots of a table, from 1; a cell that wants more is refused."""


class Kind(IntEnum):
    """What a capability names."""

    CHANNEL = 1
    NOTIFICATION = 2
    MEMORY = 3
    ENDPOINT = 4
    IRQ = 5
    DEVICE = 6
    CELL = 7


class Right(IntFlag):
    """What a holder may do. GRANT: give a derived capability to another cell; CONTROL: of a cell or a device."""

    READ = 1
    WRITE = 2
    SEND = 4
    RECEIVE = 8
    GRANT = 16
    CONTROL = 32

    def text(self) -> str:
        """The rights for people, like "read+write"."""
        return "+".join(str(right.name).lower() for right in Right if right in self)


EVERY_RIGHT = int(Right.READ | Right.WRITE | Right.SEND | Right.RECEIVE | Right.GRANT | Right.CONTROL)


@dataclass(frozen=True, slots=True)
class Capability:
    """`target`: what the mechanism knows the object by; `badge`: what a receiver sees of who used it."""

    kind: Kind
    target: Hashable
    rights: Right
    badge: int = 0


@dataclass(slots=True, eq=False)
class _Node:
    """A capability at its place: in a slot of a table, and below the one that it was derived from."""

    capability: Capability
    cell: int
    slot: int
    parent: _Node | None = None
    children: list[_Node] = field(default_factory=list)

    def below(self) -> Iterator[_Node]:
        """All that was derived from it, directly or not."""
        rest = list(self.children)
        while rest:
            node = rest.pop()
            rest += node.children
            yield node


def _never(_cell: int) -> bool:
    """No table passes for full."""
    return False


class Authority:
    """The tables of all cells, known by index. `static`: nothing changes after `seal`."""

    def __init__(self, static: bool, slots: int = SLOTS) -> None:
        self._static = static
        self._slots = slots
        self._sealed = False
        self.full: Callable[[int], bool] = _never
        """Whether a cell's table is to pass for full, by an injected fault."""
        self._tables: defaultdict[int, dict[int, _Node]] = defaultdict(dict)

    # ---- boot

    def give(self, cell: int, kind: Kind, target: Hashable, rights: Right, badge: int = 0) -> int:
        """A capability that is derived from nothing, in the lowest free slot.

        Raises:
            Refused: DENIED after the seal of static tables, NO_ROOM.
        """
        self._must_be_open()
        return self._insert(cell, Capability(kind, target, Right(rights), badge), None)

    def seal(self) -> None:
        """Boot is over."""
        self._sealed = True

    # ---- looking

    def look(self, cell: int, slot: int, kind: Kind, needed: Right) -> Capability:
        """What a cell names by `slot`, if it is of that kind and has at least the `needed` rights.

        Raises:
            Refused: NO_SUCH_SLOT, BAD_ARGUMENT for another kind, RIGHTS.
        """
        capability = self._node(cell, slot).capability
        if capability.kind is not kind:
            raise Refused(Status.BAD_ARGUMENT, f"slot {slot} is a {capability.kind.name}, not a {kind.name}")
        if (
            needed._value_ & ~capability.rights._value_
        ):  # as numbers: a flag's own operators take as long as all the rest
            missing = Right(needed & ~capability.rights).text()
            raise Refused(Status.RIGHTS, f"slot {slot} gives {capability.rights.text()}, not {missing}")
        return capability

    def identify(self, cell: int, slot: int) -> Capability:
        """What a cell names by `slot`, whatever it is.

        Raises:
            Refused: NO_SUCH_SLOT.
        """
        return self._node(cell, slot).capability

    def find(self, cell: int, kind: Kind, target: Hashable) -> int | None:
        """The lowest slot by which a cell names an object, None if it has none."""
        nodes = self._tables.get(cell, {}).items()
        mine = [slot for slot, held in nodes if held.capability.kind is kind and held.capability.target == target]
        return min(mine, default=None)

    def listing(self, cell: int) -> dict[int, Capability]:
        """A cell's table: slot -> capability, in the order of slots."""
        return {slot: node.capability for slot, node in sorted(self._tables.get(cell, {}).items())}

    # ---- changing

    def mint(self, cell: int, slot: int, rights: int) -> int:
        """Derive a capability with these rights, in the lowest free slot of the same table.

        Raises:
            Refused: NO_SUCH_SLOT, RIGHTS, BAD_ARGUMENT, NO_ROOM, DENIED for sealed tables.
        """
        self._must_be_open()
        return self._derive(self._node(cell, slot), rights, cell)

    def grant(self, cell: int, slot: int, to_cell: int, rights: int) -> int:
        """Derive a capability into another cell's table; the holder's must have GRANT. The answer is the receiver's slot.

        Raises:
            Refused: as `mint`.
        """
        self._must_be_open()
        node = self._node(cell, slot)
        if Right.GRANT not in node.capability.rights:
            raise Refused(Status.RIGHTS, f"slot {slot} may not be granted to others")
        return self._derive(node, rights, to_cell)

    def move(self, cell: int, slot: int, to: int) -> None:
        """Move a capability to a free slot of the same table; what was derived from it stays derived from it.

        Raises:
            Refused: NO_SUCH_SLOT; BAD_ARGUMENT or WRONG_STATE: `to` is no slot, or taken; DENIED.
        """
        self._must_be_open()
        node, table = self._node(cell, slot), self._tables[cell]
        if not 1 <= to <= self._slots:
            raise Refused(Status.BAD_ARGUMENT, f"{to} is no slot, only 1..{self._slots}")
        if to in table:
            raise Refused(Status.WRONG_STATE, f"slot {to} is taken")
        table[to] = table.pop(slot)
        node.slot = to

    def revoke(self, cell: int, slot: int) -> int:
        """Take back all that was derived from a capability, wherever it is; how many that were. The capability itself stays.

        Raises:
            Refused: NO_SUCH_SLOT, DENIED.
        """
        self._must_be_open()
        node = self._node(cell, slot)
        gone = list(node.below())
        for derived in gone:
            del self._tables[derived.cell][derived.slot]
        node.children.clear()
        return len(gone)

    def delete(self, cell: int, slot: int) -> int:
        """Free a slot; what was derived from it goes too. How many capabilities went beside it.

        Raises:
            Refused: NO_SUCH_SLOT, DENIED.
        """
        self._must_be_open()
        node = self._node(cell, slot)
        gone = self.revoke(cell, slot)
        if node.parent is not None:
            node.parent.children.remove(node)
        del self._tables[cell][slot]
        return gone

    def drop_cell(self, cell: int) -> int:
        """A cell is gone: all that it held, and what was derived from that. How many capabilities went."""
        before = self._count()
        while self._tables.get(cell):
            self._must_be_open()
            self.delete(cell, min(self._tables[cell]))
        self._tables.pop(cell, None)
        return before - self._count()

    # ---- the forest

    def _must_be_open(self) -> None:
        if self._static and self._sealed:
            raise Refused(Status.DENIED, "the tables of capabilities are fixed at boot")

    def _node(self, cell: int, slot: int) -> _Node:
        node = self._tables.get(cell, {}).get(slot)
        if node is None:
            raise Refused(Status.NO_SUCH_SLOT, f"slot {slot} is empty")
        return node

    def _derive(self, node: _Node, rights: int, cell: int) -> int:
        has = node.capability.rights
        if not rights or rights & ~EVERY_RIGHT:
            raise Refused(Status.BAD_ARGUMENT, f"{rights:#x} are no rights")
        if rights & ~has:
            extra = Right(rights & ~has).text()
            raise Refused(Status.RIGHTS, f"slot {node.slot} gives {has.text()}: {extra} cannot come of it")
        if self.full(cell):
            raise Refused(Status.NO_ROOM, f"all {self._slots} slots of the table are taken")
        return self._insert(cell, replace(node.capability, rights=Right(rights)), node)

    def _insert(self, cell: int, capability: Capability, parent: _Node | None) -> int:
        table = self._tables[cell]
        slot = next((slot for slot in range(1, self._slots + 1) if slot not in table), None)
        if slot is None:
            raise Refused(Status.NO_ROOM, f"all {self._slots} slots of the table are taken")
        node = table[slot] = _Node(capability, cell, slot, parent)
        if parent is not None:
            parent.children.append(node)
        return slot

    def _count(self) -> int:
        return sum(map(len, self._tables.values()))

    def check_invariants(self) -> None:
        """Every capability is in its slot, hangs below a living one of the same object, with no right that that one lacks.

        Raises:
            InvariantBroken: it is not so.
        """
        nodes = [(cell, slot, node) for cell, table in self._tables.items() for slot, node in table.items()]
        require_none([problem for place in nodes for problem in self._problems(*place)])

    def _problems(self, cell: int, slot: int, node: _Node) -> Iterator[str]:
        where, mine = f"capabilities: slot {slot} of cell {cell}", node.capability
        if (node.cell, node.slot) != (cell, slot) or not 1 <= slot <= self._slots:
            yield f"{where} believes to be slot {node.slot} of cell {node.cell}"
        for child in node.children:
            if self._tables.get(child.cell, {}).get(child.slot) is not child or child.parent is not node:
                yield f"{where} has lost what was derived from it"
        if node.parent is None:
            return
        above, origin = node.parent, node.parent.capability
        if self._tables.get(above.cell, {}).get(above.slot) is not above or node not in above.children:
            yield f"{where} is an orphan"
        if (mine.kind, mine.target, mine.badge) != (origin.kind, origin.target, origin.badge):
            yield f"{where} names another object than its origin"
        if mine.rights & ~origin.rights:
            yield f"{where} may {mine.rights.text()}, its origin only {origin.rights.text()}"
