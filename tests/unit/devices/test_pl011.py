"""PL011: what a driver sees of the UART."""

from __future__ import annotations

import pytest

from devices import Pl011
from devices.bench import Bench
from devices.pl011 import FEN, RT, RX, RXFE, TX, TXFE

DR, FR, LCRH, IFLS, IMSC, RIS, MIS, ICR = 0x000, 0x018, 0x02C, 0x034, 0x038, 0x03C, 0x040, 0x044


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def uart(bench: Bench) -> Pl011:
    return Pl011(bench.wiring())


def test_a_byte_written_is_sent_at_once(bench: Bench, uart: Pl011) -> None:
    for byte in b"hi\n":
        uart.registers.write(DR, 4, byte)
    assert bytes(bench.sent) == b"hi\n"
    assert uart.registers.read(FR, 4) & TXFE


def test_received_bytes_come_out_in_order_and_then_the_fifo_is_empty(uart: Pl011) -> None:
    uart.receive(b"ab")
    assert not uart.registers.read(FR, 4) & RXFE
    assert [uart.registers.read(DR, 4) for _ in range(3)] == [0x61, 0x62, 0]
    assert uart.registers.read(FR, 4) & RXFE


def test_the_receive_interrupt_is_silent_until_unmasked(bench: Bench, uart: Pl011) -> None:
    uart.receive(b"A")
    assert not bench.level()
    uart.registers.write(IMSC, 2, RX | RT)
    assert bench.level()
    assert uart.registers.read(MIS, 4) == RX | RT


def test_reading_the_last_byte_lowers_the_line(bench: Bench, uart: Pl011) -> None:
    uart.registers.write(IMSC, 4, RX | RT)
    uart.receive(b"AB")
    uart.registers.read(DR, 4)
    assert bench.level()
    uart.registers.read(DR, 4)
    assert not bench.level()


def test_with_fifos_the_receive_interrupt_waits_for_its_trigger_level(uart: Pl011) -> None:
    uart.registers.write(LCRH, 4, FEN)
    uart.registers.write(IFLS, 4, 0b010_000)  # half full
    uart.receive(b"1234567")
    assert uart.registers.read(RIS, 4) & (RX | RT) == RT
    uart.receive(b"8")
    assert uart.registers.read(RIS, 4) & (RX | RT) == RX | RT
    uart.registers.read(DR, 4)
    assert uart.registers.read(RIS, 4) & (RX | RT) == RT


def test_the_transmit_interrupt_follows_a_byte_and_is_cleared_by_software(bench: Bench, uart: Pl011) -> None:
    uart.registers.write(IMSC, 4, TX)
    assert not bench.level()
    uart.registers.write(DR, 1, 0x41)
    assert bench.level()
    uart.registers.write(ICR, 4, TX)
    assert not bench.level()


def test_changing_the_fifo_enable_flushes_the_fifo(uart: Pl011) -> None:
    uart.receive(b"old")
    uart.registers.write(LCRH, 4, FEN)
    assert uart.registers.read(FR, 4) & RXFE
    assert uart.registers.read(RIS, 4) & (RX | RT) == 0


def test_bytes_beyond_the_fifo_wait_on_the_line_and_are_not_lost(uart: Pl011) -> None:
    text = bytes(range(100, 150))
    uart.receive(text)
    assert bytes(uart.registers.read(DR, 4) for _ in text) == text


def test_baud_rates_are_kept_for_the_driver(uart: Pl011) -> None:
    uart.registers.write(0x024, 4, 0x1_000D)
    uart.registers.write(0x028, 4, 0x7F)
    assert (uart.registers.read(0x024, 4), uart.registers.read(0x028, 4)) == (0x000D, 0x3F)


def test_firmware_has_left_the_uart_enabled(uart: Pl011) -> None:
    assert uart.registers.read(0x030, 4) == 0x301


def test_the_line_only_changes_when_its_level_does(bench: Bench, uart: Pl011) -> None:
    uart.registers.write(IMSC, 4, RX | RT | TX)
    uart.receive(b"1")
    uart.receive(b"2")
    uart.registers.write(DR, 4, 0)
    assert bench.changes == [(0, 0, True)]
