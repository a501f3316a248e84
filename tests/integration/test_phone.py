"""The phone: Linux's menu, BREW's applets, AMSS's calls, under each architecture; the pixels, the call, and what a death costs.

Real runs, as few as there can be: each says several things.
"""

from __future__ import annotations

import json
import signal
import struct
import tomllib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from cells.port import Port, RefusedError
from cells.programs.phone.messages import SCREEN_WIDTH, WINDOW, Kind
from hypervisor.api import Run
from hypervisor.shell.picture import Picture
from hypervisor.shell.rerun import rerun
from hypervisor.shell.summary import Summary
from hypervisor.shell.topology.load import load
from hypervisor.shell.topology.sources import topologies
from hypervisor.shell.voice import voice_lines
from tests.support.session import Session, cellvisor

pytestmark = pytest.mark.slow
Live = Callable[..., Run]
FLAVOURS = ("okl4", "l4", "xen")
ONE_OF_THEM = [FLAVOURS[0], *(pytest.param(name, marks=pytest.mark.long) for name in FLAVOURS[1:])]
CAMERA, LEFT, BOUNCE, FILM = [264, 10], [40, 224], [53, 60], [160, 60]


def script(*steps: tuple[str, dict[str, Any]]) -> str:
    """`[[inputs]]` for --set."""
    tables = [
        f"{{at = '{at}', {', '.join(f'{key} = {json.dumps(value)}' for key, value in what.items())}}}"
        for at, what in steps
    ]
    return f"inputs=[{', '.join(tables)}]"


def rows(shown: Picture, first: int, lines: int) -> bytes:
    return shown.pixels[3 * SCREEN_WIDTH * first : 3 * SCREEN_WIDTH * (first + lines)]


def window(shown: Picture) -> bytes:
    return rows(shown, WINDOW.y, WINDOW.height)


def bar(shown: Picture) -> bytes:
    return rows(shown, WINDOW.y + WINDOW.height, 32)


def colours(part: bytes) -> int:
    return len({part[at : at + 3] for at in range(0, len(part), 3)})


def same(one: bytes, other: bytes) -> bool:
    """Not by `==` in an assertion: pytest would print them."""
    return one == other


def figure(run: Run, cell: str, name: str) -> int:
    return int(run.summary().cells[cell].metrics[name].last)


def taken(run: Run, at: str) -> tuple[Picture, Picture]:
    """What Linux sees in its pages and what the panel shows, once the camera was touched."""
    run.until(at)
    return run.pictures["linux"], run.picture("lcd0")


CALL = script(
    ("200ms", {"touch": CAMERA}),
    ("400ms", {"touch": BOUNCE}),
    ("700ms", {"cell": "amss", "type": "ring 5551234\n"}),
    ("1100ms", {"touch": LEFT}),
    ("1600ms", {"cell": "brew", "order": "pause"}),
    ("1650ms", {"touch": CAMERA}),
    ("1800ms", {"cell": "brew", "order": "unpause"}),
    ("1850ms", {"touch": LEFT}),
    ("2050ms", {"touch": CAMERA}),
    ("2300ms", {"cell": "amss", "type": "drop\n"}),
)


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_an_applet_is_started_by_touch_and_a_call_comes_in_while_it_moves(live: Live, flavour: str) -> None:
    run = live("phone", flavour=flavour, overrides=[CALL])
    menu, panel = taken(run, "390ms")
    assert same(menu.pixels, panel.pixels), "the menu, in Linux's pages and on the panel"
    assert colours(window(menu)) > 100

    applet, panel = taken(run, "1790ms")
    assert same(applet.pixels, panel.pixels), "drawn by BREW, seen by Linux, shown by the panel"
    assert not same(window(applet), window(menu))
    assert not same(bar(applet), bar(menu)), "the bar speaks of the call"
    assert figure(run, "linux", "frames") >= 10
    assert b"bounce: class 0x01ce0001 starts" in run.console("brew")

    again, panel = taken(run, "2250ms")
    assert same(again.pixels, panel.pixels)
    assert same(window(again), window(menu)), "the menu is back, and BREW draws no more"
    run.until("2500ms")
    assert [figure(run, "amss", name) for name in ("calls", "voice_lost", "deadlines_missed")] == [1, 0, 0]
    assert 50 <= figure(run, "amss", "voice_sent") <= 62, "20 ms each, from the answer to the end"
    assert b"ui: call ended (the other hung up)" in run.console("linux")
    assert {cell.name for cell in run.monitor.cells if cell.ended} == set()


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_call_loses_nothing_when_linux_is_killed_and_the_menu_comes_back(live: Live, flavour: str) -> None:
    killed = script(
        ("200ms", {"touch": CAMERA}),
        ("300ms", {"cell": "amss", "type": "ring 5551234\n"}),
        ("600ms", {"touch": LEFT}),
        ("1100ms", {"cell": "linux", "order": "kill"}),
        ("1700ms", {"touch": CAMERA}),
        ("2300ms", {"cell": "amss", "type": "drop\n"}),
    )
    run = live("phone", flavour=flavour, overrides=[killed])
    menu, _ = taken(run, "290ms")
    after, panel = taken(run, "1990ms")
    assert same(after.pixels, panel.pixels)
    assert same(window(after), window(menu))
    assert not same(bar(after), bar(menu)), "the call is still there, and Linux has learnt of it again"
    run.until("2500ms")
    summary = run.summary()
    assert summary.cells["linux"].restarts == 1
    (told,) = voice_lines(summary)
    assert "1 call, " in told
    assert " voice frames sent, none lost; " in told
    assert told.endswith(" deadlines met, none missed")
    assert figure(run, "amss", "voice_sent") >= 80, "from the answer to the end, as if nothing had been"
    assert b"start 2\r\n" in run.console("linux") or b"start 2\n" in run.console("linux"), "its disk was not killed"


