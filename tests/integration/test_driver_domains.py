"""Console, network, display and input through driver domains, in real processes, under every flavour."""

from __future__ import annotations

import re

import pytest

from cells.programs.painter import COLOURS, SIDE
from hypervisor.api import Run
from tests.support.live import Live

pytestmark = pytest.mark.slow

FLAVOURS = pytest.mark.parametrize("flavour", ["okl4", "l4", "xen"])


def launch(live: Live, topology: str, flavour: str, *more: str) -> Run:
    return live(topology, overrides=[f"flavour={flavour}", *more])


def metric(run: Run, cell: str, name: str) -> int:
    return run.cell(cell).account.metrics[name][0]


@FLAVOURS
def test_every_frame_of_a_talk_comes_back(live: Live, flavour: str) -> None:
    run = launch(live, "net", flavour, "cells.alice.args=[40, 1000]")
    run.until("1s")
    assert run.console("alice") == b"40 of 40 frames came back, 0 twice, 0 changed\n"
    assert metric(run, "bob", "returned") == 40


@FLAVOURS
def test_a_talk_goes_on_when_the_switch_is_killed(live: Live, flavour: str) -> None:
    run = launch(live, "net", flavour, "cells.alice.args=[200, 100]")
    half = run.cycles("3ms")
    run.plan_kill("netdom", half)
    run.until("3s")
    assert run.cell("netdom").account.restarts == 1
    assert metric(run, "alice", "echoed") + metric(run, "alice", "lost") == 200
    assert metric(run, "alice", "lost") <= 2, "no more than what was in the dead switch's hands"
    assert run.state("alice").value == "shut down"


@FLAVOURS
def test_two_cells_share_a_terminal_and_keys_go_to_the_one_in_focus(live: Live, flavour: str) -> None:
    run = launch(live, "console", flavour)
    run.until("200ms")
    run.type_text("uart", "first\r")
    run.until("400ms")
    run.type_text("uart", b"\x01second\r")
    run.until("600ms")
    shown = run.console("uart").decode()
    expected = ["[alice] alice is ready", "[bob] bob is ready", "[alice] alice heard first", "-- bob --"]
    assert shown.splitlines() == [*expected, "[bob] bob heard second"]


@FLAVOURS
def test_a_line_that_was_shown_is_not_shown_again_when_the_terminals_domain_is_killed(live: Live, flavour: str) -> None:
    run = launch(live, "console", flavour, "cells.alice.args=[30]")
    while run.console("uart").count(b"alice line") < 3:
        run.until(run.now + run.cycles("50us"))
    assert run.console("uart").count(b"alice line") < 30, "in the middle"
    run.kill("uart")
    run.until("1s")
    run.type_text("uart", "bye\r")
    run.until("2s")
    numbers = [int(number) for number in re.findall(r"\[alice\] alice line (\d+)\n", run.console("uart").decode())]
    assert sorted(set(numbers)) == list(range(30))
    assert len(numbers) <= 31, "at most the request that was being served is shown twice"
    assert "alice heard bye" in run.console("uart").decode()


@FLAVOURS
def test_what_is_painted_is_on_the_panel_also_after_its_domain_was_killed(live: Live, flavour: str) -> None:
    run = launch(live, "display", flavour)
    run.until("500ms")
    before = run.picture("lcd0")
    colours = [colour(before.pixels, before.width, number * 2 * SIDE + 1, number * SIDE + 1) for number in range(4)]
    assert colours == [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)][: len(COLOURS)]
    run.kill("lcd")
    run.until("1s")
    assert run.cell("lcd").account.restarts == 1
    assert run.picture("lcd0").pixels == before.pixels


@FLAVOURS
def test_a_touch_reaches_the_client_as_an_event(live: Live, flavour: str) -> None:
    run = launch(live, "display", flavour)
    run.until("500ms")
    run.touch("touch0", 2048, 1024)
    run.touch("touch0", 2048, 1024, down=False)
    run.until("600ms")
    run.touch("touch0", 0, 4095)
    run.until("700ms")
    assert b"touched at 160, 60\n" in run.console("painter")
    assert b"touched at 0, 239\n" in run.console("painter")
    assert metric(run, "painter", "squares") == 6


def colour(pixels: bytes, width: int, x: int, y: int) -> tuple[int, ...]:
    start = 3 * (y * width + x)
    return tuple(pixels[start : start + 3])
