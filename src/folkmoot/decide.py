"""Decisions: pure functions from what was said to an answer. Abstentions never vote; ties have a rule."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Mapping, Sequence

from folkmoot.answers import AnswerType
from folkmoot.discussion import Decision, Turn


def plurality(
    turns: Sequence[Turn], kind: AnswerType, *, weights: Mapping[str, float] | None = None, quorum: int = 1
) -> Decision:
    """The answer with most votes, or most weight (majority vote: arXiv 2203.11171).

    Turns without an answer abstain. Equal answers are counted together whatever their form (18 and 18.0). A tie goes to
    the answer that was given first, in the order of the turns: that is the order of the team.

    Args:
        turns: One for each vote.
        kind: How answers are compared.
        weights: Weight of each speaker's vote; who is not named weighs 1. Negative weights count as 0.
        quorum: Fewest valid votes with which the question can be decided.
    """
    by = "weighted vote" if weights else "vote"
    votes = [t for t in turns if t.answer is not None]
    if len(votes) < quorum or not votes:
        return Decision(None, by, why=_no_quorum(turns, len(votes), max(quorum, 1)))
    tally: dict[str, float] = {}
    form: dict[str, str] = {}
    for t, key in zip(votes, ballots([t.answer or "" for t in votes], kind), strict=True):
        form.setdefault(key, t.answer or "")
        tally[key] = tally.get(key, 0.0) + max(0.0, (weights or {}).get(t.speaker, 1.0))
    ranked = sorted(tally, key=lambda k: -tally[k])  # stable: first given stays first
    best = ranked[0]
    level = [k for k in ranked if tally[k] == tally[best]]
    why = f"{tally[best]:g} of {sum(tally.values()):g}"
    if len(level) > 1:
        why += f", a tie of {len(level)}; the answer given first wins"
    return Decision(form[best], by, tuple((form[k], tally[k]) for k in ranked), why)


def _no_quorum(turns: Sequence[Turn], valid: int, quorum: int) -> str:
    failed = [t for t in turns if t.error]
    why = f"{valid} valid answers of {len(turns)}, {quorum} needed"
    return f"{why}; {failed[0].speaker}: {failed[0].error}" if failed else why


def candidates(turns: Sequence[Turn], kind: AnswerType) -> list[Turn]:
    """The turns to choose between: one for each different answer, the first that gave it."""
    given = [t for t in turns if t.answer is not None]
    first: dict[str, Turn] = {}
    for t, key in zip(given, ballots([t.answer or "" for t in given], kind), strict=True):
        first.setdefault(key, t)
    return list(first.values())


def ballots(answers: Sequence[str], kind: AnswerType) -> list[str]:
    """A key for each answer: equal keys are votes for the same.

    That is the canonical form; mathematical expressions that are equal only after some algebra take the key of the first of
    them, which may take a worker process some milliseconds a pair.
    """
    keys = [kind.canonical(a) for a in answers]
    if kind.kind != "math":
        return keys
    first: dict[str, str] = {}  # canonical form to the canonical form it is counted under
    for key in keys:
        first.setdefault(key, next((k for k in dict.fromkeys(first.values()) if kind.same(k, key)), key))
    return [first[k] for k in keys]


def orders(n: int, mode: str, seed: int, shuffles: int = 3) -> list[list[int]]:
    """The orders in which a judge is shown n candidates.

    Args:
        n: Number of candidates.
        mode: ``both`` (as given and reversed) or ``shuffled``.
        seed: Of the shuffling; a question always gets the same orders.
        shuffles: How many shuffled orders, at least 2, at most all there are. For two candidates there are only two.
    """
    if mode == "both" or n <= 2:
        return [list(range(n)), list(range(n))[::-1]]
    rng = random.Random(seed)  # noqa: S311 - no secret
    seen: list[list[int]] = []
    while len(seen) < min(max(2, shuffles), math.factorial(n)):
        order = rng.sample(range(n), n)
        if order not in seen:
            seen.append(order)
    return seen


def settled(picks: Sequence[int | None]) -> int | None:
    """The candidate that a judge picked in more than half of the orders; None is a tie.

    Two orders must agree: what wins only in one of two positions wins by its position. An unread verdict is no pick.
    """
    counted = Counter(p for p in picks if p is not None)
    if not counted:
        return None
    best, times = counted.most_common(1)[0]
    return best if 2 * times > len(picks) else None
