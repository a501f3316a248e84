"""Messages that injected faults keep on their way: doubled, delayed or behind the next, after their sender has gone on.

Theory: the rendezvous keeps no copy of a message, and so it cannot lose or double one by itself. A fault needs somebody who keeps
it: here such a message waits as its sender would, but in nobody's time, and an open receive finds it beside those who wait. It
brings no pages. What the kernel asks in a cell's name has one answer: a second or a late one goes to nobody else.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from hypervisor.abi.l4 import NIL, Item, Message
from hypervisor.abi.records import DATA_LIMIT
from hypervisor.abi.time import NEVER
from hypervisor.core import mishaps
from hypervisor.core.cell import Cell
from hypervisor.core.l4.waits import EXCEPTIONS, READY, SEND, Phase, Wait

if TYPE_CHECKING:
    from hypervisor.core.monitor import Monitor

LIMIT = 64
"""Messages; the oldest are lost."""
ITEM_BYTES = 8


class OnTheirWay:
    """All of them. `waiting`: READY not yet, SEND may be had. `hand_over` gives one to whoever waits for it, if anybody does."""

    def __init__(self, monitor: Monitor, hand_over: Callable[[Wait], bool]) -> None:
        self.waiting: list[Wait] = []
        self._monitor = monitor
        self._hand_over = hand_over

    def befall(self, sender: Wait, message: Message) -> Message | None:
        """What of a message arrives now. Requires: there are faults."""
        assert sender.to is not None
        data, to = replace(message, items=()).data, self._monitor.cells[sender.to.cell].name
        limit = DATA_LIMIT - ITEM_BYTES * len(message.items)
        fate = mishaps.of_message(self._monitor, sender.cell, data, limit, to=to)
        if fate.now:
            self._release(sender)
        for again in fate.now[1:]:
            self._keep(sender, _saying(message, again), SEND)
        if fate.held is not None:
            late = self._keep(sender, _saying(message, fate.held), READY)
            if fate.delay:
                late.until = self._monitor.now + fate.delay
                mishaps.later(self._monitor, fate.delay, partial(self._come_due, late))
        if not fate.now:
            return None
        return message if fate.now[0] == data else _saying(message, fate.now[0], message.items)

    def having(self, receiver: Wait) -> list[Wait]:
        """Those that a receive phase may take."""
        if receiver.exception:
            return []
        return [late for late in self.waiting if late.phase is SEND and receiver.takes(late)]

    def gone(self, cell: Cell) -> None:
        """A life is over: nothing of it, or for it, is left."""
        self.waiting = [late for late in self.waiting if late.to and cell.index not in (late.cell.index, late.to.cell)]

    def _keep(self, sender: Wait, message: Message, phase: Phase) -> Wait:
        fields = {"message": message, "source": NIL, "receive_timeout": 0, "phase": phase, "until": NEVER}
        late = replace(sender, **fields, origin=sender)  # type: ignore[arg-type]
        if phase is READY or not _answers_exception(late):
            self.waiting.append(late)
            del self.waiting[:-LIMIT]
        return late

    def _release(self, sender: Wait) -> None:
        """What waits for the sender's next message, which is here."""
        for late in self.waiting:
            if late.me == sender.me and late.until >= NEVER:
                late.phase = SEND

    def _come_due(self, late: Wait) -> None:
        if late in self.waiting:
            late.phase = SEND
            if self._hand_over(late) or _answers_exception(late):
                self.waiting.remove(late)


def _answers_exception(late: Wait) -> bool:
    return late.to is not None and late.to.number == EXCEPTIONS


def _saying(message: Message, data: bytes, items: tuple[Item, ...] = ()) -> Message:
    """A message of the same kind that says `data`: as many words as before, as far as it goes, and the rest as a string."""
    words = min(len(message.words), len(data) // 4)
    return replace(message, words=struct.unpack_from(f"<{words}I", data), items=items, string=data[4 * words :])
