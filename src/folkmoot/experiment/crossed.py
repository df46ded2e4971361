"""Means over teams and questions, with intervals that know of both: other questions, and other teams of the same members.

Every team answers every question, so both are sampled, crossed. The questions are resampled as everywhere in Folkmoot (BCa
bootstrap over clusters within tasks). The teams are few (five, say): resampling five things gives intervals that are too
narrow, so their part of the variance is estimated directly, less what has been seen of all possible teams (finite population
correction; if all are there, there is nothing left to sample), and t quantiles stand for few of them (Satterthwaite 1946).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING, NamedTuple

from folkmoot.evaluation.statistics import Bootstrap, Difference, Unit, bootstrap, units
from folkmoot.evaluation.statistics.student import student

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Floats = NDArray[numpy.float64]


class Teams(NamedTuple):
    """Teams of one size that answered the same questions.

    Attributes:
        scores: A row per team, a column per question.
        possible: How many different teams of this kind there are; those here are a random part of them, or all.
    """

    scores: Floats
    possible: int


class Questions(NamedTuple):
    """Of every question (column): its cluster, empty if it stands alone, and its task."""

    clusters: Sequence[str]
    tasks: Sequence[str]


def combined(parts: Sequence[tuple[float, Teams]], questions: Questions, *, seed: int | str) -> Difference:
    """A weighted sum of means, such as a difference (1 and -1) or a slope, over all possible teams and such questions.

    Each side of the interval is sqrt(q^2 + t^2 s^2) wide (Zou and Donner 2008, Stat. Med. 27:1693): q is that side of the bootstrap
    interval over questions; s^2 the sum over the parts of weight^2 (1 - drawn/possible) variance of the team means / drawn; t the
    quantile for the degrees of freedom of s^2. The interaction of teams and questions is in both, so the interval is a little
    wider than needed.

    Args:
        parts: Weight and teams. Of a part with one team out of several nothing is known about other teams: the interval is for other questions alone.
        questions: The columns.
        seed: Equal seeds give equal intervals.
    """
    import numpy as np

    if not len(questions.tasks):
        return Difference(0.0, -1.0, 1.0)
    values = np.sum([w * t.scores.mean(axis=0) for w, t in parts], axis=0)
    drawn = bootstrap(units([round(float(v), 12) for v in values], questions.clusters, questions.tasks), seed=seed)
    return _widened(
        drawn, [(w * w * _variance(t.scores.mean(axis=1), t.possible), len(t.scores) - 1) for w, t in parts]
    )


def ratio(hits: Floats, chances: Floats, possible: int, questions: Questions, *, seed: int | str) -> Difference:
    """Hits over chances, summed over teams and questions, with the interval of `combined`: chances differ between teams.

    Args:
        hits: A row per team, a column per question; between minus and plus the chances.
        chances: Whole numbers, likewise.
        possible: How many different teams there are.
        questions: The columns.
        seed: Equal seeds give equal intervals.

    Returns:
        Without a chance nothing is known: 0 within -1 to 1.
    """
    total = float(chances.sum())
    if not total:
        return Difference(0.0, -1.0, 1.0)
    joined: dict[tuple[str, str | int], list[float]] = {}
    for i, (h, c) in enumerate(zip(hits.sum(axis=0), chances.sum(axis=0), strict=True)):
        if c:
            both = joined.setdefault((questions.tasks[i], questions.clusters[i] or i), [0.0, 0.0])
            both[0], both[1] = both[0] + float(h), both[1] + float(c)
    number = {task: i for i, task in enumerate(sorted({task for task, _ in joined}))}
    parts = sorted(Unit(round(h, 12), round(c), number[task]) for (task, _), (h, c) in joined.items())
    drawn = bootstrap(parts, seed=seed)
    rest = (hits.sum(axis=1) - drawn.mean * chances.sum(axis=1)) * len(hits) / total
    return _widened(drawn, [(_variance(rest, possible), len(hits) - 1)])


def _widened(drawn: Bootstrap, spread: Sequence[tuple[float, int]]) -> Difference:
    """The interval over questions, widened for teams: their variances with degrees of freedom."""
    low, high = drawn.interval()
    known = [(v, d) for v, d in spread if v > 0]
    between = sum(v for v, _ in known)
    if between > 0:
        degrees = between**2 / sum(v * v / d for v, d in known)
        between *= student(NormalDist().inv_cdf(0.975), degrees) ** 2
    below, above = (math.sqrt(side**2 + between) for side in (drawn.mean - low, high - drawn.mean))
    return Difference(drawn.mean, drawn.mean - below, drawn.mean + above)


def share(teams: Teams, questions: Questions, *, seed: int | str) -> Difference:
    """The mean score of teams, 0 to 1. Computed as right minus wrong, which treats shares near 0 and near 1 alike."""
    return _of_one(combined([(1.0, Teams(2 * teams.scores - 1, teams.possible))], questions, seed=seed))


def rate(hits: Floats, chances: Floats, possible: int, questions: Questions, *, seed: int | str) -> Difference:
    """`ratio` of hits that lie between 0 and the chances, likewise; without a chance 0 within 0 to 1."""
    if not chances.sum():
        return Difference(0.0, 0.0, 1.0)
    return _of_one(ratio(2 * hits - chances, chances, possible, questions, seed=seed))


def slope(parts: Sequence[tuple[float, Teams]], questions: Questions, *, seed: int | str) -> Difference:
    """Least squares slope of the means over x; every x counts the same.

    Args:
        parts: x and teams, at two or more different x.
        questions: The columns.
        seed: As above.
    """
    middle = sum(x for x, _ in parts) / len(parts)
    spread = sum((x - middle) ** 2 for x, _ in parts)
    return combined([((x - middle) / spread, t) for x, t in parts], questions, seed=seed)


def _of_one(d: Difference) -> Difference:
    return Difference((d.mean + 1) / 2, max(0.0, (d.low + 1) / 2), min(1.0, (d.high + 1) / 2))


def _variance(means: Floats, possible: int) -> float:
    """Of the mean over the teams drawn, as an estimate of that over all possible ones; 0 for a team alone."""
    drawn = len(means)
    return float(means.var(ddof=1)) / drawn * max(0.0, 1 - drawn / possible) if drawn > 1 else 0.0
