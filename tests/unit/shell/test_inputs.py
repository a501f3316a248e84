"""Inputs from outside: what is logged is what a replay hands out, and a log that is wrong says where."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hypervisor.abi.faults import Armed
from hypervisor.abi.time import NEVER
from hypervisor.shell.files import RunDirError
from hypervisor.shell.inputs import TOUCH_RANGE, Input, InputKind, InputLog, ReplayError, ReplayInputs, Touch

TYPED = Input(3, 500, InputKind.CONSOLE, "linux", b"ls\n")
PAUSED = Input(3, 500, InputKind.PAUSE, "")
KILLED = Input(9, 800, InputKind.KILL, "brew")


def logged(path: Path, *inputs: Input) -> Path:
    log = InputLog(path)
    for taken in inputs:
        log.append(taken)
    log.close()
    return path


def test_a_line_is_readable(tmp_path: Path) -> None:
    logged(tmp_path / "i", TYPED)
    text = '{"step": 3, "t": 500, "kind": "console", "cell": "linux", "data": "ls\\n"}\n'
    assert (tmp_path / "i").read_text() == text


def test_an_input_is_in_the_file_before_the_run_goes_on(tmp_path: Path) -> None:
    log = InputLog(tmp_path / "i")
    log.append(TYPED)
    assert ReplayInputs(tmp_path / "i").peek() == TYPED
    log.close()


def test_a_log_without_a_file_takes_inputs_and_keeps_none() -> None:
    log = InputLog(None)
    log.append(TYPED)
    log.close()
    log.close()


def test_a_replay_hands_out_each_input_once_at_its_step(tmp_path: Path) -> None:
    replay = ReplayInputs(logged(tmp_path / "i", TYPED, PAUSED, KILLED))
    assert replay.due(2) == []
    assert replay.due(3, now=500) == [TYPED, PAUSED]
    assert replay.due(3) == []
    assert replay.peek() == KILLED
    assert replay.due(9, now=800) == [KILLED]
    assert replay.peek() is None
    assert replay.due(10_000) == []


def test_a_replay_at_another_time_is_not_the_same_run(tmp_path: Path) -> None:
    replay = ReplayInputs(logged(tmp_path / "i", TYPED))
    message = r"/i: line 1: step 3 was at cycle 500 in the recorded run and is at 501 in this one$"
    with pytest.raises(ReplayError, match=message):
        replay.due(3, now=501)


def test_a_replay_that_passed_a_step_is_not_the_same_run(tmp_path: Path) -> None:
    replay = ReplayInputs(logged(tmp_path / "i", TYPED, KILLED))
    replay.due(3)
    with pytest.raises(ReplayError, match=r"/i: line 2: step 9 has passed, the run is at step 10$"):
        replay.due(10)


cells = st.from_regex(r"[a-z0-9_]{1,8}", fullmatch=True)
places = st.tuples(st.integers(0, 4095), st.integers(0, 4095), st.integers(0, 1))
touches = places.map(lambda place: b"touch0 %d %d %d" % place)
windows = st.tuples(st.integers(0, 65535), st.integers(0, 65535)).map(lambda size: b"%d %d" % size)
orders = st.integers(0, NEVER - 1).map(lambda at: Armed("exception", at=at).to_text())
streams = st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 3), st.binary(max_size=40)).map(
    lambda said: b"%d %d\0" % said[:2] + said[2]
)
SAID = {
    InputKind.TOUCH: touches,
    InputKind.RESIZE: windows,
    InputKind.INJECT: orders,
    InputKind.STREAM: streams,
}
kinds_and_data = st.sampled_from(InputKind).flatmap(
    lambda kind: st.tuples(st.just(kind), SAID.get(kind, st.binary(max_size=40)))
)
inputs = st.builds(
    lambda step, time, cell, what: Input(step, time, what[0], cell, what[1]),
    st.integers(0, 50),
    st.integers(0, NEVER - 1),
    cells,
    kinds_and_data,
)


@settings(max_examples=25)
@given(st.lists(inputs, max_size=20).map(lambda taken: sorted(taken, key=lambda one: one.step)))
def test_what_was_logged_is_what_is_replayed(tmp_path_factory: pytest.TempPathFactory, taken: list[Input]) -> None:
    path = logged(tmp_path_factory.getbasetemp() / "inputs", *taken)
    replay = ReplayInputs(path)
    replayed = [one for step in range(51) for one in replay.due(step)]
    assert replayed == taken
    assert path.read_bytes() == logged(path.with_name("again"), *replayed).read_bytes()


def line(**change: Any) -> str:
    return json.dumps({"step": 3, "t": 500, "kind": "console", "cell": "linux", "data": "ls"} | change)


KINDS = (
    "console, resize, end, shutdown, reboot, store, pause, unpause, kill, restart, died, until, kill_at, touch, inject, "
    "stream"
)
ORDER = Armed("exception", at=5).to_text()
DATA = {
    InputKind.TOUCH: b"touch0 1 2 1",
    InputKind.RESIZE: b"24 80",
    InputKind.INJECT: ORDER,
    InputKind.STREAM: b"1 1\0a",
}
"""Of kinds whose data mean something."""


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ("", "is not JSON"),
        ("nonsense", "is not JSON"),
        ("\udcff", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "must be an object with the keys step, t, kind, cell, data"),
        ('{"step": 3}', "must be an object with the keys step, t, kind, cell, data"),
        (line(more=1), "must be an object with the keys step, t, kind, cell, data"),
        (line()[:-1] + ', "t": 500}', "must be an object with the keys step, t, kind, cell, data"),
        (line(step=-1), '"step" must be a number from 0'),
        (line(step=True), '"step" must be a number from 0'),
        (line(t=1.5), '"t" must be a number from 0'),
        (line(t=NEVER), '"t" must be a number from 0'),
        (line(step=2), "comes before the line above it"),
        (line(kind="dance"), f'"kind" must be one of {KINDS}'),
        (line(kind=["console"]), f'"kind" must be one of {KINDS}'),
        (line(kind="touch"), '"data" of a touch must be "DEVICE X Y DOWN", for example "touch0 120 200 1"'),
        (line(kind="resize", data="24"), '"data" of a resize must be "ROWS COLUMNS", for example "24 80"'),
        (line(kind="touch", data="touch0 4096 0 1"), "a touch screen reads 0..4095 each way, not 4096, 0"),
        (line(cell="../x"), '"cell" must be the name of a cell'),
        (line(cell=""), '"cell" must be the name of a cell'),
        (line(cell=None), '"cell" must be the name of a cell'),
        (line(data=7), '"data" must be a text of characters up to \\u00ff, one for each byte'),
        (line(data="\u20ac"), '"data" must be a text of characters up to \\u00ff, one for each byte'),
    ],
)
def test_a_wrong_line_is_named_with_the_reason(tmp_path: Path, wrong: str, why: str) -> None:
    path = tmp_path / "i"
    path.write_bytes(f"{line()}\n{wrong}\n".encode("utf-8", "surrogateescape"))
    with pytest.raises(RunDirError) as caught:
        ReplayInputs(path)
    assert str(caught.value) == f"{path}: line 2: {why}"


def test_only_what_concerns_the_whole_board_may_name_no_cell(tmp_path: Path) -> None:
    for kind in set(InputKind) - {InputKind.INJECT}:  # which depends on the order
        (tmp_path / "i").write_text(line(kind=kind, cell="", data=DATA.get(kind, b"").decode()) + "\n")
        if kind in (InputKind.PAUSE, InputKind.UNPAUSE, InputKind.UNTIL, InputKind.STORE):
            assert ReplayInputs(tmp_path / "i").due(3)[0].cell == ""
        else:
            with pytest.raises(RunDirError, match="must be the name of a cell"):
                ReplayInputs(tmp_path / "i")


def test_a_line_that_was_cut_is_refused(tmp_path: Path) -> None:
    (tmp_path / "i").write_text(line() + "\n" + line()[:20])
    with pytest.raises(RunDirError, match=r"line 2: is cut short; remove it to replay what came before$"):
        ReplayInputs(tmp_path / "i")


def test_an_empty_log_is_a_run_without_inputs(tmp_path: Path) -> None:
    assert ReplayInputs(logged(tmp_path / "i")).peek() is None


def test_a_log_that_is_not_there_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(RunDirError, match=r"/i: no such file or directory; is this a run directory\?$"):
        ReplayInputs(tmp_path / "i")


@pytest.mark.parametrize(("side", "place"), [(320, lambda at: (at, 0)), (240, lambda at: (0, at))])
def test_a_touch_on_a_pixel_is_read_back_as_that_pixel(side: int, place: Any) -> None:
    for at in range(side):
        touch = Touch.on_pixel("touch0", *place(at), 1)
        assert Touch.parse(touch.data) == touch
        assert max(touch.x, touch.y) * side // TOUCH_RANGE == at, (
            "as the driver reckons (cells/domains/drivers/touch.py)"
        )


@pytest.mark.parametrize("place", [(320, 0), (0, 240), (-1, 0)])
def test_a_touch_beside_the_screen_is_none(place: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="is not on the screen"):
        Touch.on_pixel("touch0", *place, 1)
