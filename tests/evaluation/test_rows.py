"""Rows from their fields: what fits is read, what does not says why and of what kind that is."""

from __future__ import annotations

from typing import Any

import pytest

from folkmoot.evaluation.rows import Fields, Reading, Row, row

CHECK = "def check(candidate):\n    assert candidate(1) == 2\n"


def one(data: Any, kind: Any = "text", reading: Reading | None = None, **fields: Any) -> Row:
    return row(data, Fields(**fields), reading or Reading(kind), "f:1", "1")


CHOICE = {"id": "q", "question": "Capital?", "options": ["Rome", "Paris"]}


@pytest.mark.parametrize(
    ("options", "answer", "texts", "letter"),
    [
        (["Rome", "Paris"], "B", ("Rome", "Paris"), "B"),
        (["Rome", "Paris"], "Paris", ("Rome", "Paris"), "B"),
        (["Rome", "Paris"], 1, ("Rome", "Paris"), "B"),
        ({"A": "Rome", "B": "Paris"}, "B", ("Rome", "Paris"), "B"),
        ({"1": "Rome", "2": "Paris"}, "2", ("Rome", "Paris"), "B"),
        ({"1": "Rome", "2": "Paris"}, 2, ("Rome", "Paris"), "B"),
        ({"text": ["Rome", "Paris"], "label": ["1", "2"]}, "2", ("Rome", "Paris"), "B"),
        (["1", "0"], "0", ("1", "0"), "B"),
        (["  New\n York ", "Paris"], "New York", ("New York", "Paris"), "A"),
        ([1, 2.5], "2.5", ("1", "2.5"), "B"),
    ],
)
def test_options_and_answers_in_every_form(options, answer, texts, letter):
    read = one({**CHOICE, "options": options, "answer": answer}, "choice")
    assert (read.wrong, read.options, read.keys, read.gold) == ("", texts, (), (letter,))


@pytest.mark.parametrize(
    ("kind", "answer", "gold"),
    [
        ("number", 42, ("42",)),
        ("number", -1.5, ("-1.5",)),
        ("number", "1,234.50", ("1,234.50",)),
        ("number", "2/3", ("2/3",)),
        ("text", "Paris", ("Paris",)),
        ("text", ["Paris", "City of  Light", "Paris"], ("Paris", "City of Light")),
        ("text", '["Utah, USA", "Utah"]', ("Utah, USA", "Utah")),
        ("text", "[a bracket", ("[a bracket",)),
        ("text", 7, ("7",)),
        ("math", "\\frac{1}{2}", ("\\frac{1}{2}",)),
        ("math", "[1, 6]", ("[1, 6]",)),
        ("boolean", True, ("True",)),
        ("boolean", "no", ("no",)),
    ],
)
def test_other_answers_in_every_form(kind, answer, gold):
    read = one({"id": "q", "question": "?", "answer": answer}, kind)
    assert (read.wrong, read.kind, read.gold) == ("", kind, gold)


@pytest.mark.parametrize(
    ("kind", "data", "fault", "says"),
    [
        ("text", {"question": "?", "anser": "x"}, "schema", "field 'answer' is missing; did you mean 'anser'?"),
        ("text", {"question": "?", "answer": None}, "empty", "field 'answer' is empty"),
        ("text", {"question": " ", "answer": "x"}, "empty", "question is empty"),
        ("text", {"question": 5, "answer": "x"}, "empty", "question is empty or no text"),
        ("text", {"question": "?", "answer": []}, "empty", "the answer is empty"),
        ("text", {"question": "?", "answer": "  "}, "empty", "the answer is empty"),
        ("text", {"question": "?", "answer": True}, "gold", "in quotes"),
        ("text", {"question": "?", "answer": {"a": 1}}, "gold", "in quotes"),
        ("number", {"question": "?", "answer": "many"}, "gold", "'many' is no number"),
        ("number", {"question": "?", "answer": "3,14"}, "gold", "'3,14' is no number"),
        ("boolean", {"question": "?", "answer": "maybe"}, "gold", "'maybe' is neither true nor false"),
        ("boolean", {"question": "?", "answer": 1}, "gold", "answer 1"),
        ("choice", {"question": "?", "answer": "A"}, "schema", "field 'options' is missing"),
        ("choice", {**CHOICE, "answer": "C"}, "gold", "'C' is none of the options (A, B)"),
        ("choice", {**CHOICE, "answer": 2}, "gold", "2 is none of the options (A, B)"),
        ("choice", {**CHOICE, "answer": True}, "gold", "True is none of the options"),
        ("choice", {**CHOICE, "options": ["x"], "answer": "A"}, "schema", "2 to 26 options are needed, got 1"),
        ("choice", {**CHOICE, "options": "AB", "answer": "A"}, "schema", "write a list of texts"),
        ("choice", {**CHOICE, "options": ["x", " "], "answer": "A"}, "empty", "option B is empty"),
        ("choice", {**CHOICE, "options": ["x", "x", "y"], "answer": "B"}, "gold", "options A and B are the same"),
        ("choice", {**CHOICE, "options": {"text": ["x"], "label": ["A", "B"]}, "answer": "A"}, "schema", "as many"),
        ("labels", {"question": "?", "answer": "red"}, "schema", "field 'options' is missing"),
        ("labels", {"question": "?", "options": ["red", "blue"], "answer": []}, "empty", "the answer is empty"),
        (
            "labels",
            {"question": "?", "options": ["red", "blue"], "answer": ["red", "pink"]},
            "gold",
            "'pink' is none of",
        ),
        ("code", {"question": "?"}, "schema", "field 'tests' is missing"),
        ("code", {"question": "?", "tests": "def check(:"}, "schema", "tests is no Python"),
        ("code", {"question": "?", "tests": "assert f(1) == 2"}, "schema", "defines no check(candidate)"),
        ("code", {"question": "?", "tests": ["assert f(1) == 2"]}, "schema", "defines no check(candidate)"),
    ],
)
def test_a_row_that_does_not_fit_says_why(kind, data, fault, says):
    read = one(data, kind)
    assert says in read.wrong
    assert (read.where, read.fault) == ("f:1", fault)


