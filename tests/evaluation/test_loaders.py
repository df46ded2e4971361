"""Rows from files and from the hub: what fits is read, what does not says where and why."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from folkmoot.documents import BadInput
from folkmoot.engines.contract import Missing
from folkmoot.evaluation.loaders import Fields, Hub, Row, checked, hub_rows, jsonl_rows, moco_rows


def jsonl(tmp_path: Path, *rows: Any) -> Path:
    path = tmp_path / "q.jsonl"
    path.write_text("\n".join(r if isinstance(r, str) else json.dumps(r) for r in rows) + "\n", encoding="utf-8")
    return path


def moco(tmp_path: Path, task_type: str, **splits: list[dict[str, Any]]) -> Path:
    path = tmp_path / "m.json"
    path.write_text(json.dumps({"name": "m", "task_type": task_type, **splits}), encoding="utf-8")
    return path


def one(data: Any, tmp_path: Path, kind: str = "text", **fields: Any) -> Row:
    [row] = jsonl_rows(jsonl(tmp_path, data), Fields(**fields), kind, "test")
    return row


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
def test_options_and_answers_in_every_form(options, answer, texts, letter, tmp_path):
    row = one({**CHOICE, "options": options, "answer": answer}, tmp_path, "choice")
    assert (row.wrong, row.options, row.gold) == ("", texts, (letter,))


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
    ],
)
def test_other_answers_in_every_form(kind, answer, gold, tmp_path):
    row = one({"id": "q", "question": "?", "answer": answer}, tmp_path, kind)
    assert (row.wrong, row.gold) == ("", gold)


@pytest.mark.parametrize(
    ("kind", "data", "says"),
    [
        ("text", {"id": 1, "question": "?", "anser": "x"}, "field 'answer' is missing; did you mean 'anser'?"),
        ("text", {"id": 1, "question": " ", "answer": "x"}, "question is empty"),
        ("text", {"id": 1, "question": 5, "answer": "x"}, "question is empty or no text"),
        ("text", {"id": 1, "question": "?", "answer": []}, "the answer is empty"),
        ("text", {"id": 1, "question": "?", "answer": "  "}, "the answer is empty"),
        ("text", {"id": 1, "question": "?", "answer": True}, "in quotes"),
        ("text", {"id": 1, "question": "?", "answer": {"a": 1}}, "in quotes"),
        ("number", {"id": 1, "question": "?", "answer": "many"}, "'many' is no number"),
        ("number", {"id": 1, "question": "?", "answer": "3,14"}, "'3,14' is no number"),
        ("choice", {"id": 1, "question": "?", "answer": "A"}, "field 'options' is missing"),
        ("choice", {**CHOICE, "answer": "C"}, "'C' is none of the options (A, B)"),
        ("choice", {**CHOICE, "answer": 2}, "2 is none of the options (A, B)"),
        ("choice", {**CHOICE, "answer": True}, "True is none of the options"),
        ("choice", {**CHOICE, "options": ["x"], "answer": "A"}, "2 to 26 options are needed, got 1"),
        ("choice", {**CHOICE, "options": "AB", "answer": "A"}, "write a list of texts"),
        ("choice", {**CHOICE, "options": ["x", " "], "answer": "A"}, "option B is empty"),
        ("choice", {**CHOICE, "options": ["x", "x", "y"], "answer": "B"}, "options A and B are the same"),
        ("choice", {**CHOICE, "options": {"text": ["x"], "label": ["A", "B"]}, "answer": "A"}, "shorter"),
    ],
)
def test_a_row_that_does_not_fit_says_why(kind, data, says, tmp_path):
    row = one(data, tmp_path, kind)
    assert says in row.wrong
    assert row.where == f"{tmp_path / 'q.jsonl'}:1"


def test_equal_options_are_no_matter_unless_they_are_the_answer(tmp_path):
    assert one({**CHOICE, "options": ["x", "x", "y"], "answer": "C"}, tmp_path, "choice").wrong == ""


def test_lines_that_are_no_objects_are_named_by_their_line(tmp_path):
    path = jsonl(tmp_path, {"question": "?", "answer": "x"}, "", "{not json", "[1]")
    good, broken, listed = jsonl_rows(path, Fields(), "text", "test")
    assert good.id == "1"  # no id: the line number
    assert (broken.where, broken.wrong[:8]) == (f"{path}:3", "not JSON")
    assert (listed.where, listed.wrong) == (f"{path}:4", "expected an object {...}")


def test_ids_that_stand_there_twice_are_found():
    first, second = checked([Row("f:1", "a"), Row("f:2", "a")])
    assert (first.wrong, second.wrong) == ("", "id 'a' stands at f:1 already")


def test_fields_have_the_names_that_the_task_gives_them(tmp_path):
    data = {"key": 7, "q": "2 + 3?", "solution": "two and three\n#### 4 ####  5", "part": "test"}
    row = one(data, tmp_path, "number", id="key", question="q", answer="solution", split="part", answer_after="####")
    assert (row.id, row.question, row.gold) == ("7", "2 + 3?", ("5",))
    assert (
        "holds no '####'"
        in one(
            {**data, "solution": "5"}, tmp_path, "number", question="q", answer="solution", answer_after="####"
        ).wrong
    )


def test_rows_belong_to_a_split(tmp_path):
    path = jsonl(tmp_path, {"question": "?", "answer": "x", "split": "dev"}, {"question": "??", "answer": "y"})
    assert [r.question for r in jsonl_rows(path, Fields(), "text", "dev")] == ["?"]
    assert [r.question for r in jsonl_rows(path, Fields(), "text", "test")] == ["??"]
    with pytest.raises(BadInput, match="no split 'tset'; did you mean 'test'"):
        jsonl_rows(path, Fields(), "text", "tset")


def test_a_byte_order_mark_does_not_hurt_and_other_encodings_are_refused(tmp_path):
    path = tmp_path / "q.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"question": "?", "answer": "x"}\r\n')
    assert jsonl_rows(path, Fields(), "text", "test")[0].wrong == ""
    path.write_bytes(b'{"question": "\xff", "answer": "x"}\n')
    with pytest.raises(BadInput, match="cannot be read"):
        jsonl_rows(path, Fields(), "text", "test")


def test_moco_options_are_labelled_by_their_order(tmp_path):
    """Files with options keyed 1-4, or with the fourth one keyed "id", could not be scored right before."""
    items = [
        {"id": 1, "question": "?", "choices": {"1": "w", "2": "x", "3": "y"}, "answer": "2"},
        {"id": 2, "question": "?", "choices": {"A": "w", "B": "x", "C": "y", "id": "z"}, "answer": "id"},
        {"id": 3, "question": "?", "choices": {"A": "w", "B": "x"}, "answer": "C"},
    ]
    numbered, stray, unanswerable = moco_rows(moco(tmp_path, "multiple_choice", test=items), "choice", "test")
    assert (numbered.options, numbered.gold) == (("w", "x", "y"), ("B",))
    assert (stray.options, stray.gold) == (("w", "x", "y", "z"), ("D",))
    assert unanswerable.wrong == "answer 'C' is none of the options (A, B)"


def test_moco_ids_become_unique(tmp_path):
    items = [
        {"id": "a", "input": "?", "output": "x"},
        {"id": "a", "input": "??", "output": "y"},
        {"input": "?", "output": "z"},
    ]
    assert [r.id for r in moco_rows(moco(tmp_path, "exact_match", dev=items), "text", "dev")] == ["a", "a#2", "3"]


def test_moco_aliases_may_hold_commas(tmp_path):
    items = [{"id": 1, "input": "?", "output": '["Salt Lake City, Utah", "SLC"]'}]
    [row] = moco_rows(moco(tmp_path, "f1_match", test=items), "text", "test")
    assert row.gold == ("Salt Lake City, Utah", "SLC")


@pytest.mark.parametrize(
    ("task_type", "kind", "split", "says"),
    [
        ("coding", "text", "test", "task_type 'coding' cannot be read with answer 'text'"),
        ("exact_match", "choice", "test", "cannot be read with answer 'choice'"),
        ("multiple_choice", "number", "test", "cannot be read with answer 'number'"),
        ("exact_match", "text", "tset", "no split 'tset'; did you mean 'test'"),
    ],
)
def test_moco_files_of_another_kind_are_refused(task_type, kind, split, says, tmp_path):
    with pytest.raises(BadInput, match=says):
        moco_rows(moco(tmp_path, task_type, test=[]), kind, split)


@pytest.mark.parametrize("text", ["[]", '{"a": 1}', "{", "5"])
def test_what_is_no_moco_file_is_refused(text, tmp_path):
    path = tmp_path / "m.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadInput, match=r"m\.json: "):
        moco_rows(path, "text", "test")


@pytest.fixture
def hub(monkeypatch):
    """A stand-in for the ``datasets`` package that notes what it is asked for."""
    asked: list[Any] = []

    def load_dataset(*names, **options):
        asked.append((names, options))
        if names[0] == "no/where":
            raise ConnectionError("no route\nmore")
        return [
            {"question": "1 + 1?", "answer": "one and one #### 2"},
            {"question": "1 + 2?", "answer": "one and two #### 3"},
        ]

    module = ModuleType("datasets")
    module.load_dataset = load_dataset  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "datasets", module)
    return asked


def test_rows_of_a_hub_data_set(hub):
    source = Hub(
        dataset="o/n", config="main", revision="abc", splits={"dev": "train"}, fields=Fields(answer_after="####")
    )
    rows = hub_rows(source, "number", "dev")
    assert hub == [(("o/n", "main"), {"split": "train", "revision": "abc"})]
    assert [(r.id, r.gold, r.wrong) for r in rows] == [("0", ("2",), ""), ("1", ("3",), "")]


def test_a_hub_that_cannot_be_reached_is_missing(hub):
    with pytest.raises(Missing, match=r"no/where: cannot be fetched \(no route\); name a folder with --data DIR"):
        hub_rows(Hub(dataset="no/where"), "text", "test")


def test_a_split_that_the_task_does_not_name_is_refused(hub):
    with pytest.raises(BadInput, match="no split 'dev'"):
        hub_rows(Hub(dataset="o/n", splits={"test": "test"}), "text", "dev")
    assert hub == []


def test_without_the_package_the_line_to_install_it_is_shown(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(Missing, match=r"pip install 'folkmoot\[datasets\]'"):
        hub_rows(Hub(dataset="o/n"), "text", "test")
