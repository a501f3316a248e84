"""Two guests over one channel of messages: `ping` asks and measures, `pong` answers.

Each answer is the question turned round, so that a message that was lost, repeated or damaged is found by ping: it takes no other
answer, and asks again when the right one has not come after `PATIENCE`. A partner that dies is waited for as long; pong gives up
who says nothing for `SILENCE`. Reported are the cycles of each round trip, and how often it had to ask again; printed at the
end, the checksum of all answers: it is the same under every flavour, transport and link.

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

from cells.flavours import MessageChannel
from cells.port import Port, RefusedError
from hypervisor.abi.status import Status

END = b"end"
"""The message after the last question."""
PATIENCE, ATTEMPTS = "10ms", 3
"""How long an answer, or the next life of a partner, may take; how often one question is asked. Choices of ours."""
SILENCE = "100ms"


def ping(port: Port, peer: str = "pong", rounds: int = 100, length: int = 32) -> int:
    """Ask `peer` `rounds` times; 0, or 1 if a question was not answered."""
    channel = port.connections.channels[peer]
    checksum = 0
    for number in range(rounds):
        question = message(number, length)
        start = port.now
        if not _ask(port, channel, question, start):
            port.print(f"ping: no right answer to question {number}")
            return 1
        port.report("round_trip", port.now - start)
        checksum = crc32(question[::-1], checksum)
    _tell(port, channel, END, port.now)
    port.report("checksum", checksum)
    port.print(f"ping: {rounds} round trips of {length} bytes, checksum {checksum:08x}")
    return 0


def pong(port: Port, peer: str = "ping", silence: str = SILENCE) -> None:
    """Answer whatever `peer` asks, until it asks no more or is silent for so long."""
    channel = port.connections.channels[peer]
    while True:
        try:
            question = channel.receive(port.now + port.cycles(silence))
        except RefusedError as refusal:
            if refusal.status == Status.TIMEOUT:
                port.print("pong: nobody asks any more")
                return
            _await_partner(port, channel, refusal)
            continue
        if question == END:
            return
        _tell(port, channel, question[::-1], port.now)


def _ask(port: Port, channel: MessageChannel, question: bytes, start: int) -> bool:
    """A question until it is answered; False if it never is."""
    for attempt in range(ATTEMPTS):
        if attempt:
            port.report("asked_again", attempt)
            start = port.now
        if _tell(port, channel, question, start) and _hear(port, channel, question[::-1], start):
            return True
    return False


def _tell(port: Port, channel: MessageChannel, data: bytes, start: int) -> bool:
    """Send, in time, to this life of the partner or the next; whether it went."""
    while True:
        try:
            channel.send(data, start + port.cycles(PATIENCE))
        except RefusedError as refusal:
            if refusal.status == Status.TIMEOUT:
                return False
            _await_partner(port, channel, refusal)
        else:
            return True


def _hear(port: Port, channel: MessageChannel, wanted: bytes, start: int) -> bool:
    """Whether the right answer comes in time. Others are of earlier questions, or damaged."""
    while True:
        try:
            if channel.receive(start + port.cycles(PATIENCE)) == wanted:
                return True
        except RefusedError as refusal:
            if refusal.status != Status.TIMEOUT:
                _await_partner(port, channel, refusal)
            return False


def _await_partner(port: Port, channel: MessageChannel, refusal: RefusedError) -> None:
    """Wait for its next life.

    Raises:
        RefusedError: there is none, or something else was wrong.
    """
    if refusal.status != Status.PEER_GONE:
        raise refusal
    until = port.now + port.cycles(PATIENCE)
    port.connections.wait(port.now)  # to hear what has happened
    while not channel.there:
        if port.now >= until:
            raise refusal
        port.connections.wait(until)


def message(number: int, length: int) -> bytes:
    """Question `number`: bytes that no other question has, unless there is room for one byte only."""
    return bytes((number * 31 + at * 7 + (number >> 8)) & 0xFF for at in range(length))
