"""Somebody else's end of a run's side door (operator.py), for who waits for several things at once: the live views.

As client.py, on asyncio: requests are answered in any order, pictures come when there are new ones, streams pass by.

    async with Observer(address) as run:
        names = await run.ask("displays")
        while True:
            sight = await run.watch("lcd0", seen)
            seen = sight.serial
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import zmq
import zmq.asyncio

from hypervisor.abi.messages import BadMessage, pack, unpack
from hypervisor.shell.client import ANSWER_S, ENDED, READY, OperatorError, RunEnded
from hypervisor.shell.picture import Scan
from hypervisor.shell.runtime_dir import Address

LARGEST = 8 << 20
"""Bytes of a frame of an answer; the largest picture has half of that."""
STREAM_BACKLOG = 4096
"""Messages of streams that wait to be taken; the run drops those that find no room."""


class Sight(NamedTuple):
    """An answer to `watch`: `now` in cycles; `scan` is None when nothing has changed since."""

    serial: int
    now: int
    scan: Scan | None


class Observer:
    """A connection to one run. `ended` is set when the run is gone.

    Raises:
        OperatorError: the run has just ended.
    """

    def __init__(self, address: Address) -> None:
        self.address = address
        self.ended = asyncio.Event()
        try:
            self._process = os.pidfd_open(address.pid)
        except ProcessLookupError:
            raise OperatorError(f"{address.name} (process {address.pid}) has just ended") from None
        self._context = zmq.asyncio.Context()
        self._keys = zmq.curve_keypair()
        self._requests = self._connect(zmq.DEALER, address.requests)
        self._stream: Any = None
        self._early: list[list[bytes]] = []
        """What came before a subscription was confirmed."""
        self._number = 0
        self._awaited: dict[int, asyncio.Future[tuple[dict[str, Any], bytes]]] = {}
        self._listener: asyncio.Task[None] | None = None

    def _connect(self, kind: int, endpoint: str) -> Any:
        socket = self._context.socket(kind)
        socket.linger = 0
        socket.maxmsgsize = LARGEST
        socket.curve_serverkey = self.address.server_key.encode()
        socket.curve_publickey, socket.curve_secretkey = self._keys
        socket.connect(endpoint)
        return socket

    def tell(self, verb: str, **arguments: Any) -> None:
        """A request whose answer nobody waits for; those told one after another come in this order."""
        self._number += 1
        sent = self._requests.send(pack({"id": self._number, "verb": verb, **arguments}))
        sent.add_done_callback(lambda future: future.cancelled() or future.exception())

    async def ask(self, verb: str, **arguments: Any) -> dict[str, Any]:
        """A request and its answer.

        Raises:
            OperatorError: refused, or there is no answer.
        """
        try:
            async with asyncio.timeout(ANSWER_S):
                return (await self._ask(verb, arguments))[0]
        except TimeoutError:
            raise OperatorError(f"{self.address.name} (process {self.address.pid}) does not answer") from None

    async def watch(self, display: str, seen: int) -> Sight:
        """The picture that a display shows, when it is not the one of serial `seen`; after a second in any case.

        Raises:
            OperatorError: no such display, or the run has ended.
        """
        waiting = asyncio.create_task(self._ask("watch", {"display": display, "seen": seen}))
        try:
            while not (await asyncio.wait((waiting,), timeout=ANSWER_S))[0]:
                if not Path(self.address.requests.removeprefix("ipc://")).exists():  # its process may go on without it
                    raise RunEnded
            answer, data = waiting.result()
        finally:
            waiting.cancel()
        serial, now = answer["serial"], answer["now"]
        return Sight(serial, now, Scan.from_message(answer, data) if "control" in answer else None)

    async def _ask(self, verb: str, arguments: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        if self.ended.is_set():
            raise RunEnded()
        self._number += 1
        number = self._number
        future = self._awaited[number] = asyncio.get_running_loop().create_future()
        try:
            await self._requests.send(pack({"id": number, "verb": verb, **arguments}))
            answer, data = await future
        finally:
            del self._awaited[number]
        if not answer["ok"]:
            raise RunEnded if answer["why"] == ENDED else OperatorError(str(answer["why"]))
        return answer, data

    async def _listen(self) -> None:
        """Answers, to those who wait for them."""
        while True:
            head, *beside = await self._requests.recv_multipart()
            try:
                answer = unpack(head)
                future = self._awaited.get(answer["id"])
            except (BadMessage, LookupError, TypeError):
                continue  # nothing that a run says
            if future is not None and not future.done():
                future.set_result((answer, beside[0] if beside else b""))

    async def follow(self, *topics: str) -> None:
        """Subscribe to all topics that begin so, in place of those before, and see that it has come into force.

        Raises:
            OperatorError: there is no answer.
        """
        if self._stream is not None:
            self._stream.close()
        self._stream, self._early = self._connect(zmq.SUB, self.address.observers), []
        self._stream.rcvhwm = STREAM_BACKLOG
        word = READY + os.urandom(8).hex().encode()
        for topic in (*(topic.encode() for topic in topics), word):
            self._stream.subscribe(topic)
        try:
            async with asyncio.timeout(ANSWER_S):
                while (frames := await self._unless_ended(self._stream.recv_multipart()))[0] != word:
                    self._early.append(frames)
        except TimeoutError:
            raise OperatorError(f"{self.address.name} (process {self.address.pid}) does not answer") from None
        self._stream.unsubscribe(word)

    async def _unless_ended(self, coming: Awaitable[Any]) -> Any:
        """Raises:
        OperatorError: the run ended before it came.
        """
        came, ended = asyncio.ensure_future(coming), asyncio.create_task(self.ended.wait())
        try:
            await asyncio.wait((came, ended), return_when=asyncio.FIRST_COMPLETED)
            if not came.done():
                raise RunEnded()
            return came.result()
        finally:
            came.cancel()
            ended.cancel()

    async def news(self) -> AsyncIterator[tuple[str, int, bytes]]:
        """What is said under the topics that are followed: (topic, offset, bytes), without end."""
        while True:
            topic, message = self._early.pop(0) if self._early else await self._stream.recv_multipart()
            offset, data = unpack(message)
            yield topic.decode(), offset, data

    def _gone(self) -> None:
        asyncio.get_running_loop().remove_reader(self._process)
        self.ended.set()
        for future in self._awaited.values():
            if not future.done():
                future.set_exception(RunEnded())

    async def __aenter__(self) -> Self:
        asyncio.get_running_loop().add_reader(self._process, self._gone)
        self._listener = asyncio.create_task(self._listen())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._listener is not None
        asyncio.get_running_loop().remove_reader(self._process)
        self._listener.cancel()
        await asyncio.gather(self._listener, return_exceptions=True)
        self._context.destroy(0)
        os.close(self._process)
