"""From samples to the surest member, and from dev results to curves."""

import math
import random

import pytest

from folkmoot.answers import AnswerType
from folkmoot.confidence import NEVER, Belief, beliefs, chance, fit, rivals, spoken, stated, surest
from folkmoot.discussion import Turn

NUMBER = AnswerType("number")


def samples(**said: str) -> list[Turn]:
    """One turn for each word: ``samples(ana="4 4 ?")``; ``?`` abstains, ``!`` failed."""
    return [
        Turn(name, answer=None if word in "?!" else word, draw=i, error="gone" if word == "!" else None)
        for name, words in said.items()
        for i, word in enumerate(words.split())
    ]


# Beliefs.


@pytest.mark.parametrize(
    ("said", "answer", "votes", "confidence"),
    [
        ("4 4 5 4 4", "4", 4, 0.8),
        ("4 4.0 5", "4", 2, 2 / 3),  # one answer in two forms
        ("5 ? ? ? ?", "5", 1, 0.2),  # who abstains four times is not sure
        ("4 ! ! 4", "4", 2, 0.5),  # nor whose calls fail
        ("5 4", "5", 1, 0.5),  # a tie: the first
    ],
)
def test_confidence_is_the_share_of_the_most_frequent_answer_in_all_samples(
    said: str, answer: str, votes: int, confidence: float
) -> None:
    (b,) = beliefs(samples(ana=said), NUMBER)
    assert (b.turn.answer, b.votes, b.samples, b.confidence) == (answer, votes, len(said.split()), confidence)


def test_who_gives_no_answer_believes_nothing() -> None:
    assert [b.member for b in beliefs(samples(ana="? ?", bo="4 ?", cy="! !"), NUMBER)] == ["bo"]
    assert beliefs([], NUMBER) == []


def test_the_answers_to_choose_between_are_counted_once() -> None:
    held = beliefs(samples(ana="4.0 4 4", bo="5 5 ?", cy="4 ? ?"), NUMBER)
    assert rivals(held) == {"4": "4.0", "5": "5"}


def test_likelihoods_take_the_place_of_shares() -> None:
    said = samples(ana="4 4", bo="5 ?", cy="6 6")
    weighed = [
        stated(Turn("ana", "confidence", text="Answer: 4 0.300"), 0.3, "4"),
        stated(Turn("bo", "confidence", text="..."), 0.6, "5"),
        Turn("cy", "confidence", error="gone"),
    ]
    by = {b.member: b.confidence for b in beliefs([*said, *weighed], NUMBER, "likelihood")}
    assert by == {"ana": 0.3, "bo": 0.6, "cy": pytest.approx(1 / 3)}, "who cannot say is as sure as a blind pick"
    assert weighed[0].text == "0.300000 of Answer: 4 0.300"
    assert {b.confidence for b in beliefs(samples(ana="4", bo="4 ?"), NUMBER, "likelihood")} == {1.0}, "no rivals"


def test_who_spoke_of_its_confidence() -> None:
    said = [
        *samples(ana="4", bo="5", cy="6"),
        Turn("ana", "confidence", text="0.3 of ..."),
        Turn("bo", "confidence", error="gone"),
    ]
    assert spoken(said) == {"ana"}


# The surest.


@pytest.mark.parametrize(
    ("said", "accuracy", "calibration", "whose", "why"),
    [
        ({"ana": "4 5", "bo": "6 6"}, {}, None, "bo", "bo is surest: 1.00, 2 of 2 samples agree; next is ana with 0.50"),
        ({"ana": "4 4", "bo": "6 6"}, {}, None, "ana", "level with bo, but earlier"),
        ({"ana": "4 4", "bo": "6 6"}, {"bo": 0.7, "ana": 0.6}, None, "bo", "level with ana, but more often right on dev"),
        ({"ana": "4 4", "bo": "6 6"}, {"bo": 0.7}, None, "bo", "level with ana, but more often right on dev"),
        ({"ana": "4 4", "bo": "6 ?"}, {"bo": 0.9}, None, "ana", "next is bo with 0.50"),  # only ties go by accuracy
        ({"ana": "4 4", "bo": "6 ?"}, {}, {"ana": (0.0, -2.0), "bo": (1.0, 0.0)}, "bo", "bo is surest: 0.62, 1 of 2 samples agree, confidence 0.50 before calibration; next is ana with 0.12"),
        ({"ana": "? ?", "bo": "6 ?"}, {}, None, "bo", "1 of 2 samples agree"),
    ],
)  # fmt: skip
def test_the_surest_member_wins(said: dict[str, str], accuracy: dict[str, float], calibration: dict[str, tuple[float, float]] | None, whose: str, why: str) -> None:  # fmt: skip
    d = surest(beliefs(samples(**said), NUMBER), calibration, accuracy)
    assert (d.by, d.whose, d.answer) == ("confidence", whose, {"ana": "4", "bo": "6"}[whose])
    assert why in d.why


