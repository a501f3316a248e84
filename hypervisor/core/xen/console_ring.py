"""The console of a domain without a UART: two byte rings in a page of its own (public/io/console.h).

```python
ring = ConsoleRing(page)
shown = ring.take()            # what the domain has written; the ring is empty again
rest = ring.give(typed)        # what did not fit
```

Theory: the indices run freely and the domain may write all of them at any moment. So those of this end are kept here, and the
others are believed as far as they are possible: an index that is further away than the ring is long takes nothing and gives
nothing. The domain has lost its own console then, until its index is possible again.
"""

from __future__ import annotations

from hypervisor.abi.xen import (
    CONSOLE_IN,
    CONSOLE_IN_CONS,
    CONSOLE_IN_PROD,
    CONSOLE_OUT,
    CONSOLE_OUT_AT,
    CONSOLE_OUT_CONS,
    CONSOLE_OUT_PROD,
)
from hypervisor.core.xen.store_ring import Page

_U32 = 1 << 32


class ConsoleRing:
    """One domain's console."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._taken = self._word(CONSOLE_OUT_CONS)
        self._given = self._word(CONSOLE_IN_PROD)

    def take(self) -> bytes:
        """What the domain has written since the last look."""
        waiting = (self._word(CONSOLE_OUT_PROD) - self._taken) % _U32
        if not 0 < waiting <= CONSOLE_OUT:
            return b""
        start = self._taken % CONSOLE_OUT
        first = min(waiting, CONSOLE_OUT - start)
        data = self._page.read(CONSOLE_OUT_AT + start, first)
        if first < waiting:
            data += self._page.read(CONSOLE_OUT_AT, waiting - first)
        self._taken = (self._taken + waiting) % _U32
        self._set_word(CONSOLE_OUT_CONS, self._taken)
        return data

    def give(self, data: bytes) -> bytes:
        """Put typed bytes where the domain finds them; those that it has no room for now."""
        unread = (self._given - self._word(CONSOLE_IN_CONS)) % _U32
        room = CONSOLE_IN - unread
        if room <= 0 or not data:
            return data
        piece, rest = data[:room], data[room:]
        start = self._given % CONSOLE_IN
        self._page.write(start, piece[: CONSOLE_IN - start])
        if len(piece) > CONSOLE_IN - start:
            self._page.write(0, piece[CONSOLE_IN - start :])
        self._given = (self._given + len(piece)) % _U32
        self._set_word(CONSOLE_IN_PROD, self._given)
        return rest

    def _word(self, offset: int) -> int:
        return int.from_bytes(self._page.read(offset, 4), "little")

    def _set_word(self, offset: int, value: int) -> None:
        self._page.write(offset, value.to_bytes(4, "little"))
