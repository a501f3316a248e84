"""The 16550A and the PXA255's version of it."""

from __future__ import annotations

import pytest

from devices import PxaUart, Uart8250
from devices.bench import Bench
from devices.uart8250 import DATA, DLAB, EMPTY, ERBFI, ETBEI, LOOP, NONE, RTOIE, TIMEOUT

RBR, IER, IIR, LCR, MCR, LSR, MSR, SCR = (4 * n for n in range(8))


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def uart(bench: Bench) -> Uart8250:
    return Uart8250(bench.wiring())


def test_a_byte_written_is_sent_at_once(bench: Bench, uart: Uart8250) -> None:
    uart.registers.write(RBR, 1, 0x41)
    assert bytes(bench.sent) == b"A"
    assert uart.registers.read(LSR, 1) == 0x60


def test_received_data_shows_in_the_line_status_and_raises_the_line(bench: Bench, uart: Uart8250) -> None:
    uart.registers.write(IER, 1, ERBFI)
    uart.receive(b"x")
    assert bench.level()
    assert uart.registers.read(LSR, 1) & 1
    assert uart.registers.read(IIR, 1) == DATA
    assert uart.registers.read(RBR, 1) == ord("x")
    assert not bench.level()


def test_with_fifos_few_bytes_are_a_timeout_and_many_are_data(uart: Uart8250) -> None:
    uart.registers.write(IIR, 1, 0x81)  # FIFOs on, trigger at 8
    uart.registers.write(IER, 1, ERBFI)
    uart.receive(b"1234567")
    assert uart.registers.read(IIR, 1) == 0xC0 | TIMEOUT
    uart.receive(b"8")
    assert uart.registers.read(IIR, 1) == 0xC0 | DATA


def test_enabling_the_transmitter_interrupt_announces_that_it_is_empty(bench: Bench, uart: Uart8250) -> None:
    uart.registers.write(IER, 1, ETBEI)
    assert bench.level()
    assert uart.registers.read(IIR, 1) == EMPTY
    assert not bench.level()
    assert uart.registers.read(IIR, 1) == NONE


def test_writing_the_same_enable_bits_again_announces_nothing(bench: Bench, uart: Uart8250) -> None:
    uart.registers.write(IER, 1, ETBEI)
    uart.registers.read(IIR, 1)
    uart.registers.write(IER, 1, ETBEI | ERBFI)
    assert not bench.level()


def test_each_byte_sent_announces_an_empty_transmitter_again(bench: Bench, uart: Uart8250) -> None:
    uart.registers.write(IER, 1, ETBEI)
    uart.registers.read(IIR, 1)
    uart.registers.write(RBR, 1, 0x2A)
    assert bench.level()


def test_received_data_is_more_urgent_than_an_empty_transmitter(uart: Uart8250) -> None:
    uart.registers.write(IER, 1, ERBFI | ETBEI)
    uart.receive(b"x")
    assert uart.registers.read(IIR, 1) == DATA
    uart.registers.read(RBR, 1)
    assert uart.registers.read(IIR, 1) == EMPTY


def test_the_divisor_hides_behind_its_latch_bit(bench: Bench, uart: Uart8250) -> None:
    uart.registers.write(LCR, 1, DLAB)
    uart.registers.write(RBR, 1, 0x0C)
    uart.registers.write(IER, 1, 0x01)
    assert (uart.registers.read(RBR, 1), uart.registers.read(IER, 1)) == (0x0C, 0x01)
    uart.registers.write(LCR, 1, 0x03)
    assert uart.registers.read(IER, 1) == 0
    assert not bench.sent


def test_loopback_brings_back_what_is_sent_and_shows_the_modem_outputs(bench: Bench, uart: Uart8250) -> None:
    uart.registers.write(MCR, 1, LOOP | 0b1010)  # OUT2 and RTS
    uart.registers.write(RBR, 1, 0x55)
    assert uart.registers.read(RBR, 1) == 0x55
    assert uart.registers.read(MSR, 1) == 0x90  # DCD and CTS
    assert not bench.sent


def test_clearing_the_fifo_drops_what_it_holds(uart: Uart8250) -> None:
    uart.receive(b"0123456789abcdefREST")
    uart.registers.write(IIR, 1, 0x03)
    assert bytes(uart.registers.read(RBR, 1) for _ in range(4)) == b"REST"


def test_the_scratch_register_is_there_for_probing(uart: Uart8250) -> None:
    uart.registers.write(SCR, 1, 0xA5)
    assert uart.registers.read(SCR, 1) == 0xA5


def test_only_the_enable_bits_that_exist_can_be_set(uart: Uart8250) -> None:
    uart.registers.write(IER, 1, 0xF0)
    assert uart.registers.read(IER, 1) == 0


def test_registers_can_stand_closer_together(bench: Bench) -> None:
    uart = Uart8250(bench.wiring(), shift=2)
    assert max(uart.registers.registers) == 0x1C


def test_the_pxa_announces_a_timeout_only_when_asked(bench: Bench) -> None:
    uart = PxaUart(bench.wiring())
    uart.registers.write(
        IIR, 1, 0x41
    )  # FIFOs on, trigger at 8 (the PXA's coding of its 64 bytes is the 16550's second level)
    uart.registers.write(IER, 1, 0x40 | ERBFI)
    uart.receive(b"abc")
    assert not bench.level()
    uart.registers.write(IER, 1, 0x40 | ERBFI | RTOIE)
    assert bench.level()
    assert uart.registers.read(IIR, 1) == 0xC0 | TIMEOUT
