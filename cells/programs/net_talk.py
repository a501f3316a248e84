"""Two cells that talk over a network: one sends numbered frames and waits for each to come back, the other returns them.

The one that asks first calls into the dark (a broadcast) until the other answers, which also tells the switch between them
who is where. Like UDP, nothing is repeated: what has not come back in time is counted as lost, what came twice as repeated.

    [cells.alice]
    guest = "cells.programs.net_talk:ask"
    args = [100, 200]                            # frames, bytes of payload; then, if wanted: CALLS, PATIENCE, LOSSES
    [cells.bob]
    guest = "cells.programs.net_talk:answer"
"""

from __future__ import annotations

import struct
import zlib

from cells.port import Port
from cells.split.net.front import BROADCAST, NetDevice

TYPE = b"\x88\xb5"
"""EtherType for local experiments (IEEE 802, clause 9.2.3)."""
HEADER = struct.Struct("<IIHH")
"""What it is, number, bytes of payload, and zero."""
HELLO, WELCOME, QUESTION, ANSWER = 1, 2, 3, 4
CALL_AGAIN = "2ms"
CALLS = 250
"""How often one calls into the dark before one gives up: half a second."""
PATIENCE = "20ms"
"""How long one waits for a frame to come back."""
LOSSES = 100
"""How many frames in a row may be lost before one gives up."""


def ask(
    port: Port, count: int = 100, size: int = 200, calls: int = CALLS, patience: str = PATIENCE, losses: int = LOSSES
) -> int:
    """Send numbered frames and count what comes back; status 1 if any came back changed, or if nobody is there."""
    net = network(port)
    partner = find_partner(port, net, calls)
    if partner is None:
        port.print(f"nobody answers {calls} calls")
        return 1
    echoed = repeated = changed = slowest = lost = 0
    for number in range(count):
        if lost >= losses:
            port.print(f"nobody answers {lost} frames")
            return 1
        payload = bytes((number + at) & 0xFF for at in range(size))
        asked = port.now
        net.send(frame(partner, net.mac, QUESTION, number, payload))
        lost += 1
        while (got := receive(port, net, ANSWER, asked + port.cycles(patience))) is not None:
            _, _, back, content = got
            if back < number:
                repeated += 1
                continue
            changed += content != payload
            echoed, lost = echoed + 1, 0
            slowest = max(slowest, port.now - asked)
            break
    port.report("echoed", echoed)
    port.report("lost", count - echoed)
    port.report("repeated", repeated)
    port.report("slowest", slowest)
    port.print(f"{echoed} of {count} frames came back, {repeated} twice, {changed} changed")
    return 1 if changed else 0


def answer(port: Port, count: int = 0) -> None:
    """Return every frame to its sender, for ever or so often; report how many."""
    net = network(port)
    returned = checksum = 0
    while not count or returned < count:
        got = receive(port, net, 0)
        if got is None:
            continue
        what, sender, number, payload = got
        if what == HELLO:
            net.send(frame(sender, net.mac, WELCOME, number, b""))
        elif what == QUESTION:
            net.send(frame(sender, net.mac, ANSWER, number, payload))
            returned += 1
            checksum = zlib.crc32(payload, checksum)
            port.report("returned", returned)
            port.report("checksum", checksum)
    net.flush()


def network(port: Port) -> NetDevice:
    """The first network interface of this cell."""
    name = next(name for name, link in port.connections.links.items() if link.kind == "net")
    return NetDevice(port.connections, name, port)


def find_partner(port: Port, net: NetDevice, calls: int = CALLS) -> bytes | None:
    """The address of whoever answers first; None if nobody does."""
    for call in range(calls):
        net.send(frame(BROADCAST, net.mac, HELLO, call, b""))
        got = receive(port, net, WELCOME, port.now + port.cycles(CALL_AGAIN))
        if got is not None:
            return got[1]
    return None


def receive(port: Port, net: NetDevice, what: int, until: int = 1 << 62) -> tuple[int, bytes, int, bytes] | None:
    """The next frame of ours, of one sort or (0) of any: what, sender, number, payload. None if there is none in time."""
    while (got := net.receive(until)) is not None:
        if got[12:14] != TYPE or len(got) < 14 + HEADER.size:
            continue
        sort, number, length, _ = HEADER.unpack_from(got, 14)
        if what in (0, sort):
            start = 14 + HEADER.size
            return sort, got[6:12], number, got[start : start + length]
    return None


def frame(to: bytes, sender: bytes, what: int, number: int, payload: bytes) -> bytes:
    """A frame of ours, at least as long as the shortest that Ethernet has."""
    return (to + sender + TYPE + HEADER.pack(what, number, len(payload), 0) + payload).ljust(60, b"\0")
