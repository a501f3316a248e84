"""An injected fault on its way: what an order says, and how visits to points are counted, in the monitor and in a cell alike.

```python
fault = Armed("flip_ram", at=5_000, values={"offset": 0x40, "bit": 3})      # at a virtual time
fault = Armed("drop", point="message", visit=3, times=2)                    # the 3rd and the 4th time that its cell comes there
watched = Watched("pong")
watched.arm(fault)
hit = watched.visit("message")                                              # None, or a Hit
```

An order is data: small, checked field by field, the same as text (inputs.jsonl) and as an event of a resume. Where chance has a
part it is a number that came with the order (`draw`): the same order does the same at every replay.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

from hypervisor.abi.messages import BadMessage, pack, unpack
from hypervisor.abi.time import NEVER

SURE = 1 << 32
"""A `share` of 1."""
ORDER_LIMIT = 512
"""Bytes of an order."""
VALUES_LIMIT = 12
_WORD = 1 << 64
_NAME = re.compile(r"[a-z][a-z0-9_.]{0,31}")
_TEXT = re.compile(r"[ -~]{0,64}")
_LIMITS = {"at": NEVER, "visit": 1 << 32, "times": 1 << 32, "share": SURE + 1, "hold": NEVER, "draw": _WORD}
"""Numbers of an order -> what they stay below."""
_LEAST = {"visit": 1, "share": 1}
Value = int | str


class BadFault(ValueError):  # noqa: N818  a verdict on data
    """This is no order; the text says why."""


@dataclass(frozen=True, slots=True)
class Armed:
    """One fault. `action`: a name of hypervisor/faults/actions.py.

    When: at the cycle `at`; with a `point` (hypervisor/faults/points.py) from `at` on at the `visit`-th visit, from 1, and at
    `times` visits in a row (0: at all that follow), each with the chance `share` / 2**32. `hold`: cycles after `at` at which it
    is over, 0 for never. `values`: what the action wants to know, by name. `draw`: 64 bits of chance.
    """

    action: str
    at: int = 0
    point: str = ""
    visit: int = 1
    times: int = 1
    share: int = SURE
    hold: int = 0
    draw: int = 0
    values: Mapping[str, Value] = field(default_factory=lambda: MappingProxyType({}))

    def value(self, name: str, default: int = 0) -> int:
        """A number among the values."""
        found = self.values.get(name, default)
        return found if isinstance(found, int) else default

    def text(self, name: str, default: str = "") -> str:
        """A text among the values."""
        found = self.values.get(name, default)
        return found if isinstance(found, str) else default

    def drawn(self, name: str, below: int) -> int:
        """The value `name` if the order has it, else a number below `below` that only the order's draw decides."""
        return self.value(name) if name in self.values else Draws(self.draw, name).below(below)

    def to_dict(self) -> dict[str, Any]:
        """What differs from the defaults."""
        found = {
            name: getattr(self, name) for name in ("action", "at", "point", "visit", "times", "share", "hold", "draw")
        }
        found["values"] = dict(self.values)
        return {name: value for name, value in found.items() if name == "action" or value != _DEFAULTS[name]}

    def to_text(self) -> bytes:
        """As inputs.jsonl has it."""
        return json.dumps(self.to_dict(), separators=(",", ":")).encode()

    @classmethod
    def from_text(cls, data: bytes) -> Armed:
        """The inverse.

        Raises:
            BadFault: that is none.
        """
        if len(data) > ORDER_LIMIT:
            raise BadFault(f"an order has at most {ORDER_LIMIT} bytes, not {len(data)}")
        try:
            return cls.from_dict(json.loads(data))
        except (ValueError, RecursionError) as error:
            raise error if isinstance(error, BadFault) else BadFault("an order is a JSON object") from None

    def to_event(self, number: int) -> bytes:
        """As an event of a resume has it. `number`: by which the cell speaks of it."""
        return pack([number, self.to_dict()])

    @classmethod
    def from_event(cls, payload: bytes) -> tuple[int, Armed]:
        """The inverse.

        Raises:
            BadFault: that is none.
        """
        try:
            number, data = unpack(payload)
        except (BadMessage, TypeError, ValueError) as error:
            raise BadFault(str(error)) from None
        return number, cls.from_dict(data)

    @classmethod
    def from_dict(cls, data: object) -> Armed:
        """What `to_dict` made.

        Raises:
            BadFault: that is none.
        """
        if not isinstance(data, dict) or not data.keys() <= _DEFAULTS.keys() or "action" not in data:
            raise BadFault(f"an order has an action and no keys but {', '.join(_DEFAULTS)}")
        for name in ("action", "point"):
            if name in data and not (isinstance(data[name], str) and _NAME.fullmatch(data[name])):
                raise BadFault(f'"{name}" of an order is a short name')
        for name, limit in _LIMITS.items():
            if name in data and not (type(data[name]) is int and _LEAST.get(name, 0) <= data[name] < limit):
                raise BadFault(f'"{name}" of an order is a number from {_LEAST.get(name, 0)} to {limit - 1}')
        return cls(**{**data, "values": MappingProxyType(_values(data.get("values", {})))})


