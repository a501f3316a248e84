"""A paravirtual kernel as ARM code, in processes: de-privileged for real, on every board, beside others."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.live import Live

BOARDS = ("beagle", "evoke_qa4", "arm1176", "arm926", "pxa255")
STORY = b"""\
pv: a kernel in mode 00000010, its page table made by a batch of 3
pv: the kernel must not touch that: status 0000000f
pv: the table holds 00000000 there
pv: system call, VSPSR 60000010
pv: page fault at b0010000, status 00000007: mapped
pv: the process found 42 there
pv: an event, VSPSR 60000010, ports 00000008
pv: a process must not touch that: status 0000000b
pv: an instruction that is undefined in user mode
pv: the process is done
"""
"""Fault status 0xf: permission; 7: nothing there; 0xb: a domain that is shut (DDI 0406C, B3.13.3)."""
TRANSITIONS = ("t10", "t20", "t01", "t02")


def table(board: str = "beagle", **more: Any) -> dict[str, Any]:
    kernel = {"image": "pv_demo", "paravirtual": True, **more}
    return {"name": "pv", "board": board, "for": "100ms", "cells": {"kernel": kernel}}


@pytest.mark.parametrize("board", BOARDS)
def test_a_kernel_in_user_mode_tells_the_same_story_on_every_board(live: Live, board: str) -> None:
    run = live(table(board), flavour="xen")
    assert run.run().why == "finished"
    assert run.console("kernel").replace(b"\r", b"") == STORY
    assert run.state("kernel") == "shut down"


def test_the_trace_does_not_depend_on_the_transport(live: Live) -> None:
    hashes = set()
    for link in ("shm", "zmq"):
        run = live(table(), flavour="xen", link=link)
        run.run()
        hashes.add(run.trace_hash)
    assert len(hashes) == 1


def test_who_leaves_comes_back(live: Live) -> None:
    run = live(table(args="do=syscall times=100"), flavour="xen")
    run.run()
    count = {name: run.monitor.ledger.counted("kernel", name) for name in TRANSITIONS}
    assert count["t10"] + count["t20"] == count["t01"] + count["t02"] + 1, "the last call ends the cell"
    assert count["t20"] == 103, "marks and the end are system calls too"


def test_two_kernels_and_a_python_guest_share_a_board(live: Live) -> None:
    cells = {
        "one": {"image": "pv_demo", "paravirtual": True},
        "two": {"image": "pv_demo", "paravirtual": True, "ram": "2MiB"},
        "three": {"guest": "cells.programs.counter:main"},
    }
    run = live({"name": "pv", "board": "beagle", "for": "50ms", "cells": cells}, flavour="xen")
    run.run()
    assert run.console("one") == run.console("two") == STORY
    run.monitor.check_invariants()


def test_a_kernel_that_is_killed_leaves_a_clean_account_and_starts_again(live: Live) -> None:
    cells = {
        "kernel": {"image": "pv_demo", "paravirtual": True, "on_crash": "restart", "args": "do=syscall times=1000000"}
    }
    run = live({"name": "pv", "board": "beagle", "for": "50ms", "cells": cells}, flavour="xen")
    run.until("5ms")
    run.kill("kernel")
    run.until("10ms")
    run.monitor.check_invariants()
    assert run.cell("kernel").account.restarts == 1
    assert run.state("kernel") != "failed"
