"""The virtual MMU's part of what a vCPU ran: its misses and the guest's upkeep of the TLB, charged under a cause of their own.

The vCPU counts, for it alone sees each access, and adds the cycles to its own; the monitor takes them out of the guest's account.
What the vCPU says is bounded by the time that it had, so a lie moves its own cycles from one cause to another and nothing else.
In the ledger, `vtlb` counts the misses, `vtlb_hits` and `vtlb_upkeep` the rest. Of a guest that owns the CPU (native) the same
counts are its own switches of the table base, its flushes, and refills: `space_switch`, `tlb_flush`, `cache_flush`, `tlb_refill`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypervisor.abi import redirection
from hypervisor.abi.records import Exit
from hypervisor.abi.translations import CARRIERS, SIZE, Translations
from hypervisor.core.cell import Cell
from hypervisor.core.wiring import FlushCosts

if TYPE_CHECKING:
    from hypervisor.core.monitor import Monitor

MISSES = "cache_miss"
"""Cause of what lines of caches took, for a cell that has it charged."""
CAUSE = "vtlb"
"""Cause of the ledger, and the operation whose price is that of a miss. Upkeep costs a hypercall."""
MOST = 4
"""Translations that a cycle can need."""


def lie_in(record: Exit) -> str:
    """What an honest vCPU never carries; "" if nothing."""
    odd = record.kind in CARRIERS and len(record.data) not in (0, SIZE, redirection.SIZE)
    return "an account of translations that is none" if odd else ""


def charge(monitor: Monitor, cell: Cell, record: Exit) -> None:
    """Take what the exit tells out of the guest's account. Requires: what the vCPU ran is charged to the guest."""
    costs, ledger = monitor.costs, monitor.ledger
    if record.kind not in CARRIERS or len(record.data) != SIZE:
        return
    new = _take(cell, Translations.unpack(record.data))
    if new.memory:
        ledger.reassign(cell.name, "guest", MISSES, new.memory)
    if own := monitor.mechanism.wiring.flushes.get(cell.index):
        _charge_own(monitor, cell, own, new)
    if CAUSE in costs.operations and any(new[:3]):
        ledger.count(cell.name, "vtlb_hits", new.hits)
        ledger.count(cell.name, CAUSE, new.misses)
        ledger.count(cell.name, "vtlb_upkeep", new.upkeep)
        ledger.reassign(cell.name, "guest", CAUSE, new.misses * costs.of(CAUSE) + new.upkeep * costs.hypercall)


def charge_lines(monitor: Monitor, cell: Cell, told: int) -> None:
    """The same of lines of caches alone, for a kernel without privileges: all its exits are exceptions, whose data is another."""
    new = _take(cell, cell.vcpu.translations._replace(memory=told))
    if new.memory:
        monitor.ledger.reassign(cell.name, "guest", MISSES, new.memory)


def _charge_own(monitor: Monitor, cell: Cell, costs: FlushCosts, new: Translations) -> None:
    """Of a guest that owns the CPU: its switches and flushes, and what is fetched again after them."""
    ledger = monitor.ledger
    told = (("space_switch", new.switches, 0), ("tlb_flush", new.flushes, 0), ("cache_drop", new.drops, 0))
    paid = (("cache_flush", new.cleaned, costs.cache), ("tlb_refill", new.misses, costs.entry))
    for name, times, price in (*told, *paid):
        if times:
            ledger.count(cell.name, name, times)
            if price:
                ledger.reassign(cell.name, "guest", name, times * price)


def _take(cell: Cell, told: Translations) -> Translations:
    """What is new since the last time, as far as the cell can have had the time for it."""
    most, before = MOST * cell.account.ran, cell.vcpu.translations
    now = Translations(*(max(min(count, most), old) for count, old in zip(told, before, strict=True)))
    cell.vcpu.translations = now
    return Translations(*(count - old for count, old in zip(now, before, strict=True)))
