"""The store's daemon: the rings through which domains ask it, what they are told of changes, and how it is lost and found.

    daemon = StoreDaemon(xen)
    daemon.open(domain, page)                # where its ring is
    daemon.rung(domain)                      # it has asked something
    daemon.catch_up()                        # the store has changed: whoever watches is told

Theory: it lives in Dom0 if the topology has a cell of that name, else in the hypervisor. While it is down requests wait in their
rings and nobody hears of changes; what it knew is kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypervisor.abi.xen import Param
from hypervisor.core.xen.domains import DOM0, Domain
from hypervisor.core.xen.errors import XenError
from hypervisor.core.xen.store import Store
from hypervisor.core.xen.store_ring import StoreRing

if TYPE_CHECKING:
    from hypervisor.core.xen.hypervisor import XenHypervisor


class StoreDaemon:
    """Who answers at the rings of all domains."""

    def __init__(self, xen: XenHypervisor) -> None:
        self.store = Store(self._watch_fired)
        self.store.heard = xen.store_listeners
        self._xen = xen
        self._rings: dict[int, StoreRing] = {}
        self._lost = False

    @property
    def served(self) -> int:
        """How many rings it has."""
        return len(self._rings)

    def open(self, domain: Domain, page: int) -> None:
        """The domain has said where its ring is."""
        name, monitor = domain.name, self._xen.monitor

        def on_request(request: str, path: str) -> None:
            monitor.step(domain.cell, "store", request=request, path=path)

        self._rings[domain.domid] = StoreRing(domain.domid, self.store, self._xen.page(domain, page), on_request)
        monitor.note("store_ring", domain.cell, domain=name, page=page)

    # ---- its life

    @property
    def is_up(self) -> bool:
        """Whether it runs."""
        dom0 = self._xen.domains.dom0
        return not self._lost and (dom0 is None or dom0.name != DOM0 or dom0.alive)

    def lose(self) -> None:
        """It is gone: requests wait in their rings, and nobody hears of changes."""
        self._lost = True

    def find(self) -> None:
        """It is there again, or its Dom0 is, with what it knew: who rang meanwhile is served."""
        self._lost = False
        for domid, ring in sorted(self._rings.items()):
            if self.is_up and not ring.broken:
                self._serve(self._xen.domains.by_number(domid), ring, requests=True)
        self.catch_up()

    def born(self, domain: Domain) -> None:
        """A domain is there; with the one in which it lives it is there again."""
        if domain.name == DOM0 and not self._lost:
            self.find()

    def ended(self, domain: Domain) -> None:
        """The domain is gone, and its ring with it."""
        self._rings.pop(domain.domid, None)

    # ---- its work

    def rung(self, domain: Domain) -> None:
        """The domain rang at its store port."""
        ring = self._rings.get(domain.domid)
        if ring is not None and not ring.broken and self.is_up:
            self._serve(domain, ring, requests=True)
            self.catch_up()

    def catch_up(self) -> None:
        """Hand over what changes of the store mean to those who watch."""
        if not self.is_up:
            return
        self._xen.toolstack.catch_up()
        self._xen.keeper.catch_up()
        for domid, ring in sorted(self._rings.items()):
            self._serve(self._xen.domains.by_number(domid), ring, requests=False)

    def _serve(self, domain: Domain, ring: StoreRing, *, requests: bool) -> None:
        if ring.broken:
            return
        try:
            moved = ring.serve(requests=requests)
        except XenError as error:  # its page is gone
            ring.broken = str(error)
            moved = False
        if ring.broken:
            self._xen.monitor.refused(domain.cell, "store ring", ring.broken)
        if moved:
            self._xen.channels.pend(domain, domain.params[Param.STORE_EVTCHN])

    def _watch_fired(self, domid: int, watched: str, path: str, token: str) -> None:
        ring = self._rings.get(domid)
        if ring is not None:
            ring.event(watched, path, token)
