"""BCa bootstrap of a mean over units: items or clusters, resampled within their tasks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, NamedTuple

from folkmoot.evaluation.statistics.clustering import Unit, units
from folkmoot.evaluation.statistics.generator import generator
from folkmoot.evaluation.statistics.intervals import Difference, Interval
from folkmoot.evaluation.statistics.student import student

if TYPE_CHECKING:
    import numpy
    from numpy.random import Generator
    from numpy.typing import NDArray

    Floats = NDArray[numpy.float64]

FEWEST_DIFFERING = 6
"""Below this many units on which two systems differ, not even a unanimous sign test reaches 5 % (2 / 2^5 = 0.0625)."""

_NORMAL = NormalDist()
_AT_ONCE = 1 << 22  # numbers drawn in one go: 32 MiB
_SAME = 1e-12


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """A bootstrap distribution of a mean, from which intervals and one-sided p are read.

    Attributes:
        mean: The mean itself: ratio of sums over all units.
        means: Those of the resamples, sorted.
        bias: BCa's z0: how far the median of `means` is from the mean, in standard errors.
        acceleration: BCa's a: how fast the standard error changes with the mean.
        widening: Factor on normal quantiles for the variance that few units hide: a bootstrap divides by n, not n - 1.
        degrees: Degrees of freedom of the t quantiles used in place of normal ones (Welch-Satterthwaite); infinite: normal.
        holds: The intervals are widened to hold these.
    """

    mean: float
    means: Floats
    bias: float
    acceleration: float
    widening: float
    degrees: float
    holds: tuple[float, ...]

    def interval(self, confidence: float = 0.95) -> Interval:
        """The two-sided interval (Efron 1987, JASA 82:171)."""
        if not 0 < confidence < 1:
            raise ValueError(f"confidence must lie between 0 and 1, got {confidence}")
        import numpy as np

        tail = (1 - confidence) / 2
        low, high = np.quantile(self.means, [self._rank(tail), self._rank(1 - tail)])
        return Interval(min(float(low), *self.holds), max(float(high), *self.holds))

    def at_most(self, value: float) -> float:
        """One-sided p of the hypothesis that the true mean is `value` or less: the tail at which the lower limit reaches it."""
        import numpy as np

        below = int(np.searchsorted(self.means, value + _SAME, side="right"))
        return self._tail((below + 1) / (len(self.means) + 1))

    def at_least(self, value: float) -> float:
        """One-sided p of the hypothesis that the true mean is `value` or more."""
        import numpy as np

        above = len(self.means) - int(np.searchsorted(self.means, value - _SAME, side="left"))
        return 1 - self._tail(1 - (above + 1) / (len(self.means) + 1))

    def _rank(self, tail: float) -> float:
        """Where in `means` the limit for this tail stands, 0 to 1."""
        z = _NORMAL.inv_cdf(tail)
        z = z if math.isinf(self.degrees) else self.widening * student(z, self.degrees)
        w = self.bias + z
        slack = 1 - self.acceleration * w
        # Past the pole of the correction (a handful of lopsided units) nothing but the outermost resample is left
        return _NORMAL.cdf(self.bias + w / slack) if slack > 0 else float(w > 0)

    def _tail(self, rank: float) -> float:
        """The inverse of `_rank`, by bisection; 1 and 0 are answered with the ends."""
        low, high = 1e-9, 1 - 1e-9
        if rank >= 1 or self._rank(high) <= rank:
            return high
        if rank <= 0 or self._rank(low) >= rank:
            return low
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if self._rank(middle) < rank else (low, middle)
        return high


def bootstrap(parts: Sequence[Unit], *, seed: int | str, resamples: int = 2000, guarded: bool = True) -> Bootstrap:
    """Resample whole units within their strata; the statistic is the sum of totals over the sum of sizes.

    Guarded, two things keep few units from looking like proof. The resamples are drawn from the units and two imagined
    halves, one won and one lost, as large as the root mean square of the units that differ: the interval never has zero
    width. (For right-or-wrong scores that adds the variance of half an item won and half an item lost, as Agresti and Min
    2005, Stat. Med. 24:729; each stratum gets a part of the two in proportion.) And while fewer than `FEWEST_DIFFERING`
    units differ, the imagined ones are won and lost in full and intervals hold 0.

    Guarded or not, t quantiles and the variance over n - 1 stand in for normal quantiles and that over n (Hesterberg 2015,
    Am. Stat. 69:371).

    Args:
        parts: At least one (two if not guarded).
        seed: Equal seeds give equal results, in whatever order the units come; with all signs turned the result is the same,
            turned.
        resamples: How often.
        guarded: For differences of scores; not for costs, which know no won and lost.
    """
    if resamples < 1:
        raise ValueError(f"resamples must be at least 1, got {resamples}")
    if len(parts) < (1 if guarded else 2):
        raise ValueError("a bootstrap needs more units")
    import numpy as np

    # The side that is ahead is always resampled as such: the names' order has no say
    ahead, behind = sorted(parts), sorted(u._replace(total=-u.total) for u in parts)
    lead = round(math.fsum(u.total for u in parts), 9)
    sign = 1.0 if (lead, ahead) >= (-lead, behind) else -1.0
    pools, few = _pools(ahead if sign > 0 else behind, guarded)
    total = math.fsum(float(p.totals.sum()) for p in pools)
    size = math.fsum(float(p.sizes.sum()) for p in pools)
    centre = total / size

    rng = generator(seed)
    sums = [p.resampled(rng, resamples) for p in pools]
    means = np.sort(sum(t for t, _ in sums) / sum(s for _, s in sums))
    # Ties count half: means of few right-or-wrong items lie on a grid
    rank = (np.searchsorted(means, centre - _SAME) + np.searchsorted(means, centre + _SAME)) / 2 / resamples
    bias = _NORMAL.inv_cdf(min(max(float(rank), 0.5 / resamples), 1 - 0.5 / resamples))

    cubes = squares = plain = unbiased = spread = 0.0
    for p in pools:
        k = len(p.totals)
        # Mean without each unit (jackknife), over all strata
        without = (total - p.totals) / (size - p.sizes)
        influence = (k - 1) * (without.mean() - without)
        cubes += float((influence**3).sum()) / k**3
        squares += float((influence**2).sum()) / k**2
        rest = p.totals - centre * p.sizes
        variance = float(((rest - rest.mean()) ** 2).sum())
        if k > 1:
            plain += variance
            unbiased += variance * k / (k - 1)
            spread += (variance * k / (k - 1)) ** 2 / (k - 1)
    mean = math.fsum(u.total for u in parts) / sum(u.size for u in parts)
    return Bootstrap(
        mean=mean,
        means=means if sign > 0 else -means[::-1],
        bias=sign * bias,
        acceleration=sign * cubes / (6 * squares**1.5) if squares > 0 else 0.0,
        widening=math.sqrt(unbiased / plain) if plain > 0 else 1.0,
        degrees=unbiased**2 / spread if spread > 0 else math.inf,
        holds=(mean, 0.0) if few else (mean,),
    )


def bca(
    values: Sequence[float],
    *,
    clusters: Sequence[str] | None = None,
    strata: Sequence[str] | None = None,
    seed: int | str,
    resamples: int = 2000,
    confidence: float = 0.95,
    guarded: bool = True,
) -> Difference:
    """Mean of paired differences with its BCa bootstrap interval.

    Args:
        values: Difference of the two systems on each item, -1 to 1, draws averaged.
        clusters: The cluster of each item, empty if it stands alone; clusters are resampled as a whole.
        strata: The task of each item; resampled within.
        seed: Equal seeds give equal intervals.
        resamples: How often.
        confidence: Above 0 and below 1.
        guarded: See `bootstrap`.

    Returns:
        Without items nothing is known: 0 within -1 to 1.
    """
    if not all(-1 <= v <= 1 for v in values):
        raise ValueError("differences of scores must lie between -1 and 1")
    if not values:
        return Difference(0.0, -1.0, 1.0)
    drawn = bootstrap(units(values, clusters, strata), seed=seed, resamples=resamples, guarded=guarded)
    low, high = drawn.interval(confidence)
    return Difference(drawn.mean, max(low, -1.0), min(high, 1.0))


class _Pool(NamedTuple):
    """What one stratum is resampled from."""

    totals: Floats
    sizes: Floats

    def resampled(self, rng: Generator, times: int) -> tuple[Floats, Floats]:
        """Sum of totals and sum of sizes of each resample."""
        import numpy as np

        k = len(self.totals)
        kinds, counts = np.unique(np.stack([self.totals, self.sizes]), axis=1, return_counts=True)
        few = kinds.shape[1] <= k // 8 + 4  # scores of few values: how many of each is quicker than which
        totals, sizes = np.empty(times), np.empty(times)
        step = max(1, _AT_ONCE // (kinds.shape[1] if few else k))
        for start in range(0, times, step):
            now = slice(start, min(start + step, times))
            n = now.stop - now.start
            if few:
                drawn = rng.multinomial(k, counts / k, size=n)
                totals[now], sizes[now] = drawn @ kinds[0], drawn @ kinds[1]
            else:
                index = rng.integers(0, k, size=(n, k), dtype=np.int32)
                totals[now], sizes[now] = self.totals[index].sum(axis=1), self.sizes[index].sum(axis=1)
        return totals, sizes


def _pools(parts: Sequence[Unit], guarded: bool) -> tuple[list[_Pool], bool]:
    """The units by stratum, with the imagined ones if guarded; and whether too few differ."""
    import numpy as np

    totals = np.array([u.total for u in parts])
    sizes = np.array([float(u.size) for u in parts])
    strata = np.array([u.stratum for u in parts])
    differing = totals[np.abs(totals) > _SAME]
    few = guarded and len(differing) < FEWEST_DIFFERING
    stake = math.sqrt(float((differing**2).mean())) if len(differing) else 0.0
    stake = max(stake, float(sizes.mean())) if few else stake
    pools = []
    for s in np.unique(strata):
        t, m = totals[strata == s], sizes[strata == s]
        if guarded:
            part = len(t) / len(totals) / 2  # the two together weigh one unit
            t = np.append(t, [stake * math.sqrt(part), -stake * math.sqrt(part)])
            m = np.append(m, [sizes.mean() * part] * 2)
        pools.append(_Pool(t, m))
    return pools, few
