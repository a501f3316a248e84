"""What can happen to a message on its way: bytes in, bytes out, and when. The monitor and cells use the same.

```python
fate = befalls(hit, b"question", limit=1024)       # hit: an injected fault that strikes this message (hypervisor/abi/faults.py)
for data in fate.now: deliver(data)                # nothing, one, or two
if fate.held is not None: ...                      # `delay` cycles later; behind the next message of the sender if that is 0
```

Theory: an interface fault is carried out where a message passes from its sender to the kernel, after every check of it, so that
the sender looks like the culprit and no rule of the kernel is broken. All that is left to chance comes from the hit's draws.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from hypervisor.abi.faults import Armed, Draws, Hit

DELAY = 1_000_000
"""Cycles that a message is late if the fault does not say: 1 ms at 1 GHz. A choice of ours."""


class Fate(NamedTuple):
    """`now`: what arrives, in order. `held`: what arrives `delay` cycles later, or, if that is 0, behind the next message."""

    now: tuple[bytes, ...]
    held: bytes | None = None
    delay: int = 0


def unharmed(data: bytes) -> Fate:
    """Nothing happens to it."""
    return Fate((data,))


def corrupted(data: bytes, fault: Armed, draws: Draws) -> bytes:
    """With one bit the other way round: `bit` of the fault, or any."""
    if not data:
        return data
    bit = fault.value("bit") % (8 * len(data)) if "bit" in fault.values else draws.below(8 * len(data))
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def another_length(data: bytes, limit: int, fault: Armed, draws: Draws) -> bytes:
    """Cut short, or with bytes behind it that nobody wrote: `length` of the fault, or any up to `limit`, but never as it was."""
    length = min(fault.value("length"), limit) if "length" in fault.values else draws.below(limit)
    if "length" not in fault.values and length >= len(data):
        length = min(length + 1, limit)
    return data[:length].ljust(length, b"\xa5")


def _corrupt(data: bytes, limit: int, hit: Hit) -> Fate:
    return Fate((corrupted(data, hit.fault, hit.draws),))


def _cut(data: bytes, limit: int, hit: Hit) -> Fate:
    return Fate((another_length(data, limit, hit.fault, hit.draws),))


def _drop(data: bytes, limit: int, hit: Hit) -> Fate:
    return Fate(())


def _duplicate(data: bytes, limit: int, hit: Hit) -> Fate:
    return Fate((data, data))


def _delay(data: bytes, limit: int, hit: Hit) -> Fate:
    return Fate((), data, max(hit.fault.value("delay", DELAY), 1))


def _reorder(data: bytes, limit: int, hit: Hit) -> Fate:
    return Fate((), data)


MESSAGES: Mapping[str, Callable[[bytes, int, Hit], Fate]] = {
    "corrupt_message": _corrupt,
    "cut_message": _cut,
    "drop_message": _drop,
    "duplicate_message": _duplicate,
    "delay_message": _delay,
    "reorder_message": _reorder,
}
"""Action -> what it does to a message."""


def befalls(hit: Hit, data: bytes, limit: int) -> Fate:
    """What becomes of a message; an action that is about something else does nothing to it."""
    happens = MESSAGES.get(hit.fault.action)
    return unharmed(data) if happens is None else happens(data, limit, hit)
