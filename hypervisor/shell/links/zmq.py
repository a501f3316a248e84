"""World switch over ZeroMQ: any distance, authenticated per cell by CURVE.

One ROUTER serves every cell. Who speaks is decided by the key with which the connection was authenticated (the message's
`User-Id`), never by what a peer calls itself. libzmq does not report a peer's death: a local one is seen through its
pidfd in the same poll, a remote one through the socket monitor, after which each remote peer is felt for.
"""

from __future__ import annotations

import contextlib
import errno
import struct
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import zmq
from zmq.auth.base import Authenticator

from hypervisor.abi.messages import BadMessage, pack, unpack
from hypervisor.abi.post import POST
from hypervisor.abi.records import BadRecord, Exit, Resume, checked_exit, exit_from_message
from hypervisor.shell.links import PeerDied
from hypervisor.shell.links.door import EVENTS, Doors

BATCH = 256
"""Messages that are taken at once."""
INBOX_LIMIT = 4
"""Messages of one cell that wait to be read; an honest cell has at most one."""
MAIL_LIMIT = 32
"""Letters of one cell that wait to be collected (hypervisor/shell/post.py); an honest cell has at most one. More are dropped."""
RECEIVE_LIMIT = 64
"""Messages of one cell that libzmq itself keeps while nobody listens; then the sender waits."""
FEEL_S, FEEL_EACH_S = 1.0, 0.02
"""How long to feel for remote peers after a disconnection, for the ROUTER forgets a peer a little later; and how often. Each time
leaves an empty message with them: strangers who come and go may not fill a peer's queue with these."""
HANDSHAKE_MS = 5_000
"""How long one may take to show its key; libzmq hangs up then."""
MESSAGE_BYTES = 8192
"""What one message of a cell may measure; libzmq drops the connection of a peer that sends more."""


_EVENT = struct.Struct("=hi")
"""What a socket monitor says first: event, value (the connection's descriptor)."""


@dataclass(slots=True)
class _Peer:
    """One cell as the hub sees it. `felt`: the world switch is here, so that a lost connection is its end."""

    name: str
    public_key: bytes
    routing_id: bytes | None = None
    inbox: deque[bytes] = field(default_factory=deque)
    mail: deque[bytes] = field(default_factory=deque)
    felt: bool = True
    pidfd: int | None = None
    dead: bool = False


_OPEN: set[ZmqHub] = set()
"""Hubs that nobody has closed. Left to the garbage collector, a context would wait for ever for its sockets, which are in
the same cycle and may come after it."""


