"""Replies to open questions, compared by a judge: anonymously, in both orders, with its unsteadiness counted.

Judges prefer the place in which a reply stands, and longer replies (arXiv 2306.05685, 2404.04475). So every pair is shown in
both orders, a verdict that changes with the order is half a point for each side, and lengths are recorded beside it.
"""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, permutations
from statistics import fmean

from folkmoot.answers import AnswerType
from folkmoot.discussion import Ask, Discussion, Turn
from folkmoot.engines.contract import EngineError, PromptTooLong
from folkmoot.evaluation.item import Item
from folkmoot.evaluation.judgement import Judgement
from folkmoot.evaluation.statistics import Interval, wilson
from folkmoot.nodes import take_turn
from folkmoot.participant import Participant
from folkmoot.prompts import numbered, render
from folkmoot.views import fence, spoken

TEMPLATE = "judge/compare"
_WHICH = AnswerType("choice", ("Reply 1", "Reply 2"), ("1", "2"))
_NAMED = re.compile(r"\breply\s+(?=[12]\b)", re.I)


async def judge(
    item: Item, reply: str, against: str, by: Participant, *, reference: str, prompts: str | None = None, seed: int = 0
) -> Judgement:
    """Have one judge compare a reply with that of the reference system, in both orders.

    Nobody is asked where there is nothing to judge: replies that are the same word for word are level, and an empty reply
    loses. Engines that can, say how likely "1" and "2" are; of others a verdict is read, and one that cannot be read stays
    unread. Replies that do not fit the judge's window together are cut to the same length, their ends kept.

    Args:
        item: The request.
        reply: What is judged.
        against: The reference system's reply.
        by: The judge.
        reference: Name of the reference system.
        prompts: A user's prompts folder.
        seed: Makes the verdict repeatable, where the engine can.

    Raises:
        EngineError: The judge failed; that is no verdict.
        Missing: What the judge's engine needs is not there.
        BadInput: The template cannot be used.
    """
    ours, theirs = spoken(reply), spoken(against)
    words, words_against = len(ours.split()), len(theirs.split())
    first: float | None
    second: float | None
    if ours.split() == theirs.split():
        first = second = 0.5
    elif not ours or not theirs:
        first = second = float(bool(ours))
    else:
        picks = await asyncio.gather(
            _pick(item, (ours, theirs), by, prompts, seed, 0), _pick(item, (theirs, ours), by, prompts, seed, 1)
        )
        first, second = (None if p is None else float(p == label) for p, label in zip(picks, ("1", "2"), strict=True))
    return Judgement(by.name, reference, first, second, words, words_against)


async def _pick(
    item: Item, shown: tuple[str, str], by: Participant, prompts: str | None, seed: int, order: int
) -> str | None:
    """The number of the reply that a judge prefers in one order, or None if it cannot be told."""
    d: Discussion = {"question": fence(item.question, "Request"), "answer_type": _WHICH}
    seen = [Turn(f"{n}", text=text) for n, text in enumerate(shown, 1)]
    try:
        text = render(TEMPLATE, d, by, seen, mark=numbered("Reply"), folder=prompts)
    except PromptTooLong:
        return None
    prompt = by.messages(text)
    if not by.engine.capabilities.choose:
        said = await take_turn(by, Ask(prompt, _WHICH, "judge", 0, None, order, seed), None)
        if said.error is not None and said.finish != "limit":
            raise EngineError(said.error)
        return _WHICH.extract(_NAMED.sub("option ", spoken(said.text)), cut=said.finish == "length")
    try:
        one, two = (await by.choose(prompt, ("1", "2"))).probabilities
    except PromptTooLong:
        return None
    return None if one == two else "1" if one > two else "2"


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far the verdicts of judges can be trusted.

    Attributes:
        asked: Comparisons that were put to a judge, in both orders; those that needed no judge are not counted here or below.
        read: Share of them whose verdicts could be read in both orders.
        flips: Share of those read whose verdict changed with the order, with Wilson's 95 % interval.
        flip_interval: The interval.
        pairs: Pairs of judges that judged the same reply and could both be read.
        raw: Share of these pairs with the same verdict (better, worse, level); None without pairs.
        alpha: Krippendorff's alpha of the same verdicts: 1 agreement, 0 no more than chance; None without pairs or where
            all verdicts are the same, so that chance explains all.
        decided: Comparisons that were won in both orders, by replies of different lengths.
        longer: Share of these that the longer reply won, with its interval; None if there are none.
        longer_interval: The interval.
        words: Mean length of the replies that were judged.
        words_against: Mean length of the replies they were compared with.
    """

    asked: int
    read: float
    flips: float
    flip_interval: Interval
    pairs: int
    raw: float | None
    alpha: float | None
    decided: int
    longer: float | None
    longer_interval: Interval
    words: float
    words_against: float


def agreement(judgements: Sequence[Sequence[Judgement]]) -> Agreement:
    """What the verdicts say about the judges.

    Args:
        judgements: For every reply, what each judge said about it (`Result.judgements`).
    """
    asked = [[j for j in said if _asked(j)] for said in judgements]
    each = [j for said in asked for j in said]
    read = [j for j in each if _read(j)]
    flips = sum(j.flipped for j in read)
    decided = [j for j in read if not j.flipped and j.words != j.words_against]
    longer = sum((j.words > j.words_against) == (j.score == 1.0) for j in decided)
    verdicts = [[j.score for j in said if _read(j)] for said in asked]
    pairs = [a == b for said in verdicts for a, b in combinations(said, 2)]
    return Agreement(
        asked=len(each),
        read=len(read) / len(each) if each else 0.0,
        flips=flips / len(read) if read else 0.0,
        flip_interval=wilson(flips, len(read)),
        pairs=len(pairs),
        raw=fmean(pairs) if pairs else None,
        alpha=krippendorff(verdicts),
        decided=len(decided),
        longer=longer / len(decided) if decided else None,
        longer_interval=wilson(longer, len(decided)),
        words=fmean(j.words for j in each) if each else 0.0,
        words_against=fmean(j.words_against for j in each) if each else 0.0,
    )


def krippendorff(units: Sequence[Sequence[float]]) -> float | None:
    """Krippendorff's alpha for nominal values (Krippendorff 1970, Educ. Psychol. Meas. 30:61), missing values allowed.

    Args:
        units: For every unit, the values that its judges gave; units with fewer than two tell nothing.

    Returns:
        1 minus the observed over the expected disagreement; None if no two values could be paired, or all are the same.

    >>> krippendorff([[1, 1], [0, 0]]), krippendorff([[1, 0], [0, 1]])
    (1.0, -0.5)
    """
    together: defaultdict[tuple[float, float], float] = defaultdict(float)
    for values in units:
        for pair in permutations(values, 2):
            together[pair] += 1 / (len(values) - 1)
    totals: defaultdict[float, float] = defaultdict(float)
    for (value, _), weight in together.items():
        totals[value] += weight
    n = sum(totals.values())
    expected = n * n - sum(t * t for t in totals.values())
    if not n or not expected:
        return None
    observed = sum(weight for (a, b), weight in together.items() if a != b)
    return 1 - (n - 1) * observed / expected


def _asked(j: Judgement) -> bool:
    return bool(j.words and j.words_against) and 0.5 not in (j.first, j.second)


def _read(j: Judgement) -> bool:
    return j.first is not None and j.second is not None
