"""Floods every interface that it has with messages that make no sense, so many in a round; and takes messages from such a cell.

    [cells.flooder]
    guest = "cells.programs.flooder:main"
    args = ["malformed", 16, "1600us", 37500]    # or "proper", "none"; messages on each interface in a round; rounds

Theory: what a hostile cell may send costs the receiver its answer, and others nothing. So that this can be measured, the same
number of messages can be sent that are in order: whose worst latency is the same under both is not touched by what stands in
them. An interface is a ring of a split driver, a message channel, or the door of hypercalls. On a ring a message is a request: of
an unknown operation, with a body and data by the dice. Now and then the whole ring is scribbled over, and a new session begun.
What finds no room, since the other end has not caught up, is sent in the next rounds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

from cells.flavours import MessageChannel
from cells.port import Port, RefusedError
from cells.split.ring import BODY_SIZE, BrokenRingError, FrontRing
from hypervisor.abi.hypercalls import Hypercall

FRONTS = {
    "block": "cells.split.block.front:BlockDevice",
    "net": "cells.split.net.front:NetDevice",
    "console": "cells.split.console.front:Console",
    "display": "cells.split.display.front:Display",
    "input": "cells.split.input.front:Input",
}
SCRIBBLE_EACH = 64
"""Messages on a ring after which all of it is scribbled over once."""
MOST_AT_ONCE = 64
"""Messages of one round, made-up ones included."""
NONSENSE = 1 << 20
"""Numbers of hypercalls above this are nobody's."""
LENGTH = 64
"""Malformed messages are shorter than this; proper ones as long as the longest of them, so that they cost no less."""
PROPER_MESSAGE = b"proper".ljust(LENGTH - 1, b".")
GRACE = 600
"""Rounds after the last for what is still owed; requests that nobody may ever answer (of an input device) are given up then."""


class Target:
    """An interface: `send` says whether there was room for one more."""

    def __init__(self, name: str, send: Callable[[bool], bool], settle: Callable[[], None]) -> None:
        self.name, self.send, self.settle = name, send, settle
        self.sent = self.owed = 0


class Ring:
    """The front end of a split driver, without manners."""

    def __init__(self, port: Port, name: str, layout: Any) -> None:
        self._port, self._link, self._layout = port, port.connections.links[name], layout
        self._ring = FrontRing(self._link, layout, port)
        self._count = 0

    def send(self, proper: bool) -> bool:
        """One request: of operation 1, which every class has, or of one that there is not."""
        if not self._ring.live or self._ring.outstanding >= self._layout.slots:
            return False
        self._count += 1
        if proper:
            self._ring.submit(1)
            return True
        if self._count % SCRIBBLE_EACH == 0:
            self._scribble()
            return True
        dice = self._port.random
        data = dice.randbytes(dice.randrange(min(self._layout.buffer_size, LENGTH) + 1))
        self._ring.submit(dice.randrange(8, 1 << 16), dice.randbytes(BODY_SIZE), data)
        return True

    def _scribble(self) -> None:
        """Everything in its place is by the dice, and a new session is begun."""
        self._link.memory[:] = self._port.random.randbytes(64) * (len(self._link.memory) // 64)
        self._link.notify()
        self._ring = FrontRing(self._link, self._layout, self._port)

    def settle(self) -> None:
        """Take what was answered; ring the other end."""
        self._link.rung = False
        try:
            while self._ring.take() is not None:
                pass
        except BrokenRingError:
            self._ring = FrontRing(self._link, self._layout, self._port)
        self._ring.progress()
        self._ring.kick()


def main(port: Port, manner: str = "malformed", each: int = 16, period: str = "1600us", rounds: int = 37_500) -> int:
    """Flood; report how many went on each interface. "none" as `manner` sends nothing."""
    targets = list(_targets(port)) if manner != "none" else []
    due = port.now
    for number in range(rounds + GRACE):
        if number >= rounds and not any(target.owed for target in targets):
            break
        for target in targets:
            _round(target, each if number < rounds else 0, proper=manner == "proper")
        due += port.cycles(period)
        while port.now < due:
            port.connections.wait(due)
            for target in targets:
                target.settle()
    for target in targets:
        port.report(f"{target.name} {manner}", target.sent)
    return 0


def _round(target: Target, more: int, *, proper: bool) -> None:
    target.owed += more
    target.settle()
    for _ in range(min(target.owed, MOST_AT_ONCE)):
        if not target.send(proper):
            break
        target.sent += 1
        target.owed -= 1
    target.settle()


def _targets(port: Port) -> Iterator[Target]:
    """Every interface of the cell."""
    for name, link in port.connections.links.items():
        module, _, front = FRONTS[link.kind].partition(":")
        ring = Ring(port, name, getattr(import_module(module), front).layouts[0])
        yield Target(link.kind, ring.send, ring.settle)
    for name, channel in port.connections.channels.items():
        yield Target(f"message {name}", _sender(port, channel), _nothing)
    yield Target("hypercall", _caller(port), _nothing)


def _sender(port: Port, channel: MessageChannel) -> Callable[[bool], bool]:
    def send(proper: bool) -> bool:
        data = PROPER_MESSAGE if proper else port.random.randbytes(port.random.randrange(1, LENGTH))
        try:
            return channel.try_send(data)
        except RefusedError:
            return False

    return send


def _caller(port: Port) -> Callable[[bool], bool]:
    def call(proper: bool) -> bool:
        number = Hypercall.TIME if proper else port.random.randrange(NONSENSE, 1 << 32)
        try:
            port.hypercall(number, *(() if proper else (port.random.getrandbits(32) for _ in range(3))))
        except RefusedError:
            return not proper
        return True

    return call


def _nothing() -> None:
    pass


def listener(port: Port, peer: str = "flooder") -> None:
    """Take messages for ever; what is not of the form that was agreed on is counted and forgotten."""
    channel = port.connections.channels[peer]
    taken = refused = 0
    while True:
        try:
            data = channel.receive()
        except RefusedError:
            port.sleep("1ms")
            continue
        taken, refused = taken + 1, refused + (data != PROPER_MESSAGE)
        if taken % 1000 == 0:
            port.report("taken", taken)
            port.report("malformed", refused)
