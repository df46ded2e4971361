"""Training rows become the conversations that the product will hold; what cannot be used is named with its line."""

import json
import time

import pytest

from folkmoot.contribute.rows import Questions, leaks, read_lessons
from folkmoot.documents import BadInput
from folkmoot.engines.contract import Message
from folkmoot.engines.scripted import Scripted
from folkmoot.evaluation.tasks import load_split, own_task
from folkmoot.manifest import Manifest, Priority
from folkmoot.participant import Participant
from folkmoot.prompts import render

ASK = {"question": "How many?", "answer": 3}


def manifest(tmp_path, answer="number", **priority):
    return Manifest(
        name="ana",
        model="base",
        system="Be exact.",
        priority=Priority(file=str(tmp_path / "priority.jsonl"), answer=answer, **priority),
    )


def lessons(tmp_path, *rows, answer="number", least=1, **priority):
    path = tmp_path / "train.jsonl"
    path.write_text("".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in rows), encoding="utf-8")
    me = Participant("ana", Scripted([]), system="Be exact.")
    return read_lessons(path, manifest(tmp_path, answer, **priority), me, least)


@pytest.mark.parametrize(
    ("answer", "row", "reply"),
    [
        ("number", ASK, "Answer: 3"),
        ("number", {"prompt": "How many?", "answer": "3", "reasoning": "One and two. "}, "One and two.\nAnswer: 3"),
        ("text", {"question": "Who?", "answer": ["Ada", "Ada Byron"]}, "Answer: Ada"),
        ("boolean", {"question": "Is it?", "answer": True}, "Answer: True"),
        ("choice", {"question": "Which?", "options": ["red", "blue"], "answer": "blue"}, "blue\nAnswer: B"),
        (
            "choice",
            {"question": "Q?", "options": ["x", "y"], "answer": 0, "reasoning": "It is x."},
            "It is x.\nAnswer: A",
        ),
        ("code", {"question": "Add.", "answer": "def f(): ..."}, "```python\ndef f(): ...\n```"),
        ("free", {"question": "Tell.", "answer": "Once upon a time."}, "Once upon a time."),
    ],
)
def test_the_reply_has_the_form_of_the_answer_contract(tmp_path, answer, row, reply):
    (lesson,) = lessons(tmp_path, row, answer=answer)
    assert [m.role for m in lesson.messages] == ["system", "user", "assistant"]
    assert lesson.messages[-1].content == reply


@pytest.mark.parametrize(
    ("answer", "row"),
    [
        ("number", {**ASK, "id": "1", "split": "test"}),
        ("choice", {"id": "1", "split": "test", "question": "Which?", "options": ["red", "blue"], "answer": "A"}),
    ],
)
def test_a_row_is_asked_as_its_twin_in_the_test_set_is(tmp_path, answer, row):
    (lesson,) = lessons(tmp_path, row, answer=answer, instruction="Mind the units.")
    (tmp_path / "priority.jsonl").write_text(json.dumps(row) + "\n")
    (item,) = load_split(own_task(manifest(tmp_path, answer, instruction="Mind the units.")), "test").items
    me = Participant("ana", Scripted([]), system="Be exact.")
    asked = render("answer", {"question": item.question, "answer_type": item.answer_type}, me)
    assert lesson.messages[:-1] == me.messages(asked)
    assert "Mind the units." in asked


def test_a_chat_is_taken_as_it_is(tmp_path):
    turns = [
        {"role": r, "content": c}
        for r, c in (("user", "Hi"), ("assistant", " Hello"), ("user", "?"), ("assistant", "!"))
    ]
    (lesson,) = lessons(tmp_path, {"messages": turns})
    assert lesson.messages == tuple(Message(t["role"], t["content"]) for t in turns)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("{", "not JSON"),
        ("[1]", "expected an object"),
        ("{}", "the row is empty"),
        ({"text": "abc"}, "no known form: it needs 'question' (or 'prompt') and 'answer', or 'messages'"),
        ({"question": " ", "answer": 1}, "question is empty"),
        ({"question": "How many?", "answer": ""}, "the answer is empty"),
        ({"question": "How many?", "answer": None}, "'answer' is empty"),
        ({"question": "How many?", "answer": "many"}, "is no number"),
        ({**ASK, "reasoning": 5}, "reasoning 5"),
        ({"messages": []}, "'messages' must be a list"),
        ({"messages": [{"role": "user", "content": "Hi"}]}, "no assistant turn"),
        ({"messages": [{"role": "robot", "content": "Hi"}]}, "role is 'robot'"),
        ({"messages": [{"role": "assistant", "content": ""}]}, "is empty or no text"),
        (json.dumps(ASK)[:-1] + ', "x": "' + "y" * 2_000_000 + '"}', "characters in one row"),
    ],
)
def test_a_row_that_cannot_be_used_is_named_with_its_line(tmp_path, row, says):
    with pytest.raises(BadInput) as e:
        lessons(tmp_path, ASK, row, ASK)
    assert str(e.value).startswith(f"{tmp_path / 'train.jsonl'}:2: ")
    assert says in str(e.value)
    assert len(str(e.value).splitlines()) == 1


def test_many_bad_rows_are_counted_and_not_all_shown(tmp_path):
    with pytest.raises(BadInput) as e:
        lessons(tmp_path, *["{}"] * 50)
    shown = str(e.value).splitlines()
    assert len(shown) == 21
    assert shown[-1].endswith("30 more like these")