class ZmqHub:
    """The socket that all zmq links of a run share. Make it after the zygote has been started."""

    def __init__(self, endpoint: str) -> None:
        self.context = zmq.Context()
        _OPEN.add(self)
        self.public_key, secret_key = zmq.curve_keypair()
        self._peers: dict[str, _Peer] = {}
        self._by_key: dict[str, _Peer] = {}
        self._auth = Authenticator(self.context)
        self._auth.start()
        self._auth.configure_curve_callback(domain="*", credentials_provider=self)
        self._router = self.context.socket(zmq.ROUTER)
        self._router.linger = 0
        self._router.curve_server = True
        self._router.curve_secretkey, self._router.curve_publickey = secret_key, self.public_key
        self._router.router_mandatory = True
        self._router.maxmsgsize = MESSAGE_BYTES
        self._router.rcvhwm = RECEIVE_LIMIT
        self._router.handshake_ivl = HANDSHAKE_MS
        self._monitor = self._router.get_monitor_socket(EVENTS)
        self.doors = Doors()
        self.endpoint = self.listen(endpoint)
        self._feel_until = self._feel_next = 0.0
        self._poller = zmq.Poller()
        for socket in (self._router, self._auth.zap_socket, self._monitor):
            self._poller.register(socket, zmq.POLLIN)

    def listen(self, endpoint: str) -> str:
        """Open one more place to connect to; returns it with the port that was chosen for "*".

        Raises:
            OSError: this is no endpoint, or it cannot be opened.
        """
        try:
            self._router.bind(endpoint)
        except zmq.ZMQError as error:
            raise OSError(error.errno, error.strerror.partition(" (")[0], endpoint) from None
        bound: Any = self._router.last_endpoint
        return str(bound.decode().rstrip("\0"))

    def callback(self, domain: str, key: bytes) -> bool:
        """Whom the authenticator lets in: the keys of this run's cells."""
        return key.decode() in self._by_key

    def admit(self, name: str, keys: tuple[bytes, bytes] | None = None, *, felt: bool = True) -> tuple[bytes, bytes]:
        """A key pair (public, secret) for `name`, new unless given; earlier ones of the same name are void.

        `felt`: notice when it hangs up. It has to read what it is sent then: each look leaves an empty message with it.
        """
        public, secret = keys or zmq.curve_keypair()
        self.forget(name)
        self._peers[name] = self._by_key[public.decode()] = _Peer(name, public, felt=felt)
        return public, secret

    def watch(self, name: str, pidfd: int) -> None:
        """A local cell: its end is seen through its pidfd."""
        self._peers[name].pidfd = pidfd
        self._poller.register(pidfd, zmq.POLLIN)

    def forget(self, name: str) -> None:
        """The cell is gone; its key opens nothing any more."""
        peer = self._peers.pop(name, None)
        if peer is not None:
            self._by_key.pop(peer.public_key.decode(), None)
            if peer.pidfd is not None:
                self._poller.unregister(peer.pidfd)

    def send(self, name: str, message: bytes) -> None:
        """Send to a cell.

        Raises:
            PeerDied: it is not connected any more.
        """
        peer = self._peers[name]
        try:
            self._router.send_multipart([peer.routing_id or b"", message])
        except zmq.ZMQError as error:
            raise PeerDied from error

    def post(self, name: str, letter: bytes) -> None:
        """Send a letter to a cell.

        Raises:
            PeerDied: it is not connected any more.
            BlockingIOError: it has not read a thousand others.
        """
        peer = self._peers[name]
        try:
            self._router.send_multipart([peer.routing_id or b"", POST, letter], zmq.NOBLOCK)
        except zmq.Again:
            raise BlockingIOError(errno.EAGAIN, name) from None
        except zmq.ZMQError as error:
            raise PeerDied from error

    def knows(self, name: str) -> bool:
        """True once the cell has said anything."""
        return self._peers[name].routing_id is not None

    def mail(self, name: str) -> deque[bytes]:
        """Letters of a cell that have come, oldest first; who takes one removes it."""
        return self._peers[name].mail

    def receive(self, name: str, timeout_ns: int) -> bytes | None:
        """The next message of a cell, None after the timeout.

        Raises:
            PeerDied: it ended.
        """
        peer = self._peers[name]
        end = time.monotonic_ns() + timeout_ns
        while not peer.inbox:
            if peer.dead:
                raise PeerDied
            left = end - time.monotonic_ns()
            if left <= 0:
                return None
            self.pump(left // 1_000_000 + 1)
        return peer.inbox.popleft()

    def pump(self, timeout_ms: int) -> None:
        """Take what has arrived: messages, handshakes, deaths."""
        ready = dict(self._poller.poll(timeout_ms))
        if self._auth.zap_socket in ready:
            self._answer_handshake()
        if self._router in ready:
            self._take_messages()
        if self._monitor in ready:
            self._take_connections()
        if self._feel_until:
            self._feel_for_peers()
        for peer in self._peers.values():
            if peer.pidfd is not None and peer.pidfd in ready and not peer.dead:
                self._take_messages()  # its last words first
                peer.dead = True
                self._poller.unregister(peer.pidfd)
                peer.pidfd = None

    def _take_connections(self) -> None:
        """Who has come and who has gone."""
        with contextlib.suppress(zmq.Again):
            for _ in range(BATCH):
                event, descriptor = _EVENT.unpack(self._monitor.recv_multipart(zmq.NOBLOCK)[0])
                self.doors.told(event, descriptor)
                if event == zmq.EVENT_DISCONNECTED:
                    self._feel_until = time.monotonic() + FEEL_S
        self.doors.mind(len(self._peers))

    def _answer_handshake(self) -> None:
        message = self._auth.zap_socket.recv_multipart()
        _complete(self._auth.handle_zap_message(message))

    def _take_messages(self) -> None:
        with contextlib.suppress(zmq.Again):
            for _ in range(BATCH):  # a flood must not keep the monitor here
                frames = self._router.recv_multipart(zmq.NOBLOCK, copy=False)
                self._take(frames)

    def _take(self, frames: list[Any]) -> None:
        with contextlib.suppress(zmq.ZMQError):
            peer = self._by_key.get(frames[-1].get("User-Id"))
            if peer is None:
                return
            if len(frames) == 2:
                peer.routing_id = frames[0].bytes
                _keep(peer.inbox, INBOX_LIMIT, frames[1])
            elif len(frames) == 3 and frames[1].bytes == POST:
                peer.routing_id = frames[0].bytes
                _keep(peer.mail, MAIL_LIMIT, frames[2])

    def _feel_for_peers(self) -> None:
        """Somebody disconnected; libzmq does not say who. A local cell may do so as well, or be thrown out for what it sent."""
        now = time.monotonic()
        if now < self._feel_next:
            return
        self._feel_next = now + FEEL_EACH_S
        self._feel_until = self._feel_until if now < self._feel_until else 0.0
        for peer in self._peers.values():
            if peer.felt and peer.routing_id is not None and not peer.dead:
                try:
                    self._router.send_multipart([peer.routing_id, b""], zmq.NOBLOCK)
                except zmq.ZMQError as error:
                    peer.dead = error.errno == errno.EHOSTUNREACH

    def dead(self, name: str) -> bool:
        """True once the cell is known to be gone."""
        return self._peers[name].dead

    def close(self) -> None:
        """Close every socket and the context, at once."""
        _OPEN.discard(self)
        self._router.disable_monitor()
        self._monitor.close(0)
        self._auth.stop()
        self._router.close(0)
        self.context.destroy(0)


class ZmqLink:
    """Link to one cell over the hub."""

    def __init__(self, hub: ZmqHub, name: str) -> None:
        self._hub, self._name = hub, name
        self._resume = Resume(0, 0, 0, 0, 0)

    def resume(self, record: Resume) -> None:
        """See `Link`."""
        self._resume = record
        with contextlib.suppress(PeerDied):  # `wait` will say so
            self._hub.send(self._name, pack(record))

    def wait(self, timeout_ns: int) -> Exit | None:
        """See `Link`."""
        message = self._hub.receive(self._name, timeout_ns)
        if message is None:
            return None
        try:
            return checked_exit(exit_from_message(unpack(message)), self._resume)
        except BadMessage as error:
            raise BadRecord(str(error)) from None

    def close(self) -> None:
        """See `Link`."""
        self._hub.forget(self._name)


def _keep(box: deque[bytes], limit: int, frame: Any) -> None:
    if len(box) < limit:
        box.append(frame.bytes)


def _complete(answer: Any) -> None:
    """Run the authenticator's coroutine-like answer, if this pyzmq made it one."""
    if hasattr(answer, "send"):
        with contextlib.suppress(StopIteration):
            answer.send(None)
