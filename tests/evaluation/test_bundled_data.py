"""The questions that ship with the package: unambiguous, balanced, and right."""

from __future__ import annotations

import ast
import json
import operator
from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from folkmoot.evaluation.checks import check
from folkmoot.evaluation.tasks import find_task, load_split, task_names

EVAL = Path(__file__).parents[2] / "eval"
BUNDLED = ("sums", "picks", "facts", "requests")
CLOSED = ("sums", "picks", "facts")
SPLITS = ("dev", "test")
OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}


def rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (EVAL / "data" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


def calculate(node: ast.expr) -> Fraction:
    """The four operations on whole numbers, and nothing else."""
    if isinstance(node, ast.BinOp):
        return OPERATORS[type(node.op)](calculate(node.left), calculate(node.right))
    assert isinstance(node, ast.Constant)
    assert isinstance(node.value, int)
    return Fraction(node.value)


def test_every_data_file_belongs_to_a_task() -> None:
    assert {p.stem for p in (EVAL / "data").glob("*.jsonl")} == set(BUNDLED)
    assert set(BUNDLED) <= set(task_names())


@pytest.mark.parametrize("name", BUNDLED)
def test_ids_and_questions_stand_there_once(name: str) -> None:
    for key in ("id", "question"):
        assert [v for v, n in Counter(r[key] for r in rows(name)).items() if n > 1] == []


@pytest.mark.parametrize("name", BUNDLED)
def test_splits_have_their_sizes(name: str) -> None:
    task = find_task(name)
    assert {s: len(load_split(task, s).items) for s in SPLITS} == {"dev": 8, "test": 24}


@pytest.mark.parametrize("name", BUNDLED)
def test_the_checks_find_nothing(name: str) -> None:
    assert check(find_task(name)) == []


@pytest.mark.parametrize("name", CLOSED)
@pytest.mark.parametrize("split", SPLITS)
def test_every_accepted_answer_in_the_form_of_the_contract_is_right(name: str, split: str) -> None:
    task = find_task(name)
    for item in load_split(task, split).items:
        for gold in item.gold:
            read = item.answer_type.extract(f"Let me think.\nAnswer: {gold}")
            assert item.answer_type.score(read, item.gold, task.metric) == 1.0, (item.id, gold)


@pytest.mark.parametrize("row", rows("sums"), ids=lambda r: r["id"])
def test_sums_are_right(row: dict[str, Any]) -> None:
    value = calculate(ast.parse(row["check"], mode="eval").body)
    assert value.denominator == 1
    assert Fraction(row["answer"]) == value


@pytest.mark.parametrize("row", rows("sums"), ids=lambda r: r["id"])
def test_the_figures_of_a_sum_are_in_its_question(row: dict[str, Any]) -> None:
    words = {"two": 2, "three": 3, "four": 4, "five": 5, "half": 2, "twice": 2, "each": 1, "back": 2}
    said = [int(w) if w.isdigit() else words.get(w.lower(), -1) for w in row["question"].replace(".", " ").split()]
    used = [n.value for n in ast.walk(ast.parse(row["check"])) if isinstance(n, ast.Constant)]
    assert set(used) <= set(said)


def test_letters_are_balanced_in_every_eight_questions() -> None:
    """A system that always says the same letter gets a quarter, whatever the limit."""
    for split in SPLITS:
        letters = [r["answer"] for r in rows("picks") if r["split"] == split]
        for i in range(0, len(letters), 8):
            assert Counter(letters[i : i + 8]) == {"A": 2, "B": 2, "C": 2, "D": 2}


def test_options_differ() -> None:
    for r in rows("picks"):
        assert len({o.casefold() for o in r["options"]}) == 4, r["id"]


def test_no_question_gives_its_answer_away() -> None:
    for r in rows("facts"):
        assert not any(len(a) > 2 and a.casefold() in r["question"].casefold() for a in r["answer"]), r["id"]


def test_requests_ask_for_something_and_can_be_answered_briefly() -> None:
    for r in rows("requests"):
        assert set(r) == {"id", "split", "question"}
        assert 15 <= len(r["question"].split()) <= 75, r["id"]
        assert r["question"].endswith((".", "?")), r["id"]
