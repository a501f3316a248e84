"""wren as a task of the microkernel, with its real processes: what they say, what happens for that, and what ends it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.live import Live

BOARDS = ("beagle", "arm1176", "pxa255")
"""ARMv7, v6 and v5."""
PROGRAMS = "init=/bin/init /bin/files /bin/signals"


def table(board: str = "beagle", args: str = PROGRAMS, **more: Any) -> dict[str, Any]:
    kernel = {"image": "wren", "initrd": "wren", "ram": "16MiB", "args": args, **more}
    return {"name": "wren", "board": board, "for": "5s", "cells": {"wren": kernel}}


def counted(run: Any, *names: str) -> dict[str, int]:
    return {name: run.monitor.ledger.counted("wren", name) for name in names}


@pytest.mark.parametrize("board", BOARDS)
def test_its_processes_say_what_they_say_on_the_bare_board(live: Live, board: str) -> None:
    said = {}
    for flavour in ("native", "l4"):
        run = live(table(board), flavour=flavour)
        assert run.run().why == "finished"
        said[flavour] = run.console("wren").replace(b"\r", b"")
    assert said["l4"] == said["native"]
    assert said["l4"].endswith(b"init: end, worst 0\n")


def test_a_system_call_is_two_messages_of_all_registers_and_two_switches(live: Live) -> None:
    def calls(times: int) -> dict[str, int]:
        run = live(table(args=f"init=/bin/init /bin/bench,null,{times}"), flavour="l4")
        assert run.run().why == "finished"
        return counted(run, "exception", "ipc", "space_switch", "map")

    few, many = calls(10), calls(110)
    more = {name: many[name] - few[name] for name in few}
    assert more == {"exception": 200, "ipc": 200, "space_switch": 200, "map": 0}


def test_a_process_that_never_calls_is_forced_in_by_its_signal_thread(live: Live) -> None:
    run = live(table(args="init=/bin/init /bin/waiting"), flavour="l4")
    assert run.run().why == "finished"
    assert b"computing: SIGKILL" in run.console("wren")
    assert counted(run, "exchange")["exchange"] > 0


def test_the_cache_is_flushed_where_domains_run_out_and_nowhere_else(live: Live) -> None:
    flushes = {}
    for board in ("pxa255", "arm1176"):
        run = live(table(board, args="init=/bin/init /bin/processes"), flavour="l4")
        assert run.run().why == "finished"
        flushes[board] = counted(run, "cache_flush", "task")
    assert flushes["arm1176"]["cache_flush"] == 0
    tasks, flushed = flushes["pxa255"]["task"], flushes["pxa255"]["cache_flush"]
    assert 0 < flushed <= tasks // 15


def test_the_trace_does_not_depend_on_the_transport(live: Live) -> None:
    hashes = set()
    for link in ("shm", "zmq"):
        run = live(table(args="init=/bin/init /bin/pipes"), flavour="l4", link=link)
        run.run()
        hashes.add(run.trace_hash)
    assert len(hashes) == 1


def test_killed_in_the_middle_it_begins_anew_and_leaves_nothing(live: Live) -> None:
    run = live(table(on_crash="restart"), flavour="l4")
    run.until("3ms")
    before = counted(run, "task")["task"]
    run.kill("wren")
    assert run.run().why == "finished"
    assert run.cell("wren").account.restarts == 1
    assert counted(run, "task")["task"] > 2 * before
    assert run.console("wren").count(b"init: begin") == 2
