"""How much of what a perfect choice among the members could win the system did win."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

from folkmoot.evaluation.collaboration.resampling import resampled_sums
from folkmoot.evaluation.collaboration.tally import ByDraw
from folkmoot.evaluation.contrast import Key
from folkmoot.evaluation.statistics import Difference

MOST_WITHOUT_LEAD = 0.05
"""With more resamples than this in which nobody leads the best member, nothing is said: about three items hold the lead."""


def headroom(
    system: ByDraw, best: ByDraw, members: Sequence[ByDraw], *, clusters: Mapping[Key, str] = {}, seed: int = 0
) -> Difference | None:
    """The share of the oracle's lead over the best member that the system won: (system - best) / (oracle - best).

    0 is as good as the best member, 1 as good as always choosing a right member where there is one. It may be below 0
    (worse than the best member) and above 1 (right where no member is).

    Args:
        system: Its scores.
        best: The scores of the member that was best on dev.
        members: The scores of each member alone, the best included.
        clusters: Items to resample together.
        seed: Of the bootstrap.

    Returns:
        The share with its 95 % percentile interval over resamples in which there is a lead. The lead may be missing from a
        resample, and the share is not defined there: such resamples are left out. None if there is no lead, or none in more
        than `MOST_WITHOUT_LEAD` of the resamples, so that leaving them out would bend the interval.
    """
    import numpy as np

    items, rows = [], []
    for item in sorted(system):
        alone = [m.get(item, {}) for m in (best, *members)]
        draws = [d for d in system[item] if all(d in m for m in alone)]
        if draws:
            ours, theirs = fmean(system[item][d] for d in draws), fmean(best[item][d] for d in draws)
            items.append(item)
            rows.append((ours - theirs, fmean(max(m[d] for m in alone) for d in draws) - theirs))
    if not items or sum(lead for _, lead in rows) <= _LEAST:
        return None
    won, lead = np.array(rows).sum(axis=0)
    sums = resampled_sums(items, rows, clusters, seed=seed, name="headroom")
    leads = sums[:, 1] > _LEAST
    if leads.mean() < 1 - MOST_WITHOUT_LEAD:
        return None
    low, high = np.quantile(sums[leads, 0] / sums[leads, 1], [0.025, 0.975])
    share = float(won / lead)
    return Difference(share, min(float(low), share), max(float(high), share))


_LEAST = 1e-9
"""Below this a lead is a rounding error."""
