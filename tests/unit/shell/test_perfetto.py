"""The timeline: the structure that the Trace Event Format asks for, and slices where the trace has them."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hypervisor.abi.records import Exit, ExitKind, Resume
from hypervisor.shell.files import RunDirError
from hypervisor.shell.perfetto import CELLS, CORES, write_perfetto
from hypervisor.shell.trace import Trace

HZ = 100_000_000
"""A cycle is 10 ns."""
REQUIRED = {"M": {"args"}, "X": {"ts", "dur"}, "i": {"ts", "s"}, "C": {"ts", "args"}}
"""Keys beside name, ph and pid, by phase: Trace Event Format, the sections on each type of event."""


def ran(trace: Trace, cell: str, core: int, start: int, end: int, *, output: bytes = b"") -> None:
    record = Exit(0, ExitKind.WAIT if output == b"" else ExitKind.OUTPUT, end, 40, 99, insns=30, output=output)
    trace.exit(cell, core, Resume(0, start, end, end, 0), record)


def timeline(trace: Trace, path: Path, **board: Any) -> dict[str, Any]:
    trace.close()
    write_perfetto(path, path.with_suffix(".json"), **{"hz": HZ, "cores": 2, "cells": ["linux", "brew"], **board})
    whole: dict[str, Any] = json.loads(path.with_suffix(".json").read_text())
    return whole


def example(path: Path) -> dict[str, Any]:
    trace = Trace(path)
    trace.record(0, "start", "linux", {"cause": "boot"})
    trace.switch(0, 0, "", "linux", "ready")
    ran(trace, "linux", 0, 0, 101, output=b"login: ")
    trace.record(101, "irq", "brew", {"line": 37, "level": 1, "cause": "timer0"})
    trace.record(102, "irq", "brew", {"line": 37, "level": 0, "cause": "timer0"})
    trace.record(103, "irq", "brew", {"cause": "time", "told": "end of a wait"})
    ran(trace, "brew", 1, 101, 250)
    ran(trace, "linux", 0, 101, 301, output=b"x")
    trace.input(301, "console", "linux", b"ls\n")
    trace.input(302, "pause", "")
    trace.record(400, "dead", "brew", {"why": 'fault "x"', "policy": "destroy"})
    trace.record(401, "refused", "brew", {"what": "hypercall 99", "why": "not known"})
    return timeline(trace, path)


def events(whole: dict[str, Any], phase: str) -> list[dict[str, Any]]:
    return [event for event in whole["traceEvents"] if event["ph"] == phase]


def check_structure(whole: dict[str, Any]) -> None:
    """What a reader of the format relies on."""
    assert whole["displayTimeUnit"] in ("ms", "ns")
    for event in whole["traceEvents"]:
        assert isinstance(event["name"], str)
        assert REQUIRED[event["ph"]] <= set(event)
        assert type(event["pid"]) is int and event["pid"] > 0
        assert event["ph"] == "C" or type(event["tid"]) is int
        assert all(isinstance(event[key], int | float) and event[key] >= 0 for key in ("ts", "dur") if key in event)
        assert event.get("s", "t") in ("g", "p", "t")
        assert event["ph"] != "C" or all(isinstance(value, int) for value in event["args"].values())
    check_no_overlap(whole, math.floor)
    check_no_overlap(whole, round)


def check_no_overlap(whole: dict[str, Any], to_ns: Any) -> None:
    """Slices of a track follow one another, however a viewer makes nanoseconds of microseconds."""
    tracks = defaultdict(list)
    for event in events(whole, "X"):
        start = to_ns(event["ts"] * 1000)
        tracks[event["pid"], event["tid"]].append((start, start + to_ns(event["dur"] * 1000)))
    for slices in tracks.values():
        ordered = sorted(slices)
        assert all(before[1] <= after[0] for before, after in pairwise(ordered))


def test_the_file_has_the_structure_of_the_format(tmp_path: Path) -> None:
    check_structure(example(tmp_path / "t"))


def test_tracks_have_names_and_numbers_of_their_own(tmp_path: Path) -> None:
    metas = events(example(tmp_path / "t"), "M")
    names = {(e["pid"], e["tid"]): e["args"]["name"] for e in metas if e["name"] == "thread_name"}
    assert sorted(names.items()) == [
        ((CORES, 100), "core 0"),
        ((CORES, 101), "core 1"),
        ((CELLS, 200), "linux"),
        ((CELLS, 201), "brew"),
    ]
    groups = {e["pid"]: e["args"]["name"] for e in metas if e["name"] == "process_name"}
    assert groups == {CORES: "cores", CELLS: "cells"}
    sorts = [e["args"]["sort_index"] for e in metas if e["name"] == "thread_sort_index" and e["pid"] == CELLS]
    assert sorts == [0, 1]


def test_an_exit_is_a_slice_on_its_core_and_on_its_cell(tmp_path: Path) -> None:
    first, second = events(example(tmp_path / "t"), "X")[2:4]
    assert (first["name"], first["pid"], first["tid"]) == ("brew", CORES, 101)
    assert (second["name"], second["pid"], second["tid"]) == ("wait", CELLS, 201)
    for event in (first, second):
        assert round(event["ts"] * 1000) == 1_010
        assert round(event["dur"] * 1000) == 1_490
    assert first["args"] == {"why": "wait"}
    assert second["args"] == {"insns": 30, "cycles": 40}


def test_interrupts_inputs_deaths_and_refusals_are_marks_on_their_cell(tmp_path: Path) -> None:
    marks = [(e["name"], e["tid"], e["s"], round(e["ts"] * 1000)) for e in events(example(tmp_path / "t"), "i")]
    assert marks == [
        ("start", 200, "t", 0),
        ("irq 37", 201, "t", 1_010),
        ("irq time", 201, "t", 1_030),
        ("input console", 200, "t", 3_010),
        ("input pause", 0, "p", 3_020),
        ("dead", 201, "t", 4_000),
        ("refused hypercall 99", 201, "t", 4_010),
    ]


def test_a_mark_tells_its_cause(tmp_path: Path) -> None:
    args = [event["args"] for event in events(example(tmp_path / "t"), "i")]
    assert args[1] == {"line": 37, "level": 1, "cause": "timer0"}
    assert args[5] == {"why": 'fault "x"', "policy": "destroy"}


def test_console_bytes_are_a_counter_that_only_grows(tmp_path: Path) -> None:
    counters = [(e["name"], e["args"]) for e in events(example(tmp_path / "t"), "C")]
    assert counters == [("console linux", {"bytes": 7}), ("console linux", {"bytes": 8})]


def test_an_empty_trace_is_a_timeline_without_slices(tmp_path: Path) -> None:
    whole = timeline(Trace(tmp_path / "t"), tmp_path / "t", cells=[])
    check_structure(whole)
    assert events(whole, "X") == []


def test_more_records_than_are_written_at_once_come_out_whole(tmp_path: Path) -> None:
    trace = Trace(tmp_path / "t")
    for number in range(1_501):
        ran(trace, "linux", 0, 10 * number, 10 * number + 10)
    whole = timeline(trace, tmp_path / "t")
    assert len(events(whole, "X")) == 2 * 1_501


@settings(max_examples=30)
@given(hz=st.integers(1_000_000, 2_000_000_000), lengths=st.lists(st.integers(0, 10**12), min_size=2, max_size=20))
def test_slices_that_touch_in_cycles_never_overlap_in_microseconds(
    tmp_path_factory: pytest.TempPathFactory, hz: int, lengths: list[int]
) -> None:
    path = tmp_path_factory.getbasetemp() / "slices"
    trace, now = Trace(path), 0
    for length in lengths:
        ran(trace, "linux", 0, now, now + length)
        now += length
    check_structure(timeline(trace, path, hz=hz))


def test_cells_and_cores_that_nobody_announced_are_left_out(tmp_path: Path) -> None:
    trace = Trace(tmp_path / "t")
    ran(trace, "stranger", 0, 0, 1)
    ran(trace, "linux", 7, 0, 1)
    trace.record(1, "start", "stranger", {"cause": "boot"})
    whole = timeline(trace, tmp_path / "t")
    assert events(whole, "X") == events(whole, "i") == []


def test_a_trace_that_is_damaged_leaves_no_timeline(tmp_path: Path) -> None:
    (tmp_path / "t").write_text('{"t":1,"k":"exit","cell":"linux"}\n')
    with pytest.raises(RunDirError, match=r'/t: line 1 is not a record of kind "exit"$'):
        write_perfetto(tmp_path / "t", tmp_path / "out", hz=HZ, cores=1, cells=["linux"])
    assert [path.name for path in tmp_path.iterdir()] == ["t"]
