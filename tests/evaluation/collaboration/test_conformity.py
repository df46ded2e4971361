"""Going over to the majority of the others: to a right one, to a wrong one, or holding out."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from folkmoot.evaluation.collaboration.conformity import Conformists, stands
from folkmoot.evaluation.collaboration.said import Said

Answers = Callable[[str], list[Said]]


@pytest.mark.parametrize(
    ("table", "expected"),  # of those against a majority: is it right, were they right, did they join, are they right now
    [
        ("ana 5 4 / bo 4 4 / cy 4 4", [(True, False, True, True)]),
        ("ana 5 5 / bo 4 4 / cy 4 4", [(True, False, False, False)]),
        ("ana 4 5 / bo 5 5 / cy 5 5", [(False, True, True, False)]),  # gave up the truth
        ("ana 4 4 / bo 5 5 / cy 5 5", [(False, True, False, True)]),  # held out
        ("ana 6 5 / bo 5 5 / cy 5 5", [(False, False, True, False)]),
        ("ana 6 4 / bo 5 5 / cy 5 5", [(False, False, False, True)]),  # found it alone
        ("ana 5 - / bo 4 4 / cy 4 4", [(True, False, False, False)]),  # abstaining is not joining
        ("ana 5 4 / bo 4 4.0 / cy 4.00 4", [(True, False, True, True)]),  # equal by content
        ("ana 4 4 / bo 4 4 / cy 4 4", []),  # nobody stands apart
        ("ana 5 4 / bo 4 4", []),  # one other voice is no majority
        ("ana 5 4 / bo 4 4 / cy - 4", []),
        ("ana - 4 / bo 4 4 / cy 4 4", []),  # who abstains stands for nothing
        ("ana 5 ! / bo 4 4 / cy 4 4", []),  # who fails has no part
        ("ana 5 . / bo 4 4 / cy 4 4", []),
        ("ana 5 4 / bo 4 4 / cy ! 4", []),
        ("ana 5 4 / bo 4 4 / cy 4 4 / di 6 6", [(True, False, True, True), (True, False, False, False)]),
        ("ana 5 4 / bo 4 4 / cy 4 4 / di 6 6 / ed 7 7", []),  # two of four are not more than half
        ("ana 5 5 / bo 5 5 / cy 4 4 / di 4 4", 2 * [(True, False, False, False)] + 2 * [(False, True, False, True)]),
        # All draws of the others have a voice, one's own have none
        ("ana#0 5 4 / ana#1 6 6 / bo 4 4 / cy 4 4", [(True, False, True, True), (True, False, False, False)]),
    ],
)  # fmt: skip
def test_who_stood_against_a_majority(answers: Answers, table: str, expected: list[tuple[bool, ...]]) -> None:
    assert [tuple(s) for s in stands(answers(table))] == expected


def test_every_round_but_the_last_counts(answers: Answers) -> None:
    turns = answers("""
        ana 5 5 4
        bo  4 4 4
        cy  4 4 4
    """)
    assert [s.joined for s in stands(turns)] == [False, True]


def test_right_answers_are_one_answer_however_they_are_written() -> None:
    def spoken(*forms: str, at: int) -> list[Said]:
        return [Said(f"m{i}", 0, at, form, form in ("1/2", "0.5")) for i, form in enumerate(forms)]

    assert list(stands(spoken("1/2", "0.5", "0.5", at=0) + spoken("3", "3", "3", at=1))) == []
    moved = spoken("3", "0.5", "0.5", at=0) + spoken("1/2", "0.5", "0.5", at=1)
    assert list(stands(moved)) == [(True, False, True, True)]


def test_items_count_once_however_many_stood_alone_in_them(answers: Answers) -> None:
    seen = Conformists()
    many = answers("ana 5 4 / bo 4 4 / cy 4 4 / di 6 6")  # one of two goes over
    seen.add(("sums", "0"), list(stands(many)))
    seen.add(("sums", "1"), list(stands(answers("ana 5 4 / bo 4 4 / cy 4 4"))))
    seen.add(("sums", "2"), list(stands(answers("ana 4 4 / bo 4 4"))))
    rates = seen.figures()
    assert (rates.to_right.count, rates.to_right.of) == (1.5, 2)
    assert (rates.to_wrong.of, rates.held_right.of) == (0, 0)
    assert rates.to_wrong.share is None
    assert rates.to_wrong.interval == (0, 1)


def test_draws_are_averaged_within_an_item(answers: Answers) -> None:
    seen = Conformists()
    for after in (4, 5, 5, 5):
        seen.add(("sums", "0"), list(stands(answers(f"ana 5 {after} / bo 4 4 / cy 4 4"))))
    assert (seen.figures().to_right.count, seen.figures().to_right.of) == (0.25, 1)


@given(st.lists(st.tuples(*[st.sampled_from("456-!")] * 2), min_size=1, max_size=6))
def test_what_a_stand_can_be(answers: Answers, rows: list[tuple[str, str]]) -> None:
    seen = list(stands(answers("/".join(f"m{i} {a} {b}" for i, (a, b) in enumerate(rows)))))
    # Who joins takes over whether it is right, and nobody stands right against a right majority: one number is right
    assert all(s.stays_right == s.majority_right for s in seen if s.joined)
    assert not any(s.was_right and s.majority_right for s in seen)
    assert len(seen) <= len(rows)
