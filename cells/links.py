"""The cell's end of the world switch: give an exit, sleep, get a resume. Two transports, one interface.

`shm` is a shared page with a futex doorbell; `zmq` is any distance. Which of them carries a run is invisible to the guest
and to the trace.
"""

from __future__ import annotations

import mmap
import struct
from collections import deque
from typing import Any, Protocol

import zmq

from cells.engines.native import switch
from cells.engines.native._native import ffi, lib
from hypervisor.abi import page
from hypervisor.abi.messages import pack, unpack
from hypervisor.abi.post import POST
from hypervisor.abi.records import Event, Resume, exit_to_message, unpack_events

SPIN_US = 20
"""How long to spin for a peer on another host CPU before sleeping (HOST.md section 1)."""


HANDSHAKE_MS = 10_000
_EVENT = struct.Struct("=hi")
"""What a socket monitor says first: event, value. pyzmq's own reader of it brings asyncio and ssl into every cell."""
HANDSHAKE_FAILED = zmq.EVENT_HANDSHAKE_FAILED_AUTH | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL | zmq.EVENT_DISCONNECTED


class Link(Protocol):
    """What a vCPU needs of its transport."""

    def exchange(self, record: tuple[int | bytes, ...]) -> Resume:
        """Hand over the fields of an `Exit` and sleep until the next resume."""
        ...


class ShmLink:
    """A page shared with the monitor."""

    def __init__(self, fd: int) -> None:
        self._page = mmap.mmap(fd, page.PAGE_SIZE)
        base = ffi.cast("char *", ffi.from_buffer(self._page))
        self._doorbell = ffi.cast("struct doorbell *", base)
        self._end = ffi.new("struct cell_end *")
        self._end.page, self._end.spin_us = self._doorbell, SPIN_US
        self._end.resume = ffi.cast("struct resume_record *", base + page.RESUME_AT)
        self._end.exit = ffi.cast("struct exit_record *", base + page.EXIT_AT)
        self._seen = ffi.addressof(self._end, "seen")
        self._handle = switch.address(self._end)

    def adopt(self) -> None:
        """Have the kernel mark the page when this thread dies. Call it in the thread that will run the guest."""
        lib.doorbell_adopt(self._doorbell)

    def exchange(self, record: tuple[int | bytes, ...]) -> Resume:
        """See `Link`."""
        resume: Resume = switch.exchange(self._handle, record, Resume)
        packed: Any = resume[5]
        return Resume(*resume[:5], unpack_events(packed)) if packed else resume


class MonitorGone(BaseException):
    """The monitor has ended this cell, or has ended itself."""


class ZmqLink:
    """A CURVE-authenticated DEALER to the monitor's ROUTER, which may be on another host.

    `watch`: notice by itself when the monitor is gone. A local cell does not need that: the kernel ends it.
    """

    def __init__(self, socket: Any, *, watch: bool = False) -> None:
        self._socket = socket
        self._letters: deque[bytes] = deque()
        self._poller = zmq.Poller() if watch else None
        if self._poller is not None:
            self._poller.register(socket, zmq.POLLIN)
            self._poller.register(socket.get_monitor_socket(zmq.EVENT_DISCONNECTED, "inproc://watch"), zmq.POLLIN)

    def receive(self) -> Any:
        """The monitor's next message.

        Raises:
            MonitorGone: there will be none.
        """
        while not (message := self._read()):
            pass
        return message

    def _read(self) -> bytes:
        """The next message; nothing for a letter, which is put away, and for one in which the monitor feels for a live peer."""
        if self._poller is not None and self._socket not in dict(self._poller.poll()):
            raise MonitorGone
        message: bytes = self._socket.recv()
        if message == POST and self._socket.rcvmore:
            self._letters.append(self._socket.recv())
            return b""
        return message

    def send(self, message: bytes) -> None:
        """Send to the monitor."""
        self._socket.send(message)

    def introduce(self) -> None:
        """Let the monitor know where letters go: it cannot send any before it has heard something."""
        self._socket.send(b"")

    def post(self, letter: bytes) -> None:
        """Send a letter (hypervisor/abi/post.py) to the monitor."""
        self._socket.send_multipart([POST, letter])

    def letter(self) -> bytes:
        """The monitor's next letter: it has been sent before what announced it.

        Raises:
            MonitorGone: there will be none.
            ConnectionError: it did not send any.
        """
        while not self._letters:
            if self._read():
                raise ConnectionError("a message was announced and did not come")
        return self._letters.popleft()

    def exchange(self, record: tuple[int | bytes, ...]) -> Resume:
        """See `Link`."""
        self._socket.send(pack(exit_to_message(record)))
        answer = unpack(self.receive())
        if answer is None:
            raise MonitorGone
        seq, start, end, horizon, value, events = answer
        return Resume(seq, start, end, horizon, value, tuple(Event(*event) for event in events))


def connect(
    endpoint: str, server_key: bytes, public_key: bytes, secret_key: bytes, *, patience_ms: int = HANDSHAKE_MS
) -> Any:
    """A connected DEALER, with libzmq's threads under way. Make it before the sandbox closes: afterwards they could not begin.

    Raises:
        ConnectionError: nobody answers there, or the key opens nothing.
    """
    context = zmq.Context()
    socket = context.socket(zmq.DEALER)
    socket.linger = 0
    socket.reconnect_ivl = -1  # it could not make a new connection anyway
    socket.curve_serverkey, socket.curve_publickey, socket.curve_secretkey = server_key, public_key, secret_key
    # libzmq connects in the background: the sandbox must not close on it halfway.
    handshake = socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED | HANDSHAKE_FAILED, "inproc://handshake")
    socket.connect(endpoint)
    if not handshake.poll(patience_ms):
        raise ConnectionError(f"{endpoint} does not answer")
    event, _ = _EVENT.unpack(handshake.recv_multipart()[0])
    if event != zmq.EVENT_HANDSHAKE_SUCCEEDED:
        raise ConnectionError(f"{endpoint} does not accept this cell's key")
    socket.disable_monitor()
    handshake.close(0)
    _await_reaper(context)
    return socket


def _await_reaper(context: Any) -> None:
    """The handshake was the work of the thread for input and output; the one that ends sockets may not have begun."""
    socket = context.socket(zmq.PAIR)
    ended = socket.get_monitor_socket(zmq.EVENT_MONITOR_STOPPED, "inproc://ended")
    socket.close(0)
    ended.recv_multipart()
    ended.close(0)
