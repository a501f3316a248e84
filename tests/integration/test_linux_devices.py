"""What a Linux-like cell is connected to, as its processes see it, under every flavour: screen, touches, disk, other cells."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hypervisor.api import Run
from tests.support.linux_devices import programs
from tests.support.live import Live

pytest.importorskip("ziglang")
pytestmark = pytest.mark.slow

every_split = pytest.mark.parametrize("flavour", ["okl4", "l4", "xen"])


def linux(tmp_path: Path, *words: str) -> dict[str, Any]:
    """A cell whose first process is one of the programs."""
    root = tmp_path / "programs.cpio"
    root.write_bytes(programs())
    return {"personality": "linux", "root": str(root), "run": [f"/bin/{words[0]}", *words[1:]], "ram": "4MiB"}


def driver(domain: str, device: str) -> dict[str, Any]:
    return {"domain": domain, "devices": [device], "ram": "1MiB", "on_crash": "restart"}


def device(cell: dict[str, Any], domain: str, name: str) -> dict[str, Any]:
    """One cell and its driver domain."""
    channels = [{"between": ["ui", "driver"], "class": domain}]
    return {
        "name": "devices",
        "board": "evoke_qa4",
        "cells": {"ui": cell, "driver": driver(domain, name)},
        "channels": channels,
    }


def said(run: Run, cell: str = "ui") -> list[str]:
    return run.console(cell).decode().replace("\r\n", "\n").splitlines()


def shown(run: Run) -> str:
    """What it has said when its picture is there."""
    for time in range(50, 5_000, 50):
        run.until(f"{time}ms")
        if "shown" in said(run):
            break
    return "\n".join(said(run)) + "\n"


def finish(run: Run) -> list[str]:
    for time in range(100, 30_000, 100):
        run.until(f"{time}ms")
        if run.state("ui") not in ("running", "blocked"):
            break
    run.monitor.check_invariants()
    assert (run.state("ui"), run.cell("ui").why) == ("shut down", "status 0"), said(run)
    return said(run)


SHOWN = """\
variable: 0
fixed: 0
320 x 240, 16 bits, line of 640 bytes, 153600 bytes
{told}pan: 0
sync: 0
seek: 76800
below: {below} by read, {below} in the mapping
behind the end: ENOSPC
pan: 0
sync: 0
{tell}shown
"""


def colours(run: Run) -> list[tuple[int, ...]]:
    """Of the first pixel, the one in the middle, the last one."""
    picture = run.picture("lcd0")
    assert (picture.width, picture.height) == (320, 240)
    return [tuple(picture.pixels[3 * at : 3 * at + 3]) for at in (0, 120 * 320, 320 * 240 - 1)]


@every_split
def test_what_a_process_draws_is_on_the_panel(live: Live, tmp_path: Path, flavour: str) -> None:
    run = live(device(linux(tmp_path, "screen", "show"), "display", "lcd0"), flavour=flavour)
    assert shown(run) == SHOWN.format(told="", below="0000", tell="")
    assert colours(run) == [(255, 0, 0), (0, 0, 0), (0, 0, 255)]


@every_split
def test_two_cells_draw_into_one_frame_buffer_and_see_each_other(live: Live, tmp_path: Path, flavour: str) -> None:
    table = device(linux(tmp_path, "screen", "show"), "display", "lcd0")
    table["cells"]["other"] = linux(tmp_path, "screen", "draw")
    table["channels"].append({"between": ["ui", "other"], "class": "message"})
    table["shared"] = [{"name": "framebuffer", "size": "150KiB", "cells": {"ui": "rw", "other": "rw"}}]
    run = live(table, flavour=flavour)
    assert shown(run) == SHOWN.format(told="told: 5\n", below="07e0", tell="tell: 4\n")
    assert said(run, "other") == ["pan without a display: 0", "tell: 5", "told: 4", "above: f800, last: 001f"]
    assert colours(run) == [(255, 0, 0), (0, 255, 0), (0, 0, 255)]


TOUCHED = """\
name: 23
Cellvisor touch screen
x 0 to 319
y 0 to 239
nothing yet: EAGAIN
too small: EINVAL
grab: 0
grab again: EBUSY
a bad pointer: EFAULT
poll: 1
3 0 78
3 1 117
1 330 1
0 0 0
3 0 156
3 1 175
0 0 0
1 330 0
0 0 0
3 0 0
3 1 0
1 330 1
0 0 0
1 330 0"""


@every_split
def test_touches_arrive_as_events_also_from_the_drivers_next_life(live: Live, tmp_path: Path, flavour: str) -> None:
    run = live(device(linux(tmp_path, "touched"), "input", "touch0"), flavour=flavour)
    run.until("300ms")
    for number, (x, y, down) in enumerate([(1000, 2000, True), (2000, 3000, True), (2000, 3000, False), (0, 5, True)]):
        if not x:
            run.kill("driver")
            run.until("700ms")
        run.touch("touch0", x, y, down=down)
        run.until(f"{400 + 100 * number + 200 * (not x)}ms")
    run.touch("touch0", 0, 5, down=False)
    assert "\n".join(finish(run)) == TOUCHED


DISK = """\
size: 0
sector: 0
to the end: 0
write at the end: ENOSPC
read at the end: 0
a bad pointer: EFAULT
20 pieces, 0 wrong"""


@every_split
@pytest.mark.parametrize("kills", [(), ("20ms", "500ms", "1s")], ids=["", "killed"])
def test_a_disk_keeps_what_is_written_whatever_becomes_of_its_driver(
    live: Live, tmp_path: Path, flavour: str, kills: tuple[str, ...]
) -> None:
    run = live(device(linux(tmp_path, "sectors"), "block", "flash0"), flavour=flavour)
    for time in kills:
        run.until(time)
        run.kill("driver")
    assert "\n".join(finish(run)) == DISK
    assert run.cell("driver").account.restarts == len(kills)


def talkers(tmp_path: Path, *modes: str) -> dict[str, Any]:
    """Two cells whose processes write letters to each other."""
    names = ("ui", "other")
    cells = {
        name: linux(tmp_path, "letters", peer, "50", mode)
        for name, peer, mode in zip(names, names[::-1], modes, strict=True)
    }
    return {
        "name": "letters",
        "board": "evoke_qa4",
        "cells": cells,
        "channels": [{"between": [*names], "class": "message"}],
    }


MOODS = ("calm", "busy")
TALKS = [("okl4", "busy-calm"), ("xen", "busy-calm"), *(("l4", f"{one}-{other}") for one in MOODS for other in MOODS)]
"""Where messages are rendezvous, it matters who has the time to listen."""


@pytest.mark.parametrize(("flavour", "moods"), TALKS)
def test_letters_arrive_in_order_however_busy_either_cell_is(
    live: Live, tmp_path: Path, flavour: str, moods: str
) -> None:
    run = live(talkers(tmp_path, *moods.split("-")), flavour=flavour)
    run.until("2s")
    assert said(run) == said(run, "other") == ["50 sent, 50 taken, 0 wrong"]


def echo(port: Any) -> None:
    """A partner that answers with what it heard."""
    other = port.connections.channels["ui"]
    while True:
        other.send(other.receive())


@every_split
def test_who_writes_to_the_dead_is_told_so_until_it_lives_again(live: Live, tmp_path: Path, flavour: str) -> None:
    table = talkers(tmp_path, "watch", "calm")
    table["cells"]["ui"]["run"][2] = "3"
    table["cells"]["other"] = {"on_crash": "preserve"}
    run = live(table, flavour=flavour, guests={"other": echo})
    run.until("100ms")
    run.kill("other")
    run.until("200ms")
    assert said(run)[-2:] == ["read: ENODEV", "write: EPIPE"] or said(run)[-2:] == ["write: EPIPE", "read: ENODEV"]
    run.restart("other")
    finish(run)
    assert said(run)[-1] == "write: 64"


@every_split
@pytest.mark.parametrize("cores", [1, 2])
def test_the_same_run_gives_the_same_trace_over_both_transports(
    live: Live, tmp_path: Path, flavour: str, cores: int
) -> None:
    table = device(linux(tmp_path, "screen", "show"), "display", "lcd0")
    table["cells"]["other"] = linux(tmp_path, "screen", "draw")
    table["channels"].append({"between": ["ui", "other"], "class": "message"})
    table["shared"] = [{"name": "framebuffer", "size": "150KiB", "cells": {"ui": "rw", "other": "rw"}}]
    hashes = set()
    for link in ("shm", "zmq"):
        run = live(table, flavour=flavour, link=link, overrides=[f"board.cores={cores}", "board.cpu=cortex_a9"])
        run.until("200ms")
        assert said(run, "other")[-1] == "above: f800, last: 001f"
        hashes.add(run.trace_hash)
    assert len(hashes) == 1


def test_a_cell_with_a_heartbeat_lives_as_long_as_its_kernel_does(live: Live, tmp_path: Path) -> None:
    table = talkers(tmp_path, "watch", "busy")
    for cell in table["cells"].values():
        cell["heartbeat"] = "50ms"
    run = live(table, flavour="okl4")
    run.until("500ms")
    assert [run.cell(name).why for name in ("ui", "other")] == ["", ""]
