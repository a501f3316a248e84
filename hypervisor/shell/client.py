"""Somebody else's end of a run's side door (operator.py): asks a run, follows its consoles and its trace.

with Client(runtime_dir.running()[0]) as client:
    print(client.ask("status")["now"])
    client.follow("trace")
    while not client.wait(None).ended:
        for offset, lines in client.news():
            ...
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import zmq

from hypervisor.abi.messages import pack, unpack
from hypervisor.shell.runtime_dir import Address

READY = b"ready/"
"""A subscription to this and a word of the listener's is answered with one message: those before it are active then."""
ANSWER_S = 5.0
"""Wall time within which a run answers: it looks a hundred times a second, but a cell may have to be started first."""


ENDED = "the run has ended"
"""What somebody is told who waited for more."""


class OperatorError(Exception):
    """The run said no, does not answer, or is gone."""


class RunEnded(OperatorError):  # noqa: N818  nobody's mistake
    """There is nothing more to come."""

    def __init__(self) -> None:
        super().__init__(ENDED)


@dataclass(frozen=True)
class Ready:
    """What a wait ended for: the run is gone, or something came on one of the caller's descriptors."""

    ended: bool
    descriptors: frozenset[int]


class Client:
    """A connection to one run.

    Raises:
        OperatorError: the run has just ended.
    """

    def __init__(self, address: Address) -> None:
        self.address = address
        try:
            self._process = os.pidfd_open(address.pid)
        except ProcessLookupError:
            raise OperatorError(f"{self} has just ended") from None
        self._context = zmq.Context()
        self._keys = zmq.curve_keypair()
        self._requests = self._connect(zmq.DEALER, address.requests)
        self._stream: Any = None
        self._number = 0
        self._early: list[bytes] = []
        """What came of the stream before the subscription was confirmed."""

    def __str__(self) -> str:
        return f"{self.address.name} (process {self.address.pid})"

    def _connect(self, kind: int, endpoint: str) -> Any:
        socket = self._context.socket(kind)
        socket.linger = 0
        socket.curve_serverkey = self.address.server_key.encode()
        socket.curve_publickey, socket.curve_secretkey = self._keys
        socket.connect(endpoint)
        return socket

    def tell(self, verb: str, **arguments: Any) -> int:
        """A request whose answer nobody waits for; its number."""
        self._number += 1
        self._requests.send(pack({"id": self._number, "verb": verb, **arguments}))
        return self._number

    def ask(self, verb: str, **arguments: Any) -> dict[str, Any]:
        """A request and its answer.

        Raises:
            OperatorError: refused, or there is no answer.
        """
        number = self.tell(verb, **arguments)
        while (answer := self._receive(time.monotonic() + ANSWER_S))["id"] != number:
            pass  # of something that was told before
        if not answer["ok"]:
            raise OperatorError(str(answer["why"]))
        return answer

    def _receive(self, deadline: float) -> dict[str, Any]:
        self._wait_for(self._requests, deadline)
        answer: dict[str, Any] = unpack(self._requests.recv())
        return answer

    def follow(self, topic: str) -> None:
        """Subscribe to "console/CELL" or "trace", and see that it has come into force.

        Raises:
            OperatorError: there is no answer.
        """
        self._stream = self._connect(zmq.SUB, self.address.observers)
        self._stream.rcvhwm = 0
        self._stream.subscribe(topic.encode())
        word = READY + os.urandom(8).hex().encode()
        self._stream.subscribe(word)
        deadline = time.monotonic() + ANSWER_S
        while True:
            self._wait_for(self._stream, deadline)
            topic_of, message = self._stream.recv_multipart()
            if topic_of == word:
                break
            self._early.append(message)
        self._stream.unsubscribe(word)

    def _wait_for(self, socket: Any, deadline: float) -> None:
        poller = zmq.Poller()
        poller.register(socket, zmq.POLLIN)
        poller.register(self._process, zmq.POLLIN)
        ready = dict(poller.poll(max(int((deadline - time.monotonic()) * 1000), 0)))
        if socket not in ready:
            raise OperatorError(f"{self} {'has ended' if ready else 'does not answer'}")

    def news(self) -> Iterator[tuple[int, bytes]]:
        """What has come of the stream: (offset, bytes); does not wait."""
        early, self._early = self._early, []
        for message in early:
            yield tuple(unpack(message))
        with suppress(zmq.Again):
            while True:
                yield tuple(unpack(self._stream.recv_multipart(zmq.NOBLOCK)[1]))

    def refusals(self) -> list[str]:
        """Why requests were refused that were told and not asked; does not wait."""
        whys = []
        with suppress(zmq.Again):
            while True:
                answer = unpack(self._requests.recv(zmq.NOBLOCK))
                if not answer["ok"]:
                    whys.append(str(answer["why"]))
        return whys

    def wait(self, seconds: float | None, *descriptors: int) -> Ready:
        """Wait for news of the stream, for the end of the run, or for input on a descriptor."""
        poller = zmq.Poller()
        for handle in (self._process, *descriptors, *([self._stream] if self._stream else [])):
            poller.register(handle, zmq.POLLIN)
        ready = dict(poller.poll(None if seconds is None else int(seconds * 1000)))
        return Ready(self._process in ready, frozenset(set(ready).intersection(descriptors)))

    def close(self) -> None:
        """Close everything."""
        self._context.destroy(0)
        os.close(self._process)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
