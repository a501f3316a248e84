"""The Python interface: closures as guests, driving through time, operating, looking, physical devices, policies."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from hypervisor import launch
from tests.support.live import Live

pytestmark = pytest.mark.slow
SP804_LOAD, SP804_CONTROL, SP804_CLEAR = 0x00, 0x08, 0x0C
PERIODIC_WITH_INTERRUPT = 0x80 | 0x40 | 0x20 | 0x02


def python_cells(*names: str, **more: dict[str, Any]) -> dict[str, Any]:
    """A topology of Python guests; `more`: further keys of a cell by its name."""
    return {
        "name": "test",
        "board": "arm926",
        "cells": {name: {"guest": "python", **more.get(name, {})} for name in names},
    }


def test_a_closure_runs_in_a_cell_and_what_it_captured_goes_along(live: Live):
    rounds, word = 3, {"hello": "world"}

    def guest(port, *_):
        for number in range(rounds):
            port.work(1_000)
            port.print(number, word["hello"])

    run = live(python_cells("a"), guests={"a": guest})
    assert run.until("1s").why == "finished"
    assert run.console("a") == b"0 world\n1 world\n2 world\n"
    assert run.state("a") == "shut down"


def test_virtual_time_stands_still_between_calls(live: Live):
    def guest(port):
        while True:
            port.sleep("1ms")

    run = live(python_cells("a"), guests={"a": guest})
    run.until("5ms")
    first = run.now
    assert run.now == first == run.cycles("5ms")
    run.until("7ms")
    assert run.now == run.cycles("7ms")


def test_a_guest_hears_what_is_typed_and_answers(live: Live):
    def echo(port):
        while True:
            port.write(b"heard " + port.read_line())

    run = live(python_cells("a"), guests={"a": echo})
    assert run.until("1ms").why == "reached"
    run.type_text("a", "one\n")
    run.until("2ms")
    run.type_text("a", "two\n")
    run.until("3ms")
    assert run.console("a") == b"heard one\nheard two\n"


def test_a_guest_that_raises_is_a_failed_cell_with_the_reason(live: Live):
    def guest(port):
        port.work(10)
        raise ValueError("no more")

    run = live(python_cells("a"), guests={"a": guest})
    assert run.until("1s").why == "finished"
    assert run.state("a") == "failed"
    assert run.cell("a").why.startswith("guest fault: ValueError: no more (line ")


def test_pause_unpause_kill_and_restart_do_what_they_say(live: Live):
    def counting(port):
        count = 0
        while True:
            port.work(port.cycles("1ms"))
            count += 1
            port.report("count", count)

    run = live(python_cells("a", "b"), guests={"a": counting, "b": counting})
    run.until("20ms")
    run.pause("a")
    held = run.cell("a").account.ran
    run.until("40ms")
    assert run.state("a") == "paused"
    assert run.cell("a").account.ran == held
    run.unpause("a")
    run.until("60ms")
    assert run.cell("a").account.ran > held
    run.kill("b")
    assert (run.state("b"), run.cell("b").why) == ("failed", "killed")
    run.restart("b")
    run.until("80ms")
    assert run.state("b") == "running"
    assert run.cell("b").account.metrics["count"][1] == 1, "it counts from one again"


def test_a_python_guest_drives_a_physical_timer_and_gets_its_interrupts(live: Live):
    def guest(port, base):
        port.store(base + SP804_LOAD, 500)  # a tick of the board's 1 MHz clock is 1 us
        port.store(base + SP804_CONTROL, PERIODIC_WITH_INTERRUPT)
        times = []
        for _ in range(3):
            line = port.wait_irq()
            times.append(port.now)
            port.store(base + SP804_CLEAR, 1)
            port.end_irq(line)
        port.print([round((b - a) / port.cycles("1us")) for a, b in pairwise(times)])

    topology = python_cells("a", a={"devices": ["timer1"], "args": [0xF10E0000]})
    run = live(topology, guests={"a": guest})
    assert run.until("1s").why == "finished"
    assert run.console("a") == b"[500, 500]\n"


def test_a_device_of_another_cell_is_refused(live: Live):
    def thief(port, base):
        port.print("stole", port.load(base))

    topology = python_cells("owner", "thief", owner={"devices": ["timer1"]}, thief={"args": [0xF10E0000]})
    run = live(topology, guests={"owner": lambda port: port.sleep("1s"), "thief": thief})
    run.until("10ms")
    assert run.console("thief") == b"stole 0\n"


@pytest.mark.parametrize("policy", ["round_robin", "fixed_priority"])
def test_affinity_and_policy_hold_on_two_cores(live: Live, policy: str):
    def hog(port):
        while True:
            port.work(100_000)

    topology = python_cells("a", "b", "c", a={"cores": [0]}, b={"cores": [1]}, c={"cores": [1]})
    topology["scheduler"] = {"policy": policy}
    run = live(topology, guests=dict.fromkeys("abc", hog), overrides=["board.cores=2"])
    run.until("100ms")
    ran = {name: run.cell(name).account.ran / run.now for name in "abc"}
    assert ran["a"] > 0.99
    assert 0.98 < ran["b"] + ran["c"] < 1.01


def test_a_partition_gets_its_window_and_no_more(live: Live):
    def hog(port):
        while True:
            port.work(10_000)

    topology = python_cells("a", "b")
    topology["scheduler"] = {"policy": "partition", "windows": [["a", "2ms"], ["b", "8ms"]]}
    run = live(topology, guests={"a": hog, "b": hog})
    run.until("100ms")
    assert run.cell("a").account.ran / run.now == pytest.approx(0.2, abs=0.01)
    assert run.cell("b").account.ran / run.now == pytest.approx(0.8, abs=0.01)


def test_a_reservation_keeps_its_budget_under_load(live: Live):
    def hog(port):
        while True:
            port.work(10_000)

    topology = python_cells("a", "b", a={"budget": "3ms", "period": "10ms"}, b={"budget": "1ms", "period": "10ms"})
    topology["scheduler"] = {"policy": "reservation"}
    run = live(topology, guests={"a": hog, "b": hog})
    run.until("200ms")
    assert run.cell("a").account.ran / run.now == pytest.approx(0.3, abs=0.01)
    assert run.cell("b").account.ran / run.now == pytest.approx(0.1, abs=0.01)


def test_runs_one_after_another_in_one_process_do_not_know_each_other(live: Live):
    hashes = set()
    for link in ("shm", "zmq", "shm"):
        run = live("hello", link=link)
        run.run()
        hashes.add(run.trace_hash)
        run.close()
    assert len(hashes) == 1


def test_an_exception_in_the_with_block_closes_everything():
    with pytest.raises(ZeroDivisionError), launch("hello") as run:
        pids = [host.process.pid for host in run.hosts if host.process]
        raise ZeroDivisionError
    assert pids
    assert run.zygote.cells == {}
