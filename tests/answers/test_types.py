"""The value itself: what it accepts, the contract it puts into prompts, and scores."""

from __future__ import annotations

from typing import Any

import pytest

from folkmoot.answers import AnswerType

CHOICE = AnswerType("choice", ("Rome", "Paris", "Berlin"))
NUMBER = AnswerType("number")
TEXT = AnswerType()
BOOLEAN = AnswerType("boolean")
LABELS = AnswerType("labels", ("Uses", "Extends"))
CLOSED = (CHOICE, NUMBER, TEXT, BOOLEAN, LABELS, AnswerType("math"))


@pytest.mark.parametrize(
    ("kind", "fields", "says"),
    [
        ("choice", {"options": ("one",)}, "2 to 26 options, got 1"),
        ("choice", {}, "2 to 26 options, got 0"),
        ("choice", {"options": tuple(str(i) for i in range(27))}, "2 to 26 options, got 27"),
        ("choice", {"options": ("x", "y"), "keys": ("1",)}, "1 keys for 2 options"),
        ("choice", {"options": ("x", "y"), "keys": ("1", "1")}, "stands there twice"),
        ("choice", {"options": ("x", "y"), "keys": ("a", "A")}, "stands there twice"),
        ("choice", {"options": ("x", "y"), "keys": ("1", "2)")}, "option key '2\\)': use letters or digits"),
        ("choice", {"options": ("x", "y"), "keys": ("1", "")}, "option key '': use letters or digits"),
        ("choice", {"options": ("x", "y"), "tolerance": 0.1}, "takes no tolerance; use kind='number' or 'math'"),
        ("number", {"options": ("1", "2")}, "takes no options; use kind='choice' or 'labels'"),
        ("text", {"options": ("a", "b")}, "takes no options"),
        ("boolean", {"options": ("yes", "no")}, "takes no options"),
        ("labels", {"keys": ("1",)}, "takes no keys; use kind='choice'"),
        ("labels", {"options": ("Uses", "uses")}, "one is empty or stands there twice"),
        ("labels", {"options": ("Uses", " ")}, "one is empty or stands there twice"),
        ("text", {"tolerance": 0.1}, "takes no tolerance"),
        ("number", {"tolerance": -0.1}, "write a share from 0 up to 1"),
        ("number", {"tolerance": 5.0}, "write a share from 0 up to 1"),
        ("letter", {}, "use one of choice, number, math, text, boolean, labels, code, free"),
    ],
)
def test_what_makes_no_sense_is_refused(kind: str, fields: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        AnswerType(kind, **fields)  # type: ignore[arg-type]


def test_labels_are_letters_or_the_keys() -> None:
    assert CHOICE.labels == ("A", "B", "C")
    assert AnswerType("choice", tuple("x" * 26)).labels[-1] == "Z"
    assert AnswerType("choice", ("x", "y"), ("1", "2")).labels == ("1", "2")
    assert NUMBER.labels == TEXT.labels == AnswerType("labels", ("Uses",)).labels == ()


def test_the_contract_is_one_short_line() -> None:
    assert CHOICE.instruction() == (
        'Say in one short sentence what is true. Then end with a line of the form "Answer: X", where X is one of A, B, C.'
    )
    assert NUMBER.instruction() == 'End with a line of the form "Answer: N", where N is a number.'
    assert TEXT.instruction() == 'End with a line "Answer:" and a short answer of a few words.'
    ten = tuple("0123456789")
    assert "X is a letter from A to J" in AnswerType("choice", ten).instruction()
    assert "X is a number from 1 to 10" in AnswerType("choice", ten, tuple(str(i + 1) for i in range(10))).instruction()
    assert "X is one of 1, 2" in AnswerType("choice", ("x", "y"), ("1", "2")).instruction()
    assert "X is true or false" in BOOLEAN.instruction()
    assert "one or several of Uses, Extends, separated by commas" in LABELS.instruction()
    assert "one or several labels" in AnswerType("labels").instruction()


@pytest.mark.parametrize("kind", [*CLOSED, AnswerType("choice", tuple("x" * 26)), AnswerType("labels")])
def test_the_contract_said_back_is_no_answer(kind: AnswerType) -> None:
    assert kind.extract(kind.instruction()) is None


def test_the_contract_followed_is_read() -> None:
    assert CHOICE.extract("Answer: B") == "B"
    assert NUMBER.extract("Answer: 7") == "7"
    assert TEXT.extract("Answer: Paris") == "Paris"
    assert BOOLEAN.extract("Answer: no") == "false"
    assert LABELS.extract("Answer: Uses, Extends") == "extends, uses"


def test_score_takes_the_best_of_the_accepted_answers() -> None:
    assert CHOICE.score("b", ["B"]) == 1.0
    assert AnswerType("choice", ("x", "y"), ("1", "2")).score("2", ["2"]) == 1.0
    assert BOOLEAN.score("true", ["Yes"]) == 1.0
    assert BOOLEAN.score("true", ["False"]) == 0.0
    assert LABELS.score("extends, uses", ["Uses, Extends"]) == 1.0
    assert LABELS.score("uses", ["Uses, Extends"]) == 0.0
    assert NUMBER.score("1,200.0", ["7", "1200"]) == 1.0
    assert TEXT.score("soccer", ["association football", "football", "soccer"]) == 1.0
    assert TEXT.score("rugby", ["association football", "football", "soccer"]) == 0.0


@pytest.mark.parametrize("kind", CLOSED)
@pytest.mark.parametrize("metric", ["exact", "f1"])
def test_an_abstention_scores_nothing(kind: AnswerType, metric: str) -> None:
    assert kind.score(None, ["A"], metric) == 0.0  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("answer", "gold", "f1"),
    [
        ("the red house", ["red house"], 1.0),
        ("the big red house", ["red house"], 0.8),
        ("house", ["red house"], 2 / 3),
        ("red red house", ["red house"], 0.8),
        ("blue sky", ["red house"], 0.0),
        ("big house", ["red house", "a house"], 2 / 3),
        (") ]", [")]"], 1.0),
        ("A", ["A"], 1.0),
        ("A", ["B"], 0.0),
    ],
)
def test_f1_is_the_share_of_words_in_common(answer: str, gold: list[str], f1: float) -> None:
    assert TEXT.score(answer, gold, "f1") == pytest.approx(f1)


