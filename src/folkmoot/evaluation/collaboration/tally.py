"""What counts as right, and shares in which every item counts once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from folkmoot.evaluation.collaboration.figures import Rate
from folkmoot.evaluation.contrast import Key
from folkmoot.evaluation.statistics import Interval, design_effect, wilson

ByDraw = Mapping[Key, Mapping[int, float]]
"""A number for every draw of every item, by the number of the draw."""


def right(score: float) -> bool:
    """Right is a score above 0.5: 1 where answers are right or wrong, more than half of the words for token F1.

    A draw before a judge (0.5) is not right.
    """
    return score > 0.5


class Tally:
    """How often something happened, where it could: averaged within a draw, then within an item; items are the unit.

    Three members who could go over to the same majority, or five draws of the same item, are not independent. Counted as
    one item each they give an interval that is wide enough.
    """

    def __init__(self) -> None:
        self._shares: dict[Key, list[float]] = {}

    def add(self, item: Key, share: float) -> None:
        """One more draw of an item in which it could happen; `share`: how much of what could happen did, 0 to 1."""
        self._shares.setdefault(item, []).append(share)

    @property
    def shares(self) -> dict[Key, float]:
        """The mean share of every item, sorted."""
        # fsum rounds once: the order in which results came cannot move the last digit
        return {item: math.fsum(s) / len(s) for item, s in sorted(self._shares.items())}

    def rate(self, clusters: Mapping[Key, str] = {}) -> Rate:
        """Items with their mean share, and the Wilson interval over items.

        Args:
            clusters: Items of a task with the same name stand or fall together, and make the interval wider.
        """
        shares = self.shares
        return Rate(math.fsum(shares.values()), len(shares), interval(shares, clusters))


def interval(shares: Mapping[Key, float], clusters: Mapping[Key, str]) -> Interval:
    """Wilson's 95 % interval of the mean of shares, an item each; clusters count as the fewer items that they are worth."""
    total, n = math.fsum(shares.values()), len(shares)
    if not clusters:
        return wilson(total, n)
    effect = design_effect(list(shares.values()), names(list(shares), clusters))
    return wilson(total / effect, n / effect)


def names(items: Sequence[Key], clusters: Mapping[Key, str]) -> list[str]:
    """The cluster of each item, unique over tasks; empty if it stands alone."""
    return [f"{item[0]}/{clusters[item]}" if clusters.get(item) else "" for item in items]
