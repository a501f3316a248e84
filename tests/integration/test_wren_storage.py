"""A paravirtual kernel and a driver domain: a file goes to /dev/blk0 and comes back, under each architecture, whoever dies."""

from __future__ import annotations

import re

import pytest

from cells.split.input.protocol import EVENT, Event, Kind
from hypervisor.api import Run
from tests.support.live import Live

pytestmark = pytest.mark.slow

FLAVOURS = ("xen", "l4", "okl4")
BOARDS = ("beagle", "arm926")
SUMS = re.compile(r"copied (\d+) bytes, checksum ([0-9a-f]{8})\nread back (\d+) bytes, checksum ([0-9a-f]{8})\n")


def launch(live: Live, flavour: str, *overrides: str) -> Run:
    return live("wren_storage", flavour=flavour, overrides=list(overrides))


def finish(run: Run, end: str = "8s") -> str:
    """Until the copy is checked; an erase of the flash takes a second. The checksum."""
    run.until(end)
    said = run.console("wren").decode().replace("\r", "")
    found = SUMS.search(said)
    assert found is not None, said
    assert int(found[1]) > 20_000, "several requests"
    assert (found[1], found[2]) == (found[3], found[4])
    assert "init: end, worst 0" in said
    run.monitor.check_invariants()
    return found[2]


@pytest.mark.parametrize("board", BOARDS)
def test_the_same_file_has_the_same_sum_everywhere(live: Live, board: str) -> None:
    assert len({finish(launch(live, flavour, f"board={board}")) for flavour in FLAVOURS}) == 1


@pytest.mark.parametrize("time", ["0s", "1ms", "30ms", "100ms", "250ms"])
@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_driver_domain_that_dies_meanwhile_changes_no_byte(live: Live, flavour: str, time: str) -> None:
    run = launch(live, flavour)
    run.plan_kill("storage", time)
    finish(run, "14s")
    assert run.cell("storage").account.restarts == 1


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_driver_domain_that_dies_again_and_again_changes_no_byte(live: Live, flavour: str) -> None:
    run = launch(live, flavour, "cells.storage.max_restarts=50")
    for time in range(20, 320, 50):
        run.until(f"{time}ms")
        run.kill("storage")
    finish(run, "20s")


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_kernel_that_dies_meanwhile_copies_in_its_next_life(live: Live, flavour: str) -> None:
    run = launch(live, flavour, "cells.wren.on_crash=restart")
    run.until("120ms")
    run.kill("wren")
    finish(run, "14s")
    assert run.cell("wren").account.restarts == 1
    assert run.cell("storage").account.restarts == 0


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_touches_reach_a_process_through_the_input_front_end(live: Live, flavour: str) -> None:
    cells = {
        "wren": {"image": "wren", "initrd": "wren", "ram": "8MiB", "args": "/bin/cat,/dev/input"},
        "touch": {"domain": "input", "devices": ["touch0"], "on_crash": "restart"},
    }
    channels = [{"between": ["wren", "touch"], "class": "input"}]
    run = live({"name": "input", "board": "evoke_qa4", "cells": cells, "channels": channels}, flavour=flavour)
    run.until("300ms")
    run.touch("touch0", 2000, 1000)
    run.until("400ms")
    run.kill("touch")  # its next life is as good
    run.until("500ms")
    run.touch("touch0", 2000, 1000, down=False)
    run.touch("touch0", 100, 3000)
    run.until("700ms")
    data = run.console("wren").partition(b"begin\r\n")[2]
    events = [Event(*EVENT.unpack_from(data, at)) for at in range(0, len(data), EVENT.size)]
    assert [event.time for event in events] == sorted(event.time for event in events)
    first, *_, last = events
    assert (first.kind, last.kind) == (Kind.DOWN, Kind.DOWN)
    assert 0 < last.x < first.x < 320
    assert 0 < first.y < last.y < 240


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_without_a_link_there_is_no_disk(live: Live, flavour: str) -> None:
    cell = {"image": "wren", "initrd": "wren", "ram": "8MiB", "args": "/bin/disk"}
    run = live({"name": "alone", "board": "beagle", "cells": {"wren": cell}}, flavour=flavour)
    run.until("1s")
    assert b"/dev/blk0: ENOENT" in run.console("wren")
