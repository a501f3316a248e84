"""When a snapshot is taken, what it is refused for, and what it does with what a cell left."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cells.machine.state import KEPT_SIZE, LENGTH
from cells.sandbox import SandboxPolicy
from hypervisor.abi.messages import MESSAGE_LIMIT, pack
from hypervisor.abi.records import Exit, ExitKind
from hypervisor.shell.cellhost import CellPlan
from hypervisor.shell.commands import mark_of
from hypervisor.shell.plans import build_monitor
from hypervisor.shell.problems import InputError
from hypervisor.shell.snapshots import Snapshots, identity, refusals
from hypervisor.shell.topology import Topology, load

MARK = Exit(1, ExitKind.MARK, 100, 100, 0, a0=7)


def alone(folder: Path, overrides: list[str] | None = None, **more: Any) -> Topology:
    (folder / "a.bin").write_bytes(bytes.fromhex("feffffea"))
    cell = {"image": str(folder / "a.bin"), "ram": "2MiB", "counting": {}, **more}
    described = {"name": "alone", "board": "arm926", "flavour": "native", "cells": {"a": cell}}
    return load(described, overrides=overrides or [])


class Taking:
    """The taker of a topology's snapshots, and the cell's end of the memory in which states are left."""

    def __init__(self, topology: Topology, path: Path) -> None:
        self.snapshots = Snapshots(topology, path, 7, None)
        self.plan = self.snapshots.equip(CellPlan(0, "a", {}, b"", SandboxPolicy()))
        self.monitor = build_monitor(topology)

    def leave(self, length: int, content: bytes) -> None:
        os.pwrite(self.plan.fds["kept"], length.to_bytes(LENGTH, "little") + content, 0)
        self.snapshots.marked(self.monitor, MARK, lambda: None)


@pytest.fixture
def taking(tmp_path: Path) -> Iterator[Taking]:
    made = Taking(alone(tmp_path), tmp_path / "a.snap")
    yield made
    made.snapshots.close()


@pytest.mark.parametrize(
    ("length", "content"),
    [
        (0, b""),
        (5, b"\xff" * 5),
        (4, pack([1, 2, 3])),
        (MESSAGE_LIMIT + 1, b"\x80"),
        (0xFFFFFFFF, b"\xdd" * 100),
        (9, b"\x91" * 9),
    ],
)
def test_what_a_hostile_cell_leaves_is_no_state_and_ends_nothing(taking: Taking, length: int, content: bytes) -> None:
    taking.leave(length, content)
    assert taking.snapshots._state() == b""
    assert taking.snapshots.size == 0
    assert taking.snapshots.why


def test_only_the_first_mark_of_that_name_counts(taking: Taking) -> None:
    taking.snapshots.marked(taking.monitor, MARK._replace(a0=8), lambda: None)
    assert taking.snapshots.why == "no program has marked that"
    taking.leave(0, b"")
    taking.snapshots.why = ""
    taking.leave(3, pack({}))
    assert taking.snapshots.why == ""  # it was not looked at again


def test_a_cell_gets_the_memory_and_the_mark_and_each_life_after_the_first_begins_at_the_beginning(
    taking: Taking,
) -> None:
    assert taking.plan.settings["keep"] == {"mark": 7}
    assert os.fstat(taking.plan.fds["kept"]).st_size == KEPT_SIZE
    assert taking.plan.later is None


@pytest.mark.parametrize(
    ("overrides", "more", "key"),
    [
        (["board.cores=2"], {}, "board.cores"),
        (["scheduler.policy=credit"], {}, "scheduler.policy"),
        (["flavour=okl4"], {}, "flavour"),
        ([], {"heartbeat": "1ms"}, "cells.a.heartbeat"),
        ([], {"on_crash": "restart"}, "cells.a.on_crash"),
        ([], {"devices": ["nic0"]}, "cells.a.devices"),
        ([], {"devices": ["timer1", "uart1", "sysclock", "touch0"]}, None),
    ],
)
def test_what_is_more_than_a_snapshot_holds_is_told_by_its_key(
    tmp_path: Path, overrides: list[str], more: dict[str, Any], key: str | None
) -> None:
    assert [found for found, _ in refusals(alone(tmp_path, overrides, **more))] == ([key] if key else [])


def test_what_is_counted_and_how_long_is_no_part_of_what_must_be_the_same(tmp_path: Path) -> None:
    same = identity(alone(tmp_path))
    assert identity(alone(tmp_path, ["for=2s"], counting={"functions": {"f": [64]}})) == same
    assert identity(alone(tmp_path, ["seed=2"])) != same
    assert identity(alone(tmp_path, ["board.cpu.tlb.entries=32"])) != same


def test_a_mark_is_a_number_and_needs_a_file() -> None:
    assert mark_of(None, None) == 0xB007
    assert mark_of("0x51", Path("x")) == 0x51
    with pytest.raises(InputError, match=r"--at-mark: says when --snapshot FILE is taken"):
        mark_of("1", None)
    for wrong in ("ready", "-1", str(1 << 32)):
        with pytest.raises(InputError, match=f'--at-mark: "{wrong}" is no number of 32 bits'):
            mark_of(wrong, Path("x"))
