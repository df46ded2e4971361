"""Task files: found by name or path, checked, and turned into questions."""

from __future__ import annotations

import json
import logging
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from folkmoot.answers import AnswerType
from folkmoot.documents import BadInput
from folkmoot.evaluation.finding import Finding
from folkmoot.evaluation.tasks import NoData, find_task, load_items, load_split, task_names

SHARED = Path(__file__).parents[2].parent / "shared" / "data"
BUNDLED = {"sums", "picks", "facts", "requests"}
NOT_HERE = {"agieval", "gpqa_diamond", "human_interest"}
"""Read from the user's folder; the samples beside this checkout do not hold them."""
CAPITALS = [
    {"question": f"Capital of {of}?", "options": ["Rome", "Paris"], "answer": answer}
    for of, answer in (("France", "B"), ("Italy", "A"), ("Gaul", "B"))
]


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


@pytest.mark.parametrize("name", sorted(set(task_names()) - BUNDLED - NOT_HERE))
@pytest.mark.parametrize("split", ["dev", "test"])
def test_every_shipped_task_loads(name, split):
    if not SHARED.is_dir():
        pytest.skip("the evaluation sets are not beside this checkout")
    task = find_task(name)
    found = load_split(task, split, SHARED)
    assert found.has("dev")
    assert found.has("test")
    assert found.excluded <= (0.07 if name == "sciriff" else 0.02) * found.total
    assert len({i.id for i in found.items}) == len(found.items) >= 20
    for item in found.items:
        kind = item.answer_type
        assert (item.task, item.metric) == (name, task.metric)
        if kind.kind == "code":
            assert item.entry.isidentifier()
            assert "def check(candidate)" in item.tests
            continue
        assert kind.score(kind.extract(f"I see.\n\nAnswer: {item.gold[0]}"), item.gold, item.metric) == 1.0, item.id
        if kind.kind == "choice":
            assert item.question.count(kind.options[0]) >= 1


@pytest.mark.parametrize("name", sorted(NOT_HERE))
def test_a_task_whose_data_are_not_here_says_so(name, tmp_path):
    with pytest.raises(NoData, match=f"task '{name}': its data file .* --data DIR"):
        load_split(find_task(name), "test", tmp_path)


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


def test_options_keep_the_keys_that_the_question_speaks_of(tmp_path):
    row = {"question": "Is 1 or 2 a city?", "options": {"1": "Rome", "2": "red"}, "answer": "1"}
    task = find_task(str(write(tmp_path, "answer: choice\ndata: {file: q.jsonl, keys: as_given}", row)))
    item = load_items(task)[0]
    assert item.question == "Is 1 or 2 a city?\n\n1) Rome\n2) red"
    assert item.answer_type == AnswerType("choice", ("Rome", "red"), ("1", "2"))
    assert item.gold == ("1",)
    assert item.answer_type.score(item.answer_type.extract("Answer: 1"), item.gold) == 1.0


@pytest.mark.parametrize(
    ("yaml", "row", "kind", "metric"),
    [
        ("answer: math\ntolerance: 0.01", {"answer": "2.5"}, AnswerType("math", tolerance=0.01), "exact"),
        ("answer: math\ntolerance: 0.01", {"answer": "1,250"}, AnswerType("math"), "exact"),
        ("answer: number\ntolerance: 0.01", {"answer": "2/3"}, AnswerType("number", tolerance=0.01), "exact"),
        ("answer: text\nmetric: f1", {"answer": "Paris"}, AnswerType("text"), "f1"),
        ("answer: boolean", {"answer": True}, AnswerType("boolean"), "exact"),
        ("answer: labels\nlabels: [Red, Blue]", {"answer": "red"}, AnswerType("labels", ("Red", "Blue")), "exact"),
        ("answer: labels", {"options": ["Red", "Blue"], "answer": "red"}, AnswerType("labels", ("Red", "Blue")), "exact"),
        ("answer: free", {}, AnswerType("free"), "judge"),
        ("answer: math\nkind_field: of", {"of": "bool", "answer": "True"}, AnswerType("boolean"), "exact"),
        ("answer: math\ntolerance: 0.01\nkind_field: of", {"of": "float", "answer": "0.5"}, AnswerType("number", tolerance=0.01), "exact"),
        ("answer: math\nkind_field: of", {"of": "free"}, AnswerType("free"), "judge"),
        ("answer: math\ntolerance: 0.01\nkind_field: of", {"of": "option", "answer": "(a)"}, AnswerType("text"), "exact"),
    ],
)  # fmt: skip
def test_items_are_read_and_scored_as_the_task_says(yaml, row, kind, metric, tmp_path):
    task = find_task(str(write(tmp_path, f"{yaml}\ndata: {{file: q.jsonl}}", {"question": "What?", **row})))
    [item] = load_items(task)
    assert (item.question, item.answer_type, item.metric) == ("What?", kind, metric)


