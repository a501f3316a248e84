"""The info page: how a bare-metal image learns on what board it runs.

The page is the first 4 KiB of the guest's RAM; at entry `r1` is `ENTRY_MARK` and `r2` its guest physical address. It
holds little-endian 32-bit words as `FIELDS` lists them (a field of two words has its low word first) and, from
`ARGS_OFFSET` on, the cell's `args` as NUL-terminated ASCII. `FIELDS` is the only place that knows the layout:
`build_info_page` packs it, `read_info_page` unpacks it, and `c_header` writes it down for C
(`cells/programs/arm/info_page.h`).

A timer behind a second interrupt controller (Orion's bridge) is described from the inside out: `timer_irq` is its
number at the controller at `cascade_base`, which in turn drives input `cascade_irq` of the controller at `ic_base`.

>>> page = build_info_page(ram_base=0, ram_size=1 << 20, hz=200_000_000, uart_kind=UartKind.PL011, args="ticks=3")
>>> read_info_page(page)["args"]
'ticks=3'
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from difflib import get_close_matches
from enum import IntEnum
from typing import NamedTuple

from hypervisor.abi.hypercalls import XEN_CALLS, Hypercall, Metric
from hypervisor.abi.records import EventKind
from hypervisor.abi.status import Status

PAGE_SIZE = 4096
MAGIC = 0x43454C4C
"""Spells "CELL" when read from the top byte down."""
VERSION = 1
ENTRY_MARK = 0xCE110001
"""What `r1` holds at entry, so that an image can tell that it was started with an info page."""
ARGS_OFFSET = 0x100
CONNECTIONS_OFFSET = 0x800
ARGS_LIMIT = CONNECTIONS_OFFSET - ARGS_OFFSET - 1
"""Characters of `args`, without the NUL."""
IMAGE_OFFSET = 0x8000
"""Where in RAM an image is loaded that can be loaded anywhere."""


class UartKind(IntEnum):
    """What takes the guest's characters."""

    NONE = 0
    PL011 = 1
    NS16550 = 2


class InterruptControllerKind(IntEnum):
    """What collects the guest's interrupts. A number at the GIC is the interrupt's ID: shared ones begin at 32."""

    NONE = 0
    GIC = 1
    BCM2835 = 2
    ORION = 3
    PL190 = 4
    PXA = 5


class TimerKind(IntEnum):
    """What interrupts the guest periodically."""

    NONE = 0
    SP804 = 1
    ORION = 2
    PXA = 3


class Vectors(IntEnum):
    """How the guest gets its exception vectors to where the core looks for them.

    LOW: RAM begins at 0, they simply lie there. VBAR: the core has a vector base register. MMU: neither, so the guest
    maps virtual address 0 to its RAM."""

    LOW = 0
    VBAR = 1
    MMU = 2


class FlavourNumber(IntEnum):
    """On what architecture the guest runs, as far as it talks to others: its hypercalls differ."""

    NATIVE = 0
    L4 = 1
    XEN = 2
    OKL4 = 3


class ConnectionKind(IntEnum):
    """What an entry of `connections` is: a message channel, a link of a class, or memory of several cells."""

    MESSAGE = 0
    BLOCK = 1
    NET = 2
    CONSOLE = 3
    DISPLAY = 4
    INPUT = 5
    SHARED = 6


MAY_SEND, MAY_RECEIVE = 4, 8
BOTH_WAYS = MAY_SEND | MAY_RECEIVE


class Connection(NamedTuple):
    """One entry: 64 bytes.

    `slot`: of the channel or partner (under xen: its domain); `bell`: to ring; `address`, `size`: of shared memory, 0 for none.
    `back`: this cell is the serving end. `rights`: of a message channel, MAY_SEND and MAY_RECEIVE. Names are cut to 15
    characters.
    """

    name: str
    peer: str
    kind: ConnectionKind
    back: int = 0
    slot: int = 0
    bell: int = 0
    address: int = 0
    size: int = 0
    writable: int = 1
    rights: int = BOTH_WAYS


CONNECTION = struct.Struct("<16s16s8I")
CONNECTIONS_LIMIT = (PAGE_SIZE - CONNECTIONS_OFFSET) // CONNECTION.size


class HypercallPage(IntEnum):
    """Byte offsets in the hypercall page: store the arguments, store the number, load the result.

    LENGTH bytes of DATA go with the call; afterwards they are the answer's. ARG1_HIGH to ARG3_HIGH are for arguments beyond 32
    bits; a call leaves them 0. EVENT_*: what happened to this cell, oldest first: COUNT that wait, KIND (as `EventKind`), SOURCE
    (a slot or port of the cell's own), BITS; a store to NEXT drops it, a store to WAIT sleeps until there is one or a private
    device interrupts.
    """

    NUMBER = 0x00
    ARG1 = 0x04
    ARG2 = 0x08
    ARG3 = 0x0C
    RESULT = 0x10
    RESULT_HIGH = 0x14
    LENGTH = 0x18
    EVENT_COUNT = 0x20
    EVENT_KIND = 0x24
    EVENT_SOURCE = 0x28
    EVENT_BITS = 0x2C
    EVENT_BITS_HIGH = 0x30
    EVENT_NEXT = 0x34
    EVENT_WAIT = 0x44
    ARG1_HIGH = 0x38
    ARG2_HIGH = 0x3C
    ARG3_HIGH = 0x40
    DATA = 0x400


