"""What each contributor adds to a team, with its interval: leave-one-out and Shapley values."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Literal

from folkmoot.evaluation.contrast import Key
from folkmoot.evaluation.statistics import Difference, bootstrap, holm, sign_flip, units
from folkmoot.evaluation.statistics.student import student
from folkmoot.evaluation.worth.game import Game

Group = Literal["all", "own", "rest"]
"""all: every question. own: those of the contributor's own priority test set. rest: all others."""
Measure = Literal["leave-one-out", "shapley"]
_Z = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True, slots=True)
class Effect:
    """A mean over questions, with what may be said about it.

    Attributes:
        contributor: Whose.
        group: On which questions.
        n: How many.
        units: Independent units among them: clusters, questions where there are none.
        value: The mean, -1 to 1, with its 95 % interval: BCa, questions resampled (clusters as a whole, tasks apart).
        p: Two-sided, of the true mean being 0: sign flips of the units.
        adjusted: p after Holm's correction over the contributors.
        sampling: Standard error from sampling permutations; it is in the interval and in p. 0 where nothing was sampled.
    """

    contributor: str
    group: Group
    n: int
    units: int
    value: Difference
    p: float
    adjusted: float
    sampling: float = 0.0


def leave_one_out(
    game: Game, own: Mapping[str, str] = {}, *, clusters: Mapping[Key, str] = {}, seed: int | str = 0
) -> list[Effect]:
    """The score of the whole team less that of the team without the contributor.

    Args:
        game: From `game.game`.
        own: The priority task of each contributor that has one.
        clusters: The cluster of each question that is in one.
        seed: Equal seeds give equal figures.
    """
    return _effects(game, "leave-one-out", own, clusters, seed)


def shapley(
    game: Game, own: Mapping[str, str] = {}, *, clusters: Mapping[Key, str] = {}, seed: int | str = 0
) -> list[Effect]:
    """The Shapley value of each contributor; arguments as for `leave_one_out`."""
    return _effects(game, "shapley", own, clusters, seed)


def corrected(effects: Iterable[Effect]) -> list[Effect]:
    """With Holm's correction inside each group of questions: the contributors are the family."""
    found = list(effects)
    for group in dict.fromkeys(e.group for e in found):
        at = [i for i, e in enumerate(found) if e.group == group]
        for i, p in zip(at, holm([found[i].p for i in at]), strict=True):
            found[i] = replace(found[i], adjusted=p)
    return found


def effect(
    contributor: str,
    group: Group,
    values: Sequence[float],
    keys: Sequence[Key],
    *,
    clusters: Mapping[Key, str] = {},
    seed: int | str = 0,
    sampling: float = 0.0,
) -> Effect:
    """The mean of a value per question.

    Args:
        contributor: For the record.
        group: For the record.
        values: -1 to 1, one for each question.
        keys: The questions.
        clusters: The cluster of each question that is in one.
        seed: Equal seeds give equal figures.
        sampling: Standard error that the values have in common, such as that of sampled permutations.
    """
    if not keys:
        return Effect(contributor, group, 0, 0, Difference(0.0, -1.0, 1.0), 1.0, 1.0, sampling)
    parts = units([float(v) for v in values], [clusters.get(k, "") for k in keys], [task for task, _ in keys])
    drawn = bootstrap(parts, seed=seed)
    low, high = drawn.interval()
    p = sign_flip([u.total for u in parts], seed=seed)
    if sampling > 0:
        reach = _Z * sampling
        spread = math.hypot((high - low) / 2 / _Z, sampling)
        low, high = drawn.mean - math.hypot(drawn.mean - low, reach), drawn.mean + math.hypot(high - drawn.mean, reach)
        p = max(p, 2 * NormalDist().cdf(-abs(drawn.mean) / spread))
    value = Difference(drawn.mean, max(low, -1.0), min(high, 1.0))
    return Effect(contributor, group, len(keys), len(parts), value, p, p, sampling)


def _effects(
    game: Game, measure: Measure, own: Mapping[str, str], clusters: Mapping[Key, str], seed: int | str
) -> list[Effect]:
    table = game.shapley if measure == "shapley" else game.leave_one_out
    found = []
    for i, name in enumerate(game.players):
        for group, inside in _groups(own.get(name)):
            at = [j for j, (task, _) in enumerate(game.keys) if inside(task)]
            error = 0.0
            if at and measure == "shapley" and game.orders:
                # t in place of normal quantiles: the error is estimated from a few pairs of permutations
                wider = student(_Z, len(game.orders) // 2 - 1) / _Z
                error = wider * float(game.sampling_error(at)[i])
            found.append(
                effect(
                    name,
                    group,
                    [float(table[i, j]) for j in at],
                    [game.keys[j] for j in at],
                    clusters=clusters,
                    seed=f"{measure} {group} {seed}",
                    sampling=error,
                )
            )
    return corrected(found)


def _groups(task: str | None) -> Iterable[tuple[Group, Callable[[str], bool]]]:
    yield "all", lambda _: True
    if task is not None:
        yield "own", lambda t: t == task
        yield "rest", lambda t: t != task
