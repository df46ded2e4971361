"""From turns and marks to who held which answer, and was it right."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from folkmoot.answers import AnswerType
from folkmoot.discussion import Turn
from folkmoot.evaluation.collaboration.said import Said, last_right, said
from folkmoot.evaluation.result import Result

FORM = AnswerType("number").canonical


def test_answers_abstentions_and_failures(discussion: Callable[..., Result]) -> None:
    assert said(discussion("ana 4.0 / bo 5 / cy - / di !"), FORM) == [
        Said("ana", 0, 0, "4", True),
        Said("bo", 0, 0, "5", False),
        Said("cy", 0, 0, None, False),
        Said("di", 0, 0, None, None),
    ]


def test_only_turns_that_answer_hold_an_answer(discussion: Callable[..., Result]) -> None:
    others = (
        Turn("bo", "critique", 1, about="ana"),
        Turn("cy", "judge", 1, answer="A"),
        Turn("cy", "finish", 1, answer="4"),
    )
    assert [t.speaker for t in said(discussion("ana 4", more=others), FORM)] == ["ana"]


def test_what_is_not_scored_is_neither_right_nor_wrong(discussion: Callable[..., Result]) -> None:
    r = discussion("ana 4 / bo -")
    assert [t.right for t in said(replace(r, marks=(None, None)), FORM)] == [None, False]
    assert [t.right for t in said(replace(r, marks=()), FORM)] == [None, False]
    assert [t.right for t in said(r, FORM, scored=False)] == [None, None]


def test_marks_must_fit_the_turns(discussion: Callable[..., Result]) -> None:
    with pytest.raises(ValueError, match="zip"):
        said(replace(discussion("ana 4 / bo 5"), marks=(1.0,)), FORM)


@pytest.mark.parametrize(
    ("table", "there"),
    [
        ("ana 4 5 / bo 5 5", False),
        ("ana 5 5 / bo 5 4", True),
        ("ana ! ! / bo ! 5", False),
        ("ana ! / bo !", None),
    ],
)
def test_was_a_right_answer_there_to_be_picked(
    answers: Callable[[str], list[Said]], table: str, there: bool | None
) -> None:
    assert last_right(answers(table)) is there
