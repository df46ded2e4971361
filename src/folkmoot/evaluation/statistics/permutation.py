"""Tests of a paired difference: who wins the items on which two systems differ?"""

from __future__ import annotations

import math
from collections.abc import Sequence

from folkmoot.evaluation.statistics.generator import generator

_ENUMERATED = 16  # up to so many units all flips are counted: 2^15, as many as are drawn otherwise
_DRAWN = 20_000
_AT_ONCE = 1 << 22


def mcnemar(a: Sequence[bool], b: Sequence[bool]) -> float:
    """Exact two-sided p of McNemar's test (McNemar 1947): are the items that only one system got right evenly split?

    Args:
        a: Right or wrong of the one system, an item each.
        b: The same of the other.

    >>> mcnemar([True] * 6, [False] * 6)
    0.03125
    """
    if len(a) != len(b):
        raise ValueError(f"both systems need a result for every item, got {len(a)} and {len(b)}")
    only_a = sum(x and not y for x, y in zip(a, b, strict=True))
    only_b = sum(y and not x for x, y in zip(a, b, strict=True))
    n = only_a + only_b
    tail: int = sum(math.comb(n, k) for k in range(min(only_a, only_b) + 1))
    p: float = 2 * tail / 2**n  # 2**n is Any to the type checker: n could be negative
    return min(1.0, p)


def sign_flip(totals: Sequence[float], *, seed: int | str) -> float:
    """Two-sided p of the sign-flip permutation test (Fisher 1935): would the sum be as far from 0 with the names exchanged at random?

    Without a difference between the systems either could have had either score, for each unit as a whole. All exchanges
    are counted with up to 16 differing units; else 20,000 are drawn, and the one seen is added (Phipson and Smyth 2010), so
    that p is never 0.

    Args:
        totals: For every unit (cluster or item) the sum of the differences of its items.
        seed: Equal seeds give equal p, in whatever order the units come.

    >>> sign_flip([0.5] * 6, seed=0)
    0.03125
    """
    import numpy as np

    sizes = np.sort(np.abs([t for t in totals if abs(t) > 1e-12]))
    if not len(sizes):
        return 1.0
    seen = abs(math.fsum(totals)) - 1e-9 * float(sizes.sum())  # as far, but for rounding
    if len(sizes) <= _ENUMERATED:
        sums = sizes[:1]  # the first stays: turning all signs changes no distance from 0
        for size in sizes[1:]:
            sums = np.concatenate([sums + size, sums - size])
        return float(np.mean(np.abs(sums) >= seen))
    rng = generator(seed)
    kinds, counts = np.unique(np.round(sizes, 12), return_counts=True)
    if len(kinds) <= len(sizes) // 8 + 4:
        sums = (2 * rng.binomial(counts, 0.5, size=(_DRAWN, len(kinds))) - counts) @ kinds
        return float((1 + np.sum(np.abs(sums) >= seen)) / (1 + _DRAWN))
    far, step = 1, max(1, _AT_ONCE // len(sizes))
    for start in range(0, _DRAWN, step):
        n = min(step, _DRAWN - start)
        bits = np.unpackbits(rng.integers(0, 256, size=(n, -(-len(sizes) // 8)), dtype=np.uint8), axis=1)
        sums = sizes.sum() - 2 * (bits[:, : len(sizes)] @ sizes)
        far += int(np.sum(np.abs(sums) >= seen))
    return far / (1 + _DRAWN)
