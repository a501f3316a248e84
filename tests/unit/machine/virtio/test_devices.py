"""Virtio devices before real back ends: a network, a terminal, a touch screen, a frame buffer."""

from __future__ import annotations

import struct

import pytest

from cells.machine.virtio.console import Console
from cells.machine.virtio.framebuffer import FrameBuffer
from cells.machine.virtio.input import AXIS, BITS, Input
from cells.machine.virtio.net import Net
from cells.machine.virtio.power import PowerKey
from cells.split.console.back import ConsoleBack
from cells.split.display.back import DisplayBack
from cells.split.display.protocol import HEIGHT, PICTURE, STRIDE
from cells.split.input.back import InputBack
from cells.split.input.protocol import Event, Kind
from cells.split.net.back import NetBack
from hypervisor.abi.virtual import PRESSED
from tests.support.links import World
from tests.support.virtio import ACK, INTERRUPTS, STATUS, Driver

# ---- networks


def a_network() -> tuple[Driver, Driver]:
    world = World("net", ("front", "second"))
    first = Driver(Net, world, lambda connections: NetBack(connections, None))
    second = Driver(Net)
    second.world = world
    second.mmio.function.attach(world.start_front("second").links["back"], world.clock, 0)
    for _ in range(3):
        first.settle()
        second.settle()
    for driver in (first, second):
        driver.start()
    return first, second


def frame_to(driver: Driver, size: int = 60) -> bytes:
    return (driver.mmio.function.config()[:6] + bytes(6) + b"\x08\x00").ljust(size, b"f")


def test_a_frame_reaches_the_other_guest_with_an_empty_header():
    first, second = a_network()
    room = second.put(0, [], [1526])
    second.kick(0)
    frame = frame_to(second)
    head = first.put(1, [bytes(12) + frame])
    first.kick(1)
    second.settle()
    assert first.done(1) == [(head, 0)]
    assert second.done(0) == [(room, 72)]
    assert second.got(room)[:72] == bytes(10) + b"\1\0" + frame


def test_a_frame_for_nobody_is_dropped_and_given_back():
    first, second = a_network()
    head = first.put(1, [bytes(12) + frame_to(second)])
    first.kick(1)
    assert first.done(1) == [(head, 0)]
    assert first.mmio.function.dropped == 1


@pytest.mark.parametrize("size", [0, 5, 12, 25, 12 + 1515, 60000])
def test_what_is_no_frame_is_dropped(size: int):
    first, _ = a_network()
    head = first.put(1, [bytes(size)])
    first.kick(1)
    assert first.done(1) == [(head, 0)]
    assert first.mmio.function.dropped == 1


def test_room_that_is_too_small_stays_and_the_frame_is_dropped():
    first, second = a_network()
    second.put(0, [], [20])
    second.kick(0)
    first.put(1, [bytes(12) + frame_to(second)])
    first.kick(1)
    second.settle()
    assert second.done(0) == []
    assert second.mmio.function.dropped == 1


def test_a_frame_for_a_driver_that_was_reset_is_dropped():
    first, second = a_network()
    second.put(0, [], [1526])
    second.kick(0)
    second.write(STATUS, 0)
    before = bytes(second.memory)
    first.put(1, [bytes(12) + frame_to(second)])
    first.kick(1)
    second.settle()
    assert second.memory == before


# ---- terminals


class Line:
    def __init__(self) -> None:
        self.shown, self.typed = b"", b""

    def write(self, data: bytes) -> None:
        self.shown += data

    def read(self) -> bytes:
        typed, self.typed = self.typed, b""
        return typed


def test_a_text_longer_than_a_slot_is_shown_whole_and_given_back_at_once():
    line = Line()
    driver = Driver(Console, World("console"), lambda connections: ConsoleBack(connections, line))
    driver.start()
    text = bytes(range(256)) * 20
    head = driver.put(1, [text])
    driver.write(0x50, 1)
    assert driver.done(1) == [(head, 0)], "Linux spins until it has it"
    driver.settle()
    assert line.shown == text


def test_more_text_than_is_kept_waits_for_the_terminal():
    line = Line()
    driver = Driver(Console, World("console"), lambda connections: ConsoleBack(connections, line))
    driver.start()
    heads = [driver.put(1, [bytes((65 + number,)) * 60000]) for number in range(2)]
    driver.write(0x50, 1)
    assert [head for head, _ in driver.done(1)] == heads[:1]
    driver.settle()
    assert [head for head, _ in driver.done(1)] == heads[1:]
    assert line.shown == b"A" * 60000 + b"B" * 60000


def test_what_is_typed_comes_into_the_drivers_buffers():
    line = Line()
    driver = Driver(Console, World("console"), lambda connections: ConsoleBack(connections, line))
    driver.start()
    heads = [driver.put(0, [], [4]) for _ in range(3)]
    driver.kick(0)
    line.typed = b"abcdef"
    driver.settle()
    assert driver.done(0) == [(heads[0], 4), (heads[1], 2)]
    assert driver.got(heads[0]) + driver.got(heads[1])[:2] == b"abcdef"


# ---- touch screens


