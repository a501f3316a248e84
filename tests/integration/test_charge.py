"""Cycles for lines of caches (`counting.charge`) in whole kernels: time passes for them, the same over both transports."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from cells.wren import FLAVOURS
from tests.support.live import Live

pytestmark = pytest.mark.slow

WREN = {"image": "wren", "initrd": "wren", "ram": "16MiB"}
DEBIAN = {"kernel": "debian:marvell", "initrd": "debian:busybox", "ram": "64MiB"}
COUNTED, CHARGED = {"caches": True}, {"caches": True, "charge": True}
READY = b"cellvisor: shell ready"


class Told(NamedTuple):
    """Of a run: the trace's hash, what the ledger has, what came out, and the time of that."""

    trace: str
    cycles: dict[str, int]
    instructions: int
    console: bytes
    time: int


def run(live: Live, cell: dict[str, Any], until: str, flavour: str = "native", link: str = "shm") -> Told:
    made = live({"name": "charge", "board": "arm926", "cells": {"a": cell}}, flavour=flavour, link=link)
    made.until(until)
    return told(made)


def told(made: Any) -> Told:
    found, console, now = made.summary().cells["a"], made.console("a"), made.now
    made.close()
    return Told(made.trace_hash, dict(found.cycles), found.instructions, console, now)


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_kernel_of_ours_takes_longer_by_its_lines_and_computes_the_same(live: Live, flavour: str) -> None:
    plain = run(live, WREN, "30ms", flavour)
    counted = run(live, {**WREN, "counting": COUNTED}, "30ms", flavour)
    charged, again = (run(live, {**WREN, "counting": CHARGED}, "30ms", flavour, link) for link in ("shm", "zmq"))
    assert counted.trace == plain.trace
    assert charged.trace == again.trace != plain.trace
    assert (charged.console, charged.instructions) == (plain.console, plain.instructions)  # both wait at their prompt
    lines = charged.cycles.pop("cache_miss")
    assert lines > plain.cycles["guest"] / 4
    assert charged.cycles == plain.cycles


@pytest.mark.guests
def test_an_unmodified_kernel_gets_less_done_in_the_same_time(live: Live) -> None:
    plain = run(live, DEBIAN, "200ms")
    charged, again = (run(live, {**DEBIAN, "counting": CHARGED}, "200ms", link=link) for link in ("shm", "zmq"))
    assert charged.trace == again.trace != plain.trace
    assert plain.instructions > charged.instructions > plain.instructions / 2
    assert charged.cycles["guest"] + charged.cycles["cache_miss"] == pytest.approx(plain.cycles["guest"], abs=1_000)


@pytest.mark.guests
@pytest.mark.long
def test_an_unmodified_kernel_comes_to_its_shell_later_and_says_what_it_says(live: Live) -> None:
    def boot(cell: dict[str, Any], link: str = "shm") -> Told:
        made = live({"name": "charge", "board": "arm926", "cells": {"a": cell}}, flavour="native", link=link)
        while READY not in made.console("a"):
            made.until(made.now + made.cycles("100ms"))
            assert made.now < made.cycles("60s"), made.console("a").decode()
        return told(made)

    plain, *both = boot(DEBIAN), *(boot({**DEBIAN, "counting": CHARGED}, link) for link in ("shm", "zmq"))
    charged, again = both
    assert charged.trace == again.trace
    assert charged.time > plain.time
    assert charged.console.count(b"\n") == plain.console.count(b"\n")
