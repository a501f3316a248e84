"""wren under okl4: one hypercall per system call, its own page tables walked at misses, and a virtual TLB of any size."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hypervisor import launch
from hypervisor.shell.trace import read_trace
from tests.support import wren
from tests.support.live import Live

pytestmark = pytest.mark.slow

BOARDS = ("arm926", "beagle")
SIZES = (4, 8, 16, 32, 1024)
PROGRAMS = ("/bin/processes", "/bin/pipes")
WHY = {"system_call": "system_calls", "fault": "faults"}
"""Why a process's RUN returned -> how the kernel counts that."""


def table(board: str, *programs: str, vtlb: int = 1024) -> dict[str, Any]:
    return wren.table(" ".join(programs), board) | {"vtlb": {"entries": vtlb}}


@functools.cache
def run_of(size: int, board: str = "arm926") -> tuple[wren.Transcript, Counter[str], int]:
    """What was said, what was counted, the cycles that were used: with a virtual TLB of this size."""
    with launch(table(board, *PROGRAMS, vtlb=size), flavour="okl4") as run:
        said = wren.read(wren.finish(run, "wren"))
        account = run.monitor.ledger.to_dict()["wren"]
        return said, Counter(account["counts"]), account["time"]


@pytest.mark.parametrize("board", BOARDS)
@pytest.mark.parametrize("size", SIZES)
def test_no_size_of_the_virtual_tlb_changes_what_a_program_says(size: int, board: str) -> None:
    said = run_of(size, board)[0]
    assert said == run_of(SIZES[-1], board)[0]
    assert said.worst == 0


@pytest.mark.parametrize("board", BOARDS)
def test_a_smaller_one_misses_more_often_and_costs_more(board: str) -> None:
    misses = [run_of(size, board)[1]["vtlb"] for size in SIZES]
    times = [run_of(size, board)[2] for size in SIZES]
    assert misses == sorted(misses, reverse=True) and misses[0] > misses[-1]
    assert times == sorted(times, reverse=True) and times[0] > times[-1]


def tallies(directory: Path) -> Iterator[tuple[str, int, int]]:
    """What the kernel reports that it has counted, and what the trace has of it at that moment: (name, told, counted)."""
    seen: Counter[str] = Counter()
    for record in read_trace(directory / "trace.jsonl"):
        kind = record["k"]
        if kind == "space_switch" or (kind == "hypercall" and record["call"] == "run"):
            seen["switches" if kind == "space_switch" else "runs"] += 1
        elif kind == "virq":
            seen["interrupts"] += 1
        elif kind == "exception":
            seen[WHY.get(record["why"], record["why"])] += 1
        elif kind == "exit" and str(record.get("data", "")).startswith("counts."):
            name = record["data"].removeprefix("counts.")
            if name != "table_updates":  # plain stores, of which nobody hears
                yield name, record["args"][1], seen[name]


@pytest.mark.parametrize("board", BOARDS)
def test_it_counts_what_the_trace_counts(live: Live, tmp_path: Path, board: str) -> None:
    programs = ("/bin/bench,fork_exit,5", "/bin/bench,page_fault,5", "/bin/bench,pipe,20")
    run = live(table(board, *programs), flavour="okl4", out=tmp_path / "run")
    wren.finish(run, "wren")
    run.close()
    told = list(tallies(tmp_path / "run"))
    assert {name for name, *_ in told} == {"runs", "switches", "interrupts", *WHY.values()}
    assert all(value == counted for _, value, counted in told), told


def test_more_processes_than_tags_flush_virtual_caches_and_no_others(live: Live) -> None:
    flushes = {}
    for board in BOARDS:
        run = live(table(board, "/bin/crash,fork_bomb"), flavour="okl4")
        wren.finish(run, "wren")
        flushes[board] = run.monitor.ledger.counted("wren", "cache_flush")
    assert flushes["arm926"] > 0 == flushes["beagle"]


def test_its_shell_sleeps_while_nothing_happens(live: Live) -> None:
    run = live(table("beagle", "/bin/sh"), flavour="okl4")
    run.until("200ms")
    assert run.state("wren") == "blocked"
    run.type_text("wren", "sleep 1; echo then\n")
    run.until("1s")
    before = run.monitor.ledger.counted("wren", "hypercall")
    assert b"\nthen" not in run.console("wren")
    run.until("1400ms")
    assert b"\nthen" in run.console("wren")
    assert run.monitor.ledger.counted("wren", "hypercall") - before < 100


def test_on_two_cores_two_kernels_run_alike_over_both_transports(live: Live) -> None:
    topology = table("beagle", "/bin/waiting")
    topology["cells"]["other"] = topology["cells"]["wren"] | {"args": "/bin/processes"}
    hashes = set()
    for link in ("shm", "zmq"):
        run = live(topology, flavour="okl4", link=link, overrides=["board.cores=2"])
        assert [wren.read(wren.finish(run, cell)).worst for cell in ("wren", "other")] == [0, 0]
        hashes.add(run.trace_hash)
    assert len(hashes) == 1


def test_a_kernel_that_is_killed_amid_everything_leaves_a_clean_account_and_starts_again(live: Live) -> None:
    topology = table("beagle", "/bin/crash,fork_bomb", *PROGRAMS)
    topology["cells"]["wren"] |= {"on_crash": "restart"}
    topology["cells"]["other"] = topology["cells"]["wren"] | {"args": "/bin/files"}
    run = live(topology, flavour="okl4")
    for time in ("3ms", "7ms", "11ms"):
        run.until(time)
        run.kill("wren")
        run.monitor.check_invariants()
    said = wren.read(wren.finish(run, "wren"))
    assert run.cell("wren").account.restarts == 3
    assert said.worst == 0 or "/bin/crash" in next(iter(said.sections))
    assert wren.read(wren.finish(run, "other")).worst == 0
    assert len(run.monitor.alarms) <= 2


def test_a_kernel_made_for_a_privileged_cpu_ends_at_its_first_privileged_act(live: Live) -> None:
    topology = wren.table("", "beagle", image="wren.native", paravirtual=True)
    run = live(topology, flavour="okl4")
    run.until("100ms")
    assert run.state("wren") == "failed"
    assert "the kernel came to" in run.cell("wren").why
