"""Files that a user writes or that a run has left: topologies, boards, policies, campaigns, overrides, inputs, traces, accounts.

Each is refused in one line or understood; no other error, no work without end.
"""

from __future__ import annotations

import json
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from boards import BoardError, load_board
from hypervisor.shell.campaigns.campaign import load_campaign
from hypervisor.shell.files import RunDirError
from hypervisor.shell.inputs import InputLog, ReplayInputs
from hypervisor.shell.netlink import RecordedLine
from hypervisor.shell.perfetto import write_perfetto
from hypervisor.shell.policy_file import read_policy
from hypervisor.shell.provenance import Provenance
from hypervisor.shell.rerun import Comparison
from hypervisor.shell.runtime_dir import Address
from hypervisor.shell.summary import Summary
from hypervisor.shell.topology import check
from hypervisor.shell.topology.problems import Report, TopologyError
from tests.fuzz.target import target
from tests.fuzz.targets.images import place

BOARDS = Path(__file__).parents[3] / "boards"


def _all(folder: str, pattern: str = "*.toml") -> list[bytes]:
    return [path.read_bytes() for path in sorted((BOARDS / folder).glob(pattern)) if path.stat().st_size < 3000]


def _told(problem: Any) -> None:
    assert str(problem)
    assert "\n" not in str(problem)


def _nested() -> list[bytes]:
    return [b"a = " + b"[" * 1500 + b"]" * 1500, b"a = " + b"9" * 4500, b"a" + b".a" * 1500 + b" = 1"]


@target("topologies", seeds=lambda: _all("topologies")[:12] + _nested(), longest=5000)
def topologies(data: bytes) -> None:
    """A topology: problems, each one line, or none."""
    file = place() / "t.toml"
    file.write_bytes(data)
    for problem in check(file):
        _told(problem)


@target(
    "overrides",
    seeds=lambda: [
        b"scheduler.slice=1ms",
        b"cells.a.ram=4KiB\ncosts.hypercall=3",
        b"board.clock_hz=7",
        b"cells.a" + b".b" * 1500 + b"=1",
        b"seed=" + b"[" * 1500,
    ],
)
def overrides(data: bytes) -> None:
    """KEY=VALUE of the command line."""
    good = {"board": "arm926", "cells": {"a": {"guest": "cells.programs.counter:main"}}}
    for problem in check(good, overrides=data.decode("latin-1").split("\n")[:8]):
        _told(problem)


@target("boards", seeds=lambda: _all(".")[:6] + _nested(), longest=5000)
def boards(data: bytes) -> None:
    """A board's file."""
    file = place() / "b.toml"
    file.write_bytes(data)
    with suppress(BoardError):
        load_board(str(file))


@target("policies", seeds=lambda: _all("policies") + _nested(), longest=5000)
def policies(data: bytes) -> None:
    """Labels and rules of domains."""
    report = Report("p.toml")
    read_policy(data.decode("utf-8", "replace"), report)
    for problem in report.problems:
        _told(problem)


@target("campaigns", seeds=lambda: _all("campaigns", "[hp]*_kills.toml")[:2] + _nested(), longest=5000)
def campaigns(data: bytes) -> None:
    """A fault campaign."""
    file = place() / "c.toml"
    file.write_bytes(data)
    try:
        load_campaign(str(file))
    except TopologyError as error:
        for problem in error.problems:
            _told(problem)


def _line(**changes: Any) -> bytes:
    return json.dumps({"step": 1, "t": 2, "kind": "console", "cell": "a", "data": "ls", **changes}).encode() + b"\n"


def _inputs() -> list[bytes]:
    touch = _line(kind="touch", data="touch0 1 2 1")
    return [_line() + _line(step=2, kind="kill", data="") + touch, _line(data="\u00ff"), b"[" * 3000 + b"\n"]


@target("inputs", seeds=_inputs, longest=5000)
def inputs(data: bytes) -> None:
    """What a replay feeds: every input as it is read can be written, and read again alike."""
    file, copy = place() / "inputs.jsonl", place() / "copy.jsonl"
    file.write_bytes(data)
    with suppress(RunDirError):
        replay = ReplayInputs(file)
        log = InputLog(copy)
        for entry in replay._inputs:
            log.append(entry)
        log.close()
        assert ReplayInputs(copy)._inputs == replay._inputs


def _traces() -> list[bytes]:
    exit_ = {"t": 9, "k": "exit", "cell": "a", "core": 0, "start": 2, "why": "wait", "insns": 3, "n": 7, "out": "x"}
    records = [
        exit_,
        {"t": 9, "k": "switch", "core": 0},
        {"t": 10, "k": "irq", "cell": "a", "line": 3, "cause": "timer"},
    ]
    return [b"".join(json.dumps(record).encode() + b"\n" for record in records), b"[" * 3000 + b"\n"]


@target("traces", seeds=_traces, longest=5000)
def traces(data: bytes) -> None:
    """A trace that somebody has edited: drawn, or refused by line; compared with one that is made."""
    file, out = place() / "trace.jsonl", place() / "p.json"
    file.write_bytes(data)
    with suppress(RunDirError):
        write_perfetto(file, out, hz=1_000_000, cores=2, cells=["a", "b"])
        json.loads(out.read_bytes())
    run: Any = type("Run", (), {"interrupt": lambda _self: None})()
    with file.open("rb") as recorded:
        comparison = Comparison(recorded, run, cut_off=False, end=5)
        for line in _traces()[0].splitlines(keepends=True):
            comparison(line)
        comparison.verdict(whole=True)


@target("accounts", seeds=lambda: [Provenance("t", "okl4", "beagle", 1).to_json().encode()])
def accounts(data: bytes) -> None:
    """run.json, summary.json, address.json."""
    for read in (Provenance.from_json, Summary.from_json):
        with suppress(ValueError):
            read(data)
    with suppress(ValueError, TypeError):
        Address(**json.loads(data))


@target("cable_record", seeds=lambda: [b"\5\0\0\0hello\0\0\0\0", b"\xff\xff\xff\xffx"])
def cable_record(data: bytes) -> None:
    """What the board at the other end told in a recorded run: it comes to its end."""
    file = place() / "nic0.link"
    file.write_bytes(data)
    line = RecordedLine(file)
    said = list(iter(partial(line.receive), None))
    assert sum(map(len, said)) <= len(data)