def _values(data: object) -> dict[str, Value]:
    if not isinstance(data, dict) or len(data) > VALUES_LIMIT:
        raise BadFault(f"the values of an order are at most {VALUES_LIMIT}, by name")
    for name, value in data.items():
        if not (isinstance(name, str) and _NAME.fullmatch(name)):
            raise BadFault("a value of an order has a short name")
        number, text = type(value) is int and 0 <= value < _WORD, isinstance(value, str) and _TEXT.fullmatch(value)
        if not (number or text):
            raise BadFault(f'the value "{name}" of an order is a number from 0 or a short text')
    return data


_DEFAULTS: dict[str, Any] = {
    "action": "", "at": 0, "point": "", "visit": 1, "times": 1, "share": SURE, "hold": 0, "draw": 0, "values": {},
}  # fmt: skip


class Draws:
    """Numbers that follow from a seed and a name: splitmix64, as a stream of their own for each name."""

    def __init__(self, seed: int, name: str | int = 0) -> None:
        salt = int.from_bytes(name.encode()[:8], "little") if isinstance(name, str) else name
        self._state = (seed ^ salt * 0x9E3779B97F4A7C15) % _WORD

    def word(self) -> int:
        """The next 64 bits."""
        self._state = (self._state + 0x9E3779B97F4A7C15) % _WORD
        mixed = (self._state ^ self._state >> 30) * 0xBF58476D1CE4E5B9 % _WORD
        mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB % _WORD
        return mixed ^ mixed >> 31

    def below(self, limit: int) -> int:
        """The next number of [0, limit), 0 for an empty range."""
        return self.word() * limit >> 64 if limit > 0 else 0


class Hit(NamedTuple):
    """A fault strikes at a point. `visit`: which one it is, from 1; `draws`: numbers for this visit alone."""

    fault: Armed
    visit: int
    draws: Draws


@dataclass(slots=True)
class _Counted:
    """An armed fault at its point."""

    fault: Armed
    visits: int = 0
    hits: int = 0


class Watched:
    """The faults that wait at the points of one cell, `name` for people."""

    def __init__(self, name: str = "") -> None:
        self.name = name
        self._at: dict[str, list[_Counted]] = {}

    def arm(self, fault: Armed) -> None:
        """Let it wait at its point; visits count from now."""
        self._at.setdefault(fault.point, []).append(_Counted(fault))

    def disarm(self, fault: Armed) -> None:
        """This very one is over. May be said of one that is over already."""
        waiting = [counted for counted in self._at.pop(fault.point, ()) if counted.fault is not fault]
        if waiting:
            self._at[fault.point] = waiting

    def __bool__(self) -> bool:
        """Whether anything waits."""
        return bool(self._at)

    def visit(self, point: str) -> Hit | None:
        """The cell comes to a point: the first fault that strikes there now. All that wait there count the visit."""
        hit = None
        for counted in list(self._at.get(point, ())):
            struck = self._count(counted, free=hit is None)
            hit = hit or struck
        return hit

    def _count(self, counted: _Counted, *, free: bool) -> Hit | None:
        fault = counted.fault
        counted.visits += 1
        if counted.visits < fault.visit or not free:
            return None
        draws = Draws(fault.draw, counted.visits)
        if fault.share < SURE and draws.word() >> 32 >= fault.share:
            return None
        counted.hits += 1
        if counted.hits == fault.times:
            self.disarm(fault)
        return Hit(fault, counted.visits, draws)
