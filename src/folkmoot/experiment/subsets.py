"""Which parts of a team are tried: random subsets, the same for the same seed, and splits of a number of slots."""

from __future__ import annotations

import math
import random


def subsets(n: int, size: int, draws: int, seed: int) -> list[tuple[int, ...]]:
    """Different random subsets of `size` of `n` members; all of them if there are no more than `draws`.

    Fewer draws with the same seed give the first of the same subsets, so that a run can be made longer.

    Args:
        n: Members.
        size: Of a subset, 1 to `n`.
        draws: Most subsets.
        seed: Equal seeds give equal subsets.

    Returns:
        Members of each as numbers from 0, rising.
    """
    rng = random.Random(f"subsets {seed} {n} {size}")  # noqa: S311 - no secret depends on it
    found: dict[tuple[int, ...], None] = {}
    while len(found) < min(draws, math.comb(n, size)):
        found[tuple(sorted(rng.sample(range(n), size)))] = None
    return list(found)


def divisors(n: int) -> list[int]:
    """All divisors, rising.

    >>> divisors(6)
    [1, 2, 3, 6]
    """
    return [k for k in range(1, n + 1) if n % k == 0]


def slots(n: int) -> int:
    """The number up to `n` that can be split in most ways; of several the largest.

    >>> [slots(n) for n in (2, 3, 5, 6, 9, 32)]
    [2, 3, 4, 6, 8, 30]
    """
    return max(range(1, n + 1), key=lambda s: (len(divisors(s)), s))
