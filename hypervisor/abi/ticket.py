"""What a cell on another host needs to join, and how its order travels there: in pieces, with a hash over all.

The ticket is a secret of its cell: whoever has it can be that cell, and no other.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import msgpack

JOIN = b"join"
"""The first message of a remote cell."""
PIECE = 512 << 10
"""Bytes of the order per message."""


@dataclass(frozen=True)
class Ticket:
    """CURVE keys (z85) of the monitor and of one cell."""

    cell: str
    server_key: str
    public_key: str
    secret_key: str

    def to_json(self) -> str:
        """As it stands in the file."""
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Ticket:
        """The inverse of `to_json`.

        Raises:
            ValueError: not a ticket.
        """
        try:
            fields = json.loads(text)
            return cls(**{key: str(value) for key, value in fields.items()})
        except (TypeError, AttributeError, ValueError):
            raise ValueError("is not a ticket of a cellvisor run") from None


def pieces(order: Any) -> Iterator[bytes]:
    """The messages that carry an order: length and hash first."""
    packed: bytes = msgpack.packb(order)
    yield msgpack.packb([len(packed), hashlib.sha256(packed).digest()])
    for start in range(0, len(packed), PIECE):
        yield packed[start : start + PIECE]


def assemble(receive: Callable[[], bytes]) -> Any:
    """An order from its messages.

    Raises:
        ValueError: they do not fit together.
    """
    length, digest = msgpack.unpackb(receive())
    packed = b""
    while len(packed) < length:
        packed += receive()
    if hashlib.sha256(packed).digest() != digest:
        raise ValueError("the order was damaged on its way")
    return msgpack.unpackb(packed)
