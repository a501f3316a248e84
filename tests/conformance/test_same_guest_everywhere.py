"""The same guests over boards, transports and flavours: each shows the same; the trace differs only where it may."""

from __future__ import annotations

import pytest

import boards
from tests.support.live import Live

pytestmark = pytest.mark.slow

WALK = {"name": "walk", "board": "arm926", "cells": {"walker": {"image": "walker", "ram": "1MiB"}}}
PAIR = {
    "name": "pair",
    "board": "arm926",
    "scheduler": {"policy": "fixed_priority"},
    "cells": {
        "rt": {"image": "ticker", "args": "ticks=20", "priority": 9},
        "hog": {"image": "hog", "args": "rounds=50"},
    },
}


@pytest.mark.parametrize("board", boards.names())
def test_a_bare_metal_image_gives_the_same_trace_over_both_transports_on_every_board(live: Live, board: str):
    hashes = set()
    for link in ("shm", "zmq"):
        run = live(PAIR | {"board": board}, link=link)
        assert run.until("100ms").why == "finished"
        assert {run.state(cell) for cell in ("rt", "hog")} == {"shut down"}
        hashes.add(run.trace_hash)
        run.close()
    assert len(hashes) == 1


@pytest.mark.parametrize("board", boards.names())
def test_a_guest_alone_shows_the_same_under_every_flavour(live: Live, board: str):
    shown, hashes = set(), set()
    for flavour in ("native", "okl4"):
        run = live(WALK | {"board": board}, flavour=flavour)
        assert run.until("10s").why == "finished"
        shown.add(run.console("walker"))
        hashes.add(run.trace_hash)
        run.close()
    assert len(shown) == 1
    assert b"ok" in shown.pop()
    assert len(hashes) == 2, "a hypercall costs nothing under native, and something under a microvisor"


def test_a_seed_reaches_the_guest_that_asks_for_it_and_changes_nothing_else(live: Live):
    shown = {}
    for seed in (1, 2):
        for name, topology in (("walker", WALK), ("hello", "hello")):
            run = live(topology, seed=seed)
            assert run.until("10s").why == "finished"
            shown[name, seed] = run.console(name), run.trace_hash
            run.close()
    assert shown["walker", 1] != shown["walker", 2]
    assert shown["hello", 1] == shown["hello", 2]
