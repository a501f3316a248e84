"""PL111: frames, their interrupts, and the picture."""

from __future__ import annotations

import pytest

from devices import NEVER, Framebuffer
from devices.bench import Bench
from devices.framebuffer import LNBU, VCOMP, frame, frame_ticks

TIMING0, TIMING1, TIMING2, BASE, CONTROL, MASK, RAW, CLEAR, CURRENT = 0, 4, 8, 0x10, 0x18, 0x1C, 0x20, 0x28, 0x2C
ON, BGR = 0x801, 1 << 8
BPP_8, BPP_555, BPP_32, BPP_565 = 3 << 1, 4 << 1, 5 << 1, 6 << 1
HZ = 25_000_000
QVGA0 = (240 // 16 - 1) << 2 | 9 << 8 | 19 << 16 | 9 << 24
"""240 pixels, synchronisation 10, front porch 20, back porch 10: 280 clocks a line."""
QVGA1 = 319 | 3 << 10 | 2 << 16 | 10 << 24
"""320 lines, synchronisation 4, front porch 2, back porch 10: 336 lines."""
LINE = 280 * 4
FRAME = 336 * LINE


@pytest.fixture
def bench() -> Bench:
    return Bench(hz=HZ)


@pytest.fixture
def lcd(bench: Bench) -> Framebuffer:
    lcd = Framebuffer(bench.wiring())
    set_up(lcd, {TIMING0: QVGA0, TIMING1: QVGA1, TIMING2: 2})
    return lcd


def set_up(lcd: Framebuffer, values: dict[int, int]) -> None:
    for offset, value in values.items():
        lcd.registers.write(offset, 4, value)


def small(lcd: Framebuffer, control: int, memory: bytes, bench: Bench) -> bytes:
    """A picture of 16 x 2 pixels."""
    bench.memory[: len(memory)] = memory
    set_up(lcd, {TIMING0: 0, TIMING1: 1, CONTROL: ON | control})
    width, height, pixels = frame(lcd.state, bench.read_memory)
    assert (width, height) == (16, 2)
    return pixels


def test_the_frame_rate_follows_from_the_pixel_clock_and_the_panel(lcd: Framebuffer) -> None:
    assert frame_ticks(lcd.state) == FRAME, "25 MHz by 2 + 2, and so 66.4 frames a second"
    lcd.registers.write(TIMING2, 4, 1 << 26)
    assert frame_ticks(lcd.state) == FRAME // 4, "the divider is bypassed"


def test_each_frame_takes_over_the_base_address_and_says_so(bench: Bench, lcd: Framebuffer) -> None:
    set_up(lcd, {BASE: 0x1000, CONTROL: ON, MASK: LNBU})
    assert lcd.registers.read(CURRENT, 4) == 0x1000
    lcd.registers.write(BASE, 4, 0x2000)
    assert lcd.deadline() == FRAME
    bench.now = FRAME - 1
    lcd.advance()
    assert (bench.level(), lcd.registers.read(CURRENT, 4)) == (False, 0x1000)
    bench.now = FRAME
    lcd.advance()
    assert (bench.level(), lcd.registers.read(CURRENT, 4)) == (True, 0x2000)
    lcd.registers.write(CLEAR, 4, LNBU)
    assert not bench.level()
    assert lcd.deadline() == 2 * FRAME


@pytest.mark.parametrize(("part", "line"), [(0, 0), (1, 4), (2, 14), (3, 334)])
def test_the_compare_interrupt_comes_where_it_was_asked_for(
    bench: Bench, lcd: Framebuffer, part: int, line: int
) -> None:
    set_up(lcd, {CONTROL: ON | part << 12, MASK: VCOMP})
    due = line * LINE or FRAME
    assert lcd.deadline() == due
    for again in range(3):
        bench.now = due + again * FRAME
        lcd.advance()
        assert bench.level()
        lcd.registers.write(CLEAR, 4, VCOMP)
        assert lcd.deadline() == due + (again + 1) * FRAME


def test_a_display_whose_interrupts_nobody_wants_costs_nothing(bench: Bench, lcd: Framebuffer) -> None:
    lcd.registers.write(CONTROL, 4, ON)
    assert lcd.deadline() == NEVER
    bench.now = 1000 * FRAME
    assert lcd.registers.read(RAW, 4) == LNBU | VCOMP


def test_a_display_that_is_off_has_no_frames(bench: Bench, lcd: Framebuffer) -> None:
    set_up(lcd, {CONTROL: 0x1, MASK: LNBU | VCOMP})
    assert lcd.deadline() == NEVER
    bench.now = 10 * FRAME
    assert lcd.registers.read(RAW, 4) == 0


def test_going_on_and_off_is_noticed_once_each_time(bench: Bench, lcd: Framebuffer) -> None:
    for control in (0x1, ON, ON | BPP_565, 0x1, 0, ON):
        lcd.registers.write(CONTROL, 4, control)
    assert bench.notices == ["on", "off", "on"]
    lcd.reset()
    assert bench.notices[-1] == "off"


def test_a_picture_of_32_bits_has_red_lowest_unless_swapped(bench: Bench, lcd: Framebuffer) -> None:
    memory = bytes((1, 2, 3, 0)) + bytes(124)
    assert small(lcd, BPP_32, memory, bench)[:6] == bytes((1, 2, 3, 0, 0, 0))
    assert small(lcd, BPP_32 | BGR, memory, bench)[:3] == bytes((3, 2, 1))


@pytest.mark.parametrize(
    ("control", "value", "colour"),
    [
        (BPP_565, 0x001F, (255, 0, 0)),
        (BPP_565, 0x07E0, (0, 255, 0)),
        (BPP_565, 0xF800, (0, 0, 255)),
        (BPP_565 | BGR, 0xF800, (255, 0, 0)),
        (BPP_565, 0x0010, (131, 0, 0)),
        (BPP_555, 0x03E0, (0, 255, 0)),
        (BPP_555, 0x7C00, (0, 0, 255)),
        (BPP_555, 0x8000, (0, 0, 0)),
    ],
)
def test_a_picture_of_16_bits(
    bench: Bench, lcd: Framebuffer, control: int, value: int, colour: tuple[int, int, int]
) -> None:
    pixels = small(lcd, control, bytes(62) + value.to_bytes(2, "little"), bench)
    assert tuple(pixels[-3:]) == colour
    assert not any(pixels[:-3])


def test_a_picture_of_8_bits_goes_through_the_palette(bench: Bench, lcd: Framebuffer) -> None:
    lcd.registers.write(0x200 + 4 * 2, 4, 0x7FFF_001F)  # colours 4 and 5
    assert small(lcd, BPP_8, bytes((4, 5, 0)) + bytes(29), bench)[:9] == bytes((255, 0, 0, 255, 255, 255, 0, 0, 0))


def test_what_is_shown_is_read_at_the_address_of_the_current_frame(bench: Bench, lcd: Framebuffer) -> None:
    bench.memory[0x1000] = 200
    set_up(lcd, {BASE: 0x1000, TIMING0: 0, TIMING1: 0, CONTROL: ON | BPP_32})
    lcd.registers.write(BASE, 4, 0x2000)
    assert frame(lcd.state, bench.read_memory)[2][0] == 200


def test_a_display_that_is_off_is_black(bench: Bench, lcd: Framebuffer) -> None:
    bench.memory[:4] = b"\xff\xff\xff\xff"
    assert frame(lcd.state, bench.read_memory) == (240, 320, bytes(3 * 240 * 320))


def test_it_says_that_it_is_a_pl111(lcd: Framebuffer) -> None:
    assert [lcd.registers.read(0xFE0 + 4 * index, 4) for index in range(4)] == [0x11, 0x11, 0x04, 0x00]


@pytest.mark.parametrize(("control", "bits"), [(BPP_555, 5), (BPP_565, 6), (BPP_555 | BGR, 5), (BPP_565 | BGR, 6)])
def test_every_value_of_sixteen_bits_has_the_colour_that_its_fields_say(
    bench: Bench, lcd: Framebuffer, control: int, bits: int
) -> None:
    every = b"".join(value.to_bytes(2, "little") for value in range(1 << 16))
    set_up(lcd, {TIMING0: 0x3F << 2, TIMING1: 63, CONTROL: ON | control})
    width, height, pixels = frame(lcd.state, lambda _address, length: every[:length])
    assert width * height == 1 << 16
    most = (1 << bits) - 1
    for value in range(1 << 16):
        ends = [(value & 31) * 255 // 31, (value >> 5 + bits & 31) * 255 // 31]
        low, high = reversed(ends) if control & BGR else ends
        assert tuple(pixels[3 * value : 3 * value + 3]) == (low, (value >> 5 & most) * 255 // most, high)
