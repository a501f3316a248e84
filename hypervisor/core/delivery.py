"""Events on their way to a vCPU: as many as one resume carries, in order; the rest waits for the next."""

from __future__ import annotations

from hypervisor.abi.records import EVENT, EVENTS_LIMIT, Event


def take_events(waiting: list[Event]) -> tuple[Event, ...]:
    """Remove and return the oldest events that fit into one resume; a long console payload is split."""
    taken: list[Event] = []
    room = EVENTS_LIMIT
    while waiting and room > EVENT.size:
        time, kind, payload = waiting[0]
        part = payload[: room - EVENT.size]
        if len(part) < len(payload):
            waiting[0] = Event(time, kind, payload[len(part) :])
        else:
            waiting.pop(0)
        taken.append(Event(time, kind, part))
        room -= EVENT.size + len(part)
    return tuple(taken)
