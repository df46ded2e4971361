"""A team under a budget from what its members got right on dev: a floor, then complementarity."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Literal

from folkmoot.evaluation.statistics import mcnemar
from folkmoot.experiment.outcomes import Outcomes

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Floats = NDArray[numpy.float64]
    Numbers = NDArray[numpy.int64]
    Bools = NDArray[numpy.bool_]

By = Literal["routed", "vote", "coverage"]
LEVEL = 0.1
"""One-sided level of the floor: to be let in takes less evidence than to be called better."""
_EXACT = 3000
_WORK = 30_000_000


@dataclass(frozen=True, slots=True)
class Budget:
    """At most so many members, and so many tokens per question for one draft of each."""

    members: int | None = None
    tokens: float | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether a member passes the floor, and by which task."""

    member: str
    score: float
    passes: bool
    why: str


def floor(o: Outcomes, use: Numbers | None = None) -> list[Standing]:
    """Who is better than guessing, and than the base model alone, on something.

    A member stays if on at least one task it gets more right than chance (exact binomial test; open answers have no chance level, so
    one right answer is enough) and, where its base model was run alone, more than that (exact McNemar), both one-sided. Of all
    who know nothing no more than 10 % stay, however many tasks there are: each p is multiplied by the number of tasks on which it
    could have come about by luck (Bonferroni).

    Args:
        o: The outcomes.
        use: Columns to look at; all if left out.
    """
    import numpy as np

    at = np.arange(o.scores.shape[1]) if use is None else use
    found = []
    for i, name in enumerate(o.members):
        seen: list[tuple[float, float, str]] = []  # p against guessing, p against both, task
        lucky = 0
        for t, task in enumerate(o.names):
            here = at[o.tasks[at] == t]
            if not len(here):
                continue
            chance = float(o.chance[here].mean())
            lucky += bool(chance) or name in o.base
            ours = o.scores[i, here] > 0.5
            guess = _upper(int(ours.sum()), len(here), chance)
            seen.append((guess, max(guess, _over(ours, o.base[name][here] > 0.5)) if name in o.base else guess, task))
        level = LEVEL / max(1, lucky)
        _, best, task = min(seen, key=lambda s: s[1], default=(1.0, 1.0, ""))
        if best <= level:
            why = f"better than {'its base alone' if name in o.base else 'guessing'} on {task}"
        else:
            able = name in o.base and any(guess <= level for guess, _, _ in seen)
            why = f"not better than {'its base model alone' if able else 'guessing'}"
        found.append(Standing(name, float(o.scores[i, at].mean()), bool(best <= level), why))
    return found


def looks_best(o: Outcomes, budget: Budget, use: Numbers) -> int:
    """The member with the highest mean score that the budget allows; of equals the first."""
    import numpy as np

    means = o.scores[:, use].mean(axis=1)
    if budget.tokens is not None and (o.tokens <= budget.tokens).any():
        means = np.where(o.tokens <= budget.tokens, means, -1.0)
    return int(means.argmax())


def select(o: Outcomes, by: By, budget: Budget, use: Numbers | None = None) -> tuple[int, ...]:
    """The team with the best value on dev under a budget; of equal ones the smallest, then the cheapest, then the first.

    All teams are looked at where there are few; else members are added greedily, each time the one that adds most.

    Args:
        o: The outcomes.
        by: What a team is worth, see `worth`.
        budget: What it may take.
        use: Columns to look at; all if left out.

    Returns:
        Members as numbers, in the order of the team; nobody if nobody passes the floor or fits the budget.
    """
    import numpy as np

    at = np.arange(o.scores.shape[1]) if use is None else use
    able = [
        i for i, s in enumerate(floor(o, at)) if s.passes and (budget.tokens is None or o.tokens[i] <= budget.tokens)
    ]
    most = min(len(able), budget.members or len(able))
    many = sum(math.comb(len(able), k) for k in range(1, most + 1))
    work = many * len(at) * (1 if by == "routed" else most)
    if many <= _EXACT and work <= _WORK:
        teams = [t for k in range(1, most + 1) for t in combinations(able, k) if _affordable(o, t, budget)]
        return _best(o, by, teams, at)
    team: tuple[int, ...] = ()
    while len(team) < most:
        more = [tuple(sorted((*team, i))) for i in able if i not in team]
        more = [t for t in more if _affordable(o, t, budget)]
        if not more:
            break
        better = _best(o, by, more, at)
        if team and worth(o, by, better, at, at).mean() <= worth(o, by, team, at, at).mean() + 1e-12:
            break
        team = better
    return team


