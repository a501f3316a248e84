"""What a cell was asked to count, and the counts of a mark as its exit carries them.

told = {"functions": {"set_pte": [0xC0012340]}, "dcache_lines": 512, "caches": None, "tlb": None}
tally = Tally(engine, told)            # memory is mapped, nothing has run
engine.run()                           # Stop.MARK
tally.packed()                         # hypervisor/abi/counts.py
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hypervisor.abi import counts

if TYPE_CHECKING:
    from cells.engines.arm import ArmEngine


class Tally:
    """The counts of one engine. `told`: plain data from the topology and the board (hypervisor/shell/counting.py)."""

    def __init__(self, engine: ArmEngine, told: Mapping[str, Any]) -> None:
        functions: Mapping[str, list[int]] = told["functions"]
        caches, tlb = told["caches"], told["tlb"]
        if tlb is not None and not engine.counts_translations:
            engine.count_translations(tlb, for_counts=True)
        engine.count(list(functions.values()), dcache_lines=told["dcache_lines"])
        if caches is not None:
            engine.count_caches(**caches)
        self._engine = engine
        self._functions = tuple(functions)
        self._names = counts.names(self._functions, caches=caches is not None, translations=tlb is not None)

    def counts(self) -> dict[str, int]:
        """Name -> how often, in the order of a mark."""
        found = self._engine.counts(self._functions)
        return {name: found[name] for name in self._names}

    def packed(self) -> bytes:
        """The data of an exit at a mark."""
        return counts.pack(tuple(self.counts().values()))
