"""Splits of files and of the hub: each read when it is called for, each row with its place."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from folkmoot.documents import BadInput
from folkmoot.engines.contract import Missing
from folkmoot.evaluation.loaders import Hub, hub_splits, jsonl_splits, moco_splits
from folkmoot.evaluation.rows import Fields, Reading, Row

TEXT = Reading("text")


def jsonl(tmp_path: Path, *rows: Any) -> Path:
    path = tmp_path / "q.jsonl"
    path.write_text("\n".join(r if isinstance(r, str) else json.dumps(r) for r in rows) + "\n", encoding="utf-8")
    return path


def moco(tmp_path: Path, task_type: str, **splits: list[Any]) -> Path:
    path = tmp_path / "m.json"
    path.write_text(json.dumps({"name": "m", "task_type": task_type, **splits}), encoding="utf-8")
    return path


def read(path: Path, split: str = "test") -> list[Row]:
    return jsonl_splits(path, Fields(), TEXT)[split]()


def test_rows_have_file_and_line(tmp_path):
    path = jsonl(tmp_path, "", {"id": "q", "question": "?", "answer": "x"}, {"question": "?"})
    good, bad = read(path)
    assert (good.where, good.id, good.wrong) == (f"{path}:2", "q", "")
    assert (bad.where, bad.id) == (f"{path}:3", "3")


def test_lines_that_are_no_objects_are_named_by_their_line_in_every_split(tmp_path):
    path = jsonl(tmp_path, {"question": "?", "answer": "x"}, "", "{not json", "[1]")
    good, broken, listed = read(path)
    assert good.id == "1"  # no id: the line number
    assert (broken.where, broken.wrong[:8]) == (f"{path}:3", "not JSON")
    assert (listed.where, listed.wrong) == (f"{path}:4", "expected an object {...}")
    [alone] = read(jsonl(tmp_path, "{"))
    assert alone.wrong.startswith("not JSON")


def test_rows_belong_to_a_split(tmp_path):
    path = jsonl(tmp_path, {"question": "?", "answer": "x", "split": "dev"}, {"question": "??", "answer": "y"})
    splits = jsonl_splits(path, Fields(), TEXT)
    assert {name: [r.question for r in rows()] for name, rows in splits.items()} == {"dev": ["?"], "test": ["??"]}


def test_a_byte_order_mark_does_not_hurt_and_other_encodings_are_refused(tmp_path):
    path = tmp_path / "q.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"question": "?", "answer": "x"}\r\n')
    assert read(path)[0].wrong == ""
    path.write_bytes(b'{"question": "\xff", "answer": "x"}\n')
    with pytest.raises(BadInput, match="cannot be read"):
        read(path)


def test_moco_options_are_labelled_by_their_order(tmp_path):
    """Files with options keyed 1-4, or with the fourth one keyed "id", could not be scored right before."""
    items = [
        {"id": 1, "question": "?", "choices": {"1": "w", "2": "x", "3": "y"}, "answer": "2"},
        {"id": 2, "question": "?", "choices": {"A": "w", "B": "x", "C": "y", "id": "z"}, "answer": "id"},
        {"id": 3, "question": "?", "choices": {"A": "w", "B": "x"}, "answer": "C"},
    ]
    numbered, stray, unanswerable = moco_splits(moco(tmp_path, "multiple_choice", test=items), Reading("choice"))[
        "test"
    ]()
    assert (numbered.options, numbered.gold) == (("w", "x", "y"), ("B",))
    assert (stray.options, stray.gold) == (("w", "x", "y", "z"), ("D",))
    assert unanswerable.wrong == "answer 'C' is none of the options (A, B)"


def test_moco_ids_become_unique_and_what_is_no_item_says_so(tmp_path):
    items = [
        {"id": "a", "input": "?", "output": "x"},
        {"id": "a", "input": "??", "output": "y"},
        {"input": "?", "output": "z"},
        "a line",
    ]
    rows = moco_splits(moco(tmp_path, "exact_match", dev=items), TEXT)["dev"]()
    assert [(r.id, r.wrong) for r in rows] == [("a", ""), ("a#2", ""), ("3", ""), ("4", "expected an object {...}")]


def test_moco_aliases_may_hold_commas(tmp_path):
    items = [{"id": 1, "input": "?", "output": '["Salt Lake City, Utah", "SLC"]'}]
    [row] = moco_splits(moco(tmp_path, "f1_match", test=items), TEXT)["test"]()
    assert row.gold == ("Salt Lake City, Utah", "SLC")


@pytest.mark.parametrize(
    ("task_type", "kind", "item"),
    [
        ("exact_match", "math", {"input": "?", "output": "\\pi"}),
        ("exact_match", "boolean", {"input": "?", "output": "True"}),
        ("coding", "code", {"input": "def f(x):", "test": "def check(candidate):\n    pass", "language": "python"}),
        ("reward_model", "free", {"input": "Write to my aunt.", "output": "anything"}),
    ],
)
def test_moco_files_of_every_kind_are_read(task_type, kind, item, tmp_path):
    [row] = moco_splits(moco(tmp_path, task_type, test=[item]), Reading(kind))["test"]()
    assert (row.wrong, row.kind, row.question) == ("", kind, item["input"])


@pytest.mark.parametrize(
    ("task_type", "kind"),
    [
        ("coding", "text"),
        ("exact_match", "choice"),
        ("multiple_choice", "number"),
        ("f1_match", "math"),
        ("ifeval", "free"),
    ],
)
def test_moco_files_of_another_kind_are_refused(task_type, kind, tmp_path):
    with pytest.raises(BadInput, match=f"task_type '{task_type}' cannot be read with answer '{kind}'"):
        moco_splits(moco(tmp_path, task_type, test=[]), Reading(kind))


@pytest.mark.parametrize("text", ["[]", '{"a": 1}', "{", "5"])
def test_what_is_no_moco_file_is_refused(text, tmp_path):
    path = tmp_path / "m.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadInput, match=r"m\.json: "):
        moco_splits(path, TEXT)


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


def test_a_hub_data_set_is_fetched_when_its_split_is_called_for(hub):
    fields = Fields(answer_after="####")
    source = Hub(dataset="o/n", config="main", revision="abc", splits={"dev": "train"}, fields=fields)
    splits = hub_splits(source, Reading("number"))
    assert (list(splits), hub) == (["dev"], [])
    assert [(r.id, r.gold, r.wrong) for r in splits["dev"]()] == [("0", ("2",), ""), ("1", ("3",), "")]
    assert hub == [(("o/n", "main"), {"split": "train", "revision": "abc"})]


def test_a_hub_that_cannot_be_reached_is_missing(hub):
    with pytest.raises(Missing, match=r"no/where: cannot be fetched \(no route\); name a folder with --data DIR"):
        hub_splits(Hub(dataset="no/where"), TEXT)["test"]()


def test_without_the_package_the_line_to_install_it_is_shown(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(Missing, match=r"pip install 'folkmoot\[datasets\]'"):
        hub_splits(Hub(dataset="o/n"), TEXT)
