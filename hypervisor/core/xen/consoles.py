"""Consoles of unmodified guests: rings of bytes both ways, shown and typed into.

consoles.open(domain, page)              # the builder has said where
consoles.rung(domain)                    # it has written, or has room again
consoles.typed(domain)                   # somebody has typed
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypervisor.abi.xen import Param
from hypervisor.core import effects as do
from hypervisor.core.xen.console_ring import ConsoleRing
from hypervisor.core.xen.domains import Domain
from hypervisor.core.xen.errors import XenError

if TYPE_CHECKING:
    from hypervisor.core.xen.hypervisor import XenHypervisor


class Consoles:
    """The rings of those domains that have one."""

    def __init__(self, xen: XenHypervisor) -> None:
        self._xen = xen
        self._rings: dict[int, ConsoleRing] = {}

    def open(self, domain: Domain, page: int) -> None:
        """The domain's console is a ring in this page."""
        self._rings[domain.domid] = ConsoleRing(self._xen.page(domain, page))

    def has(self, domain: Domain) -> bool:
        """Whether its console is a ring."""
        return domain.domid in self._rings

    def ended(self, domain: Domain) -> None:
        """The domain is gone."""
        self._rings.pop(domain.domid, None)

    def rung(self, domain: Domain) -> None:
        """It has written something, or has room again for what was typed."""
        ring = self._rings.get(domain.domid)
        if ring is None:
            return
        try:
            shown = ring.take()
        except XenError as error:  # its page is gone
            self._refuse(domain, error)
            return
        if shown:
            domain.cell.account.output += len(shown)
            self._xen.monitor.emit(do.ShowOutput(domain.cell.index, shown))
            self._pend(domain)
        self._type_into(domain, ring)

    def typed(self, domain: Domain) -> None:
        """Something was typed: it is in the ring, or the domain is told to ask."""
        ring = self._rings.get(domain.domid)
        if ring is None:
            self._pend(domain)
        else:
            self._type_into(domain, ring)

    def _type_into(self, domain: Domain, ring: ConsoleRing) -> None:
        """What was typed moves into the ring, as far as there is room."""
        waiting = bytes(domain.cell.typed)
        if not waiting:
            return
        try:
            rest = ring.give(waiting)
        except XenError as error:
            self._refuse(domain, error)
            return
        del domain.cell.typed[: len(waiting) - len(rest)]
        if len(rest) < len(waiting):
            self._pend(domain)

    def _pend(self, domain: Domain) -> None:
        self._xen.channels.pend(domain, domain.params[Param.CONSOLE_EVTCHN])

    def _refuse(self, domain: Domain, error: XenError) -> None:
        self._xen.monitor.refused(domain.cell, "console ring", str(error))
