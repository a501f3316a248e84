"""The topology `storage` in real processes: a file is copied through the driver domain, which is killed in the middle."""

from __future__ import annotations

import os
import random
import signal
import zlib

import pytest

from hypervisor.api import Run
from tests.support.live import Live

pytestmark = pytest.mark.slow

FLAVOURS = ["okl4", "l4", "xen"]
KIBIBYTES = 8
CHECKSUM = zlib.crc32(random.Random(1).randbytes(KIBIBYTES << 10))


def launch(live: Live, flavour: str, *more: str) -> Run:
    overrides = [f"cells.client.args=[{KIBIBYTES}]", f"flavour={flavour}", *more]
    return live("storage", overrides=overrides)


def finish(run: Run) -> None:
    """Until the client has copied and checked its file."""
    run.until("6s")  # an erase takes one, and a new driver waits for one that is under way
    assert run.console("client") == b"copied %d KiB, checksum %08x\n" % (KIBIBYTES, CHECKSUM)


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_file_is_copied_through_the_driver_domain(live: Live, flavour: str) -> None:
    finish(launch(live, flavour))


def kill(run: Run, cell: str) -> None:
    """kill -9 of the cell's process as it is now."""
    process = run.hosts[run.cell(cell).index].process
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("time", ["300ms", "1.02s"])
@pytest.mark.parametrize("flavour", FLAVOURS)
def test_kill_9_of_the_driver_domain_in_the_middle_changes_no_byte(live: Live, flavour: str, time: str) -> None:
    run = launch(live, flavour)
    run.until(time)
    assert run.console("client") == b""
    kill(run, "storage")
    finish(run)
    assert run.cell("storage").account.restarts == 1


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_it_survives_one_death_after_another(live: Live, flavour: str) -> None:
    run = launch(live, flavour, "cells.storage.max_restarts=50")
    for death in range(8):
        time = run.cycles("1.005s") + death * run.cycles("17ms")
        run.plan_kill("storage", time)
        run.until(time + run.cycles("1ms"))
        assert run.console("client") == b"", "it has finished already"
    finish(run)
    assert run.cell("storage").account.restarts == 8


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_client_that_dies_leaves_a_back_end_that_serves_the_next_one(live: Live, flavour: str) -> None:
    run = launch(live, flavour, "cells.client.on_crash=restart")
    run.plan_kill("client", run.cycles("1.02s"))
    finish(run)
    assert run.cell("client").account.restarts == 1


@pytest.mark.long
def test_it_runs_on_nand_as_well(live: Live) -> None:
    run = launch(live, "okl4", 'cells.storage.devices=["nand0"]')
    run.plan_kill("storage", run.cycles("60ms"))
    finish(run)
    assert run.cell("storage").account.restarts == 1
