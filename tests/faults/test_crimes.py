"""A test for each crime of a guest: it ends as the rules say, the monitor is sound, and the neighbour notices nothing.

The culprits (tests/support/hostile.py) have taken over their process, in its sandbox. The neighbour is a witness who says the
same whoever else runs.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from typing import Any

import pytest

from hypervisor.abi.hypercalls import Hypercall
from hypervisor.abi.records import ExitKind
from hypervisor.abi.time import NEVER
from hypervisor.api import Run
from hypervisor.core.calls.basic import METRICS_LIMIT
from hypervisor.core.cell import CellState
from hypervisor.shell.cellhost import Patience
from hypervisor.shell.report import summarise
from tests.support import hostile
from tests.support.guests import testimony as what_a_witness_says
from tests.support.live import Live

pytestmark = pytest.mark.slow

SHORT = Patience(backstop=0.4, hello=30.0)
"""In place of ten seconds; a crime that needs the backstop needs no more."""
IMPATIENT = Patience(backstop=0.4, hello=4.0)
"""For a cell that never says hello; its honest neighbour must manage that on a busy host."""
TIME = "300ms"
LINKS = pytest.mark.parametrize("link", ["shm", "zmq"])

Court = Callable[..., Run]


@pytest.fixture
def court(live: Live) -> Court:
    """Runs a culprit beside a witness, and sees that the witness was not disturbed."""

    def hear(culprit: dict[str, Any], time: str = TIME, **options: Any) -> Run:
        table = {
            "name": "court",
            "board": "arm926",
            "scheduler": {"policy": "round_robin", "slice": "1ms"},
            "cells": {"culprit": culprit, "witness": {"guest": "tests.support.guests:witness"}},
        }
        run = live(table, **{"patience": SHORT, **options})
        run.until(time)
        run.monitor.check_invariants()
        assert run.console("witness") == what_a_witness_says()
        assert (run.state("witness"), run.cell("witness").why) == (CellState.SHUT_DOWN, "status 7")
        return run

    return hear


def guest(crime: Callable[..., None], *arguments: object) -> dict[str, Any]:
    return {"guest": f"tests.support.hostile:{crime.__name__}", "args": list(arguments)}


def assert_ended(run: Run, why: str) -> None:
    """The culprit got to its crime, and was ended for it."""
    assert run.console("culprit").startswith(hostile.HONEST)
    assert run.state("culprit") is CellState.FAILED
    assert re.match(why, run.cell("culprit").why), run.cell("culprit").why


def assert_alive(run: Run) -> None:
    assert run.state("culprit") in (CellState.RUNNING, CellState.BLOCKED)


# It does not come back.


@LINKS
def test_a_guest_that_spins_outside_of_its_port_is_ended_by_the_backstop(court: Court, link: str) -> None:
    assert_ended(court(guest(hostile.spins), link=link), "backstop: spins without end")


@LINKS
def test_a_guest_that_sleeps_on_the_host_is_ended_by_the_backstop(court: Court, link: str) -> None:
    assert_ended(court(guest(hostile.sleeps), link=link), "backstop: sleeps without end")


def test_a_guest_that_naps_instead_of_sleeping_is_ended_by_the_backstop(court: Court) -> None:
    assert_ended(court(guest(hostile.naps)), "backstop: sleeps without end")


def test_a_sandboxed_guest_cannot_stop_itself(court: Court) -> None:
    assert_ended(court(guest(hostile.stops)), "guest fault: PermissionError|process ended|backstop")


def test_a_guest_that_stops_itself_without_a_sandbox_is_ended(court: Court) -> None:
    assert_ended(court(guest(hostile.stops), sandbox=False), "backstop: stopped on the host")


@LINKS
def test_a_cell_that_is_stopped_on_the_host_while_it_sleeps_is_ended_when_it_is_its_turn(live: Live, link: str) -> None:
    cells = {"culprit": guest(hostile.floods_the_console), "witness": {"guest": "tests.support.guests:witness"}}
    run = live({"name": "court", "board": "arm926", "cells": cells}, link=link)
    run.until("500us")
    process = run.hosts[0].process
    assert process is not None
    os.kill(process.pid, signal.SIGSTOP)
    run.until("500ms")
    assert_ended(run, "backstop: stopped on the host")
    assert run.console("witness") == what_a_witness_says()


@LINKS
def test_a_guest_that_ends_its_process_is_noticed_with_its_status(court: Court, link: str) -> None:
    assert_ended(court(guest(hostile.dies), link=link), "process ended: exit code 3$")


def test_what_a_process_printed_before_it_aborted_is_in_the_account(court: Court) -> None:
    run = court(guest(hostile.aborts))
    assert_ended(run, "process ended: killed by SIGABRT$")
    said = summarise(run).host.cells["culprit"].said
    assert said.startswith("no threads \\x1b[2J left\nat all\nFatal Python error: Aborted\n")


def test_a_guest_that_leaves_past_the_runtime_is_noticed(court: Court) -> None:
    assert_ended(court(guest(hostile.leaves)), "process ended: exit code 5$")


# It lies.

LIES = [
    ("seq", 1),
    ("seq", 1 << 40),
    ("kind", 9),
    ("kind", 1 << 33),
    ("time", -1),
    ("time", 1 << 30),
    ("time", 1 << 62),
    ("cycles", NEVER + 1),
    ("deadline", NEVER + 1),
    ("deadline", (1 << 64) - 1),
]


@LINKS
@pytest.mark.parametrize(("field", "value"), LIES)
def test_a_record_that_cannot_be_true_ends_its_cell(court: Court, link: str, field: str, value: int) -> None:
    run = court(guest(hostile.lies, field, value), link=link)
    assert_ended(run, "protocol: ")
    assert b"it went through" not in run.console("culprit")


@LINKS
@pytest.mark.parametrize("field", ["output", "data"])
def test_a_record_with_more_bytes_than_fit_ends_its_cell(court: Court, link: str, field: str) -> None:
    assert_ended(court(guest(hostile.lies, field, 1025), link=link), "protocol: |guest fault: |process ended")


@LINKS
@pytest.mark.parametrize("field", ["a0", "a1", "a2", "a3", "insns", "irqs", "cycles"])
def test_a_field_that_means_nothing_here_may_be_anything(court: Court, link: str, field: str) -> None:
    run = court(guest(hostile.lies, field, (1 << 62) - 1), link=link)
    assert b"it went through" in run.console("culprit")
    ran = run.cell("culprit").account
    assert max(ran.ran, ran.insns, ran.interrupts) <= run.now


@LINKS
def test_a_second_hello_ends_the_cell(court: Court, link: str) -> None:
    assert_ended(court(guest(hostile.says_hello_again), link=link), "protocol: ")


@LINKS
@pytest.mark.parametrize("kind", [ExitKind.OUTPUT, ExitKind.WAIT, ExitKind.BUDGET])
def test_a_cell_cannot_hold_the_time_by_exits_that_take_none(court: Court, link: str, kind: ExitKind) -> None:
    assert_ended(court(guest(hostile.stalls, int(kind)), link=link), "protocol: ")


# It spoils what it shares with the monitor.


@pytest.mark.parametrize("value", [0, 1, 0x40, 0x7F, 0xFF])
@pytest.mark.parametrize("at", [0, 0x1000], ids=["from the doorbell", "from the record"])
def test_a_cell_that_writes_all_over_its_page_harms_itself_at_most(court: Court, at: int, value: int) -> None:
    run = court(guest(hostile.scribbles, at, value))
    assert run.console("culprit").startswith(hostile.HONEST)


def test_lengths_that_lead_out_of_the_page_end_the_cell(court: Court) -> None:
    assert_ended(court(guest(hostile.claims_too_much)), "protocol: ")


def test_a_record_that_changes_while_it_is_read_harms_its_cell_only(court: Court) -> None:
    assert_ended(court(guest(hostile.rewrites)), "")


@pytest.mark.parametrize("what", list(hostile.MESSAGES))
def test_a_message_that_is_no_record_ends_its_cell(court: Court, what: str) -> None:
    run = court(guest(hostile.sends, what), link="zmq")
    assert_ended(run, "protocol: ")


def test_a_flood_of_messages_ends_its_cell(court: Court) -> None:
    assert_ended(court(guest(hostile.floods), link="zmq"), "protocol: ")


@LINKS
def test_a_cell_that_answers_twice_is_ended_or_not_heard(court: Court, link: str) -> None:
    run = court(guest(hostile.answers_twice), link=link)
    assert run.console("culprit").startswith(hostile.HONEST)
    if run.state("culprit") is CellState.FAILED:
        assert run.cell("culprit").why.startswith("protocol: ")


# It never begins.

TRAPS = {
    "dies": "process ended: exit code 3",
    "is killed": "killed",
    "raises": "process ended: exit code 1",
    "sleeps": "did not become ready",
    "spins": "did not become ready",
}


WAITED_FOR = ("sleeps", "spins")
"""Seconds of the host each: over one transport, for nobody has used it yet."""


@pytest.mark.parametrize(
    ("trap", "link"),
    [(trap, link) for trap in TRAPS for link in ("shm", "zmq") if link == "shm" or trap not in WAITED_FOR],
)
def test_a_cell_that_fails_before_its_hello_is_named(court: Court, link: str, trap: str) -> None:
    run = court({"guest": "python"}, guests={"culprit": hostile.Trap(trap)}, link=link, patience=IMPATIENT)
    assert run.state("culprit") is CellState.FAILED
    assert run.cell("culprit").why.startswith(TRAPS[trap])
    assert run.console("culprit") == b""


def test_a_cell_that_dies_before_its_hello_each_time_is_started_again_as_often_as_asked(live: Live) -> None:
    culprit = {"guest": "python", "on_crash": "restart", "max_restarts": 5}
    cells = {"culprit": culprit, "witness": {"guest": "tests.support.guests:witness"}}
    table = {"name": "court", "board": "arm926", "cells": cells}
    run = live(table, guests={"culprit": hostile.Trap("dies")})
    run.until(TIME)
    assert run.cell("culprit").why == "process ended: exit code 3; gave up after 5 restarts"
    assert run.console("witness") == what_a_witness_says()


# It fails by honest means.


def test_a_guest_that_raises_is_named_with_its_error_and_line(court: Court) -> None:
    assert_ended(court(guest(hostile.raises, "plain")), r"guest fault: ValueError: a plain one \(line \d+ of raises\)$")


def test_an_endless_error_is_cut_off(court: Court) -> None:
    run = court(guest(hostile.raises, "long"))
    assert_ended(run, "guest fault: ValueError: xxx")
    assert len(run.cell("culprit").why) < 2000


def test_an_error_that_cannot_be_told_is_an_end_all_the_same(court: Court) -> None:
    assert_ended(court(guest(hostile.raises, "odd")), "guest fault: UnspeakableError|process ended")


CRASHES = {
    "kind=undefined": (129, b"undefined instruction at 0000"),
    "kind=svc": (130, b"supervisor call at 0000"),
    "kind=jump": (131, b"prefetch abort at e0000000"),
    "kind=jump address=0x3f000000": (131, b"prefetch abort at 3f000000"),
    "kind=jump address=0xfffffffc": (131, b"prefetch abort at fffffffc"),
    "kind=read": (132, b"data abort at 0000"),
    "kind=write": (132, b"data abort at 0000"),
    "kind=read address=0x10000000": (132, b"data abort at 0000"),
}
"""What the image's own handler of exceptions says."""