def worth(o: Outcomes, by: By, team: Sequence[int], learn: Numbers, on: Numbers) -> Floats:
    """What a team gets on every question of `on`.

    routed: the score of the member that was best of the team on the task of the question, by `learn`: what a router gets that
    knows whose field a question is in. vote: the score of the most frequent answer, ties to the first. coverage: some member is
    right: the ceiling of any choice among the answers, which also counts lucky guesses.

    Args:
        o: The outcomes.
        by: Which of these.
        team: Members.
        learn: Columns from which the router knows who is good at what.
        on: Columns to judge.
    """
    import numpy as np

    rows = np.array(team)
    if by == "coverage":
        return np.asarray(o.scores[np.ix_(rows, on)].max(axis=0))
    if by == "vote":
        forms, scores = o.forms[np.ix_(rows, on)], o.scores[np.ix_(rows, on)]
        votes = np.array([((forms == f) & (f >= 0)).sum(axis=0) for f in forms])
        first = votes.argmax(axis=0)
        return np.where(votes.max(axis=0) > 0, np.take_along_axis(scores, first[None, :], 0)[0], 0.0)
    means = by_task(o, learn)[rows]
    return np.asarray(o.scores[rows[means.argmax(axis=0)][o.tasks[on]], on])


def by_task(o: Outcomes, use: Numbers) -> Floats:
    """Mean score of every member on every task; where a task has no question, the mean over all."""
    import numpy as np

    means = np.repeat(o.scores[:, use].mean(axis=1, keepdims=True), len(o.names), axis=1)
    for t in range(len(o.names)):
        here = use[o.tasks[use] == t]
        if len(here):
            means[:, t] = o.scores[:, here].mean(axis=1)
    return np.asarray(means)


def _best(o: Outcomes, by: By, teams: Sequence[tuple[int, ...]], at: Numbers) -> tuple[int, ...]:
    import numpy as np

    if not teams:
        return ()
    if by == "routed":  # as `worth`, but the sum over the tasks is all that is needed
        sums = by_task(o, at) * np.bincount(o.tasks[at], minlength=len(o.names))
        values = [float(sums[list(t)].max(axis=0).sum()) / len(at) for t in teams]
    else:
        values = [float(worth(o, by, t, at, at).mean()) for t in teams]
    order = [
        (-round(v, 12), len(t), round(float(o.tokens[list(t)].sum()), 6), t) for v, t in zip(values, teams, strict=True)
    ]
    return min(order)[3]


def _affordable(o: Outcomes, team: Sequence[int], budget: Budget) -> bool:
    return budget.tokens is None or float(o.tokens[list(team)].sum()) <= budget.tokens


def _over(ours: Bools, theirs: Bools) -> float:
    """One-sided p of being right more often than another on the same questions (exact McNemar)."""
    ahead = int((ours & ~theirs).sum()) > int((theirs & ~ours).sum())
    return mcnemar(list(ours), list(theirs)) / 2 if ahead else 1.0


def _upper(right: int, n: int, chance: float) -> float:
    """P of so many right answers or more by guessing. In logarithms: of a thousand questions the terms leave the floats."""
    if not right or not chance:
        return 0.0 if right else 1.0
    if chance >= 1:
        return 1.0
    odds = math.log(chance) - math.log1p(-chance)
    start = math.lgamma(n + 1) - math.lgamma(right + 1) - math.lgamma(n - right + 1)
    terms = [start + right * math.log(chance) + (n - right) * math.log1p(-chance)]
    for k in range(right, n):
        terms.append(terms[-1] + math.log((n - k) / (k + 1)) + odds)
    top = max(terms)
    return min(1.0, math.exp(top) * math.fsum(math.exp(t - top) for t in terms))
