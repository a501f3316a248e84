"""What a personality says of the events of its processes that its architecture carries to it: how often each has happened.

Theory: where a guest kernel is not the master of the CPU, a system call, a page fault and a signal of its process pass through
what is (survey, Figs. 2 to 5): an exception message and its answer, transitions of the VCPU's mode, a hypercall. A personality's
processes are emulated in its own cell, without an exit; so it counts these events, lets their price pass as time, and tells
the sums with the exits that carry nothing else, as abi/translations.py does.

    data = Redirections(calls=5, faults=2).pack()
    Redirections.unpack(data).faults
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import NamedTuple

_WORDS = struct.Struct("<3Q")
SIZE = _WORDS.size


class Event(IntEnum):
    """What is carried to a personality, by its place in `Redirections`."""

    SYSCALL = 0
    FAULT = 1
    SIGNAL = 2


EVENTS = tuple(event.name.lower() for event in Event)
"""Their names, as a flavour's table has them."""


class Redirections(NamedTuple):
    """Sums since the vCPU began: system calls, faults that the personality served, handlers of signals entered."""

    calls: int = 0
    faults: int = 0
    signals: int = 0

    def pack(self) -> bytes:
        """As an exit carries it."""
        return _WORDS.pack(*self)

    @classmethod
    def unpack(cls, data: bytes) -> Redirections:
        """The inverse. Requires: `SIZE` bytes."""
        return cls(*_WORDS.unpack(data))


NO_REDIRECTIONS = Redirections()
