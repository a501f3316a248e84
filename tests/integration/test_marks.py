"""Marks of a program wherever it runs: in a Linux-like cell, and under our own kernel with privileges and without."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from cells.wren.build import IMAGES
from cells.wren.initramfs import TRAILER, Entry, newc
from hypervisor.api import Run
from tests.support.arm import assemble
from tests.support.elves import LOAD, elf
from tests.support.live import Live

pytestmark = pytest.mark.slow

START = 0x10054
"""Behind the headers of the file, which has one segment."""
MARK = "mov r7, #0xfe00; orr r7, r7, #0xed; mov r0, #5; mov r1, #{}; svc #0; "
CALLS = 20
BETWEEN = 4 + 3 * CALLS + 5
"""Instructions from behind the first mark up to the second."""
PROGRAM = (
    f"{MARK.format(0)}mov r8, #{CALLS}; ldr r0, [pc]; mov r7, #20; nop; again: svc #0; subs r8, r8, #1; bne again; "
    f"{MARK.format(CALLS)}mov r0, #0; mov r7, #1; svc #0"
)
"""getpid between two marks, then exit."""
RECORD_HEADER = 110


def program() -> bytes:
    code = assemble(PROGRAM, START)
    return elf((LOAD, START, code, len(code)), kind=2, entry=START)


def counted(run: Run) -> dict[str, int]:
    """What has happened between the marks."""
    run.run()
    assert run.directory is not None
    run.close()
    lines = map(json.loads, (run.directory.path / "trace.jsonl").read_text().splitlines())
    first, last = (line for line in lines if line["k"] == "mark")
    assert (first["id"], first["times"], last["id"], last["times"]) == (5, 0, 5, CALLS)
    return {name: last[name] - first[name] for name in last if name not in ("k", "cell", "id", "times")}


def linux(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "marks").write_bytes(program())
    cell = {"personality": "linux", "run": ["/bin/m"], "files": {"/bin/m": str(tmp_path / "marks")}}
    return {"name": "marks", "board": "arm926", "cells": {"a": {**cell, "counting": {"caches": True}}}}


def wren(tmp_path: Path) -> dict[str, Any]:
    own = (IMAGES / "initramfs.cpio").read_bytes()
    files = newc([Entry("more", stat.S_IFDIR | 0o755), Entry("more/marks", stat.S_IFREG | 0o755, program())])
    (tmp_path / "files.cpio").write_bytes(own[: own.index(TRAILER.encode()) - RECORD_HEADER] + files)
    cell = {
        "image": "wren",
        "initrd": str(tmp_path / "files.cpio"),
        "ram": "16MiB",
        "args": "init=/bin/init /more/marks",
    }
    return {"name": "marks", "board": "arm926", "for": "10s", "cells": {"a": {**cell, "counting": {"caches": True}}}}


def test_a_program_of_a_linux_like_cell_is_counted_and_over_both_transports_alike(live: Live, tmp_path: Path) -> None:
    topology = linux(tmp_path)
    runs = [live(topology, flavour="native", link=link) for link in ("shm", "zmq")]
    found = [counted(run) for run in runs]
    assert found[0] == found[1]
    assert runs[0].trace_hash == runs[1].trace_hash
    seen = found[0]
    assert (seen["instructions"], seen["svc"], seen["loads"]) == (BETWEEN, CALLS, 1)
    assert seen["kernel_instructions"] == seen["cold_i"] == 0
    assert "tlb_miss_i" not in seen
    assert seen["l1i_miss"] <= 3


@pytest.mark.parametrize("flavour", ["native", "xen", "l4", "okl4"])
def test_a_program_under_our_own_kernel_is_counted_with_that_kernel(live: Live, tmp_path: Path, flavour: str) -> None:
    seen = counted(live(wren(tmp_path), flavour=flavour))
    assert seen["svc"] >= CALLS
    assert seen["instructions"] > BETWEEN + 10 * CALLS
    assert 0 < seen["l1i_miss"] <= 60 * CALLS
    if flavour == "native":
        assert seen["kernel_instructions"] == seen["instructions"] - BETWEEN
        assert seen["kernel_entries"] - seen["irq"] == seen["svc"] == CALLS
        assert seen["cold_i"] > 3 * CALLS
        assert seen["tlb_miss_i"] < CALLS
    else:
        assert seen["kernel_instructions"] == 0
        assert "tlb_miss_i" not in seen
