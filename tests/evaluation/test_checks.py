"""What is wrong with a task's data is found, listed and left out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from folkmoot.answers import AnswerType
from folkmoot.evaluation.checks import ceiling, check, findings_table, folded, sift
from folkmoot.evaluation.finding import Finding
from folkmoot.evaluation.item import Item
from folkmoot.evaluation.rows import Row
from folkmoot.evaluation.tasks import Task, find_task

SHARED = Path(__file__).parents[2].parent / "shared" / "data"
shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the evaluation sets are not beside this checkout")


def rows(*texts: str, **more: Any) -> list[Row]:
    return [Row(f"f:{n}", f"q{n}", question=text, gold=("x",), **more) for n, text in enumerate(texts, 1)]


def item(row: Row) -> Item:
    return Item(row.id, row.question, AnswerType(row.kind, row.options), row.gold)


def sifted(split: str, these: list[Row], others: list[Row]) -> tuple[list[str], list[tuple[str, str, bool]]]:
    kept, findings = sift("t", split, these, others, item)
    return [i.id for i in kept], [(f.item, f.kind, f.excluded) for f in findings]


def test_second_copies_of_a_question_are_left_out_whatever_their_case_and_spaces():
    kept, findings = sift("t", "test", rows("Red or blue?", "Big?", " red  OR blue? "), [], item)
    assert [i.id for i in kept] == ["q1", "q2"]
    assert findings == [Finding("t", "test", "q3", "duplicate", "the same question as item q1", True)]


def test_a_copy_with_another_answer_says_so():
    first, second = rows("Who?", "Who?")
    _, [f] = sift("t", "test", [first, Row("f:2", "q2", question="Who?", gold=("y",))], [], item)
    assert f.what == "the same question as item q1, with another answer"
    assert second.gold == first.gold


def test_the_order_of_options_does_not_count_but_the_options_do():
    here, there, other = (
        Row("f", "q", "choice", "Which is true?", options) for options in (("a", "b"), ("B", "a"), ("a", "c"))
    )
    assert folded(here) == folded(there) != folded(other)


def test_a_test_question_is_asked_although_it_is_in_dev_and_nothing_is_tuned_on_it():
    dev, test = rows("A?", "B?"), rows("B?", "C?")
    assert sifted("test", test, dev) == (["q1", "q2"], [("q1", "overlap", False)])
    assert sifted("dev", dev, test) == (["q1"], [("q2", "overlap", True)])
    assert sifted("extra", dev, test) == (["q1", "q2"], [])


def test_rows_that_do_not_fit_and_ids_that_are_taken_are_left_out():
    wrong = Row("f:2", "bad", wrong="the answer is empty", fault="empty")
    again = Row("f:3", "q1", question="Other?", gold=("x",))
    assert sifted("test", [*rows("A?"), wrong, again], []) == (["q1"], [("bad", "empty", True), ("q1", "schema", True)])


def test_what_makes_no_item_is_a_finding_not_an_error():
    odd = Row("f:1", "q1", "choice", "Which?", options=("a",), gold=("A",))
    kept, [f] = sift("t", "test", [odd], [], item)
    assert (kept, f.kind) == ([], "schema")
    assert "2 to 26" in f.what


@pytest.mark.parametrize(
    ("kind", "gold", "says", "lost"),
    [
        (AnswerType("choice", ("a", "b")), ("B",), "", False),
        (AnswerType("number"), ("1,200",), "", False),
        (AnswerType("text"), ("Paris",), "", False),
        (AnswerType("boolean"), ("no",), "", False),
        (AnswerType("labels", ("Red", "Blue")), ("Blue, Red",), "", False),
        (AnswerType("math"), ("\\dfrac{1}{\\sqrt{2}}",), "", False),
        (AnswerType("text"), ("> } ]",), "'> } ]' is not read in a box", False),  # a brace that closes nothing
        (AnswerType("number"), ("many",), "'many' is not read as a last line; 'many' is not read in a box", True),
        (AnswerType("number"), ("7", "many"), "'many' is not read as a last line; 'many' is not read in a box", False),
    ],
)
def test_right_answers_are_accepted_in_the_forms_that_are_asked_for(kind, gold, says, lost):
    assert ceiling(Item("q", "?", kind, gold)) == (says, lost)


def test_programs_and_open_requests_have_no_ceiling():
    assert ceiling(Item("q", "?", AnswerType("code"), (), metric="tests")) == ("", False)
    assert ceiling(Item("q", "?", AnswerType("free"), (), metric="judge")) == ("", False)


def own(tmp_path: Path, *lines: dict[str, Any]) -> Task:
    (tmp_path / "mine.yaml").write_text(
        "name: mine\ndescription: A test.\nanswer: number\ndata: {file: q.jsonl}", encoding="utf-8"
    )
    (tmp_path / "q.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return find_task(str(tmp_path / "mine.yaml"))


def test_a_check_lists_what_a_run_would_refuse(tmp_path):
    task = own(
        tmp_path,
        {"id": "a", "question": "1 + 1?", "answer": 2},
        {"id": "b", "question": "1 + 2?", "answer": "three"},
        {"id": "c", "question": "1 + 1?", "answer": 2, "split": "dev"},
    )
    assert [(f.split, f.item, f.kind, f.excluded) for f in check(task)] == [
        ("dev", "c", "overlap", True),
        ("test", "a", "overlap", False),
        ("test", "b", "gold", True),
    ]
    assert [f.item for f in check(task, splits=("test",))] == ["a", "b"]
    assert findings_table([task]).splitlines() == [
        "| task | split | items | left out | schema | gold | empty | duplicate | overlap | ceiling |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|",
        "| mine | dev | 1 | 1 |  |  |  |  | 1 |  |",
        "| mine | test | 2 | 1 |  | 1 |  |  | 1 |  |",
    ]


def test_splits_that_the_data_do_not_have_are_passed_over(tmp_path):
    assert findings_table([own(tmp_path, {"question": "1 + 1?", "answer": 2})]).splitlines()[2:] == [
        "| mine | test | 1 |  |  |  |  |  |  |  |"
    ]


@shared
@pytest.mark.parametrize(
    ("name", "kind", "dev", "test"),
    [
        ("popqa", "overlap", 2, 2),
        ("popqa", "duplicate", 1, 1),
        ("sciriff", "overlap", 5, 5),
        ("sciriff", "duplicate", 2, 1),
        ("mmlu_redux", "gold", 0, 1),
        ("math", "empty", 1, 2),
        ("arc_challenge", "gold", 0, 0),
        ("tablemwp", "gold", 0, 0),
    ],
)
def test_known_defects_of_published_sets_are_found(name, kind, dev, test):
    """The last two: options keyed 1-4 or "id" made 22 and 15 items unscorable before; relabelled, all can be scored."""
    found = [f for f in check(find_task(name), SHARED) if f.kind == kind]
    assert (sum(f.split == "dev" for f in found), sum(f.split == "test" for f in found)) == (dev, test)
    assert all(f.excluded for f in found if (f.kind, f.split) != ("overlap", "test"))
