"""Servers of cells that are forked from a warm one: like those that are started, and gone with whoever made them."""

from __future__ import annotations

import os
import pickle
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from hypervisor.api import launch
from hypervisor.shell import processes
from hypervisor.shell.nursery import Nursery
from hypervisor.shell.processes import Zygote, ZygoteError
from tests.support.live import gone, until

pytestmark = pytest.mark.slow
TOPOLOGY = {"name": "forked", "board": "arm926", "cells": {"a": {"image": "hello"}}}


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with Nursery() as made:
        yield made


def a_hash() -> str:
    with launch(TOPOLOGY) as run:
        run.until("1ms")
    return run.trace_hash


def test_a_run_is_the_same_with_a_server_that_was_started_and_one_that_was_forked(
    nursery: Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "forked", nursery.zygote)
    forked = a_hash()
    monkeypatch.setattr(processes, "forked", None)
    assert a_hash() == forked


def test_it_is_where_the_monitor_may_be_and_ends_when_it_is_told(nursery: Nursery) -> None:
    before = os.sched_getaffinity(0)
    mine = {min(before)}
    os.sched_setaffinity(0, mine)
    try:
        zygote = nursery.zygote()
    finally:
        os.sched_setaffinity(0, before)
    assert zygote.pid is not None
    pidfd = os.pidfd_open(zygote.pid)
    with zygote:
        assert until(lambda: os.sched_getaffinity(zygote.pid or 0) == mine)
    assert gone([pidfd])


def test_it_ends_with_its_monitor_without_a_word(nursery: Nursery) -> None:
    zygote = nursery.zygote()
    assert zygote.pid is not None
    pidfd = os.pidfd_open(zygote.pid)
    zygote._link.close()  # as the kernel does for a monitor that was killed
    assert gone([pidfd])


def test_an_answer_for_a_monitor_that_is_no_more_is_nobodys(nursery: Nursery) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    order = {"name": "dead", "warm": (), "environment": {}, "directory": "/", "path": (), "cpus": (0,)}
    with ours, theirs:
        socket.send_fds(nursery._orders, [pickle.dumps(order)], [theirs.fileno(), 2])
        with nursery.zygote() as zygote:
            server = psutil.Process(zygote.pid)
            assert until(lambda: Path(server.cwd()) == Path.cwd())


def test_its_errors_go_where_those_of_its_run_go(nursery: Nursery, tmp_path: Path) -> None:
    errors, before = tmp_path / "run.err", os.dup(2)
    with errors.open("wb") as file:
        os.dup2(file.fileno(), 2)
        try:
            zygote = nursery.zygote()
        finally:
            os.dup2(before, 2)
            os.close(before)
    with zygote:
        assert until(lambda: Path(f"/proc/{zygote.pid}/fd/2").readlink() == errors)


def test_a_host_without_another_process_is_said_so_and_the_nursery_lives_on(monkeypatch: pytest.MonkeyPatch) -> None:
    with Nursery() as nursery:
        nursery.zygote().stop()
        most = resource.prlimit(nursery._process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(nursery._process.pid, resource.RLIMIT_NOFILE, (3, most[1]))  # it cannot take what it is handed
        with pytest.raises(ZygoteError, match="no process to give"):
            nursery.zygote()
        resource.prlimit(nursery._process.pid, resource.RLIMIT_NOFILE, most)
        nursery.zygote().stop()


def test_an_environment_that_is_too_long_for_an_order_is_a_new_processs(
    nursery: Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "forked", nursery.zygote)
    for name in "ABCDEFGH":
        monkeypatch.setenv(f"CELLVISOR_TEST_{name}", "x" * 100_000)
    with pytest.raises(ZygoteError, match="too long"):
        nursery.zygote()
    with processes.new_server() as zygote:
        assert until(lambda: "hypervisor.shell.zygote" in " ".join(psutil.Process(zygote.pid).cmdline()))


def test_a_server_whose_nursery_ended_before_it_could_say_so_knows_that() -> None:
    code = "import os, sys; from hypervisor.shell import nursery; nursery.watch_nursery(os.getppid() + int(sys.argv[1]), None)"
    found = [subprocess.run([sys.executable, "-c", code, other], check=False, capture_output=True) for other in "01"]
    assert [done.returncode for done in found] == [0, 1]
    assert b"OrphanedError" in found[1].stderr


def test_what_it_has_forked_dies_with_it_and_who_asks_then_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    nursery = Nursery()
    zygote = nursery.zygote()
    assert isinstance(zygote, Zygote)
    assert zygote.pid is not None
    pidfd = os.pidfd_open(zygote.pid)
    os.kill(nursery._process.pid, signal.SIGKILL)
    assert gone([pidfd])
    zygote.stop()
    with pytest.raises(ZygoteError, match="has ended"):
        nursery.zygote()
    monkeypatch.setattr(processes, "forked", nursery.zygote)
    assert a_hash()  # by a server that was started: the runs that follow are not lost with the nursery
    nursery.close()
