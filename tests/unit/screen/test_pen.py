"""The mouse as a pen: what the run is told, in which order and how often."""

from __future__ import annotations

import asyncio
from typing import Any

from hypervisor.shell.screen.keys import Mouse
from hypervisor.shell.screen.pen import MOVE_S, Pen, Spot


class Run:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[int, int, bool]] = []
        self.asked = 0

    def tell(self, verb: str, *, device: str, x: int, y: int, down: bool) -> None:
        assert (verb, device) == ("touch", "touch0")
        self.told.append((x, y, down))

    async def ask(self, _verb: str) -> None:
        self.asked += 1


def mouse(*, down: bool, moved: bool = False) -> Mouse:
    return Mouse(1, 1, down=down, moved=moved)


def told(*steps: tuple[Mouse, Spot] | float, lift: bool = False) -> Run:
    """What the run hears of these; a number is a pause in seconds."""
    run: Any = Run()

    async def go() -> None:
        pen = Pen(run, "touch0")
        for step in steps:
            if isinstance(step, float):
                await asyncio.sleep(step)
            else:
                pen.take(*step)
        if lift:
            await pen.lift()

    asyncio.run(go())
    found: Run = run
    return found


PRESS, DRAG, LET_GO = mouse(down=True), mouse(down=True, moved=True), mouse(down=False)


def at(x: int, *, inside: bool = True) -> Spot:
    return Spot(x, 0, inside)


def test_a_pen_is_put_down_and_lifted_where_the_mouse_is() -> None:
    assert told((PRESS, at(1)), (LET_GO, at(2))).told == [(1, 0, True), (2, 0, False)]


def test_nothing_is_touched_from_outside_or_by_moving_in() -> None:
    steps = ((PRESS, at(1, inside=False)), (DRAG, at(2)), (LET_GO, at(3)))
    assert told(*steps).told == []


def test_of_many_moves_the_last_one_is_told_and_before_the_pen_is_lifted() -> None:
    moves = [(DRAG, at(x)) for x in range(2, 50)]
    assert told((PRESS, at(1)), *moves, (LET_GO, at(60))).told == [(1, 0, True), (60, 0, True), (60, 0, False)]
    assert told((PRESS, at(1)), *moves, 3 * MOVE_S).told == [(1, 0, True), (49, 0, True)]


def test_who_leaves_with_the_pen_down_lifts_it() -> None:
    down = told((PRESS, at(1)), lift=True)
    assert (down.told, down.asked) == ([(1, 0, True), (1, 0, False)], 1)
    assert told((PRESS, at(1)), (LET_GO, at(1)), lift=True).asked == 0
