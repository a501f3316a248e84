"""Network interface: the OpenCores Ethernet MAC (Ethernet IP Core Specification 1.19; Linux drivers/net/ethernet/ethoc.c).

A bus master with 128 buffer descriptors in its own registers: a driver fills them once, and then one store sends a
frame and one load and one store take one. Descriptor `n` is two words at 0x400 + 8 n: length and bits, then the address of
the buffer in its owner's memory. The first TX_BD_NUM are for sending. A wrap bit ends each ring.

A frame leaves when its last bit has: gap, preamble, frame and checksum at `frequency` bits a second. Frames are handed
over without checksum (as they stand in a pcap file); received ones are stored with it, and their length counts it.
Collisions, pause frames and a bad line do not occur. The PHY at address 0 says 100 Mbit/s full duplex, and whether a
cable is plugged. MODER is as after a reset of the core, and the address is `mac`, as if firmware had set it.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field

from devices.device import Ticking, TickState, Wiring, cycle_of_tick
from devices.registers import Field, Reg, array, stored

RXEN, TXEN, NO_BROADCAST, PROMISCUOUS, LOOPBACK = 1 << 0, 1 << 1, 1 << 3, 1 << 5, 1 << 7
HUGE, PAD, SMALL = 1 << 14, 1 << 15, 1 << 16
"""Bits of MODER: any length; short frames are padded when sent; short frames are received."""
TXB, TXE, RXB, RXE, BUSY = (1 << bit for bit in range(5))
"""Bits of INT_SOURCE: sent, not sent, received, received wrongly, no descriptor was free."""
OWNED, IRQ, WRAP = 1 << 15, 1 << 14, 1 << 13
"""Bits of a descriptor: the core's to use (ready to send, or empty), interrupt when done, last of its ring."""
UNDERRUN, OVERRUN, TOO_LONG, SHORT, MISSED = 1 << 8, 1 << 6, 1 << 3, 1 << 2, 1 << 7
"""What a descriptor says of its frame: UNDERRUN of a sent one, the others of a received one."""
TX_STATUS, RX_STATUS = 0x1FF, 0x1FF
RINGS = 128
GAP, PREAMBLE, CHECKSUM = 12, 8, 4
"""Bytes that every frame costs on the line beside its own (IEEE 802.3)."""
LEAST = 14
"""A frame has at least two addresses and a type."""
_BROADCAST = b"\xff" * 6
_PHY = {0: 0x3100, 2: 0x0022, 3: 0x5521, 4: 0x01E1, 5: 0x41E1}
"""Registers of the PHY: control, identity, what it and its partner can do (IEEE 802.3 clause 22)."""
_PHY_STATUS, _LINK_UP = 0x7829, 1 << 2
_MODER = (
    Field("RXEN", 0),
    Field("TXEN", 1),
    Field("BRO", 3),
    Field("IAM", 4, note="no effect"),
    Field("PRO", 5),
    Field("LOOPBCK", 7),
    Field("HUGEN", 14),
    Field("PAD", 15),
    Field("RECSMALL", 16),
)
_SOURCES = tuple(Field(name, bit) for bit, name in enumerate(("TXB", "TXE", "RXB", "RXE", "BUSY", "TXC", "RXC")))


@dataclass
class NicState(TickState):
    """The whole snapshot; `frame` is on its way out, with `left` bits to go."""

    mode: int = 0xA000
    source: int = 0
    mask: int = 0
    gaps: list[int] = field(default_factory=lambda: [0x12, 0x0C, 0x12])
    lengths: int = 0x0040_0600
    collisions: int = 0x000F_003F
    senders: int = 0x40
    flow: int = 0
    mii: list[int] = field(default_factory=lambda: [0x64, 0, 0, 0, 0])
    """MIIMODER, MIICOMMAND, MIIADDRESS, MIITX_DATA, MIIRX_DATA."""
    mac: int = 0
    hashes: list[int] = field(default_factory=lambda: [0, 0])
    pause: int = 0
    descriptors: list[int] = field(default_factory=lambda: [0] * (2 * RINGS))
    sending: int = 0
    receiving: int = 0
    frame: bytes = b""
    left: int = 0
    link: int = 0


