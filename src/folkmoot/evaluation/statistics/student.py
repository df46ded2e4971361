"""Student's t distribution."""

from __future__ import annotations


def student(z: float, degrees: float) -> float:
    """The t quantile at the probability where the normal quantile is `z` (Cornish-Fisher expansion, Fisher and Cornish 1960).

    Within 0.3 % of the true value for 4 degrees of freedom or more and probabilities from 0.005 to 0.995.

    Args:
        z: Quantile of the standard normal distribution.
        degrees: Degrees of freedom, above 0; need not be whole.
    """
    z2 = z * z
    terms = (
        (z2 + 1) / 4,
        ((5 * z2 + 16) * z2 + 3) / 96,
        (((3 * z2 + 19) * z2 + 17) * z2 - 15) / 384,
        ((((79 * z2 + 776) * z2 + 1482) * z2 - 1920) * z2 - 945) / 92160,
    )
    return float(z * (1 + sum(t / degrees**i for i, t in enumerate(terms, 1))))
