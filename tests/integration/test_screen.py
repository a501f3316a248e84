"""A display in a terminal, of a run elsewhere and of one's own: what is seen, what the mouse does, and how it ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hypervisor.shell import observer, runtime_dir
from hypervisor.shell.client import Client, OperatorError, RunEnded
from hypervisor.shell.commands import RunOptions, run
from hypervisor.shell.operator import Operator
from hypervisor.shell.problems import InputError
from hypervisor.shell.screen import command
from tests.support.files import read_png
from tests.support.live import Live, until
from tests.support.looker import LEFT, Looker
from tests.support.patience import PATIENCE_S
from tests.support.session import COMMAND, cellvisor, displaying, environment
from tests.support.terminal import Blocks, read_kitty, read_sixels

pytestmark = pytest.mark.slow

RED, GREEN, BLUE, BLACK = (255, 0, 0), (0, 255, 0), (0, 0, 255), (0, 0, 0)
KITTY = b"\x1b_Gi=31;OK\x1b\\\x1b[6;20;10t\x1b[?62;c"


@pytest.fixture(scope="module")
def house() -> Iterator[Path]:
    with displaying() as place:
        yield place


@pytest.fixture
def client(house: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(house))
    with Client(runtime_dir.running()[0]) as client:
        yield client


def said(client: Client) -> str:
    """What the painter has said."""
    return bytes(client.ask("console", cell="painter")["backlog"]).decode()


def painted(screen: Blocks) -> bool:
    """The painter's own squares are there: 20 pixels are five characters, or two and a half lines of text."""
    places = {(0, 1): RED, (10, 4): GREEN, (20, 6): BLUE}
    return all(screen.pixel(LEFT + x, y) == (colour, colour) for (x, y), colour in places.items())


def test_the_display_is_seen_in_half_blocks_and_touched_with_the_mouse(house: Path, client: Client) -> None:
    with Looker("screen", place=house) as looker:
        screen = looker.sees(painted)
        assert screen.pixel(LEFT + 79, 30) == (BLACK, BLACK)
        assert "lcd0 of display" in screen.text(31)
        assert not looker.echoes()
        looker.click(LEFT + 40, 21)
        looker.sees(lambda screen: screen.pixel(LEFT + 43, 22) not in (None, (BLACK, BLACK)))
        assert until(lambda: "touched at 161, 163" in said(client) or "touched at 162, 164" in said(client))
        looker.type("q")
        assert looker.wait() == 0
        assert looker.echoes()
        assert looker.raw.endswith(b"\x1b[?1049l")
    assert client.ask("status")["name"] == "display"


def test_a_pen_that_is_down_is_lifted_when_its_person_leaves(house: Path, client: Client) -> None:
    client.follow("trace")
    began = client.ask("status")["now"]
    with Looker("screen", place=house) as looker:
        looker.sees(painted)
        looker.press(LEFT + 10, 5)
        looker.type("\x1b[<32;90;25M")
        looker.type("\x1d")
        assert looker.wait() == 0
    touches: list[str] = []

    def lifted() -> bool:
        for _, lines in client.news():
            records = [json.loads(line) for line in lines.splitlines() if b'"what":"touch"' in line]
            touches.extend(record["data"] for record in records if record["t"] > began)
        return bool(touches) and touches[-1].endswith(" 0")

    assert until(lifted)
    assert touches[0].startswith("touch0 537 ")
    assert touches[0].endswith(" 1")


def test_nothing_is_touched_beside_the_picture(house: Path, client: Client) -> None:
    with Looker("screen", place=house) as looker:
        looker.sees(painted)
        assert until(lambda: "painted" in said(client))
        before = said(client)
        looker.click(LEFT - 2, 5)
        looker.click(5, 31)
        looker.type("q")
        assert looker.wait() == 0
    client.ask("displays")
    assert said(client) == before


def test_another_size_of_the_terminal_is_another_size_of_the_picture(house: Path) -> None:
    with Looker("screen", place=house) as looker:
        looker.sees(painted)
        looker.resize(40, 16)
        looker.raw = b""
        screen = looker.sees(
            lambda screen: screen.pixel(1, 1) == (RED, RED) and (screen.pixel(11, 4) or [0])[0] == BLUE
        )
        assert screen.pixel(40, 15) == (BLACK, BLACK)
        looker.type("q")
        assert looker.wait() == 0


def test_a_terminal_with_graphics_gets_the_pixels_themselves(house: Path) -> None:
    done = cellvisor("screenshot", "lcd0", "now.png", place=house)
    assert (done.returncode, done.stdout) == (0, "now.png: 320 x 240\n")
    with Looker("screen", place=house, answer=KITTY) as looker:
        looker.expect(r"lcd0 of display")
        (shown,) = read_kitty(looker.raw)
        looker.type("q")
        assert looker.wait() == 0
        assert b"\x1b_Ga=d,d=I,i=1,q=2\x1b\\" in looker.raw
    assert (shown.keys["s"], shown.keys["v"]) == ("320", "240")
    assert shown.pixels == read_png(house / "now.png").pixels


def test_sixels_are_drawn_when_asked_for(house: Path) -> None:
    with Looker("screen", "--protocol", "sixel", place=house) as looker:
        looker.expect(r"lcd0 of display")
        pixels = read_sixels(looker.raw)
        looker.type("q")
        assert looker.wait() == 0
    assert (max(x for x, _ in pixels), max(y for _, y in pixels)) == (639, 479)
    assert pixels[0, 0] == (100, 0, 0)


