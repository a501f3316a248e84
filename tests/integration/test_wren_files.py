"""wren's side of the files: a terminal, a disk, a touch screen and many small answers, told by programs of our own."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest

from cells.wren.initramfs import archive
from cells.wren.user.build import all_own
from hypervisor.api import Run
from tests.support.live import Live
from tests.support.wren import FLAVOURS

pytest.importorskip("ziglang")
pytestmark = pytest.mark.slow

PROGRAMS = ("answers", "crowded", "kept", "keys", "leaks", "returned", "sectors", "straddle", "touches")
SOURCES = Path(__file__).parents[1] / "support" / "wren_programs"
SPLIT = [flavour for flavour in FLAVOURS if flavour != "native"]
"""Where there are driver domains."""

every_flavour = pytest.mark.parametrize("flavour", FLAVOURS)
every_kind_of_cpu = pytest.mark.parametrize("board", ["arm926", "arm1176", "beagle"])
every_split = pytest.mark.parametrize("flavour", SPLIT)


@functools.cache
def programs() -> bytes:
    return archive(all_own([SOURCES / f"{name}.c" for name in PROGRAMS]))


def wren(tmp_path: Path, words: str, ram: str = "4MiB") -> dict[str, Any]:
    """A cell whose first process is one of the programs."""
    disk = tmp_path / "programs.cpio"
    disk.write_bytes(programs())
    return {"image": "wren", "initrd": str(disk), "ram": ram, "args": f"init=/bin/{words}"}


def with_driver(cell: dict[str, Any], domain: str, device: str) -> dict[str, Any]:
    driver = {"domain": domain, "devices": [device], "ram": "1MiB", "on_crash": "restart"}
    channel = {"between": ["wren", "driver"], "class": domain}
    return {"name": "wren", "board": "beagle", "cells": {"wren": cell, "driver": driver}, "channels": [channel]}


def alone(cell: dict[str, Any], board: str = "arm926") -> dict[str, Any]:
    return {"name": "wren", "board": board, "cells": {"wren": cell}}


def said(run: Run) -> str:
    return run.console("wren").decode().replace("\r\n", "\n")


def finish(run: Run) -> str:
    for time in range(100, 20_000, 100):
        run.until(f"{time}ms")
        if run.state("wren") in ("shut down", "failed"):
            break
    return said(run)


@every_flavour
def test_calls_answer_as_linux_does(live: Live, tmp_path: Path, flavour: str) -> None:
    run = live(alone(wren(tmp_path, "answers")), flavour=flavour)
    assert finish(run) == "75 answers, 0 wrong\n"


def test_whatever_files_and_sockets_took_comes_back(live: Live, tmp_path: Path) -> None:
    run = live(alone(wren(tmp_path, "leaks")), flavour="native")
    assert finish(run) == "full: ENOSPC\nfull: ENOSPC\n0 pages lost\nfull: ENOSPC\n0 pages lost\n"


@every_flavour
@every_kind_of_cpu
def test_a_page_that_was_given_back_is_out_of_reach(live: Live, tmp_path: Path, flavour: str, board: str) -> None:
    run = live(alone(wren(tmp_path, "returned"), board), flavour=flavour)
    assert finish(run) == "written without right: 2 of 2 faults\nexecuted without right: 2 of 2 faults\n"


@every_flavour
@every_kind_of_cpu
def test_an_instruction_may_lie_in_two_pages(live: Live, tmp_path: Path, flavour: str, board: str) -> None:
    run = live(alone(wren(tmp_path, "straddle"), board), flavour=flavour)
    assert finish(run) == "exit 42\n"


@every_flavour
def test_a_call_that_cannot_do_all_loses_nothing_and_keeps_nobody(live: Live, tmp_path: Path, flavour: str) -> None:
    run = live(alone(wren(tmp_path, "kept")), flavour=flavour)
    said = finish(run)
    assert said.replace(".", "").splitlines() == [
        "of 4000 bytes of a pipe: 4000",
        "a connection without a descriptor: EMFILE",
        "and with one: 1",
        "",
        "four naps of 5 ms beside a long line: short",
    ]


@every_flavour
def test_what_is_full_or_too_long_is_refused_and_no_more(live: Live, tmp_path: Path, flavour: str) -> None:
    """A process that becomes another program has two tables of pages for a moment: as many as can be may do so."""
    run = live(alone(wren(tmp_path, "crowded", ram="32MiB")), flavour=flavour)
    assert finish(run).splitlines() == [
        "63 children, one more: EAGAIN",
        "of 63: 63 became another program",
        "a socket's name as long as may be: 0",
        "and one longer: ENAMETOOLONG",
    ]


# ---- The terminal

TYPED = [
    ("abc\n", "abc\nabc\\a[4]\n"),
    ("hello world\n", "hello world\nhello wo[8]\nrld\\a[4]\n"),
    ("xy\x7f\x7fz\n", "xy\b \b\b \bz\nz\\a[2]\n"),
    ("\x01\x7fz\r", "z\nz\\a[2]\n"),
    ("half\x03", "half^C<SIGINT>\n[EINTR]\n"),
    ("ab\x04", "abab[2]\n"),
    ("12345678\n", "12345678\n12345678[8]\n\\a[1]\n"),
    ("\x04", "[0]\n"),
]
"""What is typed, and what then stands on the screen."""


@every_flavour
def test_a_line_discipline(live: Live, tmp_path: Path, flavour: str) -> None:
    run = live(alone(wren(tmp_path, "keys")), flavour=flavour)
    run.until("100ms")
    wanted = "ready\n"
    assert said(run) == wanted
    for number, (typed, shown) in enumerate(TYPED, start=1):
        run.type_text("wren", typed)
        run.until(f"{100 + 20 * number}ms")
        wanted += shown
        assert said(run) == wanted
    assert run.state("wren") == "shut down"


# ---- Devices behind driver domains

DISK = """\
open: 3
bytes: 7127040
fstat: 0
read at the end: 0
write at the end: ENOSPC
the last byte: 1
a bad pointer: EFAULT
half of it bad: EFAULT
one after another: 0
together: 0
"""


@every_split
@pytest.mark.parametrize("kills", [(), ("60ms", "90ms", "150ms")], ids=["lives", "dies"])
def test_any_range_of_a_disk_whether_its_driver(
    live: Live, tmp_path: Path, flavour: str, kills: tuple[str, ...]
) -> None:
    run = live(with_driver(wren(tmp_path, "sectors"), "block", "flash0"), flavour=flavour)
    for time in kills:
        run.plan_kill("driver", time)
    assert finish(run) == DISK


@every_split
def test_touches_outlive_their_driver(live: Live, tmp_path: Path, flavour: str) -> None:
    run = live(with_driver(wren(tmp_path, "touches"), "input", "touch0"), flavour=flavour)
    run.until("300ms")
    for number, (x, y, down) in enumerate([(1000, 2000, True), (2000, 3000, True), (2000, 3000, False), (0, 5, True)]):
        if not x:
            run.kill("driver")
            run.until("700ms")
        run.touch("touch0", x, y, down=down)
        run.until(f"{400 + 100 * number + 200 * (not x)}ms")
    run.touch("touch0", 0, 5, down=False)
    run.until("1200ms")
    lines = said(run).splitlines()
    assert lines[:3] == ["nothing yet: 0", "too small: EINVAL", "select: 1"]
    assert [int(line.split()[0]) for line in lines[3:]] == [1, 2, 3, 1, 3]
    assert run.state("wren") == "shut down"
