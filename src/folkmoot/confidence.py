"""How sure the members are: pure functions from samples to the surest member, after SLM-MUX (arXiv 2510.05077)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from folkmoot.answers import AnswerType
from folkmoot.decide import ballots
from folkmoot.discussion import Decision, Turn, speakers

Calibration = Mapping[str, Sequence[float]]
"""Slope and intercept of the logistic curve from confidence to the chance of being right, for each member by name."""
NEVER = (0.0, -10.0)
"""The curve of a member that gave no answer on dev."""
EVEN = (0.0, 0.0)
"""The curve of a member of whose answers on dev none could be marked."""
_ROUND = 9
"""Decimals to which confidences count as equal."""


@dataclass(frozen=True, slots=True)
class Belief:
    """What a member holds to be right, and how sure it is.

    Attributes:
        member: Its name.
        turn: The first of its samples with the answer that it gave most often (of equals the one given first).
        key: Canonical form of that answer.
        votes: How many of its samples have it.
        samples: How many it was asked for: those without an answer, or that failed, count too.
        confidence: 0 to 1: the share of `votes`, or a likelihood in its place.
    """

    member: str
    turn: Turn
    key: str
    votes: int
    samples: int
    confidence: float


def beliefs(turns: Sequence[Turn], kind: AnswerType, by: str = "agreement") -> list[Belief]:
    """The belief of every member that gave an answer, in the order of speaking.

    By likelihood, members are as sure as their turns of role ``confidence`` say; without rivals there are none, and all are
    sure. Of whom the call failed is taken to be as sure as one that picks blindly.

    Args:
        turns: All samples of all members, and what they said of their confidence.
        kind: How answers are compared.
        by: ``agreement`` or ``likelihood``.
    """
    given = [t for t in turns if t.role == "answer" and t.answer is not None]
    keys = dict(zip(map(id, given), ballots([t.answer or "" for t in given], kind), strict=True))
    found = []
    for name in speakers(turns):
        own = [t for t in turns if t.role == "answer" and t.speaker == name]
        tally: dict[str, list[Turn]] = {}
        for t in own:
            if id(t) in keys:
                tally.setdefault(keys[id(t)], []).append(t)
        if tally:
            key, votes = max(tally.items(), key=lambda entry: len(entry[1]))  # of equals the first
            found.append(Belief(name, votes[0], key, len(votes), len(own), len(votes) / len(own)))
    if by == "agreement":
        return found
    blind = 1 / max(1, len(rivals(found)))
    said = {t.speaker: blind if t.error else float(t.text.split(" ", 1)[0]) for t in turns if t.role == "confidence"}
    return [replace(b, confidence=said.get(b.member, 1.0)) for b in found]


def spoken(turns: Sequence[Turn]) -> set[str]:
    """The members who said how sure they are: by likelihood, a confidence of anybody else is made up, see `beliefs`."""
    return {t.speaker for t in turns if t.role == "confidence" and t.error is None}


def stated(turn: Turn, p: float, answer: str) -> Turn:
    """A turn of role ``confidence`` in the form that `beliefs` reads: the likelihood of the member's own answer comes first."""
    return replace(turn, text=f"{p:.6f} of {turn.text}", answer=answer)


def rivals(held: Sequence[Belief]) -> dict[str, str]:
    """The different answers that members hold, by their canonical form, each as it was given first."""
    found: dict[str, str] = {}
    for b in held:
        found.setdefault(b.key, b.turn.answer or "")
    return found


def chance(confidence: float, curve: Sequence[float]) -> float:
    """The chance of being right at a confidence, by a fitted curve.

    >>> round(chance(0.8, (5.0, -3.0)), 3)
    0.731
    """
    slope, intercept = curve
    return _logistic(slope * confidence + intercept)


