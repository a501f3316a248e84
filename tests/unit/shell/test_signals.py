"""Signals end a run at its next turn; a second one, or a run that takes no turn, is cut off."""

from __future__ import annotations

import os
import signal

import pytest

from hypervisor.shell import signals
from hypervisor.shell.signals import Signals


def send(number: int) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_the_first_signal_only_asks(number: int, status: int) -> None:
    asked = []
    with Signals() as caught:
        with caught.ending(lambda: asked.append(True)):
            send(number)
            assert asked == [True]
        assert caught.status == status


def test_a_second_signal_cuts_off_and_the_first_one_is_the_status() -> None:
    reached = False
    with Signals() as caught:
        with caught.ending(lambda: None):
            send(signal.SIGTERM)
            send(signal.SIGINT)
            reached = True
        assert caught.status == 143
    assert not reached


def test_a_terminal_that_goes_away_says_so_more_than_once() -> None:
    with Signals() as caught, caught.ending(lambda: None):
        send(signal.SIGHUP)
        send(signal.SIGHUP)
        assert caught.status == 129


def test_a_run_that_takes_no_turn_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "PATIENCE_S", 0.01)
    with Signals() as caught:
        with caught.ending(lambda: None):
            send(signal.SIGINT)
            signal.pause()
        assert caught.status == 130


def test_outside_of_a_drive_a_signal_is_an_interrupt() -> None:
    with Signals(), pytest.raises(KeyboardInterrupt):
        send(signal.SIGHUP)


def test_without_a_signal_the_status_is_0_and_the_handlers_are_given_back() -> None:
    before = [signal.getsignal(number) for number in (*signals.ENDING, signal.SIGALRM)]
    with Signals() as caught, caught.ending(lambda: None):
        pass
    assert caught.status == 0
    assert [signal.getsignal(number) for number in (*signals.ENDING, signal.SIGALRM)] == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
