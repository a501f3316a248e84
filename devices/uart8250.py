"""The 16550A UART (National Semiconductor PC16550D), one register per word, as Kirkwood and the PXA255 carry it.

A byte written to THR leaves at once, so the transmitter is always empty. Received bytes beyond the sixteen of the
FIFO wait on the line as if flow control held them back. The character time-out of the receive FIFO is taken as zero:
fewer bytes than the trigger level are announced as a time-out at once. Baud rates are stored and have no effect.

The interrupt identification (IIR) names the most urgent cause: received data, then time-out, then "transmitter
empty". That last one is an event: it is pending after each byte that left, and when its enable bit goes from 0 to 1;
reading IIR while it is the one named, or writing THR, takes it back.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from devices.device import Model, State, Wiring
from devices.registers import Field, Reg, RegisterBank, ignore, stored

FIFO = 16
ERBFI, ETBEI = 1 << 0, 1 << 1
"""IER: interrupts for received data and for an empty transmitter."""
DLAB = 1 << 7
"""LCR: offsets 0 and 4 show the baud rate divisor."""
LOOP = 1 << 4
"""MCR: what is sent comes back, and the modem inputs show the modem outputs."""
NONE, EMPTY, DATA, TIMEOUT = 0x1, 0x2, 0x4, 0xC
"""IIR: nothing pending, transmitter empty, received data, receive time-out."""
FIFOS_ON = 0xC0
DR, THRE, TEMT = 1 << 0, 1 << 5, 1 << 6
"""LSR: data ready, holding register empty, transmitter empty."""
MODEM_READY = 0xB0
"""MSR: CTS, DSR and DCD asserted, as by a terminal that is switched on."""
_TRIGGERS = (1, 4, 8, 14)
"""FCR[7:6]: bytes at which received data is announced."""


@dataclass
class Uart8250State(State):
    """The whole snapshot of a 16550A."""

    rx: list[int] = field(default_factory=list)
    enabled: int = 0
    fifo_control: int = 0
    line_control: int = 0
    modem_control: int = 0
    scratch: int = 0
    divisor_low: int = 0
    divisor_high: int = 0
    emptied: int = 0
    """The event "transmitter empty" has happened and nobody has seen it."""


class Uart8250(Model):
    """One UART with registers `1 << shift` bytes apart."""

    state: Uart8250State
    enable_mask = 0x0F
    """The bits of IER that exist."""

    def __init__(
        self, wiring: Wiring, state: Uart8250State | None = None, *, shift: int = 2, frequency: int = 1_843_200
    ) -> None:
        """`frequency` is that of the baud rate generator: drivers want to know it, the model does not."""
        self.frequency = frequency
        s = state or Uart8250State()
        super().__init__(wiring, s)
        self.registers = self._declare(s, 1 << shift)

    def _declare(self, s: Uart8250State, step: int) -> RegisterBank:
        return self._bank(
            Reg("RBR_THR_DLL", 0 * step, self._read_first, self._write_first),
            Reg("IER_DLM", 1 * step, self._read_second, self._write_second, (Field("ERBFI", 0), Field("ETBEI", 1))),
            Reg("IIR_FCR", 2 * step, self._identify, self._set_fifo, (Field("CAUSE", 0, 4), Field("FIFOS", 6, 2))),
            stored("LCR", 3 * step, s, "line_control", mask=0xFF, fields=(Field("WLS", 0, 2), Field("DLAB", 7))),
            stored(
                "MCR",
                4 * step,
                s,
                "modem_control",
                mask=0x3F,
                fields=(Field("DTR", 0), Field("RTS", 1), Field("LOOP", 4)),
            ),
            Reg("LSR", 5 * step, self._line_status, ignore, (Field("DR", 0), Field("THRE", 5), Field("TEMT", 6))),
            Reg("MSR", 6 * step, self._modem_status, ignore),
            stored("SCR", 7 * step, s, "scratch", mask=0xFF),
        )

    def receive(self, data: bytes) -> None:
        """Bytes arrive on the serial line."""
        self.state.rx += data
        self._update_line()

    def _cause(self) -> int:
        """The most urgent enabled cause, in the code of IIR."""
        s = self.state
        if s.rx and self._hears_data():
            if not s.fifo_control & 1 or len(s.rx) >= _TRIGGERS[s.fifo_control >> 6 & 3]:
                return DATA
            if self._hears_timeout():
                return TIMEOUT
        return EMPTY if s.emptied and s.enabled & ETBEI else NONE

    def _hears_data(self) -> bool:
        return bool(self.state.enabled & ERBFI)

    def _hears_timeout(self) -> bool:
        """The 16550A announces a time-out whenever it announces data."""
        return True

    def _read_first(self) -> int:
        """RBR: the oldest byte received, 0 if there is none; DLL behind the divisor latch bit."""
        s = self.state
        if s.line_control & DLAB:
            return s.divisor_low
        byte = s.rx.pop(0) if s.rx else 0
        self._update_line()
        return byte

    def _write_first(self, value: int) -> None:
        """THR: the byte goes out and the transmitter is empty again; DLL behind the divisor latch bit."""
        s = self.state
        if s.line_control & DLAB:
            s.divisor_low = value & 0xFF
            return
        s.emptied = 0
        self._update_line()
        if s.modem_control & LOOP:
            s.rx.append(value & 0xFF)
        else:
            self._wiring.transmit(bytes((value & 0xFF,)))
        s.emptied = 1
        self._update_line()

    def _read_second(self) -> int:
        s = self.state
        return s.divisor_high if s.line_control & DLAB else s.enabled

    def _write_second(self, value: int) -> None:
        """IER: enabling the transmitter's interrupt while it is empty is an event; DLM behind the divisor latch bit."""
        s = self.state
        if s.line_control & DLAB:
            s.divisor_high = value & 0xFF
            return
        if value & ~s.enabled & ETBEI:
            s.emptied = 1
        s.enabled = value & self.enable_mask
        self._update_line()

    def _identify(self) -> int:
        """IIR; naming "transmitter empty" takes the event back."""
        s = self.state
        cause = self._cause()
        if cause == EMPTY:
            s.emptied = 0
            self._update_line()
        return cause | (FIFOS_ON if s.fifo_control & 1 else 0)

    def _set_fifo(self, value: int) -> None:
        """FCR: bit 1 empties the receive FIFO."""
        s = self.state
        if value & 2:
            del s.rx[:FIFO]
        s.fifo_control = value & 0xC9
        self._update_line()

    def _line_status(self) -> int:
        return THRE | TEMT | (DR if self.state.rx else 0)

    def _modem_status(self) -> int:
        control = self.state.modem_control
        if not control & LOOP:
            return MODEM_READY
        return (control & 2) << 3 | (control & 1) << 5 | (control & 0xC) << 4  # RTS->CTS, DTR->DSR, OUT1->RI, OUT2->DCD

    def _update_line(self) -> None:
        self._drive(self._cause() != NONE)


RTOIE, UUE = 1 << 4, 1 << 6
"""IER of the PXA255: receive time-out interrupt, unit enabled (PXA255 Developer's Manual, 278693, table 10-7)."""


class PxaUart(Uart8250):
    """The UART of the PXA255: a 16550A whose time-out has an enable bit of its own."""

    enable_mask = 0xFF

    def __init__(self, wiring: Wiring, state: Uart8250State | None = None, *, frequency: int = 14_745_600) -> None:
        super().__init__(wiring, state, shift=2, frequency=frequency)

    def _hears_data(self) -> bool:
        return bool(self.state.enabled & (ERBFI | RTOIE))

    def _hears_timeout(self) -> bool:
        return bool(self.state.enabled & RTOIE)
