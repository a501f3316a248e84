"""Messages between processes: msgpack, bounded in size and depth.

A peer is never trusted with more memory or recursion than a message needs.

>>> unpack(pack(["hello", 1]))
['hello', 1]
"""

from __future__ import annotations

from typing import Any

import msgpack

MESSAGE_LIMIT = 1 << 20
"""Bytes of one message; larger things (guest images for a remote cell) travel in pieces."""
DEPTH_LIMIT = 8


class BadMessage(Exception):  # noqa: N818  the peer's fault
    """A peer sent bytes that are no message of ours."""


def pack(message: object) -> bytes:
    """A message as bytes."""
    packed: bytes = msgpack.packb(message)
    return packed


def unpack(packed: bytes) -> Any:
    """The message in `packed`.

    Raises:
        BadMessage: too long, too deep, or not msgpack.
    """
    if len(packed) > MESSAGE_LIMIT:
        raise BadMessage(f"{len(packed)} bytes; at most {MESSAGE_LIMIT}")
    try:
        message = msgpack.unpackb(packed, strict_map_key=True)
    except (ValueError, msgpack.UnpackException, RecursionError) as error:
        raise BadMessage(f"not a message: {error}") from None
    if _depth(message) > DEPTH_LIMIT:
        raise BadMessage(f"nested deeper than {DEPTH_LIMIT}")
    return message


def _depth(message: object, above: int = 1) -> int:
    """Levels of nesting, counted no further than one past the limit."""
    if above > DEPTH_LIMIT or not isinstance(message, list | dict):
        return above
    inside = message.values() if isinstance(message, dict) else message
    return max((_depth(item, above + 1) for item in inside), default=above)
