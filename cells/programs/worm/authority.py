"""Forged authority: calls of the monitor with slots, handles, domains and addresses that the cell was never given.

    for attempt in attempts(port): attempt()        # RefusedError: what should come of it

Theory: the attacker does not know which architecture it is in, nor needs to: it tries the doors of all of them. A slot or
domain is a number, so that forging one is saying it; what the monitor looks up is the caller's own table. What the cell
has of right is left out: using that is no attack (it may draw on its display, and it may hang up its own call).
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from cells.flavours import ipc
from cells.port import RefusedError
from cells.xen.channel import RingChannel
from cells.xen.kernel import Kernel as XenKernel
from cells.xen.store import StoreRefusedError
from hypervisor.abi.hypercalls import XEN_CALLS, Hypercall
from hypervisor.abi.l4 import Item, ItemKind, Label, Message
from hypervisor.abi.memory import PAGE, READ, WINDOW_BASE, WRITE

if TYPE_CHECKING:
    from cells.personalities.port import PersonalityPort

Attempt = partial[Any]
ATTEMPT_CYCLES = 5_000
SLOTS = (*range(48), 1 << 16, (1 << 32) - 1, (1 << 64) - 1)
DOMAINS = range(8)
ADDRESSES = (0, 0x100, WINDOW_BASE, WINDOW_BASE - PAGE, (1 << 32) - PAGE, (1 << 64) - PAGE)
ALL_RIGHTS = (1 << 32) - 1
"""Every right that a capability could have."""
BY_SLOT: tuple[tuple[Hypercall, tuple[int, ...], bytes], ...] = (
    (Hypercall.CHANNEL_SEND, (), b"MAC1" + bytes(20)),
    (Hypercall.CHANNEL_RECEIVE, (), b""),
    (Hypercall.NOTIFY, (ALL_RIGHTS,), b""),
    (Hypercall.CAP_MINT, (ALL_RIGHTS,), b""),
    (Hypercall.CAP_MOVE, (60,), b""),
    (Hypercall.CAP_REVOKE, (), b""),
    (Hypercall.CAP_DELETE, (), b""),
    (Hypercall.MEMORY_MAP, (WINDOW_BASE, 1), b""),
)
"""Calls that name a slot: with it, further words, data."""
LINES = range(1, 12)
LEFT_OUT = {29}
"""Numbers of xen's calls that are left out: sched_op would only end the attacker's own time."""


def attempts(port: PersonalityPort) -> Iterator[Attempt]:
    """Every attempt, in a fixed order."""
    yield from _by_slot(port)
    yield from _by_thread(port)
    yield from _by_domain(port)
    yield from _devices(port)
    yield from _unknown(port)


def own_slots(port: PersonalityPort) -> set[int]:
    """What it was given."""
    told = [entry for part in ("channels", "links", "shared") for entry in port.boot.get(part, ())]
    return {entry[key] for entry in told for key in ("slot", "bell") if key in entry}


def _by_slot(port: PersonalityPort) -> Iterator[Attempt]:
    """Somebody else's channels, bells, memory."""
    own = own_slots(port)
    for slot in SLOTS:
        if slot not in own and not _knows(port, slot):
            for number, words, data in BY_SLOT:
                yield partial(port.hypercall, number, slot, *words, data=data)


def _knows(port: PersonalityPort, slot: int) -> bool:
    """Whether there is something of its own in the slot."""
    try:
        port.hypercall(Hypercall.CAP_IDENTIFY, slot)
    except RefusedError:
        return False
    return True


def _by_thread(port: PersonalityPort) -> Iterator[Attempt]:
    """Messages to threads that it does not know, its own pages mapped to them, and theirs taken away."""
    kernel, own = ipc.Kernel(port), own_slots(port)
    gift = Message(Label.CONNECT, items=(Item(ItemKind.MAP, port.memory.base, 1, READ | WRITE),))
    for slot in (slot for slot in SLOTS if 0 < slot < 1 << 16 and slot not in own):
        yield partial(kernel.send, slot, Message(Label.CHANNEL, string=b"MAC1" + bytes(20)), 0)
        yield partial(kernel.send, slot, gift, 0)
    for address in ADDRESSES:
        yield partial(port.hypercall, Hypercall.PAGE_FAULT, address, WRITE, 0)
        yield partial(port.hypercall, Hypercall.MEMORY_UNMAP, address, 1)
    for client in SLOTS:
        yield partial(port.hypercall, Hypercall.IPC_INJECT, client, 1, 1)


def _by_domain(port: PersonalityPort) -> Iterator[Attempt]:
    """Pages that other domains have granted to each other, their event channels, their part of the store."""
    kernel = getattr(port.connections, "kernel", None)
    if not isinstance(kernel, XenKernel):
        return
    granted = set(_granted(port))
    for domain in DOMAINS:
        for reference in (*range(8, 12), 63):
            if (domain, reference) not in granted:
                yield partial(_map_foreign, port, kernel, domain, reference)
        for event in (1, 2, 3, 4):
            yield partial(_bind_foreign, port, kernel, domain, event)
        yield partial(_write_foreign, port, kernel, domain)


def _granted(port: PersonalityPort) -> Iterator[tuple[int, int]]:
    """Pages of its own partners that were granted to it: (domain, reference)."""
    for channel in port.connections.channels.values():
        if isinstance(channel, RingChannel):
            with contextlib.suppress(StoreRefusedError, ValueError):
                yield channel.remote, int(channel.ask("ring-ref"))


def _own_domain(kernel: XenKernel) -> int:
    return int(kernel.store.read("domid"))


def _map_foreign(port: PersonalityPort, kernel: XenKernel, domain: int, reference: int) -> None:
    kernel.grants.map(_other(kernel, domain), [reference])


def _bind_foreign(port: PersonalityPort, kernel: XenKernel, domain: int, event: int) -> None:
    kernel.events.bind_interdomain(_other(kernel, domain), event, lambda: None)


def _write_foreign(port: PersonalityPort, kernel: XenKernel, domain: int) -> None:
    kernel.store.write(f"/local/domain/{_other(kernel, domain)}/data/worm", "was here")


def _other(kernel: XenKernel, domain: int) -> int:
    """Not oneself.

    Raises:
        ValueError: it is.
    """
    if domain == _own_domain(kernel):
        raise ValueError("that is its own domain")
    return domain


def _devices(port: PersonalityPort) -> Iterator[Attempt]:
    """Registers and interrupts of devices that other cells own."""
    for line in LINES:
        for number in (Hypercall.IRQ_MASK, Hypercall.IRQ_UNMASK, Hypercall.IRQ_EOI):
            yield partial(port.hypercall, number, line)
    for base in range(0x1010_0000, 0x1024_0000, 0x1_0000):
        yield partial(_load, port, base)
        yield partial(_store, port, base)


def _load(port: PersonalityPort, address: int) -> None:
    port.load(address)
    raise ValueError("what it reads says nothing: only the monitor knows")


def _store(port: PersonalityPort, address: int) -> None:
    port.store(address, 0xFFFF_FFFF)
    _load(port, address)


def _unknown(port: PersonalityPort) -> Iterator[Attempt]:
    """Numbers of calls that there are not, or not here, with words of every kind."""
    noise = struct.pack("<6Q", *ADDRESSES)
    for number in (*range(60, 80), *(XEN_CALLS + call for call in range(60) if call not in LEFT_OUT)):
        yield partial(port.hypercall, number, (1 << 64) - 1, (1 << 64) - PAGE, 1 << 63, data=noise)
