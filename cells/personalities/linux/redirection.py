"""The personality's account of what its architecture does to bring an event of a process to it and the answer back.

    account = Account(spec.redirection)
    charge += account.happened(Event.SYSCALL)      # the cycles that this takes
    world.exit(kind, ..., data=account.pack())     # of an exit that carries nothing else

The prices are those of the flavour (hypervisor/flavours); where the personality is the kernel itself there are none, and nothing
is told. The monitor takes the same cycles out of what the guest ran (hypervisor/core/redirection.py).
"""

from __future__ import annotations

from collections.abc import Mapping

from hypervisor.abi.redirection import EVENTS, Redirections


class Account:
    """How often each event has happened, and what one takes. `prices`: cycles by name of the event."""

    __slots__ = ("_counts", "_prices", "_tells")

    def __init__(self, prices: Mapping[str, int]) -> None:
        self._prices = [prices.get(event, 0) for event in EVENTS]
        self._counts = [0] * len(EVENTS)
        self._tells = bool(prices)

    def happened(self, event: int) -> int:
        """One more; the cycles that it takes."""
        self._counts[event] += 1
        return self._prices[event]

    @property
    def counts(self) -> Redirections:
        """The sums so far."""
        return Redirections(*self._counts)

    def pack(self) -> bytes:
        """What an exit tells; nothing where nothing is redirected."""
        return self.counts.pack() if self._tells else b""
