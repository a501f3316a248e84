"""Sockets within the machine (AF_UNIX): streams, datagrams, and packets in sequence.

    one, other = Socket(STREAM), Socket(STREAM); join(one, other)
    one.send(process, b"hello", True); other.receive(...)

Theory: what is sent lies with the receiver until it is read: a stream's bytes as pieces that a reader sees as one, a datagram
as a message with its sender. A listening socket keeps those who have connected and were not yet accepted; the other end exists
from the moment of connecting, so that what is sent meanwhile waits in it. Open files can travel with a message.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from cells.personalities.arm.errno import (
    ECONNREFUSED,
    ECONNRESET,
    EINVAL,
    EMSGSIZE,
    ENOBUFS,
    ENOTCONN,
    ENOTTY,
    EPERM,
    EPIPE,
    ETOOMANYREFS,
    Errno,
)
from cells.personalities.arm.wait import Queue
from cells.personalities.linux.file import (
    POLL_HANGUP,
    POLL_READ_HANGUP,
    READ_WRITE,
    READABLE,
    WRITABLE,
    File,
    WouldBlock,
)
from cells.personalities.linux.file_table import release
from cells.personalities.linux.inode import Inode
from cells.personalities.linux.message import (
    BUFFER,
    DATAGRAM,
    MESSAGE,
    MESSAGES,
    SEQUENCE,
    STREAM,
    Message,
    credentials,
)

SIGPIPE, FIONREAD = 13, 0x541B
SHUT_READ, SHUT_WRITE, SHUT_BOTH = range(3)


class Socket(File):
    """One end."""

    def __init__(self, inode: Inode, kind: int, flags: int = 0) -> None:
        super().__init__(inode, READ_WRITE | flags)
        self.kind = kind
        self.address = b""
        """Its name: a path with a zero at its end, or an abstract one that begins with a zero; b"": none."""
        self.bound: Inode | None = None
        self.peer: Socket | None = None
        self.owner = (0, 0, 0)
        """Process, user and group of who made the connection (SO_PEERCRED)."""
        self.backlog = -1
        """Of a listening socket; -1: it does not listen."""
        self.pending: deque[Socket] = deque()
        self.incoming: deque[Message] = deque()
        self.held = self._charged = 0
        """Bytes that wait here, and what they count among the kernel's (held.py)."""
        self._tree = inode.tree
        self.queue = Queue()
        """Woken when something can be read from or sent to it."""
        self.connected = self.closed = self.deaf = self.mute = self.reset = self.accepted = False
        self.options: dict[int, int] = {}
        self.name = b"socket:[%d]" % inode.inode_number

    def changed(self) -> None:
        """Look again, everybody."""
        self.activity += 1
        self.queue.wake()

    # ---- sending

    def send(self, process: Any, message: Message, silent: bool = False, to: Socket | None = None) -> int:
        """How many bytes went.

        Raises:
            WouldBlock: no room. Errno: EPIPE (with a signal unless silent), ENOTCONN, ECONNREFUSED, EMSGSIZE, EPERM; as `put`.
        """
        try:
            if self.kind == STREAM:
                return self._send_stream(message)
            return self._send_message(message, to or self.peer)
        except Errno as error:
            if error.code == EPIPE and not silent:
                process.signals.send(process, SIGPIPE)
            raise

    def _send_stream(self, message: Message) -> int:
        peer = self.peer
        if not self.connected or peer is None:
            raise Errno(EPIPE if self.mute or self.closed else ENOTCONN)
        if self.mute or peer.deaf or peer.closed:
            raise Errno(EPIPE)
        room = BUFFER - peer.held
        if room <= 0 or (len(peer.incoming) >= MESSAGES and message.files):
            raise WouldBlock(peer.queue)
        message.data = message.data[:room]
        peer.put(message)
        return len(message.data)

    def _send_message(self, message: Message, to: Socket | None) -> int:
        if to is None:
            raise Errno(ENOTCONN)
        if to.closed:
            raise Errno(EPIPE if self.kind == SEQUENCE else ECONNREFUSED)
        if to.peer not in (None, self):
            raise Errno(EPERM)  # it listens to another one only
        if self.mute or to.deaf:
            raise Errno(EPIPE)
        if len(message.data) > BUFFER:
            raise Errno(EMSGSIZE)
        if to.held + len(message.data) > BUFFER or len(to.incoming) >= MESSAGES:
            raise WouldBlock(to.queue)
        to.put(message)
        return len(message.data)

    def put(self, message: Message) -> None:
        """It has come.

        Raises:
            Errno: ENOBUFS or ETOOMANYREFS, all sockets together hold too much.
        """
        self._tree.travelling.take(len(message.files), ETOOMANYREFS)
        try:
            self._charge(len(message.data) + MESSAGE)
        except Errno:
            self._tree.travelling.give(len(message.files))
            raise
        last = self.incoming[-1] if self.incoming else None
        if self.kind == STREAM and last is not None and not last.files and not message.files and self.held < BUFFER:
            if len(last.data) < 4096:
                last.data += message.data
            else:
                self.incoming.append(message)
        elif message.data or message.files or self.kind != STREAM:
            self.incoming.append(message)
        for file in message.files:
            file.users += 1
        self.held += len(message.data)
        self._settle()
        self.changed()

    def _charge(self, more: int) -> None:
        self._tree.held.take(more, ENOBUFS)
        self._charged += more

    def _settle(self) -> None:
        """What waits now counts, and no more."""
        surplus = self._charged - self.held - MESSAGE * (len(self.incoming) + len(self.pending))
        self._charged -= surplus
        self._tree.held.give(surplus)

    def enqueue(self, other: Socket) -> None:
        """Somebody has connected: the end that accept will give.

        Raises:
            Errno: ENOBUFS.
        """
        self._charge(MESSAGE)
        self.pending.append(other)
        self.changed()

    def dequeue(self) -> Socket:
        """Requires: somebody has connected."""
        made = self.pending.popleft()
        self._settle()
        self.changed()
        return made

    # ---- receiving

    def receive(self, size: int, peek: bool = False) -> Message | None:
        """What has come, up to `size` bytes of it; None: nothing more will. A message's rest is lost.

        Raises:
            WouldBlock, Errno: ECONNRESET (once), EINVAL or ENOTCONN without a connection.
        """
        if self.kind != DATAGRAM and not self.connected:
            raise Errno(EINVAL if self.kind == STREAM else ENOTCONN)
        if not self.incoming:
            self._check_end()
            return None
        if self.kind == STREAM:
            return self._bytes(size, peek)
        message = self.incoming[0]
        if not peek:
            self.incoming.popleft()
            self.held -= len(message.data)
            self._arrived(message)
            self._settle()
            self.changed()
        return message

    def _arrived(self, message: Message) -> None:
        """Its files travel no more."""
        self._tree.travelling.give(len(message.files))

    def _check_end(self) -> None:
        if self.reset:
            self.reset = False  # told once; from then on it is the end
            raise Errno(ECONNRESET)
        if self.deaf or (self.kind != DATAGRAM and (self.peer is None or self.peer.mute or self.peer.closed)):
            return
        raise WouldBlock(self.queue)

    def _bytes(self, size: int, peek: bool) -> Message:
        """As many bytes as there are, but not past files that travel."""
        taken = Message(b"", files=self.incoming[0].files, credentials=self.incoming[0].credentials)
        parts: list[bytes] = []
        for i, message in enumerate(list(self.incoming)):
            if (i and message.files) or size <= 0:
                break
            part = message.data[:size]
            parts.append(part)
            size -= len(part)
            if not peek:
                self._drop(message, len(part))
        taken.data = b"".join(parts)
        if not peek:
            self._settle()
            self.changed()
        return taken

    def _drop(self, message: Message, count: int) -> None:
        self.held -= count
        self._arrived(message)
        if count == len(message.data):
            self.incoming.popleft()
        else:
            message.data = message.data[count:]
            message.files = []

    # ---- as a file

    def read(self, process: Any, size: int) -> bytes:
        """What there is, up to that size."""
        message = self.receive(size)
        if message is None:
            return b""
        for file in message.files:
            release(file)
        return message.data[:size]

    def put_back(self, data: bytes) -> None:
        """It was read and could not be given: a stream's bytes are there again, a message is lost."""
        if self.kind == STREAM and data:
            self._tree.held.give(-len(data) - MESSAGE)
            self._charged += len(data) + MESSAGE
            self.incoming.appendleft(Message(data))
            self.held += len(data)
            self.changed()

    def write(self, process: Any, data: bytes) -> int:
        """How many bytes went."""
        return self.send(process, Message(data, self.address, credentials=credentials(process)))

    def ioctl(self, process: Any, request: int, argument: int) -> int:
        """What only this kind can do."""
        if request != FIONREAD:
            raise Errno(ENOTTY)
        size = self.held if self.kind == STREAM else len(self.incoming[0].data) if self.incoming else 0
        process.space.write(argument, size.to_bytes(4, "little"))
        return 0

    def poll(self) -> int:
        """What it is ready for."""
        state = READABLE if self.incoming or self.pending or self.reset else 0
        if self.backlog >= 0:
            return state
        peer = self.peer
        room = peer is None or peer.closed or (peer.held <= BUFFER // 2 and len(peer.incoming) < MESSAGES)
        if self.kind == DATAGRAM:
            return state | (READABLE if self.deaf else 0) | (WRITABLE if room else 0)
        if not self.connected:
            return WRITABLE | POLL_HANGUP
        ended = peer is None or peer.closed or peer.mute
        if ended or self.deaf:
            state |= READABLE | POLL_READ_HANGUP
        if peer is None or peer.closed or (ended and self.mute):
            state |= POLL_HANGUP
        return state | (WRITABLE if room else 0)

    def queues(self) -> tuple[Queue, ...]:
        """Which are woken when that changes."""
        return (self.queue,) if self.peer is None else (self.queue, self.peer.queue)

    def shut(self, how: int) -> None:
        """Send or receive no more.

        Raises:
            Errno: EINVAL, ENOTCONN.
        """
        if how > SHUT_BOTH:
            raise Errno(EINVAL)
        if self.kind != DATAGRAM and not self.connected:
            raise Errno(ENOTCONN)
        self.deaf = self.deaf or how != SHUT_WRITE
        self.mute = self.mute or how != SHUT_READ
        self.changed()
        if self.peer is not None:
            self.peer.changed()

    def close(self) -> None:
        """The last user has gone."""
        self.closed = True
        if self.bound is not None and self.bound.data is self:
            self.bound.data = None
        for waiting in self.pending:
            waiting.close()
        self.pending.clear()
        peer = self.peer
        if peer is not None and self.kind != DATAGRAM and (self.incoming or not self.accepted):
            peer.reset = True
        for message in self.incoming:
            self._arrived(message)
            for file in message.files:
                release(file)
        self.incoming.clear()
        self.held = 0
        self._settle()
        self.changed()
        if peer is not None:
            peer.changed()


def join(one: Socket, other: Socket) -> None:
    """Two that talk to each other from now on."""
    one.peer, other.peer = other, one
    one.connected = other.connected = True
