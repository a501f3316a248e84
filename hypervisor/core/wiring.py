"""What a topology says about who talks to whom: plain data, the same for every flavour.

A flavour's mechanism (mechanism.py) makes of it what that architecture has: capabilities to channels, endpoints, event channels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

LINK_PAGES: Mapping[str, int] = {"block": 17, "net": 33, "console": 1, "display": 41, "input": 1}
"""Pages of shared memory of a channel between a front and a back end, by class: a page for the ring, then buffers. A display has
room for 320 x 240 pixels of two bytes. Channels of class "message" share no memory unless the flavour needs some."""

MESSAGE_DEPTH = 16
"""Messages that wait in a bounded channel before it refuses more."""
MESSAGE_LIMIT = 1024
"""Bytes of one message: what an exit carries."""


@dataclass(frozen=True, slots=True)
class ChannelParams:
    """A channel between two cells (by index). `front` asks, `back` serves; of class "message": the first and second named.

    `rights`: per end, any of "send" and "receive". `transport`: on what a message channel rides on the host.
    """

    name: str
    kind: str
    front: int
    back: int
    transport: str = "zmq"
    front_rights: frozenset[str] = frozenset({"send", "receive"})
    back_rights: frozenset[str] = frozenset({"send", "receive"})

    def other(self, cell: int) -> int:
        """The cell at the other end."""
        return self.back if cell == self.front else self.front


@dataclass(frozen=True, slots=True)
class SharedParams:
    """Memory of several cells: index -> writable. `size` in bytes."""

    name: str
    size: int
    cells: Mapping[int, bool]


@dataclass(frozen=True, slots=True)
class TlbParams:
    """xen: the TLB that a paravirtual cell shares with the hypervisor (xen/translation_costs.py).

    `tagged`: it knows address-space identifiers. `virtual_caches`: the CPU's caches know virtual addresses alone. `locked`:
    entries locked for the hypervisor; `separate`: that has page tables of its own.
    """

    entries: int
    tagged: bool
    virtual_caches: bool
    locked: int = 0
    separate: bool = False


class FlushCosts(NamedTuple):
    """Cycles of a guest that owns the CPU: a TLB `entry` fetched, and the lines of a `cache` after a flush (0: it needs none)."""

    entry: int
    cache: int


@dataclass(frozen=True, slots=True)
class Wiring:
    """All of it, in the topology's order."""

    channels: tuple[ChannelParams, ...] = ()
    shared: tuple[SharedParams, ...] = ()
    pagers: Mapping[int, int] = field(default_factory=dict)
    """l4: cell -> the cell that answers its page faults and exceptions."""
    hz: int = 1_000_000_000
    """Cycles of the board's clock in a second, for interfaces that speak of nanoseconds."""
    policy: str = ""
    """xen: the text of the topology's file of labels and rules, "" for none."""
    paravirtual: Mapping[int, int] = field(default_factory=dict)
    """Cell whose kernel runs without privileges -> the table format of its CPU (hypervisor/abi/pv.py)."""
    hvc_kernels: Mapping[int, bool] = field(default_factory=dict)
    """xen: cell whose kernel has its CPU to itself and calls by HVC -> whether the domain builder makes its rings."""
    virtual_bases: Mapping[int, int] = field(default_factory=dict)
    """Such a cell -> the virtual address at which its kernel begins to find its RAM; not in here: where it is physically."""
    tlbs: Mapping[int, TlbParams] = field(default_factory=dict)
    """xen: a paravirtual cell -> the TLB that it shares with the hypervisor; not in here: translations cost nothing."""
    flushes: Mapping[int, FlushCosts] = field(default_factory=dict)
    """native: a cell whose own upkeep of TLB and caches is counted, and what follows from it charged -> the prices."""
    fass: int = 0
    """Domains that tell address spaces apart in the caches of a CPU with virtual caches (ARMv5: 15); 0: it has identifiers."""

    vtlb: int = 0
    """okl4: entries of the virtual TLB of a paravirtual cell; 0: as many as its tables have room for."""

    personalities: frozenset[int] = frozenset()
    """Cells whose kernel is a personality: what they tell of redirected events is heard."""
    redirection: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Event of a process of theirs -> what the flavour does to bring it to them (core/redirection.py)."""

    def of(self, cell: int) -> list[ChannelParams]:
        """The channels of a cell."""
        return [channel for channel in self.channels if cell in (channel.front, channel.back)]
