"""What it took to bring the events of a personality's processes to it, charged under the causes of the flavour's mechanism.

Theory: the personality counts (abi/redirection.py) and lets the price of each event pass as its own time; the monitor knows the
price from the flavour's table, takes it out of the guest's account and puts it under the operations that the table names.
An event takes at least a cycle of the time that the cell had, and no more is moved than the guest has used: a lie moves the
cell's own cycles from one cause to another and nothing else. In the ledger `redirected_syscall`, `redirected_fault` and
`redirected_signal` count the events, the operations count as often as the table has them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from hypervisor.abi.records import Exit
from hypervisor.abi.redirection import EVENTS, SIZE, Redirections
from hypervisor.core.cell import Cell
from hypervisor.core.costs import Costs

if TYPE_CHECKING:
    from hypervisor.core.monitor import Monitor

Table = Mapping[str, Mapping[str, int]]
"""Event -> operation of the flavour -> how often it is done for one."""


def prices(table: Table, costs: Costs) -> dict[str, int]:
    """Cycles of each event; nothing for a flavour that redirects none."""
    return {event: sum(costs.of(name) * times for name, times in steps.items()) for event, steps in table.items()}


def charge(monitor: Monitor, cell: Cell, record: Exit) -> None:
    """Take what the exit tells out of the guest's account. Requires: what the vCPU ran is charged to the guest."""
    table = monitor.mechanism.wiring.redirection
    if not table or len(record.data) != SIZE:
        return
    costs, ledger = monitor.costs, monitor.ledger
    for event, count in zip(EVENTS, _take(cell, Redirections.unpack(record.data)), strict=True):
        if not count:
            continue
        ledger.count(cell.name, f"redirected_{event}", count)
        for operation, times in table.get(event, {}).items():
            ledger.count(cell.name, operation, times * count)
            ledger.reassign(cell.name, "guest", operation, times * count * costs.of(operation))


def _take(cell: Cell, told: Redirections) -> Redirections:
    """What is new since the last time, as far as the cell can have had the time for it."""
    most, before = cell.account.ran, cell.vcpu.redirections
    now = Redirections(*(max(min(count, most), old) for count, old in zip(told, before, strict=True)))
    cell.vcpu.redirections = now
    return Redirections(*(count - old for count, old in zip(now, before, strict=True)))
