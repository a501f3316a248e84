"""The two ends of posted links without processes and sockets.

hub = FakeHub(early=3)                 # three messages arrive before they are asked for, then one with each pump
hub.sent.append(letter(1, b"hello"))   # the cell sends
PostedLink(FakeLink([exit_]), hub, "cell", {1}, patience=1.0).wait(0)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

import pytest

from hypervisor.abi.hypercalls import Hypercall
from hypervisor.abi.records import Exit, ExitKind, Resume
from hypervisor.abi.time import NEVER
from hypervisor.shell import post
from hypervisor.shell.links.zmq import MAIL_LIMIT, _keep


class Frame:
    """What libzmq hands over."""

    def __init__(self, content: bytes) -> None:
        self.bytes = content


class FakeHub:
    """Stands for the ROUTER. `sent`: on its way from the cell; `posted`: what went to the cell. Time passes in `pump` alone."""

    def __init__(self, early: int = 0) -> None:
        self.early = early
        self.sent: deque[bytes] = deque()
        self.posted: list[bytes] = []
        self.now = 0
        self.gone = self.deaf = False
        self._mail: deque[bytes] = deque()

    def arrive(self, count: int) -> None:
        """So many of the messages on their way arrive."""
        for _ in range(min(count, len(self.sent))):
            _keep(self._mail, MAIL_LIMIT, Frame(self.sent.popleft()))

    def pump(self, timeout_ms: int) -> None:
        self.now += 0 if self.sent else timeout_ms * 1_000_000
        self.arrive(1)

    def mail(self, name: str) -> deque[bytes]:
        return self._mail

    def knows(self, name: str) -> bool:
        return True

    def dead(self, name: str) -> bool:
        return self.gone

    def forget(self, name: str) -> None:
        self.gone = True

    def post(self, name: str, letter: bytes) -> None:
        if self.deaf:
            raise BlockingIOError
        self.posted.append(letter)


class FakeLink:
    """A world switch that gives these exits, and keeps the resumes."""

    def __init__(self, exits: Iterable[Exit] = ()) -> None:
        self.exits = deque(exits)
        self.resumes: list[Resume] = []
        self.closed = False

    def resume(self, record: Resume) -> None:
        self.resumes.append(record)

    def wait(self, timeout_ns: int) -> Exit | None:
        return self.exits.popleft() if self.exits else None

    def close(self) -> None:
        self.closed = True


def call(seq: int, number: int = Hypercall.CHANNEL_SEND, *, slot: int = 1, data: bytes = b"") -> Exit:
    """An exit that calls a channel."""
    return Exit(seq, ExitKind.HYPERCALL, 0, 0, NEVER, number, slot, data=data)


def posted_link(
    monkeypatch: pytest.MonkeyPatch, hub: FakeHub, exits: Iterable[Exit], **more: Any
) -> tuple[post.PostedLink, FakeLink]:
    """The monitor's end, with the hub's idea of time."""

    class Clock:
        @staticmethod
        def monotonic_ns() -> int:
            return hub.now

    monkeypatch.setattr(post, "time", Clock)
    link = FakeLink(exits)
    stand_in: Any = hub
    return post.PostedLink(link, stand_in, "cell", {1}, patience=1.0, **more), link