def test_brew_may_die_as_well(live: Live) -> None:
    steps = script(
        ("200ms", {"touch": BOUNCE}),
        ("500ms", {"cell": "brew", "order": "kill"}),
        ("1400ms", {"touch": LEFT}),
        ("1600ms", {"touch": FILM}),
        ("2500ms", {"touch": CAMERA}),
    )
    run = live("phone", overrides=[steps])
    run.until("1300ms")
    shown = figure(run, "linux", "frames")
    run.until("2700ms")
    assert b"film: class 0x01ce0002 starts" in run.console("brew")
    assert figure(run, "linux", "frames") > shown > 0
    assert colours(window(run.pictures["linux"])) > 20
    assert run.summary().cells["brew"].restarts == 1


@pytest.mark.parametrize("flavour", ONE_OF_THEM)
def test_a_run_is_the_same_over_both_transports_and_when_it_is_done_again(
    live: Live, tmp_path: Path, flavour: str
) -> None:
    hashes = set()
    for number, link in enumerate(("shm", "zmq")):
        run = live("phone", flavour=flavour, overrides=[CALL], link=link, out=tmp_path / str(number))
        run.until("1200ms")
        hashes.add(run.trace_hash)
        assert figure(run, "linux", "frames") > 0
        run.close()
    assert len(hashes) == 1
    assert rerun(tmp_path / "1").difference is None, "what went over zmq, once more over shm"


def test_the_command_ends_with_the_call_the_pictures_and_how_to_see_them_live(place: Path) -> None:
    ran = cellvisor("run", "phone", "--out", "out", "--for", "2500ms", "--set", CALL, place=place)
    assert ran.returncode == 0, ran.stderr
    told = ran.stdout.splitlines()
    assert any(line.startswith("amss: 1 call, ") and " none lost; " in line for line in told)
    shown = [line.partition(": ")[2] for line in told if line.startswith("picture of linux: ")]
    assert [(place / path).read_bytes()[:4] for path in shown] == [b"\x89PNG"]
    assert any(line.startswith("live: cellvisor run phone --screen") for line in told)
    assert Summary.from_json((place / "out" / "summary.json").read_text()).cells["linux"].state == "blocked"


def test_the_phone_is_refused_where_there_is_nobody_to_share_with() -> None:
    with pytest.raises(Exception, match="native runs one cell"):
        load("phone", flavour="native")


