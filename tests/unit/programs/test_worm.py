"""The worm's parts: what it tries leaves out what it has of right, and its program is what the source makes."""

from __future__ import annotations

import importlib.util
import re
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cells.port import RefusedError
from cells.programs.phone.messages import Kind, Message
from cells.programs.worm import authority, build, floods
from hypervisor.abi.hypercalls import Hypercall
from hypervisor.abi.status import Status

needs_toolchain = pytest.mark.skipif(importlib.util.find_spec("ziglang") is None, reason="needs ziglang")


class Port:
    """Refuses everything, and remembers what was asked."""

    def __init__(self) -> None:
        self.boot = {"channels": [{"slot": 1}, {"slot": 2}], "links": [{"slot": 3, "bell": 4}], "shared": []}
        self.memory: Any = type("Memory", (), {"base": 0, "size": 0})
        self.connections: Any = object()
        self.asked: list[tuple[int, ...]] = []
        self.now = 0

    def hypercall(self, number: int, *words: int, data: bytes = b"") -> int:
        self.asked.append((number, *words))
        raise RefusedError("no", Status.NO_SUCH_SLOT)

    def call(self, number: int, *words: int, data: bytes = b"") -> tuple[int, bytes]:
        return self.hypercall(number, *words), b""

    def call_if_quiet(self, number: int, *words: int, data: bytes = b"") -> tuple[int, bytes] | None:
        return self.call(number, *words)

    def load(self, address: int) -> int:
        self.asked.append((-1, address))
        return 0

    def store(self, address: int, value: int) -> None:
        self.asked.append((-2, address))


def tried() -> list[tuple[int, ...]]:
    port: Any = Port()
    for attempt in authority.attempts(port):
        assert isinstance(attempt, partial)
        with pytest.raises((RefusedError, ValueError)):
            attempt()
    return list(port.asked)


def test_it_uses_no_slot_of_its_own() -> None:
    by_slot = {number for number, _, _ in authority.BY_SLOT}
    assert not {words[0] for number, *words in tried() if number in by_slot} & {1, 2, 3, 4}


def test_it_tries_hundreds_of_calls_of_every_kind() -> None:
    asked = tried()
    assert len(asked) > 400
    assert {Hypercall.CHANNEL_SEND, Hypercall.IPC, Hypercall.CAP_MINT, Hypercall.IRQ_EOI} <= {
        entry[0] for entry in asked
    }


def test_it_never_ends_itself() -> None:
    assert Hypercall.SHUTDOWN not in {entry[0] for entry in tried()}


def test_its_noise_is_nothing_that_it_may_say_of_right_about_the_call() -> None:
    class Noise:
        class random:  # noqa: N801
            getrandbits = staticmethod(lambda bits: 0)

    port: Any = Noise
    kinds = {Message.unpack(floods._message(port, number)).kind for number in range(300)}
    assert not kinds & {Kind.ANSWER, Kind.HANGUP, Kind.DIAL}
    assert len(kinds) > 200


def test_the_program_and_the_hole_agree() -> None:
    hole = (Path(build.SOURCE).parent / "hole.py").read_text()
    source = build.SOURCE.read_text()
    [number] = re.findall(r"#define HOLE (0x[0-9a-f]+)", source)
    assert f"NUMBER = {number}\n" in hole


@needs_toolchain
@pytest.mark.slow
def test_the_committed_program_is_what_the_source_makes() -> None:
    assert [path.name for path, data in build.build().items() if path.read_bytes() != data] == []
