"""Where a picture is in a terminal, and which display and touch screen are meant."""

from __future__ import annotations

from typing import Any

import pytest

from hypervisor.shell.client import OperatorError
from hypervisor.shell.picture import Picture
from hypervisor.shell.screen.viewer import Place, Protocol, choose, place

QVGA = Picture(320, 240, b"")
CELL = (10, 20)


def test_a_picture_of_half_blocks_is_as_large_as_fits_and_in_the_middle() -> None:
    assert place(QVGA, (100, 31), Protocol.blocks, CELL) == Place(1, 11, 80, 30, 80, 60)
    assert place(QVGA, (40, 50), Protocol.blocks, CELL) == Place(18, 1, 40, 15, 40, 30)


def test_sixels_are_no_larger_than_twice_the_display() -> None:
    assert place(QVGA, (200, 101), Protocol.sixel, CELL) == Place(39, 69, 64, 24, 640, 480)
    assert place(QVGA, (20, 51), Protocol.sixel, CELL) == Place(22, 1, 20, 8, 200, 150)


def test_kitty_fills_whole_characters() -> None:
    assert place(QVGA, (100, 31), Protocol.kitty, CELL) == Place(1, 11, 80, 30, 800, 600)


@pytest.mark.parametrize("protocol", [Protocol.blocks, Protocol.sixel, Protocol.kitty])
def test_in_the_smallest_terminal_there_is_something(protocol: Protocol) -> None:
    at = place(QVGA, (1, 1), protocol, CELL)
    assert (at.row, at.column, at.columns, at.rows) == (1, 1, 1, 1)
    assert min(at.width, at.height) >= 1


def board(*displays: tuple[str, bool], touches: tuple[str, ...] = ("touch0",)) -> dict[str, Any]:
    return {"displays": [{"name": name, "on": on} for name, on in displays], "touches": list(touches)}


def test_the_first_display_that_is_on_is_shown_with_its_touch_screen() -> None:
    both = board(("lcd0", False), ("lcd1", True), touches=("touch0", "touch1"))
    assert choose(both, None) == ({"name": "lcd1", "on": True}, "touch1")
    assert choose(both, "lcd0") == ({"name": "lcd0", "on": False}, "touch0")
    assert choose(board(("lcd0", False)), None)[1] == "touch0"
    assert choose(board(("lcd0", True), touches=()), None)[1] == ""


def test_a_display_that_is_not_there_is_told_of() -> None:
    with pytest.raises(OperatorError, match=r'^no display is called "tv"; there are: lcd0$'):
        choose(board(("lcd0", True)), "tv")
    with pytest.raises(OperatorError, match=r"^the board has no display$"):
        choose(board(), None)
