"""Pictures in another size."""

from __future__ import annotations

import pytest

from hypervisor.shell.picture import Picture
from hypervisor.shell.screen.scale import fit, scale


def picture(width: int, height: int, colour: object) -> Picture:
    """`colour(x, y)` gives red, green, blue."""
    assert callable(colour)
    return Picture(width, height, bytes(part for y in range(height) for x in range(width) for part in colour(x, y)))


def test_a_picture_that_fits_keeps_its_shape() -> None:
    assert fit(320, 240, 80, 48) == (64, 48)
    assert fit(320, 240, 40, 480) == (40, 30)
    assert fit(320, 240, 640, 480) == (640, 480)
    assert fit(320, 1, 16, 48) == (16, 1)


@pytest.mark.parametrize(
    ("width", "height"), [(320, 240), (60, 45), (80, 60), (160, 120), (640, 480), (7, 3), (1, 1), (321, 239)]
)
def test_one_colour_stays_that_colour_in_every_size(width: int, height: int) -> None:
    whole = picture(320, 240, lambda _x, _y: (200, 17, 255))
    assert scale(whole, width, height) == Picture(width, height, bytes((200, 17, 255)) * (width * height))


def test_half_the_size_has_the_mean_of_each_four_pixels() -> None:
    board = picture(8, 8, lambda x, y: (255, 255, 255) if (x + y) % 2 else (0, 0, 0))
    assert set(scale(board, 4, 4).pixels) == {127}


def test_a_quarter_of_the_size_shows_thin_lines_as_thin() -> None:
    lines = picture(32, 32, lambda x, _y: (255, 0, 0) if x % 4 == 1 else (0, 0, 0))
    small = scale(lines, 8, 8)
    assert {small.pixel(x, y) for x in range(8) for y in range(8)} == {(63, 0, 0)}


def test_colours_of_neighbours_never_run_into_each_other() -> None:
    stripes = picture(16, 4, lambda x, _y: (255, 0, 1) if x % 2 else (254, 1, 0))
    small = scale(stripes, 8, 2)
    assert {small.pixel(x, y) for x in range(8) for y in range(2)} == {(254, 0, 0)}


def test_larger_pictures_have_every_pixel_several_times() -> None:
    four = picture(2, 2, lambda x, y: (x * 255, y * 255, 7))
    large = scale(four, 4, 6)
    assert [large.pixel(x, 0)[0] for x in range(4)] == [0, 0, 255, 255]
    assert [large.pixel(0, y)[1] for y in range(6)] == [0, 0, 0, 255, 255, 255]


def test_the_corners_stay_in_the_corners() -> None:
    corners = {(0, 0): (255, 0, 0), (319, 0): (0, 255, 0), (0, 239): (0, 0, 255), (319, 239): (255, 255, 0)}
    whole = picture(320, 240, lambda x, y: corners[(319 if x > 159 else 0, 239 if y > 119 else 0)])
    small = scale(whole, 61, 45)
    assert [small.pixel(x, y) for y in (0, 44) for x in (0, 60)] == list(corners.values())
