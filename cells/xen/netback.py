"""The back end of a kernel's network interface: frames of an unmodified front end into a switch, and out of it.

Theory: nothing is kept here. A frame is copied by the hypervisor into this cell, handed to the switch, and answered; one from the
switch goes straight into a page that the front end has put up, or is dropped. So a back end that dies takes no frame along, and
the next one goes on in both rings (shared_ring.py). Linux leaves it no choice but to compute the checksum of what it sends over
IPv4; there are no other offloads: frames are whole, of 1514 bytes at most.

```python
device = NetBack(kernel, told, switch, port, port.print)      # `switch(frame)`: whether anybody took it
device.offer(frame)                                           # whether the guest has room
```
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from cells.port import RefusedError
from cells.split.ends import Clock, copy_cycles
from cells.split.net.protocol import LONGEST, SHORTEST
from cells.xen import netif
from cells.xen.blkif import Segment
from cells.xen.checksum import NoSuchPacketError, filled
from cells.xen.guest_pages import CopiedPages
from cells.xen.kernel import Kernel
from cells.xen.kernel_device import REQUEST_CYCLES, KernelDevice
from cells.xen.netif import Answer, TxFlag
from cells.xen.shared_ring import BrokenRingError, SharedRing
from hypervisor.abi.memory import PAGE

MOST_PIECES = 8
"""Requests that one frame may be cut into: an honest one of 1514 bytes lies in two pages. Their answers fit the ring's note."""
BURST = 16
"""Frames that a guest receives before it is told."""


class Packet(NamedTuple):
    """A frame to send: its requests' identities, None for a slot that was none; what is to be copied, and what is wrong."""

    slots: tuple[int | None, ...]
    segments: tuple[Segment, ...]
    wrong: str = ""
    blank: bool = False
    """Its checksum is to be computed."""


