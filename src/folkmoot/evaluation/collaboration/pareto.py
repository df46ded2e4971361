"""Accuracy against cost: which systems nobody beats on both, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean
from typing import TYPE_CHECKING, Any, NamedTuple

from folkmoot.evaluation.collaboration.figures import Point
from folkmoot.evaluation.collaboration.resampling import resampled_sums
from folkmoot.evaluation.collaboration.tally import interval, names
from folkmoot.evaluation.contrast import Key
from folkmoot.evaluation.statistics import Interval, bootstrap, units

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Spent(NamedTuple):
    """What one item gave and cost, the mean of its draws."""

    score: float
    tokens: float
    seconds: float
    money: float | None


def points(
    systems: Mapping[str, Mapping[Key, Spent]],
    *,
    clusters: Mapping[Key, str] = {},
    seed: int = 0,
    resamples: int = 2000,
) -> tuple[Point, ...]:
    """Every system in the plane of accuracy and tokens.

    A system is on the front if no other is at least as accurate and at least as cheap, and better in one of the two. All
    systems are resampled with the same items: what is luck with the items for all of them moves nobody off the front. Each
    system is taken on the items that it finished: while a run is unfinished, these may not be the same.

    Args:
        systems: What every item gave and cost, for each system. Systems without items are left out.
        clusters: Items to resample together.
        seed: Of the bootstrap.
        resamples: How many.
    """
    import numpy as np

    systems = {name: items for name, items in systems.items() if items}
    if not systems:
        return ()
    items = sorted(set().union(*systems.values()))
    row = {item: i for i, item in enumerate(items)}
    # For every system: how many items, the sum of their scores, the sum of their tokens
    columns = np.zeros((len(items), 3, len(systems)))
    for s, spent in enumerate(systems.values()):
        at = [row[item] for item in spent]
        columns[at, 0, s] = 1
        columns[at, 1, s] = [x.score for x in spent.values()]
        columns[at, 2, s] = [x.tokens for x in spent.values()]
    sums = resampled_sums(
        items, columns.reshape(len(items), -1), clusters, seed=seed, name="pareto", resamples=resamples
    ).reshape(resamples, 3, len(systems))
    n, score, tokens = columns.sum(axis=0)
    with np.errstate(invalid="ignore"):  # a resample may hold no item of a system: NaN, which is on no front
        drawn_score, drawn_tokens = sums[:, 1] / sums[:, 0], sums[:, 2] / sums[:, 0]
    now = front((score / n)[None], (tokens / n)[None])[0]
    stays = front(drawn_score, drawn_tokens).mean(axis=0)
    return tuple(
        Point(
            system=name,
            accuracy=float(score[s] / n[s]),
            interval=interval({item: x.score for item, x in spent.items()}, clusters),
            tokens=float(tokens[s] / n[s]),
            tokens_interval=_interval(
                {item: x.tokens for item, x in spent.items()}, clusters, f"tokens of {name} {seed}"
            ),
            seconds=fmean(x.seconds for x in spent.values()),
            money=_mean([x.money for x in spent.values()]),
            on_front=bool(now[s]),
            stays=float(stays[s]),
        )
        for s, (name, spent) in enumerate(systems.items())
    )


def front(accuracy: NDArray[Any], tokens: NDArray[Any]) -> NDArray[Any]:
    """Which systems are on the Pareto front, row by row; NaN never is, and keeps nobody off it.

    Args:
        accuracy: A column for each system; more is better.
        tokens: Likewise; fewer are better.
    """
    import numpy as np

    # Sums in another order differ in the last digit; what is equal must look equal
    a, t = np.round(accuracy, 9), np.round(tokens, 6)
    on = ~np.isnan(a)
    for s in range(a.shape[1]):
        a_, t_ = a[:, s : s + 1], t[:, s : s + 1]
        on[:, s] &= ~((a >= a_) & (t <= t_) & ((a > a_) | (t < t_))).any(axis=1)
    return on


def _interval(values: Mapping[Key, float], clusters: Mapping[Key, str], seed: str) -> Interval:
    items = sorted(values)
    parts = units([values[i] for i in items], names(items, clusters), [task for task, _ in items])
    if len(parts) < 2:  # nothing is known of their spread
        return Interval(values[items[0]], values[items[0]])
    return bootstrap(parts, seed=seed, guarded=False).interval()


def _mean(values: list[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return fmean(known) if len(known) == len(values) else None
