"""The two records of the world switch: `Resume` goes to a vCPU, `Exit` comes back.

A vCPU gets a start and an end in virtual time and what happens to it meanwhile; it runs, and answers with the reason why it
stopped and the exact time. Both transports carry the same records: `shm` in this module's packed form, `zmq` as msgpack.
What comes from a cell is hostile: `unpack_exit` and `exit_from_message` check every field's range before anyone sees it.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import NamedTuple

from hypervisor.abi.time import NEVER

OUTPUT_LIMIT = 1024
"""Console bytes that one exit carries."""
DATA_LIMIT = 1024
"""Bytes of argument that one hypercall carries."""
EVENTS_LIMIT = 3072
"""Bytes of packed events that one resume carries; the rest waits for the next."""


class ExitKind(IntEnum):
    """Why a vCPU stopped."""

    HELLO = 0
    BUDGET = 1
    WAIT = 2
    READ = 3
    WRITE = 4
    HYPERCALL = 5
    OUTPUT = 6
    FAULT = 7
    SHUTDOWN = 8
    EXCEPTION = 9
    MARK = 10


class EventKind(IntEnum):
    """What happens to a vCPU from outside while it runs.

    CONSOLE: bytes typed at it. LINE: `<IB`, an input of its interrupt controller and the level. DMA: `<QQ`, guest physical
    address and length of memory that a device wrote. NOTIFY: `<IQ`, who rang (a slot or port of the receiver's own) and bits
    that say what for. MEMORY: `<QIB`, guest physical address, pages, and what they are from now on (0 nothing, 1 readable,
    3 writable too). PEER: `<IB`, the other end of a slot or port is gone (0) or there (1). ANSWER: what a call answers
    beside its value. FAULT: an injected fault, which the cell does to itself at once (hypervisor/abi/faults.py). WINDOW: `<HH`,
    the rows and columns of who sits at the console. END: whoever typed has gone; nothing more will come.
    STREAM: news of a stream to the host (hypervisor/abi/streams.py).
    """

    CONSOLE = 1
    LINE = 2
    DMA = 3
    NOTIFY = 4
    MEMORY = 5
    PEER = 6
    ANSWER = 7
    FAULT = 8
    WINDOW = 9
    END = 10
    STREAM = 11


QUIET = frozenset({EventKind.MEMORY, EventKind.FAULT})
"""Events that the cell hears of, and that wake nobody."""


class Event(NamedTuple):
    """Something that reaches a vCPU at `time` (cycles, global)."""

    time: int
    kind: int
    payload: bytes


class Resume(NamedTuple):
    """Run from `start` to `end`; skip your own idle time up to `horizon` without asking; `value` answers the last exit."""

    seq: int
    start: int
    end: int
    horizon: int
    value: int
    events: tuple[Event, ...] = ()


class Exit(NamedTuple):
    """Why and when a vCPU stopped.

    `time`: global virtual time of the stop. `cycles`: what the vCPU itself has run since it began. `deadline`: when its
    private devices act next (`NEVER` for none). `a0..a3` by kind: READ address, size; WRITE address, size, value (with `data`:
    those bytes instead, `size` at a time from the address on); HYPERCALL number, arguments; FAULT code, pc, address; SHUTDOWN
    status; EXCEPTION trap, pc, cycles of lines where they are charged (`data`: pv.py); MARK identity, turns (`data`: counts.py).
    `insns`, `interrupts`: its counters since it began.
    `output`: console bytes. `data`: a hypercall's payload or a fault's text.
    """

    seq: int
    kind: int
    time: int
    cycles: int
    deadline: int
    a0: int = 0
    a1: int = 0
    a2: int = 0
    a3: int = 0
    insns: int = 0
    interrupts: int = 0
    output: bytes = b""
    data: bytes = b""


class BadRecord(Exception):  # noqa: N818  the peer's fault, a verdict more than an error
    """A cell sent an exit that no honest runtime sends."""


_U64 = 1 << 64
RESUME = struct.Struct("<6Q")
"""seq, start, end, horizon, value, bytes of packed events."""
EVENT = struct.Struct("<QII")
"""time, kind, payload length."""
EXIT = struct.Struct("<11Q2I")
"""The eleven numbers of `Exit`, then the lengths of output and data."""


def pack_events(events: tuple[Event, ...]) -> bytes:
    """Events one after another, each with its length."""
    return b"".join(EVENT.pack(time, kind, len(payload)) + payload for time, kind, payload in events)


def unpack_events(packed: bytes) -> tuple[Event, ...]:
    """The inverse of `pack_events`."""
    events, offset = [], 0
    while offset < len(packed):
        time, kind, length = EVENT.unpack_from(packed, offset)
        offset += EVENT.size
        events.append(Event(time, kind, packed[offset : offset + length]))
        offset += length
    return tuple(events)


def checked_exit(record: Exit, resume: Resume) -> Exit:
    """The same exit, after every field was found possible for the resume that it answers.

    Raises:
        BadRecord: it answers another resume, names no known kind, or claims a time outside of what was allowed.
    """
    if record.seq != resume.seq:
        raise BadRecord(f"answers resume {record.seq}, not {resume.seq}")
    if not 0 <= record.kind <= ExitKind.MARK:
        raise BadRecord(f"unknown kind {record.kind}")
    if not resume.start <= record.time <= resume.end + OVERSHOOT:
        raise BadRecord(f"stopped at {record.time}, outside {resume.start}..{resume.end}")
    if record.deadline > NEVER or record.cycles > NEVER:
        raise BadRecord("a count out of range")
    if len(record.output) > OUTPUT_LIMIT or len(record.data) > DATA_LIMIT:
        raise BadRecord("more bytes than a record carries")
    return record


OVERSHOOT = 1 << 20
"""Cycles by which an honest vCPU may pass its end: one block, or one uninterruptible call of a Python guest."""


def exit_to_message(record: tuple[int | bytes, ...]) -> list[int | bytes]:
    """An exit as msgpack carries it."""
    return list(record)


def exit_from_message(message: object) -> Exit:
    """An exit from what msgpack delivered.

    Raises:
        BadRecord: wrong shape or types.
    """
    if not isinstance(message, list) or len(message) != len(Exit._fields):
        raise BadRecord("not a record")
    *numbers, output, data = message
    if not all(type(n) is int and 0 <= n < _U64 for n in numbers):
        raise BadRecord("a field is not an unsigned 64-bit number")
    if not isinstance(output, bytes) or not isinstance(data, bytes):
        raise BadRecord("payloads must be bytes")
    return Exit._make([*numbers, output, data])