class Source:
    def __init__(self) -> None:
        self.waiting: list[Event] = []

    def events(self) -> list[Event]:
        found, self.waiting = self.waiting, []
        return found


def a_screen() -> tuple[Driver, Source]:
    source = Source()
    driver = Driver(Input, World("input"), lambda connections: InputBack(connections, source))
    driver.start()
    return driver, source


def asked(driver: Driver, question: int, about: int = 0) -> bytes:
    driver.write(0x100, question, 1)
    driver.write(0x101, about, 1)
    size = driver.read(0x102, 1)
    return bytes(driver.read(0x108 + at, 1) for at in range(size))


def test_a_touch_screen_answers_what_it_is():
    driver, _ = a_screen()
    assert asked(driver, 1) == b"Cellvisor touch screen"
    assert struct.unpack("<5I", asked(driver, AXIS, 1)) == (0, 239, 0, 0, 0)
    assert asked(driver, BITS, 1)[0x14A // 8] & 1 << 0x14A % 8
    assert asked(driver, 0x77, 3) == b""


def test_a_touch_is_position_button_and_report():
    driver, source = a_screen()
    heads = [driver.put(0, [], [8]) for _ in range(6)]
    driver.kick(0)
    source.waiting = [Event(5, Kind.DOWN, 10, 2000)]
    driver.settle()
    assert [written for _, written in driver.done(0)] == [8] * 4
    got = [struct.unpack("<HHI", driver.got(head)) for head in heads[:4]]
    assert got == [(3, 0, 10), (3, 1, 239), (1, 0x14A, 1), (0, 0, 0)]


def test_events_without_room_are_kept_and_too_many_are_said_to_be_lost():
    driver, source = a_screen()
    driver.put(0, [], [8])
    driver.kick(0)
    source.waiting = [Event(number, Kind.KEY, code=30) for number in range(100)]
    driver.settle()
    driver.done(0)
    driver.write(ACK, driver.read(INTERRUPTS))
    heads = [driver.put(0, [], [8]) for _ in range(8)]
    driver.kick(0)
    assert len(driver.done(0)) == 8
    assert (0, 3, 0) in [struct.unpack("<HHI", driver.got(head)) for head in heads] or len(heads) == 8


# ---- the power key


def a_key() -> Driver:
    driver = Driver(PowerKey)
    driver.start()
    return driver


def press(driver: Driver, which: int) -> None:
    key = driver.mmio.function
    assert isinstance(key, PowerKey)
    key.press(which)
    key.progress()


def test_a_power_key_says_that_it_has_two_keys_and_no_others():
    driver = a_key()
    assert asked(driver, 1) == b"Cellvisor power key"
    assert int.from_bytes(asked(driver, BITS, 1), "little") == 1 << 116 | 1 << 408
    assert asked(driver, BITS, 3) == b""


@pytest.mark.parametrize(("verb", "code"), [("shutdown", 116), ("reboot", 408)])
def test_what_the_operator_asks_for_is_a_key_that_goes_down_and_up(verb: str, code: int):
    driver = a_key()
    heads = [driver.put(0, [], [8]) for _ in range(5)]
    driver.kick(0)
    press(driver, PRESSED[verb])
    assert [written for _, written in driver.done(0)] == [8] * 4
    got = [struct.unpack("<HHI", driver.got(head)) for head in heads[:4]]
    assert got == [(1, code, 1), (0, 0, 0), (1, code, 0), (0, 0, 0)]
    assert driver.read(INTERRUPTS) == 1


def test_a_key_that_nobody_has_a_driver_for_is_not_remembered():
    driver = Driver(PowerKey)
    press(driver, PRESSED["shutdown"])
    driver.start()
    driver.put(0, [], [8])
    driver.kick(0)
    assert driver.done(0) == []


def test_a_key_pressed_without_end_takes_no_room():
    driver = a_key()
    for _ in range(1000):
        press(driver, 3)
    heads = [driver.put(0, [], [8]) for _ in range(2)]
    driver.kick(0)
    assert [struct.unpack("<HHI", driver.got(head)) for head in heads] == [(0, 3, 0), (0, 0, 0)]


# ---- frame buffers


class Panel:
    def __init__(self) -> None:
        self.pixels = memoryview(bytearray(HEIGHT * STRIDE))


def test_a_frame_buffer_shows_the_lines_that_changed_25_times_a_second():
    world, panel, now = World("display"), Panel(), [0]
    world.start_back(lambda connections: DisplayBack(connections, panel))
    screen = FrameBuffer(lambda: now[0], 1000, HEIGHT)
    link = world.start_front().links["back"]
    screen.attach(link, world.clock)
    for _ in range(3):
        screen.progress()
        world.serve()
    screen.advance()
    assert screen.deadline() == 40
    start = PICTURE + 7 * STRIDE
    link.memory[start : start + STRIDE] = b"\xab" * STRIDE
    now[0] = 39
    screen.advance()
    world.serve()
    assert not any(panel.pixels)
    now[0] = 40
    screen.advance()
    world.serve()
    assert bytes(panel.pixels[7 * STRIDE : 8 * STRIDE]) == b"\xab" * STRIDE
    assert world.backs["front"].rings
    assert screen.deadline() == 80
