"""The drivers of UART, network, display and touch against the device models."""

from __future__ import annotations

import pytest

from cells.domains.devices import Owned, first
from cells.domains.drivers.lcd import Lcd
from cells.domains.drivers.nic import Nic
from cells.domains.drivers.touch import FIFO, FIFO_SIZE, Touch
from cells.domains.drivers.uart import PARTS, Uart
from cells.split.input.protocol import Kind
from devices import MODELS
from devices.framebuffer import frame
from devices.touch import TOUCH
from tests.support.driver_port import STEP, DriverPort


def port_with(model: str, **params) -> tuple[DriverPort, Owned]:
    port = DriverPort(it=(MODELS[model], params))
    return port, Owned("it", port.base("it"), STEP, port.line("it"), model)


@pytest.mark.parametrize("model", PARTS)
def test_a_uart_sends_and_hears_by_interrupt(model):
    port, owned = port_with(model)
    uart = Uart(port, owned)
    uart.write(b"hello\r\n")
    assert port.bench.sent == b"hello\r\n"
    assert uart.read() == b""
    port.device("it").receive(b"typed text that is longer than a FIFO of sixteen\r")
    assert uart.read() == b"typed text that is longer than a FIFO of sixteen\r"
    assert uart.read() == b""
    port.device("it").receive(b"more")
    assert uart.read() == b"more"
    assert port.bench.misuses == []


def test_a_uart_whose_driver_died_with_input_waiting_goes_on():
    port, owned = port_with("pl011")
    Uart(port, owned)
    port.device("it").receive(b"x")
    again = Uart(port.forget(), owned)
    port.device("it").receive(b"y")
    assert again.read()[-1:] == b"y"


@pytest.mark.parametrize("model", PARTS)
def test_a_uart_whose_status_sticks_does_not_hold_its_driver_for_ever(model):
    port, owned = port_with(model)
    uart = Uart(port, owned)
    port.device("it").receive(b"x")
    part, load = PARTS[model], port.load
    never_empty = 0 if part.inverted else 0xFF
    port.load = lambda at, size=4: never_empty if at == owned.base + part.status else load(at, size)
    assert uart.read()[:1] == b"x"


def test_a_touch_screen_whose_count_sticks_does_not_hold_its_driver_for_ever():
    port, owned = port_with("touch")
    touch = Touch(port, owned)
    port.device("it").receive(TOUCH.pack(100, 200, 1))
    load = port.load
    port.load = lambda at, size=4: 0xFFFF_FFFF if at == owned.base + FIFO_SIZE else load(at, size)
    assert 1 <= len(touch.events()) <= FIFO + 1


def test_frames_go_out_and_come_in_as_they_are():
    port, owned = port_with("nic", mac=0x02_00_00_00_00_07)
    nic = Nic(port, owned)
    assert nic.mac == bytes.fromhex("020000000007")
    for number in range(30):
        assert nic.send(bytes([number]) * 100)
        port.sleep("50us")
    assert [data for _, data in port.bench.frames] == [bytes([number]) * 100 for number in range(30)]
    for number in range(40):
        port.device("it").receive(b"\xff" * 6 + bytes([number]) * 60)
        assert nic.receive() == b"\xff" * 6 + bytes([number]) * 60
        assert nic.receive() is None
    assert port.bench.misuses == []


def test_a_network_driver_says_when_it_has_no_room_and_loses_only_what_does_not_fit():
    port, owned = port_with("nic")
    nic = Nic(port, owned)
    assert [nic.send(b"\xff" * 1500) for _ in range(9)] == [True] * 8 + [False]
    for number in range(20):
        port.device("it").receive(b"\xff" * 6 + bytes([number]) * 60)
    got = []
    while (data := nic.receive()) is not None:
        got.append(data[6])
    assert got == list(range(16))
    port.device("it").receive(b"\xff" * 6 + bytes([99]) * 60)
    assert nic.receive() == b"\xff" * 6 + bytes([99]) * 60


def test_a_new_network_driver_takes_over():
    port, owned = port_with("nic")
    Nic(port, owned).send(b"\x01" * 60)
    nic = Nic(port.forget(), owned)
    assert nic.send(b"\x02" * 60)
    port.device("it").receive(b"\xff" * 66)
    assert nic.receive() == b"\xff" * 66
    port.sleep("1ms")
    assert port.bench.frames[-1][1] == b"\x02" * 60


def test_pixels_are_what_the_panel_shows():
    port, owned = port_with("framebuffer")
    panel = Lcd(port, owned)
    panel.pixels[:4] = b"\x00\xf8\x1f\x00"
    panel.pixels[-2:] = b"\xe0\x07"
    width, height, shown = frame(port.device("it").state, port.read_memory)
    assert (width, height) == (320, 240)
    assert (shown[:6], shown[-3:]) == (b"\xff\0\0\0\0\xff", b"\0\xff\0")
    assert port.bench.misuses == []


def test_a_pen_goes_down_moves_and_goes_up():
    port, owned = port_with("touch")
    touch = Touch(port, owned)
    assert touch.events() == []
    for x, y, down in [(0, 0, 1), (2048, 2048, 1), (4095, 4095, 1), (0, 0, 0)]:
        port.device("it").receive(TOUCH.pack(x, y, down))
    events = touch.events()
    assert [(event.kind, event.x, event.y) for event in events] == [
        (Kind.DOWN, 0, 0),
        (Kind.MOVE, 160, 120),
        (Kind.MOVE, 319, 239),
        (Kind.UP, 319, 239),
    ]
    port.device("it").receive(TOUCH.pack(5, 5, 1))
    assert [event.kind for event in touch.events()] == [Kind.DOWN]
    assert touch.events() == []
    assert port.bench.misuses == []


def test_a_domain_finds_its_device_by_model():
    port, _ = port_with("pl011")
    found = first(port, {"Pl011"})
    assert found is not None
    assert (found.name, found.line) == ("it", 0)
    assert first(port, {"nic"}) is None
