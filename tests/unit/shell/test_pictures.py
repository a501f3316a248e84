"""Pictures of displays: the PNG that another reader finds."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hypervisor.shell.device_files import NOTICES, DeviceFiles
from hypervisor.shell.pictures import Picture
from tests.support.files import read_png


@pytest.mark.parametrize(("width", "height"), [(1, 1), (16, 3), (240, 320)])
def test_a_picture_is_the_same_in_its_file(tmp_path: Path, width: int, height: int) -> None:
    pixels = bytes(n * 31 & 0xFF for n in range(3 * width * height))
    (tmp_path / "a.png").write_bytes(Picture(width, height, pixels).png())
    assert read_png(tmp_path / "a.png") == (width, height, pixels)


def test_pixels_are_counted_from_the_top_left() -> None:
    picture = Picture(2, 2, bytes(range(12)))
    assert [picture.pixel(*at) for at in ((0, 0), (1, 0), (0, 1))] == [(0, 1, 2), (3, 4, 5), (6, 7, 8)]


def test_an_owner_that_turns_its_display_on_and_off_for_ever_fills_no_disk(tmp_path: Path) -> None:
    files = DeviceFiles(None, SimpleNamespace(), 1000, lambda _cell, _data: None)  # type: ignore[arg-type]
    taken: list[str] = []
    pictures: Any = SimpleNamespace(take=taken.append, take_all=lambda: taken.append("the last"))
    files.pictures = pictures
    for _ in range(3 * NOTICES):
        files.outside.notice("lcd0", "on")
    files.outside.notice("lcd1", "on")
    files.finish()
    assert taken == [*["lcd0"] * NOTICES, "lcd1", "the last"]
