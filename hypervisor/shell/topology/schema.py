"""The file as users write it: one frozen model per section, each key with its form.

A key that is wrong in itself (unknown, of a wrong type, not a time, out of range) is reported here and dropped; what
remains always has the shape of `File`, so that the checks across keys run over everything else in the same pass. Times
stay texts until the board, and with it the length of a cycle, is known.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from cells.personalities.linux.spec import STREAMS
from hypervisor.abi.counts import FUNCTIONS, GROUPS
from hypervisor.abi.time import parse_size, parse_time
from hypervisor.core.policies import POLICIES
from hypervisor.core.wiring import LINK_PAGES
from hypervisor.shell.topology.problems import Report, nearest

PAGE = 4096
"""Bytes of a frame, the grain in which memory has owners."""
VTLB_ENTRIES = 1024
"""Entries of a virtual TLB unless the file says otherwise: more than any of our CPUs has (boards/cpu)."""
MOST_TRANSLATIONS = 1 << 20
"""What the engine takes (VTLB_ENTRIES_LIMIT of cells/engines/native/vtlb.h)."""
SECTOR = 512
LARGEST_DISK = 64 << 30
"""Bytes of a disk at most: it is hashed at each start, and mapped whole by its owner."""
MOST_CYCLES = 10**9
"""Of one event: a second and more on any of our boards, and far from where sums would stop to be exact."""
MOST_COPIES = 256
"""Bound of `count`: a slip of the finger must not start thousands of processes."""

PERSONALITIES = ("linux", "brew", "rtos")
DOMAINS = tuple(LINK_PAGES)
"""Classes of driver domains: of channels between a front and a back end."""
MESSAGE = "message"
"""The class of channels between equals."""
CHANNEL_CLASSES = (*DOMAINS, MESSAGE)
CHANNEL_RIGHTS = {
    "send": frozenset({"send"}),
    "receive": frozenset({"receive"}),
    "both": frozenset({"send", "receive"}),
}
INPUT_ORDERS = ("kill", "restart", "pause", "unpause", "shutdown", "reboot")
"""What a script may order of a cell."""
HOLD = "60ms"
"""How long a scripted pen stays on the screen: a short tap of a finger. Assumed."""
SHARED_RIGHTS = {"r": False, "rw": True}
"""Right to shared memory -> whether that includes writing."""

_GROUP = re.compile(r"[a-z0-9_]{1,32}")
_CONNECTION = re.compile(r"[a-z0-9_-]{1,64}")


def _time(value: object) -> str:
    if parse_time(str(value), 10**9) <= 0:
        raise ValueError(f'"{value}" is no time at all; it must be longer than zero')
    return str(value)


def _size(value: object) -> str:
    if parse_size(str(value)) <= 0:
        raise ValueError(f'"{value}" is no memory at all; it must be larger than zero')
    return str(value)


def _ram(value: object) -> str:
    size = parse_size(_size(value))
    if size % PAGE:
        raise ValueError(f'"{value}" is not a multiple of 4096 bytes; write for example "{size // PAGE * 4 + 4}KiB"')
    return str(value)


def _disk(value: object) -> str:
    size = parse_size(_size(value))
    if size % SECTOR or size > LARGEST_DISK:
        raise ValueError(
            f'"{value}" is no size of a disk: whole sectors of {SECTOR} bytes, {LARGEST_DISK >> 30}GiB at most'
        )
    return str(value)


def _within(low: int, high: int) -> Callable[[int], int]:
    def check(value: int) -> int:
        if not low <= value <= high:
            raise ValueError(f"must be {low}..{high}, not {value}")
        return value

    return check


def _one_of(known: Iterable[str]) -> Callable[[str], str]:
    def check(value: str) -> str:
        if value not in known:
            raise ValueError(f'"{value}" is not known; {nearest(value, known)}')
        return value

    return check


def _scalars(value: object) -> object:
    """Text, or a list of texts, numbers and truth values."""
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple) and all(isinstance(item, str | int | float) for item in value):
        return tuple(value)
    raise ValueError("must be a text (for an image) or a list of texts and numbers (for a Python guest)")


def _filled(value: str) -> str:
    if not value.strip():
        raise ValueError("is empty")
    return value


def _two(value: tuple[str, ...]) -> tuple[str, ...]:
    if len(value) != 2:
        raise ValueError('must name two cells, for example ["client", "storage"]')
    return value


def _range(value: tuple[str, ...]) -> tuple[str, ...]:
    if len(value) != 2:
        raise ValueError('must be the first and the last address, for example ["10.0.2.15", "10.0.2.30"]')
    return value


def _devices(value: tuple[str, ...]) -> tuple[str, ...]:
    if not 1 <= len(value) <= 2:
        raise ValueError(
            'must name two devices, for example ["nic0", "nic1"], or one and where the cable leads in `to`'
        )
    return value


def _connection(value: str) -> str:
    if not _CONNECTION.fullmatch(value):
        raise ValueError(f'"{value}" is no such name (small letters, digits, _ and -, at most 64 characters)')
    return value


def _variable(value: str) -> str:
    name, equals, _ = value.partition("=")
    if not name or not equals or "\0" in value:
        raise ValueError(f'"{value}" is no variable; write NAME=value')
    return value


def _placed(value: dict[str, str]) -> dict[str, str]:
    for path in value:
        if not path.startswith("/") or posixpath.normpath(path) != path or path == "/" or "\0" in path:
            raise ValueError(f'"{path}" is no path of a file in the cell; write for example "/bin/mine"')
    return value


def _board(value: object) -> object:
    if not isinstance(value, Mapping):
        return value
    raise ValueError("must be a board's name or file (change a key of the board by --set board.KEY=VALUE)")


Time = Annotated[str, BeforeValidator(_time)]
Size = Annotated[str, BeforeValidator(_size)]
Ram = Annotated[str, BeforeValidator(_ram)]
Disksize = Annotated[str, BeforeValidator(_disk)]
Text = Annotated[str, AfterValidator(_filled)]
Texts = Annotated[tuple[Text, ...], Field(strict=False)]
Args = Annotated[Any, BeforeValidator(_scalars)]
Pair = Annotated[tuple[Text, ...], Field(strict=False), AfterValidator(_two)]
Variable = Annotated[str, AfterValidator(_variable)]
Cycles = Annotated[int, AfterValidator(_within(0, MOST_CYCLES))]
Rows = Annotated[int, AfterValidator(_within(0, 65535))]
Pixel = Annotated[int, AfterValidator(_within(0, 4095))]
Addresses = Annotated[tuple[Text, ...], Field(strict=False), AfterValidator(_range)]
Connection = Annotated[str, AfterValidator(_connection)]
Window = Annotated[tuple[Text, Time], Field(strict=False)]


class Section(BaseModel):
    """A table of the file: no key but the declared ones, no silent conversion."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Scheduler(Section):
    """Who runs when."""

    policy: Annotated[str, AfterValidator(_one_of(POLICIES))] = "fixed_priority"
    slice: Time | None = None
    quantum: Time | None = None
    windows: Annotated[tuple[Window, ...] | None, Field(strict=False)] = None