def surest(
    held: Sequence[Belief], calibration: Calibration | None = None, accuracy: Mapping[str, float] | None = None
) -> Decision:
    """The answer of the surest member; ties go to the one that was more often right on dev, then to the first.

    Args:
        held: From `beliefs`; with likelihoods in their place if these are to count.
        calibration: Turns confidences into chances of being right, so that members can be compared who are sure in
            different ways.
        accuracy: Share of right answers on dev; 0 for who is not named.
    """
    if not held:
        return Decision(None, "confidence", why="no member gave an answer")
    sure = [round(chance(b.confidence, calibration[b.member]) if calibration else b.confidence, _ROUND) for b in held]
    known = accuracy or {}
    ranked = sorted(range(len(held)), key=lambda i: (-sure[i], -known.get(held[i].member, 0.0)))
    best = held[ranked[0]]
    tally: dict[str, tuple[str, float]] = {}
    for i in ranked:
        tally.setdefault(held[i].key, (held[i].turn.answer or "", sure[i]))
    return Decision(
        best.turn.answer,
        "confidence",
        tuple(tally.values()),
        _why(held, sure, ranked, calibration, known),
        best.member,
    )


def _why(
    held: Sequence[Belief],
    sure: Sequence[float],
    ranked: Sequence[int],
    calibration: Calibration | None,
    accuracy: Mapping[str, float],
) -> str:
    best, first = held[ranked[0]], sure[ranked[0]]
    why = f"{best.member} is surest: {first:.2f}, {best.votes} of {best.samples} samples agree"
    if calibration:
        why += f", confidence {best.confidence:.2f} before calibration"
    level = [i for i in ranked[1:] if sure[i] == first]
    if level:
        ahead = all(accuracy.get(held[i].member, 0.0) < accuracy.get(best.member, 0.0) for i in level)
        why += f"; level with {held[level[0]].member}, " + ("but more often right on dev" if ahead else "but earlier")
    elif len(ranked) > 1:
        why += f"; next is {held[ranked[1]].member} with {sure[ranked[1]]:.2f}"
    return why


def fit(confidences: Sequence[float], right: Sequence[bool]) -> tuple[float, float]:
    """Fit the logistic curve from confidence to the chance of being right (Platt 1999), which never falls.

    Targets are drawn in from 0 and 1 by one made-up case each, as Platt has it, so that a handful of cases that all went one
    way does not promise certainty. Where more confidence went with less success, the curve is flat.

    Args:
        confidences: 0 to 1, one for each dev question that the member answered.
        right: Whether its answer was right.

    Returns:
        Slope, 0 or more, and intercept.

    Raises:
        ValueError: No cases, or not one outcome for each.
    """
    n, wins = len(confidences), sum(right)
    if not n or len(right) != n:
        raise ValueError(f"{n} confidences and {len(right)} outcomes: give one outcome for each, and at least one")
    targets = [(wins + 1) / (wins + 2) if r else 1 / (n - wins + 2) for r in right]
    level = sum(targets) / n
    flat = math.log(level / (1 - level))
    slope, intercept = _newton(confidences, targets, flat)
    return (round(slope, 6), round(intercept, 6)) if slope > 1e-6 else (0.0, round(flat, 6))


def _newton(x: Sequence[float], targets: Sequence[float], start: float, steps: int = 100) -> tuple[float, float]:
    """The curve of least cross-entropy, by Newton's method with a ridge too small to matter, and steps halved as needed."""
    ridge, a, b = 1e-3, 0.0, start

    def loss(a: float, b: float) -> float:
        z = [a * v + b for v in x]
        return sum(max(u, 0) - u * t + math.log1p(math.exp(-abs(u))) for u, t in zip(z, targets, strict=True)) + (
            ridge * a * a / 2
        )

    for _ in range(steps):
        p = [_logistic(a * v + b) for v in x]
        ga = sum((q - t) * v for q, t, v in zip(p, targets, x, strict=True)) + ridge * a
        gb = sum(q - t for q, t in zip(p, targets, strict=True))
        w = [max(q * (1 - q), 1e-12) for q in p]
        haa, hab, hbb = (
            sum(u * v * v for u, v in zip(w, x, strict=True)) + ridge,
            sum(u * v for u, v in zip(w, x, strict=True)),
            sum(w),
        )
        det = haa * hbb - hab * hab
        da, db = (hbb * ga - hab * gb) / det, (haa * gb - hab * ga) / det
        now, step = loss(a, b), 1.0
        while step > 1e-9 and loss(a - step * da, b - step * db) > now:
            step /= 2
        a, b = a - step * da, b - step * db
        if abs(step * da) + abs(step * db) < 1e-10:
            break
    return a, b


def _logistic(z: float) -> float:
    return 1 / (1 + math.exp(-z)) if z >= 0 else math.exp(z) / (1 + math.exp(z))
