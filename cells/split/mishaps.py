"""What an injected fault makes of an entry of a ring: the end that puts it in looks like the culprit.

`enter(ring, faults, ...)` stands in the place of `ring.put`. The entry is damaged, left out, doubled, kept for the next, or comes
late; the end's own memory of it stays as it should be, so that the other end sees a liar that does not know that it lies.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from cells.split.clock import Clock, faults_of, sleep_until
from hypervisor.abi.faults import Hit
from hypervisor.abi.mishaps import DELAY, corrupted

if TYPE_CHECKING:
    from cells.split.ring import Ring

POINT = "ring.put"
WORD = 1 << 32


class Entry(NamedTuple):
    """What goes into a slot. `claims`: the length that it says, -1 for its data's."""

    id: int
    operation: int
    status: int
    body: bytes
    data: bytes
    claims: int = -1


LATER = None
"""In the place of how far the count is off: it is not to be written yet."""
Skew = int | None


def enter(ring: Ring, clock: Clock, count: int, entry: Entry) -> Skew:
    """Put an entry into the slot of `count`: by how much the count that the other end reads is to be off.

    Requires: there are faults in this cell.
    """
    kept, ring.kept = ring.kept, None
    if kept is not None:  # this is the next one: they change places
        earlier, first = kept
        ring.put(earlier, entry)
        ring.put(count, first)
        return 0
    faults = faults_of(clock)
    hit = faults.visit(POINT) if faults is not None else None
    befall = None if hit is None else _BEFALLS.get(hit.fault.action)
    if hit is None or befall is None:
        ring.put(count, entry)
        return 0
    return befall(ring, clock, count, entry, hit)


def _corrupt(ring: Ring, clock: Clock, count: int, entry: Entry, hit: Hit) -> Skew:
    """A bit of the slot, or of the bytes that it carries."""
    ring.put(count, entry)
    slot, buffer = ring.places(count, len(entry.data))
    flipped = corrupted(bytes(slot) + bytes(buffer), hit.fault, hit.draws)
    slot[:], buffer[:] = flipped[: len(slot)], flipped[len(slot) :]
    return 0


def _lie(ring: Ring, clock: Clock, count: int, entry: Entry, hit: Hit) -> Skew:
    most = ring.layout.buffer_size
    said = hit.fault.value("length") if "length" in hit.fault.values else most + 1 + hit.draws.below(WORD - most - 1)
    ring.put(count, entry._replace(claims=said % WORD))
    return 0


def _drop(ring: Ring, clock: Clock, count: int, entry: Entry, hit: Hit) -> Skew:
    return 0


def _duplicate(ring: Ring, clock: Clock, count: int, entry: Entry, hit: Hit) -> Skew:
    ring.put(count, entry)
    ring.put(count + 1, entry)
    return 1


def _delay(ring: Ring, clock: Clock, count: int, entry: Entry, hit: Hit) -> Skew:
    """This end sleeps over it."""
    sleep_until(clock, clock.now + hit.fault.value("delay", DELAY))
    ring.put(count, entry)
    return 0


def _reorder(ring: Ring, clock: Clock, count: int, entry: Entry, hit: Hit) -> Skew:
    ring.kept = count, entry
    return LATER


_BEFALLS: Mapping[str, Callable[[Ring, Clock, int, Entry, Hit], Skew]] = {
    "corrupt_entry": _corrupt,
    "lie_entry": _lie,
    "drop_entry": _drop,
    "duplicate_entry": _duplicate,
    "delay_entry": _delay,
    "reorder_entry": _reorder,
}
"""Action -> what it does to an entry."""
