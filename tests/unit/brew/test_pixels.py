"""Drawing into 16-bit pixels: what is drawn is what was asked for, and nothing outside of the picture."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cells.personalities.brew.codes import Font, Rop
from cells.personalities.brew.method import Rect
from cells.personalities.brew.pixels import Pixels, native, rgb
from cells.programs import font

WHITE = 0xFFFF
places = st.integers(-40, 60) | st.sampled_from([-(2**31), 2**31 - 1])
sizes = st.integers(-5, 60) | st.just(2**31 - 1)


def dots(picture: Pixels) -> set[tuple[int, int]]:
    return {(x, y) for x in range(picture.width) for y in range(picture.height) if picture.get(x, y)}


@given(places, places, sizes, sizes)
def test_a_rectangle_is_the_pixels_that_are_in_both(x: int, y: int, width: int, height: int) -> None:
    picture = Pixels(20, 10)
    count = picture.fill(Rect(x, y, width, height), WHITE)
    expected = {(a, b) for a in range(20) for b in range(10) if x <= a < x + width and y <= b < y + height}
    assert dots(picture) == expected
    assert count == len(expected)


@given(places, places, places, places)
def test_a_line_is_drawn_within_the_picture_and_between_its_ends(x: int, y: int, to_x: int, to_y: int) -> None:
    picture = Pixels(20, 10)
    picture.line(x, y, to_x, to_y, WHITE)
    low, high = sorted((x, to_x)), sorted((y, to_y))
    assert all(low[0] <= a <= low[1] and high[0] <= b <= high[1] for a, b in dots(picture))


@given(st.integers(0, 19), st.integers(0, 9), st.integers(0, 19), st.integers(0, 9))
def test_a_line_has_both_its_ends_and_no_gap(x: int, y: int, to_x: int, to_y: int) -> None:
    picture = Pixels(20, 10)
    picture.line(x, y, to_x, to_y, WHITE)
    drawn = dots(picture)
    assert {(x, y), (to_x, to_y)} <= drawn
    assert len(drawn) == max(abs(to_x - x), abs(to_y - y)) + 1


@pytest.mark.parametrize("radius", [0, 1, 2, 5, 9])
def test_a_circle_has_one_border_all_around_and_its_disc_fills_it(radius: int) -> None:
    border, disc = Pixels(24, 24), Pixels(24, 24)
    border.disc(12, 12, radius, WHITE, filled=False)
    disc.disc(12, 12, radius, WHITE, filled=True)
    assert dots(border) <= dots(disc)
    for x, y in dots(disc):
        assert (x - 12) ** 2 + (y - 12) ** 2 <= radius * radius + radius
        inside = {(x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1)} <= dots(disc)
        assert inside or (x, y) in dots(border)


@given(places, places, sizes, sizes, st.sampled_from(sorted(Rop)))
def test_a_blit_shows_the_source_where_it_covers_the_picture(x: int, y: int, width: int, height: int, rop: int) -> None:
    width, height = max(min(width, 16), 0), max(min(height, 16), 0)
    source = bytes((7 * at) % 251 for at in range(2 * width * height))
    picture = Pixels(20, 10)
    picture.blit(Rect(x, y, width, height), bytearray(source), 2 * width, rop, transparent=0x0E07)
    for a in range(20):
        for b in range(10):
            if not (x <= a < x + width and y <= b < y + height):
                assert picture.get(a, b) == 0
                continue
            at = 2 * (width * (b - y) + a - x)
            pixel = int.from_bytes(source[at : at + 2], "little")
            seen = {Rop.COPY: pixel, Rop.NOT: pixel ^ WHITE, Rop.TRANSPARENT: 0 if pixel == 0x0E07 else pixel}
            assert picture.get(a, b) == seen[Rop(rop)]


def test_text_is_drawn_in_the_font() -> None:
    picture = Pixels(12, 10)
    picture.text(0, 0, "A", WHITE)
    rows = ["".join(".#"[bool(picture.get(x, y))] for x in range(5)) for y in range(7)]
    assert rows == ["..#..", ".#.#.", "#...#", "#...#", "#####", "#...#", "#...#"]


def test_large_text_is_twice_as_large() -> None:
    small, large = Pixels(6, 10), Pixels(12, 20)
    small.text(0, 0, "g", WHITE)
    large.text(0, 0, "g", WHITE, Font.LARGE)
    assert dots(large) == {(2 * x + a, 2 * y + b) for x, y in dots(small) for a in (0, 1) for b in (0, 1)}


def test_rows_that_have_changed_are_told_once() -> None:
    picture = Pixels(8, 8)
    picture.fill(Rect(0, 2, 3, 2), WHITE)
    picture.point(0, 6, WHITE)
    assert picture.take_dirty() == (2, 7)
    assert picture.take_dirty() == (0, 0)


@given(st.integers(0, 0xFFFF))
def test_a_pixel_survives_its_colour(pixel: int) -> None:
    assert native(rgb(pixel)) == pixel


def test_every_character_of_the_font_is_another_picture() -> None:
    assert len(set(font.glyphs())) == font.LAST - font.FIRST + 1
    assert all(len(glyph) == font.GLYPH_HEIGHT and max(glyph) < 32 for glyph in font.glyphs())
    assert font.rows("\x80") == font.rows("?")


def test_the_fonts_header_is_what_the_table_gives() -> None:
    assert font.HEADER.read_text() == font.c_header(), "out of date: run python -m cells.programs.font"