class NetBack(KernelDevice):
    """One interface of one front end. `sent`, `received`, `dropped`: frames, over all connections."""

    def __init__(
        self,
        kernel: Kernel,
        told: Mapping[str, Any],
        switch: Callable[[bytes], bool],
        clock: Clock,
        log: Callable[[str], None],
    ) -> None:
        super().__init__(kernel, told, log)
        self._switch, self._clock = switch, clock
        self._tx: SharedRing | None = None
        self._rx: SharedRing | None = None
        self._data: CopiedPages | None = None
        self._untold = 0
        self._complained = False
        self.sent = self.received = self.dropped = 0

    @property
    def address(self) -> bytes:
        """The address that the toolstack has given the interface."""
        text = self.store.read(f"{self.node}/mac")
        return bytes(int(part, 16) for part in text.split(":"))

    def features(self) -> dict[str, str | int]:
        """See `KernelDevice`."""
        return {"feature-rx-copy": 1, "feature-rx-flip": 0, "feature-sg": 0}

    def facts(self) -> dict[str, str | int]:
        """See `KernelDevice`."""
        return {"hotplug-status": "connected"}

    def open_rings(self) -> None:
        """See `KernelDevice`."""
        if not self.flag("request-rx-copy"):
            raise ValueError("it wants pages exchanged, which nobody does any more")
        self._tx = SharedRing(self.map("tx-ring-ref"), netif.TX_REQUEST.size)
        self._rx = SharedRing(self.map("rx-ring-ref"), netif.RX_RESPONSE.size)
        self._data = CopiedPages(self._kernel, self.remote)
        self._complained = False

    def rings(self) -> list[SharedRing]:
        """See `KernelDevice`."""
        return [ring for ring in (self._tx, self._rx) if ring is not None]

    def arm(self) -> bool:
        """See `KernelDevice`. Of new room nobody needs to be told: it is looked for when there is a frame."""
        return self._tx is not None and self._tx.arm()

    def close_rings(self) -> None:
        """See `KernelDevice`."""
        self._tx = self._rx = None
        pages, self._data = self._data, None
        if pages is not None:
            pages.close()

    # ---- from the guest

    def serve_one(self) -> bool:
        """See `KernelDevice`: one frame."""
        tx = self._tx
        packet = self._packet(tx) if tx is not None else None
        if tx is None or packet is None:
            return False
        self._clock.work(REQUEST_CYCLES)
        answer = self._send(packet)
        said = [(identity or 0, Answer.NULL if identity is None else answer) for identity in packet.slots]
        tx.put(*[netif.TX_RESPONSE.pack(*each) for each in said])
        if not tx.waiting():
            self.tell()
        return True

    def _send(self, packet: Packet) -> Answer:
        why = packet.wrong
        if not why and self._data is not None:
            try:
                frame = self._data.get(packet.segments)
                frame = filled(frame) if packet.blank else frame
            except (RefusedError, NoSuchPacketError) as error:
                why = str(error)
        if why:
            if not self._complained:
                self._complained = True
                self._log(f"{self.peer}: {why}")
            return Answer.ERROR
        self._clock.work(copy_cycles(len(frame)))
        taken = self._switch(frame)
        self.sent += taken
        self.dropped += not taken
        return Answer.OKAY if taken else Answer.DROPPED

    def _packet(self, tx: SharedRing) -> Packet | None:
        """All requests of the next frame.

        Raises:
            BrokenRingError: it has no end.
        """
        slot = tx.take()
        if slot is None:
            return None
        reference, offset, flags, identity, size = netif.TX_REQUEST.unpack(slot)
        slots: list[int | None] = [identity]
        wrong, blank = "", bool(flags & TxFlag.CHECKSUM_BLANK)
        if flags & TxFlag.EXTRA_INFO:
            wrong = "more about a frame, which nobody asked for"
            self._skip_extras(tx, slots)
        pieces = [(reference, offset, size)]
        while flags & TxFlag.MORE_DATA:
            reference, offset, flags, identity, length = netif.TX_REQUEST.unpack(_next(tx, slots))
            slots.append(identity)
            pieces.append((reference, offset, length))
        rest = sum(length for _, _, length in pieces[1:])
        pieces[0] = (*pieces[0][:2], size - rest)
        segments = tuple(Segment(*piece) for piece in pieces)
        return Packet(tuple(slots), segments, wrong or _unfit(size, segments), blank)

    @staticmethod
    def _skip_extras(tx: SharedRing, slots: list[int | None]) -> None:
        for _ in range(netif.MOST_EXTRAS):
            _type, flags = netif.EXTRA.unpack_from(_next(tx, slots))
            slots.append(None)
            if not flags & netif.EXTRA_MORE:
                return
        raise BrokenRingError(f"more than {netif.MOST_EXTRAS} slots about one frame")

    # ---- to the guest

    def offer(self, frame: bytes) -> bool:
        """Put a frame into room of the guest's; False: it has none, or is not there."""
        rx, pages = self._rx, self._data
        try:
            slot = rx.take() if self.connected and rx is not None else None
        except BrokenRingError as error:
            self.refuse(f"broke its ring: {error.what}")
            return False
        if slot is None or rx is None or pages is None:
            return False
        identity, reference = netif.RX_REQUEST.unpack(slot)
        status = len(frame)
        try:
            pages.put([Segment(reference, 0, len(frame))], frame)
        except RefusedError:
            status = int(Answer.ERROR)
        rx.put(netif.RX_RESPONSE.pack(identity, 0, netif.DATA_VALIDATED, status))
        self.received += status > 0
        self._untold += 1
        if self._untold >= BURST:
            self.tell()
        return status > 0

    def tell(self) -> None:
        """See `KernelDevice`."""
        self._untold = 0
        super().tell()


def _next(tx: SharedRing, slots: list[int | None]) -> bytes:
    """The next slot of a frame. A front end publishes whole frames."""
    if len(slots) >= MOST_PIECES + netif.MOST_EXTRAS:
        raise BrokenRingError(f"a frame in more than {len(slots)} slots")
    slot = tx.take()
    if slot is None:
        raise BrokenRingError("a frame without its end")
    return slot


def _unfit(size: int, segments: tuple[Segment, ...]) -> str:
    """Why this is no frame, or nothing."""
    if not SHORTEST <= size <= LONGEST:
        return f"a frame of {size} bytes: {SHORTEST} to {LONGEST} are allowed"
    if len(segments) > MOST_PIECES:
        return f"a frame in {len(segments)} pieces"
    if any(part.length <= 0 or part.offset + part.length > PAGE for part in segments):
        return "a frame that does not lie in its pages"
    return ""