def test_the_tally_holds_every_answer_with_the_surest_that_holds_it() -> None:
    d = surest(beliefs(samples(ana="4 5 5", bo="5 5 5", cy="7 7 ?"), NUMBER))
    assert d.tally == (("5", 1.0), ("7", pytest.approx(2 / 3)))


def test_without_answers_there_is_no_winner() -> None:
    d = surest([])
    assert (d.answer, d.whose, d.why) == (None, None, "no member gave an answer")


# Curves.


def test_a_curve_is_fitted_to_what_it_was_drawn_from() -> None:
    rng = random.Random(4)
    xs = [rng.choice([0.2, 0.4, 0.6, 0.8, 1.0]) for _ in range(5000)]
    curve = fit(xs, [rng.random() < chance(x, (6.0, -3.5)) for x in xs])
    for x in (0.2, 0.6, 1.0):
        assert chance(x, curve) == pytest.approx(chance(x, (6.0, -3.5)), abs=0.03)


@pytest.mark.parametrize("seed", range(5))
def test_it_is_the_likeliest_curve(seed: int) -> None:
    rng = random.Random(seed)
    xs = [rng.random() for _ in range(40)]
    right = [rng.random() < x for x in xs]
    n, wins = len(xs), sum(right)
    targets = [(wins + 1) / (wins + 2) if r else 1 / (n - wins + 2) for r in right]

    def loss(slope: float, intercept: float) -> float:
        ps = [chance(x, (slope, intercept)) for x in xs]
        return (
            -sum(t * math.log(p) + (1 - t) * math.log(1 - p) for p, t in zip(ps, targets, strict=True))
            + 5e-4 * slope**2
        )

    slope, intercept = fit(xs, right)
    for a, b in [(0.1, 0), (-0.1, 0), (0, 0.1), (0, -0.1), (0.1, -0.05), (-0.1, 0.05)]:
        assert loss(slope, intercept) <= loss(slope + a, intercept + b) + 1e-9


@pytest.mark.parametrize(
    ("xs", "right", "low", "high"),
    [
        ([1.0] * 8, [True] * 8, 0.85, 0.95),  # never certain: 9 of 10
        ([1.0] * 8, [False] * 8, 0.05, 0.15),
        ([0.9], [True], 0.6, 0.7),
        ([0.2, 0.4, 0.8, 1.0], [True, True, False, False], 0.4, 0.6),  # surer is worse: flat
        ([0.2] * 6 + [1.0] * 6, [False] * 6 + [True] * 6, 0.8, 0.95),  # cleanly parted
    ],
)
def test_few_or_odd_cases_give_a_curve_that_neither_falls_nor_promises_too_much(
    xs: list[float], right: list[bool], low: float, high: float
) -> None:
    slope, intercept = fit(xs, right)
    assert slope >= 0
    assert math.isfinite(slope + intercept)
    assert low < chance(xs[-1], (slope, intercept)) < high


def test_without_cases_there_is_no_curve() -> None:
    for xs, right in (([], []), ([0.5], [True, False])):
        with pytest.raises(ValueError, match="at least one"):
            fit(xs, right)
    assert chance(1.0, NEVER) < 0.001
    assert (chance(1.0, (0.0, 800.0)), chance(1.0, (0.0, -800.0))) == (1.0, 0.0)


def test_a_belief_says_whose_it_is() -> None:
    turn = Turn("ana", answer="4")
    assert beliefs([turn], NUMBER) == [Belief("ana", turn, "4", 1, 1, 1.0)]
