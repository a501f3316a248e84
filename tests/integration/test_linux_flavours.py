"""The personality under every flavour: what programs see is the same; time and ledger show what the architecture does."""

from __future__ import annotations

from typing import Any

import pytest

from hypervisor.abi.redirection import EVENTS
from hypervisor.core.redirection import prices
from hypervisor.flavours import FLAVOURS
from tests.support.live import Live

pytestmark = pytest.mark.slow

SCRIPT = ["/bin/sh", "/etc/look"]


def table(*run: str, board: str = "arm926", **more: Any) -> dict[str, Any]:
    cell = {"personality": "linux", "run": list(run), "ram": "16MiB", **more}
    return {"name": "personality", "board": board, "cells": {"linux": cell}}


def done(live: Live, flavour: str, *run: str, **options: Any) -> tuple[bytes, dict[str, Any], int]:
    """Its console, its ledger, and how long it took."""
    it = live(table(*run), flavour=flavour, **options)
    assert it.run().why == "finished"
    it.monitor.check_invariants()
    assert it.cell("linux").why == "status 0"
    ledger: dict[str, Any] = it.monitor.ledger.to_dict()["linux"]
    return it.console("linux"), ledger, it.now


def test_output_is_the_same_and_time_is_not(live: Live) -> None:
    results = {flavour: done(live, flavour, *SCRIPT) for flavour in FLAVOURS}
    assert len({console for console, _, _ in results.values()}) == 1
    assert b"waited" in results["native"][0]
    times = {flavour: time for flavour, (_, _, time) in results.items()}
    assert len(set(times.values())) == len(FLAVOURS), times
    assert min(times, key=lambda flavour: times[flavour]) == "native"


@pytest.mark.parametrize("flavour", [name for name in FLAVOURS if FLAVOURS[name].redirection])
def test_the_ledger_has_each_event_under_the_flavours_operations(live: Live, flavour: str) -> None:
    _, ledger, _ = done(live, flavour, *SCRIPT)
    of, counts, cycles = FLAVOURS[flavour], ledger["counts"], ledger["cycles"]
    events = {event: counts.get(f"redirected_{event}", 0) for event in EVENTS}
    assert events["syscall"] > 100
    assert events["fault"] > 10
    expected: dict[str, int] = {}
    for event, steps in of.redirection.items():
        for operation, times in steps.items():
            expected[operation] = expected.get(operation, 0) + times * events[event]
    # The cell's last call, its end, is a hypercall of its own.
    own = 1 if counts.get("hypercall", 0) > expected.get("hypercall", 0) else 0
    assert {name: counts.get(name, 0) - own * (name == "hypercall") for name in expected} == expected
    price = prices(of.redirection, of.costs)
    redirected = sum(price[event] * count for event, count in events.items())
    assert redirected <= sum(cycles[name] for name in expected if name in cycles) <= redirected + of.costs.hypercall


def test_under_native_nothing_is_redirected(live: Live) -> None:
    _, ledger, _ = done(live, "native", *SCRIPT)
    assert not any(name.startswith("redirected") for name in ledger["counts"])
    assert set(ledger["cycles"]) <= {"guest", "hypercall", "world_switch"}


def per_operation(live: Live, flavour: str, cell: dict[str, Any], what: str, names: set[str]) -> dict[str, float]:
    """How often each of these happens for one operation of /bin/bench: the difference between many and few of them.

    A tick of the timer falls into some."""
    few, many = 40, 440
    counts = []
    for times in (few, many):
        words = ["/bin/bench", what, str(times)]
        program = {"run": ["/bin/init", ",".join(words)]} if "personality" in cell else {"args": ",".join(words)}
        it = live({"name": "bench", "board": "arm926", "cells": {"linux": {**cell, **program}}}, flavour=flavour)
        it.until("5s")
        assert b"worst 0" in it.console("linux")
        counts.append(it.monitor.ledger.to_dict()["linux"]["counts"])
    return {name: (counts[1].get(name, 0) - counts[0].get(name, 0)) / (many - few) for name in names}


@pytest.mark.parametrize("flavour", [name for name in FLAVOURS if FLAVOURS[name].redirection])
@pytest.mark.parametrize(("what", "event"), [("null", "syscall"), ("page_fault", "fault")])
def test_an_event_takes_what_it_takes_our_own_kernel(live: Live, flavour: str, what: str, event: str) -> None:
    """Of a fault only what brings it to the kernel: what the kernel does then, as xen's updates of tables, is counted there."""
    steps = dict(FLAVOURS[flavour].redirection[event])
    if "page_table" in steps:
        steps = {name: steps[name] for name in ("t20", "t02")}
    own = {"image": "wren", "initrd": "wren", "ram": "16MiB"}
    measured = per_operation(live, flavour, own, what, set(steps))
    assert measured == pytest.approx(steps, rel=0.02)
    ours = per_operation(live, flavour, {"personality": "linux", "ram": "16MiB"}, what, set(steps))
    assert ours == pytest.approx(steps, rel=0.02)


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_what_differs_is_what_the_flavour_takes_and_nothing_else(live: Live, flavour: str) -> None:
    guest = {name: done(live, name, "/bin/echo", "one")[1]["cycles"]["guest"] for name in {"native", flavour}}
    assert guest[flavour] == guest["native"]


def test_the_trace_is_the_same_over_both_transports(live: Live) -> None:
    hashes = {}
    for link in ("shm", "zmq"):
        it = live(table(*SCRIPT), flavour="l4", link=link)
        it.run()
        hashes[link] = it.summary().trace_sha256
    assert len(set(hashes.values())) == 1
