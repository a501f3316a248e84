"""A run that goes on from a snapshot is the unbroken one from the mark on."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pytest

from hypervisor import launch
from hypervisor.shell.commands import RunOptions, run
from hypervisor.shell.problems import InputError
from hypervisor.shell.rerun import rerun
from hypervisor.shell.topology import TopologyError
from tests.support.arm import assemble

MARK = 0x51
TICKS = 60
"""Milliseconds: six slices of the board."""
END = "ldr r4, page; mov r0, #0; str r0, [r4, #4]; mov r0, #3; str r0, [r4]; forever: b forever;"
PRIVATE = f"""
    ldr r4, bridge; ldr r5, uart; ldr r8, memory; mov r6, #{TICKS}
    mov r0, #1000; str r0, [r4, #0x310]; str r0, [r4, #0x314]
    mov r0, #3; str r0, [r4, #0x300]
    mov r0, #2; str r0, [r4, #0x114]; str r0, [r4, #0x204]
    mov r0, #'<'; str r0, [r5]
    ldr r7, call; mov r0, #{MARK:#x}; mov r1, #7; svc #0
tick:
    .word 0xee070f90
    ldr r0, [r4, #0x314]; str r0, [r8], #4
    and r0, r0, #0x1f; add r0, r0, #0x30; str r0, [r5]
    mov r0, #0; str r0, [r4, #0x110]
    subs r6, r6, #1; bne tick
    {END}
bridge: .word 0xf1020000
uart:   .word 0xf1012000
memory: .word 0x100000
call:   .word 0xfeed
page:   .word 0x3f000000
"""
"""The cell's own timer ends its waits, a thousand times a second; each time it stores and prints what the timer says then."""
PHYSICAL = f"""
    ldr r4, bridge; ldr r5, timer; ldr r8, memory; mov r6, #{TICKS}
    add r9, r5, #0x1000; add r10, r5, #0x2000
    mov r0, #1; str r0, [r4, #0x204]; mov r0, #0x1000000; str r0, [r4, #0x214]
    mov r0, #1000; str r0, [r5]; mov r0, #0xe2; str r0, [r5, #8]
    mov r0, #'<'; str r0, [r9]
    ldr r7, call; mov r0, #{MARK:#x}; mov r1, #7; svc #0
tick:
    .word 0xee070f90
    ldr r0, [r5, #4]; str r0, [r8], #4; ldr r0, [r10]; str r0, [r8], #4
    and r0, r0, #0x1f; add r0, r0, #0x30; str r0, [r9]
    str r0, [r5, #0xc]
    subs r6, r6, #1; bne tick
    {END}
bridge: .word 0xf1020000
timer:  .word 0xf10e0000
memory: .word 0x100000
call:   .word 0xfeed
page:   .word 0x3f000000
"""
"""The same with a timer, a serial line and a clock of the monitor: each access is an exit, each tick an event from there."""
PROGRAMS: dict[str, tuple[str, dict[str, Any]]] = {
    "private": (PRIVATE, {}),
    "physical": (PHYSICAL, {"devices": ["timer1", "uart1", "sysclock"]}),
}


class Seen(NamedTuple):
    """Of a run: the lines of its trace behind the mark, or behind the line that says where it goes on; what it printed."""

    lines: list[bytes]
    console: bytes


def topology(folder: Path, program: str = PRIVATE, **more: Any) -> dict[str, Any]:
    image = folder / "ticks.bin"
    image.write_bytes(assemble(program, 0x8000))
    cell = {"image": str(image), "ram": "2MiB", "counting": {}, **more}
    return {"name": "ticks", "board": "arm926", "flavour": "native", "cells": {"a": cell}}


def see(described: dict[str, Any], behind: bytes, **options: Any) -> Seen:
    chunks: list[bytes] = []
    with launch(described, **options) as run:
        run.trace.on_chunk.append(chunks.append)
        run.until("200ms")
        run.trace.flush()
        lines = b"".join(chunks).splitlines()
        place = next(number for number, line in enumerate(lines) if behind in line)
        return Seen(lines[place + 1 :], run.console("a"))


def take(folder: Path, name: str) -> tuple[dict[str, Any], Path, Seen]:
    """A topology, a snapshot of it, and the run that it was taken of, which went on."""
    program, more = PROGRAMS[name]
    described, file = topology(folder, program, **more), folder / "ticks.snap"
    return described, file, see(described, b'"k":"mark"', snapshot=file, at_mark=MARK)


@pytest.fixture(scope="module")
def taken(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path, Seen]:
    return take(tmp_path_factory.mktemp("ticks"), "private")


@pytest.mark.slow
def test_devices_of_the_monitor_go_on_as_well(tmp_path: Path) -> None:
    described, file, unbroken = take(tmp_path, "physical")
    resumed = see(described, b'"k":"resumed"', resume=file)
    assert sum(b'"k":"irq"' in line and b'"level":1' in line for line in unbroken.lines) >= TICKS - 1
    assert resumed.lines == unbroken.lines
    assert unbroken.console == b"<" + resumed.console
    assert len(set(resumed.console)) > 1  # the clock goes on


@pytest.mark.slow
@pytest.mark.parametrize("link", ["shm", "zmq"])
def test_a_run_from_a_snapshot_has_the_trace_of_the_unbroken_one(
    taken: tuple[dict[str, Any], Path, Seen], link: str
) -> None:
    described, file, unbroken = taken
    resumed = see(described, b'"k":"resumed"', resume=file, link=link)
    assert len(unbroken.lines) > TICKS // 10  # it went through several slices, and to its end
    assert b'"state":"shut down"' in unbroken.lines[-1]
    assert resumed.lines == unbroken.lines
    assert unbroken.console == b"<" + resumed.console  # the first character had been printed before
    assert len(resumed.console) == TICKS


@pytest.mark.slow
def test_taking_a_snapshot_leaves_no_trace(taken: tuple[dict[str, Any], Path, Seen]) -> None:
    described, _, unbroken = taken
    assert see(described, b'"k":"mark"') == unbroken


@pytest.mark.slow
def test_a_resumed_run_is_replayed_from_its_directory(taken: tuple[dict[str, Any], Path, Seen], tmp_path: Path) -> None:
    described, file, _ = taken
    see(described, b'"k":"resumed"', resume=file, out=tmp_path / "run")
    assert rerun(tmp_path / "run").difference is None


def test_a_snapshot_of_another_program_is_refused(taken: tuple[dict[str, Any], Path, Seen], tmp_path: Path) -> None:
    other = topology(tmp_path, ram="4MiB")
    with pytest.raises(InputError, match=r"ticks\.snap: is of this topology as it was, .*: take it again"):
        launch(other, resume=taken[1])


def test_a_run_that_would_end_before_it_begins_is_refused(taken: tuple[dict[str, Any], Path, Seen]) -> None:
    with pytest.raises(InputError, match=r"was taken after .*, and the run is to end after 10ns: let it be longer"):
        launch(taken[0], resume=taken[1], duration="10ns")


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"heartbeat": "1ms"}, "cells.a.heartbeat: a snapshot holds no timers of the monitor"),
        ({"on_crash": "restart"}, "cells.a.on_crash: a snapshot is one life of a cell"),
        ({"devices": ["flash0"]}, 'cells.a.devices: a snapshot holds no nor_flash ("flash0")'),
        ({"count": 2}, "cells: a snapshot holds one cell, not 2"),
    ],
)
def test_what_a_snapshot_cannot_hold_is_refused_in_a_line(tmp_path: Path, more: dict[str, Any], why: str) -> None:
    flavour = "okl4" if "count" in more else "native"
    with pytest.raises(TopologyError) as refused:
        launch({**topology(tmp_path, **more), "flavour": flavour}, snapshot=tmp_path / "x", at_mark=MARK)
    (line,) = str(refused.value).splitlines()
    assert why in line and line.endswith("(--snapshot)")


@pytest.mark.slow
def test_the_command_says_that_the_mark_did_not_come(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    described, file = topology(tmp_path), tmp_path / "x.snap"
    options = RunOptions("", duration="1ms", as_json=True, snapshot=file, at_mark=0x52)
    with pytest.raises(InputError, match=r"--at-mark 0x52: .*x\.snap is not written: no program has marked that"):
        run(options, described)
    assert '"ticks"' in capsys.readouterr().out  # the account of the run, nevertheless
    assert not file.exists()


def test_no_mark_is_seen_where_nothing_is_counted(tmp_path: Path) -> None:
    described = topology(tmp_path)
    del described["cells"]["a"]["counting"]
    with pytest.raises(TopologyError, match=r"counting: missing: no mark is seen .*--set 'cells\.a\.counting=\{\}'"):
        launch(described, snapshot=tmp_path / "x")
