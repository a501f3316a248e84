"""Who waits in IPC, for whom and since when: the data of the rendezvous, and the search for circles in it.

A *thread* is what an ENDPOINT capability names: a cell, and a number that tells its channels apart. Number `EXCEPTIONS` stands
for what the kernel sends in a cell's name, its page faults and exits. As a cell has one vCPU it has one wait at most.

Theory of the deadlock: one that sends waits for its receiver, one in a closed receive for its partner, one in an open receive
for nobody in particular. Each has one successor at most, so that following them finds a circle if there is one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from hypervisor.abi.l4 import ANY, INTERRUPT, NIL, Message
from hypervisor.abi.status import Status
from hypervisor.abi.time import NEVER
from hypervisor.core.cell import BLOCKED, Cell
from hypervisor.core.l4.pages import Region

EXCEPTIONS = 0
"""Number of the thread in whose name the kernel sends a cell's faults; channels count from 1."""


class Thread(NamedTuple):
    """A partner: thread `number` of the cell with that index."""

    cell: int
    number: int


class Phase(StrEnum):
    """What a wait is for. READY: nothing yet, its call is being served."""

    READY = "ready"
    SEND = "send"
    RECEIVE = "receive"


READY, SEND, RECEIVE = Phase
"""The same by name, as in cell.py."""


Source = Thread | int
"""From whom: a thread, or one of NIL, ANY, INTERRUPT."""


@dataclass(slots=True, eq=False)
class Wait:
    """One IPC under way. `me`: what the receiver knows the sender as; `message`: not delivered yet; `until`: end of this phase.

    `complete` makes the answer of a receive phase, (value, data), from who sent and what; `broken` ends the wait with a status.
    """

    cell: Cell
    serial: int
    me: Thread
    to: Thread | None
    message: Message | None
    source: Source
    receive_timeout: int
    complete: Callable[[Wait, int, Message], None]
    broken: Callable[[Wait, Status, str], None]
    phase: Phase = READY
    since: int = 0
    until: int = NEVER
    exception: bool = False
    """Made by the kernel in the cell's name: only a reply to that ends it. It outlives its partner, and asks the next life."""
    again: Message | None = None
    window: Region | None = None
    """Where the pages of a reply to an exception appear."""
    origin: Wait | None = None
    """Of a message that an injected fault keeps on its way, whose sender has gone on: the wait that sent it."""

    @property
    def open(self) -> bool:
        """In a receive phase that ends when anything happens."""
        return self.phase is RECEIVE and self.source in (ANY, INTERRUPT)

    @property
    def waits_for(self) -> int | None:
        """The cell without which it cannot go on."""
        if self.phase is SEND and self.to is not None:
            return self.to.cell
        if self.phase is RECEIVE and isinstance(self.source, Thread):
            return self.source.cell
        return None

    def takes(self, sender: Wait) -> bool:
        """Whether this one's receive phase accepts that one's message."""
        if sender.to is None or sender.to.cell != self.cell.index:
            return False
        answers = sender.to.number == EXCEPTIONS and not sender.exception
        return answers == self.exception and self.source in (ANY, sender.me)

    def alive(self, now: int) -> bool:
        """Whether its vCPU still waits: one whose time is up has lost, though it may not have run yet."""
        return self.cell.vcpu.state is BLOCKED and self.until >= now

    def story(self, names: Mapping[int, str]) -> str:
        """What it does, for people."""
        partner = names.get(-1 if self.waits_for is None else self.waits_for, "anybody")
        does = f"sends to {partner}" if self.phase is SEND else f"receives from {partner}"
        end = "for ever" if self.until >= NEVER else f"until {self.until}"
        return f"{self.cell.name} {does} since {self.since} {end}"


def rank(wait: Wait) -> tuple[int, int]:
    """Order of waiting senders: by priority, then by arrival."""
    return -wait.cell.params.priority, wait.serial


def circle(waits: Mapping[int, Wait], start: Wait) -> list[Wait]:
    """The waits from `start` round to `start` again, if none of them can go on before another; else nothing."""
    path, wait = [start], start
    while True:
        partner = wait.waits_for
        following = None if partner is None else waits.get(partner)
        if following is None or following.phase is READY:
            return []
        if following is start:
            return path
        if following in path:
            return []
        path.append(following)
        wait = following


__all__ = ["ANY", "EXCEPTIONS", "INTERRUPT", "NIL", "Phase", "Source", "Thread", "Wait", "circle", "rank"]
