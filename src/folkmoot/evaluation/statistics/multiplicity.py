"""Many comparisons at once: adjusted p."""

from __future__ import annotations

from collections.abc import Sequence


def holm(ps: Sequence[float]) -> list[float]:
    """Holm's adjusted p (Holm 1979, Scand. J. Stat. 6:65), in the order given.

    What is called at 5 % of these holds for the whole family: one false call or more in at most 5 % of families.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    m, worst, adjusted = len(ps), 0.0, [0.0] * len(ps)
    for rank, i in enumerate(sorted(range(m), key=ps.__getitem__)):
        worst = max(worst, min(1.0, (m - rank) * ps[i]))
        adjusted[i] = worst
    return adjusted
