"""The same guests that talk, over flavour, link, transport, engine and board: each shows the same, whatever it costs."""

from __future__ import annotations

import zlib
from itertools import product
from typing import Any

import pytest

import boards
from cells.programs.ping import message
from hypervisor.api import Run
from tests.support.live import Live

pytestmark = pytest.mark.slow

FLAVOURS = ("okl4", "l4", "xen")
LINKS = ("shm", "zmq")
ROUNDS, LENGTH = 8, 33
ENGINES = tuple(product(("python", "arm"), repeat=2))
"""Of ping and of pong."""
PLACES = [
    *(pytest.param(board, *engines) for board in ("beagle", "arm926") for engines in ENGINES),
    *(
        pytest.param(board, "arm", "arm", marks=pytest.mark.long)
        for board in boards.names()
        if board not in ("beagle", "arm926")
    ),
]


def ping(engine: str, length: int) -> dict[str, Any]:
    if engine == "python":
        return {"guest": "cells.programs.ping:ping", "args": ["pong", ROUNDS, length]}
    return {"image": "pinger", "args": f"peer=pong times={ROUNDS} size={length}", "ram": "1MiB"}


def pong(engine: str) -> dict[str, Any]:
    if engine == "python":
        return {"guest": "cells.programs.ping:pong"}
    return {"image": "pinger", "args": "peer=ping echo=1", "ram": "1MiB"}


def pair(board: str, asks: str, answers: str, length: int = LENGTH, **channel: Any) -> dict[str, Any]:
    channels = [{"between": ["ping", "pong"], "class": "message", **channel}]
    cells = {"ping": ping(asks, length), "pong": pong(answers)}
    return {"name": "ping", "board": board, "cells": cells, "channels": channels}


def shown(run: Run, *cells: str) -> list[Any]:
    """What people see of cells: their lines (a UART ends them with two characters), checksums, and how they ended."""
    found = [run.cell(cell) for cell in cells]
    return [(run.console(c.name).decode().splitlines(), c.account.metrics.get("checksum"), c.why) for c in found]


def expected(length: int = LENGTH) -> list[Any]:
    """What an honest pair shows."""
    checksum = zlib.crc32(b"".join(message(number, length)[::-1] for number in range(ROUNDS)))
    line = f"ping: {ROUNDS} round trips of {length} bytes, checksum {checksum:08x}"
    return [([line], [checksum, checksum, checksum, 1], "status 0"), ([], None, "status 0")]


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize(("board", "asks", "answers"), PLACES)
def test_two_that_talk_show_the_same_and_leave_one_trace_over_either_link(
    live: Live, flavour: str, board: str, asks: str, answers: str
) -> None:
    hashes = set()
    for link in LINKS:
        run = live(pair(board, asks, answers), flavour=flavour, link=link)
        assert run.until("100ms").why == "finished"
        assert shown(run, "ping", "pong") == expected()
        hashes.add(run.trace_hash)
        run.close()
    assert len(hashes) == 1


@pytest.mark.parametrize("length", [1, 251, 252, 253, 1024])
@pytest.mark.parametrize("flavour", FLAVOURS)
def test_messages_of_every_length_pass_between_engines(live: Live, flavour: str, length: int) -> None:
    run = live(pair("arm926", "arm", "python", length), flavour=flavour)
    assert run.until("100ms").why == "finished"
    assert shown(run, "ping", "pong") == expected(length)


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_on_what_messages_ride_changes_nothing(live: Live, flavour: str) -> None:
    hashes = set()
    for transport in LINKS:
        run = live(pair("beagle", "python", "arm", transport=transport), flavour=flavour)
        assert run.until("100ms").why == "finished"
        assert shown(run, "ping", "pong") == expected()
        hashes.add(run.trace_hash)
        run.close()
    assert len(hashes) == 1


@pytest.mark.parametrize(
    ("name", "args", "until", "cells"),
    [
        ("storage", "cells.client.args=[2]", "3s", ("client",)),
        ("net", "cells.alice.args=[20, 200]", "100ms", ("alice",)),
    ],
)
def test_clients_of_a_driver_domain_show_the_same_under_every_flavour_and_over_either_link(
    live: Live, name: str, args: str, until: str, cells: tuple[str, ...]
) -> None:
    results, hashes = [], {}
    for flavour, link in product(FLAVOURS, LINKS):
        run = live(name, flavour=flavour, link=link, overrides=[args])
        run.until(until)
        results.append(shown(run, *cells))
        hashes.setdefault(flavour, set()).add(run.trace_hash)
        run.close()
    assert results == results[:1] * len(results)
    assert [why for _, _, why in results[0]] == ["status 0"]
    assert all(len(found) == 1 for found in hashes.values())
    assert len(set.union(*hashes.values())) == len(FLAVOURS), "what it costs differs"
