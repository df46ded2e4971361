"""As good, but for a margin: non-inferiority and equivalence."""

from __future__ import annotations

from folkmoot.evaluation.statistics.resampling import Bootstrap


def non_inferiority(difference: Bootstrap, margin: float) -> float:
    """One-sided p of a being worse than b by `margin` or more; at most 0.05 means: not worse by that much.

    The tail at which the lower BCa limit of a - b reaches -margin.

    Args:
        difference: Of a minus b.
        margin: Above 0, on the scale of the scores.
    """
    if not margin > 0:
        raise ValueError(f"a margin must be above 0, got {margin}")
    return difference.at_most(-margin)


def equivalence(difference: Bootstrap, margin: float) -> float:
    """P of two one-sided tests (Schuirmann 1987): a is not worse by `margin` or more, and not better by it either.

    At most 0.05 exactly when the 90 % interval lies inside plus and minus the margin, up to the steps of the bootstrap.
    """
    return max(non_inferiority(difference, margin), difference.at_least(margin))