class Nic(Ticking):
    """One interface. `frequency`: bits a second of its line; `mac`: its address as a number."""

    state: NicState
    KEPT = frozenset({"link"})

    def __init__(
        self,
        wiring: Wiring,
        state: NicState | None = None,
        *,
        mac: int = 0x02_00_00_00_00_01,
        frequency: int = 100_000_000,
    ) -> None:
        s = state or NicState(mac=mac)
        super().__init__(wiring, s, frequency)
        self._mac = mac
        self.registers = self._bank(
            Reg("MODER", 0x00, lambda: s.mode, self._set_mode, _MODER),
            Reg("INT_SOURCE", 0x04, lambda: s.source, self._clear, _SOURCES),
            Reg("INT_MASK", 0x08, lambda: s.mask, self._set_mask, _SOURCES),
            array("IPG", 0x0C, 3, lambda n: s.gaps[n], lambda n, value: s.gaps.__setitem__(n, value & 0x7F)),
            stored("PACKETLEN", 0x18, s, "lengths"),
            stored("COLLCONF", 0x1C, s, "collisions", mask=0x000F_003F),
            Reg("TX_BD_NUM", 0x20, lambda: s.senders, self._set_senders),
            stored("CTRLMODER", 0x24, s, "flow", mask=0x7),
            array("MII", 0x28, 5, lambda n: s.mii[n], self._set_mii),
            Reg("MIISTATUS", 0x3C, lambda: 0 if s.link else 1, None, (Field("LINKFAIL", 0), Field("BUSY", 1))),
            Reg("MAC_ADDR0", 0x40, lambda: s.mac & 0xFFFF_FFFF, lambda value: self._set_mac(0, value)),
            Reg("MAC_ADDR1", 0x44, lambda: s.mac >> 32, lambda value: self._set_mac(1, value)),
            array("HASH", 0x48, 2, lambda n: s.hashes[n], s.hashes.__setitem__),
            stored("TXCTRL", 0x50, s, "pause", mask=0x1_FFFF),
            array("BD", 0x400, 2 * RINGS, lambda n: s.descriptors[n], self._set_descriptor),
        )

    def plug(self, link: bool) -> None:
        """A cable is put in or pulled out."""
        self.state.link = int(link)

    def reset(self) -> None:
        """As `Model.reset`; a frame on its way out is cut off."""
        super().reset()
        self.state.mac = self._mac

    # ---- registers

    def _set_mode(self, value: int) -> None:
        s = self.state
        if value & TXEN and not s.mode & TXEN:
            s.sending = 0
        if value & RXEN and not s.mode & RXEN:
            s.receiving = s.senders
        s.mode = value & 0x1_F7FF
        self._send_next()

    def _clear(self, value: int) -> None:
        self.state.source &= ~value
        self._update_line()

    def _set_mask(self, value: int) -> None:
        self.state.mask = value & 0x7F
        self._update_line()

    def _update_line(self) -> None:
        self._drive(bool(self.state.source & self.state.mask))

    def _set_senders(self, value: int) -> None:
        if value <= RINGS:  # the core ignores what is more than there is
            self.state.senders = value

    def _set_mac(self, half: int, value: int) -> None:
        s = self.state
        keep = s.mac & 0xFFFF_FFFF if half else s.mac >> 32 << 32
        s.mac = keep | ((value & 0xFFFF) << 32 if half else value)

    def _set_mii(self, index: int, value: int) -> None:
        """The PHY's bus takes no time. MIICOMMAND bits 0 and 1 read; writes to the PHY change nothing."""
        s = self.state
        if index == 4:
            return
        s.mii[index] = value & 0xFFFF
        if index == 1 and value & 0b11:
            phy, register = s.mii[2] & 0x1F, s.mii[2] >> 8 & 0x1F
            status = _PHY_STATUS | (_LINK_UP if s.link else 0)
            s.mii[4] = 0xFFFF if phy else status if register == 1 else _PHY.get(register, 0)

    def _set_descriptor(self, index: int, value: int) -> None:
        s = self.state
        s.descriptors[index] = value
        if value & OWNED and index == 2 * s.sending:
            self._send_next()

    # ---- sending

    def _send_next(self) -> None:
        """Begin with the next frame, if there is one and the line is free. One whose bytes cannot be had is given back."""
        s = self.state
        while s.mode & TXEN and not s.left and s.sending < s.senders and s.descriptors[2 * s.sending] & OWNED:
            control, address = s.descriptors[2 * s.sending : 2 * s.sending + 2]
            length = control >> 16
            most = 0xFFFF if s.mode & HUGE else s.lengths & 0xFFFF
            frame = self._fetch(address, length) if LEAST <= length <= most - CHECKSUM else None
            if frame is None:
                self._sent(UNDERRUN)
                continue
            if s.mode & PAD:
                frame = frame.ljust(min((s.lengths >> 16) - CHECKSUM, 0x600), b"\x00")
            s.frame, s.left = frame, 8 * (GAP + PREAMBLE + len(frame) + CHECKSUM)
        self._wiring.kick()

    def _run(self, passed: int) -> None:
        s = self.state
        while s.left and passed >= s.left:
            passed -= s.left
            s.left, frame, s.frame = 0, s.frame, b""
            self._leave(frame, cycle_of_tick(s.tick - passed, self._wiring.hz, self._frequency))
            self._sent(0)
            self._send_next()
        s.left = max(s.left - passed, 0)

    def _ticks_ahead(self) -> int | None:
        return self.state.left or None

    def _leave(self, frame: bytes, cycle: int) -> None:
        if self.state.mode & LOOPBACK:
            self._take(frame)
        else:
            self._wiring.send(cycle, frame)

    def _sent(self, error: int) -> None:
        """The descriptor goes back to the driver."""
        s = self.state
        control = s.descriptors[2 * s.sending]
        s.descriptors[2 * s.sending] = control & ~(OWNED | TX_STATUS) | error
        s.sending = 0 if control & WRAP or s.sending + 1 >= s.senders else s.sending + 1
        if control & IRQ:
            s.source |= TXE if error else TXB
        self._update_line()

    # ---- receiving

    def receive(self, frame: bytes) -> None:
        """A frame comes in from the cable."""
        self.advance()
        if not self.state.mode & LOOPBACK:
            self._take(frame)

    def _take(self, frame: bytes) -> None:
        s = self.state
        least, most = (s.lengths >> 16) - CHECKSUM, (s.lengths & 0xFFFF) - CHECKSUM
        short, long = len(frame) < least, len(frame) > most and not s.mode & HUGE
        if not s.mode & RXEN or len(frame) < LEAST or (short and not s.mode & SMALL) or not self._is_for_me(frame):
            return
        if s.receiving >= RINGS or not s.descriptors[2 * s.receiving] & OWNED:
            s.source |= BUSY
        else:
            kept = frame + zlib.crc32(frame).to_bytes(CHECKSUM, "little")
            status = (SHORT if short else 0) | (TOO_LONG if long else 0)
            status |= 0 if self._is_for_me(frame, promiscuous=False) else MISSED
            self._keep(kept[: s.lengths & 0xFFFF] if long else kept, status)
        self._update_line()

    def _keep(self, data: bytes, status: int) -> None:
        """Put a frame into the next buffer."""
        s = self.state
        control, address = s.descriptors[2 * s.receiving : 2 * s.receiving + 2]
        if not self._store(address, data):
            status |= OVERRUN
        s.descriptors[2 * s.receiving] = len(data) << 16 | control & 0xFFFF & ~(OWNED | RX_STATUS) | status
        s.receiving = s.senders if control & WRAP or s.receiving + 1 >= RINGS else s.receiving + 1
        if control & IRQ:
            s.source |= RXE if status & ~MISSED else RXB

    def _is_for_me(self, frame: bytes, promiscuous: bool = True) -> bool:
        s = self.state
        to = frame[:6]
        if promiscuous and s.mode & PROMISCUOUS:
            return True
        if to == _BROADCAST:
            return not s.mode & NO_BROADCAST
        if to[0] & 1:
            number = hash_of(to)
            return bool(s.hashes[number >> 5] >> (number & 31) & 1)
        return int.from_bytes(to, "big") == s.mac


def hash_of(address: bytes) -> int:
    """The bit of HASH that lets a group address in: the top six bits of its checksum, sent highest bit first."""
    remainder = zlib.crc32(address) ^ 0xFFFF_FFFF
    return int(f"{remainder & 0x3F:06b}"[::-1], 2)
