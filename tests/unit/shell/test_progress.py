"""Progress: a live line on a terminal, lines in a log if asked for, and otherwise nothing; never a thread."""

from __future__ import annotations

import io
import threading
from collections.abc import Mapping

import pytest
from rich.console import Console

from hypervisor.abi.time import NEVER
from hypervisor.shell.progress import LINE_SECONDS, LIVE_SECONDS, Progress

HZ = 1_000_000


class Clock:
    """The host's time, as the test wants it."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def states() -> Mapping[str, str]:
    return {"linux": "running", "brew": "blocked"}


def never_asked() -> Mapping[str, str]:
    raise AssertionError("nothing is shown, so nothing should be asked")


def log(stream: io.StringIO) -> Console:
    return Console(file=stream, width=80)


def terminal(stream: io.StringIO) -> Console:
    return Console(file=stream, width=80, force_terminal=True, color_system=None, _environ={"TERM": "xterm"})


def test_without_a_terminal_nothing_is_printed() -> None:
    stream, clock = io.StringIO(), Clock()
    with Progress(HZ, 2 * HZ, console=log(stream), clock=clock) as progress:
        clock.now += 1_000
        progress.tick(HZ, 1_000, never_asked)
    assert stream.getvalue() == ""


def test_without_a_terminal_lines_come_every_few_seconds_if_asked_for() -> None:
    stream, clock = io.StringIO(), Clock()
    with Progress(HZ, 2 * HZ, console=log(stream), lines=True, clock=clock) as progress:
        clock.now += LINE_SECONDS - 0.1
        progress.tick(1, 1, never_asked)
        clock.now += 0.1
        progress.tick(500_000, 760_000_000, states)
        progress.tick(600_000, 760_000_001, never_asked)
        clock.now += LINE_SECONDS
        progress.tick(1_500_000, 770_000_000, states)
    assert stream.getvalue() == (
        "0.500 s of 2.00 s  25%  152 MIPS  0.10x  linux running  brew blocked\n"
        "1.500 s of 2.00 s  75%  2 MIPS  0.20x  linux running  brew blocked\n"
    )


def test_a_run_without_an_end_shows_no_percentage() -> None:
    stream, clock = io.StringIO(), Clock()
    with Progress(HZ, NEVER, console=log(stream), lines=True, clock=clock) as progress:
        clock.now += LINE_SECONDS
        progress.tick(500_000, 0, states)
    assert stream.getvalue().startswith("0.500 s  0 MIPS  0.10x  linux")


def test_on_a_terminal_the_line_is_live_and_gone_at_the_end() -> None:
    stream, clock = io.StringIO(), Clock()
    with Progress(HZ, 2 * HZ, console=terminal(stream), clock=clock) as progress:
        before = stream.getvalue()
        progress.tick(1, 1, never_asked)
        assert stream.getvalue() == before
        clock.now += LIVE_SECONDS
        progress.tick(500_000, 0, states)
        assert "0.500 s of 2.00 s  25%" in stream.getvalue()
        assert "\x1b[?25l" in stream.getvalue()
    ended = stream.getvalue()
    assert "\x1b[?25h" in ended
    assert ended.rindex("\x1b[2K") > ended.rindex("0.500 s")


def test_a_long_line_is_cut_and_stays_one_line() -> None:
    stream, clock = io.StringIO(), Clock()
    with Progress(HZ, console=terminal(stream), clock=clock) as progress:
        clock.now += LIVE_SECONDS
        before = len(stream.getvalue())
        progress.tick(1, 0, lambda: {f"cell_number_{number}": "running" for number in range(20)})
        assert "\n" not in stream.getvalue()[before:]


def test_an_interrupted_run_gives_the_terminal_back() -> None:
    stream = io.StringIO()
    with pytest.raises(KeyboardInterrupt), Progress(HZ, console=terminal(stream)):
        raise KeyboardInterrupt
    assert stream.getvalue().rindex("\x1b[?25h") > stream.getvalue().rindex("\x1b[?25l")


def test_no_thread_is_started() -> None:
    before = threading.active_count()
    with Progress(HZ, console=terminal(io.StringIO())):
        assert threading.active_count() == before


def test_a_terminal_that_is_a_console_of_a_cell_or_dumb_shows_nothing() -> None:
    stream, clock = io.StringIO(), Clock()
    dumb = Console(file=stream, force_terminal=True, _environ={"TERM": "dumb"})
    for progress in (
        Progress(HZ, console=terminal(stream), enabled=False, lines=True, clock=clock),
        Progress(HZ, console=dumb, clock=clock),
    ):
        with progress:
            clock.now += 1_000
            progress.tick(1, 1, never_asked)
    assert stream.getvalue() == ""
