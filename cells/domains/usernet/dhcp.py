"""Addresses on demand (RFC 2131, options of RFC 2132): the first that is free, and the same again for the same interface.

Theory: a lease belongs to an interface's address, lasts an hour of virtual time, and is asked for anew before that. A server that
was made again knows of none: a client that has an address of ours keeps it. Who asks for more addresses than there are
gets none until a lease runs out; an offer that nobody took up goes first.

```python
answer = Leases(plan, hz).answer(data, now)        # (type and address in a DHCP message), None: nothing to say
```
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

SERVER, CLIENT = 67, 68
"""Ports."""
BOOTP = struct.Struct(">BBBBIHHIIII16s192xI")
COOKIE = 0x63825363
REQUEST, REPLY = 1, 2
ETHERNET = 1
BROADCAST_FLAG = 0x8000
LEASE_S, OFFER_S = 3600, 10
"""Seconds: of a lease, and for how long an address is kept for one who was offered it. Assumed."""
OPTIONS_LIMIT = 64


class Option(IntEnum):
    """Numbers of options."""

    PAD = 0
    MASK = 1
    ADDRESS = 50
    TIME = 51
    TYPE = 53
    SERVER = 54
    END = 255


class Type(IntEnum):
    """What a message is."""

    DISCOVER = 1
    OFFER = 2
    REQUEST = 3
    DECLINE = 4
    ACK = 5
    NAK = 6
    RELEASE = 7


class Pool(NamedTuple):
    """What may be given out: the addresses from `first` to `last`, by the gateway at `server`."""

    server: int
    mask: int
    first: int
    last: int


@dataclass
class Lease:
    """Who has an address, and until when (cycles)."""

    owner: bytes
    until: int


class Answer(NamedTuple):
    """A message, and where it goes: `everybody` if the client cannot be reached by its address."""

    data: bytes
    address: int
    everybody: bool


class Ask(NamedTuple):
    """What a client says."""

    owner: bytes
    transaction: int
    flags: int
    own: int
    """The address that it uses already, 0 for none."""
    type: int
    wish: int
    server: int


class Leases:
    """The server."""

    def __init__(self, pool: Pool, hz: int) -> None:
        self._pool, self._hz = pool, hz
        self.leases: dict[int, Lease] = {}
        """By address."""

    def answer(self, data: bytes, now: int) -> Answer | None:
        """What to say to a message; None: nothing."""
        ask = _read(data)
        if ask is None or ask.server not in (0, self._pool.server):
            return None
        if ask.type == Type.DISCOVER:
            address = self._find(ask, now)
            return self._say(ask, Type.OFFER, address, now + OFFER_S * self._hz) if address else None
        if ask.type == Type.REQUEST:
            return self._request(ask, now)
        if ask.type == Type.RELEASE and self._owns(ask.own, ask.owner):
            del self.leases[ask.own]
        return None

    def _request(self, ask: Ask, now: int) -> Answer:
        wish = ask.wish or ask.own
        if self._in_pool(wish) and (self._owns(wish, ask.owner) or self._is_free(wish, now)):
            self._forget(ask.owner)
            return self._say(ask, Type.ACK, wish, now + LEASE_S * self._hz)
        return Answer(self._message(ask, Type.NAK, 0), 0, everybody=True)

    def _find(self, ask: Ask, now: int) -> int:
        """An address for who asks: the one it has, the one it wishes, the first that is free; 0 for none."""
        for address, lease in self.leases.items():
            if lease.owner == ask.owner:
                return address
        if self._in_pool(ask.wish) and self._is_free(ask.wish, now):
            return ask.wish
        every = range(self._pool.first, self._pool.last + 1)
        return next((address for address in every if self._is_free(address, now)), 0)

    def _in_pool(self, address: int) -> bool:
        return self._pool.first <= address <= self._pool.last

    def _owns(self, address: int, owner: bytes) -> bool:
        return address in self.leases and self.leases[address].owner == owner

    def _is_free(self, address: int, now: int) -> bool:
        return address not in self.leases or self.leases[address].until <= now

    def _forget(self, owner: bytes) -> None:
        """An interface has one address."""
        self.leases = {address: lease for address, lease in self.leases.items() if lease.owner != owner}

    def _say(self, ask: Ask, type_: Type, address: int, until: int) -> Answer:
        kept = self.leases.get(address)
        if kept is not None and kept.owner == ask.owner:
            until = max(until, kept.until)
        self.leases[address] = Lease(ask.owner, until)
        everybody = bool(ask.flags & BROADCAST_FLAG)
        return Answer(self._message(ask, type_, address), address, everybody)

    def _message(self, ask: Ask, type_: Type, address: int) -> bytes:
        head = BOOTP.pack(
            REPLY, ETHERNET, 6, 0, ask.transaction, 0, ask.flags, ask.own, address, 0, 0, ask.owner.ljust(16, b"\0"), COOKIE
        )  # fmt: skip
        said = {Option.TYPE: bytes((type_,)), Option.SERVER: _word(self._pool.server)}
        if address:
            said |= {Option.TIME: _word(LEASE_S), Option.MASK: _word(self._pool.mask)}
        options = b"".join(bytes((key, len(value))) + value for key, value in said.items())
        return (head + options + bytes((Option.END,))).ljust(300, b"\0")  # the least that old clients take (RFC 1542)


def _word(value: int) -> bytes:
    return value.to_bytes(4, "big")


def _read(data: bytes) -> Ask | None:
    """What a client says; None if that is nothing to us."""
    if len(data) < BOOTP.size:
        return None
    op, kind, length, _, number, _, flags, own, _, _, relay, hardware, cookie = BOOTP.unpack_from(data)
    owner: bytes = hardware[:6]
    if (op, kind, length, relay, cookie) != (REQUEST, ETHERNET, 6, 0, COOKIE) or owner[0] & 1:
        return None
    said = _options(data[BOOTP.size :])
    type_ = said.get(Option.TYPE, b"")
    if len(type_) != 1:
        return None
    return Ask(owner, number, flags, own, type_[0], _address(said, Option.ADDRESS), _address(said, Option.SERVER))


def _address(said: Mapping[int, bytes], option: Option) -> int:
    value = said.get(option, b"")
    return int.from_bytes(value, "big") if len(value) == 4 else 0


def _options(data: bytes) -> dict[int, bytes]:
    """As far as they are well formed."""
    found: dict[int, bytes] = {}
    at = 0
    while at + 1 < len(data) and len(found) < OPTIONS_LIMIT and data[at] != Option.END:
        if data[at] == Option.PAD:
            at += 1
            continue
        length = data[at + 1]
        found.setdefault(data[at], data[at + 2 : at + 2 + length])
        at += 2 + length
    return found
