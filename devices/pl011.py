"""PL011: the ARM PrimeCell UART (ARM DDI 0183G), used on Versatile, BCM2835 and QEMU's "virt".

A byte written to DR leaves at once: baud rates are stored and have no effect, so the transmit FIFO is always empty.
Received bytes beyond the sixteen of the FIFO wait on the line as if flow control held them back; none is lost. The
receive time-out of 32 bit times is taken as zero: RT is raised as soon as the FIFO holds anything. CR starts as
firmware leaves it (UARTEN, TXE, RXE set) and its enable bits have no effect: early consoles write before any driver
has enabled the part.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from devices.device import Model, State, Wiring
from devices.registers import Field, Reg, array, ignore, prime_cell, stored, zero

FIFO = 16
"""Bytes that the receive FIFO holds (revision r1p3 and before, DDI 0183 3.3)."""

RX, TX, RT = 1 << 4, 1 << 5, 1 << 6
"""Interrupt bits of RIS, MIS, IMSC and ICR: receive, transmit, receive time-out (DDI 0183 table 3-13)."""
RXFE, TXFE = 1 << 4, 1 << 7
"""Flags of FR: receive FIFO empty, transmit FIFO empty."""
MODEM_READY = 0b111
"""FR: CTS, DSR and DCD asserted, as by a terminal that is switched on."""
FEN = 1 << 4
"""LCRH: FIFOs enabled."""

_TRIGGERS = (2, 4, 8, 12, 14)
"""IFLS.RXIFLSEL: bytes at which RX is raised (1/8, 1/4, 1/2, 3/4, 7/8 of the FIFO)."""
_INTERRUPTS = tuple(
    Field(name, bit) for bit, name in enumerate(("RI", "CTS", "DCD", "DSR", "RX", "TX", "RT", "FE", "PE", "BE", "OE"))
)


@dataclass
class Pl011State(State):
    """The whole snapshot of a PL011."""

    rx: list[int] = field(default_factory=list)
    raw: int = 0
    mask: int = 0
    line_control: int = 0
    control: int = 0x301
    trigger: int = 0x12
    integer_baud: int = 0
    fractional_baud: int = 0
    low_power: int = 0
    dma: int = 0


class Pl011(Model):
    """One UART: a data register, flags, and one interrupt line."""

    state: Pl011State

    def __init__(self, wiring: Wiring, state: Pl011State | None = None, *, frequency: int = 24_000_000) -> None:
        """`frequency` is that of UARTCLK: drivers want to know it, the model does not."""
        self.frequency = frequency
        s = state or Pl011State()
        super().__init__(wiring, s)
        self.registers = self._bank(
            Reg("DR", 0x000, self._take, self._send, (Field("DATA", 0, 8), Field("FE", 8), Field("OE", 11))),
            Reg("RSR_ECR", 0x004, zero, ignore),
            Reg("FR", 0x018, self._flags, None, (Field("MODEM", 0, 3), Field("RXFE", 4), Field("TXFE", 7))),
            stored("ILPR", 0x020, s, "low_power", mask=0xFF),
            stored("IBRD", 0x024, s, "integer_baud", mask=0xFFFF),
            stored("FBRD", 0x028, s, "fractional_baud", mask=0x3F),
            Reg("LCRH", 0x02C, lambda: s.line_control, self._set_line, (Field("FEN", 4), Field("WLEN", 5, 2))),
            stored("CR", 0x030, s, "control", mask=0xFF87, fields=(Field("UARTEN", 0, note="no effect"),)),
            Reg("IFLS", 0x034, lambda: s.trigger, self._set_trigger, (Field("TX", 0, 3), Field("RX", 3, 3))),
            Reg("IMSC", 0x038, lambda: s.mask, self._set_mask, _INTERRUPTS),
            Reg("RIS", 0x03C, lambda: s.raw, None, _INTERRUPTS),
            Reg("MIS", 0x040, lambda: s.raw & s.mask, None, _INTERRUPTS),
            Reg("ICR", 0x044, None, self._clear, _INTERRUPTS),
            stored("DMACR", 0x048, s, "dma", mask=0x7),
            array("TEST", 0x080, 4, lambda _index: 0, lambda _index, _value: None),
            prime_cell(part=0x011, revision=1),
        )

    def receive(self, data: bytes) -> None:
        """Bytes arrive on the serial line."""
        self.state.rx += data
        self._raise_receive()
        self._update_line()

    def _take(self) -> int:
        """DR is read: the oldest byte of the FIFO, 0 if it is empty."""
        s = self.state
        if not s.rx:
            return 0
        byte = s.rx.pop(0)
        if len(s.rx) < self._trigger_level():
            s.raw &= ~RX
        if not s.rx:
            s.raw &= ~RT
        self._update_line()
        return byte

    def _send(self, value: int) -> None:
        """DR is written: the byte goes out and the FIFO has drained."""
        self._wiring.transmit(bytes((value & 0xFF,)))
        self.state.raw |= TX
        self._update_line()

    def _flags(self) -> int:
        return MODEM_READY | TXFE | (0 if self.state.rx else RXFE)

    def _trigger_level(self) -> int:
        s = self.state
        if not s.line_control & FEN:
            return 1
        select = s.trigger >> 3 & 7
        return _TRIGGERS[select] if select < len(_TRIGGERS) else _TRIGGERS[-1]

    def _raise_receive(self) -> None:
        s = self.state
        if s.rx:
            s.raw |= RT
        if len(s.rx) >= self._trigger_level():
            s.raw |= RX

    def _set_line(self, value: int) -> None:
        """LCRH is written: a change of FEN flushes the FIFO (DDI 0183 3.3.7)."""
        s = self.state
        if (s.line_control ^ value) & FEN:
            del s.rx[:FIFO]
            s.raw &= ~(RX | RT)
        s.line_control = value & 0xFF
        self._raise_receive()
        self._update_line()

    def _set_trigger(self, value: int) -> None:
        self.state.trigger = value & 0x3F
        self._raise_receive()
        self._update_line()

    def _set_mask(self, value: int) -> None:
        self.state.mask = value & 0x7FF
        self._update_line()

    def _clear(self, value: int) -> None:
        self.state.raw &= ~value
        self._update_line()

    def _update_line(self) -> None:
        self._drive(bool(self.state.raw & self.state.mask))
