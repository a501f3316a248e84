"""What address spaces cost under the hypervisor: translations lost and fetched again, caches flushed. The survey's Fig. 18.

```python
costs = TranslationCosts(TlbParams(entries=64, tagged=False, virtual_caches=True, locked=4), own.step)
costs.into_hypervisor()                 # a crossing: t10 or t20
costs.new_space()                       # the guest changes its address space: flushes
costs.into_guest(pages=20)              # t01 or t02; the process has 20 pages
```

Theory: the hypervisor's own translations share the TLB with the guest's. Usually the hypervisor lies in every address space, so
that a crossing between guest and hypervisor changes no tables; with **separate** page tables each crossing changes the table
base, both ways. On a CPU whose TLB has no tags each change of the base flushes it; virtually indexed and tagged caches are
flushed when the *guest* changes its address space (the hypervisor's addresses are nobody else's). After a flush both sides
fetch again what they use. **Lockdown** keeps some of the hypervisor's translations over every flush, and leaves the guest as
many entries fewer.

Only numbers are kept: how many translations of each side the TLB holds. The hypervisor uses `HYPERVISOR_PAGES` at each
crossing; the guest uses, after a flush, every page that its process has mapped once, and else what the hypervisor has
displaced. So the refills are an upper bound for the guest; flushes and crossings are counted.
"""

from __future__ import annotations

from collections.abc import Callable

from hypervisor.core.wiring import TlbParams

HYPERVISOR_PAGES = 8
"""Translations of a way through the hypervisor: code, stack, frame table, the domain's and the vCPU's structures, its
shared_info, page tables. Assumed: as many as an ARM926 can lock."""

Step = Callable[..., None]
"""(operation, *, times, **facts): into the ledger and the trace."""


class TranslationCosts:
    """The TLB of one vCPU, by numbers. `step` is told of everything that costs."""

    def __init__(self, params: TlbParams, step: Step) -> None:
        self._params, self._step = params, step
        self._needs = min(HYPERVISOR_PAGES, params.entries)
        self._locked = min(params.locked, self._needs)
        """A locked entry that the hypervisor does not use serves nobody."""
        self._room = params.entries - params.locked
        self.own, self.guests = self._locked, 0
        """Translations in the TLB: the hypervisor's, the guest's."""
        self._flushed = True

    def into_hypervisor(self) -> None:
        """A crossing: an exception of the guest."""
        if self._params.separate:
            self._change_base()
        self._refill(self._needs - self.own, "hypervisor")
        self.own = self._needs
        self.guests = min(self.guests, self._params.entries - max(self._needs, self._params.locked))

    def into_guest(self, pages: int) -> None:
        """The way back, to a process (or its kernel) that has so many pages."""
        if self._params.separate:
            self._change_base()
        fits = min(pages, self._room)
        self._refill(pages if self._flushed else fits - self.guests, "guest")
        self._flushed = False
        self.guests = max(self.guests, fits)
        self.own = max(self._locked, min(self.own, self._params.entries - self.guests))

    def new_space(self) -> None:
        """The guest goes to another of its address spaces."""
        self._change_base()
        if self._params.virtual_caches:
            self._step("cache_flush")

    def flushed(self) -> None:
        """All is forgotten but what is locked."""
        self.own, self.guests, self._flushed = self._locked, 0, True

    def _change_base(self) -> None:
        self._step("space_switch")
        if not self._params.tagged:
            self._step("tlb_flush")
            self.flushed()

    def _refill(self, missing: int, whose: str) -> None:
        if missing > 0:
            self._step("tlb_refill", times=missing, side=whose)
