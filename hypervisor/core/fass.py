"""Fast address-space switching: tags for address spaces in caches that know virtual addresses alone.

```python
fass = Fass(domains=15)
fass.enter("server"), fass.enter("shell")       # a domain each: nothing is flushed
fass.enter("server")                            # three writes to the system coprocessor, and that is all
entry = fass.enter("sixteenth")                 # somebody's domain is recycled: entry.cache_flush, entry.tlb_flush
fass.leave("shell")                             # its domain is free, and dirty until the next flush
```

Theory: the caches and the TLB of an ARMv5 CPU are tagged with virtual addresses only, so that a switch of the address space
would have to flush both. Fast switching (Wiggins, Tuch, Uhlig and Heiser 2003) gives each address space one of the
architecture's domains, keeps the translations of all of them in the TLB, and switches by the domain access register: an access
that finds a foreign line or translation faults, and the two are told apart then. Sixteen domains exist, one is the kernel's.
As OKL4 3.0 does it (NUMBERS.md 4): a domain is dirty once its space has run; when none is free, another's is taken, a clean one
if there is any; a dirty one costs a flush of both caches, after which all others are clean, and taking one always costs the
TLB. OKL4 picks a dirty one at random; here it is the one that ran longest ago, so that every run is alike.

This is bookkeeping: what it counts is charged by whoever switches. A CPU with address-space identifiers needs none of it.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import NamedTuple

DOMAINS = 15
"""Of the sixteen of the architecture (DDI 0100I, B4.6), all but the kernel's own."""


class Entry(NamedTuple):
    """What it takes to enter an address space: its domain, and whether caches and TLB have to be flushed first."""

    domain: int
    cache_flush: bool = False
    tlb_flush: bool = False


class Fass:
    """The domains of one CPU. Spaces are whatever names them; domains are numbered from 1."""

    def __init__(self, domains: int = DOMAINS) -> None:
        self._owners: dict[int, Hashable | None] = dict.fromkeys(range(1, domains + 1))
        self._used: list[int] = []
        """Domains whose owners ran, the latest at the end."""
        self._dirty: set[int] = set()
        self._stale: set[int] = set()
        """Free ones of which the TLB may still know translations."""

    def enter(self, space: Hashable) -> Entry:
        """The space runs from now on; it has a domain then."""
        found = next((domain for domain, owner in self._owners.items() if owner == space), None)
        entry = Entry(found) if found is not None else self._give(space)
        self._ran(entry.domain)
        return entry

    def leave(self, space: Hashable) -> None:
        """The space is no more; unknown ones never were."""
        for domain, owner in self._owners.items():
            if owner == space:
                self._owners[domain] = None
                self._used.remove(domain)
                self._stale.add(domain)

    def domain_of(self, space: Hashable) -> int | None:
        """The domain that a space has; None: it would have to be given one."""
        return next((domain for domain, owner in self._owners.items() if owner == space), None)

    def _give(self, space: Hashable) -> Entry:
        free = [domain for domain, owner in self._owners.items() if owner is None]
        candidates = free or self._used
        domain = next((one for one in candidates if one not in self._dirty), candidates[0])
        recycled = self._owners[domain] is not None or domain in self._stale
        flush = domain in self._dirty
        if flush:  # a flush is of the whole cache
            self._dirty.clear()
        if recycled:
            self._stale.clear()
        if self._owners[domain] is not None:
            self._used.remove(domain)
        self._owners[domain] = space
        return Entry(domain, flush, recycled)

    def _ran(self, domain: int) -> None:
        if domain in self._used:
            self._used.remove(domain)
        self._used.append(domain)
        self._dirty.add(domain)

    def problems(self) -> list[str]:
        """What contradicts itself."""
        owners = [owner for owner in self._owners.values() if owner is not None]
        found = []
        if len(set(owners)) != len(owners):
            found.append(f"fass: a space has two domains: {self._owners}")
        if sorted(self._used) != [domain for domain, owner in self._owners.items() if owner is not None]:
            found.append(f"fass: domains {self._used} ran, but {self._owners} are owned")
        return found
