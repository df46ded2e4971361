"""What is independent of what: items, or clusters of them, within tasks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple


class Unit(NamedTuple):
    """Items that stand or fall together: a cluster, or one item.

    Attributes:
        total: Sum of the values of its items.
        size: How many items.
        stratum: Number of its stratum (task), from 0.
    """

    total: float
    size: int
    stratum: int


def units(
    values: Sequence[float], clusters: Sequence[str] | None = None, strata: Sequence[str] | None = None
) -> list[Unit]:
    """Join the items of a cluster; items without cluster stand alone.

    Args:
        values: A value per item.
        clusters: The cluster of each item, empty if it stands alone. Clusters do not reach over strata.
        strata: The stratum of each item; all the same if left out.

    Returns:
        Sorted, so that the order of the items has no say.
    """
    n = len(values)
    if (clusters is not None and len(clusters) != n) or (strata is not None and len(strata) != n):
        raise ValueError(f"clusters and strata need an entry for each of the {n} items")
    number = {s: i for i, s in enumerate(sorted(set(strata or [])))}
    joined: dict[tuple[int, str | int], list[float]] = {}
    for i, value in enumerate(values):
        stratum = number[strata[i]] if strata else 0
        joined.setdefault((stratum, (clusters[i] if clusters else "") or i), []).append(value)
    # Rounded, because what is equal must look equal: 0.1 + 0.2 is not 0.3
    return sorted(Unit(round(math.fsum(vs), 12), len(vs), stratum) for (stratum, _), vs in joined.items())