@LINKS
@pytest.mark.parametrize("arguments", list(CRASHES))
def test_an_image_that_breaks_a_rule_of_its_processor_gets_an_exception(
    court: Court, link: str, arguments: str
) -> None:
    run = court({"image": "crash", "args": arguments}, link=link)
    status, text = CRASHES[arguments]
    assert run.console("culprit").startswith(b"crash: here it comes\r\nguest fault: " + text)
    assert (run.state("culprit"), run.cell("culprit").why) == (CellState.SHUT_DOWN, f"status {status}")


def test_exceptions_without_end_take_their_cells_time(court: Court) -> None:
    run = court({"image": "crash", "args": "kind=storm"}, time="30ms")
    assert_alive(run)


def test_an_image_that_spins_with_all_interrupts_masked_only_uses_its_share(court: Court) -> None:
    run = court({"image": "crash", "args": "kind=spin"})
    assert_alive(run)


# It wants too much.


def test_a_flood_on_the_console_takes_its_cells_time_and_a_bounded_place(court: Court) -> None:
    run = court(guest(hostile.floods_the_console))
    assert_alive(run)
    assert len(run.console("culprit")) <= 1 << 20


def test_a_write_beyond_its_memory_ends_the_cell(court: Court) -> None:
    assert_ended(court(guest(hostile.writes_at_once)), "guest fault: MemoryError|process ended|backstop")


