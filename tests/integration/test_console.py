"""A person at a terminal: raw keys both ways, a second terminal, leaving, and a terminal that is as it was before."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path

import pytest

from tests.support.house import furnish
from tests.support.session import Session, cellvisor

pytestmark = pytest.mark.slow

LEAVE = "\x1d"


def at_home(place: Path, *options: str) -> Session:
    """The house on a terminal, with its guest ready."""
    session = Session("run", str(furnish(place)), *options, place=place)
    session.expect(r"console of echo; Ctrl-\] leaves and ends the run\r\nready")
    return session


def test_every_key_goes_to_the_guest_and_the_terminal_is_given_back(place: Path) -> None:
    with at_home(place) as session:
        for key, shown in {"a": "<61>", "\x03": "<03>", "\x1a": "<1a>", "\x7f": "<7f>", "\r": "<0d>"}.items():
            session.type(key)
            session.expect(shown)
        assert not session.echoes()
        session.type(LEAVE)
        session.expect(r"house: okl4 on arm926, seed 1")
        session.expect(r"virtual time .*, ended: by its user\r\n")
        assert session.wait() == 0
        assert session.echoes()
    assert list(place.glob("cellvisor-*")) == []


def test_a_second_terminal_is_the_same_console_and_leaves_the_run_alone(place: Path) -> None:
    with at_home(place) as first, Session("console", "echo", place=place) as second:
        second.expect(r"console of echo of house \(process \d+\); Ctrl-\] leaves\r\n.*ready")
        second.type("x")
        second.expect("<78>")
        first.expect("<78>")
        first.type("y")
        second.expect("<79>")
        second.type(LEAVE)
        assert second.wait() == 0
        assert second.echoes()
        first.type("z")
        first.expect("<7a>")
        with Session("console", "echo", place=place) as third:
            third.expect("<78>(.|\n)*<79>(.|\n)*<7a>")  # what was said before it came
            first.type(LEAVE)
            third.expect(r"\[the run has ended\]")
            assert third.wait() == 0


def test_a_cell_that_is_killed_from_elsewhere_is_told_of_and_is_no_failure(place: Path) -> None:
    with at_home(place) as session:
        done = cellvisor("kill", "echo", place=place)
        assert (done.returncode, done.stdout) == (0, "echo: failed (killed)\n")
        session.expect(r"\[echo: failed \(killed\)\]")
        assert cellvisor("restart", "echo", place=place).returncode == 0
        session.expect("ready")
        session.type("b")
        session.expect("<62>")
        assert cellvisor("kill", "clock", place=place).returncode == 0
        session.type(LEAVE)
        session.expect("clock: killed")
        assert session.wait() == 0


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)])
def test_a_signal_ends_the_run_with_its_account_and_a_whole_terminal(
    place: Path, number: signal.Signals, status: int
) -> None:
    with at_home(place) as session:
        os.kill(session.process.pid, number)
        session.expect("house: okl4 on arm926")
        assert session.wait() == status
        assert session.echoes()
    assert list(place.glob("cellvisor-*")) == []


def test_a_session_at_the_terminal_is_replayed_key_by_key(place: Path) -> None:
    with at_home(place, "--out", "out") as session:
        for key in "hello":
            session.type(key)
            session.expect(f"<{ord(key):02x}>")
        assert cellvisor("pause", "clock", place=place).returncode == 0
        assert cellvisor("kill", "echo", place=place).returncode == 0
        session.type(LEAVE)
        assert session.wait() == 0
    sha256 = json.loads((place / "out/summary.json").read_text())["trace_sha256"]
    assert re.fullmatch(r"(<..>|ready|\s)*", (place / "out/console/echo.log").read_text())
    again = cellvisor("replay", "out", place=place)
    assert again.returncode == 0, again.stdout
    assert again.stdout.endswith(f"sha256 {sha256}\n")


@pytest.mark.long
@pytest.mark.quiet
def test_keys_are_answered_within_fifty_milliseconds(place: Path) -> None:
    """The guest looks each 5 ms. The median: a busy machine may be late at times."""
    from time import monotonic

    with at_home(place) as session:
        took = []
        for key in "abcdefghijklmnopqrstuvwxyz":
            began = monotonic()
            session.type(key)
            session.expect(f"<{ord(key):02x}>")
            took.append(monotonic() - began)
        assert sorted(took)[len(took) // 2] < 0.05
