"""How sure a count is."""

from __future__ import annotations

from math import sqrt

Z95 = 1.959963984540054
"""Two-sided 95 % of the normal distribution."""


def wilson(hits: int, trials: int, z: float = Z95) -> tuple[float, float]:
    """Wilson's score interval of a proportion; it stays within 0..1, and says something of 0 hits, too.

    >>> [round(bound, 3) for bound in wilson(0, 45)]
    [0.0, 0.079]
    """
    if not trials:
        return 0.0, 1.0
    share, square = hits / trials, z * z / trials
    middle, spread = share + square / 2, z * sqrt(share * (1 - share) / trials + square / (4 * trials))
    low, high = (middle - spread) / (1 + square), (middle + spread) / (1 + square)
    return (0.0 if hits == 0 else max(low, 0.0)), (1.0 if hits == trials else min(high, 1.0))
