"""The virtual TLB under whole guests: its size changes hits, walks and time, and not what they show."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import pytest

from hypervisor.api import Run
from tests.support.live import Live

pytestmark = pytest.mark.slow

SHELL = b"cellvisor: shell ready"
WALK: dict[str, Any] = {"name": "walk", "board": "pxa255", "cells": {"guest": {"image": "walker", "ram": "4MiB"}}}
"""The board's CPU has its vectors where RAM is not, so the image turns the MMU on."""
BOOT: dict[str, Any] = {
    "name": "boot",
    "board": "arm926",
    "cells": {"guest": {"kernel": "debian:marvell", "initrd": "debian:busybox", "ram": "64MiB"}},
}


class Seen(NamedTuple):
    """What a run showed and counted."""

    console: bytes
    trace: str
    hits: int
    walks: int
    upkeep: int
    charged: int
    ran: int


def _seen(run: Run) -> Seen:
    ledger, cell = run.monitor.ledger, run.cell("guest")
    counted = [ledger.counted("guest", name) for name in ("vtlb_hits", "vtlb", "vtlb_upkeep")]
    return Seen(run.console("guest"), run.trace_hash, *counted, ledger.cycles("guest", "vtlb"), cell.account.ran)


def _walk(live: Live, entries: int, **options: Any) -> Seen:
    run = live(WALK, overrides=[f"vtlb.entries={entries}"], **{"flavour": "okl4", **options})
    assert run.until("10s").why == "finished"
    assert run.cell("guest").why == "status 0"
    return _seen(run)


def test_a_bare_metal_image_with_its_mmu_on_shows_the_same_whatever_the_size(live: Live) -> None:
    none, few, many = (_walk(live, entries) for entries in (0, 1, 1024))
    assert none.console == few.console == many.console
    assert b"ok" in many.console
    assert (none.hits, none.walks, none.upkeep) == (0, 0, 0)
    assert few.walks + few.hits == many.walks + many.hits > 5
    assert few.upkeep == many.upkeep > 0
    assert few.walks >= many.walks > 0
    assert many.ran == none.ran + many.charged
    assert few.ran == none.ran + few.charged


def test_both_transports_give_the_same_trace_and_the_same_counts(live: Live) -> None:
    assert _walk(live, 64) == _walk(live, 64, link="zmq")


def test_a_flavour_without_one_does_not_hear_of_it(live: Live) -> None:
    assert _walk(live, 64, flavour="native") == _walk(live, 1024, flavour="native")


def _boot(live: Live, entries: int, link: str = "shm") -> Seen:
    run = live(BOOT, flavour="okl4", overrides=[f"vtlb.entries={entries}"], link=link)
    for time in range(200, 20_000, 200):
        run.until(f"{time}ms")
        if SHELL in run.console("guest"):
            break
    seen = _seen(run)
    run.close()
    # The times that the kernel prints are what the size does change.
    return seen._replace(console=re.sub(rb"\[ *\d+\.\d+\]", b"[]", seen.console))


@pytest.mark.guests
@pytest.mark.long
def test_a_kernel_shows_the_same_with_a_small_and_a_large_one_and_without(live: Live) -> None:
    none, small, large = (_boot(live, entries) for entries in (0, 64, 1024))
    assert SHELL in none.console
    assert none.console == small.console == large.console
    assert none.charged == 0
    assert small.walks > large.walks > 1_000
    assert min(small.hits, large.hits) > 1_000
    assert min(small.upkeep, large.upkeep) > 100
    assert len({none.trace, small.trace, large.trace}) == 3


@pytest.mark.guests
@pytest.mark.long
def test_a_kernel_gives_the_same_trace_over_both_transports(live: Live) -> None:
    assert _boot(live, 64) == _boot(live, 64, "zmq")
