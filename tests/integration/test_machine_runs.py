"""Events of operations on Debian's kernels, which go on from a snapshot of their boot."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from benchmarks import machine_runs
from benchmarks.guest_session import CELL, Counting, Said, Session
from hypervisor.shell.guests import available

KERNELS = ("debian:rpi", "debian:marvell", "debian:armmp")
LINES = ("./lat 30 200 pipe", "ps; cat /proc/interrupts", "ls -lR /dev /bin | md5sum")
"""Switches of address spaces; the timer's and the console's interrupts; a good part of the kernel."""

pytestmark = [
    pytest.mark.guests,
    pytest.mark.long,
    pytest.mark.skipif(not all(map(available, (*KERNELS, "debian:armel"))), reason="run scripts/fetch_guests first"),
]


def quiet(_text: str) -> None:
    """Nobody is told."""


class Recorded:
    """A session's lines of the trace behind a kind of record, what its orders answered, and its memory."""

    def __init__(self, session: Session, behind: bytes) -> None:
        self._lines: list[bytes] = []
        session.run.trace.on_chunk.append(lambda chunk: self._lines.extend(chunk.splitlines()))
        session.boot() if behind == b"mark" else session.go_on()
        self.said: list[Said] = [session.order(line) for line in LINES]
        memory = session.run.memory(CELL)
        self.memory = hashlib.sha256(memory).hexdigest()
        place = next(number for number, line in enumerate(self._lines) if b'"k":"' + behind + b'"' in line)
        self.trace = self._lines[place + 1 :]


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_kernel_that_goes_on_from_a_snapshot_is_the_unbroken_one(kernel: str, tmp_path: Path) -> None:
    machine = machine_runs.machine_of(kernel, quiet)
    with machine.session(Counting(), snapshot=tmp_path / "booted.snap") as session:
        unbroken = Recorded(session, b"mark")
    with machine.session(Counting(), resume=tmp_path / "booted.snap") as session:
        resumed = Recorded(session, b"resumed")
    assert len(unbroken.trace) > 10
    assert resumed.trace == unbroken.trace
    assert resumed.said == unbroken.said
    assert resumed.memory == unbroken.memory


@pytest.mark.parametrize("kernel", KERNELS)
def test_an_operation_has_the_events_that_it_must_have(kernel: str) -> None:
    found = machine_runs.counts(kernel, ["null", "pipe", "fork_exit"], caches=True, report=quiet)
    null, pipe, fork = found["null"], found["pipe"], found["fork_exit"]
    assert null["svc"] == pytest.approx(1, abs=0.01)
    assert 100 < null["instructions"] < 200
    assert null["l1i_miss"] < 1
    assert (pipe["svc"], pipe["switches"]) == (pytest.approx(4, abs=0.05), pytest.approx(2, abs=0.05))
    assert fork["f_pgd_alloc"] == pytest.approx(1, abs=0.01)
    assert fork["f_set_pte"] >= 10
    assert fork["cold_i"] > pipe["cold_i"] > null["cold_i"] > 0
