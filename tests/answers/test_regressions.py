"""Replies that existing scorers are known to misread, each once."""

from __future__ import annotations

import pytest

from folkmoot.answers import AnswerType, equal

FOUR = AnswerType("choice", ("Rome", "Paris", "Berlin", "Madrid"))
TWO = AnswerType("choice", ("first answer", "second answer"))
NUMBER = AnswerType("number")
TEXT = AnswerType()


@pytest.mark.parametrize(
    "reply", ["Answer: C", "**C**", "\\boxed{C}", "(C)", "C", "c", "option C", "The answer is **C**.", "Berlin"]
)
def test_usual_forms_of_a_letter_are_read(reply: str) -> None:
    assert FOUR.extract(reply) == "C"


def test_the_first_listed_option_is_not_the_answer() -> None:
    assert FOUR.extract("A) Rome, B) Paris, C) Berlin, D) Madrid. It has to be the third, so the answer is C.") == "C"


def test_the_last_listed_option_is_not_the_answer() -> None:
    assert FOUR.extract("A) Rome\nB) Paris\nC) Berlin\nD) Madrid\nThe answer is **A**") == "A"


def test_a_bold_or_boxed_letter_after_a_listing_counts() -> None:
    listing = "A) Rome\nB) Paris\nC) Berlin\nD) Madrid\n\n"
    assert FOUR.extract(listing + "The answer is **B**.") == "B"
    assert FOUR.extract(listing + "\\boxed{B}") == "B"
    assert FOUR.extract(listing) is None


def test_options_keyed_by_digits_can_be_answered() -> None:
    kind = AnswerType("choice", FOUR.options, ("1", "2", "3", "4"))
    assert kind.score(kind.extract("The answer is 3."), ["3"]) == 1.0
    assert kind.extract("1) Rome 2) Paris 3) Berlin 4) Madrid. Answer: 2") == "2"


def test_a_stray_key_of_the_data_is_a_key() -> None:
    kind = AnswerType("choice", ("Latin", "French", "Greek"), ("A", "B", "id"))
    assert kind.score(kind.extract("Answer: Greek"), ["id"]) == 1.0


def test_two_answers_on_one_line_are_two() -> None:
    assert FOUR.extract("Answer: A Answer: C") == "C"
    assert FOUR.extract("Answer: C Answer:") == "C"


def test_a_full_stop_after_an_a_is_no_letter() -> None:
    assert FOUR.extract("I have no such data.") is None


def test_the_article_is_no_letter() -> None:
    assert FOUR.extract("The answer is a large city. The answer is D.") == "D"
    assert FOUR.extract("The answer is a large city.") is None


def test_a_box_ends_at_its_own_brace() -> None:
    assert NUMBER.extract("\\boxed{\\frac{1}{4}}") == "0.25"
    assert TEXT.extract("\\boxed{x^{2}+\\sqrt{3}}") == "x^{2}+\\sqrt{3}"


def test_signs_points_and_bars_count() -> None:
    assert not NUMBER.same("-3", "3")
    assert not NUMBER.same("1.5", "15")
    assert not NUMBER.same("1/2", "12")
    assert NUMBER.same("18.0", "18")


def test_the_last_answer_counts_and_not_the_first() -> None:
    assert TEXT.extract("The answer is Rome. But no: the answer is Paris.") == "Paris"
    assert NUMBER.extract("Answer: 3\nBut there are two of them.\nAnswer: 6") == "6"


def test_a_denied_answer_is_no_answer() -> None:
    assert FOUR.extract("Answer: not C") is None
    assert AnswerType("boolean").extract("The statement is not true.") == "false"
    assert AnswerType("labels", ("Uses", "Extends")).extract("Answer: not Uses") is None


def test_a_negated_number_is_another_one() -> None:
    assert NUMBER.score(NUMBER.extract("Answer: -42"), ["42"]) == 0.0
    assert not equal("math", "-\\frac{1}{2}", "\\frac{1}{2}")


def test_a_truth_value_that_is_only_mentioned_is_no_answer() -> None:
    assert AnswerType("boolean").extract("We have to say whether it is true or false.") is None
    assert AnswerType("boolean").extract("There is no evidence that the statement is true.") is None


def test_an_order_of_labels_is_no_difference() -> None:
    assert equal("labels", "Uses, Extends", "extends, uses")


def test_nearly_right_is_not_right() -> None:
    assert NUMBER.score("3.15", ["3.14"]) == 0.0
    assert NUMBER.score("0.333", ["1/3"]) == 0.0
    assert AnswerType("number", tolerance=0.01).score("3.15", ["3.14"]) == 1.0


def test_failures_to_parse_do_not_agree_with_one_another() -> None:
    read = [FOUR.extract(r) for r in ("Answer: B", "I cannot tell.", "No idea, sorry.")]
    assert read == ["B", None, None]


def test_forms_of_one_number_are_one_vote() -> None:
    read = [NUMBER.extract(r) for r in ("Answer: 42", "Answer: 42.0", "Answer: $42.00")]
    assert {NUMBER.canonical(r) for r in read if r} == {"42"}


@pytest.mark.parametrize(
    ("reply", "letter"),
    [
        ("Candidate B", "B"),
        ("Answer B is better.", "B"),
        ("The better one is A", "A"),
        ("Candidate A is not as good as the other. I choose candidate B.", "B"),
        ("A better answer exists.", None),
    ],
)
def test_preferences_between_two_are_read(reply: str, letter: str | None) -> None:
    assert TWO.extract(reply) == letter


def test_thoughts_that_were_cut_off_are_no_answer() -> None:
    assert NUMBER.extract("<think>Perhaps the answer is 12. Or") is None
    assert NUMBER.extract("<think>Perhaps the answer is 12.</think>The answer is 13.") == "13"


def test_an_alias_may_hold_a_comma() -> None:
    assert TEXT.score("Salt Lake City, Utah", ["Salt Lake City", "Salt Lake City, Utah"]) == 1.0


def test_one_letter_answers_are_not_lost_as_articles() -> None:
    assert TEXT.score("A", ["B"], "f1") == 0.0
    assert TEXT.score("A", ["A"], "f1") == 1.0
