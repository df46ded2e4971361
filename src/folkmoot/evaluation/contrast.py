"""Two systems on the same items: the difference, its interval, the test, and what may be said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Literal

from folkmoot.evaluation.statistics import (
    Difference,
    bootstrap,
    equivalence,
    holm,
    mcnemar,
    non_inferiority,
    sign_flip,
    units,
)

LEVEL = 0.05
"""Of the tests; intervals have 95 %."""

Key = tuple[str, str]
"""Task and item."""
Scores = Mapping[Key, tuple[float, ...]]
"""The scores of one system, 0 to 1: a draw each, in the order of the draws. What was not scored is 0; draws whose calls failed
are left out."""
Verdict = Literal["better", "worse", "no difference shown", "equivalent within the margin", "unfinished"]
"""better, worse: the test, corrected for the family, says so at the 5 % level. equivalent within the margin: it does not, and
the two one-sided tests, corrected for the family, show at 5 % that the difference is smaller than the margin. unfinished: less
than 95 % of the planned questions are in the comparison, and nothing may be said yet; who knows the plan sets it, and it stays."""


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
        equivalent: p of equivalence (neither worse nor better by `margin` or more; the larger of two one-sided p); None
            without margin.
        family: How many comparisons `adjusted` and `equivalent_adjusted` are corrected for.
        equivalent_adjusted: `equivalent` after Holm's correction inside the family; None without margin.
        failed: Questions left out of the comparison because calls of either side failed there.
        planned: Questions that should be in the comparison; None if not told.
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
    equivalent: float | None = None
    family: int = 1
    equivalent_adjusted: float | None = None
    failed: int = 0
    planned: int | None = None


def contrast(
    system: str,
    reference: str,
    a: Scores,
    b: Scores,
    *,
    clusters: Mapping[Key, str] | None = None,
    task: str | None = None,
    margin: float | None = None,
    seed: int | str = 0,
    failed: int = 0,
) -> Contrast:
    """Compare two systems on the items that both have finished; the verdict is that of a family of one.

    Tasks are resampled apart and every item weighs the same, whatever its task.

    Args:
        system: Name of the one.
        reference: Name of the other.
        a: Scores of the system.
        b: Scores of the reference. The numbers of draws may differ.
        clusters: The cluster of each item that is in one; names hold within a task.
        task: Only its items; None for all.
        margin: Test also that the system is not worse, and that the two are equivalent; above 0, on the scale of the scores.
        seed: Equal seeds give equal figures, in whatever order the samples come.
        failed: Questions that are not among the scores because calls failed there: for the record.
    """
    if margin is not None and not 0 < margin < 1:
        raise ValueError(f"a margin must lie between 0 and 1, got {margin}")
    keys = sorted(k for k in a.keys() & b.keys() if a[k] and b[k] and task in (None, k[0]))
    if not all(0 <= s <= 1 for k in keys for s in (*a[k], *b[k])):
        raise ValueError("scores must lie between 0 and 1")
    if not keys:
        nothing = Difference(0.0, -1.0, 1.0)
        blank = None if margin is None else 1.0
        return Contrast(
            system=system,
            reference=reference,
            task=task,
            n=0,
            units=0,
            draws=0,
            difference=nothing,
            only_system=0,
            only_reference=0,
            test="",
            p=1.0,
            adjusted=1.0,
            margin=margin,
            not_worse=blank,
            verdict="no difference shown",
            equivalent=blank,
            equivalent_adjusted=blank,
            failed=failed,
        )
    values = [round(fmean(a[k]) - fmean(b[k]), 12) for k in keys]
    parts = units(values, [(clusters or {}).get(k, "") for k in keys], [k[0] for k in keys])
    draws = max(len(s) for k in keys for s in (a[k], b[k]))
    drawn = bootstrap(parts, seed=seed)
    low, high = drawn.interval()
    if draws == 1 and len(parts) == len(keys) and all(s in (0, 1) for k in keys for s in (*a[k], *b[k])):
        test, p = "exact McNemar", mcnemar([v > 0 for v in values], [v < 0 for v in values])
    else:
        test, p = "sign-flip permutation", sign_flip([u.total for u in parts], seed=seed)
    same = None if margin is None else equivalence(drawn, margin)
    return _judged(
        Contrast(
            system=system,
            reference=reference,
            task=task,
            n=len(keys),
            units=len(parts),
            draws=draws,
            difference=Difference(drawn.mean, max(low, -1.0), min(high, 1.0)),
            only_system=sum(v > 0 for v in values),
            only_reference=sum(v < 0 for v in values),
            test=test,
            p=p,
            adjusted=p,
            margin=margin,
            not_worse=None if margin is None else non_inferiority(drawn, margin),
            verdict="no difference shown",
            equivalent=same,
            equivalent_adjusted=same,
            failed=failed,
        )
    )


def holm_family(contrasts: Iterable[Contrast]) -> list[Contrast]:
    """The contrasts corrected for their number (Holm 1979) and with the verdict that this allows, in the order given.

    The tests for a difference and those for equivalence are corrected apart, each for all of the family. Contrasts without items
    in common are part of it too: it is declared before anything is known.
    """
    family = list(contrasts)
    adjusted = holm([c.p for c in family])
    same = holm([1.0 if c.equivalent is None else c.equivalent for c in family])
    return [
        _judged(replace(c, adjusted=p, equivalent_adjusted=None if c.equivalent is None else q, family=len(family)))
        for c, p, q in zip(family, adjusted, same, strict=True)
    ]


def _judged(c: Contrast) -> Contrast:
    if c.verdict == "unfinished":
        return c
    verdict: Verdict = "no difference shown"
    if c.adjusted <= LEVEL:
        verdict = "better" if c.difference.mean > 0 else "worse"
    elif c.equivalent_adjusted is not None and c.equivalent_adjusted <= LEVEL:
        verdict = "equivalent within the margin"
    return replace(c, verdict=verdict)
