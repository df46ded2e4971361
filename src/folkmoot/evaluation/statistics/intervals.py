"""The values of the statistics, and the interval of a share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

from folkmoot.evaluation.statistics.clustering import units


class Interval(NamedTuple):
    """A range that holds the true value with the confidence asked for."""

    low: float
    high: float


class Difference(NamedTuple):
    """Mean of a minus b over the same items, with its interval; all in -1 to 1."""

    mean: float
    low: float
    high: float


def wilson(right: float, n: float, confidence: float = 0.95) -> Interval:
    """Wilson's score interval for a share (Wilson 1927, JASA 22:209). It never has zero width and never leaves 0 to 1.

    `right` may be fractional, as the sum of partial scores (token F1, means over draws) is. The interval is then on the
    safe side: a score between 0 and 1 with mean m varies at most as much as a right-or-wrong one, m (1 - m).

    Args:
        right: Sum of the scores, 0 to `n`.
        n: How many independent items; with 0 nothing is known, and the interval is 0 to 1. For items in clusters divide
            both by `design_effect`.
        confidence: Above 0 and below 1.

    >>> [round(x, 4) for x in wilson(0, 10)]
    [0.0, 0.2775]
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence}")
    if n < 0 or not -1e-9 <= right <= n + 1e-9:
        raise ValueError(f"right must lie between 0 and n, got {right} of {n}")
    if n == 0:
        return Interval(0.0, 1.0)
    share = min(max(right / n, 0.0), 1.0)
    z2 = NormalDist().inv_cdf((1 + confidence) / 2) ** 2
    middle = share + z2 / (2 * n)
    half = math.sqrt(z2 * (share * (1 - share) + z2 / (4 * n)) / n)
    scale = 1 + z2 / n
    low, high = (middle - half) / scale, (middle + half) / scale
    # The ends are exactly 0 and 1 there; rounding would leave 1e-17 and 0.999...
    return Interval(0.0 if share == 0 else max(0.0, low), 1.0 if share == 1 else min(1.0, high))


def design_effect(values: Sequence[float], clusters: Sequence[str]) -> float:
    """How many times as many items are needed because items of a cluster resemble each other (Kish 1965), at least 1.

    The variance of the mean over whole clusters (ratio of sums) over that of the mean over independent items.

    Args:
        values: A value per item.
        clusters: The cluster of each item, empty if it stands alone.
    """
    parts = units(values, clusters)
    n, k = len(values), len(parts)
    if k < 2 or k == n:
        return 1.0 if k == n else float(max(n, 1))
    mean = math.fsum(values) / n
    plain = math.fsum((v - mean) ** 2 for v in values) / (n - 1)
    clustered = math.fsum((u.total - mean * u.size) ** 2 for u in parts) * k / (k - 1) / n
    return max(1.0, clustered / plain) if plain > 0 else n / k
