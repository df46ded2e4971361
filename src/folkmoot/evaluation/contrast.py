"""Two systems on the same items: the difference, its interval, the test, and what may be said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from folkmoot.evaluation.statistics import Difference

Key = tuple[str, str]
"""Task and item."""
Scores = Mapping[Key, tuple[float, ...]]
"""The scores of one system, 0 to 1: a draw each, in the order of the draws; what was not scored is 0."""
Verdict = Literal["better", "worse", "no difference shown", "equivalent within the margin"]
"""better, worse: the test, corrected for the family, says so at the 5 % level. equivalent within the margin: it does not, and
the 90 % interval (two one-sided tests at 5 %) lies inside plus and minus the margin."""


@dataclass(frozen=True, slots=True)
class Contrast:
    """One system against one reference on the items that both have finished.

    Attributes:
        system, reference: Names.
        task: The task, or None for all tasks together.
        n: Items in common.
        units: Independent units among them: clusters, items where there are none.
        draws: Most draws of an item.
        difference: Mean score of the system minus that of the reference, draws averaged within items, with the 95 % BCa interval.
        only_system: Items on which the system scored higher.
        only_reference: Items on which the reference scored higher.
        test: ``exact McNemar`` (one draw, right or wrong, no clusters), ``sign-flip permutation`` (else), or empty (no items).
        p: Two-sided p of that test; 1 without items.
        adjusted: p after Holm's correction inside the family; `p` for a family of one.
        margin: Margin of the equivalence and non-inferiority tests, 0 to 1; None if none was asked for.
        not_worse: One-sided p of non-inferiority (the system is not worse by `margin` or more); None without margin.
        verdict: What may be said.
    """

    system: str
    reference: str
    task: str | None
    n: int
    units: int
    draws: int
    difference: Difference
    only_system: int
    only_reference: int
    test: str
    p: float
    adjusted: float
    margin: float | None
    not_worse: float | None
    verdict: Verdict