def test_a_person_kills_linux_during_a_call_and_reads_that_nothing_was_lost(place: Path) -> None:
    steps = script(("300ms", {"cell": "amss", "type": "ring 5551234\n"}), ("900ms", {"touch": LEFT}))
    with Session("run", "phone", "--pace", "1", "--for", "60s", "--set", steps, place=place) as session:
        session.expect("ui: connected with 5551234")
        killed = cellvisor("kill", "linux", place=place)
        assert killed.returncode == 0, killed.stderr
        session.expect("start 2")
        session.expect("ui: connected with 5551234")
        session.process.send_signal(signal.SIGINT)
        session.expect(r"amss: 1 call, [1-9]\d* voice frames sent, none lost")


DRIVERS = ("lcd", "touch", "storage", "keystore")


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_neither_call_nor_applet_notices_that_all_drivers_die(live: Live, flavour: str) -> None:
    deaths = [(f"{1300 + 100 * number}ms", {"cell": name, "order": "kill"}) for number, name in enumerate(DRIVERS)]
    steps = script(
        ("100ms", {"touch": BOUNCE}),
        ("200ms", {"cell": "amss", "type": "ring 5551234\n"}),
        ("900ms", {"touch": LEFT}),
        *deaths,
        ("2100ms", {"cell": "brew", "order": "pause"}),
        ("2150ms", {"touch": CAMERA}),
    )
    run = live("phone", flavour=flavour, overrides=[steps])
    seen, panel = taken(run, "2500ms")
    assert same(seen.pixels, panel.pixels)
    assert figure(run, "linux", "frames") >= 40, "25 a second"
    assert [figure(run, "amss", name) for name in ("calls", "voice_lost", "deadlines_missed")] == [1, 0, 0]
    assert [run.summary().cells[name].restarts for name in DRIVERS] == [1, 1, 1, 1]


def test_a_call_ends_with_its_baseband_and_the_next_one_is_as_any(live: Live) -> None:
    steps = script(
        ("200ms", {"cell": "amss", "type": "ring 5551234\n"}),
        ("900ms", {"touch": LEFT}),
        ("1500ms", {"cell": "amss", "order": "kill"}),
        ("2100ms", {"cell": "amss", "type": "ring 5556789\n"}),
        ("2700ms", {"touch": LEFT}),
    )
    run = live("phone", overrides=[steps])
    run.until("2s")
    assert run.console("linux").count(b"connected with") == 1
    assert figure(run, "linux", "calls") == 1, "it has ended, for Linux too"
    run.until("3s")
    assert b"ui: connected with 5556789" in run.console("linux")


def hostile(port: Port) -> None:
    """In BREW's place: sends what is no message, and more of it than anybody reads."""
    linux = port.connections.channels["linux"]
    kinds = [Kind.STARTED, Kind.STOPPED, Kind.FRAME, Kind.RINGING, Kind.CONNECTED, Kind.ENDED, 0xFFFF_FFFF]
    while True:
        for number, kind in enumerate(kinds):
            for data in (b"", b"x", struct.pack("<4I48s", kind, 0xFFFF_FFFF, number, 1, b"\xff%s" * 16), bytes(100)):
                with suppress(RefusedError):
                    linux.try_send(data)
        port.sleep("40ms")


@pytest.mark.parametrize("flavour", ONE_OF_THEM)
def test_a_brew_that_sends_nonsense_without_end_takes_no_call_from_the_phone(live: Live, flavour: str) -> None:
    path = topologies() / "phone.toml"
    described = tomllib.loads(path.read_text())
    described["cells"]["brew"] = {"guest": "python", "ram": "1MiB", "priority": 8}
    described["inputs"] = [
        {"at": "200ms", "touch": BOUNCE},
        {"at": "400ms", "cell": "amss", "type": "ring 5551234\n"},
        {"at": "1200ms", "touch": LEFT},
        {"at": "1800ms", "touch": LEFT},
        {"at": "2200ms", "touch": CAMERA},
    ]
    run = live(described, flavour=flavour, guests={"brew": hostile})
    run.until("2500ms")
    assert b"connected with 5551234" in run.console("linux")
    assert [figure(run, "amss", name) for name in ("voice_lost", "deadlines_missed")] == [0, 0]
    assert colours(window(run.pictures["linux"])) > 100, "its menu"
    assert run.summary().cells["linux"].restarts == 0