@pytest.mark.parametrize(
    ("rows", "says"), [((), "it is empty"), ((ASK,) * 3, "it has 3 rows; training needs at least 20")]
)
def test_too_few_rows_are_refused(tmp_path, rows, says):
    with pytest.raises(BadInput, match=says):
        lessons(tmp_path, *rows, least=20)


def test_a_missing_file_is_told_with_its_form(tmp_path):
    with pytest.raises(BadInput, match="no such file: write your training rows"):
        read_lessons(tmp_path / "no.jsonl", manifest(tmp_path), Participant("ana", Scripted([])))


def chat(*turns):
    return {"messages": [{"role": role, "content": content} for role, content in turns]}


@pytest.mark.parametrize(
    ("row", "name"),
    [
        ({"question": "how many LEGS  has a spider, please?", "answer": 8}, "test question t1"),
        ({"question": "How many legs has a spider -- please ?!", "answer": 8}, "test question t1"),
        ({"question": "Say: how many legs has a spider, please?", "answer": 8}, "test question t1"),
        ({"question": "Tell me", "reasoning": "How many legs has a spider, please? 8.", "answer": 8}, "test question t1"),
        (chat(("user", "Tell me. How many legs has a spider please"), ("assistant", "8")), "test question t1"),
        (chat(("system", "How many legs has a spider, please? 8"), ("user", "?"), ("assistant", "8")), "test question t1"),
        (chat(("user", "?"), ("assistant", "How many legs has a spider, please? 8")), "test question t1"),
        ({"question": "How many legs has a fly?", "answer": 6}, "dev question d1"),
        ({"question": "How many legs has a beetle, please?", "answer": 6}, ""),
        ({"question": "How many legs has a flying spider, please?", "answer": 8}, ""),
    ],
)  # fmt: skip
def test_rows_that_hold_questions_of_the_test_set_are_found(tmp_path, row, name):
    held = [
        {"id": "t1", "split": "test", "question": "How many legs has a spider, please?", "answer": 8},
        {"id": "d1", "split": "dev", "question": "How many legs has a fly?", "answer": 6},
    ]
    (tmp_path / "priority.jsonl").write_text("".join(json.dumps(h) + "\n" for h in held))
    found = leaks(lessons(tmp_path, ASK, row), manifest(tmp_path))
    where = f"{tmp_path / 'train.jsonl'}:2: holds {name} of {tmp_path / 'priority.jsonl'}: remove this row"
    assert found == ([where] if name else [])


def test_many_questions_are_looked_for_in_long_texts_in_a_time_that_grows_with_the_texts():
    held = Questions()
    for i in range(5_000):
        held.add(f"what follows market day {i} in the village", (), str(i), inside=True)
    text = "what follows market day 5000 in the village " * 4_000
    began = time.monotonic()
    assert held.find([text]) is None
    assert held.find([f"{text} what follows market day 4999 in the village"]) == "4999"
    assert time.monotonic() - began < 10  # looking for each of them in turn would take a minute


def test_rows_made_to_take_long_are_refused(monkeypatch):
    monkeypatch.setattr("folkmoot.contribute.rows._STEPS", 1_000)
    held = Questions()
    held.add("a " * 60 + "b", (), "1", inside=True)
    with pytest.raises(BadInput, match="too often"):
        held.find(["a " * 100])


@pytest.mark.parametrize(
    ("question", "found"),
    [("Which is true?", ["1"]), ("Which plant keeps its needles all winter?", ["1", "2", "3"])],
)
def test_a_short_choice_with_other_options_is_another_question(tmp_path, question, found):
    which = {"question": question, "answer": "A"}
    held = {**which, "id": "t1", "split": "test", "options": ["oak", "yew"]}
    (tmp_path / "priority.jsonl").write_text(json.dumps(held) + "\n")
    rows = [{**which, "options": o} for o in (["yew", "oak"], ["oak", "yew", "ash"], ["oak", "elm"])]
    told = leaks(lessons(tmp_path, *rows, answer="choice"), manifest(tmp_path, "choice"))
    assert [line.split(": ")[0][-1:] for line in told] == found


@pytest.mark.parametrize(
    ("question", "row"),
    [
        ("磨坊主在每年的丰收节上通常会给村里的孩子们分发什么样的面包？", "你好请回答磨坊主在每年的丰收节上通常会给村里的孩子们分发什么样的面包谢谢"),
        ("粉ひきは収穫祭の日に村の子どもたちにどんなパンを配りますか", "教えて粉ひきは収穫祭の日に村の子どもたちにどんなパンを配りますかね"),
        ("คนโม่แป้งแจกขนมปังแบบไหนให้เด็กในวันเก็บเกี่ยว", "ช่วยบอกหน่อยคนโม่แป้งแจกขนมปังแบบไหนให้เด็กในวันเก็บเกี่ยวครับ"),
        ("磨坊主在丰收节上给什么？", "磨坊主 在 丰收节 上 给 什么"),
    ],
)  # fmt: skip
def test_a_question_in_a_script_without_spaces_is_found_inside_longer_texts(tmp_path, question, row):
    held = {"id": "t1", "split": "test", "question": question, "answer": 3}
    (tmp_path / "priority.jsonl").write_text(json.dumps(held) + "\n")
    other = {"question": question.replace(question[8], "X"), "answer": 3}
    found = leaks(lessons(tmp_path, other, {"question": row, "answer": 3}), manifest(tmp_path))
    assert [line.split(": ")[0][-2:] for line in found] == [":2"]