def test_programs_bring_tests_and_the_name_of_their_function(tmp_path):
    tests = "def check(candidate):\n    assert candidate(1) == 2"
    row = {"question": "Double it.", "tests": tests, "entry": "twice"}
    [item] = load_items(find_task(str(write(tmp_path, "answer: code\ndata: {file: q.jsonl}", row))))
    assert (item.answer_type.kind, item.gold, item.metric, item.tests, item.entry) == (
        "code",
        (),
        "tests",
        tests,
        "twice",
    )


def test_items_know_their_cluster(tmp_path):
    rows = [{"question": f"{n}?", "answer": n, "group": n // 2} for n in range(4)]
    task = find_task(str(write(tmp_path, "answer: number\ncluster: group\ndata: {file: q.jsonl}", *rows)))
    assert [i.cluster for i in load_items(task)] == ["0", "0", "1", "1"]


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
        ("answer: number\nmetric: f1\ndata: {file: q.jsonl}", "metric 'f1' is not for answer 'number'; use exact"),
        ("answer: code\nmetric: exact\ndata: {file: q.jsonl}", "metric 'exact' is not for answer 'code'; use tests"),
        ("answer: text\nmetric: judge\ndata: {file: q.jsonl}", "use exact or f1"),
        ("answer: text\ntolerance: 0.1\ndata: {file: q.jsonl}", "tolerance is for answer 'number' or 'math'"),
        ("answer: number\ntolerance: 1.5\ndata: {file: q.jsonl}", ":4: tolerance: "),
        ("answer: choice\nlabels: [a, b]\ndata: {file: q.jsonl}", "labels are for answer 'labels'"),
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


def test_a_split_that_the_data_do_not_have_is_refused(tmp_path):
    task = find_task(str(write(tmp_path, "answer: choice\ndata: {file: q.jsonl}", *CAPITALS)))
    with pytest.raises(BadInput, match="no split 'tset'; did you mean 'test'"):
        load_items(task, "tset")
    assert not load_split(task).has("dev")


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
    found = load_split(task)
    assert (found.total, found.excluded) == (2, 1)
    assert found.findings == (Finding("mine", "test", "bad", "gold", "answer 'C' is none of the options (A, B)", True),)
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


DOCS = (Path(__file__).parents[2] / "docs" / "tasks.md").read_text(encoding="utf-8")


def test_the_example_of_the_docs_loads(tmp_path):
    rows, task = (re.search(rf"```{of}\n(.*?)```", DOCS, re.S)[1] for of in ("json", "yaml"))
    (tmp_path / "tides.jsonl").write_text(rows, encoding="utf-8")
    (tmp_path / "tides.yaml").write_text(task, encoding="utf-8")
    tides = find_task("tides", tmp_path)
    assert {split: [i.gold for i in load_items(tides, split)] for split in ("dev", "test")} == {
        "dev": [("A",)],
        "test": [("B",)],
    }


@pytest.mark.parametrize("name", task_names())
def test_the_docs_tell_of_every_shipped_task(name):
    task = find_task(name)
    [line] = [line for line in DOCS.splitlines() if line.startswith(f"| {name} | ") and line.count("|") == 6]
    where = "bundled" if name in BUNDLED else f"file `{task.data.file}`"
    assert where in line
    assert f"hub `{task.data.hub.dataset}`" in line if task.data.hub else "hub" not in line
