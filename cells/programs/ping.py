"""Two guests over one channel of messages: `ping` asks and measures, `pong` answers.

Each answer is the question turned round, so that a message that was lost, repeated or damaged is found by ping at once.
Reported are the cycles of each round trip; printed at the end, the checksum of all answers: it is the same under every
flavour, transport and link.

```toml
[cells.ping]
guest = "cells.programs.ping:ping"
args = ["pong", 100, 32]            # whom to ask, round trips, bytes of a message

[cells.pong]
guest = "cells.programs.ping:pong"

[[channels]]
between = ["ping", "pong"]
class = "message"
```
"""

from __future__ import annotations

from zlib import crc32

from cells.port import Port

END = b"end"
"""The message after the last question."""


def ping(port: Port, peer: str = "pong", rounds: int = 100, length: int = 32) -> int:
    """Ask `peer` `rounds` times; 0, or 1 if an answer was wrong."""
    channel = port.connections.channels[peer]
    checksum = 0
    for number in range(rounds):
        question = message(number, length)
        start = port.now
        channel.send(question)
        answer = channel.receive()
        port.report("round_trip", port.now - start)
        if answer != question[::-1]:
            port.print(f"ping: answer {number} is wrong")
            return 1
        checksum = crc32(answer, checksum)
    channel.send(END)
    port.report("checksum", checksum)
    port.print(f"ping: {rounds} round trips of {length} bytes, checksum {checksum:08x}")
    return 0


def pong(port: Port, peer: str = "ping") -> None:
    """Answer whatever `peer` asks, until it asks no more."""
    channel = port.connections.channels[peer]
    while (question := channel.receive()) != END:
        channel.send(question[::-1])


def message(number: int, length: int) -> bytes:
    """Question `number`: bytes that no other question has, unless there is room for one byte only."""
    return bytes((number * 31 + at * 7 + (number >> 8)) & 0xFF for at in range(length))
