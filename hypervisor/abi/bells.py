"""Bits of a notification that tells of a bounded channel: what an end of it is rung for.

The source of such a notification is the receiver's own slot of the channel. Bits of other notifications mean what the two
partners agreed on.
"""

from __future__ import annotations

ARRIVED = 1
"""A message has come in."""
ROOM = 2
"""The channel was full, and has room again."""
