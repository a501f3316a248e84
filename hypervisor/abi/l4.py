"""The wire of the l4 flavour: how partners, timeouts and messages of an IPC are written into words.

`IPC(to | from << 16, tag, timeouts; data)` has a send phase (`to` is not NIL) and then a receive phase (`from` is not NIL), as
in L4: send, receive, call (both, with the same partner) and reply-and-wait (to the last caller, then from ANY) are this one
hypercall. The answer is `tag << 32 | who` with the message as its data. The layout follows L4 X.2, with two differences: a
partner is a slot of the caller's own table of capabilities, not a global thread number, and an item names pages one by one, not
a flexpage of 2^n.

    data = u untyped words, t words of items (two each), then the string's bytes, if the tag says that there is one

u + t is at most 63, the message registers MR1..MR63 (the tag is MR0). All words are 32 bits, little-endian.

A timeout is 16 bits, a mantissa of 10 and an exponent of 6: `mantissa << exponent` cycles. 0 is NEVER; no mantissa but an
exponent is ZERO: the partner has to be there already. When nothing comes, a send phase ends with TIMEOUT (nothing was sent), a
receive phase with EMPTY (what was to be sent has been).

>>> message = Message(label=7, words=(1, 2), items=(Item(ItemKind.MAP, 0xC0000000, 1, rights=3),))
>>> Message.unpack(message.tag, message.data) == message
True
>>> unpack_timeout(pack_timeout(1_000_000)), unpack_timeout(pack_timeout(0)), unpack_timeout(pack_timeout(NEVER)) == NEVER
(999424, 0, True)
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

from hypervisor.abi.memory import PAGE
from hypervisor.abi.records import DATA_LIMIT
from hypervisor.abi.status import Status
from hypervisor.abi.time import NEVER

NIL = 0
"""Nobody: that phase is left out. As who sent: nobody did, something else happened (an event, for an open receive)."""
ANY = 0xFFFF
"""From whoever comes: the open receive. Notifications and interrupts end it too."""
REPLY = 0xFFFE
"""To the one whose call the sender has received last, whether or not it has a slot for it."""
INTERRUPT = 0xFFFD
"""Who sent: an interrupt; the word is its line. As `from`: interrupts and notifications, no partner."""
NOTIFICATION = 0xFFFC
"""Who sent: a notification; the words are the slot of the ringer, and its bits (low, high)."""
STRANGER = 0xFFFB
"""Who sent: one that the receiver has no slot for; it can be answered while it waits for that."""

REGISTERS = 63
"""Message registers beside the tag."""
FREE_REGISTERS = 4
"""Words that travel in the registers of the CPU: the short IPC of the figures in NUMBERS (0-4 message registers)."""
ITEM_WORDS = 2
ITEMS_LIMIT = REGISTERS // ITEM_WORDS
ITEM_PAGES = 0xFFFF
FLUSH = 4
"""Of IPC_UNMAP, beside the rights to take (abi/memory.py): from the caller itself too."""
STRING = 1
"""Flag of the tag: bytes follow the registers."""


class Label(IntEnum):
    """Labels of messages that the kernel makes, and of those of our connections. Programs have the rest, from USER on."""

    INTERRUPT = 1
    NOTIFICATION = 2
    PAGE_FAULT = 3
    DEVICE_READ = 4
    DEVICE_WRITE = 5
    HYPERCALL = 6
    EXCEPTION = 7
    CHANNEL = 16
    CONNECT = 20
    USER = 64


class ItemKind(IntEnum):
    """What an item does. MAP: the receiver gets the page too; GRANT: instead of the sender. CAPABILITY: of a slot."""

    MAP = 1
    GRANT = 2
    CAPABILITY = 3


LABELS = 1 << 15
_ITEM = struct.Struct("<2I")
_KIND_SHIFT, _COUNT_SHIFT, _RIGHTS = 8, 12, 0xFF


class BadIpc(Exception):  # noqa: N818  the guest's fault
    """Words that are no message. `status`: what the guest is told."""

    def __init__(self, status: Status, why: str) -> None:
        super().__init__(why)
        self.status = status


@dataclass(frozen=True, slots=True)
class Item:
    """Pages (or a capability) that go with a message. `address`: page-aligned; of a capability: its slot.

    `rights`: bits READ and WRITE of the pages (abi/memory.py), or of the capability. `count`: pages. What a receiver gets has
    the address at which the pages appear, or the slot in its own table.
    """

    kind: ItemKind
    address: int
    count: int = 1
    rights: int = 1

    def words(self) -> tuple[int, int]:
        """The item as two words: the address, then `count << 12 | kind << 8 | rights`."""
        return self.address, self.count << _COUNT_SHIFT | self.kind << _KIND_SHIFT | self.rights

    @classmethod
    def from_words(cls, address: int, more: int) -> Item:
        """The item in two words.

        Raises:
            BadIpc: an unknown kind, no pages or too many, an address in the middle of a page.
        """
        kind, count = more >> _KIND_SHIFT & 0xF, more >> _COUNT_SHIFT
        if kind not in _KINDS:
            raise BadIpc(Status.BAD_ARGUMENT, f"{kind} is no kind of item")
        if kind != ItemKind.CAPABILITY and (address % PAGE or not 0 < count <= ITEM_PAGES):
            raise BadIpc(Status.BAD_ARGUMENT, f"an item of {count} pages at {address:#x}")
        return cls(ItemKind(kind), address, count, more & _RIGHTS)


_KINDS = frozenset(ItemKind)


@dataclass(frozen=True, slots=True)
class Message:
    """What one IPC carries."""

    label: int = 0
    words: tuple[int, ...] = ()
    items: tuple[Item, ...] = ()
    string: bytes = b""

    @property
    def tag(self) -> int:
        """MR0: untyped words (6 bits), words of items (6), flags (4), label (15)."""
        typed = ITEM_WORDS * len(self.items)
        return len(self.words) | typed << 6 | bool(self.string) << 12 | self.label << 16

    @property
    def data(self) -> bytes:
        """What goes with the call."""
        words = struct.pack(f"<{len(self.words)}I", *[word & 0xFFFFFFFF for word in self.words])
        if not self.items:
            return words + self.string
        return words + b"".join([_ITEM.pack(*item.words()) for item in self.items]) + self.string

    @property
    def registers(self) -> int:
        """Message registers in use."""
        return len(self.words) + ITEM_WORDS * len(self.items)

    @classmethod
    def unpack(cls, tag: int, data: bytes) -> Message:
        """The message that tag and data announce.

        Raises:
            BadIpc: TOO_LONG for more than the registers hold; BAD_ARGUMENT if what is announced is not there.
        """
        untyped, typed, flags, label = tag & 0x3F, tag >> 6 & 0x3F, tag >> 12 & 0xF, tag >> 16
        if untyped + typed > REGISTERS or len(data) > DATA_LIMIT:
            raise BadIpc(Status.TOO_LONG, f"{untyped} words and {typed} of items; {REGISTERS} registers are all")
        if label >= LABELS or flags & ~STRING or typed % ITEM_WORDS:
            raise BadIpc(Status.BAD_ARGUMENT, f"{tag:#x} is no tag")
        registers = 4 * (untyped + typed)
        if len(data) < registers or (len(data) > registers) != bool(flags & STRING):
            raise BadIpc(Status.BAD_ARGUMENT, f"{registers} bytes of registers announced, {len(data)} given")
        words = struct.unpack_from(f"<{untyped}I", data)
        if not typed:
            return cls(label, words, (), data[registers:])
        pairs = _ITEM.iter_unpack(data[4 * untyped : registers])
        return cls(label, words, tuple(Item.from_words(*pair) for pair in pairs), data[registers:])


def pack_partners(to: int, source: int) -> int:
    """The first argument of IPC."""
    return to | source << 16


def unpack_partners(word: int) -> tuple[int, int]:
    """To whom, from whom."""
    return word & 0xFFFF, word >> 16 & 0xFFFF


ZERO = 1 << 10


def pack_timeout(cycles: int) -> int:
    """A timeout in 16 bits, rounded down to 10 significant ones: whoever must not be early waits for the rest again."""
    if cycles >= NEVER:
        return 0
    if cycles <= 0:
        return ZERO
    exponent = max(cycles.bit_length() - 10, 0)
    return cycles >> exponent | exponent << 10


def unpack_timeout(word: int) -> int:
    """Cycles; NEVER for none."""
    mantissa, exponent = word & 0x3FF, word >> 10 & 0x3F
    if not mantissa:
        return 0 if exponent else NEVER
    return min(mantissa << exponent, NEVER)


def pack_timeouts(send: int, receive: int) -> int:
    """The third argument of IPC, from cycles."""
    return pack_timeout(send) | pack_timeout(receive) << 16


def unpack_timeouts(word: int) -> tuple[int, int]:
    """Cycles of the send phase, cycles of the receive phase."""
    return unpack_timeout(word & 0xFFFF), unpack_timeout(word >> 16 & 0xFFFF)


def pack_answer(who: int, tag: int) -> int:
    """What an IPC with a receive phase answers."""
    return tag << 32 | who


def unpack_answer(value: int) -> tuple[int, int]:
    """Who sent, and the tag."""
    return value & 0xFFFF, value >> 32
