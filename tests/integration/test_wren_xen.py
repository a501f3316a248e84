"""wren under xen: two logical modes in user mode, validated tables, events; and what the choices of Fig. 18 change."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hypervisor import launch
from hypervisor.flavours.xen import XEN
from hypervisor.shell.trace import read_trace
from tests.support import wren
from tests.support.live import Live

BOARDS = ("arm926", "beagle")
FIG_18: dict[str, dict[str, Any]] = {
    "no lockdown": {},
    "lockdown": {"tlb_lockdown": 8},
    "separate": {"page_tables": "separate"},
}
TRANSLATIONS = ("space_switch", "tlb_flush", "tlb_refill", "cache_flush")
WHY = {
    "swi": "system_calls",
    "data_abort": "faults",
    "prefetch_abort": "faults",
    "irq": "interrupts",
}
"""Why a process left -> how the kernel counts that."""
Figures = dict[str, dict[str, int]]


def table(board: str, *programs: str, **more: Any) -> dict[str, Any]:
    """Programs with their words behind commas: "/bin/bench,null,3"."""
    return wren.table(" ".join(programs), board, **more)


@functools.cache
def figures(choice: str, board: str = "arm926") -> tuple[bytes, Figures]:
    """Console, then counts and cycles, of a pipe between two processes."""
    with launch(table(board, "/bin/bench,pipe,20", **FIG_18[choice]), flavour="xen") as run:
        wren.finish(run, "wren")
        account = run.monitor.ledger.to_dict()["wren"]
        return run.console("wren"), {"counts": dict(account["counts"]), "cycles": dict(account["cycles"])}


def tallies(directory: Path) -> Iterator[tuple[str, int, int]]:
    """What the kernel reports that it has counted, and what the trace has of it at that moment: (name, told, counted)."""
    seen: Counter[str] = Counter()
    for record in read_trace(directory / "trace.jsonl"):
        kind = record["k"]
        if kind == "page_table":
            seen["table_updates"] += record["cycles"] // XEN.costs.of("page_table")
        elif kind == "space_switch":
            seen["switches"] += 1
        elif (
            kind == "upcall"
        ):  # every turn of a process ends by one, also if it was interrupted before its first instruction
            seen["runs"] += 1
            seen[WHY.get(record["vector"], "others")] += 1
        elif kind == "call" and record["data"].startswith("counts."):
            name = record["data"].removeprefix("counts.")
            yield name, record["value"], seen[name]


@pytest.mark.parametrize("board", BOARDS)
def test_it_counts_what_the_trace_counts(live: Live, tmp_path: Path, board: str) -> None:
    run = live(table(board, "/bin/bench,fork_exit,5", "/bin/bench,page_fault,5"), flavour="xen", out=tmp_path / "run")
    wren.finish(run, "wren")
    run.close()
    told = list(tallies(tmp_path / "run"))
    assert {name for name, *_ in told} == {"runs", "switches", "table_updates", *WHY.values()}
    assert [entry for entry in told if entry[1] != entry[2]] == []


@pytest.mark.parametrize("board", BOARDS)
def test_who_leaves_comes_back(live: Live, board: str) -> None:
    run = live(table(board, "/bin/processes"), flavour="xen")
    wren.finish(run, "wren")
    counted = functools.partial(run.monitor.ledger.counted, "wren")
    assert counted("t10") + counted("t20") == counted("t01") + counted("t02") + 1, "the last call does not come back"


@pytest.mark.parametrize("board", BOARDS)
def test_its_shell_hears_what_is_typed_and_sleeps_in_between(live: Live, board: str) -> None:
    run = live(table(board, "/bin/sh"), flavour="xen")
    run.until("200ms")
    assert run.state("wren") == "blocked"
    run.type_text("wren", "echo six times seven; sleep 1; echo then\n")
    run.until("700ms")
    said = run.console("wren").replace(b"\r", b"")
    assert b"\nsix times seven\n" in said
    assert b"\nthen\n" not in said
    run.until("1400ms")
    assert b"\nthen\n" in run.console("wren").replace(b"\r", b"")
    assert run.monitor.ledger.counted("wren", "t10") < 1000, "a kernel without work sleeps"


def test_the_trace_does_not_depend_on_the_transport(live: Live) -> None:
    hashes = set()
    for link in ("shm", "zmq"):
        run = live(table("arm926", "/bin/pipes"), flavour="xen", link=link)
        wren.finish(run, "wren")
        hashes.add(run.trace_hash)
    assert len(hashes) == 1


def test_two_kernels_do_not_see_each_other(live: Live) -> None:
    cells = {name: table("beagle", "/bin/processes")["cells"]["wren"] for name in ("one", "two")}
    run = live({"name": "wren", "board": "beagle", "cells": cells}, flavour="xen")
    for name in cells:
        wren.finish(run, name)
    assert run.console("one") == run.console("two")
    assert wren.read(run.console("one")).worst == 0


# ---- Fig. 18


@pytest.mark.parametrize("choice", FIG_18)
def test_no_choice_changes_what_a_program_says(choice: str) -> None:
    assert figures(choice)[0] == figures("no lockdown")[0]


def test_a_pipes_switches_are_the_same_whatever_is_locked() -> None:
    free, locked = (figures(choice)[1]["counts"] for choice in ("no lockdown", "lockdown"))
    for name in ("space_switch", "cache_flush", "tlb_flush"):
        assert free[name] == locked[name] >= 40, "two switches a round"
    assert free["tlb_refill"] > locked["tlb_refill"] > 0


def test_separate_page_tables_flush_at_each_crossing() -> None:
    counts = figures("separate")[1]["counts"]
    crossings = sum(counts[name] for name in ("t10", "t20", "t01", "t02"))
    base = figures("no lockdown")[1]["counts"]["space_switch"]
    assert counts["tlb_flush"] >= crossings + base - 4
    assert counts["cache_flush"] == figures("no lockdown")[1]["counts"]["cache_flush"], "only the guest's own changes"


def test_the_curves_of_fig_18_lie_as_in_the_survey() -> None:
    cycles = {choice: sum(figures(choice)[1]["cycles"][name] for name in TRANSLATIONS) for choice in FIG_18}
    assert cycles["lockdown"] < cycles["no lockdown"] < cycles["separate"]


def test_a_cpu_with_identifiers_flushes_nothing() -> None:
    counts = figures("no lockdown", "beagle")[1]["counts"]
    assert counts["space_switch"] >= 40
    assert counts.get("tlb_flush", 0) == counts.get("cache_flush", 0) == 0
