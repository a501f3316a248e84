"""How a system call sleeps: it is a generator that yields what it waits for, and looks again when it is resumed.

    def sys_take(process, a, b, c, d, e, f):
        while not box:
            yield Wait((box.changed,))          # or Wait((one, other), until=process.kernel.now() + hz)
        return box.pop()

Theory: a queue wakes all its sleepers, each looks whether what it waited for is there, and sleeps again if not; that needs no
account of who is owed what. A time-out resumes the call in the same way, and it compares the clock. A signal is thrown in as
`Interrupted`: a call that has done a part of its work catches it and returns the part.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import NamedTuple, Protocol

from hypervisor.abi.time import NEVER


class Sleeper(Protocol):
    """Who can be woken."""

    def wake(self) -> None:
        """Look again soon. Waking who is awake does nothing."""
        ...


class Queue:
    """Who waits for something to change."""

    __slots__ = ("sleepers",)

    def __init__(self) -> None:
        self.sleepers: dict[Sleeper, None] = {}
        """In the order of their coming."""

    def wake(self) -> None:
        """Something has changed: all look again."""
        if self.sleepers:
            for sleeper in list(self.sleepers):
                sleeper.wake()


class Wait(NamedTuple):
    """What a call yields: any of these queues wakes it, and virtual time `until` (cycles) does."""

    queues: tuple[Queue, ...] = ()
    until: int = NEVER


class Interrupted(Exception):  # noqa: N818  it is none
    """A signal has come for who sleeps here. Let it pass: the call is made again or fails with EINTR, as the handler wants."""


Sleeping = Generator[Wait, None, int]
"""What a system call that may sleep returns."""
