"""The phone's user interface as its pixels say: the ARM program with files in the place of its devices, without other cells."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import struct
from functools import cache

import pytest

from cells.programs.arm.build import SIZE_LIMIT
from cells.programs.phone import build
from cells.programs.phone.messages import SCREEN_HEIGHT, SCREEN_WIDTH, WINDOW
from hypervisor.shell.picture import Picture
from hypervisor.shell.topology.roots import end_of
from tests.support.linux import HZ, LinuxBench, archive

CAMERA, MENU, CALL = (264, 10), (40, 224), (274, 224)
PHONE, CALLS, ABOUT, BOUNCE = (53, 160), (160, 160), (266, 160), (53, 60)
ONE, FIVE, DELETE = (60, 76), (160, 112), (296, 42)
BLOCK, SIZE = 4096, 2 * SCREEN_WIDTH * SCREEN_HEIGHT
SIGNAL, CLOCK, BAR = (6, 4, 20, 14), (130, 4, 60, 14), (0, 208, 320, 32)
needs_toolchain = pytest.mark.skipif(importlib.util.find_spec("ziglang") is None, reason="needs ziglang")


def touch(x: int, y: int) -> bytes:
    """Pen down and up, as an event device gives them."""
    place = [(3, 0, x), (3, 1, y)]
    events = [*place, (1, 0x14A, 1), (0, 0, 0), (1, 0x14A, 0), (0, 0, 0)]
    return b"".join(struct.pack("<IIHHi", 0, 0, *event) for event in events)


def bench(*touches: tuple[int, int], disk: bytes = bytes(BLOCK), screen: int = SIZE, enough: int = SIZE) -> LinuxBench:
    """Its life up to the picture that the last touch takes; without one, its first 200 ms."""
    root = (build.IMAGES / "phone.cpio").read_bytes()
    devices = {"dev/input/event0": b"".join(touch(*place) for place in (*touches, CAMERA)), "dev/blk0": disk}
    if screen:
        devices["dev/fb0"] = bytes(screen)
    made = LinuxBench(
        root[: end_of(root)] + archive(devices), ["/bin/phone"], end=HZ if enough else HZ // 5, ram=8 << 20
    )
    made.world.enough = enough
    made.run()
    return made


@cache
def picture(*touches: tuple[int, int]) -> Picture:
    """What the program sees of its screen after these touches."""
    return Picture.of_565(SCREEN_WIDTH, SCREEN_HEIGHT, bench(*touches).world.picture)


def region(shown: Picture, x: int, y: int, width: int, height: int) -> list[bytes]:
    start = [3 * (line * SCREEN_WIDTH + x) for line in range(y, y + height)]
    return [shown.pixels[at : at + 3 * width] for at in start]


def share(shown: Picture, place: tuple[int, int, int, int], wanted: str) -> float:
    """The part of a region's pixels in which one of red, green, blue is the largest."""
    pixels = b"".join(region(shown, *place))
    found = sum(max(range(3), key=lambda i: pixels[at + i]) == "rgb".index(wanted) for at in range(0, len(pixels), 3))
    return found / (len(pixels) / 3)


def test_the_menu_has_six_icons_of_their_colours() -> None:
    shown = picture()
    tiles = [(x + 45, y + 14, 10, 4) for y in (22, 115) for x in (0, 106, 212)]
    assert [share(shown, *each) > 0.9 for each in zip(tiles, "rbbgrb", strict=True)] == [True] * 6
    assert share(shown, (240, 214, 70, 5), "g") > 0.9, "the button Phone"


def test_the_status_bar_says_that_nobody_has_the_baseband() -> None:
    assert share(picture(), SIGNAL, "r") > 0.3


def test_a_page_covers_the_window_and_the_menu_comes_back() -> None:
    menu = picture()
    for page in (PHONE, CALLS, ABOUT):
        other = picture(page)
        assert region(other, *WINDOW) != region(menu, *WINDOW)
        assert region(picture(page, MENU), *WINDOW) == region(menu, *WINDOW)


def test_the_dial_pad_shows_digits_and_takes_them_back() -> None:
    shown = (0, 28, 270, 26)
    empty, one, two = picture(PHONE), picture(PHONE, FIVE), picture(PHONE, FIVE, ONE)
    assert len({str(region(each, *shown)) for each in (empty, one, two)}) == 3
    assert region(picture(PHONE, FIVE, ONE, DELETE), *shown) == region(one, *shown)
    assert region(two, 0, 62, 320, 146) == region(empty, 0, 62, 320, 146), "the keys are as before"


def test_an_applet_without_brew_leaves_the_phone_usable() -> None:
    assert region(picture(BOUNCE), *WINDOW) != region(picture(), *WINDOW)
    assert region(picture(BOUNCE, MENU), *WINDOW) == region(picture(), *WINDOW)


def test_a_touch_between_buttons_does_nothing() -> None:
    assert region(picture((107, 215)), *WINDOW) == region(picture(), *WINDOW)


@cache
def disk_after(disk: bytes) -> bytes:
    used = bench(disk=disk, enough=0)
    node = used.kernel.vfs.root.find(b"dev").find(b"blk0")
    content: bytes = node.read(0, BLOCK)
    return content


def starts(block: bytes) -> int:
    magic, _, number = struct.unpack_from("<4sII", block)
    assert magic == b"LOG1"
    return int(number)


def test_it_counts_its_lives_on_the_disk() -> None:
    first = disk_after(bytes(BLOCK))
    assert [starts(first), starts(disk_after(first))] == [1, 2]


@pytest.mark.parametrize("at", [0, 9, 500])
def test_a_record_that_does_not_add_up_begins_anew(at: int) -> None:
    torn = bytearray(disk_after(disk_after(bytes(BLOCK))))
    torn[at] ^= 0x40
    assert starts(disk_after(bytes(torn))) == 1


def test_without_a_screen_it_says_so_and_ends() -> None:
    used = bench(screen=0)
    assert (used.world.status, used.output) == (1, b"ui: no frame buffer: EBADF\r\n")


def test_it_reports_when_the_menu_was_there() -> None:
    assert b"menu_ms" in bench().world.reports


def test_the_manifest_names_the_archive_with_its_sum() -> None:
    told = json.loads((build.IMAGES / "manifest.json").read_text())["images"]
    data = (build.IMAGES / "phone.cpio").read_bytes()
    assert told == {"phone.cpio": {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}}
    assert len(data) < SIZE_LIMIT


@needs_toolchain
@pytest.mark.slow
def test_the_committed_bytes_are_what_the_sources_give(capsys: pytest.CaptureFixture[str]) -> None:
    assert build.main(["--check"]) == 0, capsys.readouterr().out
    assert capsys.readouterr().out == "all images are up to date\n"


def test_without_a_baseband_a_call_is_not_made_and_the_bar_says_why() -> None:
    tried = picture(PHONE, FIVE, CALL)
    assert region(tried, *WINDOW) == region(picture(), *WINDOW), "the menu"
    assert region(tried, 90, 208, 140, 32) != region(picture(), 90, 208, 140, 32)
