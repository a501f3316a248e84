"""Half blocks, sixels and kitty's graphics, read back as a terminal would."""

from __future__ import annotations

import random

import pytest

from hypervisor.shell.picture import Picture
from hypervisor.shell.screen import kitty
from hypervisor.shell.screen.blocks import Blocks
from hypervisor.shell.screen.palette import Palettes
from hypervisor.shell.screen.sixel import Sixels
from tests.support import terminal


def noise(width: int, height: int, seed: int = 1, colours: int = 1 << 24) -> Picture:
    source = random.Random(seed)
    palette = [source.randbytes(3) for _ in range(min(colours, width * height))]
    return Picture(width, height, b"".join(source.choice(palette) for _ in range(width * height)))


def blocks_of(screen: terminal.Blocks, picture: Picture, row: int, column: int) -> list[tuple[object, object] | None]:
    return [screen.pixel(column + x, row + y) for y in range((picture.height + 1) // 2) for x in range(picture.width)]


def wanted(picture: Picture) -> list[tuple[object, object]]:
    return [
        (picture.pixel(x, y), picture.pixel(x, y + 1) if y + 1 < picture.height else (0, 0, 0))
        for y in range(0, picture.height, 2)
        for x in range(picture.width)
    ]


@pytest.mark.parametrize(("width", "height"), [(1, 1), (30, 20), (17, 5)])
def test_half_blocks_have_the_colours_of_the_picture(width: int, height: int) -> None:
    screen, blocks, picture = terminal.Blocks(40, 20), Blocks(true_colour=True), noise(width, height)
    screen.feed(blocks.draw(picture, row=3, column=5))
    assert blocks_of(screen, picture, 3, 5) == wanted(picture)
    assert len(screen.cells) == width * ((height + 1) // 2)


def test_only_what_has_changed_is_sent_again() -> None:
    screen, blocks, picture = terminal.Blocks(40, 20), Blocks(true_colour=True), noise(30, 20)
    first = blocks.draw(picture, 1, 1)
    screen.feed(first)
    assert blocks.draw(picture, 1, 1) == b""
    pixels = bytearray(picture.pixels)
    pixels[0:3] = pixels[3 * (10 * 30 + 29) : 3 * (10 * 30 + 30)] = bytes((1, 2, 3))
    changed = Picture(30, 20, bytes(pixels))
    more = blocks.draw(changed, 1, 1)
    screen.feed(more)
    assert blocks_of(screen, changed, 1, 1) == wanted(changed)
    assert len(more) < len(first) / 20


def test_what_was_forgotten_or_has_moved_is_drawn_whole() -> None:
    blocks, picture = Blocks(true_colour=True), noise(6, 4)
    first = blocks.draw(picture, 1, 1)
    blocks.forget()
    assert blocks.draw(picture, 1, 1) == first
    screen = terminal.Blocks(40, 20)
    screen.feed(blocks.draw(picture, 2, 7))
    assert blocks_of(screen, picture, 2, 7) == wanted(picture)


def test_without_true_colour_the_nearest_of_256_is_taken() -> None:
    blocks, screen = Blocks(true_colour=False), terminal.Blocks(10, 10)
    colours = [(0, 0, 0), (255, 255, 255), (255, 0, 0), (130, 215, 100), (118, 118, 118)]
    screen.feed(blocks.draw(Picture(5, 1, bytes(part for colour in colours for part in colour)), 1, 1))
    black, white, red, leaf, grey = (screen.pixel(x, 1) for x in range(1, 6))
    assert black == (16, 16)
    assert (white, red) == ((231, 16), (196, 16))
    assert (leaf, grey) == ((16 + 36 * 2 + 6 * 4 + 1, 16), (243, 16))


def sixels(picture: Picture) -> dict[tuple[int, int], tuple[int, int, int]]:
    return terminal.read_sixels(Sixels().draw(picture, 1, 1, picture.width, picture.height))


@pytest.mark.parametrize(("width", "height", "colours"), [(1, 1, 1), (40, 13, 200), (33, 24, 3), (8, 6, 1)])
def test_sixels_of_few_colours_are_the_picture_in_32_steps(width: int, height: int, colours: int) -> None:
    picture = noise(width, height, colours=colours)
    pixels = sixels(picture)
    for y in range(height):
        for x in range(width):
            assert pixels[x, y] == tuple(
                round(round((part >> 3) * 255 / 31) * 100 / 255) for part in picture.pixel(x, y)
            )


def test_sixels_of_a_gradient_are_near_the_picture() -> None:
    colours = [(x * 4, y * 5, (x + y) * 2) for y in range(48) for x in range(64)]
    picture = Picture(64, 48, bytes(part for colour in colours for part in colour))
    pixels = sixels(picture)
    far = [
        abs(part - shown * 2.55)
        for y in range(48)
        for x in range(64)
        for part, shown in zip(picture.pixel(x, y), pixels[x, y], strict=True)
    ]
    assert sum(far) / len(far) < 6
    assert max(far) < 28


def test_sixels_of_noise_are_near_the_picture() -> None:
    picture = noise(128, 96)
    pixels = sixels(picture)
    for y in range(96):
        for x in range(128):
            for part, shown in zip(picture.pixel(x, y), pixels[x, y], strict=True):
                assert abs(part - shown * 2.55) <= 27, "half a step of the coarsest colour, and a hundredth"


def test_colours_stay_what_they_were_while_no_others_come() -> None:
    palettes, first = Palettes(), noise(40, 30, colours=400)
    palette = palettes.of(first).palette
    part = Picture(40, 10, first.pixels[: 3 * 400])
    assert palettes.of(part).palette == palette
    assert palettes.of(noise(40, 30, seed=2, colours=400)).palette != palette


def test_a_rare_colour_far_from_all_others_is_kept() -> None:
    grey = [(128 + n % 16, 120 + n // 16 % 16, 128) for n in range(40 * 40)]
    grey[777] = (255, 0, 0)
    picture = Picture(40, 40, bytes(part for colour in grey for part in colour))
    assert sixels(picture)[777 % 40, 777 // 40] == (100, 0, 0)


def test_larger_sixels_have_every_pixel_four_times_and_smaller_ones_the_mean() -> None:
    four = Picture(2, 2, bytes((255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255)))
    large = terminal.read_sixels(Sixels().draw(four, 1, 1, 4, 4))
    assert [large[x, 0] for x in range(4)] == [(100, 0, 0)] * 2 + [(0, 100, 0)] * 2
    assert [large[0, y] for y in range(4)] == [(100, 0, 0)] * 2 + [(0, 0, 100)] * 2
    ((_, small),) = terminal.read_sixels(Sixels().draw(four, 1, 1, 1, 1)).items()
    assert all(abs(part - 50) < 4 for part in small)


def test_a_flat_picture_of_sixels_is_short() -> None:
    flat = Picture(320, 240, bytes((10, 20, 30)) * (320 * 240))
    said = Sixels().draw(flat, 1, 1, 320, 240)
    assert len(said) < 600
    assert len(terminal.read_sixels(said)) == 320 * 240


def test_kitty_gets_the_pixels_in_pieces_and_the_room_in_characters() -> None:
    picture = noise(100, 60)
    (shown,) = terminal.read_kitty(kitty.draw(picture, 2, 3, columns=40, rows=12))
    assert shown.pixels == picture.pixels
    assert [shown.keys[key] for key in "afsvcrqC"] == ["T", "24", "100", "60", "40", "12", "2", "1"]
