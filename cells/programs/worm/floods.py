"""Noise by the means that the cell has of right: messages, bells, console, calls, in bursts, for ever.

Theory: nobody can be forbidden to use what is his; that it costs the others nothing has to follow from who pays for it. A
message waits in a bounded queue and its receiver takes it when it has nothing more urgent; bells that were rung wait as
one bit; calls and output are the caller's own time. Between two bursts the attacker computes, as it would to have its noise last.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from cells.port import RefusedError
from cells.programs.phone.messages import SIZE, Kind, Message
from cells.xen.channel import RingChannel
from hypervisor.abi.hypercalls import Hypercall

if TYPE_CHECKING:
    from cells.personalities.port import PersonalityPort

BURST, PAUSE = 40, "20ms"
"""Rounds of noise, and how long it computes between two bursts."""
SCRIBBLES = 10
"""Rounds in which it fills the pages that it shares with drivers with noise."""
EACH = 5
"""Bursts for which there is a line on the console: more would be nothing but tiresome to read."""
LOUDEST = 12
"""Bursts; from then on it only computes, which is the loudest silence: it never gives its cell back."""
HARMLESS = frozenset({Kind.ANSWER, Kind.HANGUP, Kind.DIAL})
"""What it may say of right about the user's own call; everything else is noise."""


def flood(port: PersonalityPort) -> None:
    """Does not come back."""
    burst = rounds = 0
    while True:
        if burst < LOUDEST:
            rounds += sum(_round(port, burst * BURST + number) for number in range(BURST))
            port.write((b"worm " * 20 + b"\n") * (burst % EACH == 0))
            port.report("floods sent", rounds)
        burst += 1
        port.work(port.cycles(PAUSE))
        port.take()


def _round(port: PersonalityPort, number: int) -> int:
    """One of everything; how many were taken."""
    connections, taken = port.connections, 0
    for channel in connections.channels.values():
        for data in (_message(port, number), port.random.randbytes(number % SIZE), Message(Kind.HELLO).pack()):
            try:
                taken += channel.try_send(data)
            except RefusedError:
                continue
    port.take()
    for ring in _rings(port):
        ring[:] = port.random.randbytes(64) * (len(ring) // 64)
    for link in connections.links.values():
        if link.connected:
            if number % SCRIBBLES == 0:
                link.memory[:] = port.random.randbytes(64) * (len(link.memory) // 64)
            link.notify()
    for call in (Hypercall.TIME, Hypercall.HEARTBEAT):
        try:
            port.hypercall(call)
        except RefusedError:
            continue
    return taken


def _rings(port: PersonalityPort) -> Iterator[memoryview]:
    """Pages of partners in which its messages lie, where channels are made of such (xen)."""
    for channel in port.connections.channels.values():
        if isinstance(channel, RingChannel) and channel.outgoing is not None:
            yield channel.outgoing


def _message(port: PersonalityPort, number: int) -> bytes:
    """A message of the right size, of any kind but those that are the user's right."""
    kind = number % 256
    a, b, c = (port.random.getrandbits(32) for _ in range(3))
    return Message(0 if kind in HARMLESS else kind, a, b, c, "worm").pack()
