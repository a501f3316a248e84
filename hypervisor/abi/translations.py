"""What a vCPU says of its translations: how often the real TLB missed, what became of that, and what the guest did itself; and of
the cycles that lines of caches took, where a cell has those charged.

It rides in the data of the exits that carry nothing else there, as sums since the vCPU began, so that it does not matter
which of them an exit is that carries nothing. A kernel without privileges may never make such an exit: its exceptions carry
`memory` as an argument (records.py).

    data = Translations(hits=5, misses=2, upkeep=1).pack()
    Translations.unpack(data).misses
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from hypervisor.abi.records import ExitKind

CARRIERS = frozenset({ExitKind.BUDGET, ExitKind.WAIT, ExitKind.OUTPUT})
"""Kinds of exits whose data is this, or empty."""
_WORDS = struct.Struct("<8Q")
SIZE = _WORDS.size


class Translations(NamedTuple):
    """Misses of the real TLB that the virtual one had (`hits`) and had not; `upkeep`: TLB operations and changes of the address
    space by the guest, which trap where it does not own the CPU. Of these: `switches` of the table base, `flushes` of a whole
    TLB. `drops`: operations of the guest that gave up a whole cache; `cleaned`: switches with such an operation before them.
    `memory`: cycles that lines of first-level caches took."""

    hits: int = 0
    misses: int = 0
    upkeep: int = 0
    switches: int = 0
    flushes: int = 0
    drops: int = 0
    cleaned: int = 0
    memory: int = 0

    def pack(self) -> bytes:
        """As an exit carries it."""
        return _WORDS.pack(*self)

    @classmethod
    def unpack(cls, data: bytes) -> Translations:
        """The inverse. Requires: `SIZE` bytes."""
        return cls(*_WORDS.unpack(data))


NO_TRANSLATIONS = Translations()
