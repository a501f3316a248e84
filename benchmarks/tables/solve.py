"""Fits: non-negative least squares with Huber's loss, for a handful of prices.

A price below zero would be a cost that is earned, so prices are at least zero. The problem is convex, hence a solution that
leaves out a set of prices is the solution as soon as none of these would help (Karush, Kuhn, Tucker); sets are tried from the
smallest. Residuals beyond the knee count linearly: iteratively reweighted, so that an odd row does not steer.

>>> huber([[1.0, 0.0], [1.0, 1.0], [2.0, 1.0]], [2.0, 5.0, 7.0], [1.0, 1.0, 1.0], knee=1.0)
[2.0, 3.0]
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
ROUNDS = 60
"""Reweightings at most; some ten are common."""
SLACK = 1e-9
"""Of the gradient, for columns of length one."""


def huber(
    amounts: Sequence[Sequence[float]], targets: Sequence[float], weights: Sequence[float], knee: float
) -> list[float]:
    """Prices, one for each column of `amounts` (rows x columns), so that amounts x prices is near the targets.

    A row's residual is multiplied by its weight before it is looked at; `knee` is in these units. Columns of zeros get 0.
    """
    matrix, wanted, scale = (np.asarray(part, dtype=np.float64) for part in (amounts, targets, weights))
    prices = nonnegative(matrix * scale[:, None], wanted * scale)
    for _ in range(ROUNDS):
        residuals = np.abs((matrix @ prices - wanted) * scale)
        softer = scale * np.sqrt(np.minimum(1.0, knee / np.maximum(residuals, 1e-12)))
        better = nonnegative(matrix * softer[:, None], wanted * softer, prices)
        done = np.allclose(better, prices, rtol=1e-7, atol=0)
        prices = better
        if done:
            break
    return [float(f"{price:.10g}") for price in prices]


def nonnegative(matrix: Array, wanted: Array, guess: Array | None = None) -> Array:
    """The x >= 0 with the least |matrix x - wanted|. `guess`: what is above zero in it is tried first."""
    lengths = np.linalg.norm(matrix, axis=0)
    used = np.flatnonzero(lengths > 0)
    scaled = matrix[:, used] / lengths[used]
    found = np.zeros(matrix.shape[1])
    first = () if guess is None else tuple(np.flatnonzero(guess[used]).tolist())
    found[used] = _active(scaled, wanted, first) / lengths[used]
    return found


def _active(matrix: Array, wanted: Array, first: tuple[int, ...]) -> Array:
    """`nonnegative` for columns of length one."""
    limit = SLACK * max(1.0, float(np.linalg.norm(wanted)))
    for kept in _sets(matrix.shape[1], first):
        trial = np.zeros(matrix.shape[1])
        trial[list(kept)] = np.linalg.lstsq(matrix[:, kept], wanted, rcond=None)[0]
        if trial.min(initial=0.0) >= -SLACK and (matrix.T @ (wanted - matrix @ trial)).max(initial=0.0) <= limit:
            return np.maximum(trial, 0.0)
    return np.zeros(matrix.shape[1])


def _sets(columns: int, first: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Sets of columns that may be all that is above zero: a guess, then the larger ones before the smaller."""
    if first:
        yield first
    for left_out in range(columns + 1):
        yield from combinations(range(columns), columns - left_out)
