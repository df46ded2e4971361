"""Decisions are pure functions of what was said."""

import math
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from folkmoot.answers import AnswerType
from folkmoot.decide import candidates, orders, plurality, settled
from folkmoot.discussion import Turn

NUMBER, CHOICE = AnswerType("number"), AnswerType("choice", ("Rome", "Paris", "Oslo"))
NAMES = "abcdefgh"

answers = st.lists(st.sampled_from([None, "A", "B", "C"]), max_size=8)


def said(*given: str | None) -> list[Turn]:
    """One turn for each answer, by speakers a, b, c and so on; None is a reply that could not be read."""
    return [Turn(name, answer=g) for name, g in zip(NAMES, given, strict=False)]


@pytest.mark.parametrize(
    ("votes", "answer", "tally"),
    [
        (["A", "B", "B"], "B", (("B", 2), ("A", 1))),
        (["A"], "A", (("A", 1),)),
        (["B", None, None], "B", (("B", 1),)),  # those who abstain do not win by being many
        ([None, "C", None, "A", "C"], "C", (("C", 2), ("A", 1))),
        (["B", "A"], "B", (("B", 1), ("A", 1))),  # a tie: the answer given first wins
        (["C", "A", "B", "B", "A"], "A", (("A", 2), ("B", 2), ("C", 1))),
        ([None, None], None, ()),
        ([], None, ()),
    ],
)
def test_plurality(votes: list[str | None], answer: str | None, tally: tuple[tuple[str, int], ...]) -> None:
    decision = plurality(said(*votes), CHOICE)
    assert (decision.answer, decision.by, decision.tally) == (answer, "vote", tally)


def test_numbers_are_counted_by_value_and_shown_as_first_given() -> None:
    decision = plurality(said("18", "20", "18.0"), NUMBER)
    assert decision.answer == "18"
    assert decision.tally[0] == ("18", 2)


def test_the_reason_is_for_people() -> None:
    assert plurality(said("A", "B", "B"), CHOICE).why == "2 of 3"
    assert plurality(said("A", "B", None), CHOICE).why == "1 of 2, a tie of 2; the answer given first wins"


def test_weights() -> None:
    votes = said("A", "B", "B")
    heavy = plurality(votes, CHOICE, weights={"a": 2.5})
    assert (heavy.answer, heavy.by, heavy.tally) == ("A", "weighted vote", (("A", 2.5), ("B", 2.0)))
    below_0 = plurality(votes, CHOICE, weights={"b": -9})
    assert below_0.tally == (("A", 1), ("B", 1)), "a vote below 0 is none, and takes nothing from others"
    assert plurality(votes, CHOICE, weights={"nobody": 9}).answer == "B"


def test_quorum_counts_valid_votes() -> None:
    votes = [*said("A", None), Turn("z", error="z: connection refused")]
    assert plurality(votes, CHOICE, quorum=1).answer == "A"
    undecided = plurality(votes, CHOICE, quorum=2)
    assert (undecided.answer, undecided.tally) == (None, ())
    assert undecided.why == "1 valid answers of 3, 2 needed; z: z: connection refused"


@given(answers, st.randoms())
def test_without_a_tie_the_order_of_votes_does_not_matter(votes: list[str | None], random: object) -> None:
    turns = said(*votes)
    decision = plurality(turns, CHOICE)
    counts = [n for _, n in decision.tally]
    assume(counts.count(max(counts, default=0)) < 2)
    random.shuffle(turns)  # type: ignore[attr-defined]
    assert plurality(turns, CHOICE).answer == decision.answer


@given(answers, st.integers(0, 8), st.integers(1, 4))
def test_abstentions_never_matter(votes: list[str | None], at: int, more: int) -> None:
    turns = said(*votes)
    silent = turns[:at] + [Turn("silent")] * more + turns[at:]
    before, after = plurality(turns, CHOICE), plurality(silent, CHOICE)
    assert (after.answer, after.tally) == (before.answer, before.tally)


@given(answers, st.lists(st.integers(0, 9), min_size=8, max_size=8), st.sampled_from([2.0, 0.5, 3.0, 1024.0]))
def test_only_the_ratio_of_weights_matters(votes: list[str | None], weights: list[int], factor: float) -> None:
    plain = dict(zip(NAMES, weights, strict=True))
    scaled = {name: factor * w for name, w in plain.items()}
    assert (
        plurality(said(*votes), CHOICE, weights=plain).answer == plurality(said(*votes), CHOICE, weights=scaled).answer
    )


@given(answers, st.lists(st.integers(0, 9), min_size=8, max_size=8))
def test_the_winner_has_the_most_weight_and_nobody_is_lost(votes: list[str | None], weights: list[int]) -> None:
    by_name = dict(zip(NAMES, weights, strict=True))
    decision = plurality(said(*votes), CHOICE, weights=by_name)
    given_weight = sum(by_name[n] for n, v in zip(NAMES, votes, strict=False) if v is not None)
    assert sum(w for _, w in decision.tally) == given_weight
    assert [w for _, w in decision.tally] == sorted((w for _, w in decision.tally), reverse=True)
    assert decision.answer == (decision.tally[0][0] if decision.tally else None)


# Candidates for a judge.


def test_candidates_are_the_different_answers_by_who_gave_them_first() -> None:
    turns = said("18", None, "20", "18.0", "20")
    assert candidates(turns, NUMBER) == [turns[0], turns[2]]
    assert candidates(said(None, None), NUMBER) == []


@pytest.mark.parametrize(
    ("n", "mode", "expected"),
    [
        (2, "both", [[0, 1], [1, 0]]),
        (4, "both", [[0, 1, 2, 3], [3, 2, 1, 0]]),
        (2, "shuffled", [[0, 1], [1, 0]]),
    ],
)
def test_orders(n: int, mode: str, expected: list[list[int]]) -> None:
    assert orders(n, mode, seed=0) == expected


@given(st.integers(1, 8), st.integers(), st.integers(0, 12))
def test_shuffled_orders_are_different_permutations_and_repeatable(n: int, seed: int, shuffles: int) -> None:
    shown = orders(n, "shuffled", seed, shuffles)
    assert all(sorted(o) == list(range(n)) for o in shown)
    assert shown == orders(n, "shuffled", seed, shuffles)
    if n > 2:
        assert len({tuple(o) for o in shown}) == len(shown) == min(max(2, shuffles), math.factorial(n))


def test_questions_with_other_seeds_get_other_orders() -> None:
    assert len({str(orders(5, "shuffled", seed)) for seed in range(20)}) > 10


@pytest.mark.parametrize(
    ("picks", "best"),
    [
        ([0, 0], 0),
        ([1, 1], 1),
        ([0, 1], None),  # it won by its position
        ([0, None], None),  # one of two orders is not more than half
        ([None, None], None),
        ([2, 0, 2], 2),
        ([2, 0, 1], None),
        ([2, 2, None], 2),
        ([2, None, None], None),
        ([1], 1),
        ([], None),
    ],
)
def test_settled(picks: list[int | None], best: int | None) -> None:
    assert settled(picks) == best


@given(st.lists(st.sampled_from([None, 0, 1, 2]), max_size=9), st.randoms())
def test_settled_is_a_strict_majority_of_all_orders_in_any_sequence(picks: list[int | None], random: object) -> None:
    best = settled(picks)
    majority = [c for c in (0, 1, 2) if Fraction(picks.count(c), max(len(picks), 1)) > Fraction(1, 2)]
    assert majority == ([] if best is None else [best])
    random.shuffle(picks)  # type: ignore[attr-defined]
    assert settled(picks) == best
