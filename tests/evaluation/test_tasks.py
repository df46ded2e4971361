"""Task files: found by name or path, checked, and turned into questions."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Any

import pytest

from folkmoot.answers import AnswerType
from folkmoot.documents import BadInput
from folkmoot.evaluation.tasks import find_task, load_items, load_split, task_names

SHARED = Path(__file__).parents[2].parent / "shared" / "data"
BUNDLED = {"sums", "picks", "facts"}
CAPITALS = [{"question": "Capital of France?", "options": ["Rome", "Paris"], "answer": "B"}] * 3


@pytest.fixture(autouse=True)
def no_data_folder(monkeypatch):
    monkeypatch.delenv("FOLKMOOT_DATA", raising=False)
    monkeypatch.setitem(sys.modules, "datasets", None)  # the same whether or not it is installed here


def write(folder: Path, yaml: str, *rows: dict[str, Any], name: str = "mine") -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(f"name: {name}\ndescription: A test.\n{yaml}", encoding="utf-8")
    (folder / "q.jsonl").write_text(
        "\n".join(json.dumps({"id": f"q{i}", **r}) for i, r in enumerate(rows)), encoding="utf-8"
    )
    return path


@pytest.mark.parametrize("name", task_names())
def test_every_shipped_task_fits_and_is_called_like_its_file(name):
    task = find_task(name)
    assert task.name == name
    assert task.description.endswith(".")
    assert task.source


def test_bundled_tasks_need_no_data_folder():
    for name in BUNDLED:
        assert len(load_items(find_task(name))) == 24


@pytest.mark.parametrize("name", sorted(set(task_names()) - BUNDLED))
@pytest.mark.parametrize("split", ["dev", "test"])
def test_every_shipped_task_loads(name, split):
    if not SHARED.is_dir():
        pytest.skip("the evaluation sets are not beside this checkout")
    task = find_task(name)
    found = load_split(task, split, SHARED)
    assert len(found.left_out) <= 0.01 * len(found.items)
    assert len({i.id for i in found.items}) == len(found.items) >= 20
    for item in found.items:
        said = item.answer_type.extract(f"I see.\n\nAnswer: {item.gold[0]}")
        assert item.answer_type.score(said, item.gold, task.metric) == 1.0, item.id
        assert item.question.count(item.answer_type.options[0]) >= 1 if item.answer_type.options else True


def test_options_are_put_under_the_question_once(tmp_path):
    task = find_task(str(write(tmp_path, "answer: choice\ndata: {file: q.jsonl}", *CAPITALS)))
    item = load_items(task)[0]
    assert item.question == "Capital of France?\n\nA) Rome\nB) Paris"
    assert item.answer_type == AnswerType("choice", ("Rome", "Paris"))
    assert item.gold == ("B",)


def test_options_that_the_question_lists_are_not_put_there_again(tmp_path):
    yaml = "answer: choice\ndata: {file: q.jsonl, options_in_question: true}"
    task = find_task(str(write(tmp_path, yaml, *CAPITALS)))
    assert load_items(task)[0].question == "Capital of France?"


def test_a_foreign_answer_contract_is_cut_off(tmp_path):
    yaml = 'answer: text\ndata: {file: q.jsonl, question_until: " Reply with"}'
    task = find_task(str(write(tmp_path, yaml, {"question": "Capital? Reply with one word.", "answer": "Paris"})))
    assert load_items(task)[0].question == "Capital?"


def test_an_instruction_stands_under_every_question(tmp_path):
    yaml = "answer: text\ndata: {file: q.jsonl}\ninstruction: Say the city alone."
    task = find_task(str(write(tmp_path, yaml, {"question": "Capital?", "answer": "Paris"})))
    assert load_items(task)[0].question == "Capital?\n\nSay the city alone."


def test_a_limit_takes_the_first_questions_in_file_order(tmp_path):
    rows = [{"question": f"Number {i}?", "answer": i} for i in range(5)]
    task = find_task(str(write(tmp_path, "answer: number\ndata: {file: q.jsonl}", *rows)))
    assert [i.id for i in load_items(task, limit=2)] == ["q0", "q1"]
    assert [i.id for i in load_items(task)] == ["q0", "q1", "q2", "q3", "q4"]


def test_tasks_of_the_suites_folder_are_known_by_name_and_path(tmp_path):
    write(tmp_path, "answer: choice\ndata: {file: q.jsonl}", *CAPITALS)
    assert find_task("mine", tmp_path).name == "mine"
    assert find_task("mine.yaml", tmp_path).name == "mine"
    assert len(load_items(find_task("mine", tmp_path))) == 3


def test_a_shipped_name_is_not_taken_over_by_a_file_of_the_suites_folder(tmp_path):
    write(tmp_path, "answer: choice\ndata: {file: q.jsonl}", *CAPITALS, name="sums")
    assert find_task("sums", tmp_path).answer == "number"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("sum", "no task 'sum'; did you mean 'sums'?"),
        ("../tasks/sums", "no task '../tasks/sums'"),
        ("nothing.yaml", "nothing.yaml: no such file"),
    ],
)
def test_an_unknown_task_is_refused(name, says):
    with pytest.raises(BadInput) as e:
        find_task(name)
    assert says in str(e.value)


@pytest.mark.parametrize(
    ("yaml", "says"),
    [
        ("answer: letter\ndata: {file: q.jsonl}", ":3: answer: "),
        ("answer: text\ndata: {fil: q.jsonl}", ":4: unknown key 'fil'; did you mean 'file'?"),
        ("answer: text\ndata: {}", "name a file or a hub data set"),
        ("answer: number\nmetric: f1\ndata: {file: q.jsonl}", "metric 'f1' is for answer 'text'"),
        ("answer: text", "'data' is missing"),
        ("answer: text\ndata: {file: q.jsonl}\nlicense: MIT", ":5: unknown key 'license'; did you mean 'licence'?"),
    ],
)
def test_a_task_file_that_does_not_fit_is_refused(yaml, says, tmp_path):
    path = write(tmp_path, yaml)
    with pytest.raises(BadInput) as e:
        find_task(str(path))
    assert says in str(e.value)
    assert str(path) in str(e.value)


def test_missing_data_name_the_file_the_task_and_the_remedy(tmp_path):
    with pytest.raises(BadInput) as e:
        load_items(find_task("gsm8k"), data_dir=tmp_path)
    for part in (
        "'gsm8k'",
        "gsm8k.json",
        str(tmp_path),
        "--data DIR",
        "FOLKMOOT_DATA",
        "openai/gsm8k",
        "folkmoot[datasets]",
    ):
        assert part in str(e.value)
    with pytest.raises(BadInput, match=r"its data file wikidyk\.json is not here; name the folder") as e:
        load_items(find_task("wikidyk"))
    assert "hub" not in str(e.value)


def test_the_data_folder_may_be_named_by_the_environment(tmp_path, monkeypatch):
    item = {"id": 1, "input": "1 + 1?", "output": "2"}
    (tmp_path / "gsm8k.json").write_text(json.dumps({"task_type": "exact_match", "test": [item]}), encoding="utf-8")
    monkeypatch.setenv("FOLKMOOT_DATA", str(tmp_path))
    assert [i.gold for i in load_items(find_task("gsm8k"))] == [("2",)]
    with pytest.raises(BadInput, match="nowhere: no such folder \\(named by --data\\)"):
        load_items(find_task("gsm8k"), data_dir=tmp_path / "nowhere")
    monkeypatch.setenv("FOLKMOOT_DATA", str(tmp_path / "gone"))
    with pytest.raises(BadInput, match="gone: no such folder \\(named by FOLKMOOT_DATA\\)"):
        load_items(find_task("gsm8k"))


def test_every_wrong_line_of_an_own_file_is_named(tmp_path):
    rows = [
        {"question": "?", "answer": "x"},
        {"question": "?", "answer": "7"},
        {"id": "q1", "question": "?", "answer": 8},
    ]
    task = find_task(str(write(tmp_path, "answer: number\ndata: {file: q.jsonl}", *rows)))
    with pytest.raises(BadInput) as e:
        load_items(task)
    first, second = str(e.value).splitlines()
    assert first == f"{tmp_path / 'q.jsonl'}:1: answer 'x' is no number (write 1234.5, -3 or 2/3)"
    assert second == f"{tmp_path / 'q.jsonl'}:3: id 'q1' stands at {tmp_path / 'q.jsonl'}:2 already"


def test_many_wrong_lines_are_counted_after_the_first_twenty(tmp_path):
    task = find_task(
        str(write(tmp_path, "answer: number\ndata: {file: q.jsonl}", *[{"question": "?", "answer": "x"}] * 30))
    )
    with pytest.raises(BadInput) as e:
        load_items(task)
    assert len(str(e.value).splitlines()) == 21
    assert str(e.value).endswith("10 more like these")


def test_an_empty_file_has_no_questions(tmp_path):
    with pytest.raises(BadInput, match="no items in split 'test' of task 'mine'"):
        load_items(find_task(str(write(tmp_path, "answer: number\ndata: {file: q.jsonl}"))))


def test_items_of_a_published_set_that_cannot_be_scored_are_left_out_and_told(tmp_path, caplog):
    items = [
        {"id": "good", "question": "?", "choices": {"A": "x", "B": "y"}, "answer": "A"},
        {"id": "bad", "question": "?", "choices": {"A": "x", "B": "y"}, "answer": "C"},
    ]
    (tmp_path / "m.json").write_text(json.dumps({"task_type": "multiple_choice", "test": items}), encoding="utf-8")
    task = find_task(str(write(tmp_path, "answer: choice\ndata: {file: m.json, format: moco}")))
    assert load_split(task).left_out == (("bad", "answer 'C' is none of the options (A, B)"),)
    with caplog.at_level(logging.WARNING, "folkmoot.evaluation.tasks"):
        assert [i.id for i in load_items(task)] == ["good"]
    assert "task mine: 1 of 2 test items left out" in caplog.text


@pytest.mark.skipif(not SHARED.is_dir(), reason="the evaluation sets are not beside this checkout")
def test_questions_bring_no_second_list_of_options_and_no_second_contract():
    for item in load_items(find_task("blend"), data_dir=SHARED):
        assert item.question.count(f"A) {item.answer_type.options[0]}") == 1
        assert "Without any explanation" not in item.question
        assert "A. " not in item.question
    for item in load_items(find_task("tablemwp_free_text"), data_dir=SHARED):
        assert not item.question.endswith("Answer:")