def test_options_keep_their_keys_where_the_task_says_so():
    data = {**CHOICE, "options": {"1": "Rome", "2": "Paris"}, "answer": "2"}
    read = one(data, reading=Reading("choice", own_keys=True))
    assert (read.options, read.keys, read.gold) == (("Rome", "Paris"), ("1", "2"), ("2",))


@pytest.mark.parametrize(
    ("reading", "data"),
    [
        (Reading("labels", labels=("Red", "Blue")), {"answer": ["blue", "red"]}),
        (Reading("labels"), {"options": ["Red", "Blue"], "answer": ["Blue", "Red"]}),
    ],
)
def test_labels_that_hold_are_one_answer_in_the_spelling_of_the_allowed_ones(reading, data):
    read = one({"question": "?", **data}, reading=reading)
    assert (read.wrong, read.options, read.gold) == ("", ("Red", "Blue"), ("Blue, Red",))


def test_programs_have_tests_and_the_name_of_their_function_and_no_right_answer():
    named = one({"question": "Double it.", "tests": CHECK, "entry": "twice"}, "code")
    assert (named.wrong, named.tests, named.entry, named.gold) == ("", CHECK, "twice", ())
    shown = one({"question": "Complete:\n\ndef double(x):\n    ...", "tests": CHECK}, "code")
    assert (shown.wrong, shown.entry) == ("", "double")


def test_open_requests_need_no_answer():
    assert one({"question": "Write to my aunt."}, "free").wrong == ""


@pytest.mark.parametrize(
    ("word", "answer", "kind"),
    [
        ("bool", "True", "boolean"),
        ("integer", "7", "number"),
        ("list of float", "[1.5, 2]", "math"),
        ("labels", "x", None),
    ],
)
def test_items_of_a_mixed_set_say_of_what_kind_their_answer_is(word, answer, kind):
    read = one(
        {"question": "?", "answer": answer, "answer_type": word}, reading=Reading("math", kind_field="answer_type")
    )
    assert (read.kind == kind) if kind else "field 'options' is missing" in read.wrong
    unknown = one(
        {"question": "?", "answer": "x", "answer_type": "flaot"}, reading=Reading("math", kind_field="answer_type")
    )
    assert "answer_type 'flaot' is no kind of answer; did you mean 'float'?" in unknown.wrong


def test_items_have_the_cluster_that_a_field_names():
    reading = Reading("text", cluster="group")
    assert one({"question": "?", "answer": "x", "group": 7}, reading=reading).cluster == "7"
    assert "field 'group' is missing" in one({"question": "?", "answer": "x"}, reading=reading).wrong


def test_equal_options_are_no_matter_unless_they_are_the_answer():
    assert one({**CHOICE, "options": ["x", "x", "y"], "answer": "C"}, "choice").wrong == ""


def test_fields_have_the_names_that_the_task_gives_them():
    data = {"key": 7, "q": "2 + 3?", "solution": "two and three\n#### 4 ####  5", "part": "test"}
    names = {"id": "key", "question": "q", "answer": "solution", "split": "part", "answer_after": "####"}
    read = one(data, "number", **names)
    assert (read.id, read.question, read.gold) == ("7", "2 + 3?", ("5",))
    assert "holds no '####'" in one({**data, "solution": "5"}, "number", **names).wrong
