"""Physical devices in real runs: Python drivers with interrupts and DMA, a cable, a display, a hand, and a driver that dies."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import pytest

from tests.support.files import read_pcap, read_png
from tests.support.live import Live

pytestmark = pytest.mark.slow

BOARDS = [
    "arm926",
    "beagle",
    *(pytest.param(name, marks=pytest.mark.long) for name in ("arm1176", "evoke_qa4", "pxa255")),
]


def driver(*devices: str, board: str = "beagle", **more: Any) -> dict[str, Any]:
    """A topology of one Python driver with devices."""
    table = {"guest": "python", "devices": list(devices), "ram": "1MiB", **more}
    return {"name": "test", "board": board, "cells": {"driver": table}}


def nand_driver(port: Any) -> None:
    """Erase a block, program a page out of memory, read it back elsewhere; sleep through each by interrupt."""
    nand = port.boot["devices"]["nand0"]
    buffer = port.memory.allocate(2)
    page = port.memory.view(buffer, 8192)
    page[:2112] = bytes(n * 7 & 0xFF for n in range(2112))

    def job(kind: int, address: int = 0) -> int:
        for offset, value in ((0x08, 2), (0x20, address), (0x28, 64), (0x30, 1), (0x34, kind)):
            port.store(nand["base"] + offset, value)
        line = port.wait_irq()
        port.store(nand["base"] + 0x08, 2)
        port.end_irq(line)
        return port.load(nand["base"] + 0x04)

    port.store(nand["base"], 2)
    began = port.now
    outcomes = [job(3), job(2, buffer), job(1, buffer + 4096)]
    same = bytes(page[4096 : 4096 + 2112]) == bytes(page[:2112])
    port.print(outcomes, same, (port.now - began) * 1000 // port.hz)


@pytest.mark.parametrize("board", BOARDS)
def test_a_driver_moves_pages_of_nand_by_dma_and_interrupt(live: Live, board: str) -> None:
    run = live(driver("nand0", board=board), guests={"driver": nand_driver})
    assert run.run().why == "finished"
    assert run.console("driver") == b"[1, 1, 1] True 1\n", "1.5 ms and 0.2 ms and 78 us"


def test_a_device_reaches_only_what_its_owner_could(live: Live, tmp_path: Path) -> None:
    def guest(port: Any) -> None:
        base = port.boot["devices"]["nand0"]["base"]
        outcomes = []
        for address in (0x1000, 0xC000_0000, 0xFFFF_F000, 0x4000_0000 + (1 << 20) - 100):
            for offset, value in ((0x20, address), (0x34, 1)):
                port.store(base + offset, value)
            port.sleep("1ms")
            outcomes.append(port.load(base + 0x04))
        port.print(outcomes)

    run = live(driver("nand0"), guests={"driver": guest}, out=tmp_path / "run")
    run.run()
    assert run.console("driver") == b"[5, 5, 5, 5]\n", "ready, bus error"
    run.close()
    refusals = [line for line in lines(tmp_path / "run/trace.jsonl") if line["k"] == "refused"]
    assert [line["what"] for line in refusals][:2] == ["nand0 at 0x1000", "nand0 at 0xc0000000"]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


# ---- network


def sender(port: Any, count: int) -> None:
    """Send frames of growing length from one buffer, each when the one before has left."""
    base, mac = port.boot["devices"]["nic0"]["base"], bytes.fromhex("020000000001")
    buffer = port.memory.allocate(1)
    store = port.store
    for offset, value in ((0x20, 1), (0x404, buffer), (0x08, 1), (0x00, 0xA002)):
        store(base + offset, value)
    for number in range(count):
        frame = b"\xff" * 6 + mac + b"\x88\xb5" + bytes((number,)) * (50 + number)
        port.memory.view(buffer, len(frame))[:] = frame
        store(base + 0x400, len(frame) << 16 | 0xE000)
        line = port.wait_irq()
        store(base + 0x04, 0x7F)
        port.end_irq(line)
    port.print("sent", port.now)


def receiver(port: Any, count: int) -> None:
    """Take frames from a ring of four."""
    base, ring = port.boot["devices"]["nic1"]["base"], 4
    buffers = [port.memory.allocate(1) for _ in range(ring)]
    port.store(base + 0x20, 1)
    for index, buffer in enumerate(buffers):
        port.store(base + 0x408 + 8 * index + 4, buffer)
        port.store(base + 0x408 + 8 * index, 0xC000 | (0x2000 if index == ring - 1 else 0))
    port.store(base + 0x08, 0x1C)
    port.store(base + 0x00, 0xA001)
    seen = at = 0
    while seen < count:
        line = port.wait_irq()
        port.store(base + 0x04, 0x7F)
        port.end_irq(line)
        while not (control := port.load(base + 0x408 + 8 * at)) & 0x8000:
            frame = bytes(port.memory.view(buffers[at], control >> 16))
            port.print(len(frame), hex(int.from_bytes(frame[-4:], "little")))
            port.store(base + 0x408 + 8 * at, 0xC000 | (0x2000 if at == ring - 1 else 0))
            seen, at = seen + 1, (at + 1) % ring


def two_ends(board: str = "beagle", latency: str = "50us") -> dict[str, Any]:
    def cell(device: str) -> dict[str, Any]:
        return {"guest": "python", "devices": [device], "ram": "1MiB", "args": [5]}

    return {
        "name": "test",
        "board": board,
        "cells": {"sender": cell("nic0"), "receiver": cell("nic1")},
        "cables": [{"between": ["nic0", "nic1"], "latency": latency}],
    }


ENDS = {"sender": sender, "receiver": receiver}


@pytest.mark.parametrize("board", BOARDS)
def test_frames_travel_between_two_drivers_and_can_be_read_in_the_captures(
    live: Live, board: str, tmp_path: Path
) -> None:
    run = live(two_ends(board), guests=ENDS, out=tmp_path / "run")
    assert run.until("1s").why == "finished"
    run.close()
    sent = read_pcap(tmp_path / "run/net/nic0.pcap")
    got = read_pcap(tmp_path / "run/net/nic1.pcap")
    assert [frame for _, frame in sent] == [frame for _, frame in got]
    assert [frame[14] for _, frame in sent] == [0, 1, 2, 3, 4]
    assert all(abs(there - here - 50_000) < 10 for (here, _), (there, _) in zip(sent, got, strict=True)), (
        "but for rounding"
    )
    expected = [f"{len(frame) + 4} {zlib.crc32(frame):#x}" for _, frame in sent]
    assert run.console("receiver").decode().splitlines() == expected


def test_two_runs_make_the_same_captures_and_traces_over_either_link(live: Live, tmp_path: Path) -> None:
    seen = set()
    for number, link in enumerate(("shm", "zmq", "shm")):
        run = live(two_ends(), guests=ENDS, out=tmp_path / str(number), link=link)
        run.until("1s")
        run.close()
        seen.add((run.trace_hash, (tmp_path / f"{number}/net/nic1.pcap").read_bytes()))
    assert len(seen) == 1


def test_on_two_cores_the_frames_arrive_as_well(live: Live) -> None:
    hashes = set()
    for _ in range(2):
        run = live(two_ends(), guests=ENDS, overrides=["board.cores=2", "board.cpu=cortex_a9"])
        assert run.until("1s").why == "finished"
        assert len(run.console("receiver").splitlines()) == 5
        hashes.add(run.trace_hash)
    assert len(hashes) == 1


def test_the_trace_has_every_frame_on_both_sides(live: Live, tmp_path: Path) -> None:
    run = live(two_ends(), guests=ENDS, out=tmp_path / "run")
    run.until("1s")
    run.close()
    frames = [line for line in lines(tmp_path / "run/trace.jsonl") if line["k"] == "frame"]
    out, came = ([line for line in frames if line["way"] == way] for way in ("out", "in"))
    assert {(line["cell"], line["device"]) for line in out} == {("sender", "nic0")}
    assert {(line["cell"], line["device"]) for line in came} == {("receiver", "nic1")}
    assert [line["crc"] for line in out] == [line["crc"] for line in came]
    assert [line["cycle"] + 30_000 for line in out] == [line["cycle"] for line in came]


# ---- display and touch


def painter(port: Any) -> None:
    """Show 32 x 4 pixels of red and blue, then paint one green where the pen is."""
    lcd, touch = (port.boot["devices"][name]["base"] for name in ("lcd0", "touch0"))
    buffer = port.memory.allocate(1)
    screen = port.memory.view(buffer, 2 * 32 * 4)
    screen[:] = b"\x1f\x00" * 64 + b"\x00\xf8" * 64
    for offset, value in ((0x00, 1 << 2), (0x04, 3), (0x10, buffer), (0x18, 0x80D)):
        port.store(lcd + offset, value)
    for offset, value in ((0x128, 1), (0x28, 2), (0x24, 1), (0x100, 1)):
        port.store(touch + offset, value)
    while True:
        line = port.wait_irq()
        port.store(touch + 0x2C, 0x1F)
        while port.load(touch + 0x130):
            place = port.load(touch + 0x148)
            x, y = place >> 20, place >> 8 & 0xFFF
            screen[2 * (32 * y + x) : 2 * (32 * y + x) + 2] = b"\xe0\x07"
            port.print("touched", x, y, port.now)
        port.store(touch + 0x2C, 0x1F)
        port.end_irq(line)


def test_a_picture_shows_what_is_in_the_owners_memory(live: Live, tmp_path: Path) -> None:
    run = live(driver("lcd0", "touch0"), guests={"driver": painter}, out=tmp_path / "run")
    run.until("10ms")
    run.touch("touch0", 5, 3)
    run.until("20ms")
    picture = run.picture("lcd0")
    assert (picture.width, picture.height) == (32, 4)
    assert [picture.pixel(*at) for at in ((0, 0), (0, 2), (5, 3))] == [(255, 0, 0), (0, 0, 255), (0, 255, 0)]
    run.until("30ms")
    run.close()
    files = sorted((tmp_path / "run/frames").iterdir())
    assert [file.name for file in files][1:] == ["lcd0-000012000000.png", "lcd0-000018000000.png"]
    first, last = read_png(files[0]), read_png(files[-1])
    assert first[:2] == last[:2] == (32, 4)
    assert (first.pixel(5, 3), last.pixel(5, 3)) == ((0, 0, 255), (0, 255, 0))


def test_a_touch_is_an_input_and_comes_again_in_a_replay(live: Live, tmp_path: Path) -> None:
    topology = driver("lcd0", "touch0")
    run = live(topology, guests={"driver": painter}, out=tmp_path / "run")
    for step in range(3):
        run.until(f"{10 * (step + 1)}ms")
        run.touch("touch0", step, step, down=step < 2)
    run.until("50ms")
    run.close()
    touches = [line for line in lines(tmp_path / "run/inputs.jsonl") if line["kind"] == "touch"]
    assert [line["data"] for line in touches] == ["touch0 0 0 1", "touch0 1 1 1", "touch0 2 2 0"]
    again = live(topology, guests={"driver": painter}, replay=tmp_path / "run/inputs.jsonl")
    again.replay()
    assert again.console("driver") == run.console("driver")
    assert len(again.console("driver").splitlines()) == 2
    assert again.trace_hash == run.trace_hash


def test_a_touch_beside_the_panel_or_on_none_is_refused(live: Live) -> None:
    run = live(driver("touch0"), guests={"driver": lambda port: port.sleep("1s")})
    with pytest.raises(ValueError, match="not on the panel"):
        run.touch("touch0", 4096, 0)
    with pytest.raises(KeyError, match="no cell has"):
        run.touch("lcd0", 0, 0)


def test_a_display_leaves_its_last_picture_when_its_owner_ends(live: Live, tmp_path: Path) -> None:
    def guest(port: Any) -> None:
        lcd, buffer = port.boot["devices"]["lcd0"]["base"], port.memory.allocate(1)
        for offset, value in ((0x00, 0), (0x04, 0), (0x10, buffer), (0x18, 0x80B)):
            port.store(lcd + offset, value)
        port.memory.view(buffer, 4)[:] = b"\x00\x80\x00\x00"
        port.sleep("1ms")

    run = live(driver("lcd0"), guests={"driver": guest}, out=tmp_path / "run")
    assert run.run().why == "finished"
    run.close()
    first, last = (read_png(file) for file in sorted((tmp_path / "run/frames").iterdir()))
    assert (first.pixel(0, 0), last.pixel(0, 0)) == ((0, 0, 0), (0, 128, 0))


# ---- a driver that dies


def mortal(port: Any) -> None:
    """Leave the device working and the interrupt in service, and be killed; then do it again."""
    nand = port.boot["devices"]["nand0"]["base"]
    left = port.load(nand + 0x00), port.load(nand + 0x08), port.load(nand + 0x24)
    buffer = port.memory.allocate(1)
    for offset, value in ((0x00, 3), (0x24, 16), (0x20, buffer), (0x30, 60_000), (0x28, 0)):
        port.store(nand + offset, value)
    port.store(nand + 0x0C, 0xFF)
    port.store(nand + 0x0C, 0x60)
    port.store(nand + 0x0C, 0xD0)
    line = port.wait_irq(port.now + port.cycles("5ms"))
    port.store(nand + 0x08, 3)
    port.print("found", left, "line", line)
    port.store(nand + 0x34, 1)
    port.sleep("100s")


def test_a_driver_that_is_killed_in_service_finds_its_device_as_new_and_hears_it(live: Live) -> None:
    run = live(driver("nand0", on_crash="restart"), guests={"driver": mortal})
    for milliseconds in (20, 40, 60):
        run.until(f"{milliseconds}ms")
        run.kill("driver")
    run.until("80ms")
    assert run.console("driver").splitlines() == [b"found (0, 0, 2112) line 4"] * 4