class Field(NamedTuple):
    """One field of the page: `words` 32-bit words at `offset`."""

    name: str
    offset: int
    meaning: str
    words: int = 1
    default: int | None = 0
    """None: whoever builds the page has to say it."""


FIELDS: tuple[Field, ...] = (
    Field("magic", 0x00, "0x43454C4C", default=MAGIC),
    Field("version", 0x04, "of this layout", default=VERSION),
    Field("ram_base", 0x08, "guest physical address of RAM, and of this page", default=None),
    Field("ram_size", 0x0C, "bytes of RAM", default=None),
    Field("hz", 0x10, "cycles of the board's CPU per second: the unit of virtual time", words=2, default=None),
    Field("uart_kind", 0x18, "UART_*"),
    Field("uart_base", 0x1C, "address of its registers"),
    Field("ic_kind", 0x20, "INTERRUPT_CONTROLLER_*"),
    Field("ic_base", 0x24, "address of its registers (GIC: of the distributor)"),
    Field("ic_base2", 0x28, "GIC: address of the CPU interface"),
    Field("timer_kind", 0x2C, "TIMER_*"),
    Field("timer_base", 0x30, "address of its registers"),
    Field("timer_irq", 0x34, "its number at the controller that it is wired to"),
    Field("timer_hz", 0x38, "ticks per second"),
    Field("cascade_base", 0x3C, "address of the second controller that the timer is wired to, 0 for none"),
    Field("cascade_irq", 0x40, "input of the first controller that the second one drives"),
    Field("hypercall_base", 0x44, "address of the hypercall page"),
    Field("core_count", 0x48, "virtual CPUs of the cell", default=1),
    Field("seed", 0x4C, "of the run and the cell, for what should differ from seed to seed", words=2),
    Field("vectors", 0x54, "VECTORS_*"),
    Field("flavour", 0x58, "FLAVOUR_*: what the hypercalls of connections mean"),
    Field("connection_count", 0x5C, "entries of `connections`"),
    Field("window_base", 0x60, "address at which pages of others may appear"),
    Field("window_size", 0x64, "bytes of that window"),
    Field("initrd_base", 0x68, "physical address of the initial RAM disk"),
    Field("initrd_size", 0x6C, "bytes of it, 0: there is none"),
    Field("memory_end", 0x70, "physical: RAM from here on is the monitor's, for page tables; 0: as ram_size says"),
    Field("virtual_base", 0x74, "virtual address at which a kernel without privileges finds ram_base; 0: the same"),
    Field("uart_irq", 0x78, "number of the UART's line at the controller that ic_kind says"),
)
"""The whole layout below `ARGS_OFFSET`."""

_ENUMS: dict[str, type[IntEnum]] = {
    "UART": UartKind,
    "INTERRUPT_CONTROLLER": InterruptControllerKind,
    "TIMER": TimerKind,
    "VECTORS": Vectors,
    "HYPERCALL": Hypercall,
    "HYPERCALL_PAGE": HypercallPage,
    "STATUS": Status,
    "METRIC": Metric,
    "FLAVOUR": FlavourNumber,
    "CONNECTION": ConnectionKind,
    "EVENT": EventKind,
}


def vectors_for(*, ram_base: int, architecture: str) -> Vectors:
    """How a guest with RAM at `ram_base` on a core of `architecture` ("v5te", "v6k", "v7a") reaches its vectors.

    The vector base register came with the Security Extensions: ARM1176 (which boards call v6k) and ARMv7 have it.
    """
    if ram_base == 0:
        return Vectors.LOW
    return Vectors.MMU if architecture.startswith("v5") else Vectors.VBAR


def build_info_page(*, args: str = "", connections: Sequence[Connection] = (), **fields: int) -> bytes:
    """The 4 KiB of an info page; fields that are not named keep their defaults.

    Raises:
        ValueError: an unknown field, one that is missing, a value that does not fit, or `args` that is no short ASCII
        text, or more connections than there is room for.
    """
    _refuse_unknown(fields)
    fields = {**fields, "connection_count": len(connections)}
    page = bytearray(PAGE_SIZE)
    for field in FIELDS:
        value = fields.get(field.name, field.default)
        if value is None:
            raise ValueError(f'the info page needs "{field.name}": {field.meaning}')
        _store(page, field, value)
    text = _encoded(args)
    page[ARGS_OFFSET : ARGS_OFFSET + len(text)] = text
    if len(connections) > CONNECTIONS_LIMIT:
        raise ValueError(f"{len(connections)} connections; the info page holds {CONNECTIONS_LIMIT}")
    for place, entry in enumerate(connections):
        at = CONNECTIONS_OFFSET + place * CONNECTION.size
        CONNECTION.pack_into(page, at, entry.name.encode()[:15], entry.peer.encode()[:15], *entry[2:])
    return bytes(page)