def test_f1_of_letters_and_numbers_is_all_or_nothing() -> None:
    assert CHOICE.score("A", ["B"], "f1") == 0.0
    assert NUMBER.score("18.0", ["18"], "f1") == 1.0


def test_a_score_needs_an_accepted_answer_and_a_known_metric() -> None:
    with pytest.raises(ValueError, match="at least one accepted answer"):
        TEXT.score("x", [])
    with pytest.raises(ValueError, match="at least one accepted answer"):
        TEXT.score("x", "gold")
    with pytest.raises(ValueError, match="use one of exact, f1"):
        TEXT.score("x", ["x"], "bleu")  # type: ignore[arg-type]


def test_a_tolerance_counts_in_scores_and_never_in_votes() -> None:
    near = AnswerType("number", tolerance=0.01)
    assert near.score("3.15", ["3.14"]) == 1.0
    assert near.score("-3.14", ["3.14"]) == 0.0
    assert near.score("3.2", ["3.14"]) == 0.0
    assert near.score("0.001", ["0"]) == 0.0
    assert not near.same("3.15", "3.14")
    assert near.canonical("3.15") != near.canonical("3.14")
    assert AnswerType("math", tolerance=0.01).score("3.15", ["3.14"]) == 1.0
    assert AnswerType("math").score("3.15", ["3.14"]) == 0.0


@pytest.mark.parametrize(("kind", "says"), [("code", "scored by its tests"), ("free", "scored by a judge")])
def test_what_is_not_compared_has_no_score(kind: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        AnswerType(kind).score("x", ["x"])
