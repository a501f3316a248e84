"""What a kernel's front end has asked for, kept outside of the ring, for the next back end when one dies.

```python
keeper.catch_up()                # the store has changed: who is connected now?
keeper.ended(domain)             # a back end's domain is gone: what it has not answered stands in the ring again
```

Theory: in a split driver's ring an answer takes the slot of a request, and need not be the answer to that one: Linux's back ends
answer in the order in which their disks do. So a ring alone does not say what a dead back end owed: the oldest requests may be
overwritten, and some of those that still stand there may have been answered. Nor does a front end of Linux help: it asks again
only after a suspend, takes a disk whose back end says CLOSING for gone, and an answer that comes twice for a lie.

So the toolstack looks at the ring whenever one of the two ends has stopped, copies new requests, and strikes out what was
answered. As each request has one answer, those that are owed are as many as there are slots between rsp_prod and req_prod: at a
death they are written there again, in the order in which they were asked. There the next back end begins: Linux's by
BACK_RING_ATTACH, ours by cells/xen/shared_ring.py. A frame to send is not asked again but dropped, as on any wire: one of
several slots may have been answered by half. Our own back ends answer in order and note what they publish: of them it is only
counted what the next one finds.

The account of the front end's cell says how many requests were (metric `retried`), and how many frames were dropped (`dropped`).
Facts of the rings: public/io/{ring,blkif,netif}.h.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from struct import Struct
from typing import TYPE_CHECKING, NamedTuple

from hypervisor.abi.memory import PAGE
from hypervisor.abi.xen import XenbusState
from hypervisor.core.xen.domains import Domain
from hypervisor.core.xen.errors import GrantError, XenError
from hypervisor.core.xen.store_ring import Page
from hypervisor.core.xen.toolstack import DISK, INTERFACE, Device

if TYPE_CHECKING:
    from hypervisor.core.xen.hypervisor import XenHypervisor

SLOTS = 64
_INDICES = Struct("<I4xI4x")
"""req_prod and rsp_prod at the start of the page."""
_RSP_PROD_AT = 8
_U32 = 1 << 32
RETRIED, DROPPED = "retried", "dropped"
_MORE, _EXTRA = 1, 8
"""XEN_NETIF_EXTRA_FLAG_MORE; XEN_NETTXF_extra_info: what follows says more about the frame, and is no request."""
_TX_FLAGS_AT, _EXTRA_FLAGS_AT = 6, 1
_TX_DROPPED, _TX_NULL = -2, 1
"""XEN_NETIF_RSP_DROPPED, and XEN_NETIF_RSP_NULL, the answer to such a slot."""
_TX_RESPONSE = Struct("<Hh")


class BrokenRingError(Exception):
    """No honest front and back end leave their indices so, or too much has happened at once."""


class Shape(NamedTuple):
    """A ring of a class of devices: the node with its reference, the front end's port, bytes of a slot, and where in requests and
    answers their identity is. `fate`: what becomes of requests that nobody answered, for the account; "": nothing."""

    reference: str
    ports: tuple[str, ...]
    entry: int
    request: tuple[Struct, int]
    response: tuple[Struct, int]
    fate: str

    @property
    def size(self) -> int:
        """How many slots: the largest power of two."""
        return 1 << ((PAGE - SLOTS) // self.entry).bit_length() - 1


_U16, _U64 = Struct("<H"), Struct("<Q")
SHAPES: dict[str, tuple[Shape, ...]] = {
    DISK: (Shape("ring-ref", ("event-channel",), 112, (_U64, 8), (_U64, 0), RETRIED),),
    INTERFACE: (
        Shape("tx-ring-ref", ("event-channel-tx", "event-channel"), 12, (_U16, 8), (_U16, 0), DROPPED),
        Shape("rx-ring-ref", ("event-channel-rx", "event-channel"), 8, (_U16, 0), (_U16, 0), ""),
    ),
}
"""Type of a device -> its rings."""


class Journal:
    """What the front end of the ring in a page is owed. It must be looked at whenever one of the two ends has stopped."""

    def __init__(self, shape: Shape, page: Page) -> None:
        self.shape, self._page = shape, page
        _, self._answered = _INDICES.unpack(page.read(0, _INDICES.size))
        self._asked = self._answered
        self._owed: dict[int, bytes] = {}
        self._sure = True

    def look(self) -> None:
        """Take note of what is new.

        Raises:
            BrokenRingError: what is owed is not known any more.
            XenError: the page is gone.
        """
        asked, answered = _INDICES.unpack(self._page.read(0, _INDICES.size))
        if (asked, answered) == (self._asked, self._answered):
            return
        size = self.shape.size
        if max((asked - answered) % _U32, (asked - self._asked) % _U32, (answered - self._answered) % _U32) > size:
            raise BrokenRingError(f"indices {asked} and {answered} after {self._asked} and {self._answered}")
        if (answered - self._asked) % _U32 in range(1, size + 1):  # asked and answered since: on several cores only
            self._sure, self._asked = False, answered
        for slot in self._slots(self._answered, answered):
            self._note_answer(slot)
        for slot in self._slots(self._asked, asked):
            self._note_request(slot)
        self._asked, self._answered = asked, answered
        if asked == answered:
            self._nothing_is_owed()
        elif self._remembered() > size:  # a front end that rewrites answers would have us remember without an end
            self._nothing_is_owed()
            self._sure = False

    def _remembered(self) -> int:
        return len(self._owed)

    def settle(self) -> int:
        """The back end is gone: write again what it owes; how many requests that were.

        Raises:
            BrokenRingError, XenError: as `look`.
        """
        self.look()
        self._require_sure(len(self._owed))
        for number, request in enumerate(self._owed.values()):
            self._put(self._answered + number, request)
        return len(self._owed)

    def _require_sure(self, seen: int) -> None:
        count = (self._asked - self._answered) % _U32
        if not self._sure or seen != count:
            raise BrokenRingError(
                f"of {count} requests that are owed {seen} are known{'' if self._sure else ' for sure'}"
            )

    def _nothing_is_owed(self) -> None:
        self._sure = True
        self._owed.clear()

    def _note_request(self, slot: bytes) -> None:
        layout, at = self.shape.request
        self._owed[layout.unpack_from(slot, at)[0]] = slot

    def _note_answer(self, slot: bytes) -> None:
        layout, at = self.shape.response
        self._owed.pop(layout.unpack_from(slot, at)[0], None)

    def _slots(self, first: int, end: int) -> Iterator[bytes]:
        entry, size = self.shape.entry, self.shape.size
        for index in range((end - first) % _U32):
            yield self._page.read(SLOTS + (first + index) % size * entry, entry)

    def _put(self, index: int, slot: bytes) -> None:
        self._page.write(SLOTS + index % self.shape.size * self.shape.entry, slot)


class Frames(Journal):
    """Frames to send: of those that are owed an answer it is that they were dropped."""

    def __init__(self, shape: Shape, page: Page) -> None:
        super().__init__(shape, page)
        self._extras = 0
        self._in_extras = False

    def settle(self) -> int:
        """See `Journal`."""
        self.look()
        answers = [(identity, _TX_DROPPED) for identity in self._owed] + [(0, _TX_NULL)] * self._extras
        self._require_sure(len(answers))
        for number, answer in enumerate(answers):
            self._put(self._answered + number, _TX_RESPONSE.pack(*answer))
        self._page.write(_RSP_PROD_AT, self._asked.to_bytes(4, "little"))
        self._answered = self._asked
        self._nothing_is_owed()
        return len(answers)

    def _nothing_is_owed(self) -> None:
        super()._nothing_is_owed()
        self._extras = 0

    def _remembered(self) -> int:
        return super()._remembered() + self._extras

    def _note_request(self, slot: bytes) -> None:
        if self._in_extras:
            self._extras += 1
            self._in_extras = bool(slot[_EXTRA_FLAGS_AT] & _MORE)
        else:
            super()._note_request(slot)
            self._in_extras = bool(slot[_TX_FLAGS_AT] & _EXTRA)

    def _note_answer(self, slot: bytes) -> None:
        _, status = _TX_RESPONSE.unpack_from(slot)
        if status == _TX_NULL:
            self._extras = max(self._extras - 1, 0)
        else:
            super()._note_answer(slot)


class Room(Journal):
    """Room for frames that come: used in the order in which it was put up. What answers may be no answer, but more about
    the frame before it (GSO): it uses up room all the same."""

    def _note_answer(self, slot: bytes) -> None:
        self._owed.pop(next(iter(self._owed), -1), None)


JOURNALS: dict[str, type[Journal]] = {RETRIED: Journal, DROPPED: Frames, "": Room}
"""By the fate of what a ring's front end is owed."""


