"""Events of the input class as Linux has them (Documentation/input/event-codes.rst): type, code, value.

A touch is BTN_TOUCH with ABS_X and ABS_Y; each change ends with SYN_REPORT.

>>> changes(Event(0, Kind.UP))
[(1, 330, 0), (0, 0, 0)]
"""

from __future__ import annotations

from cells.split.display.protocol import HEIGHT, WIDTH
from cells.split.input.protocol import Event, Kind

EV_SYN, EV_KEY, EV_ABS = 0, 1, 3
SYN_REPORT, SYN_DROPPED = 0, 3
BTN_TOUCH, ABS_X, ABS_Y = 0x14A, 0, 1
MOST = {ABS_X: WIDTH - 1, ABS_Y: HEIGHT - 1}
"""The highest value of each axis."""
HIGHEST_KEY = 0x2FF

Change = tuple[int, int, int]
"""type, code, value."""


def changes(event: Event) -> list[Change]:
    """What an event is. Its numbers are another cell's: they are kept within the screen; what is of no kind is nothing."""
    place = [(EV_ABS, ABS_X, min(event.x, MOST[ABS_X])), (EV_ABS, ABS_Y, min(event.y, MOST[ABS_Y]))]
    by_kind = {
        Kind.DOWN: [*place, (EV_KEY, BTN_TOUCH, 1)],
        Kind.MOVE: place,
        Kind.UP: [(EV_KEY, BTN_TOUCH, 0)],
        Kind.KEY: [
            (EV_KEY, event.code & HIGHEST_KEY, 1),
            (EV_SYN, SYN_REPORT, 0),
            (EV_KEY, event.code & HIGHEST_KEY, 0),
        ],
        Kind.LOST: [(EV_SYN, SYN_DROPPED, 0)],
    }
    found: list[Change] = by_kind.get(Kind(event.kind), []) if event.kind in set(Kind) else []
    return [*found, (EV_SYN, SYN_REPORT, 0)] if found else []