class Vtlb(Section):
    """The virtual TLB of flavours that have one."""

    entries: Annotated[int, AfterValidator(_within(0, MOST_TRANSLATIONS))] = VTLB_ENTRIES


class Costs(Section):
    """Cycles that the flavour's mechanisms take in this run, in the place of its own (core/costs.py)."""

    world_switch: Cycles | None = None
    hypercall: Cycles | None = None
    device_exit: Cycles | None = None
    virq: Cycles | None = None
    operations: dict[str, Cycles] = Field(default_factory=dict)


class Network(Section):
    """The gateway of a net domain's network."""

    address: Text
    dhcp: Addresses | None = None
    forward: dict[str, Text] = Field(default_factory=dict)


def _groups(value: dict[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    for name in value:
        if not _GROUP.fullmatch(name):
            raise ValueError(f'"{name}" is no name of a group (small letters, digits and _, at most 32 characters)')
    found = sum(len(addresses) for addresses in value.values())
    if len(value) > GROUPS or found > FUNCTIONS:
        raise ValueError(f"at most {FUNCTIONS} addresses in {GROUPS} groups are counted, not {found} in {len(value)}")
    return value


Addresses32 = Annotated[tuple[Annotated[int, AfterValidator(_within(0, 2**32 - 1))], ...], Field(strict=False)]


class Counting(Section):
    """What is counted while a cell's ARM code runs, and told at its marks."""

    functions: Annotated[dict[str, Addresses32], AfterValidator(_groups)] = Field(default_factory=dict)
    caches: bool = False
    charge: bool = False


class Cell(Section):
    """One cell. Exactly one of guest, image, kernel, personality and domain says what runs in it."""

    guest: Text | None = None
    image: Text | None = None
    kernel: Text | None = None
    personality: Annotated[str, AfterValidator(_one_of(PERSONALITIES))] | None = None
    domain: Annotated[str, AfterValidator(_one_of(DOMAINS))] | None = None
    count: Annotated[int, AfterValidator(_within(1, MOST_COPIES))] | None = None
    ram: Ram | None = None
    priority: Annotated[int, AfterValidator(_within(0, 255))] = 0
    budget: Time | None = None
    period: Time | None = None
    weight: Annotated[int, AfterValidator(_within(1, 65535))] = 256
    cap: Annotated[int, AfterValidator(_within(0, 100))] = 0
    on_crash: Annotated[str, AfterValidator(_one_of(("destroy", "restart", "preserve")))] = "destroy"
    max_restarts: Annotated[int, AfterValidator(_within(0, 1_000_000))] = 3
    heartbeat: Time | None = None
    back_off: Time | None = None
    back_off_limit: Time | None = None
    restart_window: Time | None = None
    cores: Annotated[tuple[int, ...] | None, Field(strict=False)] = None
    preload: Texts = ()
    label: str = ""
    pager: Text | None = None
    emulated: Texts = ()
    paravirtual: bool = False
    tlb_lockdown: Annotated[int, AfterValidator(_within(0, MOST_TRANSLATIONS))] = 0
    page_tables: Annotated[str, AfterValidator(_one_of(("shared", "separate")))] = "shared"
    virtio: bool | None = None
    io_timeout: Time | None = None
    flushes: Annotated[str, AfterValidator(_one_of(("free", "counted")))] = "free"
    initrd: Text | None = None
    append: str | None = None
    args: Args = ""
    devices: Texts = ()
    network: Network | None = None
    counting: Counting | None = None
    root: Text | None = None
    run: Texts = ()
    modules: Texts = ()
    env: Annotated[tuple[Variable, ...], Field(strict=False)] = ()
    terminal: Annotated[tuple[Rows, Rows], Field(strict=False)] = (24, 80)
    pipes: Annotated[tuple[Annotated[str, AfterValidator(_one_of(STREAMS))], ...], Field(strict=False)] = ()
    files: Annotated[dict[str, Text], AfterValidator(_placed)] = Field(default_factory=dict)


class Channel(Section):
    """Who may talk to whom."""

    name: Connection | None = None
    between: Pair
    class_: Annotated[str, AfterValidator(_one_of(CHANNEL_CLASSES))] = Field(alias="class")
    transport: Annotated[str, AfterValidator(_one_of(("zmq", "shm")))] | None = None
    rights: dict[str, Annotated[str, AfterValidator(_one_of(CHANNEL_RIGHTS))]] = Field(default_factory=dict)


class Shared(Section):
    """Memory of several cells."""

    name: Connection
    size: Size
    cells: dict[str, Annotated[str, AfterValidator(_one_of(SHARED_RIGHTS))]]


class Cable(Section):
    """Two network devices of the board, joined; or one, joined to another board."""

    between: Annotated[tuple[Text, ...], Field(strict=False), AfterValidator(_devices)]
    latency: Time
    to: Text | None = None


class Disk(Section):
    """A file of the host that is a disk of the device."""

    name: Connection
    file: Text
    size: Disksize | None = None
    write: bool = True
    copy_: bool = Field(default=False, alias="copy")


class Input(Section):
    """Something that comes from outside at a time: as if a person did it."""

    at: Time
    touch: Annotated[tuple[Pixel, Pixel], Field(strict=False)] | None = None
    hold: Time = HOLD
    device: Text | None = None
    type: Text | None = None
    order: Annotated[str, AfterValidator(_one_of(INPUT_ORDERS))] | None = None
    cell: Text | None = None


class File(Section):
    """A whole topology."""

    name: Text | None = None
    description: str = ""
    board: Annotated[Text | None, BeforeValidator(_board)] = None
    flavour: Text | None = None
    seed: Annotated[int, AfterValidator(_within(0, 2**64 - 1))] = 1
    policy: Text | None = None
    for_: Time | None = Field(default=None, alias="for")
    console: Text | None = None
    scheduler: Scheduler = Scheduler()
    vtlb: Vtlb = Vtlb()
    costs: Costs = Costs()
    cells: dict[str, Cell] = Field(default_factory=dict)
    channels: Annotated[tuple[Channel, ...], Field(strict=False)] = ()
    shared: Annotated[tuple[Shared, ...], Field(strict=False)] = ()
    cables: Annotated[tuple[Cable, ...], Field(strict=False)] = ()
    disks: Annotated[tuple[Disk, ...], Field(strict=False)] = ()
    inputs: Annotated[tuple[Input, ...], Field(strict=False)] = ()


SECTIONS: dict[str, type[Section]] = {
    "scheduler": Scheduler,
    "vtlb": Vtlb,
    "costs": Costs,
    "cells": Cell,
    "channels": Channel,
    "shared": Shared,
    "cables": Cable,
    "disks": Disk,
    "inputs": Input,
}
"""What a table under this top-level key is made of."""
NESTED: dict[str, type[Section]] = {"network": Network, "counting": Counting}
"""The tables inside a cell's."""


def keys_of(section: type[BaseModel]) -> tuple[str, ...]:
    """The keys of a table, as users write them."""
    return tuple(field.alias or name for name, field in section.model_fields.items())


def parse(data: Mapping[str, Any], report: Report) -> File:
    """The file's content; what is wrong in it goes to the report and is left out."""
    rest = _copy(dict(data))
    while True:
        try:
            return File.model_validate(rest)
        except ValidationError as error:
            for detail in error.errors():
                _note(detail, report)
                _drop(rest, detail)


def _copy(value: Any) -> Any:
    """Tables and lists copied, so that dropping a bad key leaves the caller's data alone."""
    if isinstance(value, Mapping):
        return {key: _copy(item) for key, item in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list | tuple) else value


def _note(detail: ErrorDetails, report: Report) -> None:
    key = place(detail["loc"])
    report.add(key, explain(detail))
    report.spoil(key)


def place(loc: tuple[int | str, ...]) -> str:
    """`cells.a.cores[0]` from the parts of a place."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc if part != "[key]")
    return text.removeprefix(".")


_FORMS = {
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "dict_type": "must be a table",
    "model_type": "must be a table",
    "model_attributes_type": "must be a table",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
}


def explain(detail: ErrorDetails) -> str:
    """A problem of form in our words."""
    kind, loc, value = detail["type"], detail["loc"], detail["input"]
    if kind == "extra_forbidden":
        section = File if len(loc) == 1 else NESTED[str(loc[2])] if len(loc) == 4 else SECTIONS[str(loc[0])]
        return f"unknown key; {nearest(str(loc[-1]), keys_of(section))}"
    if kind == "value_error":
        return str(detail["ctx"]["error"])
    if kind in ("too_long", "too_short") or (kind == "missing" and isinstance(loc[-1], int)):
        return 'must be a pair, for example ["rt", "2ms"]'
    if kind == "missing":
        return "missing; it has to be given"
    return f"{_FORMS.get(kind, detail['msg'])}, not {value!r}"


def _drop(data: Any, detail: ErrorDetails) -> None:
    """Take the bad value out: the key of a table, but the whole of a list (a shortened list means something else)."""
    path = list(detail["loc"])
    if detail["type"] == "missing":
        path.pop()
    cut = next((at for at, part in enumerate(path) if isinstance(part, int)), len(path))
    for part in path[: cut - 1]:
        if part not in data:
            return
        data = data[part]
    data.pop(path[cut - 1], None)
