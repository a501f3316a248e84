"""The cycle ledger: where each cell's time went, by cause, and how often things happened to it.

Every cycle that is charged has a cause, so that each figure of a table can be explained as a sum. What a cell has
cost is by definition the sum over its causes. Counts (switches, exits, messages...) stand beside the cycles and never
mix with them. The causes are a table: a flavour with mechanisms of its own gives the ledger a larger one.

>>> ledger = Ledger()
>>> ledger.charge("ui", "guest", 900)
>>> ledger.charge("ui", "world_switch", 100)
>>> ledger.count("ui", "switches")
>>> ledger.time("ui"), ledger.to_dict()["ui"]["counts"]
(1000, {'switches': 1})
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import TypedDict

from hypervisor.core.errors import require_none

BOARD = "(board)"
"""The account of what belongs to no cell, as idle time. Not a name that a topology can give to a cell."""

CAUSES: dict[str, str] = {
    "guest": "the guest's own instructions, and the documented cycles of a Python guest's calls",
    "hypercall": "into the monitor for a call, serving it, and back",
    "device_exit": "an access to a device that the monitor owns",
    "virq": "an interrupt taken and handed to the vCPU that it is routed to",
    "world_switch": "one vCPU makes room for another: registers, address space, caches",
    "capability": "looking up, minting, moving or revoking a capability",
    "ipc": "the path of a synchronous message: checks, transfer of registers, the partner made ready",
    "ipc_word": "message words beyond those that travel in registers",
    "channel": "a message copied into or out of a bounded channel",
    "notify": "ringing another cell: an event channel, a virtual interrupt, a notification",
    "map": "pages made to appear in another address space",
    "unmap": "pages taken back, and the translations that knew of them",
    "grant": "a grant checked and accounted for",
    "copy": "bytes copied for a guest",
    "page_table": "a page-table update validated and applied",
    "page_fault": "a fault turned into a message or an upcall",
    "exception": "an exception of a guest's process told to its kernel with all registers, or answered with all of them",
    "exchange": "registers of another thread exchanged, or that thread forced out of what it does",
    "task": "an address space with its threads made or destroyed",
    "space_switch": "another address space of one guest: translation table, domain access, identifier",
    "cache_flush": "caches cleaned, as a tag of theirs is given to another address space, or the address space is another",
    "t10": "a paravirtual kernel interrupted or calling: out of its mode into the monitor",
    "t20": "a user process of a paravirtual kernel interrupted or calling: into the monitor",
    "t01": "out of the monitor into the kernel: by upcall, or back from a call",
    "t02": "out of the monitor into a user process: return from exception",
    "tlb_flush": "translations forgotten: on a guest's wish, or as the table base changes on a CPU without tags",
    "tlb_refill": "translations fetched again after a flush, or after one side has displaced the other's",
    "upcall": "an exception delivered to a guest kernel",
    "vtlb": "a miss of the virtual TLB: the guest's tables walked; and the guest's upkeep of its TLB, trapped",
    "cache_miss": "lines of first-level caches fetched and written back, for a cell that has them charged",
    "store": "a request to the store that domains meet in",
    "policy": "a decision of mandatory access control",
    "slowed": "an injected fault: its own instructions took longer than they should",
    "idle": "a core with nothing to run",
}
"""Why cycles pass: name -> meaning. Summaries list causes in this order."""


class CellLedger(TypedDict):
    """One cell in `Ledger.to_dict`."""

    cycles: dict[str, int]
    counts: dict[str, int]
    time: int


class Ledger:
    """Cycles per (cell, cause) and counts per (cell, name). Accounts open on first use and are never closed."""

    def __init__(self, causes: Mapping[str, str] = CAUSES) -> None:
        self.causes = dict(causes)
        self._cycles: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._time: Counter[str] = Counter()

    def charge(self, cell: str, cause: str, cycles: int) -> None:
        """`cell` has used `cycles` because of `cause`. Charging 0 is fine.

        Raises:
            ValueError: a cause that is not in the table, or a negative charge: nothing is ever given back.
        """
        if cause not in self.causes:
            raise ValueError(f'no cause is called "{cause}"; there are: {", ".join(self.causes)}')
        if cycles < 0:
            raise ValueError(f'a negative charge: {cycles} cycles of {cause} to "{cell}"')
        self._cycles[cell][cause] += cycles
        self._time[cell] += cycles

    def reassign(self, cell: str, before: str, cause: str, cycles: int) -> None:
        """Of what `cell` has used because of `before`, `cycles` turn out to be for `cause`. No more than there are.

        Raises:
            ValueError: as `charge`.
        """
        moved = min(cycles, self.cycles(cell, before))
        self.charge(cell, cause, moved)
        self._cycles[cell][before] -= moved
        self._time[cell] -= moved

    def step(self, cell: str, cause: str, cycles: int, times: int) -> None:
        """`charge` for something that has a cause as its name, and `count` of it.

        Raises:
            ValueError: as those.
        """
        if cycles:
            self.charge(cell, cause, cycles)
        if times < 0:
            self.count(cell, cause, times)
        self._counts[cell][cause] += times

    def count(self, cell: str, name: str, n: int = 1) -> None:
        """Something called `name` has happened `n` more times to `cell`.

        Raises:
            ValueError: a negative number.
        """
        if n < 0:
            raise ValueError(f'a negative count: {n} {name} of "{cell}"')
        self._counts[cell][name] += n

    def cycles(self, cell: str, cause: str) -> int:
        """What `cell` has used because of `cause`."""
        return self._cycles.get(cell, Counter())[cause]

    def counted(self, cell: str, name: str) -> int:
        """How often `name` has happened to `cell`."""
        return self._counts.get(cell, Counter())[name]

    def time(self, cell: str) -> int:
        """All cycles of `cell`: the sum over its causes."""
        return self._time[cell]

    def total(self, cause: str) -> int:
        """All cycles of `cause`, over all cells."""
        return sum(account[cause] for account in self._cycles.values())

    def cells(self) -> list[str]:
        """Everyone who has an account, by name."""
        return sorted(self._cycles.keys() | self._counts.keys())

    def to_dict(self) -> dict[str, CellLedger]:
        """Plain data for summaries: cells and counts by name, causes in the order of their table."""
        return {cell: self._cell(cell) for cell in self.cells()}

    def _cell(self, cell: str) -> CellLedger:
        cycles, counts = self._cycles.get(cell, Counter()), self._counts.get(cell, Counter())
        return CellLedger(
            cycles={cause: cycles[cause] for cause in self.causes if cause in cycles},
            counts=dict(sorted(counts.items())),
            time=self.time(cell),
        )

    def check_invariants(self) -> None:
        """The time of each cell is the sum over its causes.

        Raises:
            InvariantBroken: it is not so.
        """
        require_none(
            [
                f'ledger: "{cell}" has used {self.time(cell)} cycles, its causes sum to {account.total()}'
                for cell, account in self._cycles.items()
                if account.total() != self.time(cell)
            ]
        )
