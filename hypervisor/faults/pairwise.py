"""Few tests that cover every pair: a greedy covering of all pairs of values of different factors.

```python
chosen = cover([("kill", "ping", "early"), ("kill", "pong", "early"), ("flip", "ping", "late"), ...])     # indices
```

Theory: most failures that depend on several parameters depend on two of them (D. R. Kuhn, D. R. Wallace, A. M. Gallo, "Software
Fault Interactions and Implications for Software Testing", IEEE TSE 30(6), 2004). The tests that make sense are given as a list,
so that no constraint needs a language of its own; a pair that no test has cannot be covered, and is nobody's goal. What a test
adds only shrinks while others are chosen, so that an old estimate is an upper bound: of the candidates in a heap only the first
is counted anew (the lazy form of the greedy algorithm; M. Minoux, 1978). No dice: of equals the first.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from itertools import combinations

Pair = tuple[int, str, int, str]
"""Factor, value, another factor, value."""


def pairs_of(test: Sequence[str]) -> frozenset[Pair]:
    """The pairs that a test covers."""
    return frozenset((a, test[a], b, test[b]) for a, b in combinations(range(len(test)), 2))


def all_pairs(tests: Iterable[Sequence[str]]) -> set[Pair]:
    """Every pair that some test covers."""
    return {pair for test in tests for pair in pairs_of(test)}


def cover(tests: Sequence[Sequence[str]]) -> list[int]:
    """Which of the tests to run, so that every pair is covered: their indices, the most useful ones first."""
    left = all_pairs(tests)
    heap = [(-len(pairs_of(test)), number) for number, test in enumerate(tests)]
    heapq.heapify(heap)
    chosen: list[int] = []
    while left:
        _, number = heapq.heappop(heap)
        gain = len(pairs_of(tests[number]) & left)
        if heap and gain and (-gain, number) > heap[0]:
            heapq.heappush(heap, (-gain, number))
        elif gain:
            chosen.append(number)
            left -= pairs_of(tests[number])
    return chosen