class Kept(NamedTuple):
    """A ring that is looked after."""

    device: Device
    journal: Journal
    address: int
    reference: int
    port: int


class RingKeeper:
    """All rings of unmodified kernels' front ends."""

    def __init__(self, xen: XenHypervisor) -> None:
        self._xen = xen
        self._devices = [device for device in xen.toolstack.devices if device.type in SHAPES]
        self._kept: dict[tuple[str, str], Kept] = {}

    # ---- who is connected

    def catch_up(self) -> None:
        """Begin with rings whose ends are connected now, have done with those whose front ends have closed."""
        for device in self._devices:
            state = self._state(device.front_path)
            if state == XenbusState.CONNECTED:
                self._begin(device)
            elif state in (XenbusState.CLOSING, XenbusState.CLOSED):
                self._xen.toolstack.lost.discard(device)
                self._forget(device)

    def _begin(self, device: Device) -> None:
        for shape in SHAPES[device.type]:
            reference = self._number(device, shape.reference)
            kept = self._kept.get((device.front_path, shape.reference))
            if reference is not None and (kept is None or kept.reference != reference):
                self._keep(device, shape, reference)

    def _keep(self, device: Device, shape: Shape, reference: int) -> None:
        front = self._xen.domains.by_number(device.front)
        try:
            address = self._granted(device, reference)
            journal = JOURNALS[shape.fate](shape, self._xen.page(front, address))
            journal.look()
        except (BrokenRingError, GrantError, XenError):
            return
        ports = [number for name in shape.ports if (number := self._number(device, name)) is not None]
        self._kept[device.front_path, shape.reference] = Kept(device, journal, address, reference, (ports or [0])[0])
        if self._repairs(device):
            for domid in (device.front, device.back):
                cell = self._xen.domains.by_number(domid).cell
                cell.on_stop = partial(self._look, cell.index)

    def _forget(self, device: Device) -> None:
        for key in [key for key, kept in self._kept.items() if kept.device is device]:
            del self._kept[key]

    def _repairs(self, device: Device) -> bool:
        """Whether its back end is one that may answer out of order."""
        return bool(self._xen.wiring.hvc_kernels.get(device.channel.back))

    def _look(self, cell: int) -> None:
        """One of the two ends has stopped."""
        for key, kept in list(self._kept.items()):
            channel = kept.device.channel
            if cell in (channel.front, channel.back) and self._repairs(kept.device):
                try:
                    kept.journal.look()
                except (BrokenRingError, XenError) as error:
                    self._give_up(key, str(error))

    # ---- deaths

    def ended(self, domain: Domain) -> None:
        """A domain is gone, its grants and ports are about to be: see to what it owes, forget what it was owed."""
        for key, kept in list(self._kept.items()):
            if kept.device.front == domain.domid:
                del self._kept[key]
            elif kept.device.back == domain.domid:
                self._settle(key, kept)

    def _settle(self, key: tuple[str, str], kept: Kept) -> None:
        """Its front end is told of the rest when there is a back end again, or now if nobody will see to it."""
        front = self._xen.domains.by_number(kept.device.front)
        try:
            if self._granted(kept.device, kept.reference) != kept.address:
                raise BrokenRingError("its page is another one")
            owed = kept.journal.settle() if self._repairs(kept.device) else self._unanswered(kept)
        except (BrokenRingError, GrantError, XenError) as error:
            self._give_up(key, str(error))
            return
        fate = kept.journal.shape.fate if self._repairs(kept.device) else kept.journal.shape.fate and RETRIED
        if owed and fate:
            self._account(front, fate, owed, kept)
        if owed and fate == DROPPED:
            self._xen.channels.pend(front, kept.port)

    def _unanswered(self, kept: Kept) -> int:
        """How many requests the next back end will find; an honest front end has no more than fit."""
        raw = self._xen.memory.read(self._xen.domains.by_number(kept.device.front).cell, kept.address, _INDICES.size)
        asked, answered = _INDICES.unpack(raw)
        return min(int(asked - answered) % _U32, kept.journal.shape.size)

    def _account(self, front: Domain, fate: str, owed: int, kept: Kept) -> None:
        metrics, cell = front.cell.account.metrics, front.cell
        last = metrics.get(fate, [owed, owed, owed, 0])
        metrics[fate] = [owed, min(last[1], owed), max(last[2], owed), last[3] + 1]
        self._xen.monitor.ledger.count(cell.name, fate, owed)
        self._xen.monitor.note(fate, cell, device=kept.device.channel.name, requests=owed)

    def _give_up(self, key: tuple[str, str], why: str) -> None:
        kept = self._kept.pop(key)
        if self._repairs(kept.device):
            self._xen.toolstack.lost.add(kept.device)
        front = self._xen.domains.by_number(kept.device.front)
        self._xen.monitor.refused(front.cell, f"ring of {kept.device.channel.name}", why)

    # ---- what front ends say

    def _granted(self, device: Device, reference: int) -> int:
        """Where the ring is: the front end grants it to this back end, to write."""
        domains = self._xen.domains
        back, front = domains.by_number(device.back), domains.by_number(device.front)
        address: int = self._xen.grants.entries.granted(back, front, reference, writes=True)
        return address

    def _number(self, device: Device, name: str) -> int | None:
        path = f"{device.front_path}/{name}"
        text = self._xen.store.read(0, path) if self._xen.store.exists(path) else b""
        return int(text) % _U32 if text.isdigit() and len(text) <= 10 else None

    def _state(self, path: str) -> int | None:
        path = f"{path}/state"
        text = self._xen.store.read(0, path) if self._xen.store.exists(path) else b""
        return int(text) if text.isdigit() and len(text) == 1 else None
