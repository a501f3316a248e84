"""Message channels on ZeroMQ: a message goes ahead as a letter, and the world switch carries its announcement alone.

Theory: a channel of class "message" with `transport = "zmq"` differs from one with "shm" only in how its bytes reach the other
process. A call that sends (or the answer of one that receives) names the channel by a slot; if that is one of the posted
slots, its bytes travel in a letter, marked with the serial number of the resume, on the cell's own authenticated socket. In
their place the record of the world switch has their length and CRC-32. Both ends decide by the same two functions; what has no
bytes (a message in registers) has no letter either. The monitor's core and the guest see the bytes in their usual place.

>>> opened(letter(7, b"hello"))
(7, b'hello')
>>> fits(announced(announce(b"hello")), b"hello")
>>> announced(announce(b"hello")).length
5
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple
from zlib import crc32

from hypervisor.abi.hypercalls import Hypercall
from hypervisor.abi.l4 import STRING, unpack_answer, unpack_partners
from hypervisor.abi.messages import BadMessage, pack, unpack
from hypervisor.abi.records import DATA_LIMIT

POST = b"post"
"""First frame of a letter: the socket may carry the world switch too."""
DELIVERED = 0x100
"""Kind of an event that stands for an ANSWER whose bytes came as a letter. It ends at the cell's link: no guest sees it."""

_ANNOUNCEMENT = struct.Struct("<2I")
_NOWHERE = 0
"""No slot: they are counted from 1."""


class Announcement(NamedTuple):
    """What the world switch says of a letter's bytes."""

    length: int
    checksum: int


def announce(data: bytes) -> bytes:
    """What stands in the record in place of `data`."""
    return _ANNOUNCEMENT.pack(len(data), crc32(data))


def announced(said: bytes) -> Announcement:
    """The announcement in a record.

    Raises:
        BadMessage: there is none, or it is of more than a message has.
    """
    if len(said) != _ANNOUNCEMENT.size:
        raise BadMessage("a message that was not announced")
    announcement = Announcement._make(_ANNOUNCEMENT.unpack(said))
    if announcement.length > DATA_LIMIT:
        raise BadMessage(f"announced a message of {announcement.length} bytes; at most {DATA_LIMIT}")
    return announcement


def fits(announcement: Announcement, data: bytes) -> None:
    """See that a letter brought what was announced.

    Raises:
        BadMessage: it did not.
    """
    if len(data) != announcement.length:
        raise BadMessage(f"announced a message of {announcement.length} bytes and sent {len(data)}")
    if crc32(data) != announcement.checksum:
        raise BadMessage("sent a message other than the announced one: wrong checksum")


def letter(seq: int, data: bytes) -> bytes:
    """The message in which `data` travels beside the record with this serial number."""
    return pack([seq, data])


def opened(packed: bytes) -> tuple[int, bytes]:
    """The inverse of `letter`, for whatever a peer sends.

    Raises:
        BadMessage: too long, too deep, or no letter.
    """
    match unpack(packed):
        case [int(seq), bytes(data)]:
            return seq, data
    raise BadMessage("a message that is no letter")


# Which calls.


def _channel(slot: int, _more: int) -> int:
    return slot


def _to(partners: int, tag: int) -> int:
    """l4: to whom a message with a string goes; registers alone ride in the world switch."""
    return unpack_partners(partners)[0] if tag >> 12 & STRING else _NOWHERE


def _from(_partners: int, value: int) -> int:
    """l4: from whom one came."""
    who, tag = unpack_answer(value)
    return who if tag >> 12 & STRING else _NOWHERE


_SLOT_SENT_TO: Mapping[int, Callable[[int, int], int]] = {Hypercall.CHANNEL_SEND: _channel, Hypercall.IPC: _to}
"""Call -> the slot to which its bytes go, from its first two arguments."""
_SLOT_HEARD: Mapping[int, Callable[[int, int], int]] = {Hypercall.CHANNEL_RECEIVE: _channel, Hypercall.IPC: _from}
"""Call -> the slot from which the bytes of its answer come, from its first argument and the answer."""


def goes_by_post(slots: Collection[int], call: int, first: int, second: int) -> bool:
    """Whether the bytes of a call travel in a letter to the monitor."""
    slot_of = _SLOT_SENT_TO.get(call)
    return slot_of is not None and slot_of(first, second) in slots


def comes_by_post(slots: Collection[int], call: int, first: int, value: int) -> bool:
    """Whether the bytes of a call's answer travel in a letter to the cell."""
    slot_of = _SLOT_HEARD.get(call)
    return slot_of is not None and slot_of(first, value) in slots