def test_a_viewer_that_is_killed_leaves_a_whole_terminal(house: Path, client: Client) -> None:
    with Looker("screen", place=house) as looker:
        looker.sees(painted)
        looker.process.kill()
        looker.expect(r"\x1b\[\?1049l")
        assert until(looker.echoes)
    assert client.ask("status")["name"] == "display"


def test_a_terminal_that_goes_away_takes_the_viewer_and_nothing_else(house: Path, client: Client) -> None:
    looker = Looker("screen", place=house)
    looker.sees(painted)
    os.close(looker._theirs)
    os.close(looker.terminal)
    assert looker.process.wait(PATIENCE_S) in (0, 1, 2)
    assert client.ask("status")["name"] == "display"


def test_what_cannot_be_shown_is_said_in_one_line(house: Path, client: Client) -> None:
    with pytest.raises(InputError, match=r"^a screen needs a terminal \("):
        command.screen(None, None, "auto")
    with pytest.raises(OperatorError, match=r'^no display is called "lcd7"; there are: lcd0$'):
        command.screenshot(["lcd7", str(house / "x.png")], None)
    with pytest.raises(OSError, match=r"No such file or directory: '.*no/x.png'$"):
        command.screenshot([str(house / "no" / "x.png")], None)
    with pytest.raises(InputError, match=r"^screenshot: takes the name of a display and of a file"):
        command.screenshot(["lcd0", "lcd1", "x.png"], None)
    with Looker("screen", "lcd7", place=house) as looker:
        looker.expect('no display is called "lcd7"')
        assert looker.wait() == 2
        assert looker.echoes()


def test_a_run_with_a_screen_is_seen_touched_and_ended_in_one_terminal(place: Path) -> None:
    with Looker("run", "display", "--screen", place=place) as looker:
        looker.sees(painted)
        looker.click(LEFT + 40, 21)
        looker.sees(lambda screen: screen.pixel(LEFT + 43, 22) not in (None, (BLACK, BLACK)))
        looker.type("q")
        looker.expect(r"virtual time .*, ended: by its user\r\n")
        assert looker.wait() == 0
        assert looker.echoes()
    assert list(place.glob("cellvisor-*")) == []


def test_a_run_with_a_screen_ends_by_a_signal_with_a_whole_terminal(place: Path) -> None:
    with Looker("run", "display", "--screen", place=place) as looker:
        looker.sees(painted)
        looker.process.send_signal(signal.SIGTERM)
        looker.expect(r"\x1b\[\?1049l(.|\n)*virtual time")
        assert looker.wait() == 128 + signal.SIGTERM
        assert looker.echoes()
    assert list(place.glob("cellvisor-*")) == []


def test_a_screen_needs_a_terminal_and_no_comparison() -> None:
    options = RunOptions("display", screen=True)
    with pytest.raises(
        InputError, match=r"^--screen: needs a terminal, and no --json \(--web shows it in a browser\)$"
    ):
        run(options)
    with pytest.raises(InputError, match=r"^--compare: there is nothing to look at"):
        options.refuse_views("--compare")


def test_looking_changes_nothing_and_touching_is_replayed(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same trace with and without somebody who looks as often as he can; with touches, the same one in a replay."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(place))
    options = ("run", "display", "--for", "300ms", "--json")
    alone = json.loads(cellvisor(*options, place=place).stdout)["trace_sha256"]
    for touches in (0, 5):
        words = [*COMMAND, *options, "--pace", "0.5", "--out", "out"]
        process = subprocess.Popen(words, cwd=place, env=environment(place), stdout=subprocess.PIPE)
        looks = watch_hard(process, touches)
        out, _ = process.communicate(timeout=PATIENCE_S)
        assert looks > 5
        assert (json.loads(out)["trace_sha256"] == alone) == (touches == 0)
        assert (place / "out" / "inputs.jsonl").read_text().count('"kind": "touch"') == touches
    done = cellvisor("replay", "out", place=place)
    assert (done.returncode, done.stdout.startswith("the same trace, ")) == (0, True), done.stdout


def test_a_watcher_notices_that_the_door_is_closed_though_the_process_goes_on(
    live: Live, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(place))
    monkeypatch.setattr(observer, "ANSWER_S", 0.05)

    async def watch(operator: Operator) -> None:
        async with observer.Observer(runtime_dir.running()[0]) as watcher:
            waiting = asyncio.create_task(watcher.watch("lcd0", 0))
            await asyncio.sleep(0)
            operator.close()
            with pytest.raises(RunEnded):
                await waiting

    asyncio.run(watch(Operator(live("display"))))


def watch_hard(process: subprocess.Popen[bytes], touches: int) -> int:
    """Look again and again until the run ends, and touch now and then; how many pictures were looked at."""
    assert until(lambda: bool(runtime_dir.running()))
    looks = 0
    with Client(runtime_dir.running()[0]) as client:
        for number in range(touches):
            client.ask("touch", device="touch0", x=500 * number, y=99, down=number % 2 == 0)
        while not client.wait(0).ended:
            client.tell("watch", display="lcd0", seen=0)
            threading.Event().wait(0.01)
            looks += 1
    assert process.wait(PATIENCE_S) == 0
    return looks
