"""One direction of a message channel: a ring of bytes in a page that the receiver grants to the sender.

```
0   produced (sender)   4   waiting: the sender found no room (sender; the receiver clears it)
32  consumed (receiver)
64  4032 bytes: messages, each behind its length in 4 bytes, round the end
```

Theory: the ring is the receiver's own page, so that what a sender has sent survives it. Both indices run modulo twice the
size, which tells full from empty. Each end keeps its own index to itself, takes the other one once, and believes it only if
it is possible; a message is copied out before anything in it is believed.
"""

from __future__ import annotations

from struct import Struct

from hypervisor.abi.memory import PAGE

PRODUCED, WAITING, CONSUMED, DATA = 0, 4, 32, 64
SIZE = PAGE - DATA
_WORD = Struct("<I")


class BrokenRingError(Exception):
    """The other end has written what cannot be."""


class _End:
    def __init__(self, page: memoryview) -> None:
        self._page = page

    def _get(self, at: int) -> int:
        word: int = _WORD.unpack_from(self._page, at)[0]
        return word

    def _set(self, at: int, value: int) -> None:
        _WORD.pack_into(self._page, at, value)

    @staticmethod
    def _used(produced: int, consumed: int) -> int:
        """Bytes between two indices.

        Raises:
            BrokenRingError: impossible ones.
        """
        used = (produced - consumed) % (2 * SIZE)
        if max(produced, consumed) >= 2 * SIZE or used > SIZE:
            raise BrokenRingError(f"indices {produced} and {consumed} in a ring of {SIZE} bytes")
        return used


class Sender(_End):
    """Puts messages in. Whatever index the page holds is where the last sender has stopped."""

    def __init__(self, page: memoryview) -> None:
        super().__init__(page)
        self._produced = self._get(PRODUCED)
        self._used(self._produced, self._get(CONSUMED))

    def put(self, data: bytes) -> tuple[bool, bool]:
        """Put a message in: whether it went in, and whether the receiver has to be rung, as its ring was empty.

        If there is no room the receiver will ring when there is some.

        Raises:
            BrokenRingError: the receiver's index is impossible.
        """
        message = _WORD.pack(len(data)) + data
        used = self._used(self._produced, self._get(CONSUMED))
        if SIZE - used < len(message):
            self._set(WAITING, 1)
            return False, False
        start = self._produced % SIZE
        first = message[: SIZE - start]
        self._page[DATA + start : DATA + start + len(first)] = first
        self._page[DATA : DATA + len(message) - len(first)] = message[len(first) :]
        self._produced = (self._produced + len(message)) % (2 * SIZE)
        self._set(PRODUCED, self._produced)
        return True, not used


class Receiver(_End):
    """Takes messages out; the page is its own. `limit`: bytes of a message at most."""

    def __init__(self, page: memoryview, limit: int) -> None:
        super().__init__(page)
        self._limit = limit
        self.reset()

    def reset(self) -> None:
        """Begin with an empty ring."""
        self._page[:DATA] = bytes(DATA)
        self._consumed = 0

    def take(self) -> bytes | None:
        """The oldest message, None if there is none.

        Raises:
            BrokenRingError: the sender has written what cannot be.
        """
        used = self._used(self._get(PRODUCED), self._consumed)
        if not used:
            return None
        (length,) = _WORD.unpack(self._copy(self._consumed, _WORD.size)) if used >= _WORD.size else (PAGE,)
        if length > self._limit or _WORD.size + length > used:
            raise BrokenRingError(f"a message of {length} bytes in {used}")
        data = self._copy(self._consumed + _WORD.size, length)
        self._consumed = (self._consumed + _WORD.size + length) % (2 * SIZE)
        self._set(CONSUMED, self._consumed)
        return data

    def sender_waits(self) -> bool:
        """Whether the sender found no room and has to be rung; asking clears it."""
        waits = bool(self._get(WAITING))
        if waits:
            self._set(WAITING, 0)
        return waits

    def _copy(self, index: int, length: int) -> bytes:
        start = index % SIZE
        first = bytes(self._page[DATA + start : DATA + min(start + length, SIZE)])
        return first + bytes(self._page[DATA : DATA + length - len(first)])
