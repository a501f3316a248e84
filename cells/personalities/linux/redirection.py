"""The personality's account of what its architecture does to bring an event of a process to it and the answer back.

    account = Account(spec.redirection)
    charge += account.happened(Event.SYSCALL)      # the cycles that this takes
    world.exit(kind, ..., data=account.pack())     # of an exit that carries nothing else

The prices are those of the flavour (hypervisor/flavours); where the personality is the kernel itself there are none, and nothing
is told. The monitor takes the same cycles out of what the guest ran (hypervisor/core/redirection.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from hypervisor.abi.redirection import EVENTS, Event, Redirections


class Account:
    """How often each event has happened, and what one takes. `prices`: cycles by name of the event."""

    __slots__ = ("_calls", "_counts", "_prices", "_tells")

    def __init__(self, prices: Mapping[str, int], calls: Callable[[], int] = int) -> None:
        """`calls`: how many system calls there were that nobody has told (the CPU counts them)."""
        self._calls = calls
        self._prices = [prices.get(event, 0) for event in EVENTS]
        self._counts = [0] * len(EVENTS)
        self._tells = bool(prices)

    def price(self, event: int) -> int:
        """The cycles that it takes."""
        return self._prices[event]

    def happened(self, event: int) -> int:
        """One more; the cycles that it takes."""
        self._counts[event] += 1
        return self._prices[event]

    @property
    def counts(self) -> Redirections:
        """The sums so far."""
        counts = list(self._counts)
        counts[Event.SYSCALL] += self._calls()
        return Redirections(*counts)

    def pack(self) -> bytes:
        """What an exit tells; nothing where nothing is redirected."""
        return self.counts.pack() if self._tells else b""