@pytest.mark.parametrize(
    ("number", "link"),
    [
        (0, "shm"),
        (Hypercall.YIELD, "zmq"),
        (Hypercall.TIME, "shm"),
        (Hypercall.HEARTBEAT, "zmq"),
        (Hypercall.IRQ_ACK, "shm"),
        (4711, "zmq"),
    ],
)
def test_a_storm_of_hypercalls_takes_its_cells_time(court: Court, number: int, link: str) -> None:
    run = court(guest(hostile.storms, int(number)), link=link, time="25ms")
    assert_alive(run)
    assert run.cell("culprit").account.exits["hypercall"] > 1000


def test_devices_and_lines_of_others_are_refused(court: Court) -> None:
    run = court(guest(hostile.pries))
    assert run.console("culprit").endswith(b"nothing to be had\n")


@LINKS
def test_ten_thousand_metrics_are_refused_from_the_sixty_fifth_on(court: Court, link: str) -> None:
    run = court(guest(hostile.measures_everything), link=link)
    assert run.console("culprit").endswith(b"refused %d\n" % (10_000 - METRICS_LIMIT))
    assert len(run.cell("culprit").account.metrics) == METRICS_LIMIT
    assert len(run.summary().cells["culprit"].metrics) == METRICS_LIMIT


@pytest.mark.parametrize("cores", [1, 2])
def test_a_heartbeat_that_stops_ends_the_cell_one_period_later(live: Live, cores: int) -> None:
    culprit = {"guest": "tests.support.guests:beating", "args": [5], "heartbeat": "3ms"}
    cells = {"culprit": culprit, "witness": {"guest": "tests.support.guests:witness"}}
    scheduler = {"policy": "round_robin", "slice": "1ms"}
    table = {"name": "court", "board": "arm926", "scheduler": scheduler, "cells": cells}
    run = live(table, overrides=[f"board.cores={cores}"])
    run.until("6ms")
    assert_alive(run)
    run.until("20ms")
    assert run.cell("culprit").why == "heartbeat missed"
    run.until(TIME)
    assert run.console("witness") == what_a_witness_says()
