"""Events on their way to a vCPU: as many as one resume carries, in order; the rest waits for the next."""

from __future__ import annotations

import struct

from hypervisor.abi.records import EVENT, EVENTS_LIMIT, Event, EventKind

WRITTEN_LIMIT = 64
"""Events DMA that wait for one vCPU of those that `written` queues."""
_RING = struct.Struct("<IQ")
_LINE = 4
"""Bytes of a LINE event that say which."""
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


def written(waiting: list[Event], event: Event, everything: Event) -> None:
    """Queue that somebody wrote memory, if that does not wait already; of too many such events one for everything is left."""
    told = [other for other in waiting if other.kind == EventKind.DMA]
    if any(other.payload in (event.payload, everything.payload) for other in told):
        return
    if len(told) < WRITTEN_LIMIT:
        waiting.append(event)
        return
    waiting[:] = [other for other in waiting if other.kind != EventKind.DMA]
    waiting.append(everything)


def level(waiting: list[Event], event: Event) -> None:
    """Queue what a line has come to. Of more than two changes of a line that wait the first and the last are told: a storm takes
    no room, and the vCPU knows that the line was up and what it is now.
    """
    same = [place for place, other in enumerate(waiting) if other.kind == EventKind.LINE and _same_line(other, event)]
    if same and waiting[same[-1]].payload == event.payload:
        return
    if len(same) > 2:
        del waiting[same[-1]], waiting[same[-2]]
    waiting.append(event)


def _same_line(one: Event, other: Event) -> bool:
    return one.payload[:_LINE] == other.payload[:_LINE]


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
