"""A test for each crime against the post: its cell ends with a reason, at the same time over either link; nobody else notices.

The culprits (tests/support/post_crimes.py) speak the raw protocol on their own socket and world switch. Beside them ping and
pong talk over a channel of theirs, and a friend who gets what the culprit sends honestly.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from hypervisor.api import Run
from hypervisor.core.cell import CellState
from hypervisor.shell import flood
from hypervisor.shell.cellhost import Patience
from tests.support import post_crimes
from tests.support.live import Live

pytestmark = pytest.mark.slow

LINKS = ("shm", "zmq")
PATIENCE = Patience(backstop=60.0, hello=60.0)
"""Nothing here waits for that: what does not come is not waited for."""

Court = Callable[..., Run]


@pytest.fixture
def court(live: Live) -> Court:
    """Runs a culprit, its friend, and two who have nothing to do with them."""

    def hear(crime: Callable[..., None], *, answers: int = 0, got: int = 1, **options: Any) -> Run:
        cells = {
            "culprit": {"guest": f"tests.support.post_crimes:{crime.__name__}", "priority": 5},
            "friend": {"guest": "tests.support.post_crimes:friend", "args": [answers], "priority": 5},
            "ping": {"guest": "cells.programs.ping:ping", "args": ["pong", 20, 64], "priority": 5},
            "pong": {"guest": "cells.programs.ping:pong", "priority": 5},
        }
        channels = [{"between": pair, "class": "message"} for pair in (["culprit", "friend"], ["ping", "pong"])]
        table = {"name": "court", "board": "arm926", "for": "300ms", "cells": cells, "channels": channels}
        run = live(table, flavour="okl4", **{"patience": PATIENCE, **options})
        run.run()
        run.monitor.check_invariants()
        assert run.console("friend") == b"friend got %d\n" % got
        assert b"20 round trips of 64 bytes" in run.console("ping")
        assert (run.cell("ping").why, run.cell("pong").why) == ("status 0", "status 0")
        return run

    return hear


CRIMES = {
    post_crimes.announces: "announced a message and did not send it",
    post_crimes.sends_an_old_one: "announced a message and did not send it",
    post_crimes.says_nothing_of_it: "a message that was not announced",
    post_crimes.damages: "sent a message other than the announced one: wrong checksum",
    post_crimes.is_too_long: "announced a message of 1025 bytes; at most 1024",
    post_crimes.is_deeper_than_allowed: "nested deeper than 8",
    post_crimes.is_no_letter: "a message that is no letter",
    post_crimes.floods: "sent 16 messages without announcing them",
}


@pytest.mark.parametrize("crime", CRIMES, ids=lambda crime: crime.__name__)
def test_a_crime_against_the_post_ends_its_cell_at_the_same_time_over_either_link(court: Court, crime: Any) -> None:
    runs = [court(crime, link=link) for link in LINKS]
    for run in runs:
        assert (run.state("culprit"), run.cell("culprit").why) == (CellState.FAILED, f"protocol: {CRIMES[crime]}")
        assert run.console("culprit") == b""
    assert len({run.trace_hash for run in runs}) == 1


@pytest.mark.parametrize("link", LINKS)
def test_a_message_that_is_nested_without_end_is_not_followed(court: Court, link: str) -> None:
    assert court(post_crimes.is_too_deep, link=link).cell("culprit").why.startswith("protocol: not a message")


@pytest.mark.parametrize("link", LINKS)
def test_a_message_that_no_socket_takes_ends_the_connection_and_its_cell(court: Court, link: str) -> None:
    run = court(post_crimes.is_far_too_long, link=link)
    assert run.state("culprit") is CellState.FAILED
    assert run.cell("culprit").why in (
        "protocol: announced a message and did not send it",
        "protocol: gave up its link",
    )


@pytest.mark.parametrize("link", LINKS)
def test_a_message_without_end_fills_the_memory_of_its_sender(court: Court, link: str) -> None:
    before = flood.own_memory()
    run = court(post_crimes.never_ends, link=link)
    assert run.state("culprit") is CellState.FAILED
    assert re.match("process ended: |guest fault: .* memory", run.cell("culprit").why), (
        "which way is a matter of the host"
    )
    assert flood.own_memory() - before < 32 << 20


def test_messages_of_too_many_parts_do_not_fill_the_monitors_memory(
    court: Court, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flood, "LIMIT", 64 << 20)
    before = flood.own_memory()
    run = court(post_crimes.sends_huge_ones)
    assert (run.state("culprit"), run.cell("culprit").why) == (CellState.FAILED, flood.FLOODS)
    assert flood.own_memory() - before < 256 << 20


@pytest.mark.parametrize("link", LINKS)
def test_a_few_letters_that_were_not_announced_are_dropped(court: Court, link: str) -> None:
    run = court(post_crimes.mutters, link=link, got=4)
    assert (run.console("culprit"), run.cell("culprit").why) == (b"all sent\n", "status 0")


def test_a_cell_that_leaves_its_messages_unread_is_ended_and_the_monitor_does_not_wait(court: Court) -> None:
    run = court(post_crimes.does_not_read, answers=4000)
    assert run.state("culprit") is CellState.FAILED
    assert run.cell("culprit").why == "protocol: does not read the messages that it is sent"