def amend_info_page(page: bytes, **fields: int) -> bytes:
    """The page with some of its fields changed: those that whoever lays out the cell's RAM knows.

    Raises:
        ValueError: an unknown field, or a value that does not fit.
    """
    _refuse_unknown(fields)
    changed = bytearray(page)
    for field in FIELDS:
        if field.name in fields:
            _store(changed, field, fields[field.name])
    return bytes(changed)


def _store(page: bytearray, field: Field, value: int) -> None:
    if not 0 <= value < 1 << 32 * field.words:
        raise ValueError(f'"{field.name}" = {value} does not fit into {field.words} 32-bit words')
    page[field.offset : field.offset + 4 * field.words] = value.to_bytes(4 * field.words, "little")


def read_info_page(page: bytes) -> dict[str, int | str]:
    """The fields of a page by name, and `args`.

    Raises:
        ValueError: this is no info page of this version.
    """
    magic, version = struct.unpack_from("<2I", page) if len(page) == PAGE_SIZE else (0, 0)
    if (magic, version) != (MAGIC, VERSION):
        raise ValueError(f"not an info page of version {VERSION}")
    values: dict[str, int | str] = {
        field.name: int.from_bytes(page[field.offset : field.offset + 4 * field.words], "little") for field in FIELDS
    }
    values["args"] = page[ARGS_OFFSET:].partition(b"\0")[0].decode("ascii")
    return values


def _refuse_unknown(fields: dict[str, int]) -> None:
    """Say which field is unknown and which one may have been meant."""
    names = [field.name for field in FIELDS]
    for name in fields:
        if name not in names:
            near = get_close_matches(name, names, n=1)
            hint = f'; did you mean "{near[0]}"?' if near else ""
            raise ValueError(f'the info page has no field "{name}"{hint}')


def _encoded(args: str) -> bytes:
    """`args` as the page holds them, without the NUL."""
    if not args.isascii() or "\0" in args:
        raise ValueError("args must be ASCII text without NUL")
    if len(args) > ARGS_LIMIT:
        raise ValueError(f"args have {len(args)} characters; the info page holds {ARGS_LIMIT}")
    return args.encode("ascii")


def c_header() -> str:
    """The page, the hypercall page and their numbers as a C header."""
    lines = [
        "/* The info page and the hypercall page, for C and assembly.",
        "   Made from hypervisor/abi/info_page.py by `python -m cells.programs.arm.build`: change it there. */",
        "#ifndef INFO_PAGE_H",
        "#define INFO_PAGE_H",
        "",
        _define("INFO_MAGIC", MAGIC),
        _define("INFO_VERSION", VERSION),
        _define("INFO_ENTRY_MARK", ENTRY_MARK),
        _define("INFO_PAGE_SIZE", PAGE_SIZE),
        _define("INFO_ARGS_OFFSET", ARGS_OFFSET),
    ]
    lines.append(_define("HYPERCALL_XEN", XEN_CALLS))
    lines += [_define("CONNECTION_MAY_SEND", MAY_SEND), _define("CONNECTION_MAY_RECEIVE", MAY_RECEIVE)]
    for prefix, numbers in _ENUMS.items():
        lines += ["", *(_define(f"{prefix}_{number.name}", number) for number in numbers)]
    lines += ["", "#ifndef __ASSEMBLER__", "", *_CONNECTION_STRUCT, "", "struct info_page {", *_members(), "};"]
    lines += ["", "#endif", "#endif", ""]
    return "\n".join(lines)


_CONNECTION_STRUCT = (
    "struct connection {",
    "    char name[16], peer[16];",
    "    unsigned kind, back, slot, bell, address, size, writable, rights;",
    "};",
)


def _define(name: str, value: int) -> str:
    return f"#define {name} {value:#x}" if value >= 0 else f"#define {name} ({value})"


def _members() -> list[str]:
    """The members of the C structure, its gap before `args` included."""
    members = []
    for field in FIELDS:
        names = field.name if field.words == 1 else f"{field.name}_low, {field.name}_high"
        declared = f"    unsigned {names};"
        members.append(f"{declared:<34} /* {field.offset:#04x} {field.meaning} */")
    end = FIELDS[-1].offset + 4 * FIELDS[-1].words
    members.append(f"    unsigned reserved[{(ARGS_OFFSET - end) // 4}];")
    members.append(f"    char args[{CONNECTIONS_OFFSET - ARGS_OFFSET}];")
    members.append(f"    struct connection connections[{CONNECTIONS_LIMIT}];")
    return members
