"""The value itself: what it accepts, the contract it puts into prompts, and scores."""

from __future__ import annotations

import pytest

from folkmoot.answers import AnswerType

CHOICE = AnswerType("choice", ("Rome", "Paris", "Berlin"))
NUMBER = AnswerType("number")
TEXT = AnswerType()


@pytest.mark.parametrize(
    ("kind", "options", "says"),
    [
        ("choice", ("one",), "2 to 26 options, got 1"),
        ("choice", (), "2 to 26 options, got 0"),
        ("choice", tuple(str(i) for i in range(27)), "2 to 26 options, got 27"),
        ("number", ("1", "2"), "takes no options"),
        ("text", ("a", "b"), "takes no options"),
        ("letter", (), "use one of choice, number, text"),
    ],
)
def test_what_makes_no_sense_is_refused(kind: str, options: tuple[str, ...], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        AnswerType(kind, options)  # type: ignore[arg-type]


def test_labels_are_letters() -> None:
    assert CHOICE.labels == ("A", "B", "C")
    assert AnswerType("choice", tuple("x" * 26)).labels[-1] == "Z"
    assert NUMBER.labels == TEXT.labels == ()


def test_the_contract_is_one_short_line() -> None:
    assert CHOICE.instruction() == (
        'Say in one short sentence what is true. Then end with a line of the form "Answer: X", where X is one of A, B, C.'
    )
    assert NUMBER.instruction() == 'End with a line of the form "Answer: N", where N is a number.'
    assert TEXT.instruction() == 'End with a line "Answer:" and a short answer of a few words.'
    assert "a letter from A to J" in AnswerType("choice", tuple("0123456789")).instruction()


@pytest.mark.parametrize("kind", [CHOICE, NUMBER, TEXT, AnswerType("choice", tuple("x" * 26))])
def test_the_contract_said_back_is_no_answer(kind: AnswerType) -> None:
    assert kind.extract(kind.instruction()) is None


def test_the_contract_followed_is_read() -> None:
    assert CHOICE.extract("Answer: B") == "B"
    assert NUMBER.extract("Answer: 7") == "7"
    assert TEXT.extract("Answer: Paris") == "Paris"


def test_score_takes_the_best_of_the_accepted_answers() -> None:
    assert CHOICE.score("b", ["B"]) == 1.0
    assert NUMBER.score("1,200.0", ["7", "1200"]) == 1.0
    assert TEXT.score("soccer", ["association football", "football", "soccer"]) == 1.0
    assert TEXT.score("rugby", ["association football", "football", "soccer"]) == 0.0


@pytest.mark.parametrize("kind", [CHOICE, NUMBER, TEXT])
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
