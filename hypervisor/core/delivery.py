"""Events on their way to a vCPU: as many as one resume carries, in order; the rest waits for the next."""

from __future__ import annotations

import struct

from hypervisor.abi.records import EVENT, EVENTS_LIMIT, Event, EventKind

_RING = struct.Struct("<IQ")
_FIRST = (EventKind.ANSWER, EventKind.MEMORY)


def ring(waiting: list[Event], time: int, source: int, bits: int) -> bool:
    """Queue a notification, merged with one from the same source that waits already (then the answer is False): a flood takes
    no room.
    """
    for place, event in enumerate(waiting):
        if event.kind == EventKind.NOTIFY and _RING.unpack(event.payload)[0] == source:
            merged = _RING.unpack(event.payload)[1] | bits
            waiting[place] = event._replace(payload=_RING.pack(source, merged))
            return False
    waiting.append(Event(time, EventKind.NOTIFY, _RING.pack(source, bits)))
    return True


def announce(waiting: list[Event], event: Event) -> None:
    """Queue what is said of memory before everything else, in its order: the vCPU must not run on with what it had."""
    behind = (place for place, other in enumerate(waiting) if other.kind not in _FIRST)
    waiting.insert(next(behind, len(waiting)), event)


def unannounced(waiting: list[Event]) -> int:
    """How many pieces of news about memory wait for the vCPU."""
    return sum(event.kind == EventKind.MEMORY for event in waiting)


def take_events(waiting: list[Event]) -> tuple[Event, ...]:
    """Remove and return the oldest events that fit into one resume; a long console payload is split."""
    taken: list[Event] = []
    room = EVENTS_LIMIT
    while waiting and room > EVENT.size:
        time, kind, payload = waiting[0]
        part = payload[: room - EVENT.size]
        if len(part) < len(payload) and kind != EventKind.CONSOLE:
            break
        if len(part) < len(payload):
            waiting[0] = Event(time, kind, payload[len(part) :])
        else:
            waiting.pop(0)
        taken.append(Event(time, kind, part))
        room -= EVENT.size + len(part)
    return tuple(taken)
