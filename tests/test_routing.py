"""Who should answer: scores from what is known of members, the choice, and how a discussion tells of it."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from folkmoot.discussion import Discussion, Turn
from folkmoot.engines.rehearsal import WordsInCommon
from folkmoot.engines.scripted import Scripted
from folkmoot.graphs import route
from folkmoot.participant import Participant, check_name
from folkmoot.routing import Router, Similarity, calls, chosen, known, picked, routed, similarity


def member(name: str, purpose: str = "", *examples: str) -> Participant:
    return Participant(name, Scripted([], name=name), purpose=purpose, examples=examples)


TEAM = [
    member("cook", "Recipes and kitchen measures.", "How many cups are 3 pints?", "Scale the recipe to 4 people."),
    member("clerk", "Bookkeeping.", "Which account is credited?", "Which account is debited?", "What is the balance?"),
    member("guide", "The village of Pellbrook."),
]


class Listed:
    """An encoder whose similarities are written down; remembers what it was asked."""

    identity = "listed"

    def __init__(self, **near: float) -> None:
        self.near, self.asked = near, list[tuple[str, tuple[str, ...]]]()

    async def start(self) -> None: ...

    async def similarities(self, text: str, others: Sequence[str]) -> list[float]:
        self.asked.append((text, tuple(others)))
        return [self.near.get(other, 0.0) for other in others]


# Scores.


@pytest.mark.parametrize(
    ("purpose", "examples", "score"),
    [
        (0.5, [], 0.5),
        (None, [0.2, 0.6], 0.4),
        (0.3, [0.9], 0.9),  # one example alone counts for itself
        (0.3, [0.1, 0.6, 0.8], 0.7),  # the two nearest
        (0.75, [0.1, 0.6, 0.8], 0.75),  # the purpose, if that is nearer
        (-0.2, [-0.4, -0.6], -0.2),
        (None, [], -1.0),
    ],
)
def test_a_score_is_the_larger_of_purpose_and_mean_of_the_two_nearest_examples(
    purpose: float | None, examples: list[float], score: float
) -> None:
    assert similarity(purpose, examples) == pytest.approx(score)


async def test_everything_known_is_compared_in_one_go() -> None:
    encoder = Listed(**{"Bookkeeping.": 0.3, "Which account is credited?": 0.9, "Which account is debited?": 0.7})
    router = Similarity(encoder)
    assert await router.scores("Is the till credited?", TEAM) == pytest.approx([0.0, 0.8, 0.0])
    ((asked, others),) = encoder.asked
    assert (asked, len(others)) == ("Is the till credited?", 8)
    assert isinstance(router, Router)
    assert router.identity == "embedding:listed"


async def test_the_work_of_a_router_counts_as_service() -> None:
    class Slow(Similarity):
        async def scores(self, question: str, team: Sequence[Participant]) -> list[float]:
            await asyncio.sleep(0.05)
            return [0.1, 0.9, 0.3]

    panel = route([member(p.name) for p in TEAM], by=Slow(Listed()))
    result = await panel.compile().ainvoke({"question": "Is the till credited?"})
    turn = result["turns"][0]
    assert (turn.role, turn.answer) == ("route", "clerk")
    assert 0.04 < turn.service_s < 5


async def test_of_whom_nothing_is_known_scores_lowest() -> None:
    scores = await Similarity(WordsInCommon()).scores("cups?", [member("x"), TEAM[2], member("y", "  ")])
    assert scores == [-1.0, 0.0, -1.0]


async def test_a_rehearsal_routes_by_words_in_common() -> None:
    router = Similarity(WordsInCommon())
    for question, name in [("How many cups are 8 pints?", "cook"), ("Which account is it?", "clerk"), ("Where in Pellbrook?", "guide")]:  # fmt: skip
        scores = await router.scores(question, TEAM)
        assert TEAM[scores.index(max(scores))].name == name


# The choice.


@pytest.mark.parametrize(
    ("scores", "k", "margin", "picks"),
    [
        ([0.1, 0.7, 0.4], 1, 0.02, [1]),
        ([0.1, 0.7, 0.4], 2, 0.02, [1, 2]),
        ([0.7, 0.1, 0.7], 2, 0.02, [0, 2]),  # level, but both are picked: the team's order
        ([0.7, 0.1, 0.7], 1, 0.02, None),
        ([0.25, 0.5, 0.1], 1, 0.25, None),  # a lead of just the margin is too small
        ([0.25, 0.5, 0.1], 1, 0.24, [1]),
        ([0.5, 0.5, 0.5], 1, 0.0, None),  # no lead at all
        ([0.5, 0.500001, 0.5], 1, 0.0, [1]),
    ],
)
def test_the_best_are_picked_unless_the_lead_is_too_small(
    scores: list[float], k: int, margin: float, picks: list[int] | None
) -> None:
    assert chosen(scores, k, margin) == picks


def test_the_sub_team_is_read_back_from_the_discussion() -> None:
    def names(*turns: Turn) -> list[str]:
        d: Discussion = {"question": "q", "turns": list(turns)}
        return [p.name for p in routed(d, TEAM)]

    everybody = ["cook", "clerk", "guide"]
    assert names() == everybody, "nobody routed"
    assert names(Turn("router", "route", answer="guide, cook"), Turn("guide", answer="4")) == ["guide", "cook"]
    assert names(Turn("router", "route", text="unsure")) == everybody
    assert names(Turn("router", "route", error="gone")) == everybody
    assert names(Turn("guide", "route", answer="cook"), Turn("guide", "route")) == everybody, "the verdict comes last"
    assert names(Turn("router", "route", answer="clerk, stranger")) == ["clerk"]


def test_no_name_of_a_member_can_be_mistaken_for_two() -> None:
    assert picked("a b, c.d") == ["a b", "c.d"]
    for name in ("a,b", "a, b", "router"):
        with pytest.raises(ValueError, match="cannot name a participant"):
            check_name(name)


def test_what_a_member_is_shown_of_another() -> None:
    assert known(member("x")) == "Nothing is known of its purpose."
    assert known(member("x", "Bakes\nbread.", "a?", "b\n\nc?")) == "Bakes bread.\nQuestions it is for:\n- a?\n- b c?"
    assert known(member("x", "p", *"abcdefgh")).count("\n- ") == 4


@pytest.mark.parametrize(
    ("n", "k", "by", "expected"),
    [
        (3, None, "ana", 0),
        (3, 1, "embedding", 0),
        (3, 1, Similarity(WordsInCommon()), 0),
        (3, 1, "ana", 3),
        (3, 2, TEAM[0], 3),
        (3, 3, "ana", 0),  # nothing to choose
    ],
)
def test_calls(n: int, k: int | None, by: Any, expected: int) -> None:
    assert calls(n, k, by) == expected
