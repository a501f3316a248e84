"""Guests that break the rules of the post. They have taken over their process: they post and announce past their runtime.

Each has one channel, to `friend`, and begins with an honest message.
"""

from __future__ import annotations

import contextlib
import time
from typing import Any

from cells.port import Port, RefusedError
from hypervisor.abi.hypercalls import Hypercall
from hypervisor.abi.messages import pack
from hypervisor.abi.post import announce, letter
from hypervisor.abi.records import ExitKind

HELLO = b"hello" * 20
SLOT = 1
SNDMORE = 2
"""Of zmq: another part follows."""


class Raw:
    """The socket and the world switch by themselves, after the honest message."""

    def __init__(self, port: Port) -> None:
        self._port = port
        port.connections.channels["friend"].send(HELLO)
        self.world: Any = port._world
        self.posted = self.world._link
        self.socket = self.posted._socket

    @property
    def seq(self) -> int:
        """Of the next exit."""
        return int(self.world._seq)

    def call(self, number: int, data: bytes = b"") -> None:
        """The exit as it is, without a letter."""
        port, world = self._port, self.world
        world._link = self.posted._link
        world.exit(ExitKind.HYPERCALL, port._time, port._ran, arguments=(number, SLOT, 0, 0), data=data)
        world._link = self.posted
        port._time = world.start

    def announce(self, data: bytes = HELLO) -> None:
        """Say that it has been sent."""
        self.call(Hypercall.CHANNEL_SEND, announce(data))
        self._port.print("it went through")
        self._port.sleep("50ms")


def announces(port: Port) -> None:
    """A message that it does not send."""
    Raw(port).announce()


def sends_an_old_one(port: Port) -> None:
    """A message that has been sent before."""
    raw = Raw(port)
    raw.socket.post(letter(raw.seq - 1, HELLO))
    raw.announce()


def says_nothing_of_it(port: Port) -> None:
    """Bytes in the record, as if the channel were shared memory."""
    raw = Raw(port)
    raw.call(Hypercall.CHANNEL_SEND, HELLO)
    port.print("it went through")


def damages(port: Port) -> None:
    """Another message than the announced one."""
    raw = Raw(port)
    raw.socket.post(letter(raw.seq, HELLO[::-1]))
    raw.announce()


def is_too_long(port: Port) -> None:
    """A byte more than a message has."""
    raw = Raw(port)
    raw.socket.post(letter(raw.seq, bytes(1025)))
    raw.announce(bytes(1025))


def is_far_too_long(port: Port) -> None:
    """So much that the monitor's socket hangs up."""
    raw = Raw(port)
    raw.socket.post(letter(raw.seq, bytes(1 << 20)))
    raw.announce()


def is_too_deep(port: Port) -> None:
    """Lists in lists."""
    raw = Raw(port)
    raw.socket.post(b"\x91" * 2000 + b"\xc0")
    raw.announce()


def is_deeper_than_allowed(port: Port) -> None:
    """A few lists too many."""
    raw = Raw(port)
    raw.socket.post(pack([[[[[[[[[raw.seq]]]]]]]]]))
    raw.announce()


def is_no_letter(port: Port) -> None:
    """Something else."""
    raw = Raw(port)
    raw.socket.post(pack({"seq": raw.seq, "data": HELLO}))
    raw.announce()


def floods(port: Port, count: int = 100) -> None:
    """Letters that it does not announce, and one that it does."""
    raw = Raw(port)
    for _ in range(count):
        raw.socket.post(letter(0, HELLO))
    raw.socket.post(letter(raw.seq, HELLO))
    raw.announce()


def mutters(port: Port) -> None:
    """A few letters that it does not announce, and then what is right."""
    raw = Raw(port)
    for _ in range(5):
        raw.socket.post(letter(0, HELLO))
    raw.socket._socket.send_multipart([b"what", b"is", b"this"])
    for _ in range(3):
        port.connections.channels["friend"].send(HELLO)
    port.print("all sent")


def never_ends(port: Port) -> None:
    """Parts of one message without end. libzmq keeps them where they are made until the last one is there."""
    socket = Raw(port).socket._socket
    while True:
        socket.send(bytes(8000), SNDMORE)


def sends_huge_ones(port: Port) -> None:
    """Messages of thousands of parts, each gone before the next one is made: they lie with who does not read them."""
    socket = Raw(port).socket._socket
    while True:
        for _ in range(1000):
            socket.send(bytes(8000), SNDMORE)
        socket.send(b"")
        time.sleep(0.05)


def does_not_read(port: Port) -> None:
    """Asks for messages and leaves them in the socket."""
    raw = Raw(port)
    while True:
        port.sleep("20us")
        raw.call(Hypercall.CHANNEL_RECEIVE)


def friend(port: Port, answers: int = 0) -> None:
    """Sends so many messages to the culprit, and counts what came from it."""
    channel = port.connections.channels["culprit"]
    count = 0
    with contextlib.suppress(RefusedError):  # it is gone
        for _ in range(answers):
            channel.send(HELLO)
    port.sleep("20ms")
    while (data := channel.try_receive()) is not None:
        count += data == HELLO
    port.print("friend got", count)
