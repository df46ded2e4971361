"""The two functions for those who have a reply and a gold answer, and no task."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from folkmoot.answers import equal, extract

CITIES = ["Rome", "Paris", "Berlin", "Madrid"]


@pytest.mark.parametrize(
    ("kind", "reply", "choices", "read"),
    [
        ("choice", "The answer is C.", CITIES, "C"),
        ("choice", "The answer is Berlin.", CITIES, "C"),
        ("choice", "The answer is c.", tuple(CITIES), "C"),
        ("choice", "The answer is E.", CITIES, None),
        ("choice", "The answer is 3.", dict(zip("1234", CITIES, strict=True)), "3"),
        ("choice", "The answer is Berlin.", dict(zip("1234", CITIES, strict=True)), "3"),
        ("choice", "The answer is C.", dict(zip("abcd", CITIES, strict=True)), "c"),
        ("choice", "The answer is C.", None, "C"),
        ("choice", "The answer is **Q**.", None, "Q"),
        ("choice", "Berlin", None, None),
        ("choice", "C) Berlin", None, "C"),
        ("choice", "A) Rome\nB) Paris\nC) Berlin\n\nAnswer: B", None, "B"),
        ("choice", "A) Rome\nB) Paris\nC) Berlin", None, None),
        ("choice", "The answer is a matter of data.", None, None),
        ("choice", "I have no such data.", None, None),
        ("number", "So it costs $1,200.00.", None, "1200"),
        ("math", "So it is $\\boxed{\\frac{1}{2}}$.", None, "\\frac{1}{2}"),
        ("text", "Answer: Paris.", None, "Paris"),
        ("boolean", "The answer is no.", None, "false"),
        ("labels", "Answer: Sport, Politics", None, "politics, sport"),
        ("labels", "Answer: Sport, Politics", ["Politics", "Sport"], "politics, sport"),
        ("labels", "Answer: Sport, Weather", ["Politics", "Sport"], None),
        ("code", "```python\ndef f():\n    return 1\n```", None, "def f():\n    return 1"),
    ],
)
def test_reply_is_read(kind: Any, reply: str, choices: Any, read: str | None) -> None:
    assert extract(kind, reply, choices) == read


def test_a_reply_that_was_cut_off_is_read_only_if_it_had_committed() -> None:
    assert extract("choice", "The Spree flows through B", CITIES, cut=True) is None
    assert extract("choice", "Answer: C\nThe Spree flows through B", CITIES, cut=True) == "C"
    assert extract("boolean", "Yes, it", cut=True) is None


@pytest.mark.parametrize("kind", ["choice", "number", "math", "text", "boolean", "labels", "code"])
def test_an_abstention_is_equal_to_nothing(kind: Any) -> None:
    assert not equal(kind, None, None)
    assert not equal(kind, None, "1")
    assert not equal(kind, "1", None)
    one = "yes" if kind == "boolean" else "1"
    assert equal(kind, one, one)


def test_what_is_no_answer_of_its_kind_is_equal_to_nothing() -> None:
    for kind, said in (
        ("number", ""),
        ("number", "abc"),
        ("boolean", "maybe"),
        ("choice", "."),
        ("text", " "),
        ("labels", ""),
    ):
        assert not equal(kind, said, said), (kind, said)  # type: ignore[arg-type]


def test_a_missing_reply_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(TypeError, match="must be a text, not NoneType"):
        extract("number", None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "a", "b", "same"),
    [
        ("choice", "C", "c", True),
        ("choice", "(C)", "C", True),
        ("choice", "C", "D", False),
        ("choice", "1", "10", False),
        ("number", "42", "42.0", True),
        ("number", "-3", "3", False),
        ("number", "1.5", "15", False),
        ("math", "\\frac{1}{2}", "0.5", True),
        ("math", "x+1", "1+x", True),
        ("math", "x-1", "x+1", False),
        ("text", "The Hague", "hague", True),
        ("text", "Rome", "Paris", False),
        ("boolean", "yes", "True", True),
        ("boolean", "not true", "false", True),
        ("boolean", "yes", "no", False),
        ("labels", "Uses, Extends", "extends and uses", True),
        ("labels", "Uses, Extends", "Uses", False),
        ("code", "x = 1\n", "x = 1", True),
        ("code", "x = 1", "x = 2", False),
    ],
)
def test_answers_are_compared_by_what_they_say(kind: Any, a: str, b: str, same: bool) -> None:
    assert equal(kind, a, b) is same
    assert equal(kind, b, a) is same


@pytest.mark.parametrize(
    ("kind", "choices", "says"),
    [
        ("letter", None, "use one of choice, number"),
        ("choice", ["one"], "2 to 26 options, got 1"),
        ("choice", "Rome", "not one text"),
        ("choice", {"1)": "Rome", "2)": "Paris"}, "use letters or digits"),
        ("number", ["1", "2"], "takes no options"),
    ],
)
def test_what_makes_no_sense_is_refused(kind: Any, choices: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        extract(kind, "Answer: 1", choices)


def test_nothing_heavy_is_imported() -> None:
    heavy = "{'sympy', 'math_verify', 'numpy', 'torch', 'pyarrow', 'multiprocessing'}"
    code = f"import sys, folkmoot.answers; print(sorted({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
