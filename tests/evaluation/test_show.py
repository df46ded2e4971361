"""What `eval show` finds and prints."""

import io
import json

import pytest
from rich.console import Console

from folkmoot.documents import BadInput
from folkmoot.evaluation.folder import opened
from folkmoot.evaluation.show import Filter, questions, questions_json, transcripts, transcripts_json
from folkmoot.evaluation.transcript import print_questions, print_transcripts


def printed(write, *args, width=200, **options) -> str:
    out = io.StringIO()
    write(Console(file=out, width=width, highlight=False, markup=False, emoji=False), *args, **options)
    return out.getvalue()


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Filter(), ["picks 1", "sums 1", "sums =2+3", "sums ../x"]),
        (Filter(task="picks"), ["picks 1"]),
        (Filter(only_right="debate"), ["picks 1"]),
        (Filter(collapsed="debate"), ["sums 1"]),
        (Filter(disagreements=True), ["picks 1", "sums 1", "sums =2+3"]),
        (Filter(disagreements=True, systems=("ana", "bo")), ["sums 1", "sums =2+3"]),
        (Filter(only=("unparsed",)), ["sums =2+3"]),
        (Filter(only=("unparsed", "error")), ["sums =2+3", "sums ../x"]),
        (Filter(only=("right",), systems=("bo",)), []),
        (Filter(draw=0, only=("wrong",), systems=("debate",)), ["sums 1"]),
    ],
)
def test_questions_are_found(made, wanted, found):
    with opened(made()) as run:
        assert [f"{q.task} {q.item}" for q in questions(run, wanted)] == found


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        (Filter(task="pick"), "did you mean 'picks'?"),
        (Filter(systems=("debat",)), "did you mean 'debate'?"),
        (Filter(only_right="an"), "did you mean 'ana'?"),
        (Filter(only=("rihgt",)), "did you mean 'right'?"),
        (Filter(draw=1), "draws are numbered from 0 to 0"),
    ],
)
def test_unknown_names_are_refused_with_what_is_close(made, wanted, says):
    with opened(made()) as run, pytest.raises(BadInput, match=says.replace("?", "[?]")):
        questions(run, wanted)


def test_an_unknown_question_is_refused_with_what_is_close(made):
    with opened(made()) as run:
        with pytest.raises(BadInput, match=r"no question '=2\+4'; did you mean '=2\+3'"):
            transcripts(run, "=2+4", Filter())
        with pytest.raises(BadInput, match="task 'picks'"):
            transcripts(run, "../x", Filter(task="picks"))


def test_right_over_several_draws_is_more_than_half():
    from dataclasses import replace

    from folkmoot.evaluation.result import Figures
    from folkmoot.evaluation.show import Question

    draw = Figures("a", "t", "1", 0, "scored", True, 1.0, 1, 1, 0, 1, 0.1, 0, 0, 0)
    half = Question("t", "1", {"a": (draw, replace(draw, draw=1, score=0.0))})
    assert half.score("a") == 0.5
    assert not half.right("a")
    assert half.score("b") is None


def test_transcripts_stand_side_by_side_where_there_is_room(made):
    with opened(made()) as run:
        found = transcripts(run, "1", Filter(task="sums"))
        wide = printed(print_transcripts, found, run.kinds, width=200)
        narrow = printed(print_transcripts, found, run.kinds, width=60)
    assert "ana (member)" in wide
    head = next(line for line in wide.splitlines() if "ana (member)" in line)
    assert "debate (graph)" in head
    assert "big (monolith)" in head
    assert not any("ana (member)" in line and "bo (member)" in line for line in narrow.splitlines())
    assert max(map(len, wide.splitlines())) <= 200
    assert max(map(len, narrow.splitlines())) <= 60
    for text in (wide, narrow):
        assert "✓ right" in text
        assert "✗ wrong" in text
        assert "gold: 7" in text


def test_turns_of_one_step_stand_in_one_row(made):
    with opened(made()) as run:
        text = printed(print_transcripts, transcripts(run, "1", Filter(task="picks", systems=("ana", "debate"))), {})
    second = [line for line in text.splitlines() if "· round 2" in line]
    assert len(second) == 1
    assert second[0].startswith(" ")  # ana alone had said all it had to say: its column is empty there
    assert "ana · answer · round 2" in second[0]


def test_what_models_wrote_is_never_obeyed(made):
    with opened(made()) as run:
        text = printed(print_transcripts, transcripts(run, "=2+3", Filter()), run.kinds, prompts=True)
        text += printed(print_transcripts, transcripts(run, "../x", Filter()), run.kinds, width=50)
        text += printed(print_questions, run, questions(run, Filter()))
    assert not {"\x1b", "\u202e", "\x00", "\ud800"} & set(text)
    assert "⟨ESC⟩" in text
    assert "[bold]no[/bold]" in text
    assert "Be brief." in text  # --prompts
    assert "FAILED: connection refused" in text
    assert "nobody answered" in text


def test_the_list_says_who_was_right_and_who_gave_no_answer(made):
    with opened(made()) as run:
        lines = printed(print_questions, run, questions(run, Filter())).splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("sums =2+3"))
    assert [line.strip() for line in lines[at + 1 : at + 3]] == ["✓ ana, debate, big", "– bo (unparsed)"]
    assert lines[-1] == "4 questions"


def test_several_draws_are_shown_and_chosen(made):
    with opened(made(draws=3)) as run:
        every = transcripts(run, "1", Filter(task="sums", systems=("big", "ana")))["sums"]
        assert [(r.draw, r.system) for r in every] == [(d, s) for d in range(3) for s in ("big", "ana")]
        one = transcripts(run, "1", Filter(task="sums", draw=2))["sums"]
        assert {r.draw for r in one} == {2}
        assert "ana 3/3" in printed(print_questions, run, questions(run, Filter()))


def test_as_json(made):
    with opened(made()) as run:
        listed = json.loads(json.dumps(questions_json(run, questions(run, Filter()))))
        shown = json.loads(json.dumps(transcripts_json(transcripts(run, "1", Filter()), prompts=False)))
        with_prompts = transcripts_json(transcripts(run, "1", Filter()), prompts=True)
    assert listed[0]["systems"]["debate"] == {"score": 1.0, "draws": ["right"]}
    assert listed[2]["gold"] == ["-3", "-3.0"]
    assert [q["task"] for q in shown] == ["picks", "sums"]
    turns = shown[0]["samples"][2]["turns"]
    assert [(t["speaker"], t["answer"], t["mark"]) for t in turns] == [("ana", "B", 0), ("bo", "A", 1), ("ana", "A", 1)]
    assert "prompt" not in turns[0]
    assert with_prompts[0]["samples"][2]["turns"][0]["prompt"][0] == {"role": "system", "content": "Be brief."}
