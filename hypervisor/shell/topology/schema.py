"""The file as users write it: one frozen model per section, each key with its form (forms.py); parse.py reads one.

What remains of a file always has the shape of `File`, so that the checks across keys run over everything else in the same pass.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from cells.personalities.linux.spec import STREAMS
from hypervisor.abi.counts import FUNCTIONS, GROUPS
from hypervisor.core.policies import POLICIES
from hypervisor.core.wiring import LINK_PAGES
from hypervisor.shell.topology.forms import (
    Addresses,
    Args,
    Connection,
    Cycles,
    Disksize,
    Pair,
    Pixel,
    Ram,
    Rows,
    Size,
    Text,
    Texts,
    Time,
    Variable,
    Window,
    _board,
    _devices,
    _placed,
    one_of,
    within,
)

VTLB_ENTRIES = 1024
"""Entries of a virtual TLB unless the file says otherwise: more than any of our CPUs has (boards/cpu)."""
MOST_TRANSLATIONS = 1 << 20
"""What the engine takes (VTLB_ENTRIES_LIMIT of cells/engines/native/vtlb.h)."""
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


class Section(BaseModel):
    """A table of the file: no key but the declared ones, no silent conversion."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Scheduler(Section):
    """Who runs when."""

    policy: Annotated[str, AfterValidator(one_of(POLICIES))] = "fixed_priority"
    slice: Time | None = None
    quantum: Time | None = None
    windows: Annotated[tuple[Window, ...] | None, Field(strict=False)] = None


class Vtlb(Section):
    """The virtual TLB of flavours that have one."""

    entries: Annotated[int, AfterValidator(within(0, MOST_TRANSLATIONS))] = VTLB_ENTRIES


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


Addresses32 = Annotated[tuple[Annotated[int, AfterValidator(within(0, 2**32 - 1))], ...], Field(strict=False)]


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
    personality: Annotated[str, AfterValidator(one_of(PERSONALITIES))] | None = None
    domain: Annotated[str, AfterValidator(one_of(DOMAINS))] | None = None
    count: Annotated[int, AfterValidator(within(1, MOST_COPIES))] | None = None
    ram: Ram | None = None
    priority: Annotated[int, AfterValidator(within(0, 255))] = 0
    budget: Time | None = None
    period: Time | None = None
    weight: Annotated[int, AfterValidator(within(1, 65535))] = 256
    cap: Annotated[int, AfterValidator(within(0, 100))] = 0
    on_crash: Annotated[str, AfterValidator(one_of(("destroy", "restart", "preserve")))] = "destroy"
    max_restarts: Annotated[int, AfterValidator(within(0, 1_000_000))] = 3
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
    tlb_lockdown: Annotated[int, AfterValidator(within(0, MOST_TRANSLATIONS))] = 0
    page_tables: Annotated[str, AfterValidator(one_of(("shared", "separate")))] = "shared"
    virtio: bool | None = None
    io_timeout: Time | None = None
    flushes: Annotated[str, AfterValidator(one_of(("free", "counted")))] = "free"
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
    pipes: Annotated[tuple[Annotated[str, AfterValidator(one_of(STREAMS))], ...], Field(strict=False)] = ()
    files: Annotated[dict[str, Text], AfterValidator(_placed)] = Field(default_factory=dict)


class Channel(Section):
    """Who may talk to whom."""

    name: Connection | None = None
    between: Pair
    class_: Annotated[str, AfterValidator(one_of(CHANNEL_CLASSES))] = Field(alias="class")
    transport: Annotated[str, AfterValidator(one_of(("zmq", "shm")))] | None = None
    rights: dict[str, Annotated[str, AfterValidator(one_of(CHANNEL_RIGHTS))]] = Field(default_factory=dict)


class Shared(Section):
    """Memory of several cells."""

    name: Connection
    size: Size
    cells: dict[str, Annotated[str, AfterValidator(one_of(SHARED_RIGHTS))]]


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
    order: Annotated[str, AfterValidator(one_of(INPUT_ORDERS))] | None = None
    cell: Text | None = None


class File(Section):
    """A whole topology."""

    name: Text | None = None
    description: str = ""
    board: Annotated[Text | None, BeforeValidator(_board)] = None
    flavour: Text | None = None
    seed: Annotated[int, AfterValidator(within(0, 2**64 - 1))] = 1
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
